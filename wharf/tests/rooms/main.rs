//! Every import between the rooms of the library is one that the list below allows, and docs/architecture.md tells the same; of
//! the packages beside it, it tells which they depend on.
//!
//! A room is a folder or a file of `wharf/src`. What a path leads through is used: a name that a room's `mod.rs` hands on counts
//! as that room's. Only `lib.rs` hands on names of every room; one of its names counts as that of the room it comes from.

mod imports;
mod tokens;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use imports::House;

/// From the top of the house to the bottom: the paths of a room, and what it may use.
#[rustfmt::skip] // A line a room.
const ROOMS: &[(&str, &str)] = &[
    ("lib.rs", THE_ROOMS_BELOW),
    ("manual", ""),
    ("names", "raw user_code.rs"),
    ("port.rs workers.rs", THE_ROOMS_BELOW),
    ("operation", "port.rs handle record raw buffer driver"),
    ("handle", "port.rs operation record raw buffer snapshot.rs driver driver/simulated"),
    ("record", "raw buffer sync user_code.rs planted.rs"),
    ("buffer", "raw driver sync planted.rs"),
    ("raw/readiness", "raw scheduler driver snapshot.rs sync user_code.rs planted.rs"),
    ("raw/windows", "raw driver driver/windows snapshot.rs sync user_code.rs planted.rs"),
    ("raw", "raw/readiness raw/windows driver driver/simulated snapshot.rs sync user_code.rs planted.rs"),
    ("scheduler", "driver raw/ring.rs snapshot.rs sync"),
    ("raw/ring.rs", "sync"),
    ("snapshot.rs", ""),
    ("driver/linux", "driver driver/unix sync user_code.rs"),
    ("driver/simulated", "driver driver/unix sync user_code.rs"),
    ("driver/unix", "driver sync user_code.rs"),
    ("driver/windows", "driver sync user_code.rs"),
    ("driver", "driver/linux driver/unix driver/windows sync user_code.rs"),
    ("sync", "raw"),
    ("user_code.rs", ""),
    ("planted.rs", ""),
];

const THE_ROOMS_BELOW: &str = "the rooms below";

/// Which file or folder uses a room above, so that two rooms use each other, and why.
#[rustfmt::skip]
const CIRCLES: &[(&str, &str, &str)] = &[
    ("operation", "port.rs workers.rs", "what is started on the port itself is a method of the port"),
    ("handle", "port.rs workers.rs", "what is associated is told which port with"),
    ("handle", "operation", "a connection that an accept brought can be associated"),
    ("raw", "raw/readiness", "the shape of the port is chosen by the system, in raw/mod.rs"),
    ("raw", "raw/windows", "the shape of the port is chosen by the system, in raw/mod.rs"),
    ("driver/mod.rs", "driver/linux", "the driver is chosen by the system"),
    ("driver/mod.rs", "driver/windows", "the driver is chosen by the system"),
    ("driver/mod.rs", "driver/unix", "a descriptor is the same in all drivers of Unix"),
    ("sync/simulated.rs", "raw", "a deadline is computed as everywhere"),
];

/// The crates that know a kernel.
const OF_KERNELS: [&str; 4] = ["rustix", "libc", "windows_sys", "io_uring"];

/// Which file names one of them though it is no driver's, and why.
const OF_KERNELS_ELSEWHERE: &[(&str, &str, &str)] = &[(
    "raw/windows/native.rs",
    "windows_sys",
    "an operation begins with the kernel's OVERLAPPED",
)];

#[test]
fn every_import_is_allowed() {
    let house = House::of_this_crate();
    let mut complaints = Vec::new();
    for room in ROOMS.iter().flat_map(|(paths, _)| paths.split(' ')) {
        if !house.files.keys().any(|file| is_in(file, room)) {
            complaints.push(format!("{room} is in the list, not in wharf/src"));
        }
    }
    for import in house.imports() {
        let (from, to) = (room_of(&import.file), room_of(&import.target));
        if from != to && !may_use(from).contains(&to) {
            let ((room, uses), (other, _)) = (ROOMS[from], ROOMS[to]);
            complaints.push(format!("{import} is of {other}; {room} may use: {uses}"));
        }
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn rooms_use_each_other_only_for_a_reason() {
    let (mut complaints, mut seen) = (Vec::new(), BTreeSet::new());
    for import in House::of_this_crate().imports() {
        let (from, to) = (room_of(&import.file), room_of(&import.target));
        let (other, _) = ROOMS[to];
        let mut circles = CIRCLES.iter();
        match circles.position(|(path, room, _)| is_in(&import.file, path) && other == *room) {
            Some(place) => drop(seen.insert(place)),
            None if to < from => complaints.push(format!("{import} is of {other}, a room above")),
            None => {}
        }
    }
    for (place, (from, to, _)) in CIRCLES.iter().enumerate() {
        if !seen.contains(&place) {
            complaints.push(format!("{from} is in CIRCLES, and does not use {to}"));
        }
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn only_drivers_name_the_crates_of_kernels() {
    let house = House::of_this_crate();
    let outside = house
        .files
        .iter()
        .filter(|(file, _)| !is_in(file, "driver"));
    let (mut complaints, mut seen) = (Vec::new(), BTreeSet::new());
    for (file, token) in
        outside.flat_map(|(file, tokens)| tokens.iter().map(move |token| (file, token)))
    {
        let (word, line) = (token.text.as_str(), token.line);
        let mut listed = OF_KERNELS_ELSEWHERE.iter();
        if !OF_KERNELS.contains(&word) {
            continue;
        }
        match listed.position(|(path, name, _)| (*path, *name) == (file, word)) {
            Some(place) => drop(seen.insert(place)),
            None => complaints.push(format!(
                "wharf/src/{file}:{line}: {word} is for driver only"
            )),
        }
    }
    for (place, (file, word, _)) in OF_KERNELS_ELSEWHERE.iter().enumerate() {
        if !seen.contains(&place) {
            complaints.push(format!("{file} is in the list, and does not name {word}"));
        }
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn packages_depend_on_what_the_documentation_tells() {
    let root = root();
    let mut packages = 0;
    for (path, told) in table_of(&documentation()) {
        let Ok(manifest) = fs::read_to_string(root.join(&path).join("Cargo.toml")) else {
            continue;
        };
        packages += 1;
        assert_eq!(told, of_ours(&manifest), "{path}");
    }
    assert!(packages > 4, "{packages} packages are in the table");
}

/// The packages of the workspace that a manifest names as dependencies, but for tests.
fn of_ours(manifest: &str) -> BTreeSet<String> {
    let tables = manifest.split("\n[");
    let tables = tables.filter(|table| {
        // For all systems, or for some.
        let header = table.lines().next().unwrap_or_default();
        header == "dependencies]" || header.ends_with(".dependencies]")
    });
    let names = tables.flat_map(str::lines).filter_map(|line| {
        let name = line.split(['.', ' ', '=']).next()?;
        name.starts_with("wharf").then(|| name.to_owned())
    });
    set(names)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn documentation() -> String {
    fs::read_to_string(root().join("docs/architecture.md")).expect("the documentation")
}

#[test]
fn the_documentation_tells_the_same() {
    let root = root();
    let told = table_of(&documentation());
    for (paths, _) in &told {
        for path in paths.split(' ') {
            assert!(root.join(path).exists(), "{path} is in the table, not here");
        }
    }
    let told = told.into_iter().filter_map(|(paths, uses)| {
        let paths = paths.strip_prefix("wharf/src/")?;
        Some((paths.replace("wharf/src/", ""), uses))
    });
    let listed = ROOMS
        .iter()
        .map(|(paths, uses)| (paths.to_string(), names_in(uses)));
    let (told, listed): (BTreeMap<_, _>, BTreeMap<_, _>) = (told.collect(), listed.collect());
    for room in told.keys().chain(listed.keys()) {
        let (told, listed) = (told.get(room), listed.get(room));
        assert_eq!(
            told, listed,
            "what {room} may use, in docs/architecture.md; in ROOMS"
        );
    }
}

/// The rows of the table of rooms: the paths from the project's root, and the names of what they may use.
fn table_of(text: &str) -> Vec<(String, BTreeSet<String>)> {
    let mut chapters = text.split("\n## ");
    let chapter = chapters.find(|chapter| chapter.starts_with("The rooms"));
    let rows = chapter.expect("a chapter \"The rooms\"").lines();
    let rows = rows.filter(|line| line.starts_with("| `"));
    let row = |row: &str| {
        let cells: Vec<_> = row.split('|').collect();
        let paths = quoted(cells[1]);
        let in_src = paths[0].starts_with("wharf/src/");
        let whole = |path: &String| match in_src && !path.starts_with("wharf/") {
            true => format!("wharf/src/{path}"),
            false => path.clone(),
        };
        let paths: Vec<_> = paths.iter().map(whole).collect();
        let uses = match cells[3].trim() {
            THE_ROOMS_BELOW => names_in(THE_ROOMS_BELOW),
            uses => set(quoted(uses)),
        };
        (paths.join(" "), uses)
    };
    rows.map(row).collect()
}

/// What stands between back-quotes, but not in parentheses.
fn quoted(cell: &str) -> Vec<String> {
    let parts = cell.split('(');
    let parts = parts.map(|part| part.split_once(')').map_or(part, |(_, after)| after));
    let quoted = parts.collect::<String>();
    let quoted = quoted.split('`').skip(1).step_by(2);
    quoted.map(str::to_owned).collect()
}

fn names_in(uses: &str) -> BTreeSet<String> {
    set(uses.split_whitespace().map(str::to_owned))
}

fn set<T: Ord>(items: impl IntoIterator<Item = T>) -> BTreeSet<T> {
    items.into_iter().collect()
}

fn is_in(file: &str, path: &str) -> bool {
    let rest = file.strip_prefix(path);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The place in the list of the room that a file is in: the innermost, where one is in another.
fn room_of(file: &str) -> usize {
    let rooms = ROOMS.iter().enumerate();
    let fitting = rooms.flat_map(|(place, (paths, _))| {
        let paths = paths.split(' ').filter(|path| is_in(file, path));
        paths.map(move |path| (path.len(), place))
    });
    let innermost = fitting.max();
    innermost
        .unwrap_or_else(|| panic!("wharf/src/{file} is in no room of the list"))
        .1
}

fn may_use(room: usize) -> BTreeSet<usize> {
    match ROOMS[room].1 {
        THE_ROOMS_BELOW => set(room + 1..ROOMS.len()),
        uses => set(uses.split_whitespace().map(room_of)),
    }
}
