//! Whether a grammar can come to an end.
//!
//! The parser finds out late that nothing matches a lexeme, or that a rule needs itself without end: when half an answer stands. So
//! this looks before the first token.

use llguidance::TokenParser;
use llguidance::earley::{CGrammar, CSymIdx};

use crate::error::{ConstraintError, Result};

/// What cannot end.
pub enum Dead {
    /// The whole grammar: there is no text that it matches.
    Whole,
    /// A part of it, by its name: an answer that begins it could not go on.
    Part(String),
}

/// Looks for what cannot end among all that is reachable; none where everything can.
///
/// # Errors
/// `bad_argument` if the lexemes are too complex.
pub fn dead(parser: &TokenParser, argument: &'static str) -> Result<Option<Dead>> {
    let grammar = parser.parser.grammar();
    let lexer = grammar.lexer_spec();
    let mut limits = parser.limits.clone();
    let mut regexes = lexer
        .to_regex_vec(&mut limits)
        .map_err(|error| ConstraintError::bad(argument, format!("the {argument} is too complex: {error}")))?;
    // The initial state of all lexemes knows those that match something.
    let state = regexes.initial_state(&lexer.all_lexemes());
    let matching = regexes.state_desc(state).possible.clone();

    let reached = reached(grammar);
    let most = reached.iter().map(|sym| sym.as_index()).max().unwrap_or(0);
    let mut ends = vec![false; most + 1];
    loop {
        let mut changed = false;
        // What was reached last stands deepest: most ends are known in the first round.
        for sym in reached.iter().rev() {
            if ends[sym.as_index()] {
                continue;
            }
            let data = grammar.sym_data(*sym);
            let by_itself = data.is_nullable
                || !data.cond_nullable.is_empty()
                || data.lexeme.map_or(data.is_terminal, |lexeme| matching.contains(lexeme));
            let by_a_rule =
                || data.rules.iter().any(|rule| grammar.rule_rhs(*rule).0.iter().all(|part| ends[part.as_index()]));
            if by_itself || by_a_rule() {
                ends[sym.as_index()] = true;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    if !ends[grammar.start().as_index()] {
        return Ok(Some(Dead::Whole));
    }
    let part = reached.iter().find(|sym| !ends[sym.as_index()]);
    Ok(part.map(|sym| Dead::Part(grammar.sym_data(*sym).name.clone())))
}

/// All symbols that the start may come to.
fn reached(grammar: &CGrammar) -> Vec<CSymIdx> {
    let mut reached = vec![grammar.start()];
    let mut seen = std::collections::HashSet::from([grammar.start()]);
    let mut next = 0;
    while next < reached.len() {
        let sym = reached[next];
        next += 1;
        for rule in grammar.rules_of(sym) {
            for part in grammar.rule_rhs(*rule).0 {
                if seen.insert(*part) {
                    reached.push(*part);
                }
            }
        }
    }
    reached
}
