//! The walls between the rooms: what ARCHITECTURE.md lists, and nothing else, is imported.

#![cfg(not(target_arch = "wasm32"))]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Files longer than this ask for a reason, or a split.
const MAX_LINES: usize = 600;
/// Where JavaScript may be known (design invariant: the boundary and the three web ends).
const WEB_FILES: [&str; 4] = ["wasm/", "weights/http.rs", "weights/indexed_db.rs", "gpu/device.rs"];
/// Native ends, which are empty on the web.
const NATIVE_FILES: [&str; 2] = ["weights/file.rs", "weights/directory.rs"];

type Edges = BTreeMap<String, BTreeSet<String>>;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file under `src`: its path there, and its text without comments.
fn sources() -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { walk(&path, found) } else { found.push(path) }
        }
    }
    let mut paths = Vec::new();
    walk(&root().join("src"), &mut paths);
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "rs"));
    paths.sort();
    let name = |path: &Path| path.strip_prefix(root().join("src")).expect("inside").to_string_lossy().into_owned();
    paths.iter().map(|path| (name(path), without_comments(&fs::read_to_string(path).expect("text")))).collect()
}

fn without_comments(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// The room of a file: its folder under `src`, or its own stem.
fn room_of(file: &str) -> &str {
    file.split('/').next().unwrap_or(file).trim_end_matches(".rs")
}

/// Rooms that a text imports, by `crate::room` and `crate::{room, …}`.
fn imports(text: &str, rooms: &BTreeSet<String>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for rest in text.split("crate::").skip(1) {
        let names = match rest.strip_prefix('{') {
            Some(group) => group.split('}').next().unwrap_or_default(),
            None => rest.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or_default(),
        };
        for name in names.split(|c: char| !(c.is_alphanumeric() || c == '_')) {
            let room = if ["Error", "ErrorKind", "Result"].contains(&name) { "error" } else { name };
            if rooms.contains(room) {
                found.insert(room.to_owned());
            }
        }
    }
    found
}

/// The table of ARCHITECTURE.md: rows `| room | may import |`.
fn allowed(document: &str) -> Edges {
    let table = document.split("## Who may import whom").nth(1).expect("ARCHITECTURE.md has the table");
    let rows = table.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let row = |line: &str| {
        let mut cells = line.trim_matches('|').split('|').map(str::trim);
        let room = cells.next().unwrap_or_default().trim_matches('`').to_owned();
        let names = cells.next().unwrap_or_default().split(',').map(|name| name.trim().trim_matches('`').to_owned());
        (room, names.filter(|name| !name.is_empty() && name != "—").collect())
    };
    rows.skip(2).map(row).collect()
}

fn actual(sources: &[(String, String)]) -> Edges {
    let rooms: BTreeSet<String> = sources.iter().map(|(file, _)| room_of(file).to_owned()).collect();
    let mut edges = Edges::new();
    for (file, text) in sources.iter().filter(|(file, _)| file != "lib.rs") {
        let room = room_of(file).to_owned();
        let mut found = imports(text, &rooms);
        found.remove(&room);
        edges.entry(room).or_default().extend(found);
    }
    edges
}

#[test]
fn rooms_import_what_the_table_lists_and_nothing_else() {
    let document = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let (allowed, actual) = (allowed(&document), actual(&sources()));
    assert!(actual.len() > 15, "only {} rooms were found", actual.len());
    for (room, imports) in &actual {
        let listed = allowed.get(room).unwrap_or_else(|| panic!("the room {room} is not in ARCHITECTURE.md's table"));
        for import in imports {
            assert!(listed.contains(import), "{room} imports {import}, which ARCHITECTURE.md does not list");
        }
        for import in listed {
            assert!(imports.contains(import), "ARCHITECTURE.md lists {room} → {import}, which nothing uses");
        }
    }
    assert_eq!(allowed.len(), actual.len(), "ARCHITECTURE.md lists a room that is not there");
}

#[test]
fn only_the_boundary_and_the_web_ends_know_javascript() {
    for (file, text) in sources() {
        let web = WEB_FILES.iter().any(|allowed| file.starts_with(allowed));
        for name in ["js_sys", "web_sys", "wasm_bindgen"] {
            assert!(web || !text.contains(name), "{file} names {name}");
        }
        let native = NATIVE_FILES.contains(&file.as_str());
        assert!(web || native || !text.contains("target_arch"), "{file} depends on the target");
    }
}

#[test]
fn only_the_gpu_room_knows_wgpu_and_only_its_queue_submits() {
    for (file, text) in sources() {
        assert!(file.starts_with("gpu/") || !text.contains("wgpu::"), "{file} names wgpu");
        assert!(file == "gpu/queue.rs" || !text.contains("queue.submit("), "{file} submits");
    }
}

#[test]
fn models_know_neither_devices_nor_quantisation() {
    for (file, text) in sources().into_iter().filter(|(file, _)| file.starts_with("models/")) {
        for name in ["gpu", "quant", "backend", "Format"] {
            assert!(!text.contains(&format!("crate::{name}")), "{file} imports {name}");
        }
    }
}

#[test]
fn files_are_read_in_one_sitting() {
    for (file, text) in sources() {
        let n_lines = text.lines().count();
        assert!(n_lines <= MAX_LINES, "{file} has {n_lines} lines");
        assert!(!text.contains("todo!("), "{file} is unfinished");
    }
}

#[test]
fn the_checks_see_what_they_look_for() {
    let rooms: BTreeSet<String> = ["gpu", "ops", "error"].map(str::to_owned).into();
    let of = |text: &str| imports(text, &rooms).into_iter().collect::<Vec<_>>();
    assert_eq!(of("use crate::gpu::Gpu;"), ["gpu"]);
    assert_eq!(of("use crate::{gpu, ops::Op, Result};"), ["error", "gpu", "ops"]);
    assert_eq!(of("let x = crate::ops::Rows::zeros(1, 1);"), ["ops"]);
    assert!(of(&without_comments("// use crate::gpu;")).is_empty());
    let table = "## Who may import whom\n\n| room | may import |\n|---|---|\n| `a` | `b`, `c` |\n| `b` | — |\n\nend";
    assert_eq!(allowed(table)["a"].len(), 2);
    assert!(allowed(table)["b"].is_empty());
}
