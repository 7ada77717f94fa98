//! [`field_at`]: which field stands at a place of a body.

use std::sync::LazyLock;

use regex_lite::Regex;

/// The name before a value, or before what there is of it. It is made of characters that a name of ours has.
static NAME_BEFORE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#""([A-Za-z_]{1,64})"\s*:\s*[^,"{}\[\]]*$"#).ok());
/// A name itself.
static NAME_HERE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#"^"([A-Za-z_]{1,64})"\s*:"#).ok());

/// The field at this place of a JSON object, or whose value stands there, as a JSON pointer; `None` where that is not plain to see, as in objects within
/// others. Both numbers are from 1; `column` is in characters.
pub(super) fn field_at(text: &str, line: u32, column: u32) -> Option<String> {
    let at = offset(text, line, column)?;
    let (before, behind) = text.split_at(at);
    if before.matches(['{', '[']).count() != 1 {
        return None;
    }
    let here = NAME_HERE.as_ref().and_then(|name| name.captures(behind));
    let found = here.or_else(|| NAME_BEFORE.as_ref().and_then(|name| name.captures(before)))?;
    Some(format!("/{}", &found[1]))
}

fn offset(text: &str, line: u32, column: u32) -> Option<usize> {
    let skipped = usize::try_from(line.checked_sub(1)?).ok()?;
    let start: usize = text.split_inclusive('\n').take(skipped).map(str::len).sum();
    let line = text[start..].lines().next().unwrap_or_default();
    let within = line.char_indices().nth(usize::try_from(column.checked_sub(1)?).ok()?);
    Some(start + within.map_or(line.len(), |(at, _)| at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_its_value_are_the_field() {
        let text = "{\"key\": \"é\",\n \"rate\": 12, \"cost\": 1}";
        let field = |line, column| field_at(text, line, column);
        assert_eq!(field(1, 2).as_deref(), Some("/key"));
        assert_eq!(field(1, 9).as_deref(), Some("/key"));
        assert_eq!(field(2, 2).as_deref(), Some("/rate"));
        assert_eq!(field(2, 11).as_deref(), Some("/rate"));
        assert_eq!(field(2, 22).as_deref(), Some("/cost"));
        assert_eq!((field(1, 1), field(9, 9), field(0, 0)), (None, None, None));
        assert_eq!(field_at("{\"checks\": [{\"rate\": 1.5}]}", 1, 22), None);
    }
}
