//! Token ids and texts against references by Hugging Face's tokenizers and by llama.cpp.

use crate::files::{bytes, json, parse_gguf, parse_gguf_model, text};
use doran::ErrorKind;
use doran::format::{TokenizerSource, Vocabulary};
use doran::tokenizer::Tokenizer;
use serde_json::Value;

const ARCHS: [&str; 18] = [
    "llama",
    "llama3",
    "llama_bf16",
    "mistral",
    "solar",
    "hyperclovax_seed",
    "bert",
    "xlm_roberta",
    "t5",
    "t5_v1",
    "blenderbot",
    "gpt_oss",
    "mixtral",
    "qwen2_moe",
    "qwen3_moe",
    "lfm2",
    "mamba",
    "rwkv",
];

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

fn smollm2() -> Tokenizer {
    let (checkpoint, _) = parse_gguf_model("SmolLM2-135M-Instruct.Q4_1.gguf");
    Tokenizer::new(&checkpoint.tokenizer).unwrap()
}

fn from_json(tokenizer: String) -> doran::Result<Tokenizer> {
    Tokenizer::new(&TokenizerSource::Json { tokenizer, config: None })
}

fn check_cases(tokenizer: &Tokenizer, arch: &str, source: &str) {
    for case in json(&format!("arch/{arch}/golden.json"))["tokenizer_cases"].as_array().unwrap() {
        let text = case["text"].as_str().unwrap();
        let got = tokenizer.encode(text, false).unwrap();
        assert_eq!(got, ids(&case["ids"]), "{arch} from {source}: {text:?}");
        assert_eq!(tokenizer.encode(text, true).unwrap(), ids(&case["ids_special"]), "{arch} from {source}: {text:?}");
        assert_eq!(tokenizer.decode(&got, false).unwrap(), case["decoded"].as_str().unwrap(), "{arch} from {source}");
    }
}

#[test]
fn tokenizer_json_gives_the_reference_ids() {
    for arch in ARCHS {
        check_cases(&from_json(text(&format!("arch/{arch}/tokenizer.json"))).unwrap(), arch, "tokenizer.json");
    }
}

#[test]
fn gguf_gives_the_reference_ids() {
    for (arch, file) in [
        ("llama", "model-f32"),
        ("llama3", "model-f32"),
        ("llama_bf16", "model-bf16"),
        ("mistral", "model-f32"),
        ("bert", "model-f32"),
        ("t5", "model-f32"),
        ("gpt_oss", "model-f32"),
        ("mixtral", "model-f32"),
        ("qwen2_moe", "model-f32"),
        ("qwen3_moe", "model-f32"),
        ("lfm2", "model-f32"),
    ] {
        let checkpoint = parse_gguf(&bytes(&format!("arch/{arch}/{file}.gguf"))).unwrap();
        check_cases(&Tokenizer::new(&checkpoint.tokenizer).unwrap(), arch, "GGUF");
    }
}

#[test]
fn a_vocab_txt_gives_the_reference_ids() {
    let source = |vocab: String, config: Value| {
        let config = config.as_object().cloned();
        Tokenizer::new(&TokenizerSource::VocabTxt { vocab, config })
    };
    let vocab = text("arch/bert/vocab.txt");
    let tokenizer = source(vocab.clone(), json("arch/bert/tokenizer_config.json")).unwrap();
    check_cases(&tokenizer, "bert", "vocab.txt");
    check_cases(&source(vocab.clone(), Value::Null).unwrap(), "bert", "vocab.txt alone");
    assert!(tokenizer.is_special(3) && !tokenizer.is_special(5));
    assert_eq!(tokenizer.decode(&[2, 207, 211, 3], true).unwrap(), "hello world");
    // What a configuration says otherwise.
    let cased = source(vocab.clone(), serde_json::json!({ "do_lower_case": false })).unwrap();
    assert_eq!(cased.encode("Hello world é", false).unwrap(), [1, 211, 1]);
    let accents = source(vocab.clone(), serde_json::json!({ "strip_accents": false })).unwrap();
    assert_eq!(accents.encode("e é", false).unwrap(), [32, 1]);
    let sep = source(vocab.clone(), serde_json::json!({ "sep_token": { "content": "[MASK]" } })).unwrap();
    assert_eq!(sep.encode("Hello", true).unwrap(), [2, 207, 4]);
    let kind = |vocab: &str, class: &str| {
        let config = serde_json::json!({ "tokenizer_class": class });
        source(vocab.to_owned(), config).map(|_| ()).map_err(|error| error.kind())
    };
    assert_eq!(kind(&vocab, "BertTokenizerFast"), Ok(()));
    assert_eq!(kind(&vocab, "MPNetTokenizer"), Err(ErrorKind::Unsupported));
    assert_eq!(kind("a\nb\n[UNK]\n[CLS]\n", "BertTokenizer"), Err(ErrorKind::Tokenizer));
}

/// SentencePiece's rules are checked by steps of their own: a rule of the real ones, and the same rules damaged.
#[test]
fn compiled_rules_normalise_and_damaged_ones_are_refused() {
    let TokenizerSource::Vocabulary(source) = parse_gguf(&bytes("arch/t5/model-f32.gguf")).unwrap().tokenizer else {
        panic!("a GGUF file")
    };
    let build = |charsmap: Vec<u8>| {
        let Vocabulary { model, tokens, scores, token_types, special_ids, .. } = (*source).clone();
        let source = Vocabulary { model, tokens, scores, token_types, special_ids, charsmap, ..Vocabulary::default() };
        Tokenizer::new(&TokenizerSource::Vocabulary(Box::new(source)))
    };
    let (with, without) = (build(source.charsmap.clone()).unwrap(), build(Vec::new()).unwrap());
    // Full-width letters, a ligature, a combining accent, a control character.
    for (text, plain) in [("Ｈｅllo", "Hello"), ("ﬁnd", "find"), ("e\u{301}", "é"), ("a\u{7f}b", "ab")] {
        assert_eq!(with.encode(text, false).unwrap(), without.encode(plain, false).unwrap(), "{text:?}");
    }
    let mut rng = Rng(7);
    let mut refused = 0;
    for _ in 0..200 {
        let mut rules = source.charsmap.clone();
        for _ in 0..=rng.below(40) {
            let at = rng.below(rules.len());
            rules[at] = rng.below(256) as u8;
        }
        match build(rules) {
            Ok(tokenizer) => drop(tokenizer.encode("Ｈｅllo ﬁnd 대한민국 é 👍🏽 \u{7f}\u{3000}㌀", true)),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Tokenizer);
                refused += 1;
            }
        }
    }
    assert!(refused > 50, "{refused} refused");
}

#[test]
fn smollm2_prompts_and_chats_have_the_reference_ids() {
    let tokenizer = smollm2();
    let golden = json("real/smollm2-135m-instruct-q4_1.json");
    for prompt in golden["prompts"].as_array().unwrap() {
        let text = prompt["text"].as_str().unwrap();
        assert_eq!(tokenizer.encode(text, true).unwrap(), ids(&prompt["ids"]), "{}", prompt["id"]);
        let greedy = &prompt["f32"]["greedy"];
        if let (true, Some(text)) = (greedy["ids"].is_array(), greedy["text"].as_str()) {
            assert_eq!(tokenizer.decode(&ids(&greedy["ids"]), false).unwrap(), text, "{}", prompt["id"]);
        }
    }
    for chat in golden["chats"].as_array().unwrap() {
        assert_eq!(tokenizer.encode(chat["rendered"].as_str().unwrap(), false).unwrap(), ids(&chat["ids_hf_spec"]));
    }
}

#[test]
fn smollm2_random_texts_have_the_reference_ids() {
    let tokenizer = smollm2();
    let golden = json("real/smollm2-135m-instruct-q4_1.tokfuzz.json");
    let cases = golden["agree"].as_array().unwrap();
    let mut seen = 0;
    for case in cases {
        let text = case["text"].as_str().unwrap();
        let got = tokenizer.encode(text, false).unwrap();
        assert_eq!(got, ids(&case["ids"]), "{text:?}");
        assert_eq!(tokenizer.decode(&got, false).unwrap(), text);
        seen += 1;
    }
    assert_eq!(seen, 260);
}

#[test]
fn smollm2_loads_fast() {
    let (checkpoint, _) = parse_gguf_model("SmolLM2-135M-Instruct.Q4_1.gguf");
    let start = std::time::Instant::now();
    let tokenizer = Tokenizer::new(&checkpoint.tokenizer).unwrap();
    let elapsed = start.elapsed();
    println!("a vocabulary of {} in {elapsed:?}, about {} bytes", tokenizer.vocab_size(), tokenizer.approx_bytes());
    assert_eq!(tokenizer.vocab_size(), 49_152);
    // Takes 0.05 s on an idle desktop; the limit catches a change of complexity, not of speed.
    assert!(elapsed.as_secs_f64() < 3.0, "{elapsed:?}");
}

#[test]
fn special_tokens_are_known_and_skipped() {
    let tokenizer = smollm2();
    let ids = tokenizer.encode("<|im_start|>user\nhi<|im_end|>", false).unwrap();
    assert_eq!((ids[0], *ids.last().unwrap()), (1, 2));
    assert!(tokenizer.is_special(1) && tokenizer.is_special(2) && !tokenizer.is_special(ids[1]));
    assert_eq!(tokenizer.decode(&ids, true).unwrap(), "user\nhi");
    assert_eq!(tokenizer.token_id("<|im_end|>"), Some(2));
    assert_eq!(tokenizer.token_bytes(2), b"<|im_end|>");
}

#[test]
fn ids_outside_the_vocabulary_are_errors() {
    let tokenizer = from_json(text("arch/llama3/tokenizer.json")).unwrap();
    assert_eq!(tokenizer.vocab_size(), 389);
    assert_eq!(tokenizer.decode(&[388], false).unwrap(), "<|im_end|>");
    assert_eq!(tokenizer.decode(&[389], false).unwrap_err().kind(), ErrorKind::BadArgument);
    assert_eq!(tokenizer.decode(&[u32::MAX], false).unwrap_err().kind(), ErrorKind::BadArgument);
    assert!(tokenizer.token_bytes(u32::MAX).is_empty() && !tokenizer.is_special(389));
}

#[test]
fn malformed_tokenizers_end_as_their_index_says() {
    let mut seen = 0;
    for case in json("bad/index.json")["cases"].as_array().unwrap() {
        let name = case["file"].as_str().unwrap();
        if !name.ends_with(".tokenizer.json") {
            continue;
        }
        seen += 1;
        let got = from_json(text(&format!("bad/{name}"))).map(|_| ()).map_err(|e| e.kind());
        let expect = match name {
            "control_ok.tokenizer.json" => Ok(()),
            "tok_unknown_model.tokenizer.json" | "tok_unknown_pretok.tokenizer.json" => Err(ErrorKind::Unsupported),
            _ => Err(ErrorKind::Tokenizer),
        };
        assert_eq!(got, expect, "{name}: {}", case["description"]);
    }
    assert_eq!(seen, 7);
}

/// Things that the crate underneath panics on or renumbers, unless they are caught before.
#[test]
fn files_that_contradict_themselves_are_refused() {
    let good = text("bad/control_ok.tokenizer.json");
    let kind = |from: &str, to: &str| {
        let bad = good.replace(from, to);
        assert_ne!(bad, good, "{from} is not in the file");
        from_json(bad).map(|_| ()).map_err(|e| e.kind())
    };
    let tokenizer = Err(ErrorKind::Tokenizer);
    assert_eq!(kind(r#"[["a", "b"]]"#, r#"[["ab", "ab"]]"#), tokenizer, "the sum is longer than any token");
    assert_eq!(kind(r#"[["a", "b"]]"#, r#"["ab"]"#), tokenizer);
    assert_eq!(kind(r#"[["a", "b"]]"#, r#"["a b"]"#), Ok(()), "the older spelling of merges");
    assert_eq!(kind(r#""b": 1"#, r#""b": 0"#), tokenizer, "two tokens with one id");
    assert_eq!(kind(r#""b": 1"#, r#""b": 4000000000"#), tokenizer, "an id that no table can have");
    assert_eq!(kind(r#""unk_token": null"#, r#""unk_token": "?""#), tokenizer);
    assert_eq!(kind(r#""continuing_subword_prefix": null"#, r###""continuing_subword_prefix": "##""###), tokenizer);
    let added = |id: u32| {
        format!(
            r#""added_tokens": [{{"id": {id}, "content": "<x>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true}}]"#
        )
    };
    assert_eq!(kind(r#""added_tokens": []"#, &added(3)), Ok(()));
    assert_eq!(kind(r#""added_tokens": []"#, &added(4)), tokenizer, "a gap would be closed silently");
    assert_eq!(kind(r#""added_tokens": []"#, &added(4_000_000_000)), tokenizer);
    let replace = |regex: &str| {
        format!(r#""normalizer": {{"type": "Replace", "pattern": {{"Regex": "{regex}"}}, "content": "x"}}"#)
    };
    assert_eq!(kind(r#""normalizer": null"#, &replace("a*")), tokenizer);
    assert_eq!(kind(r#""normalizer": null"#, &replace("(?=a)")), tokenizer);
    assert_eq!(kind(r#""normalizer": null"#, &replace(" {2,}")), Ok(()));
    assert_eq!(
        kind(r#""type": "ByteLevel", "add_prefix_space": true"#, r#""type": "Whatever", "add_prefix_space": true"#),
        Err(ErrorKind::Unsupported)
    );
}

/// The same for word pieces, unigrams, and the templates around a text.
#[test]
fn models_that_contradict_themselves_are_refused() {
    let kind = |arch: &str, pointer: &str, value: Value| {
        let mut file = json(&format!("arch/{arch}/tokenizer.json"));
        *file.pointer_mut(pointer).unwrap_or_else(|| panic!("{arch} has no {pointer}")) = value;
        from_json(file.to_string()).map(|_| ()).map_err(|e| e.kind())
    };
    let refused = Err(ErrorKind::Tokenizer);
    assert_eq!(kind("bert", "/model/unk_token", "none".into()), refused);
    assert_eq!(kind("bert", "/model/max_input_chars_per_word", 1_000_000.into()), refused);
    assert_eq!(kind("bert", "/model/type", Value::Null), Ok(()), "a file of before models had types");
    assert_eq!(kind("bert", "/decoder/prefix", "@@".into()), Err(ErrorKind::Unsupported));
    assert_eq!(kind("t5", "/model/unk_id", 353.into()), refused);
    assert_eq!(kind("t5", "/model/type", Value::Null), Ok(()));
    assert_eq!(kind("t5", "/model/type", "WordLevel".into()), Err(ErrorKind::Unsupported));
    assert_eq!(kind("t5", "/post_processor/single/0/Sequence/id", "B".into()), refused, "a second text");
    assert_eq!(kind("t5", "/post_processor/single/1/SpecialToken/id", "<s>".into()), refused);
    let charsmap = |rules: Value| serde_json::json!({ "type": "Precompiled", "precompiled_charsmap": rules });
    assert_eq!(kind("t5", "/normalizer", charsmap("!".into())), refused);
    assert_eq!(kind("t5", "/normalizer", charsmap(Value::Null)), refused);
}

fn tiny(tokens: &[&str], merges: &[&str], pre: &str) -> Vocabulary {
    Vocabulary {
        model: "gpt2".into(),
        pre: Some(pre.into()),
        tokens: tokens.iter().map(|t| (*t).to_owned()).collect(),
        merges: merges.iter().map(|m| (*m).to_owned()).collect(),
        ..Vocabulary::default()
    }
}

#[test]
fn unknown_vocabularies_and_pre_tokenizers_are_named() {
    let what = |source: Vocabulary| {
        let error = Tokenizer::new(&TokenizerSource::Vocabulary(Box::new(source))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        error.data()["what"].as_str().unwrap().to_owned()
    };
    assert_eq!(what(tiny(&["a"], &[], "esperanto")), "pre-tokenizer esperanto");
    assert_eq!(what(Vocabulary { model: "telepathy".into(), ..tiny(&["a"], &[], "gpt-2") }), "tokenizer telepathy");
}

#[test]
fn gguf_merges_must_be_made_of_tokens() {
    for merge in ["a", "a q", "a  b", "", "b a", "é"] {
        let source = tiny(&["a", "b", "ab"], &[merge], "gpt-2");
        let error = Tokenizer::new(&TokenizerSource::Vocabulary(Box::new(source))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Tokenizer, "{merge:?}");
    }
}

/// Each family of pre-tokenizers cuts these as its published pattern does: written down by hand from the patterns.
#[test]
fn pre_tokenizers_cut_where_their_patterns_say() {
    // Every byte is a token and nothing merges but what stands in one piece: "12", "'S" and " x" tell the families apart.
    let alphabet: Vec<String> = ["1", "2", "'", "S", "s", "Ġ", "x", "!", "Ċ"].iter().map(|s| (*s).to_owned()).collect();
    let extra = ["12", "'S", "'s", "Ġx", "!Ċ"];
    let merges = ["1 2", "' S", "' s", "Ġ x", "! Ċ"];
    let tokens: Vec<&str> = alphabet.iter().map(String::as_str).chain(extra).collect();
    let pieces = |pre: &str, text: &str| -> Vec<String> {
        let tokenizer = Tokenizer::new(&TokenizerSource::Vocabulary(Box::new(tiny(&tokens, &merges, pre)))).unwrap();
        let ids = tokenizer.encode(text, false).unwrap();
        ids.iter().map(|id| String::from_utf8_lossy(tokenizer.token_bytes(*id)).into_owned()).collect()
    };
    let text = "12 x's x'S!\n";
    assert_eq!(pieces("gpt-2", text), ["12", " x", "'s", " x", "'", "S", "!", "\n"]);
    assert_eq!(pieces("smollm", text), ["1", "2", " x", "'s", " x", "'", "S", "!", "\n"]);
    assert_eq!(pieces("llama-bpe", text), ["12", " x", "'s", " x", "'S", "!\n"]);
    assert_eq!(pieces("qwen2", text), ["1", "2", " x", "'s", " x", "'S", "!\n"]);
    assert_eq!(pieces("default", "12 x"), ["12", " x"]);
}

/// xorshift64*: enough to pick bytes, and the same everywhere.
struct Rng(u64);

impl Rng {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n
    }
}
