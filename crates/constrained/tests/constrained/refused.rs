//! What no text can satisfy, and what is not implemented: each with its code, and a message that names it.

use doran_constrained::{Constraint, Grammar, Vocabulary};

/// All bytes, and an end token.
fn bytes() -> Vocabulary {
    let tokens: Vec<Vec<u8>> = (0..=255u8).map(|b| vec![b]).chain([b"<end>".to_vec()]).collect();
    Vocabulary::new(&tokens, 257, &[256], &[256], Box::new(|bytes| bytes.iter().map(|b| u32::from(*b)).collect()))
        .expect("a vocabulary")
}

fn refused(grammars: &[(Grammar<'_>, &str)], code: &str) {
    let vocabulary = bytes();
    for (grammar, named) in grammars {
        let Err(error) = Constraint::new(&vocabulary, *grammar) else { panic!("{grammar:?} is taken") };
        assert_eq!(error.code(), code, "{grammar:?}: {error}");
        assert!(error.message().contains(named), "{grammar:?}: {error}");
    }
}

#[test]
fn what_nothing_satisfies() {
    use Grammar::{JsonSchema, Lark, Regex};
    refused(
        &[
            (JsonSchema("false"), "false"),
            (JsonSchema(r#"{"type":"integer","minimum":3,"maximum":2}"#), "minimum"),
            (JsonSchema(r#"{"type":"integer","minimum":1,"maximum":4,"multipleOf":5}"#), "multiple"),
            (JsonSchema(r#"{"type":"string","minLength":3,"maxLength":2}"#), "minLength"),
            (JsonSchema(r#"{"type":"string","pattern":"^a$","minLength":2}"#), ""),
            (JsonSchema(r#"{"type":"array","minItems":3,"maxItems":2}"#), "minItems"),
            (JsonSchema(r#"{"type":"array","items":false,"minItems":1}"#), "item"),
            (JsonSchema(r#"{"allOf":[{"type":"integer"},{"type":"string"}]}"#), "types"),
            (JsonSchema(r#"{"type":"string","enum":[1,2]}"#), ""),
            (JsonSchema(r#"{"type":"object","required":["a"],"additionalProperties":false}"#), "'a'"),
            (JsonSchema(r#"{"type":"object","required":["a","b"],"maxProperties":1}"#), "maxProperties"),
            (JsonSchema(r#"{"anyOf":[false,{"type":"string","enum":[1]}]}"#), ""),
            // It needs itself without end.
            (JsonSchema(r##"{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]}"##), "without end"),
            (
                JsonSchema(
                    r##"{"$defs":{"a":{"type":"array","items":{"$ref":"#/$defs/a"},"minItems":1}},"$ref":"#/$defs/a"}"##,
                ),
                "without end",
            ),
            (JsonSchema(r##"{"$ref":"#"}"##), "without end"),
            (Regex("[]"), ""),
            (Regex("a[]b"), ""),
            (Lark("start: \"(\" start \")\""), "without end"),
        ],
        "schema_unsatisfiable",
    );
}

#[test]
fn what_is_not_implemented() {
    use Grammar::{JsonSchema, Lark, Regex};
    let long = format!("\"{}\"", "x".repeat(70_000));
    refused(
        &[
            (JsonSchema("{"), "no JSON"),
            (JsonSchema("3"), "an object"),
            (JsonSchema(&long), "too large"),
            (JsonSchema(r#"{"type":"array","uniqueItems":true}"#), "uniqueItems"),
            (JsonSchema(r#"{"not":{"type":"string"}}"#), "not"),
            (JsonSchema(r#"{"if":{},"then":{}}"#), "if"),
            (JsonSchema(r#"{"type":"array","contains":{}}"#), "contains"),
            (JsonSchema(r#"{"type":"object","propertyNames":{}}"#), "propertyNames"),
            (JsonSchema(r#"{"type":"object","dependentRequired":{}}"#), "dependentRequired"),
            (JsonSchema(r#"{"type":"object","unevaluatedProperties":false}"#), "unevaluatedProperties"),
            (JsonSchema(r#"{"type":"string","nullable":true}"#), "nullable"),
            (JsonSchema(r#"{"properties":{"a":{"x-order":1}}}"#), "x-order"),
            (JsonSchema(r#"{"type":"object","x-guidance":{"whitespace_flexible":true}}"#), "x-guidance"),
            (JsonSchema(r#"{"x-guidance":{"lenient":false},"x-order":1}"#), "x-order"),
            (JsonSchema(r#"{"type":"string","format":"iban"}"#), "iban"),
            (JsonSchema(r#"{"type":"integer","format":"int64"}"#), "int64"),
            (JsonSchema(r#"{"type":"text"}"#), "type"),
            (JsonSchema(r#"{"type":"string","pattern":"(?=a)b"}"#), "lookahead"),
            (JsonSchema(r#"{"type":"string","pattern":"(a"}"#), "not taken"),
            (JsonSchema(r#"{"type":"string","minLength":-1}"#), "minLength"),
            (JsonSchema(r#"{"type":"string","minLength":100000}"#), "minLength"),
            (JsonSchema(r#"{"required":"a"}"#), "required"),
            (JsonSchema(r#"{"enum":[]}"#), "enum"),
            (JsonSchema(r#"{"multipleOf":0}"#), "multipleOf"),
            (JsonSchema(r#"{"$schema":"http://json-schema.org/draft-04/schema#"}"#), "draft-04"),
            (
                JsonSchema(r#"{"$schema":"http://json-schema.org/draft-07/schema#","prefixItems":[true]}"#),
                "prefixItems",
            ),
            (JsonSchema(r#"{"$ref":"https://example.com/a"}"#), "example.com"),
            (JsonSchema(r##"{"$ref":"#/$defs/a~1b","$defs":{"a/b":{}}}"##), "a~1b"),
            (JsonSchema(r##"{"$ref":"#/$defs/b","$defs":{"a":{}}}"##), "$defs/b"),
            (JsonSchema(r#"{"oneOf":[{"type":"integer"},{"type":"number"}]}"#), "oneOf"),
            (JsonSchema(r#"{"type":"object","minProperties":3}"#), "minProperties"),
            (JsonSchema(r#"{"type":"number","minimum":1e300}"#), "too large"),
            (
                JsonSchema(
                    r#"{"anyOf":[{"type":"object","properties":{"a":{"anyOf":[{"type":"array","items":false,"minItems":1}]}},"required":["a"]},{"type":"null"}],"multipleOf":0.00000001}"#,
                ),
                "multipleOf",
            ),
            (Regex("("), "not taken"),
            (Regex("(a)\\1"), "references back"),
            (Regex("a\\b"), "word boundaries"),
            (Regex("a^b"), "not taken"),
            (Lark("begin: \"a\""), "start"),
            (Lark("start: a"), "not taken"),
            (Lark("start: \"a\" %nonsense"), "not taken"),
            (Lark("start: %json {\"type\":\"array\",\"uniqueItems\":true}"), "uniqueItems"),
            (Lark(""), "not taken"),
        ],
        "bad_argument",
    );
}

#[test]
fn vocabularies_that_cannot_be() {
    let tokens = [b"a", b"b"];
    let none = || Box::new(|_: &[u8]| Vec::new());
    assert_eq!(Vocabulary::new(&tokens, 2, &[], &[], none()).expect_err("no end").argument(), "vocabulary");
    assert!(Vocabulary::new(&tokens, 2, &[], &[2], none()).is_err(), "an end outside");
    assert!(Vocabulary::new(&tokens, 1 << 22, &[], &[1], none()).is_err(), "too many rows");
    assert!(Vocabulary::new(&tokens, 1, &[7], &[0], none()).is_ok(), "fewer rows than tokens, a special id outside");
}
