//! What has a say in an answer, where it is JavaScript: a constraint (`pkg/src/constrained.ts`) and a caller's hook.

use js_sys::{Float32Array, Function, Uint32Array};
use wasm_bindgen::prelude::*;

use super::js::field;
use crate::error::{Error, Result};
use crate::generate::{Constraint, Guides, LogitsHook};

#[wasm_bindgen]
extern "C" {
    /// A constraint, as the worker gives it. See `pkg/src/wasm.d.ts`.
    pub type JsConstraint;

    #[wasm_bindgen(method, catch, js_name = isOver)]
    fn is_over(this: &JsConstraint) -> Result<bool, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn mask(this: &JsConstraint) -> Result<Uint32Array, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn forced(this: &JsConstraint) -> Result<Uint32Array, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn commit(this: &JsConstraint, id: u32) -> Result<(), JsValue>;
}

/// Whatever was thrown, as an error of the option that it came by.
fn thrown_by(option: &str, thrown: &JsValue) -> Error {
    let message = field(thrown, "message").and_then(|message| message.as_string());
    let message = message.or_else(|| thrown.as_string()).unwrap_or_else(|| format!("{option} failed"));
    Error::bad_argument(option, message)
}

/// What a constraint threw. What is no error of its own making is a trap or comes of one: no fault of what was asked for.
fn thrown_by_format(thrown: JsValue) -> Error {
    let error = thrown_by("format", &thrown);
    if thrown.is_instance_of::<js_sys::Error>() {
        return Error::internal(format!("the WebAssembly module for formats failed; load the model again ({error})"));
    }
    error
}

impl Constraint for JsConstraint {
    fn is_over(&mut self) -> Result<bool> {
        JsConstraint::is_over(self).map_err(thrown_by_format)
    }

    fn mask(&mut self) -> Result<Vec<u32>> {
        Ok(JsConstraint::mask(self).map_err(thrown_by_format)?.to_vec())
    }

    fn forced(&mut self) -> Result<Vec<u32>> {
        Ok(JsConstraint::forced(self).map_err(thrown_by_format)?.to_vec())
    }

    fn take(&mut self, id: u32) -> Result<()> {
        self.commit(id).map_err(thrown_by_format)
    }
}

/// A function of logits and ids.
struct JsHook(Function);

impl LogitsHook for JsHook {
    fn change(&mut self, logits: &mut [f32], ids: &[u32]) -> Result<()> {
        let array = Float32Array::from(&*logits);
        let called = self.0.call2(&JsValue::UNDEFINED, &array, &Uint32Array::from(ids));
        called.map_err(|thrown| thrown_by("logitsHook", &thrown))?;
        array.copy_to(logits);
        if logits.iter().any(|logit| logit.is_nan() || *logit == f32::INFINITY) {
            return Err(Error::bad_argument("logitsHook", "the hook made a logit NaN or infinite"));
        }
        Ok(())
    }
}

/// What the worker gave.
pub(super) fn guides(constraint: Option<JsConstraint>, hook: Option<Function>) -> Guides {
    Guides {
        constraint: constraint.map(|constraint| Box::new(constraint) as Box<dyn Constraint>),
        hook: hook.map(|hook| Box::new(JsHook(hook)) as Box<dyn LogitsHook>),
    }
}
