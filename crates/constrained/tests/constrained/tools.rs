//! Grammars of tool calls, as the page writes them (`tests/fixtures/tools/grammars.json`): what they must let through, and what not.

use doran_constrained::{Constraint, Grammar, Vocabulary};
use serde_json::Value;

use crate::model::root;
use crate::refused::bytes;

/// Whether an answer is of a grammar, byte by byte.
fn is_of(vocabulary: &Vocabulary, grammar: &str, answer: &str) -> bool {
    let mut constraint = Constraint::new(vocabulary, Grammar::Lark(grammar))
        .unwrap_or_else(|error| panic!("a grammar is refused: {error}: {grammar}"));
    answer.bytes().all(|byte| constraint.commit(u32::from(byte)).is_ok()) && constraint.may_end()
}

#[test]
fn calls_of_tools_are_let_through_and_other_answers_are_not() {
    let text = std::fs::read_to_string(root().join("tests/fixtures/tools/grammars.json")).expect("is there");
    let fixtures: Value = serde_json::from_str(&text).expect("is JSON");
    let vocabulary = bytes();
    let (mut n_accepted, mut n_rejected) = (0, 0);
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    for (syntax, grammars) in fixtures["syntaxes"].as_object().expect("syntaxes") {
        for fixture in list(grammars) {
            let grammar = fixture["grammar"].as_str().expect("a grammar");
            for accepted in list(&fixture["accepts"]) {
                let answer = accepted["answer"].as_str().expect("an answer");
                assert!(is_of(&vocabulary, grammar, answer), "{syntax} refuses {answer}");
                n_accepted += 1;
            }
            for rejected in list(&fixture["rejects"]) {
                let answer = rejected.as_str().expect("an answer");
                assert!(!is_of(&vocabulary, grammar, answer), "{syntax} takes {answer}");
                n_rejected += 1;
            }
        }
    }
    assert!(n_accepted > 100 && n_rejected > 50, "{n_accepted} and {n_rejected}");
}
