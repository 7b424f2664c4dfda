//! The library that a case is compiled against: the one that this test was linked with.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    sync::OnceLock,
    time::SystemTime,
};

use crate::rustc;

pub struct Library {
    pub file: PathBuf,
    /// Where what it depends on is.
    pub dependencies: Vec<PathBuf>,
    /// What it was compiled for, if that was said.
    pub target: Option<String>,
}

impl Library {
    /// It lies beside this test, often among others: built with other features or flags, or of an older source. Cargo does not tell
    /// which one is which. To be asked for the list of what it builds, it would have to be given all that it was given this
    /// time, or it would build anew. So it is found by what must be true of it: it was made before this test and after its source
    /// was last changed, and a program compiles with it. Of several the newest is taken: that they are of the same source is
    /// all that matters here.
    pub fn of_this_test() -> &'static Self {
        static FOUND: OnceLock<Library> = OnceLock::new();
        FOUND.get_or_init(|| Library::find().unwrap_or_else(|complaint| panic!("{complaint}")))
    }

    fn find() -> Result<Self, String> {
        let test = env::current_exe().expect("a test is a file");
        let folder = test.parent().expect("it is in a folder");
        let target = target_of(folder);
        let mut dependencies = vec![folder.to_owned()];
        if let (Some(_), Some(profile), Some(root)) = (
            &target,
            folder.parent().and_then(Path::file_name),
            folder.ancestors().nth(3),
        ) {
            // Macros are programs of the machine that compiles: `target/debug/deps`.
            dependencies.push(root.join(profile).join("deps"));
        }
        let mut candidates = Vec::new();
        for entry in fs::read_dir(folder).expect("the folder of the test is there") {
            let file = entry.expect("the folder can be read").path();
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with("libwharf-") && name.ends_with(".rlib") {
                // Another build may replace it meanwhile.
                let Ok(made) = changed(&file) else { continue };
                candidates.push((made, file));
            }
        }
        candidates.sort();
        let finished = changed(&test).expect("a test has a time");
        let mut refused = String::new();
        for (made, file) in candidates.into_iter().rev() {
            let library = Library {
                dependencies: dependencies.clone(),
                target: target.clone(),
                file,
            };
            match library.refusal(made, finished) {
                None => return Ok(library),
                Some(why) => refused += &format!("{}: {why}\n", library.file.display()),
            }
        }
        let folder = folder.display();
        Err(format!(
            "the library that this test was linked with is not in {folder}\n{refused}"
        ))
    }

    /// Why it can't be the one.
    fn refusal(&self, made: SystemTime, finished: SystemTime) -> Option<String> {
        if made > finished {
            return Some("made after this test".to_owned());
        }
        if let Err(why) = is_current(&self.file, made, finished) {
            return Some(why);
        }
        let folder = tempfile::tempdir().expect("a folder");
        let program = folder.path().join("probe.rs");
        let text = "pub type Port = wharf::CompletionPort<u64>;\n\
            pub fn make() -> std::io::Result<Port> { Port::new(1) }\n";
        fs::write(&program, text).expect("a file");
        let errors = rustc::errors(self, &program);
        errors.into_iter().next().map(|error| error.printed)
    }
}

/// Whether the library is as new as each file of its source was when this test was made; cargo has their names beside it.
fn is_current(library: &Path, made: SystemTime, finished: SystemTime) -> Result<(), String> {
    let name = library.file_stem().unwrap_or_default().to_string_lossy();
    let list = library.with_file_name(format!("{}.d", name.trim_start_matches("lib")));
    let list = fs::read_to_string(&list).map_err(|error| format!("{}: {error}", list.display()))?;
    // "OUTPUT: SOURCE SOURCE ...", from the root of the workspace, then "SOURCE:" each.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let sources = list.lines().filter_map(|line| line.strip_suffix(':'));
    for source in sources {
        let source = root.join(source.replace("\\ ", " "));
        match changed(&source) {
            Ok(at) if at <= made || at > finished => {}
            Ok(_) => return Err(format!("{} is newer", source.display())),
            Err(error) => return Err(format!("{}: {error}", source.display())),
        }
    }
    Ok(())
}

fn changed(file: &Path) -> io::Result<SystemTime> {
    fs::metadata(file)?.modified()
}

/// What the test was compiled for, if cargo was told: `target/TARGET/debug/deps`.
fn target_of(folder: &Path) -> Option<String> {
    let name = folder.ancestors().nth(2)?.file_name()?.to_str()?.to_owned();
    let output = rustc::command().args(["--print", "target-list"]).output();
    let known = String::from_utf8(output.expect("rustc runs").stdout).expect("names are UTF-8");
    known.lines().any(|target| target == name).then_some(name)
}
