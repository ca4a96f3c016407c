//! Patterns matched by the browser's RegExp, against what the native engine finds.

use wasm_bindgen_test::wasm_bindgen_test;

#[path = "../patterns/cases.rs"]
mod cases;

#[wasm_bindgen_test]
fn the_browser_agrees_with_the_record() {
    assert_eq!(cases::differences(), Vec::<String>::new());
}
