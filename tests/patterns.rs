//! Where patterns match: the native engine against the recorded matches that a browser is held to (`tests/web/patterns.rs`).

mod cases;

use doran::ErrorKind;
use doran::format::TokenizerSource;
use doran::tokenizer::Tokenizer;

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

fn tokenizer(steps: &str) -> doran::Result<Tokenizer> {
    let tokenizer = format!(
        r#"{{{steps},"decoder":{{"type":"ByteLevel"}},"model":{{"type":"BPE","vocab":{{"a":0,"b":1,"ab":2}},"merges":["a b"]}}}}"#
    );
    Tokenizer::new(&TokenizerSource::Json { tokenizer, config: None })
}

#[test]
fn a_pattern_that_may_take_long_is_refused_by_name() {
    let split = |pattern: &str| {
        let pattern = serde_json::json!({"Regex": pattern});
        format!(r#""pre_tokenizer":{{"type":"Split","pattern":{pattern},"behavior":"Isolated","invert":false}}"#)
    };
    let replace = |pattern: &str| {
        let pattern = serde_json::json!({"Regex": pattern});
        format!(
            r#""normalizer":{{"type":"Sequence","normalizers":[{{"type":"Replace","pattern":{pattern},"content":"x"}}]}}"#
        )
    };
    for pattern in ["(a+)+$", "(a|aa)+$", "(.*)*x", "[^x]*x", r"\s*x|\s", "(?=a*b)", "(?:a?){30}b"] {
        for step in [split(pattern), replace(pattern)] {
            let error = tokenizer(&step).expect_err(pattern);
            assert_eq!(error.kind(), ErrorKind::Tokenizer, "{error}");
            assert_eq!(error.data()["pattern"], pattern);
            assert!(error.message().contains("in proportion") || error.message().contains("too many ways"), "{error}");
        }
    }
    // A long one is named by its beginning.
    let error = tokenizer(&split(&format!("({}+)+$", "ab".repeat(500)))).expect_err("a long one");
    assert!(error.message().chars().count() < 600, "{error}");
    for pattern in ["a+", " +$", r"\s*[\r\n]+|\s+(?!\S)|\s+"] {
        for step in [split(pattern), replace(pattern)] {
            tokenizer(&step).unwrap_or_else(|error| panic!("{pattern}: {error}"));
        }
    }
}
