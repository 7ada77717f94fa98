//! Which public items have no example, and no link to an item that has one.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;

use rustdoc_types::{Crate, Id, Item, ItemEnum};

use crate::Outcome;

/// The paths of types, traits, functions, macros and constants that show nobody how they are used. What belongs to a type is shown with it.
pub fn missing(json: &Path) -> Outcome<Vec<String>> {
    let documented: Crate = serde_json::from_str(&fs::read_to_string(json)?)?;
    let owners = owners(&documented);
    let shown = |id: &Id| documented.index.get(id).is_some_and(has_example);
    let leads_to_one = |item: &Item| {
        item.links.values().any(|target| shown(target) || owners.get(target).is_some_and(&shown))
    };
    let mut missing: Vec<String> = named(&documented)
        .into_iter()
        .filter(|(_, item)| !has_example(item) && !leads_to_one(item))
        .map(|(path, _)| path)
        .collect();
    missing.sort_unstable();
    Ok(missing)
}

fn has_example(item: &Item) -> bool {
    item.docs.as_ref().is_some_and(|docs| docs.contains("```"))
}

/// What users can name, with the path by which they do.
fn named(documented: &Crate) -> Vec<(String, &Item)> {
    let (mut named, mut seen) = (Vec::new(), HashSet::new());
    let mut modules = vec![(String::new(), documented.root)];
    while let Some((path, id)) = modules.pop() {
        // A module may hold a name of one above it.
        if !seen.insert(id) {
            continue;
        }
        let Some(item) = documented.index.get(&id) else { continue };
        let name = item.name.as_deref().unwrap_or_default();
        match &item.inner {
            ItemEnum::Module(module) => {
                modules.extend(module.items.iter().map(|member| (format!("{path}{name}::"), *member)));
            }
            // All names of a module, without its own.
            ItemEnum::Use(import) if import.is_glob => {
                if let Some(ItemEnum::Module(module)) = import.id.and_then(|id| inner(documented, id)) {
                    modules.extend(module.items.iter().map(|member| (path.clone(), *member)));
                }
            }
            ItemEnum::Use(import) => modules.extend(import.id.map(|target| (path, target))),
            ItemEnum::Struct(_)
            | ItemEnum::Enum(_)
            | ItemEnum::Trait(_)
            | ItemEnum::TypeAlias(_)
            | ItemEnum::Function(_)
            | ItemEnum::Macro(_)
            | ItemEnum::Constant { .. } => named.push((format!("{path}{name}"), item)),
            _ => {}
        }
    }
    named
}

fn inner(documented: &Crate, id: Id) -> Option<&ItemEnum> {
    documented.index.get(&id).map(|item| &item.inner)
}

/// To what type or trait variants, methods and associated constants belong.
fn owners(documented: &Crate) -> HashMap<Id, Id> {
    let mut owners = HashMap::new();
    for item in documented.index.values() {
        let (members, impls): (&[Id], &[Id]) = match &item.inner {
            ItemEnum::Struct(inner) => (&[], &inner.impls),
            ItemEnum::Enum(inner) => (&inner.variants, &inner.impls),
            ItemEnum::Trait(inner) => (&inner.items, &[]),
            _ => continue,
        };
        let of_impls = impls.iter().filter_map(|id| match &documented.index.get(id)?.inner {
            ItemEnum::Impl(inner) => Some(&inner.items),
            _ => None,
        });
        owners.extend(members.iter().chain(of_impls.flatten()).map(|member| (*member, item.id)));
    }
    owners
}
