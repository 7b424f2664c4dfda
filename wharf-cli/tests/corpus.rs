//! The corpus of the fuzzers, as an ordinary test: what they once tried holds on every machine, without them.
//!
//! Like them it takes in files of the command and of the toolkit by their paths. It is not in the package, which has
//! no corpus.

// Not all of them is called from here, and what they document is the command's.
#![allow(dead_code, missing_docs)]

#[path = "../src/address.rs"]
pub mod address;
#[path = "../../fuzz/checks.rs"]
pub mod checks;
#[path = "../../wharf-server/src/header.rs"]
pub mod header;
#[path = "../src/http_answer.rs"]
pub mod http_answer;
#[path = "../src/quantity.rs"]
pub mod quantity;
#[path = "../src/work.rs"]
pub mod work;

use std::{fs, panic, path::Path};

/// Runs each file of a folder through a check, and says which it was that failed.
fn run(folder: &str, check: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    let mut count = 0;
    for entry in fs::read_dir(corpus.join(folder)).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let checked = panic::catch_unwind(|| check(&bytes));
        assert!(checked.is_ok(), "{}", path.display());
        count += 1;
    }
    assert!(count >= 10, "{count} files in {folder}");
}

#[test]
fn frames_are_cut_and_read_whatever_comes() {
    run("frames", checks::frames);
}

#[test]
fn answers_are_read_or_refused_whatever_comes() {
    run("answers", checks::answers);
}

#[test]
fn quantities_are_read_whatever_is_written() {
    run("quantities", checks::quantities);
}

#[test]
fn addresses_are_read_whatever_is_written() {
    run("addresses", checks::addresses);
}

#[test]
fn headers_are_read_or_refused_whatever_comes() {
    run("headers", checks::headers);
}
