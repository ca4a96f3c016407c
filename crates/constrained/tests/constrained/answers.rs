//! Answers to all of `tests/fixtures/constrained/cases.json`. They are written down; `tests/constrained/run.mjs` judges them.

use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

use doran_constrained::{Constraint, Grammar};
use serde_json::{Value, json};

use crate::model::{Model, root};

/// Answers to each case. Every second is without forced tokens.
const SEEDS: u64 = 4;

fn grammar<'a>(kind: &str, text: &'a str) -> Grammar<'a> {
    match kind {
        "json_schema" => Grammar::JsonSchema(text),
        "json_object" => Grammar::JsonObject,
        "regex" => Grammar::Regex(text),
        "lark" => Grammar::Lark(text),
        _ => panic!("{kind}"),
    }
}

#[test]
fn answers_to_all_cases() {
    let text = std::fs::read_to_string(root().join("tests/fixtures/constrained/cases.json")).expect("the cases");
    let cases: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    let model = Model::new();
    let mut out = String::new();
    for (i, case) in cases.iter().enumerate() {
        let (kind, text) = (case["kind"].as_str().expect("a kind"), case["text"].as_str().expect("a text"));
        let fresh =
            Constraint::new(&model.vocabulary, grammar(kind, text)).unwrap_or_else(|error| panic!("{error}: {text}"));
        for seed in 0..SEEDS {
            let answer = model.answer(&mut fresh.clone(), seed + 1000 * i as u64, seed % 2 == 1);
            let answer = String::from_utf8(answer).expect("an answer is UTF-8");
            writeln!(out, "{}", json!({ "case": i, "seed": seed, "answer": answer })).expect("a String");
        }
    }
    let folder = root().join(".cache/constrained");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("answers.jsonl"), out).expect("the answers are written");
}

#[test]
fn forced_tokens_are_the_models_own() {
    let model = Model::new();
    let schema = r#"{"type":"object","properties":{"temperature":{"type":"integer"},"도시":{"const":"서울"}},"required":["temperature","도시"],"additionalProperties":false}"#;
    let mut constraint = Constraint::new(&model.vocabulary, Grammar::JsonSchema(schema)).expect("a constraint");
    let text = |ids: &[u32]| ids.iter().flat_map(|id| model.tokens[*id as usize].clone()).collect::<Vec<u8>>();
    let forced = constraint.forced();
    assert!(text(&forced).starts_with(b"{\"temperature\":"), "{:?}", String::from_utf8_lossy(&text(&forced)));
    assert!(forced.len() < 6, "in tokens that are words: {forced:?}");
    for id in &forced {
        constraint.commit(*id).expect("forced");
    }
    // The rest is chance's, but for what follows the number.
    let mut answer = text(&forced);
    answer.extend(model.answer(&mut constraint.clone(), 7, true));
    assert!(
        String::from_utf8_lossy(&answer).ends_with(", \"도시\": \"서울\"}"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
}

#[test]
fn a_refused_token_changes_nothing() {
    let model = Model::new();
    let mut constraint = Constraint::new(&model.vocabulary, Grammar::Regex("[ab]{3}")).expect("a constraint");
    let id = |text: &[u8]| model.tokens.iter().position(|token| token == text).expect("a token") as u32;
    for refused in [id(b"c"), model.eos, model.tokens.len() as u32, u32::MAX] {
        let error = constraint.commit(refused).expect_err("not allowed");
        assert_eq!((error.code(), error.argument()), ("bad_argument", "id"));
    }
    let mut other = constraint.clone();
    for c in [b"a", b"b", b"a"] {
        constraint.commit(id(c)).expect("allowed");
    }
    assert!(constraint.is_over() && constraint.may_end() && constraint.forced().is_empty());
    constraint.commit(model.eos).expect("the end");
    assert!(!other.is_over() && !other.may_end(), "a clone goes its own way");
    other.commit(id(b"b")).expect("allowed");
}

#[test]
fn without_a_tokenizer_that_fits_nothing_is_forced() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let tokens: Vec<Vec<u8>> = (0..=255u8).map(|b| vec![b]).chain([b"<end>".to_vec()]).collect();
    let tokenize = Box::new(|bytes: &[u8]| {
        CALLS.fetch_add(1, Ordering::Relaxed);
        // A space before each text, as SentencePiece puts it.
        [b" ", bytes].concat().iter().map(|b| u32::from(*b)).collect()
    });
    let vocabulary = doran_constrained::Vocabulary::new(&tokens, 257, &[256], &[256], tokenize).expect("a vocabulary");
    let mut constraint = Constraint::new(&vocabulary, Grammar::Regex("abc")).expect("a constraint");
    assert!(CALLS.load(Ordering::Relaxed) > 0);
    assert!(constraint.forced().is_empty());
    let mask = constraint.mask().expect("a mask");
    assert_eq!(mask[usize::from(b'a') / 32], 1 << (b'a' % 32));
    assert_eq!(mask.iter().map(|word| word.count_ones()).sum::<u32>(), 1);
}
