//! A case, as its file has it.

use std::{fs, path::Path};

/// A program with a mistake, and the same program without it.
pub struct Case {
    /// Of its file.
    pub name: String,
    /// The code of the error, or the name of the lint.
    pub code: String,
    /// What must be in what rustc prints; may be empty.
    pub words: String,
    /// Where rustc must point; counted from 1.
    pub line: u64,
    pub misuse: String,
    pub twin: String,
}

pub fn all() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/misuse/cases");
    let files = fs::read_dir(&folder).expect("the cases are there");
    let mut cases: Vec<_> = files
        .map(|file| Case::read(&file.unwrap().path()))
        .collect();
    cases.sort_by(|one, other| one.name.cmp(&other.name));
    assert!(
        !cases.is_empty(),
        "there is no case in {}",
        folder.display()
    );
    cases
}

impl Case {
    fn read(path: &Path) -> Self {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let (mut misuse, mut twin) = (Vec::new(), Vec::new());
        let mut expected = Vec::new();
        let mut differences = 0;
        for line in fs::read_to_string(path).unwrap().lines() {
            if let Some(right) = line.trim_start().strip_prefix("//= ") {
                differences += 1;
                *twin.last_mut().expect("it stands below a line") = right.to_owned();
                // Both keep the lines of the file.
                misuse.push(String::new());
                twin.push(String::new());
                continue;
            }
            let code = line.split_once(" //~ ").map_or(line, |(code, error)| {
                expected.push((misuse.len() as u64 + 1, error.to_owned()));
                code
            });
            misuse.push(code.to_owned());
            twin.push(code.to_owned());
        }
        assert_eq!(differences, 1, "{name}: its twin differs in one line");
        let [(line, error)] = &expected[..] else {
            panic!("{name}: one line has the error");
        };
        let (code, words) = error.split_once(": ").unwrap_or((error, ""));
        Case {
            name,
            code: code.to_owned(),
            words: words.to_owned(),
            line: *line,
            misuse: misuse.join("\n"),
            twin: twin.join("\n"),
        }
    }
}
