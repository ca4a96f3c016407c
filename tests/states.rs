//! Models that go from token to token by a state, which cannot be cut back: what a sequence answers does not depend on what it
//! was before.

#![cfg(not(target_arch = "wasm32"))]

mod common;

use std::rc::Rc;

use common::{argmax, fixture, gpu, load};
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

/// The best token after `ids`, `n` times; of `steps` it is only told, and never as far as the answer goes.
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
    let turns: [(&[u32], usize); 8] = [
        (&ids[..5], 0),
        (&ids[..90], 5),
        (&ids[..100], 90),
        (&ids[..99], 98),
        (&ids[..20], 0),
        (&ids[..21], 20),
        (&ids[..1], 0),
        (&ids[..140], 1),
    ];
    for name in MODELS {
        for run_ahead in [Some(0), Some(4)] {
            for gpu in [None, Some(gpu(GpuOptions::default()))] {
                let mut engine = open(name, gpu.clone(), run_ahead);
                for (turn, (prompt, kept)) in turns.iter().enumerate() {
                    let mut fresh = open(name, gpu.clone(), Some(0));
                    let wanted = answer(&mut fresh, prompt, 6, &greedy);
                    let got = answer(&mut engine, prompt, if turn == 3 { 6 } else { 1 }, &greedy);
                    let label = format!("{name}, {run_ahead:?} ahead, on the GPU {}, turn {turn}", gpu.is_some());
                    assert_eq!(got.1[..], wanted.1[..got.1.len()], "{label}");
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
        answer(&mut engine, &ids[..80], 1, &greedy);
        let cancel = Cancel::new();
        engine.session.begin(&ids, Some(&greedy)).expect("begins");
        cancel.cancel();
        let aborted = pollster::block_on(engine.session.feed(&ids, &cancel)).expect_err("was aborted");
        assert_eq!(aborted.kind(), ErrorKind::Aborted);
        assert_eq!(answer(&mut engine, &ids, 3, &greedy), wanted, "{name}");
    }
}
