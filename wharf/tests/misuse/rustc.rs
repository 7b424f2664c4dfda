//! rustc, and what it says in JSON.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::library::Library;

/// An error in a program.
pub struct Error {
    /// `E0382`; the name of a lint; or empty, where rustc has no code for it.
    pub code: String,
    /// Where rustc points first; counted from 1.
    pub line: u64,
    /// As people are shown it.
    pub printed: String,
}

/// The one that built this test, so that it reads what the library was compiled to.
pub fn command() -> Command {
    let beside_cargo = Path::new(env!("CARGO")).with_file_name("rustc");
    let named = env::var_os("RUSTC").map(PathBuf::from);
    let rustc = named.unwrap_or_else(|| match beside_cargo.exists() {
        true => beside_cargo,
        false => "rustc".into(),
    });
    Command::new(rustc)
}

/// The flags that the library was built with, as cargo finds them in the environment.
fn flags() -> Vec<String> {
    match env::var("CARGO_ENCODED_RUSTFLAGS") {
        Ok(flags) => flags
            .split('\u{1f}')
            .filter(|flag| !flag.is_empty())
            .map(Into::into)
            .collect(),
        Err(_) => env::var("RUSTFLAGS")
            .unwrap_or_default()
            .split_whitespace()
            .map(Into::into)
            .collect(),
    }
}

/// Compiles the program as far as its errors go.
pub fn errors(library: &Library, program: &Path) -> Vec<Error> {
    let file = library.file.display();
    let dependencies = library.dependencies.iter();
    let output = command()
        .args(flags())
        // What a case denies it denies all the same.
        .args(["--edition=2024", "--crate-type=lib", "-Awarnings"])
        .args(["--emit=metadata", "--error-format=json"])
        .arg(format!("--extern=wharf={file}"))
        .args(dependencies.map(|folder| format!("-Ldependency={}", folder.display())))
        .args(
            library
                .target
                .iter()
                .map(|target| format!("--target={target}")),
        )
        .arg("--out-dir")
        .arg(program.parent().unwrap())
        .arg(program)
        .output()
        .expect("rustc runs");
    let lines = String::from_utf8(output.stderr).expect("JSON is UTF-8");
    let errors: Vec<_> = lines.lines().filter_map(error_of).collect();
    assert_eq!(
        output.status.success(),
        errors.is_empty(),
        "rustc says one thing, and returns another:\n{lines}"
    );
    errors
}

/// The error that a line of rustc's tells of, if it is one of the program and not the sum of them.
fn error_of(line: &str) -> Option<Error> {
    let Ok(message) = serde_json::from_str::<Value>(line) else {
        panic!("it is no JSON: {line}");
    };
    let printed = message["rendered"].as_str()?.to_owned();
    let is_sum = printed.starts_with("error: aborting due to") || message["level"] != "error";
    let spans = message["spans"].as_array()?;
    let primary = spans.iter().find(|span| span["is_primary"] == true);
    let line = primary.and_then(|span| span["line_start"].as_u64());
    (!is_sum).then(|| Error {
        code: message["code"]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        line: line.unwrap_or_default(),
        printed,
    })
}
