//! Misuse that does not compile, held to it: each of `cases` is given to rustc, and must get the error that it says.
//!
//! A case is a file of a few lines that would be a mistake. `//~ E0382` ends the line that rustc must point at, with the code of
//! the error, or the name of the lint; `//~ E0277: words` says words besides that must be in what rustc prints. There must be no
//! other error. `//= code` stands below one line and is what that line is in the case's twin: the same program without the
//! mistake, which must compile. So a case whose error comes from something else, such as a name that is gone, is a failure.
//!
//! It is rustc's own words that are read (`--error-format=json`): tests of the documentation can say that something does not
//! compile, but check the code of the error on a nightly toolchain only. [`CLAIMS`] has where this repository says that
//! something does not compile, and the cases that show it.
//!
//! A test that was compiled for Windows has no rustc there, and none of this.

#![cfg(all(unix, not(any(miri, loom, shuttle))))]

mod case;
mod library;
mod rustc;

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use library::Library;

/// What is said, in which file, and the cases that show it. A case that stands under none is one of [`BESIDES`].
const CLAIMS: &[(&str, &str, &[&str])] = &[
    (
        "wharf/src/lib.rs",
        "a buffer can't be freed before its operation has completed",
        &["buffer_freed", "payload_borrowed", "payload_of_the_caller"],
    ),
    (
        "wharf/src/lib.rs",
        "a failed operation can't be mistaken for a time-out",
        &["time_out_as_error", "wait_is_no_completion"],
    ),
    (
        "wharf/src/lib.rs",
        "a handle can't be associated twice",
        &["handle_associated_twice"],
    ),
    (
        "README.md",
        "A buffer can't be freed under an operation",
        &["buffer_freed", "buffer_read", "buffer_shared"],
    ),
    (
        "README.md",
        "a time-out can't be taken for a failure",
        &[
            "time_out_as_error",
            "time_out_unanswered",
            "wait_is_no_completion",
        ],
    ),
    (
        "wharf/tests/conformance/main.rs",
        "does not compile: `associate` takes the handle",
        &["handle_associated_twice"],
    ),
    (
        "wharf/tests/conformance/main.rs",
        "does not compile: operations are started on what `associate` returns",
        &[
            "started_before_associated",
            "accepted_started_before_associated",
        ],
    ),
    (
        "wharf/src/handle/mod.rs",
        "so that it can't be associated twice, nor used without the port's knowledge",
        &["handle_associated_twice", "handle_used_behind_the_port"],
    ),
    (
        "wharf/src/handle/key.rs",
        "An `Arc` is also the way to have a key of a type that is not `Clone`",
        &[
            "key_not_clone",
            "key_not_clone_associated",
            "key_not_clone_built",
            "key_not_clone_posted",
        ],
    ),
    (
        "wharf/src/handle/key.rs",
        "Any type that is [`Clone`], `Send`, `Sync` and `'static` is a key",
        &["key_borrowed", "key_not_send", "key_not_sync"],
    ),
    (
        "wharf/src/raw/pools.rs",
        "It is dropped by the thread that has the descriptor",
        &["lent_descriptor_sent"],
    ),
];

/// Cases that no words elsewhere promise in so many words.
const BESIDES: &[&str] = &[
    "buffer_len_written",
    "context_borrowed",
    "context_not_send",
    "context_shared",
    "context_without_operation",
    "handler_borrows",
    "handler_not_sync",
    "key_of_another_type",
    "lent_descriptor_outlives",
    "no_handle",
    "operation_id_made_up",
    "operation_of_another_kind",
    "payload_match_without_rest",
    "raw_borrowed_descriptor",
    "raw_start",
    "raw_task",
    "skip_port_ignored",
    "skip_port_outlives",
    "struct_that_may_grow",
    "task_run_twice",
];

#[test]
fn every_misuse_gets_its_error() {
    let (library, folder) = (Library::of_this_test(), tempfile::tempdir().unwrap());
    let cases = case::all();
    let next = AtomicUsize::new(0);
    let judge = || {
        let mut complaints = String::new();
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let path = folder.path().join(format!("{}.rs", case.name));
            fs::write(&path, &case.misuse).unwrap();
            let errors = rustc::errors(library, &path);
            let got: BTreeSet<_> = errors
                .iter()
                .map(|error| (error.line, &*error.code))
                .collect();
            let printed: String = errors.iter().map(|error| &*error.printed).collect();
            let wanted = BTreeSet::from([(case.line, &*case.code)]);
            if got != wanted || !printed.contains(&case.words) {
                let (name, words) = (&case.name, &case.words);
                complaints +=
                    &format!("{name}: wanted {wanted:?} {words:?}, got {got:?}\n{printed}\n");
            }
        }
        complaints
    };
    let at_once = thread::available_parallelism().map_or(1, usize::from);
    let complaints: String = thread::scope(|threads| {
        let judges: Vec<_> = (0..at_once).map(|_| threads.spawn(judge)).collect();
        judges
            .into_iter()
            .map(|judge| judge.join().unwrap())
            .collect()
    });
    assert!(complaints.is_empty(), "\n{complaints}");
}

/// All of them are one program: each compiles, and at the cost of one.
#[test]
fn every_twin_compiles() {
    let (library, folder) = (Library::of_this_test(), tempfile::tempdir().unwrap());
    let mut program = String::new();
    for case in case::all() {
        let path = folder.path().join(format!("{}.rs", case.name));
        fs::write(&path, &case.twin).unwrap();
        program += &format!("pub mod {};\n", case.name);
    }
    let path = folder.path().join("lib.rs");
    fs::write(&path, program).unwrap();
    let errors = rustc::errors(library, &path);
    let printed: String = errors.iter().map(|error| &*error.printed).collect();
    assert!(errors.is_empty(), "\n{printed}");
}

#[test]
fn every_claim_has_its_cases() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut complaints = Vec::new();
    for (file, claim, _) in CLAIMS {
        let text = fs::read_to_string(root.join(file)).unwrap();
        if !words_of(&text).contains(&words_of(claim)) {
            complaints.push(format!("{file} does not say: {claim}"));
        }
    }
    let cases: BTreeSet<String> = case::all().into_iter().map(|case| case.name).collect();
    let under_claims = CLAIMS.iter().flat_map(|(_, _, names)| *names);
    let listed: BTreeSet<String> = under_claims
        .chain(BESIDES)
        .map(|&name| name.to_owned())
        .collect();
    let odd = cases.symmetric_difference(&listed);
    complaints.extend(odd.map(|name| format!("{name} is either a file or listed here, not both")));
    complaints.extend(
        CLAIMS
            .iter()
            .filter(|(_, _, names)| names.is_empty())
            .map(|(_, claim, _)| format!("no case: {claim}")),
    );
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// The words of a text, however its lines break and whatever marks them as a comment.
fn words_of(text: &str) -> String {
    let words = text.split_whitespace();
    let words: Vec<_> = words
        .filter(|word| !["//", "///", "//!"].contains(word))
        .collect();
    words.join(" ").to_lowercase()
}
