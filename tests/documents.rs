//! Documents name what is there.

use std::path::PathBuf;

/// Tests in backticks (`tests/a.rs::name`, `tests/a.spec.ts::title`) that are not in their file, and rows of tables without one.
fn faults(document: &str, read: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let mut faults = Vec::new();
    for row in document.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| failure ")) {
        let named: Vec<_> = row.split('`').skip(1).step_by(2).filter_map(|quoted| quoted.split_once("::")).collect();
        if named.is_empty() {
            faults.push(format!("names no test: {row}"));
        }
        for (path, name) in named {
            // A title may have a place that is filled in.
            let definitions = match path.ends_with(".rs") {
                true => vec![format!("fn {name}()")],
                false => ['"', '`'].map(|quote| format!("test({quote}{name}{quote}")).to_vec(),
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
fn every_row_of_the_reliability_page_names_tests_that_are_there() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(root.join(path)).ok();
    let document = read("docs/reliability.md").expect("is there");
    let found = faults(&document, &read);
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert!(document.lines().filter(|line| line.starts_with("| ")).count() > 20, "the tables are read");
}

#[test]
fn planted_rows_are_seen() {
    let read = |path: &str| match path {
        "tests/a.rs" => Some("fn x() {}".to_owned()),
        "tests/a.spec.ts" => Some("test(\"a title\", async () => {})".to_owned()),
        _ => None,
    };
    let document = "| failure | tests |\n|---|---|\n| a | `tests/a.rs::x`, `tests/a.spec.ts::a title` |\n";
    assert_eq!(faults(document, &read).len(), 0);
    for row in
        ["| b | none |", "| b | `tests/a.rs::y` |", "| b | `tests/b.rs::x` |", "| b | `tests/a.spec.ts::title` |"]
    {
        assert_eq!(faults(row, &read).len(), 1, "{row}");
    }
}
