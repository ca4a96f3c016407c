//! An answer in the making: it holds the engine's turn from its first token to its end.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::{Object, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;

use super::engine::{Inner, Speeds};
use super::js::{AbortLink, now_ms, to_js};
use super::options::WireAdapterUse;
use crate::error::{Error, Result};
use crate::generate::{Generation, Item};
use crate::session::Session;
use crate::turn::Turn;
use crate::weights::Cancel;

/// An answer in the making, shared by JavaScript and the engine that may end it.
pub(super) struct Answer {
    pub(super) inner: Rc<Inner>,
    /// Taken while a `next` works on it.
    pub(super) generation: RefCell<Option<Generation>>,
    pub(super) adapters: Vec<WireAdapterUse>,
    /// How often the GPU had been replaced when `adapters` were looked up.
    pub(super) recoveries: Cell<u32>,
    /// Held from the first `next` to the end.
    pub(super) turn: RefCell<Option<Turn>>,
    pub(super) link: RefCell<Option<AbortLink>>,
    pub(super) cancel: Cancel,
    pub(super) prefill_ms: Cell<f64>,
    pub(super) decode_ms: Cell<f64>,
    pub(super) n_tokens: Cell<usize>,
}

impl Answer {
    pub(super) fn cancel(&self) {
        self.cancel.cancel();
        // A `next` that is under way gives the turn back itself.
        if self.generation.borrow().is_some() {
            self.finish();
        }
    }

    fn finish(&self) {
        self.turn.replace(None);
        self.link.replace(None);
    }

    async fn next(&self) -> Result<JsValue> {
        let taken = self.generation.borrow_mut().take();
        let mut generation = taken.ok_or_else(|| Error::internal("next() was called before the last one answered"))?;
        let result = self.step(&mut generation).await;
        self.generation.replace(Some(generation));
        if !matches!(&result, Ok(Some(Item::Token { .. } | Item::Prefill { .. }))) {
            self.finish();
        }
        self.to_item(result?)
    }

    async fn step(&self, generation: &mut Generation) -> Result<Option<Item>> {
        self.cancel.check()?;
        if self.turn.borrow().is_none() {
            let turn = self.cancel.race(async { Ok(self.inner.turns.take().await) }).await?;
            self.turn.replace(Some(turn));
        }
        let started_ms = now_ms();
        let text = Rc::clone(&self.inner.text);
        let work = async |session: &mut Session| {
            // Adapters are on the GPU, which may be another than when they were asked for.
            let recoveries = self.inner.losses.recoveries();
            if self.recoveries.replace(recoveries) != recoveries {
                generation.begin_again(self.inner.adapters.named(&self.adapters)?);
            }
            generation.next(&text, session, &self.cancel).await
        };
        let result = self.inner.with_session(&self.cancel, work).await;
        let time = if self.n_tokens.get() == 0 { &self.prefill_ms } else { &self.decode_ms };
        time.set(time.get() + now_ms() - started_ms);
        if matches!(&result, Ok(Some(Item::Token { .. }))) {
            self.n_tokens.set(self.n_tokens.get() + 1);
        }
        result
    }

    /// What a token adds to a text.
    fn bytes_of(&self, id: u32) -> js_sys::Uint8Array {
        self.inner.text.tokenizer().token_bytes(id).into()
    }

    fn likely_token(&self, id: u32, logprob: f32) -> Result<JsValue> {
        let token = Object::new();
        for (key, value) in [("id", id.into()), ("bytes", self.bytes_of(id).into()), ("logprob", logprob.into())] {
            Reflect::set(&token, &key.into(), &value).map_err(|_| Error::internal("a token cannot be built"))?;
        }
        Ok(token.into())
    }

    fn to_item(&self, item: Option<Item>) -> Result<JsValue> {
        let object = Object::new();
        let put = |key: &str, value: JsValue| {
            let done = Reflect::set(&object, &key.into(), &value);
            done.map(drop).map_err(|_| Error::internal("an item cannot be built"))
        };
        match item {
            Some(Item::Prefill { done, total }) => {
                put("promptTokensDone", done.into())?;
                put("promptTokens", total.into())?;
            }
            Some(Item::Token { id, text, logprob, top }) => {
                put("id", id.into())?;
                put("text", text.into())?;
                if let Some(logprob) = logprob {
                    put("logprob", logprob.into())?;
                    put("bytes", self.bytes_of(id).into())?;
                    let top: Result<js_sys::Array> =
                        top.into_iter().map(|(id, logprob)| self.likely_token(id, logprob)).collect();
                    put("topLogprobs", top?.into())?;
                }
            }
            Some(Item::End { text, finish_reason, usage }) => {
                let (prefill_ms, decode_ms) = (self.prefill_ms.get(), self.decode_ms.get());
                // An answer of no tokens (`maxTokens: 0`) ran nothing.
                let computed = if usage.completion_tokens == 0 { 0 } else { usage.prompt_tokens - usage.cached_tokens };
                let after_first = usage.completion_tokens.saturating_sub(1);
                let per_second = |n: usize, ms: f64| if ms > 0.0 { n as f64 * 1000.0 / ms } else { 0.0 };
                let old = self.inner.speeds.get();
                self.inner.speeds.set(Speeds {
                    prefill_tps: per_second(computed, prefill_ms),
                    decode_tps: per_second(after_first, decode_ms),
                    tokens_prefilled: old.tokens_prefilled + computed,
                    tokens_decoded: old.tokens_decoded + usage.completion_tokens,
                });
                let usage = to_js(&usage)?;
                for (key, value) in [("prefillMs", prefill_ms), ("decodeMs", decode_ms)] {
                    Reflect::set(&usage, &key.into(), &value.into()).map_err(|_| Error::internal("usage"))?;
                }
                put("text", text.into())?;
                put("finishReason", to_js(&finish_reason)?)?;
                put("usage", usage)?;
            }
            None => return Err(Error::internal("the answer has ended already")),
        }
        Ok(object.into())
    }
}

/// An answer in the making.
#[wasm_bindgen]
pub struct WasmGeneration(pub(super) Rc<Answer>);

#[wasm_bindgen]
impl WasmGeneration {
    /// The next token, or the end.
    pub fn next(&self) -> Promise {
        let answer = Rc::clone(&self.0);
        future_to_promise(async move { Ok(answer.next().await?) })
    }

    /// Ends the answer; a `next()` under way rejects with `aborted`.
    pub fn cancel(&self) {
        self.0.cancel();
    }
}
