//! Constraints on answers: schemas, regexes and grammars.

use doran_constrained::{Constraint, ErrorKind, Grammar, Vocabulary};

use crate::Reach;
use crate::mutate::Rng;

/// The kinds, by the input's first byte.
pub const KINDS: [&str; 3] = ["json_schema", "regex", "lark"];
/// Steps of an answer.
const STEPS: usize = 32;
/// The token that ends one.
const END: u32 = 256;
/// Tokens of more than a byte.
const LONGER: [&str; 12] = ["\": ", "\", \"", "{\"", "\"}", "[[", "]]", "aa", "00", "가나", ", ", "true", "<a>"];

thread_local! {
    static VOCABULARY: Vocabulary = vocabulary();
}

/// All bytes, an end token, and some tokens that are longer.
fn vocabulary() -> Vocabulary {
    let tokens: Vec<Vec<u8>> = (0..=255u8)
        .map(|byte| vec![byte])
        .chain([b"<end>".to_vec()])
        .chain(LONGER.iter().map(|text| text.as_bytes().to_vec()))
        .collect();
    let tokenize = Box::new(|bytes: &[u8]| bytes.iter().map(|byte| u32::from(*byte)).collect());
    Vocabulary::new(&tokens, tokens.len() + 7, &[END], &[END], tokenize).expect("a vocabulary")
}

/// A constraint: a byte for its kind, and its text. An answer is drawn from it.
pub fn constraint(input: &[u8]) -> Reach {
    let Some((kind, text)) = input.split_first() else { return Reach::Header };
    let Ok(text) = std::str::from_utf8(text) else { return Reach::Header };
    let grammar = match KINDS[usize::from(*kind) % KINDS.len()] {
        "json_schema" if !crate::is_json(text.as_bytes()) => return Reach::Header,
        "json_schema" => Grammar::JsonSchema(text),
        "regex" => Grammar::Regex(text),
        _ => Grammar::Lark(text),
    };
    VOCABULARY.with(|vocabulary| match Constraint::new(vocabulary, grammar) {
        Ok(mut constraint) => answer(&mut constraint),
        Err(error) => {
            assert!(matches!(error.kind(), ErrorKind::Unsatisfiable | ErrorKind::BadArgument));
            Reach::Inside
        }
    })
}

fn answer(constraint: &mut Constraint) -> Reach {
    let mut rng = Rng::new(1);
    for _ in 0..STEPS {
        let forced = constraint.forced();
        // A step may take more work than is allowed: that is an error, and no harm.
        let Ok(mask) = constraint.mask() else { return Reach::Inside };
        let has = |id: u32| mask[id as usize / 32] >> (id % 32) & 1 == 1;
        let allowed: Vec<u32> = (0..mask.len() as u32 * 32).filter(|id| has(*id)).collect();
        assert!(!allowed.is_empty() && allowed.iter().all(|id| *id <= END + LONGER.len() as u32), "{allowed:?}");
        assert!(forced.first().is_none_or(|id| allowed == [*id]), "{forced:?} of {allowed:?}");
        let id = *rng.of(&allowed);
        if constraint.commit(id).is_err() {
            return Reach::Inside;
        }
        if id == END {
            break;
        }
    }
    Reach::Whole
}
