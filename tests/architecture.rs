//! Keeps the walls that ARCHITECTURE.md draws: the document is the contract, and this reads it.
//!
//! Source is read as tokens, without comments and string literals, so that prose is never mistaken for code. Every check
//! is a function of text, and each has a planted fault below that it must find.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Files, by the start of their path, that may know that JavaScript exists.
const WEB_FILES: [&str; 6] = [
    "src/wasm",
    "src/weights/http.rs",
    "src/weights/indexed_db.rs",
    "src/weights/web_store.rs",
    "src/gpu/compile.rs",
    "src/gpu/device.rs",
];
/// Native ends, which are empty on the web: they may name the target, and nothing else of it.
const NATIVE_FILES: [&str; 2] = ["src/weights/file.rs", "src/weights/directory.rs"];
/// Crates that exist on the web only.
const WEB_CRATES: [&str; 6] =
    ["js_sys", "web_sys", "wasm_bindgen", "wasm_bindgen_futures", "serde_wasm_bindgen", "console_error_panic_hook"];
/// A file is read in one sitting.
const MAX_LINES: usize = 600;
/// Longer files, each with its reason.
const LONG_FILES: [(&str, &str); 0] = [];
/// Kernels whose file is not called like the Rust file that lowers to them.
const KERNEL_OWNERS: [(&str, &str); 20] = [
    ("attention_scores", "src/ops/attention.rs"),
    ("attention_softmax", "src/ops/attention.rs"),
    ("attention_tile", "src/ops/attention.rs"),
    ("attention_values", "src/ops/attention.rs"),
    ("expert_linear_rows", "src/ops/expert_linear.rs"),
    ("int8_rows", "src/ops/linear/byte_rows.rs"),
    ("matmul_int8", "src/ops/linear.rs"),
    ("matmul_rows", "src/ops/linear.rs"),
    ("matmul_tile", "src/ops/linear.rs"),
    ("matvec", "src/ops/linear.rs"),
    ("matvec_batch", "src/ops/linear.rs"),
    ("matvec_rows", "src/ops/linear.rs"),
    ("matvec_rows_runs", "src/ops/linear.rs"),
    ("matvec_runs", "src/ops/linear.rs"),
    ("repack", "src/gpu/upload.rs"),
    ("rope_attention_combine", "src/ops/rope_attention.rs"),
    ("rope_attention_rows", "src/ops/rope_attention.rs"),
    ("sample_best", "src/ops/sample.rs"),
    ("sample_filtered", "src/ops/sample.rs"),
    ("sample_slices", "src/ops/sample.rs"),
];
/// Files of src/ops that have no kernel of their own name.
const OPS_WITHOUT_KERNEL: [&str; 5] = ["mod", "attention", "linear", "sample", "variants"];
/// Rooms that a model file must not know, whatever the table says.
const NOT_FOR_MODELS: [&str; 4] = ["gpu", "quant", "backend", "weights"];

// ---- The checks on the tree ----

#[test]
fn rooms_import_what_the_table_lists() {
    let table = table(&read("ARCHITECTURE.md"));
    let mut faults = Vec::new();
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut rooms = BTreeSet::new();
    for (path, text) in sources("src", "rs") {
        let room = room_of(&path);
        if room != "lib" {
            rooms.insert(room.clone());
        }
        for (target, line) in imports(&path, &text) {
            if room != "lib" && target != room {
                if !table.get(&room).is_some_and(|listed| listed.contains(&target)) {
                    faults.push(format!("{path}:{line}: `{room}` imports `{target}`, which the table does not list"));
                }
                used.entry(room.clone()).or_default().insert(target);
            }
        }
    }
    faults.extend(stale_rows(&table, &used, &rooms));
    faults.extend(cycle(&table).map(|cycle| format!("the table has a cycle: {}", cycle.join(" → "))));
    for room in NOT_FOR_MODELS.iter().filter(|room| used["models"].contains(**room)) {
        faults.push(format!("models import `{room}`"));
    }
    none(faults);
}

#[test]
fn only_the_web_files_know_javascript() {
    let check = |(path, text): &(String, String)| web_words(path, text);
    none(sources("src", "rs").iter().flat_map(check).collect());
}

#[test]
fn the_gpu_room_keeps_wgpu_and_submits_in_one_file() {
    let check = |(path, text): &(String, String)| gpu_words(path, text);
    none(sources("src", "rs").iter().flat_map(check).collect());
}

#[test]
fn kernels_are_named_after_their_ops() {
    let stems = |dir: &str, ending: &str| -> Vec<String> {
        let files = sources(dir, ending).into_iter().map(|(path, _)| path);
        files.filter_map(|path| stem_in(&path, dir)).collect()
    };
    let mut faults = kernel_names(&stems("shaders", "wgsl"), &stems("src/ops", "rs"));
    let formats: BTreeSet<_> = stems("src/quant", "rs").into_iter().filter(|stem| stem != "mod").collect();
    let shaders: BTreeSet<_> = stems("shaders/quant", "wgsl").into_iter().collect();
    for stem in formats.symmetric_difference(&shaders) {
        faults.push(format!("the weight format {stem} lacks one of src/quant/{stem}.rs and shaders/quant/{stem}.wgsl"));
    }
    for (_, owner) in KERNEL_OWNERS {
        faults.extend((!root().join(owner).exists()).then(|| format!("{owner} is listed and does not exist")));
    }
    none(faults);
}

#[test]
fn files_are_short_finished_and_run() {
    let mut all = sources("src", "rs");
    all.extend(sources("tests", "rs"));
    all.extend(sources("shaders", "wgsl"));
    let mut faults: Vec<_> = all.iter().flat_map(|(path, text)| unfinished(path, text)).collect();
    faults.extend(lengths(all.iter().map(|(path, text)| (path.as_str(), text.lines().count()))));
    none(faults);
}

#[test]
fn the_document_names_what_exists() {
    let document = read("ARCHITECTURE.md");
    let exists = |path: &str| root().join(path).exists();
    let has_test =
        |path: &str, name: &str| std::fs::read_to_string(root().join(path)).is_ok_and(|text| text.contains(name));
    let mut faults = dead_references(&document, &exists, &has_test);
    for (path, _) in sources("src", "rs") {
        let room = room_of(&path);
        if room != "lib"
            && !document.contains(&format!("`src/{room}/`"))
            && !document.contains(&format!("`src/{room}.rs`"))
        {
            faults.push(format!("the code map does not name the room of {path}"));
        }
    }
    faults.dedup();
    none(faults);
}

// ---- What they are made of ----

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn none(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// Every file with `ending` under `dir`: (path from the root, text), in order.
fn sources(dir: &str, ending: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut dirs = vec![root().join(dir)];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display())) {
            let path = entry.expect("a readable folder").path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|found| found == ending) {
                let name = path.strip_prefix(root()).expect("inside the root").to_string_lossy().replace('\\', "/");
                found.push((name.clone(), read(&name)));
            }
        }
    }
    found.sort();
    found
}

/// `src/gpu/queue.rs` → `gpu`; `src/stop.rs` → `stop`.
fn room_of(path: &str) -> String {
    let path = path.trim_start_matches("src/");
    path.split(['/', '.']).next().unwrap_or_default().to_owned()
}

/// The stem of a file that stands directly in `dir`.
fn stem_in(path: &str, dir: &str) -> Option<String> {
    let name = path.strip_prefix(dir)?.strip_prefix('/')?;
    (!name.contains('/')).then(|| name.split('.').next().unwrap_or_default().to_owned())
}

/// A word or a punctuation mark, and its line.
type Token = (String, usize);

/// The words and marks of a Rust text: no comments, no literals; `::` is one mark.
fn tokens(text: &str) -> Vec<Token> {
    let c: Vec<char> = text.chars().collect();
    let at = |i: usize| c.get(i).copied().unwrap_or('\0');
    let word = |ch: char| ch.is_alphanumeric() || ch == '_';
    let (mut found, mut i, mut line) = (Vec::new(), 0, 1);
    while i < c.len() {
        let start = i;
        if at(i) == '/' && at(i + 1) == '/' {
            while i < c.len() && c[i] != '\n' {
                i += 1;
            }
        } else if at(i) == '/' && at(i + 1) == '*' {
            let mut depth = 0;
            while i < c.len() {
                match (at(i), at(i + 1)) {
                    ('/', '*') => (depth, i) = (depth + 1, i + 2),
                    ('*', '/') => (depth, i) = (depth - 1, i + 2),
                    _ => i += 1,
                }
                if depth == 0 {
                    break;
                }
            }
        } else if at(i) == '"' {
            i += 1;
            while i < c.len() && c[i] != '"' {
                i += if c[i] == '\\' { 2 } else { 1 };
            }
            i += 1;
        } else if at(i) == 'r' && (at(i + 1) == '"' || (at(i + 1) == '#' && matches!(at(i + 2), '"' | '#'))) {
            let hashes = c[i + 1..].iter().take_while(|ch| **ch == '#').count();
            i += hashes + 2;
            while i < c.len()
                && !(c[i] == '"' && c[i + 1..].iter().take(hashes).filter(|ch| **ch == '#').count() == hashes)
            {
                i += 1;
            }
            i += hashes + 1;
        } else if at(i) == '\'' && (at(i + 1) == '\\' || at(i + 2) == '\'') {
            i += if at(i + 1) == '\\' { 3 } else { 2 };
            while i < c.len() && c[i] != '\'' {
                i += 1;
            }
            i += 1;
        } else if word(at(i)) {
            while word(at(i)) {
                i += 1;
            }
            found.push((c[start..i].iter().collect(), line));
        } else {
            i += if at(i) == ':' && at(i + 1) == ':' { 2 } else { 1 };
            if !c[start].is_whitespace() {
                found.push((c[start..i].iter().collect(), line));
            }
        }
        line += c[start..i.min(c.len())].iter().filter(|ch| **ch == '\n').count();
    }
    found
}

/// Whether the tokens from `i` on are `words`.
fn is_at(tokens: &[Token], i: usize, words: &[&str]) -> bool {
    words.iter().enumerate().all(|(k, word)| tokens.get(i + k).is_some_and(|(token, _)| token == word))
}

/// The rooms that a file names from the crate's root, by `crate::…` or by as many `super::` as lead there.
fn imports(path: &str, text: &str) -> Vec<(String, usize)> {
    let tokens = tokens(text);
    // Modules from the root down to this file: `src/gpu/mod.rs` is one deep, `src/format/gguf/arch.rs` three.
    let file_depth = path.trim_start_matches("src/").trim_end_matches("/mod.rs").split('/').count();
    let mut found = Vec::new();
    // Of each open brace, whether it belongs to an inline module.
    let mut braces: Vec<bool> = Vec::new();
    let mut i = 0;
    while i < tokens.len() {
        let (token, _) = &tokens[i];
        if token == "{" {
            braces.push(i >= 2 && tokens[i - 2].0 == "mod");
        } else if token == "}" {
            braces.pop();
        }
        let starts_path = i == 0 || tokens[i - 1].0 != "::";
        if token == "crate" && is_at(&tokens, i + 1, &["::"]) && starts_path {
            found.extend(names_after(&tokens, i + 2));
        }
        if token == "super" && starts_path {
            let mut supers = 1;
            while is_at(&tokens, i + 1, &["::", "super"]) {
                (supers, i) = (supers + 1, i + 2);
            }
            let depth = file_depth + braces.iter().filter(|is_module| **is_module).count();
            if supers >= depth && is_at(&tokens, i + 1, &["::"]) {
                found.extend(names_after(&tokens, i + 2));
            }
        }
        i += 1;
    }
    // `crate::Error` and its kin stand at the root, but live in a room.
    let room =
        |name: String| if matches!(name.as_str(), "Error" | "ErrorKind" | "Result") { "error".into() } else { name };
    found.into_iter().map(|(name, line)| (room(name), line)).collect()
}

/// The name at `i`, or the first names of each entry of the group at `i`.
fn names_after(tokens: &[Token], i: usize) -> Vec<(String, usize)> {
    let Some((token, line)) = tokens.get(i) else { return Vec::new() };
    if token != "{" {
        return vec![(token.clone(), *line)];
    }
    let (mut names, mut depth) = (Vec::new(), 1);
    for k in i + 1..tokens.len() {
        match tokens[k].0.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ if depth == 1 && matches!(tokens[k - 1].0.as_str(), "{" | ",") => names.push(tokens[k].clone()),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

/// The import table of the document: room → rooms.
fn table(document: &str) -> BTreeMap<String, BTreeSet<String>> {
    let rows = document.lines().skip_while(|line| !line.starts_with("| room | may import |")).skip(2);
    let cell = |text: &str| {
        text.split(',')
            .map(|name| name.trim().trim_matches('`').to_owned())
            .filter(|name| !matches!(name.as_str(), "" | "—"))
            .collect()
    };
    let row = |line: &str| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        (cells[1].trim_matches('`').to_owned(), cell(cells[2]))
    };
    rows.take_while(|line| line.starts_with('|')).map(row).collect()
}

/// What the table lists and no code needs any more.
fn stale_rows(
    table: &BTreeMap<String, BTreeSet<String>>,
    used: &BTreeMap<String, BTreeSet<String>>,
    rooms: &BTreeSet<String>,
) -> Vec<String> {
    let mut faults = Vec::new();
    for room in rooms.iter().filter(|room| !table.contains_key(*room)) {
        faults.push(format!("the table has no row for `{room}`"));
    }
    for (room, targets) in table {
        if !rooms.contains(room) {
            faults.push(format!("the table has a row for `{room}`, which does not exist"));
        }
        for target in targets.iter().filter(|target| !used.get(room).is_some_and(|used| used.contains(*target))) {
            faults.push(format!("the table lets `{room}` import `{target}`, which it does not"));
        }
    }
    faults
}

/// A way from a room back to itself, if there is one.
fn cycle(table: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn walk(table: &BTreeMap<String, BTreeSet<String>>, way: &mut Vec<String>, done: &mut BTreeSet<String>) -> bool {
        let room = way[way.len() - 1].clone();
        for next in table.get(&room).into_iter().flatten().filter(|next| !done.contains(*next)).collect::<Vec<_>>() {
            let seen = way.contains(next);
            way.push(next.clone());
            if seen || walk(table, way, done) {
                return true;
            }
            way.pop();
        }
        done.insert(room);
        false
    }
    let mut done = BTreeSet::new();
    table.keys().find_map(|room| {
        let mut way = vec![room.clone()];
        walk(table, &mut way, &mut done).then_some(way)
    })
}

/// Words that only the web files may use.
fn web_words(path: &str, text: &str) -> Vec<String> {
    if WEB_FILES.iter().any(|file| path.starts_with(file)) {
        return Vec::new();
    }
    let native = NATIVE_FILES.contains(&path);
    let only_web = |word: &str| (word == "target_arch" && !native) || WEB_CRATES.contains(&word);
    let found = tokens(text).into_iter().filter(|(word, _)| only_web(word));
    found.map(|(word, line)| format!("{path}:{line}: `{word}` outside the web files")).collect()
}

/// wgpu outside its room, and submits outside their file.
fn gpu_words(path: &str, text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let mut faults = Vec::new();
    for (i, (word, line)) in tokens.iter().enumerate() {
        if word == "wgpu" && !path.starts_with("src/gpu/") {
            faults.push(format!("{path}:{line}: `wgpu` outside src/gpu"));
        }
        // `gpu.submit` is the door of that file; anything else that submits is wgpu's queue.
        let submits = is_at(&tokens, i, &[".", "submit", "("]) && i > 0 && tokens[i - 1].0 != "gpu";
        if submits && path != "src/gpu/queue.rs" {
            faults.push(format!("{path}:{line}: a submit outside src/gpu/queue.rs"));
        }
        let waits = ["read", "finish_read", "done"].iter().any(|call| is_at(&tokens, i, &["gpu", ".", call, "("]));
        // Probes wait before a model runs, and the upload once at its end.
        if waits && !path.starts_with("src/backend/") && !["src/tune/probe.rs", "src/gpu/upload.rs"].contains(&path) {
            faults.push(format!(
                "{path}:{line}: a wait for the GPU outside src/backend/, src/tune/probe.rs and src/gpu/upload.rs"
            ));
        }
    }
    faults
}

/// Kernels without an op of their name, and ops without a kernel.
fn kernel_names(shaders: &[String], ops: &[String]) -> Vec<String> {
    let listed = |shader: &str| KERNEL_OWNERS.iter().any(|(kernel, _)| *kernel == shader);
    let orphans = shaders.iter().filter(|shader| !listed(shader) && !ops.contains(shader));
    let mut faults: Vec<_> =
        orphans.map(|shader| format!("shaders/{shader}.wgsl has no src/ops/{shader}.rs")).collect();
    let bare = ops.iter().filter(|op| !OPS_WITHOUT_KERNEL.contains(&op.as_str()) && !shaders.contains(op));
    faults.extend(bare.map(|op| format!("src/ops/{op}.rs has no shaders/{op}.wgsl")));
    for (kernel, _) in KERNEL_OWNERS.iter().filter(|(kernel, _)| !shaders.iter().any(|shader| shader == kernel)) {
        faults.push(format!("the kernel {kernel} is listed and does not exist"));
    }
    faults
}

/// Tests that do not run and code that is not there.
fn unfinished(path: &str, text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let mut faults = Vec::new();
    for (i, (word, line)) in tokens.iter().enumerate() {
        if is_at(&tokens, i, &["#", "[", "ignore"]) {
            faults.push(format!("{path}:{line}: an ignored test"));
        }
        if matches!(word.as_str(), "todo" | "unimplemented" | "dbg") && is_at(&tokens, i + 1, &["!"]) {
            faults.push(format!("{path}:{line}: `{word}!`"));
        }
        if path.starts_with("src/") && is_at(&tokens, i, &[".", "unwrap", "("]) {
            faults.push(format!("{path}:{line}: `unwrap`; say by `expect` why it cannot fail, or return an error"));
        }
    }
    faults
}

/// Files over the limit that are not excepted, and exceptions that are not needed.
fn lengths<'a>(files: impl Iterator<Item = (&'a str, usize)>) -> Vec<String> {
    let (mut faults, mut excepted) = (Vec::new(), BTreeSet::new());
    for (path, n_lines) in files.filter(|(_, n_lines)| *n_lines > MAX_LINES) {
        excepted.insert(path);
        if !LONG_FILES.iter().any(|(long, _)| *long == path) {
            faults
                .push(format!("{path} has {n_lines} lines; {MAX_LINES} are the limit without a reason in LONG_FILES"));
        }
    }
    let needless = LONG_FILES.iter().filter(|(long, _)| !excepted.contains(long));
    faults.extend(needless.map(|(long, _)| format!("{long} is excepted from the limit and below it")));
    faults
}

/// Paths (`src/a.rs`) and tests (`tests/a.rs::name`) in backticks that are not there.
fn dead_references(
    document: &str,
    exists: &dyn Fn(&str) -> bool,
    has_test: &dyn Fn(&str, &str) -> bool,
) -> Vec<String> {
    const TREES: [&str; 9] = ["src/", "shaders/", "tests/", "pkg/", "scripts/", "www/", ".ci/", "docs/", "benches/"];
    let mut faults = Vec::new();
    let fenced = document.split("```").step_by(2);
    for quoted in fenced.flat_map(|text| text.split('`').skip(1).step_by(2)) {
        let is_path = TREES.iter().any(|tree| quoted.starts_with(tree)) && !quoted.contains(['<', '*', '…']);
        if !is_path {
            continue;
        }
        match quoted.split_once("::") {
            Some((path, test)) if !has_test(path, test) => faults.push(format!("ARCHITECTURE.md: no test {quoted}")),
            None if !exists(quoted) => faults.push(format!("ARCHITECTURE.md: no file {quoted}")),
            _ => {}
        }
    }
    faults
}

// ---- Each check finds what is planted ----

fn rooms(pairs: &[(&str, &[&str])]) -> BTreeMap<String, BTreeSet<String>> {
    let row =
        |(room, targets): &(&str, &[&str])| ((*room).to_owned(), targets.iter().map(|t| (*t).to_owned()).collect());
    pairs.iter().map(row).collect()
}

#[test]
fn planted_imports_are_seen() {
    let seen = |path: &str, text: &str| imports(path, text).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(seen("src/a.rs", "use crate::gpu::{Gpu, queue};"), ["gpu"]);
    assert_eq!(seen("src/a.rs", "use crate::{Error, weights::{Bytes, Sink}, quant};"), ["error", "weights", "quant"]);
    assert_eq!(seen("src/a.rs", "fn f() -> crate::ops::Op { x as crate::Result }"), ["ops", "error"]);
    assert_eq!(seen("src/a/b.rs", "use super::super::graph::Graph; use super::c;"), ["graph"]);
    assert_eq!(seen("src/a/mod.rs", "use super::graph::Graph;"), ["graph"]);
    assert_eq!(seen("src/a/b/c.rs", "use super::super::x; use super::super::super::quant;"), ["quant"]);
    assert_eq!(seen("src/a/b.rs", "mod tests { use super::super::x; } use super::super::y;"), ["y"]);
    assert_eq!(
        seen("src/a.rs", "// crate::gpu\n/* crate::gpu */ \"crate::gpu\"; r#\"crate::gpu\"#; 'c'; '\\''; f::<'a>(b)"),
        [""; 0]
    );
    assert_eq!(imports("src/a.rs", "\"two\nlines\"\n/* a\nb */ crate::gpu")[0].1, 4);
}

#[test]
fn planted_rows_are_seen() {
    let document =
        "text\n\n| room | may import | what |\n|---|---|---|\n| `a` | `b`, `c` | `d` |\n| `b` | — | |\n\nmore | text\n";
    let table = table(document);
    assert_eq!(table, rooms(&[("a", &["b", "c"]), ("b", &[])]));
    let all = ["a", "b"].map(str::to_owned).into();
    assert_eq!(stale_rows(&table, &rooms(&[("a", &["b", "c"])]), &all), [""; 0]);
    assert_eq!(stale_rows(&table, &rooms(&[("a", &["b"])]), &all).len(), 1, "an edge that no code uses");
    let more = ["a", "b", "d"].map(str::to_owned).into();
    assert_eq!(stale_rows(&table, &rooms(&[("a", &["b", "c"])]), &more).len(), 1, "a room without a row");
    let fewer = ["a"].map(str::to_owned).into();
    assert_eq!(stale_rows(&table, &rooms(&[("a", &["b", "c"])]), &fewer).len(), 1, "a row without a room");
    assert_eq!(cycle(&rooms(&[("a", &["b", "c"]), ("b", &["c"]), ("c", &[])])), None);
    assert!(cycle(&rooms(&[("a", &["b"]), ("b", &["c"]), ("c", &["b"])])).is_some());
}

#[test]
fn planted_words_are_seen() {
    assert_eq!(web_words("src/a.rs", "#[cfg(target_arch = \"wasm32\")]\nuse js_sys::Array;").len(), 2);
    assert_eq!(web_words("src/a.rs", "// js_sys\nlet text = \"web_sys\";"), [""; 0]);
    assert_eq!(web_words("src/wasm/js.rs", "use js_sys::Array;"), [""; 0]);
    assert_eq!(web_words("src/weights/file.rs", "#![cfg(not(target_arch = \"wasm32\"))] use js_sys::Array;").len(), 1);
    assert_eq!(gpu_words("src/a.rs", "use wgpu::Queue; self.queue.submit([x]); self.gpu.submit(y);").len(), 2);
    assert_eq!(gpu_words("src/session.rs", "self.gpu.read(&readback, 4).await").len(), 1);
    assert_eq!(gpu_words("src/gpu/upload.rs", "queue.submit([wgpu::x])").len(), 1);
    assert_eq!(gpu_words("src/gpu/queue.rs", "self.queue.submit([wgpu::x])"), [""; 0]);
    assert_eq!(unfinished("src/a.rs", "#[ignore] fn f() { todo!(); x.unwrap(); }").len(), 3);
    assert_eq!(unfinished("tests/a.rs", "#[ignore = \"slow\"] fn f() { dbg!(x.unwrap()) }").len(), 2);
    assert_eq!(unfinished("src/a.rs", "// todo!() and #[ignore]\nx.unwrap_or(0)"), [""; 0]);
}

#[test]
fn planted_names_and_lengths_are_seen() {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let listed: Vec<_> = KERNEL_OWNERS.iter().map(|(kernel, _)| *kernel).collect();
    let shaders = words(&[&listed[..], &["rope"]].concat());
    assert_eq!(kernel_names(&shaders, &words(&["mod", "linear", "rope"])), [""; 0]);
    assert_eq!(kernel_names(&shaders, &words(&["mod", "linear"])).len(), 1, "a kernel without an op");
    assert_eq!(kernel_names(&shaders, &words(&["rope", "norm"])).len(), 1, "an op without a kernel");
    assert_eq!(kernel_names(&words(&["rope"]), &words(&["rope"])).len(), KERNEL_OWNERS.len(), "listed, not there");
    assert_eq!(stem_in("shaders/matvec.q4_k.wgsl", "shaders"), Some("matvec".to_owned()));
    assert_eq!(stem_in("shaders/quant/f16.wgsl", "shaders"), None);
    let long = LONG_FILES.map(|(path, _)| (path, MAX_LINES + 1));
    assert_eq!(lengths(long.into_iter()), [""; 0]);
    assert_eq!(lengths(long.into_iter().chain([("src/a.rs", MAX_LINES + 1)])).len(), 1, "too long");
    assert_eq!(lengths(std::iter::empty()).len(), LONG_FILES.len(), "exceptions that are not needed");
    let document = "`src/a.rs` `src/b.rs` `tests/a.rs::x` `tests/a.rs::y` `src/<x>.rs`\n```\n`src/c.rs`\n```\n";
    let dead = dead_references(document, &|path| path == "src/a.rs", &|_, test| test == "x");
    assert_eq!(dead.len(), 2, "{dead:?}");
}
