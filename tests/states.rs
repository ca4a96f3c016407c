//! Models that go from token to token by a state, which cannot be cut back: what a sequence answers does not depend on what it
//! was before.

use std::rc::Rc;

use crate::common::{self, argmax, fixture, gpu, load};
use doran::ErrorKind;
use doran::engine::{Engine, EngineOptions};
use doran::gpu::Gpu;
use doran::gpu::device::GpuOptions;
use doran::sampler::SamplerOptions;
use doran::session::Next;
use doran::weights::Cancel;

const MODELS: [&str; 3] = ["lfm2", "mamba", "rwkv"];

fn open(name: &str, gpu: Option<Rc<Gpu>>, run_ahead: Option<usize>) -> Engine {
    let options = EngineOptions { run_ahead, context: Some(256), ..EngineOptions::default() };
    load(&fixture(&format!("arch/{name}/")), gpu, options).expect("loads")
}

/// How many of `ids` were cached, and the best token after them, `n` times.
fn answer(engine: &mut Engine, ids: &[u32], n: usize, options: &SamplerOptions) -> (usize, Vec<u32>) {
    let (mut ids, cancel) = (ids.to_vec(), Cancel::new());
    let kept = engine.session.begin(&ids, Some(options)).expect("begins");
    let mut answer = Vec::new();
    pollster::block_on(async {
        while engine.session.has_to_feed(&ids) {
            engine.session.feed(&ids, &cancel).await.expect("feeds");
        }
        for _ in 0..n {
            let token = match engine.session.next(&ids, 9, &cancel).await.expect("goes on") {
                Next::Token(token) => token,
                Next::Logits(logits) => argmax(&logits) as u32,
            };
            answer.push(token);
            ids.push(token);
        }
    });
    (kept, answer)
}

#[test]
fn an_answer_does_not_depend_on_what_was_before() {
    let greedy = SamplerOptions { temperature: 0.0, ..SamplerOptions::default() };
    let ids: Vec<u32> = (0..150).map(|i| i * 31 % 380).collect();
    // Prompts in turn, each with how many tokens of it are kept: the same text further, a few tokens back, many.
    let turns: [(&[u32], usize); 11] = [
        (&ids[..5], 0),
        (&ids[..90], 5),
        (&ids[..100], 90),
        (&ids[..99], 98),
        // Turn 4: more than states are kept back, but not beyond the end of the prompt before.
        (&ids[..99], 98),
        (&ids[..20], 0),
        (&ids[..21], 20),
        (&ids[..1], 0),
        (&ids[..140], 1),
        (&ids[..145], 140),
        (&ids[..130], 0),
    ];
    for name in MODELS {
        for gpu in [None, Some(gpu(GpuOptions::default()))] {
            let alone = turns.map(|(prompt, _)| answer(&mut open(name, gpu.clone(), Some(0)), prompt, 16, &greedy).1);
            for run_ahead in [Some(0), Some(4)] {
                let mut engine = open(name, gpu.clone(), run_ahead);
                for (turn, ((prompt, kept), wanted)) in turns.iter().zip(&alone).enumerate() {
                    let n = if turn == 3 { 16 } else { 1 };
                    let got = answer(&mut engine, prompt, n, &greedy);
                    let label = format!("{name}, {run_ahead:?} ahead, on the GPU {}, turn {turn}", gpu.is_some());
                    assert_eq!(got.1[..], wanted[..got.1.len()], "{label}");
                    assert_eq!(got.0, *kept, "{label}: kept");
                }
            }
        }
    }
}

/// What the CPU has to draw runs the last row twice.
#[test]
fn a_row_that_runs_twice_counts_once() {
    let nucleus = SamplerOptions { seed: 5, temperature: 50.0, top_p: 0.999, ..SamplerOptions::default() };
    // The last step has more rows than states are kept.
    let ids: Vec<u32> = (0..90).map(|i| i * 31 % 380).collect();
    for name in MODELS {
        let texts = [0, 4].map(|run_ahead| {
            let mut engine = open(name, Some(gpu(GpuOptions::default())), Some(run_ahead));
            let begun = engine.session.begin(&ids, Some(&nucleus)).expect("begins");
            assert_eq!(begun, 0);
            let cancel = Cancel::new();
            pollster::block_on(async {
                engine.session.feed(&ids, &cancel).await.expect("feeds");
                match engine.session.next(&ids, 3, &cancel).await.expect("goes on") {
                    Next::Logits(logits) => logits,
                    Next::Token(token) => panic!("the GPU drew {token}"),
                }
            })
        });
        let mut wanted = Vec::new();
        let mut engine = open(name, None, None);
        let visit = |_: usize, logits: &[f32]| wanted = logits.to_vec();
        pollster::block_on(engine.session.all_logits(&ids, &Cancel::new(), visit)).expect("runs");
        for text in texts {
            let error = common::max_difference(&text, &wanted);
            assert!(error < 1e-4, "{name}: off by {error}");
        }
    }
}

/// A step that is given up half way leaves states that nobody goes on from.
#[test]
fn an_aborted_prompt_leaves_nothing_behind() {
    let greedy = SamplerOptions { temperature: 0.0, ..SamplerOptions::default() };
    let ids: Vec<u32> = (0..150).map(|i| i * 31 % 380).collect();
    for name in MODELS {
        let gpu = gpu(GpuOptions::default());
        let wanted = answer(&mut open(name, Some(Rc::clone(&gpu)), None), &ids, 3, &greedy);
        let mut engine = open(name, Some(gpu), None);
        // Its end is kept, and gone back to.
        let kept = answer(&mut engine, &ids[..80], 1, &greedy).0 + 79;
        let cancel = Cancel::new();
        engine.session.begin(&ids, Some(&greedy)).expect("begins");
        cancel.cancel();
        let aborted = pollster::block_on(engine.session.feed(&ids, &cancel)).expect_err("was aborted");
        assert_eq!(aborted.kind(), ErrorKind::Aborted);
        assert_eq!(answer(&mut engine, &ids, 3, &greedy), (kept, wanted.1), "{name}");
    }
}

/// A Mamba as llama.cpp's converter writes it: its names, A instead of its logarithm, nothing of heads and MLPs.
fn mamba_gguf() -> Vec<u8> {
    fn text(file: &mut Vec<u8>, text: &str) {
        file.extend((text.len() as u64).to_le_bytes());
        file.extend(text.as_bytes());
    }
    let names = [
        ("backbone.embeddings", "token_embd"),
        ("backbone.norm_f", "output_norm"),
        ("backbone.layers", "blk"),
        (".norm.", ".attn_norm."),
        ("mixer.in_proj", "ssm_in"),
        ("mixer.conv1d", "ssm_conv1d"),
        ("mixer.x_proj", "ssm_x"),
        ("mixer.dt_proj", "ssm_dt"),
        ("mixer.out_proj", "ssm_out"),
        ("mixer.A_log", "ssm_a"),
        ("mixer.D", "ssm_d"),
    ];
    let (mut infos, mut data) = (Vec::new(), Vec::new());
    let tensors = common::safetensors("mamba");
    for (name, (_, shape, bytes)) in &tensors {
        let renamed = names.iter().fold(name.clone(), |name, (theirs, gguf)| name.replace(theirs, gguf));
        text(&mut infos, &renamed);
        let shape: Vec<u64> = shape.iter().rev().filter(|n| **n != 1).map(|n| *n as u64).collect();
        infos.extend((shape.len() as u32).to_le_bytes());
        shape.iter().for_each(|n| infos.extend(n.to_le_bytes()));
        infos.extend(0u32.to_le_bytes());
        infos.extend((data.len() as u64).to_le_bytes());
        let values: Vec<f32> = bytemuck::pod_collect_to_vec(bytes);
        let value = |v: &f32| if renamed.ends_with("ssm_a") { -v.exp() } else { *v };
        values.iter().for_each(|v| data.extend(value(v).to_le_bytes()));
        data.resize(data.len().next_multiple_of(32), 0);
    }
    let mut pairs = Vec::new();
    for (key, value) in
        [("general.architecture", "mamba"), ("tokenizer.ggml.model", "gpt2"), ("tokenizer.ggml.pre", "gpt-2")]
    {
        text(&mut pairs, key);
        pairs.extend(8u32.to_le_bytes());
        text(&mut pairs, value);
    }
    let numbers = [
        ("block_count", 2u32),
        ("context_length", 1 << 20),
        ("embedding_length", 32),
        ("feed_forward_length", 0),
        ("attention.head_count", 0),
        ("ssm.conv_kernel", 4),
        ("ssm.inner_size", 64),
        ("ssm.state_size", 16),
        ("ssm.time_step_rank", 4),
    ];
    for (key, value) in numbers {
        text(&mut pairs, &format!("mamba.{key}"));
        pairs.extend([4u32.to_le_bytes(), value.to_le_bytes()].concat());
    }
    text(&mut pairs, "mamba.attention.layer_norm_rms_epsilon");
    pairs.extend([6u32.to_le_bytes(), 1e-5f32.to_le_bytes()].concat());
    for (key, n) in [("tokens", 392u64), ("merges", 0)] {
        text(&mut pairs, &format!("tokenizer.ggml.{key}"));
        pairs.extend([9u32.to_le_bytes(), 8u32.to_le_bytes()].concat());
        pairs.extend(n.to_le_bytes());
        (0..n).for_each(|i| text(&mut pairs, &format!("t{i}")));
    }
    let mut file = b"GGUF".to_vec();
    file.extend(3u32.to_le_bytes());
    file.extend([tensors.len() as u64, 3 + numbers.len() as u64 + 3].map(u64::to_le_bytes).concat());
    file.extend(pairs);
    file.extend(infos);
    file.resize(file.len().next_multiple_of(32), 0);
    file.extend(data);
    file
}

#[test]
fn a_mamba_from_gguf() {
    let path = std::env::temp_dir().join(format!("doran-mamba-{}.gguf", std::process::id()));
    std::fs::write(&path, mamba_gguf()).expect("writes");
    let golden = common::json("arch/mamba/golden.json");
    for gpu in [None, Some(gpu(GpuOptions::default()))] {
        let options = EngineOptions { context: Some(256), ..EngineOptions::default() };
        let mut engine = load(&path, gpu, options).expect("loads");
        for prompt in golden["prompts"].as_array().expect("prompts") {
            let mut last = Vec::new();
            let visit = |_: usize, logits: &[f32]| last = logits.to_vec();
            let ids = common::ids(&prompt["ids"]);
            pollster::block_on(engine.session.all_logits(&ids, &Cancel::new(), visit)).expect("runs");
            let error = common::max_difference(&last, &common::floats(&prompt["last_logits"]));
            println!("{} tokens: logits are off by {error:e}", ids.len());
            assert!(error < 1e-4, "{} tokens: logits are off by {error}", ids.len());
        }
    }
    std::fs::remove_file(path).expect("removes");
}
