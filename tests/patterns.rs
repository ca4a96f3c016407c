//! Where patterns match: the native engine against the recorded matches that a browser is held to (`tests/web/patterns.rs`).

mod cases;

/// `UPDATE=1 cargo test patterns` records anew.
#[test]
fn the_native_engine_agrees_with_the_record() {
    let found = serde_json::to_string(&cases::found()).expect("plain JSON");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/patterns.json");
    if std::env::var_os("UPDATE").is_some() {
        return std::fs::write(path, &found).expect("writable");
    }
    assert!(found == cases::RECORD, "run: UPDATE=1 cargo test patterns");
}
