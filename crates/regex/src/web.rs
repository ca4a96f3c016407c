//! Patterns by JavaScript's `RegExp`.

use std::cell::RefCell;
use std::marker::PhantomData;

use wasm_bindgen::prelude::*;

use super::{Error, Match, translate};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = RegExp)]
    #[derive(Clone)]
    type RegExp;
    #[wasm_bindgen(constructor, js_class = "RegExp", catch)]
    fn new(pattern: &str, flags: &str) -> Result<RegExp, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn exec(this: &RegExp, text: &JsValue) -> Result<Option<Found>, JsValue>;
    #[wasm_bindgen(method, getter, js_name = lastIndex)]
    fn last_index(this: &RegExp) -> u32;
    #[wasm_bindgen(method, setter, js_name = lastIndex)]
    fn set_last_index(this: &RegExp, at: u32);

    type Found;
    #[wasm_bindgen(method, getter)]
    fn index(this: &Found) -> u32;
}

thread_local! {
    /// Compiled expressions by their translated text. A value of JavaScript belongs to one thread, and a pattern must be
    /// `Send`; a page has a handful of patterns, so they stay.
    static COMPILED: RefCell<Vec<(String, RegExp)>> = const { RefCell::new(Vec::new()) };
}

#[derive(Debug)]
pub(super) struct Pattern {
    translated: String,
}

impl Pattern {
    pub(super) fn new(pattern: &str) -> Result<Self, Error> {
        let this = Self { translated: translate::to_javascript(pattern).map_err(Error)? };
        this.compiled().map(|_| this)
    }

    fn compiled(&self) -> Result<RegExp, Error> {
        COMPILED.with_borrow_mut(|compiled| {
            if let Some((_, known)) = compiled.iter().find(|(text, _)| *text == self.translated) {
                return Ok(known.clone());
            }
            // g: go on at lastIndex. v: code points, properties, and sets in sets.
            let made = RegExp::new(&self.translated, "gv")
                .map_err(|_| Error(format!("the browser does not take the pattern {:?}", self.translated)))?;
            compiled.push((self.translated.clone(), made.clone()));
            Ok(made)
        })
    }

    pub(super) fn matches<'r, 't>(&'r self, text: &'t str) -> Matches<'r, 't> {
        Matches {
            expression: self.compiled(),
            js_text: JsValue::from_str(text),
            text,
            at: Position::default(),
            last_end: None,
            pattern: PhantomData,
        }
    }
}

/// One place in a text: bytes of UTF-8, and JavaScript's units of UTF-16.
#[derive(Clone, Copy, Default)]
struct Position {
    utf8: usize,
    utf16: u32,
}

pub(super) struct Matches<'r, 't> {
    expression: Result<RegExp, Error>,
    js_text: JsValue,
    text: &'t str,
    /// Where the search goes on.
    at: Position,
    last_end: Option<usize>,
    pattern: PhantomData<&'r Pattern>,
}

impl Matches<'_, '_> {
    /// The place of a later unit of UTF-16.
    fn advance(&self, from: Position, utf16: u32) -> Position {
        let mut at = from;
        for c in self.text[from.utf8..].chars() {
            if at.utf16 >= utf16 {
                break;
            }
            at.utf16 += c.len_utf16() as u32;
            at.utf8 += c.len_utf8();
        }
        at
    }
}

impl Iterator for Matches<'_, '_> {
    type Item = Result<Match, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.at.utf8 > self.text.len() {
                return None;
            }
            let expression = match &self.expression {
                Ok(expression) => expression,
                Err(error) => {
                    self.at.utf8 = usize::MAX;
                    return Some(Err(error.clone()));
                }
            };
            // Each call says where to begin: the expression is shared, and remembers.
            expression.set_last_index(self.at.utf16);
            let found = match expression.exec(&self.js_text) {
                Ok(found) => found?,
                Err(_) => {
                    self.at.utf8 = usize::MAX;
                    return Some(Err(Error("the browser gave up on matching a pattern".to_owned())));
                }
            };
            let (first, last) = (found.index(), expression.last_index());
            let start = self.advance(self.at, first);
            let end = self.advance(start, last);
            self.at = end;
            if start.utf8 == end.utf8 {
                // After an empty match the search goes on one character later; none counts right after another match.
                let step = self.text[end.utf8..].chars().next();
                self.at.utf8 += step.map_or(1, char::len_utf8);
                self.at.utf16 += step.map_or(1, char::len_utf16) as u32;
                if self.last_end == Some(end.utf8) {
                    continue;
                }
            }
            self.last_end = Some(end.utf8);
            return Some(Ok(Match { start: start.utf8, end: end.utf8 }));
        }
    }
}
