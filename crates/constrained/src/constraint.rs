//! One answer under a constraint: which tokens may come next.

use llguidance::api::TopLevelGrammar;
use llguidance::{Matcher, TokenParser};

use crate::dead::{Dead, dead};
use crate::error::{ConstraintError, Result};
use crate::vocabulary::Vocabulary;
use crate::{lark, pattern, schema};

/// Bytes of a schema, a regex or a grammar at most. Those that people write have a few thousand.
pub const MAX_TEXT_BYTES: usize = 64 << 10;
/// Tokens that are forced at once, at most: they are read by the model in one step.
const MAX_FORCED: usize = 256;

/// What an answer must follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grammar<'a> {
    /// JSON that a JSON Schema (2020-12, or an older draft that it names) takes.
    JsonSchema(&'a str),
    /// Any JSON object.
    JsonObject,
    /// Text that a regular expression matches from begin to end. Its syntax is JavaScript's with the flag `u`, without lookaround,
    /// word boundaries and references back.
    Regex(&'a str),
    /// A context-free grammar in the dialect of Lark that llguidance reads; its regexes are those of the Rust crate `regex`.
    Lark(&'a str),
}

impl Grammar<'_> {
    /// What errors call it.
    fn argument(self) -> &'static str {
        match self {
            Self::JsonSchema(_) | Self::JsonObject => "schema",
            Self::Regex(_) => "regex",
            Self::Lark(_) => "grammar",
        }
    }

    fn read(self) -> Result<TopLevelGrammar> {
        if let Self::JsonSchema(text) | Self::Regex(text) | Self::Lark(text) = self
            && text.len() > MAX_TEXT_BYTES
        {
            let (argument, n_bytes) = (self.argument(), text.len());
            let message =
                format!("the {argument} is too large: {n_bytes} bytes, and at most {MAX_TEXT_BYTES} are taken");
            return Err(ConstraintError::bad(argument, message));
        }
        Ok(match self {
            Self::JsonSchema(text) => TopLevelGrammar::from_json_schema(schema::prepare(text)?),
            Self::JsonObject => TopLevelGrammar::from_json_schema(schema::prepare("{\"type\":\"object\"}")?),
            Self::Regex(text) => TopLevelGrammar::from_regex(
                &pattern::translate(text).map_err(|why| ConstraintError::bad("regex", why))?,
            ),
            Self::Lark(text) => TopLevelGrammar::from_lark(lark::prepare(text)?),
        })
    }
}

/// What may come next in one answer. A clone goes its own way from there, and is cheap: it shares what was learned of the grammar.
#[derive(Clone)]
pub struct Constraint {
    matcher: Matcher,
    vocabulary: Vocabulary,
    argument: &'static str,
    mask: Vec<u32>,
    ended: bool,
}

impl Constraint {
    /// A constraint at the begin of an answer.
    ///
    /// # Errors
    /// `schema_unsatisfiable` where no text can follow the grammar. `bad_argument` for what is no schema, regex or grammar, for a
    /// keyword, a format or a feature that is not implemented (the message names it), and for what is too large or too complex.
    pub fn new(vocabulary: &Vocabulary, grammar: Grammar<'_>) -> Result<Self> {
        let argument = grammar.argument();
        let parser = vocabulary
            .factory
            .create_parser(grammar.read()?)
            .map_err(|error| retold(argument, &format!("{error:#}")))?;
        check(&parser, argument)?;
        let mut matcher = Matcher::new(Ok(parser));
        // Without tokens it only looks whether an answer is over before it begins.
        matcher.consume_tokens(&[]).map_err(|error| retold(argument, &error.to_string()))?;
        let mask = vec![0; vocabulary.mask_words()];
        Ok(Self { matcher, vocabulary: vocabulary.clone(), argument, mask, ended: false })
    }

    /// The tokens that may come next: a bit a logit of the model, least significant first. End tokens are among them exactly where the
    /// answer may end. After an end token, all end tokens.
    ///
    /// # Errors
    /// `bad_argument` where the grammar leads nowhere from here, or takes more work than is allowed.
    pub fn mask(&mut self) -> Result<&[u32]> {
        if self.is_over() {
            self.mask.fill(0);
            for id in self.vocabulary.eos.iter() {
                self.mask[*id as usize / 32] |= 1 << (id % 32);
            }
            return Ok(&self.mask);
        }
        let set = self.matcher.compute_mask().map_err(|error| stuck(self.argument, &error.to_string()))?;
        let n_tokens = set.len();
        self.mask.fill(0);
        for (word, bits) in self.mask.iter_mut().zip(set.as_slice()) {
            *word = *bits;
        }
        // The set's last word may have bits that stand for no token.
        if let Some(word) = self.mask.get_mut(n_tokens / 32) {
            *word &= (1 << (n_tokens % 32)) - 1;
        }
        Ok(&self.mask)
    }

    /// Takes the token that came.
    ///
    /// # Errors
    /// `bad_argument` (argument `id`) for a token that the mask does not have; the constraint is as before. Others as of
    /// [`Constraint::mask`].
    pub fn commit(&mut self, id: u32) -> Result<()> {
        let refused = |why: &str| Err(ConstraintError::bad("id", format!("token {id} may not come here: {why}")));
        if self.vocabulary.eos.contains(&id) {
            if !self.ended && !self.may_end() {
                return refused("the answer may not end yet");
            }
            self.ended = true;
            return Ok(());
        }
        if self.is_over() {
            return refused("the answer is over");
        }
        if id as usize >= self.vocabulary.n_tokens() {
            return refused("it is outside the vocabulary");
        }
        match self.matcher.try_consume_tokens(&[id]) {
            Ok(0) => refused("the grammar does not allow it"),
            Ok(_) => Ok(()),
            Err(error) => Err(stuck(self.argument, &error.to_string())),
        }
    }

    /// Tokens that must come next, in the model's own tokenization, where the grammar leaves no choice. None where there is a choice,
    /// or where it is not sure how the model would cut the text.
    pub fn forced(&mut self) -> Vec<u32> {
        if self.is_over() {
            return Vec::new();
        }
        let mut ids = self.matcher.compute_ff_tokens();
        ids.truncate(MAX_FORCED);
        ids
    }

    /// Whether nothing but end tokens may come.
    pub fn is_over(&self) -> bool {
        self.ended || (self.matcher.is_stopped() && !self.matcher.is_error())
    }

    /// Whether the answer may end here.
    pub fn may_end(&mut self) -> bool {
        self.ended || self.matcher.is_accepting().unwrap_or(false)
    }
}

impl std::fmt::Debug for Constraint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Constraint")
            .field("argument", &self.argument)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

/// Refuses what was silently left out, and what cannot come to an end.
fn check(parser: &TokenParser, argument: &'static str) -> Result<()> {
    if let Some((warning, _)) = parser.parser.grammar().lexer_spec().grammar_warnings.first() {
        return Err(ConstraintError::bad(argument, warning.clone()));
    }
    match dead(parser, argument)? {
        None => Ok(()),
        Some(Dead::Whole) => {
            Err(ConstraintError::unsatisfiable(argument, "it asks for what matches no text, or for itself without end"))
        }
        Some(Dead::Part(name)) => {
            let message = format!(
                "a part of the {argument} can never be satisfied, so an answer that chose it could not go on: {name}"
            );
            Err(ConstraintError::bad(argument, message))
        }
    }
}

/// llguidance's words for a constraint that it refuses, in ours where they name switches that callers do not have.
fn retold(argument: &'static str, said: &str) -> ConstraintError {
    let said = said.split("\n<").next().unwrap_or(said).trim();
    if let Some((_, why)) = said.split_once("Unsatisfiable schema: ") {
        return ConstraintError::unsatisfiable(argument, why);
    }
    if said.contains("coerce_one_of") {
        let message = "oneOf is taken where its options plainly exclude each other (by type, or by a constant); use anyOf, or such options";
        return ConstraintError::bad(argument, message);
    }
    if ["fuel", "too large", "limits", "too complex", "stack level"].iter().any(|word| said.contains(word)) {
        return ConstraintError::bad(argument, format!("the {argument} is too large or too complex: {said}"));
    }
    ConstraintError::bad(argument, format!("the {argument} is not taken: {said}"))
}

fn stuck(argument: &'static str, said: &str) -> ConstraintError {
    let said = said.split("\n<").next().unwrap_or(said).trim();
    ConstraintError::bad(
        argument,
        format!("the {argument} leaves no token to go on with, or takes too much work: {said}"),
    )
}
