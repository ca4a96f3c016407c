//! Valid input for each target, from `tests/fixtures`, and what of it changes how.

use std::path::{Path, PathBuf};

use doran::weights::manifest::{ChunkEntry, hex};
use doran::weights::{Bytes, VecBytes};
use serde_json::{Value, json};

use crate::constraints::KINDS;
use crate::manifests::{self, FILES, MODEL};
use crate::mutate::{self, Rng};

/// Valid input. A part is changed by what it is.
#[derive(Clone)]
pub struct Seed(Vec<Part>);

#[derive(Clone)]
enum Part {
    /// Left as it is.
    Fixed(Vec<u8>),
    /// With the places of its whole numbers.
    Bytes(Vec<u8>, Vec<(usize, usize)>),
    Json(Value),
    /// JSON after two bytes that say how long it is.
    ShortJson(Value),
    /// JSON after eight bytes that say how long it is.
    LongJson(Value),
    Template(String),
}

impl Seed {
    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for part in &self.0 {
            match part {
                Part::Fixed(bytes) | Part::Bytes(bytes, _) => out.extend(bytes),
                Part::Json(value) => out.extend(value.to_string().bytes()),
                Part::ShortJson(value) => {
                    let text = value.to_string();
                    out.extend((text.len() as u16).to_le_bytes());
                    out.extend(text.bytes());
                }
                Part::LongJson(value) => {
                    let text = value.to_string();
                    out.extend((text.len() as u64).to_le_bytes());
                    out.extend(text.bytes());
                }
                Part::Template(text) => out.extend(text.bytes()),
            }
        }
        out
    }

    /// The same with some changes; `other` gives pieces.
    pub fn changed(&self, rng: &mut Rng, other: &Self) -> Vec<u8> {
        let mut seed = self.clone();
        // One part in most cases, so that the others let it come far.
        let changing: Vec<usize> = (0..seed.0.len()).filter(|i| !matches!(seed.0[*i], Part::Fixed(_))).collect();
        let n_changes = if rng.below(4) == 0 { 2 } else { 1 };
        for _ in 0..n_changes {
            let at = *rng.of(&changing);
            match (&mut seed.0[at], other.0.get(at)) {
                (Part::Bytes(bytes, fields), Some(Part::Bytes(other, _))) => mutate::bytes(rng, bytes, fields, other),
                (
                    Part::Json(value) | Part::ShortJson(value) | Part::LongJson(value),
                    Some(Part::Json(other) | Part::ShortJson(other) | Part::LongJson(other)),
                ) => mutate::json(rng, value, other),
                (Part::Template(text), Some(Part::Template(other))) => mutate::template(rng, text, other),
                (Part::Bytes(bytes, fields), _) => mutate::bytes(rng, bytes, fields, &[0xff; 64]),
                (Part::Json(value) | Part::ShortJson(value) | Part::LongJson(value), _) => {
                    mutate::json(rng, value, &Value::Null);
                }
                (Part::Template(_) | Part::Fixed(_), _) => {}
            }
        }
        let mut bytes = seed.bytes();
        // And as bytes, now and then: what no writer of the format makes.
        if rng.below(8) == 0 {
            mutate::bytes(rng, &mut bytes, &[], &[0xff; 64]);
        }
        bytes
    }
}

/// Where the fixtures are.
pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures")
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&read(path)).expect("JSON")
}

/// The folders of small models that have this file.
fn folders(file: &str) -> Vec<PathBuf> {
    let all = std::fs::read_dir(fixtures().join("arch")).expect("fixtures");
    let mut folders: Vec<PathBuf> = all.map(|entry| entry.expect("an entry").path()).collect();
    // One of them has 64 layers, and nothing else that the others have not.
    folders.retain(|folder| folder.join(file).exists() && !folder.ends_with("exaone4_64l"));
    folders.sort();
    folders
}

/// The seeds of a target.
pub fn of(target: &str) -> Vec<Seed> {
    match target {
        "gguf" => {
            let plain = folders("model-f32.gguf").into_iter().map(|folder| gguf(&folder.join("model-f32.gguf"), 0));
            let parts =
                (1..=3).map(|no| gguf(&fixtures().join(format!("split/llama-0000{no}-of-00003.gguf")), 1 << 31));
            plain.chain(parts).collect()
        }
        "safetensors" => {
            let small = folders("model.safetensors").into_iter();
            let seed = |folder: PathBuf| folder_seed(&folder.join("config.json"), &folder.join("model.safetensors"));
            small.map(seed).collect()
        }
        "manifest" => manifests(),
        "adapter" => adapters(),
        "messages" => messages(),
        "tokenizer" => folders("tokenizer.json")
            .iter()
            .map(|f| Seed(vec![Part::Json(tokenizer(&f.join("tokenizer.json")))]))
            .collect(),
        "template" => TEMPLATES.iter().map(|text| Seed(vec![Part::Template((*text).to_owned())])).collect(),
        "constraint" => constraints(),
        other => panic!("there is no target {other}"),
    }
}

/// The constraints that tests draw answers from.
fn constraints() -> Vec<Seed> {
    let all = read_json(&fixtures().join("constrained/cases.json"));
    let seed = |case: &Value| {
        let (kind, text) = (case["kind"].as_str()?, case["text"].as_str()?);
        let number = KINDS.iter().position(|one| *one == kind)? as u8;
        let text = match serde_json::from_str(text) {
            Ok(value) if kind == "json_schema" => Part::Json(value),
            _ => Part::Bytes(text.as_bytes().to_vec(), Vec::new()),
        };
        Some(Seed(vec![Part::Fixed(vec![number]), text]))
    };
    all.as_array().expect("a list").iter().filter_map(seed).collect()
}

/// The header of a GGUF file, behind the number of bytes that follow it.
fn gguf(path: &Path, flag: u32) -> Seed {
    let file = read(path);
    let (header_bytes, fields) = gguf_fields(&file);
    let tail = (file.len() - header_bytes) as u32 | flag;
    Seed(vec![Part::Fixed(tail.to_le_bytes().to_vec()), Part::Bytes(file[..header_bytes].to_vec(), fields)])
}

/// How long a valid header is, and where in it there are whole numbers: counts, lengths, types, values, shapes, offsets. Only the
/// first of an array's.
fn gguf_fields(file: &[u8]) -> (usize, Vec<(usize, usize)>) {
    struct Walk<'a>(&'a [u8], usize, Vec<(usize, usize)>);
    impl Walk<'_> {
        fn number(&mut self, n: usize, is_noted: bool) -> u64 {
            let mut bytes = [0; 8];
            bytes[..n].copy_from_slice(&self.0[self.1..self.1 + n]);
            if is_noted {
                self.2.push((self.1, n));
            }
            self.1 += n;
            u64::from_le_bytes(bytes)
        }
        fn string(&mut self, is_noted: bool) {
            self.1 += self.number(8, is_noted) as usize;
        }
        fn value(&mut self, kind: u64, is_noted: bool) {
            match kind {
                8 => self.string(is_noted),
                9 => {
                    let (kind, len) = (self.number(4, true), self.number(8, true));
                    (0..len).for_each(|i| self.value(kind, i < 3));
                }
                0 | 1 | 7 => drop(self.number(1, is_noted)),
                2 | 3 => drop(self.number(2, is_noted)),
                4..=6 => drop(self.number(4, is_noted)),
                _ => drop(self.number(8, is_noted)),
            }
        }
    }
    let mut walk = Walk(file, 8, Vec::new());
    let (n_tensors, n_values) = (walk.number(8, true), walk.number(8, true));
    for _ in 0..n_values {
        walk.string(true);
        let kind = walk.number(4, true);
        walk.value(kind, true);
    }
    for _ in 0..n_tensors {
        walk.string(true);
        let n_dims = walk.number(4, true);
        for _ in 0..n_dims {
            walk.number(8, true);
        }
        walk.number(4, true);
        walk.number(8, true);
    }
    (walk.1, walk.2)
}

/// A configuration, and the header of a safetensors file behind the number of bytes that follow it.
fn folder_seed(config: &Path, weights: &Path) -> Seed {
    let file = read(weights);
    let header_bytes = u64::from_le_bytes(file[..8].try_into().expect("eight")) as usize;
    let tail = (file.len() - 8 - header_bytes) as u32;
    let header = serde_json::from_slice(&file[8..8 + header_bytes]).expect("JSON");
    Seed(vec![
        Part::ShortJson(read_json(config)),
        Part::Bytes(tail.to_le_bytes().to_vec(), vec![(0, 4)]),
        Part::LongJson(header),
    ])
}

fn adapters() -> Vec<Seed> {
    let folder = fixtures().join("adapters/llama");
    let mut seeds = vec![gguf(&folder.join("plain.gguf"), 0)];
    for name in ["plain", "patterns"] {
        let folder = folder.join(name);
        seeds.push(folder_seed(&folder.join("adapter_config.json"), &folder.join("adapter_model.safetensors")));
    }
    for (i, seed) in seeds.iter_mut().enumerate() {
        seed.0.insert(0, Part::Fixed(vec![u8::from(i > 0)]));
    }
    seeds
}

fn manifests() -> Vec<Seed> {
    let chunks = |file: usize, n_stored: usize| -> Vec<Value> {
        let content = manifests::file(file);
        let chunk = |(index, chunk): (usize, ChunkEntry)| {
            let bytes = content[chunk.start as usize..(chunk.start + chunk.len) as usize].to_vec();
            let hash = hex(&pollster::block_on(VecBytes::from(bytes).sha256()).expect("a hash"));
            let stored = index < n_stored;
            let entry = ChunkEntry { sha256: stored.then_some(hash), stored, ..chunk };
            serde_json::to_value(entry).expect("JSON")
        };
        manifests::chunks(file).into_iter().enumerate().map(chunk).collect()
    };
    let file = |file: usize, chunks: Vec<Value>| {
        let url = format!("https://example.com/{file}");
        json!({"url": url, "size": FILES[file], "etag": "\"1\"", "last_modified": null, "sha256_verified": null, "chunks": chunks})
    };
    let manifest = |files: [Value; 2], complete: bool| {
        let value = json!({"schema": 1, "model": MODEL, "files": files, "complete": complete, "created_ms": 1.0, "last_used_ms": 2.5});
        Seed(vec![Part::Json(value)])
    };
    vec![
        manifest([file(0, chunks(0, 4)), file(1, chunks(1, 0))], false),
        manifest([file(0, chunks(0, 0)), file(1, Vec::new())], false),
        manifest([file(0, chunks(0, 9)), file(1, chunks(1, 9))], true),
    ]
}

fn messages() -> Vec<Seed> {
    let all = [
        json!({
            "load": {"name": "m", "sha256": "00".repeat(32), "store": false, "context": 2048, "runAhead": 2, "kernels": "rows", "precision": "fast", "backend": "webgpu", "kvCache": "f16", "fit": "auto", "quantize": "q4_k"},
            "loadAdapter": {"name": "a", "store": true},
            "adapters": [{"id": 1, "scale": 0.5}, {"id": 2}],
            "input": "Once upon a time",
            "generate": {"temperature": 0.8, "topK": 40, "topP": 0.95, "minP": 0.05, "seed": 7, "maxTokens": 100}
        }),
        json!({
            "input": crate::texts::messages(),
            "generate": {"repetitionPenalty": 1.1, "frequencyPenalty": 0.2, "presencePenalty": -0.2, "logitBias": {"5": 2.5, "17": -100}, "stop": ["\n\n", "User:"], "ignoreEos": true, "logprobs": true, "contextPolicy": "slide"}
        }),
        json!({
            "input": [1, 2, 3, 250],
            "generate": {"temperature": 0, "allowedTokenIds": [5, 6, 7], "adapters": [{"id": 0, "scale": 1.0}]},
            "embed": {"pooling": "cls", "normalize": false},
            "detokenize": [1, 2, 3]
        }),
    ];
    all.into_iter().map(|value| Seed(vec![Part::Json(value)])).collect()
}

/// A tokenizer of less words: those of one letter, those that the file adds, and merges that make them.
fn tokenizer(path: &Path) -> Value {
    const MERGES: usize = 12;
    let mut file = read_json(path);
    let Some(merges) = file["model"]["merges"].as_array_mut() else { return file };
    merges.truncate(MERGES);
    let pair = |merge: &Value| match merge {
        Value::Array(pair) => {
            (pair[0].as_str().unwrap_or_default().to_owned(), pair[1].as_str().unwrap_or_default().to_owned())
        }
        other => other
            .as_str()
            .and_then(|line| line.split_once(' '))
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .expect("two"),
    };
    let made: Vec<String> = merges.iter().map(pair).map(|(a, b)| a + &b).collect();
    let added: Vec<String> = file["added_tokens"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|t| Some(t["content"].as_str()?.to_owned()))
        .collect();
    let kept = |text: &String| {
        text.chars().count() == 1 || text.starts_with("<0x4") || made.contains(text) || added.contains(text)
    };
    if let Some(vocab) = file["model"]["vocab"].as_object_mut() {
        vocab.retain(|text, _| kept(text));
    }
    file
}

/// Templates in the manner of those that models come with.
const TEMPLATES: [&str; 6] = [
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    "{{ bos_token }}{%- if messages[0].role == 'system' -%}{%- set system = messages[0].content | trim -%}{%- set rest = messages[1:] -%}{%- else -%}{%- set system = '' -%}{%- set rest = messages -%}{%- endif -%}{%- for m in rest -%}{%- if m.role == 'user' -%}[INST] {{ system }} {{ m.content }} [/INST]{%- elif m.content is string -%}{{ m.content }}{{ eos_token }}{%- endif -%}{%- endfor -%}",
    "{%- macro arguments(call) -%}{%- for k, v in call.arguments.items() -%}{{ k }}={{ v|tojson }}{% if not loop.last %}, {% endif %}{%- endfor -%}{%- endmacro -%}{%- for m in messages -%}{%- if m.tool_calls is defined -%}{%- for call in m.tool_calls -%}{{ arguments(call.function) }}{%- endfor -%}{%- else -%}{{ m.content|indent(2) }}{%- endif -%}{%- endfor -%}",
    "{%- set ns = namespace(last=0, text='') -%}{%- for m in messages -%}{%- if m.role == 'user' -%}{%- set ns.last = loop.index0 -%}{%- endif -%}{%- set ns.text = ns.text ~ m.content ~ '\n' -%}{%- endfor -%}{{ ns.text }}{{ ns.last }}{%- if tools -%}{%- for tool in tools -%}{{ tool.function | tojson(indent=4) }}{%- endfor -%}{%- endif -%}",
    "{% if messages|length > 100 %}{{ raise_exception('too many') }}{% endif %}{% for m in messages if m.role != 'system' %}{{ loop.cycle('a', 'b') }}{{ m.content.split('\n')[-1].strip().upper() }}{{ '{} {x}'.format(m.role, x=1) }}{% else %}none{% endfor %}{{ strftime_now('%d %b %Y') }}",
    "{% for m in messages | reverse | list %}{% set role = {'user': 'U', 'assistant': 'A'}.get(m.role, 'S') %}{{ role * 2 }}: {{ m.content | replace('a', 'b') | default('-') }}{{ [1, 2, 3] | join(', ') }}{% if m.content in ['x', 'y'] or m.content[0:2] == 'Wh' %}!{% endif %}{{ range(3) | map('string') | join }}\n{% endfor %}",
];
