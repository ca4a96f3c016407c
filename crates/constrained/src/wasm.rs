//! The boundary: what JavaScript sees. Errors are thrown as `{ code, message, data }`, as the engine's are.

use std::cell::RefCell;

use js_sys::{Function, Object, Reflect, Uint8Array, Uint32Array};
use wasm_bindgen::prelude::*;

use crate::{Constraint, ConstraintError, ErrorKind, Grammar, Vocabulary};

impl From<ConstraintError> for JsValue {
    fn from(error: ConstraintError) -> Self {
        let (thrown, data) = (Object::new(), Object::new());
        let put = |object: &Object, key: &str, value: JsValue| Reflect::set(object, &key.into(), &value).is_ok();
        if error.kind() == ErrorKind::BadArgument {
            put(&data, "argument", error.argument().into());
        }
        put(&thrown, "code", error.code().into());
        put(&thrown, "message", error.message().into());
        put(&thrown, "data", data.into());
        thrown.into()
    }
}

thread_local! {
    /// The tokenizers of the vocabularies that live, by number: a function of JavaScript cannot be sent between threads, and what
    /// llguidance is given must be.
    static TOKENIZERS: RefCell<Vec<Option<Function>>> = const { RefCell::new(Vec::new()) };
}

/// Keeps a tokenizer; gives its number.
fn keep(tokenize: Function) -> usize {
    TOKENIZERS.with_borrow_mut(|all| {
        let free = all.iter().position(Option::is_none).unwrap_or(all.len());
        all.resize(all.len().max(free + 1), None);
        all[free] = Some(tokenize);
        free
    })
}

/// Lets a tokenizer go when the last constraint of its vocabulary does.
struct Kept(usize);

impl Drop for Kept {
    fn drop(&mut self) {
        TOKENIZERS.with_borrow_mut(|all| all[self.0] = None);
    }
}

impl Kept {
    /// The ids of a text; none where JavaScript throws, which the vocabulary takes for a tokenizer that does not know.
    fn tokenize(&self, bytes: &[u8]) -> Vec<u32> {
        let function = TOKENIZERS.with_borrow(|all| all[self.0].clone());
        let ids = function.and_then(|function| function.call1(&JsValue::NULL, &Uint8Array::from(bytes)).ok());
        ids.and_then(|ids| ids.dyn_into::<Uint32Array>().ok()).map(|ids| ids.to_vec()).unwrap_or_default()
    }
}

/// A model's vocabulary, ready for constraints.
#[wasm_bindgen]
pub struct WasmVocabulary(Vocabulary);

#[wasm_bindgen]
impl WasmVocabulary {
    /// - `bytes`, `ends`: the bytes of all tokens one after the other, and where each ends.
    /// - `vocab_size`: logits of the model.
    /// - `special`, `eos`: ids that are no text, and ids that end an answer.
    /// - `tokenize`: the ids of a text's bytes, in the model's own tokenization, without special tokens around them.
    ///
    /// # Errors
    /// `bad_argument`.
    #[wasm_bindgen(constructor)]
    pub fn new(
        bytes: &[u8],
        ends: &[u32],
        vocab_size: u32,
        special: &[u32],
        eos: &[u32],
        tokenize: Function,
    ) -> Result<WasmVocabulary, ConstraintError> {
        let begins = std::iter::once(&0).chain(ends);
        let tokens: Option<Vec<&[u8]>> =
            begins.zip(ends).map(|(begin, end)| bytes.get(*begin as usize..*end as usize)).collect();
        let tokens = tokens
            .ok_or_else(|| ConstraintError::bad("vocabulary", "the ends of the tokens do not fit their bytes"))?;
        let kept = Kept(keep(tokenize));
        let tokenize = Box::new(move |bytes: &[u8]| kept.tokenize(bytes));
        Ok(Self(Vocabulary::new(&tokens, vocab_size as usize, special, eos, tokenize)?))
    }

    /// A constraint at the begin of an answer. `kind`: `json_schema`, `json_object` (which needs no text), `regex` or `lark`.
    ///
    /// # Errors
    /// `schema_unsatisfiable` where no text can follow it; `bad_argument` for what is not understood, not implemented or too large.
    pub fn constraint(&self, kind: &str, text: &str) -> Result<WasmConstraint, ConstraintError> {
        let grammar = match kind {
            "json_schema" => Grammar::JsonSchema(text),
            "json_object" => Grammar::JsonObject,
            "regex" => Grammar::Regex(text),
            "lark" => Grammar::Lark(text),
            _ => return Err(ConstraintError::bad("kind", format!("there is no constraint of this kind: {kind}"))),
        };
        Ok(WasmConstraint(Constraint::new(&self.0, grammar)?))
    }
}

/// What may come next in one answer.
#[wasm_bindgen]
pub struct WasmConstraint(Constraint);

#[wasm_bindgen]
impl WasmConstraint {
    /// The tokens that may come next, a bit a logit, least significant first: a copy, which belongs to the caller.
    ///
    /// # Errors
    /// `bad_argument` where the grammar leads nowhere from here, or takes too much work.
    pub fn mask(&mut self) -> Result<Uint32Array, ConstraintError> {
        Ok(Uint32Array::from(self.0.mask()?))
    }

    /// Takes the token that came.
    ///
    /// # Errors
    /// `bad_argument` for a token that the mask does not have.
    pub fn commit(&mut self, id: u32) -> Result<(), ConstraintError> {
        self.0.commit(id)
    }

    /// Tokens that must come next; none where there is a choice. They are not committed.
    pub fn forced(&mut self) -> Vec<u32> {
        self.0.forced()
    }

    /// Whether nothing but end tokens may come.
    #[wasm_bindgen(js_name = isOver)]
    pub fn is_over(&self) -> bool {
        self.0.is_over()
    }

    /// Whether the answer may end here.
    #[wasm_bindgen(js_name = mayEnd)]
    pub fn may_end(&mut self) -> bool {
        self.0.may_end()
    }

    /// The same constraint, to go on by itself from here.
    #[wasm_bindgen(js_name = clone)]
    pub fn copied(&self) -> WasmConstraint {
        Self(self.0.clone())
    }
}

/// Panics say where they come from, on the console.
#[wasm_bindgen(start)]
fn start() {
    console_error_panic_hook::set_once();
}
