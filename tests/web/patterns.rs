//! Patterns matched by the browser's RegExp, against what the native engine finds.

use wasm_bindgen_test::wasm_bindgen_test;

#[path = "../patterns/cases.rs"]
mod cases;

#[wasm_bindgen_test]
fn the_browser_agrees_with_the_record() {
    assert_eq!(cases::differences(), Vec::<String>::new());
}

/// With the square of these texts' length in steps, each would take `RegExp` 10 s and more.
#[wasm_bindgen_test]
fn long_texts_take_no_longer_than_they_are() {
    const LETTERS: usize = 50_000;
    const LIMIT_MS: f64 = 2000.0;
    let texts = [
        " ".repeat(LETTERS) + "x",
        "A".repeat(LETTERS) + " ",
        "\u{ac00}A".repeat(LETTERS / 2),
        "\n ".repeat(LETTERS / 2) + "x",
    ];
    for pattern in cases::PATTERNS {
        let regex = fancy_regex::Regex::new(pattern).expect("it is taken");
        for text in &texts {
            let begun = js_sys::Date::now();
            assert!(regex.find_iter(text).all(|found| found.is_ok()), "{pattern}");
            let ms = js_sys::Date::now() - begun;
            assert!(ms < LIMIT_MS, "{pattern} on {:?} and so on: {ms} ms", text.chars().take(4).collect::<String>());
        }
    }
}
