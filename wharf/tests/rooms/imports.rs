//! Finds what each file of a crate names of the others: in `use`, and by paths that begin with `crate`, `super` or `self`.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt, fs,
    path::Path,
};

use crate::tokens::{Token, take_tests, tokens};

/// Modules, by their paths from the root: the files they are in.
type Modules = BTreeMap<Vec<String>, String>;

/// A path that a file names, and the file that it leads to.
#[derive(Debug, PartialEq)]
pub struct Import {
    pub file: String,
    pub line: usize,
    /// From the root of the crate.
    pub path: String,
    pub target: String,
}

impl fmt::Display for Import {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Import {
            file, line, path, ..
        } = self;
        write!(formatter, "wharf/src/{file}:{line}: {path}")
    }
}

/// The sources, by their paths beneath `src`, without tests.
pub struct House {
    pub files: BTreeMap<String, Vec<Token>>,
}

impl House {
    pub fn of_this_crate() -> Self {
        let mut sources = Vec::new();
        let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        read(&src, "", &mut sources);
        House::new(sources)
    }

    /// From pairs of a file's path and its text.
    pub fn new(sources: impl IntoIterator<Item = (String, String)>) -> Self {
        let sources = sources.into_iter();
        let mut files: BTreeMap<_, _> = sources.map(|(file, text)| (file, tokens(&text))).collect();
        let mut tests = Vec::new();
        for (file, tokens) in &mut files {
            for name in take_tests(tokens) {
                let path = [module_of(file), vec![name]].concat().join("/");
                tests.extend([format!("{path}.rs"), format!("{path}/mod.rs")]);
            }
        }
        for file in tests {
            files.remove(&file);
        }
        House { files }
    }

    pub fn imports(&self) -> Vec<Import> {
        let files = self.files.iter();
        let modules = files.map(|(file, _)| (module_of(file), file.clone()));
        let modules = modules.collect();
        let handed_on = Search::of(&self.files["lib.rs"], Vec::new(), &modules).names;
        let mut imports = Vec::new();
        for (file, tokens) in &self.files {
            let found = Search::of(tokens, module_of(file), &modules).found;
            imports.extend(found.into_iter().map(|(line, path)| Import {
                file: file.clone(),
                line,
                target: target(&path, &modules, &handed_on),
                path: format!("crate::{}", path.join("::")),
            }));
        }
        imports
    }
}

fn read(folder: &Path, prefix: &str, sources: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_str();
        let name = format!("{prefix}{}", name.expect("a name in UTF-8"));
        if path.is_dir() {
            read(&path, &format!("{name}/"), sources);
        } else if name.ends_with(".rs") {
            sources.push((name, fs::read_to_string(path).expect("a source")));
        }
    }
}

/// `a/b.rs` and `a/b/mod.rs` are the module `a::b`, `lib.rs` is the root.
fn module_of(file: &str) -> Vec<String> {
    let path = file.strip_suffix(".rs").unwrap_or(file);
    let path = path.strip_suffix("/mod").unwrap_or(path);
    let names = path.split('/').filter(|name| *name != "lib");
    names.map(str::to_owned).collect()
}

/// The file of the innermost module that a path leads through. A name at the root leads where the root has it from.
fn target(path: &[String], modules: &Modules, handed_on: &BTreeMap<String, Vec<String>>) -> String {
    let depths = (0..=path.len()).rev();
    let mut found = depths.filter_map(|depth| Some((depth, modules.get(&path[..depth])?)));
    let (depth, file) = found.next().expect("the root is a module");
    match path.first().and_then(|name| handed_on.get(name)) {
        Some(from) if depth == 0 => target(from, modules, handed_on),
        _ => file.clone(),
    }
}

/// A walk through a file's tokens.
struct Search<'a> {
    rest: VecDeque<&'a Token>,
    /// The module that the walk is in, and at which depth of braces each inline one began.
    module: Vec<String>,
    inline: Vec<usize>,
    depth: usize,
    modules: &'a Modules,
    /// Where, and which path.
    found: Vec<(usize, Vec<String>)>,
    /// What each name that is imported stands for.
    names: BTreeMap<String, Vec<String>>,
}

impl<'a> Search<'a> {
    fn of(tokens: &'a [Token], module: Vec<String>, modules: &'a Modules) -> Self {
        let mut search = Search {
            rest: tokens.iter().collect(),
            module,
            inline: Vec::new(),
            depth: 0,
            modules,
            found: Vec::new(),
            names: BTreeMap::new(),
        };
        while !search.rest.is_empty() {
            search.step();
        }
        search
    }

    fn peek(&self, ahead: usize) -> &str {
        self.rest.get(ahead).map_or("", |token| &token.text)
    }

    fn next(&mut self) -> String {
        let token = self.rest.pop_front();
        token.map_or(String::new(), |token| token.text.clone())
    }

    fn step(&mut self) {
        match (self.peek(0), self.peek(1), self.peek(2)) {
            ("pub", "(", _) => while self.next() != ")" {},
            ("use", next, _) if next != "<" => {
                self.next();
                self.tree(Vec::new());
            }
            ("crate" | "super" | "self", "::", _) => self.path_in_code(),
            ("mod", name, "{") => {
                self.module.push(name.to_owned());
                self.inline.push(self.depth);
                self.next();
                self.next();
            }
            ("{", ..) => {
                self.next();
                self.depth += 1;
            }
            ("}", ..) => self.leave(),
            _ => drop(self.next()),
        }
    }

    /// Leaves what a brace closes: an inline module, perhaps.
    fn leave(&mut self) {
        self.next();
        self.depth = self.depth.saturating_sub(1);
        if self.inline.last() == Some(&self.depth) {
            self.inline.pop();
            self.module.pop();
        }
    }

    /// What follows `use`, or one branch of it.
    fn tree(&mut self, mut path: Vec<String>) {
        let line = self.rest.front().map_or(0, |token| token.line);
        loop {
            match self.next().as_str() {
                "::" => {}
                "{" => return self.branches(&path),
                "*" => return self.add(line, path, None),
                word => path.push(word.to_owned()),
            }
            if self.peek(0) == "as" {
                self.next();
                let name = self.next();
                return self.add(line, path, Some(name));
            }
            if matches!(self.peek(0), "," | "}" | ";" | "") {
                let name = path.last().cloned();
                return self.add(line, path, name);
            }
        }
    }

    fn branches(&mut self, path: &[String]) {
        while !matches!(self.peek(0), "}" | "") {
            self.tree(path.to_vec());
            if self.peek(0) == "," {
                self.next();
            }
        }
        self.next();
    }

    fn path_in_code(&mut self) {
        let line = self.rest[0].line;
        let mut path = vec![self.next()];
        let is_word =
            |text: &str| text.starts_with(|first: char| first.is_alphabetic() || first == '_');
        while self.peek(0) == "::" && is_word(self.peek(1)) {
            self.next();
            path.push(self.next());
        }
        self.add(line, path, None);
    }

    /// Notes a path, if it is of this crate.
    fn add(&mut self, line: usize, path: Vec<String>, name: Option<String>) {
        if let Some(path) = self.absolute(path) {
            if let Some(name) = name {
                self.names.insert(name, path.clone());
            }
            self.found.push((line, path));
        }
    }

    /// A path as from the root; none if it leads out of this crate.
    fn absolute(&self, path: Vec<String>) -> Option<Vec<String>> {
        let mut base = self.module.clone();
        let mut names = path.into_iter().peekable();
        match names.peek()?.as_str() {
            "crate" => base.clear(),
            "self" | "super" => {}
            child => {
                base.push(child.to_owned());
                if !self.modules.contains_key(&base) {
                    return None;
                }
                base.pop();
            }
        }
        for name in names {
            match name.as_str() {
                "crate" | "self" => {}
                "super" => drop(base.pop()),
                _ => base.push(name),
            }
        }
        Some(base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `file` with `text` names in a crate of these modules.
    fn of(file: &str, text: &str) -> Vec<(usize, String)> {
        let files = [
            (
                "lib.rs",
                "pub use top::{Made as Known, deep::Deep};\nmod top;",
            ),
            (
                "top/mod.rs",
                "pub mod deep; #[cfg(all(test, unix))] mod tests;",
            ),
            ("top/deep.rs", ""),
            ("top/tests.rs", "use crate::side;"),
            ("side.rs", ""),
            (file, text),
        ];
        let house = House::new(files.map(|(file, text)| (file.to_owned(), text.to_owned())));
        let imports = house.imports().into_iter();
        let of_file = imports.filter(|import| import.file == file);
        of_file.map(|import| (import.line, import.target)).collect()
    }

    #[test]
    fn a_tree_is_followed_through_its_branches_and_lines() {
        let text =
            "use crate::{\n    side::A,\n    top::{self, B,\n    deep::{C, *}},\n};\nuse std::io;";
        let expected = [
            (2, "side.rs"),
            (3, "top/mod.rs"),
            (3, "top/mod.rs"),
            (4, "top/deep.rs"),
            (4, "top/deep.rs"),
        ];
        assert_eq!(
            of("new.rs", text),
            expected.map(|(line, file)| (line, file.to_owned()))
        );
    }

    #[test]
    fn relative_paths_count_from_where_they_stand() {
        let text = "use super::deep::X; mod inner { use super::super::deep::Y; } use super::super::side::Z; mod deeper;";
        let expected = ["top/deep.rs", "top/deep.rs", "side.rs"];
        assert_eq!(
            of("top/new.rs", text),
            expected.map(|file| (1, file.to_owned()))
        );
        assert_eq!(
            of("top/mod.rs", "pub use deep::D; use std::io;"),
            [(1, "top/deep.rs".to_owned())]
        );
    }

    #[test]
    fn what_the_root_hands_on_is_of_the_room_that_makes_it() {
        let text = "use crate::Known; fn f(deep: crate::Deep<u8>) { crate::side::call::<u8>() }";
        let expected = ["top/mod.rs", "top/deep.rs", "side.rs"];
        assert_eq!(
            of("new.rs", text),
            expected.map(|file| (1, file.to_owned()))
        );
    }

    #[test]
    fn comments_texts_tests_and_visibility_name_nothing() {
        let text = r##"//! crate::side
            /* use crate::side; */ const C: char = '"'; const L: &'static str = "crate::side";
            const R: &str = r#"" crate::side"#; pub(in crate::side) fn f<'a>() {}
            #[cfg(test)] #[allow(x)] mod tests { use crate::side; fn g() {} }
            #[cfg(test)] use crate::side;
            #[cfg(all(test, not(loom)))] fn h() -> [u8; 1] { crate::side::x() }"##;
        assert_eq!(of("new.rs", text), []);
    }
}
