//! Patterns of tokenizers, and texts to try them on.

/// What the native engine finds, recorded.
pub const RECORD: &str = include_str!("../fixtures/patterns.json");

/// The patterns.
pub const PATTERNS: &[&str] = &[
    // GPT-2, Llama 3, Qwen 2, GPT-4o, cl100k, Kimi K2, DeepSeek, EXAONE 4, SuperBPE, BLOOM, Phi, and single steps of others.
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
    r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*(?i:'s|'t)?|\p{N}{1,3}|\s+",
    r"[!-/:-~!-/:-~‘-‟　-。]+|\s?[A-Za-zµÀ-ÖØ-öø-ƺ]+|[一-龥ࠀ-一가-퟿]+",
    r"\s+$",
    " +$",
    r"(?i:'s|'t)|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+",
    r"(?=(\d{3})+(?!\d))",
    r" ?[^(\s|[.,!?…。，、।۔،])]+",
    r"[\p{P}\$\+<=>\^~\|]+",
    r"\p{N}",
    "[0-9][0-9][0-9]",
    r"\w+|[^\w\s]+",
    r"^\w|\w$",
    r"\s*$",
    r"\b\w+|\B.",
    r" {2,}|\d{1,3}\.|\p{Lu}(?=\p{Ll})|(?<=\p{Ll})\p{Lu}",
    r"(?>a{1,9})b|(?>a+)|[\p{Hiragana}\p{Katakana}]+|\x{ac00}",
    r"(?i)straße|ſ|k|[a-f]+",
    "x*",
];

const TEXTS: &[&str] = &[
    "",
    "Hello, world! It's 12:34 on 2026-11-25, isn't it? WE'LL see — they'Ve said 1,234.56.",
    "안녕하세요, 도란도란! 가격은 12,500원입니다…  그렇죠?\n\n네.",
    "日本語のテキスト、カタカナとひらがな。東京2020年\u{3000}全角",
    "  leading\tand trailing   \r\n\r\n  \n",
    "emoji 👩‍👩‍👧‍👦 and 🇰🇷 flags 🏳️‍🌈!! naïve cafe\u{301} Ǆungla ªº ²³½ ٣٤ Ⅷ",
    "fn main() { let x_1 = a[0] + b.c(\"s\\n\"); } // O(n^2) <=> |x| ~ $5",
    "\u{feff}bom\u{85}nel\u{a0}nbsp\u{200b}zwsp\u{2028}ls aaab aab ſtraße STRASSE K km",
    "МОСКВА и Καλημέρα, ἄλφα; हिन्दी में क्या हाल है। สวัสดีครับ שלום مرحبا ١٢٣",
    "spaces   within and at the end   ",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa                              .",
];

/// Every match of every pattern in every text: first byte, and one after the last.
pub fn found() -> Vec<Vec<Vec<(usize, usize)>>> {
    let of = |pattern: &&str| {
        let regex = fancy_regex::Regex::new(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
        let in_text = |text: &&str| {
            regex.find_iter(text).map(|found| found.expect("no giving up")).map(|m| (m.start(), m.end())).collect()
        };
        TEXTS.iter().map(in_text).collect()
    };
    PATTERNS.iter().map(of).collect()
}

/// Every difference from the record.
#[allow(dead_code, reason = "the native test compares whole texts")]
pub fn differences() -> Vec<String> {
    let recorded: Vec<Vec<Vec<(usize, usize)>>> = serde_json::from_str(RECORD).expect("plain JSON");
    let mut differences = Vec::new();
    for ((pattern, found), recorded) in PATTERNS.iter().zip(found()).zip(recorded) {
        for ((text, found), recorded) in TEXTS.iter().zip(found).zip(recorded) {
            if found != recorded {
                differences.push(format!("{pattern:?} in {text:?}: {found:?}, recorded {recorded:?}"));
            }
        }
    }
    differences
}
