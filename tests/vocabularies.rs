//! Folders without a `tokenizer.json`: what is read for want of it gives the ids that the reference has.

use std::collections::BTreeMap;

use crate::common;
use doran::engine::EngineOptions;
use doran::format::hf_config::{Folder, checkpoint};
use doran::format::{TokenizerSource, gguf};
use doran::tokenizer::Tokenizer;
use doran::{ErrorKind, Result};
use serde_json::{Value, json};

fn text(name: &str) -> String {
    std::fs::read_to_string(common::fixture(name)).expect(name)
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(common::fixture(name)).expect(name)
}

fn folder(arch: &str) -> Folder {
    let config = Some(text(&format!("arch/{arch}/tokenizer_config.json")));
    Folder { config: text(&format!("arch/{arch}/config.json")), tokenizer_config: config, ..Folder::default() }
}

fn build(folder: &Folder) -> Result<Tokenizer> {
    Tokenizer::new(&checkpoint(folder, Vec::new())?.tokenizer)
}

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().expect("ids").iter().map(|id| id.as_u64().expect("an id") as u32).collect()
}

/// The cases that transformers made with the same model's `tokenizer.json`.
fn check(tokenizer: &Tokenizer, arch: &str) {
    let golden = common::json(&format!("arch/{arch}/golden.json"));
    let cases = golden["tokenizer_cases"].as_array().expect("cases");
    assert!(cases.len() > 5, "{arch}");
    for case in cases {
        let text = case["text"].as_str().expect("a text");
        let got = tokenizer.encode(text, false).expect("encodes");
        assert_eq!(got, ids(&case["ids"]), "{arch}: {text:?}");
        assert_eq!(tokenizer.encode(text, true).expect("encodes"), ids(&case["ids_special"]), "{arch}: {text:?}");
        assert_eq!(
            tokenizer.decode(&got, false).expect("decodes"),
            case["decoded"].as_str().expect("a text"),
            "{arch}"
        );
    }
}

#[test]
fn a_tokenizer_model_gives_the_reference_ids() {
    for arch in
        ["llama", "mistral", "mistral_swa", "mixtral", "solar", "phi3", "phi3_longrope", "gemma", "gemma2", "gemma3"]
    {
        let model = bytes(&format!("arch/{arch}/tokenizer.model"));
        let folder = Folder { sentence_piece: Some(model), ..folder(arch) };
        let tokenizer = build(&folder).expect(arch);
        check(&tokenizer, arch);
        // Special tokens in a text, and what goes on behind them.
        let json = Folder { tokenizer: Some(text(&format!("arch/{arch}/tokenizer.json"))), ..folder };
        let json = build(&json).expect("tokenizer.json");
        assert_eq!(tokenizer.vocab_size(), json.vocab_size(), "{arch}");
        let special: Vec<String> = (0..json.vocab_size() as u32)
            .filter(|id| json.is_special(*id))
            .map(|id| String::from_utf8_lossy(json.token_bytes(id)).into_owned())
            .collect();
        assert!(!special.is_empty(), "{arch}");
        for token in special {
            for text in [format!("{token}안녕"), format!("a {token} b  c"), format!("{token}{token} x")] {
                let (got, wanted) = (tokenizer.encode(&text, true), json.encode(&text, true));
                assert_eq!(got.expect("encodes"), wanted.expect("encodes"), "{arch}: {text:?}");
            }
        }
    }
}

/// With `legacy: false` the space goes before the first words only, as transformers writes it into a `tokenizer.json`.
#[test]
fn the_prefix_of_a_model_that_is_not_legacy_goes_before_the_first_words_only() {
    let mut file = common::json("arch/llama/tokenizer.json");
    file["normalizer"] = Value::Null;
    file["pre_tokenizer"] =
        json!({ "type": "Metaspace", "replacement": "\u{2581}", "prepend_scheme": "first", "split": false });
    let mut config = common::json("arch/llama/tokenizer_config.json");
    let legacy = Folder { sentence_piece: Some(bytes("arch/llama/tokenizer.model")), ..folder("llama") };
    config["legacy"] = json!(false);
    let plain = Folder { tokenizer_config: Some(config.to_string()), ..legacy.clone() };
    let wanted = Folder { tokenizer: Some(file.to_string()), ..plain.clone() };
    let [plain, wanted, legacy] = [plain, wanted, legacy].map(|folder| build(&folder).expect("builds"));
    let mut other = 0;
    for text in ["hello world", "</s>hello", "a </s>hello  b", "안녕</s>안녕", " x</s> y", ""] {
        let got = plain.encode(text, true).expect("encodes");
        assert_eq!(got, wanted.encode(text, true).expect("encodes"), "{text:?}");
        other += usize::from(got != legacy.encode(text, true).expect("encodes"));
    }
    assert!(other >= 2, "{other} texts differ from what the old way gives");
}

/// A message of Protocol Buffers, written apart from what reads it.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 128 {
            self.0.push(value as u8 | 128);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn number(mut self, field: u64, value: u64) -> Self {
        self.varint(field << 3);
        self.varint(value);
        self
    }

    fn float(mut self, field: u64, value: f32) -> Self {
        self.varint(field << 3 | 5);
        self.0.extend(value.to_le_bytes());
        self
    }

    fn bytes(mut self, field: u64, value: &[u8]) -> Self {
        self.varint(field << 3 | 2);
        self.varint(value.len() as u64);
        self.0.extend(value);
        self
    }
}

/// SentencePiece's model of a `tokenizer.json`'s unigrams, with SentencePiece's own three special pieces before `pieces`.
fn unigrams<'a>(pieces: impl Iterator<Item = &'a Value>, specials: [&str; 3], rules: &[u8]) -> Vec<u8> {
    let mut model = Message::default();
    for text in specials {
        let kind = if text == "<unk>" { 2 } else { 3 };
        model = model.bytes(1, &Message::default().bytes(1, text.as_bytes()).float(2, 0.0).number(3, kind).0);
    }
    for piece in pieces {
        let (text, score) = (piece[0].as_str().expect("a text"), piece[1].as_f64().expect("a score") as f32);
        model = model.bytes(1, &Message::default().bytes(1, text.as_bytes()).float(2, score).0);
    }
    let normalizer = Message::default().bytes(2, rules).number(3, 1).number(4, 1);
    model.bytes(2, &Message::default().number(3, 1).0).bytes(3, &normalizer.0).0
}

#[test]
fn models_of_unigrams_give_the_reference_ids() {
    let file = common::json("arch/t5/tokenizer.json");
    let vocab = file["model"]["vocab"].as_array().expect("pieces");
    // The rules are the same in all three files, and readable in GGUF's.
    let gguf = bytes("arch/t5/model-f32.gguf");
    let Ok(gguf::Parsed::Done { checkpoint, .. }) = gguf::parse(&gguf, gguf.len() as u64) else {
        panic!("a GGUF file")
    };
    let TokenizerSource::Vocabulary(source) = checkpoint.tokenizer else { panic!("a GGUF file's tokenizer") };
    let rules = source.charsmap;
    assert!(!rules.is_empty());
    // The vocabulary ends in as many extra ids as the configuration says.
    let is_extra = |piece: &&Value| piece[0].as_str().is_some_and(|text| text.starts_with("<extra_id_"));
    let n_extra = vocab.iter().filter(is_extra).count();
    let first: Vec<&str> = vocab[..3].iter().map(|piece| piece[0].as_str().expect("a text")).collect();
    let pieces = vocab[3..].iter().filter(|piece| !is_extra(piece));
    let model = unigrams(pieces, [first[0], first[1], first[2]], &rules);
    let mut config = common::json("arch/t5/tokenizer_config.json");
    config["extra_ids"] = json!(n_extra);
    let folder = Folder { sentence_piece: Some(model), tokenizer_config: Some(config.to_string()), ..folder("t5") };
    check(&build(&folder).expect("builds"), "t5");
}

#[test]
fn fairseqs_order_is_that_of_xlm_roberta() {
    let pieces = [json!(["\u{2581}", -2.0]), json!(["a", -3.0]), json!(["\u{2581}a", -2.5])];
    let model = unigrams(pieces.iter(), ["<unk>", "<s>", "</s>"], &[]);
    let config =
        json!({ "model_type": "xlm-roberta", "hidden_size": 8, "num_attention_heads": 1, "num_hidden_layers": 1 });
    let folder = Folder { config: config.to_string(), sentence_piece: Some(model), ..Folder::default() };
    let tokenizer = build(&folder).expect("builds");
    // <s> <pad> </s> <unk>, the pieces, <mask>.
    assert_eq!(tokenizer.vocab_size(), 8);
    assert_eq!(tokenizer.encode("a ab", true).expect("encodes"), [0, 6, 6, 3, 2]);
    assert_eq!(tokenizer.encode("<mask>", false).expect("encodes"), [7]);
}

#[test]
fn vocab_json_and_merges_txt_give_the_reference_ids() {
    for (arch, class) in [
        ("gpt2", "GPT2Tokenizer"),
        ("gptj", "GPT2Tokenizer"),
        ("opt", "GPT2Tokenizer"),
        ("phi", "CodeGenTokenizer"),
        ("qwen2", "Qwen2Tokenizer"),
        ("qwen3", "Qwen2TokenizerFast"),
    ] {
        let file = common::json(&format!("arch/{arch}/tokenizer.json"));
        let model = &file["model"];
        let merge = |merge: &Value| match merge.as_str() {
            Some(text) => text.to_owned(),
            None => format!("{} {}", merge[0].as_str().expect("left"), merge[1].as_str().expect("right")),
        };
        let merges: Vec<String> = model["merges"].as_array().expect("merges").iter().map(merge).collect();
        let added = file["added_tokens"].as_array().expect("added tokens").iter();
        let added: BTreeMap<String, Value> = added.map(|token| (token["id"].to_string(), token.clone())).collect();
        let mut config = common::json(&format!("arch/{arch}/tokenizer_config.json"));
        config["tokenizer_class"] = json!(class);
        config["added_tokens_decoder"] = json!(added);
        let byte_level = (model["vocab"].to_string(), format!("#version: 0.2\n{}\n", merges.join("\n")));
        let folder =
            Folder { byte_level: Some(byte_level), tokenizer_config: Some(config.to_string()), ..folder(arch) };
        check(&build(&folder).expect(arch), arch);
    }
}

#[test]
fn what_is_not_known_is_refused_by_name() {
    let model = bytes("arch/llama/tokenizer.model");
    let of = |config: Value, model: &[u8]| {
        let tokenizer_config = Some(config.to_string());
        build(&Folder { sentence_piece: Some(model.to_vec()), tokenizer_config, ..folder("llama") }).map(|_| ())
    };
    let refused = of(json!({ "tokenizer_class": "CamembertTokenizer" }), &model).expect_err("is not known");
    assert_eq!(
        (refused.kind(), &refused.data()["what"]),
        (ErrorKind::Unsupported, &json!("tokenizer CamembertTokenizer of a tokenizer.model"))
    );
    // A model of pairs is no model of unigrams.
    let refused = of(json!({ "tokenizer_class": "T5Tokenizer" }), &model).expect_err("is of another kind");
    assert_eq!((refused.kind(), &refused.data()["what"]), (ErrorKind::Unsupported, &json!("SentencePiece model 2")));
    // Without a class, the model's architecture says it.
    of(json!({}), &model).expect("is Llama's");
    assert_eq!(of(json!({}), b"not a model").expect_err("is none").kind(), ErrorKind::BadFile);
    assert_eq!(of(json!({}), b"").expect_err("is none").kind(), ErrorKind::BadFile);
    let gap = json!({ "added_tokens_decoder": { "99999": { "content": "<x>", "special": true } } });
    assert_eq!(of(gap, &model).expect_err("leaves a gap").kind(), ErrorKind::BadFile);
    let without = build(&folder("llama")).expect_err("has no tokenizer");
    assert_eq!(without.kind(), ErrorKind::Unsupported);
    let vocab = |vocab: &str| {
        let config = Some(json!({ "tokenizer_class": "GPT2Tokenizer" }).to_string());
        build(&Folder {
            byte_level: Some((vocab.to_owned(), String::new())),
            tokenizer_config: config,
            ..folder("gpt2")
        })
        .map(|_| ())
    };
    for bad in ["[]", "{\"a\": 1}", "{\"a\": \"b\"}", "{\"a\": 0, \"b\": 2}"] {
        assert_eq!(vocab(bad).expect_err(bad).kind(), ErrorKind::BadFile, "{bad}");
    }
}

#[test]
fn damaged_models_end_in_a_typed_error() {
    let model = bytes("arch/gemma/tokenizer.model");
    let mut state = 7u64;
    let mut refused = 0;
    for n in 0..400 {
        let mut damaged = model.clone();
        if n < 100 {
            damaged.truncate(model.len() * n / 100);
        } else {
            for _ in 0..=n % 7 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let at = (state >> 33) as usize % damaged.len();
                damaged[at] = (state >> 21) as u8;
            }
        }
        if let Err(error) = build(&Folder { sentence_piece: Some(damaged), ..folder("gemma") }) {
            assert!(
                matches!(error.kind(), ErrorKind::BadFile | ErrorKind::Tokenizer | ErrorKind::Unsupported),
                "{error:?}"
            );
            refused += 1;
        }
    }
    assert!(refused > 100, "{refused}");
}

/// A folder as older ones are published, loaded whole.
#[test]
fn a_folder_without_tokenizer_json_loads_and_answers() {
    let at = std::env::temp_dir().join(format!("doran-vocabularies-{}", std::process::id()));
    std::fs::create_dir_all(&at).expect("a folder");
    for file in ["config.json", "model.safetensors", "tokenizer.model", "tokenizer_config.json", "golden.json"] {
        std::fs::copy(common::fixture(&format!("arch/llama/{file}")), at.join(file)).expect(file);
    }
    let loaded = common::load(&at, None, EngineOptions::default()).map(|engine| engine.text);
    let seen = common::inspect_on(&at, Err(doran::Error::internal("no GPU is needed")), EngineOptions::default());
    std::fs::remove_dir_all(&at).expect("removes");
    let text = loaded.expect("loads");
    assert_eq!(text.tokenizer().encode("안녕 world", true).expect("encodes").first(), Some(&1));
    assert_eq!(seen.expect("is looked at").architecture, "llama");
}
