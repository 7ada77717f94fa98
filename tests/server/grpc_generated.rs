//! The code that is generated from `proto/` is what its files say today.
//!
//! After a change there, `TOLLGATE_GENERATE=1 cargo test --features server --test server grpc_generated` writes it anew.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

use prost::Message;
use tempfile::TempDir;

/// The files with services. What they import follows.
const ENVOY: &str = "envoy/service/ratelimit/v3/rls.proto";
const TOLLGATE: &str = "tollgate/v1/tollgate.proto";

/// What reflection tells clients.
const DESCRIPTORS: &str = "descriptors.bin";

#[test]
fn the_generated_code_is_what_the_definitions_say() {
    let checked_in = in_project("src/server/grpc/generated");
    let generated = generate();
    if env::var_os("TOLLGATE_GENERATE").is_some() {
        for (name, contents) in &generated {
            fs::write(checked_in.join(name), contents).unwrap();
        }
    }
    for (name, contents) in &generated {
        let found = fs::read(checked_in.join(name)).unwrap_or_default();
        assert!(
            found == *contents,
            "{name} is not what proto/ says: run TOLLGATE_GENERATE=1 cargo test --features server --test server grpc_generated"
        );
    }
}

/// All files, by their names.
fn generate() -> BTreeMap<String, Vec<u8>> {
    let out = TempDir::new().unwrap();
    let mut compiler = protox::Compiler::new([in_project("proto")]).unwrap();
    compiler.include_source_info(true).include_imports(true).open_files([ENVOY, TOLLGATE]).unwrap();
    let definitions = compiler.file_descriptor_set();
    tonic_prost_build::configure()
        .out_dir(out.path())
        .include_file("packages.rs")
        .compile_fds(definitions)
        .unwrap();
    // Comments are for those who read the definitions, not for clients.
    let told = compiler.include_source_info(false).file_descriptor_set().encode_to_vec();
    fs::write(out.path().join(DESCRIPTORS), told).unwrap();
    fs::read_dir(out.path())
        .unwrap()
        .map(|file| {
            let file = file.unwrap();
            (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap())
        })
        .collect()
}

fn in_project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
