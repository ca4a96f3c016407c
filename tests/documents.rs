//! Documents name what is there.

use std::path::PathBuf;

/// Tests in backticks (`tests/a.rs::name`, `tests/a.spec.ts::title`) that are not in their file, and rows of tables without one.
fn faults(document: &str, read: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let mut faults = Vec::new();
    let lines: Vec<_> = document.lines().collect();
    let is_head = |at: usize| lines.get(at + 1).is_some_and(|next| next.starts_with("|---"));
    for (_, row) in lines.iter().enumerate().filter(|(at, line)| line.starts_with("| ") && !is_head(*at)) {
        let named: Vec<_> = row.split('`').skip(1).step_by(2).filter_map(|quoted| quoted.split_once("::")).collect();
        if named.is_empty() {
            faults.push(format!("names no test: {row}"));
        }
        for (path, name) in named {
            // A title may have a place that is filled in; suites of plain Node have checks' names, and a title of their own.
            let definitions = match path.rsplit_once('.') {
                Some((_, "rs")) => vec![format!("fn {name}()")],
                Some((_, "mjs")) => vec![format!("\"{name}\"")],
                _ => ['"', '`'].map(|quote| format!("test({quote}{name}{quote}")).to_vec(),
            };
            let is_there = |text: String| definitions.iter().any(|defined| text.contains(defined));
            if !read(path).is_some_and(is_there) {
                faults.push(format!("{path} has no test {name}"));
            }
        }
    }
    faults
}

#[test]
fn every_row_of_the_reliability_and_security_pages_names_tests_that_are_there() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(root.join(path)).ok();
    for (page, n_rows) in [("docs/reliability.md", 20), ("SECURITY.md", 15)] {
        let document = read(page).expect("is there");
        let found = faults(&document, &read);
        assert!(found.is_empty(), "{page}: {}", found.join("\n"));
        assert!(document.lines().filter(|line| line.starts_with("| ")).count() > n_rows, "the tables are read");
    }
}

#[test]
fn planted_rows_are_seen() {
    let read = |path: &str| match path {
        "tests/a.rs" => Some("fn x() {}".to_owned()),
        "tests/a.mjs" => Some("check(\"b c\", [])".to_owned()),
        "tests/a.spec.ts" => Some("test(\"a title\", async () => {})".to_owned()),
        _ => None,
    };
    let document =
        "| failure | tests |\n|---|---|\n| a | `tests/a.rs::x`, `tests/a.spec.ts::a title`, `tests/a.mjs::b c` |\n";
    assert_eq!(faults(document, &read).len(), 0);
    for row in [
        "| b | none |",
        "| b | `tests/a.rs::y` |",
        "| b | `tests/b.rs::x` |",
        "| b | `tests/a.spec.ts::title` |",
        "| b | `tests/a.mjs::b` |",
    ] {
        assert_eq!(faults(row, &read).len(), 1, "{row}");
    }
}

/// Every code that an error may have stands in the guide, with what to do.
#[test]
fn every_error_code_has_its_cure() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(root.join(path)).expect("is there");
    let source = read("pkg/src/errors.ts");
    let meanings =
        source.split("MEANINGS").nth(1).and_then(|rest| rest.split("};").next()).expect("the table of codes");
    let codes: Vec<_> =
        meanings.lines().filter_map(|line| line.trim().split_once(": \"")).map(|(code, _)| code).collect();
    assert!(codes.len() > 25, "{codes:?}");
    let guide = read("docs/guides/errors.md");
    let rows: Vec<Vec<&str>> = guide
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    for code in &codes {
        let quoted = format!("`{code}`");
        let row = rows.iter().find(|row| row[1] == quoted).unwrap_or_else(|| panic!("{code} is not in the guide"));
        assert!(row.len() == 5 && !row[2].is_empty() && !row[3].is_empty(), "{row:?}");
    }
    assert_eq!(rows.len(), codes.len(), "the guide names a code that there is not");
}
