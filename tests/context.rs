//! The end of the context: prompts at its edge, answers to its end, and what stays when the oldest goes. After that, each token is
//! the one that a fresh reading of what stays gives.
use std::rc::Rc;

use crate::common::{self, load};
use doran::ErrorKind;
use doran::engine::{Engine, EngineOptions};
use doran::generate::{ContextPolicy, FinishReason, GenerateOptions, Generation, Input, Item, Usage};
use doran::gpu::Gpu;
use doran::gpu::device::GpuOptions;
use doran::sampler::SamplerOptions;
use doran::text::Chat;
use doran::weights::Cancel;
use pollster::block_on;
use serde_json::{Value, json};

/// Rows of a step may be other ones than in a fresh reading, and so the order of sums: as between steps of other sizes
/// (`tests/models.rs`), and a logarithm of a sum of them.
const TOLERANCE: f32 = 2e-4;

fn engine(arch: &str, gpu: Option<Rc<Gpu>>, context: u32) -> Engine {
    let path = common::fixture(&format!("arch/{arch}"));
    let template =
        "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}A:{% endif %}";
    let options = EngineOptions { context: Some(context), chat_template: Some(template.into()), ..Default::default() };
    load(&path, gpu, options).unwrap_or_else(|error| panic!("{arch}: {error}"))
}

fn gpu() -> Option<Rc<Gpu>> {
    Some(common::gpu(GpuOptions::default()))
}

fn options(context_policy: ContextPolicy, max_tokens: usize) -> GenerateOptions {
    GenerateOptions {
        sampler: SamplerOptions { temperature: 0.0, ..SamplerOptions::default() },
        max_tokens: Some(max_tokens),
        ignore_eos: true,
        logprobs: true,
        context_policy,
        ..GenerateOptions::default()
    }
}

/// Ids, and the logarithms of their probabilities.
type Answered = Vec<(u32, f32)>;

/// An answer: its tokens with their log-probabilities, why it ended, and its counts.
fn answer(
    engine: &mut Engine,
    input: &Input,
    options: GenerateOptions,
) -> doran::Result<(Answered, FinishReason, Usage)> {
    let text = Rc::clone(&engine.text);
    let mut generation = Generation::new(&text, engine.session.capacity(), input, options)?;
    let mut tokens = Vec::new();
    loop {
        match block_on(generation.next(&text, &mut engine.session, &Cancel::new()))? {
            Some(Item::Token { id, logprob, .. }) => tokens.push((id, logprob.unwrap_or(f32::NAN))),
            Some(Item::Prefill { .. }) => {}
            Some(Item::End { finish_reason, usage, .. }) => return Ok((tokens, finish_reason, usage)),
            None => panic!("no end"),
        }
    }
}

/// The logarithm of each next token's probability after `ids`, read from nothing.
fn fresh(engine: &mut Engine, ids: &[u32]) -> Vec<f32> {
    let mut last = Vec::new();
    let visit = |_: usize, logits: &[f32]| last = logits.to_vec();
    block_on(engine.session.all_logits(ids, &Cancel::new(), visit)).expect("runs");
    let most = last.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = last.iter().map(|logit| f64::from(logit - most).exp()).sum();
    last.iter().map(|logit| (f64::from(logit - most) - sum.ln()) as f32).collect()
}

/// Asserts that `drawn` is what a fresh reading of `window` gives.
fn check(fresh_engine: &mut Engine, window: &[u32], drawn: (u32, f32), what: &str) {
    let logprobs = fresh(fresh_engine, window);
    let best = logprobs.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (id, logprob) = drawn;
    assert!((logprobs[id as usize] - best).abs() <= TOLERANCE, "{what}: {id} is not the likeliest");
    assert!((logprobs[id as usize] - logprob).abs() <= TOLERANCE, "{what}: {logprob}, fresh {}", logprobs[id as usize]);
}

fn ids_of(engine: &Engine, messages: &[Value]) -> Vec<u32> {
    let prompt = engine.text.apply_chat_template(&Chat::new(messages.to_vec()), None).expect("renders");
    engine.text.tokenizer().encode(&prompt, false).expect("encodes")
}

#[test]
fn prompts_at_the_edge_and_answers_to_the_end() {
    const CONTEXT: usize = 40;
    for gpu in [gpu(), None] {
        let mut engine = engine("llama", gpu, CONTEXT as u32);
        let prompt = |n: usize| Input::Ids((0..n).map(|i| 3 + (i * 7 % 300) as u32).collect());
        // One less than the context: one token, and no room for more.
        let (tokens, finish_reason, usage) =
            answer(&mut engine, &prompt(CONTEXT - 1), options(ContextPolicy::Error, 9)).expect("fits");
        assert_eq!((tokens.len(), finish_reason), (1, FinishReason::Length));
        assert_eq!((usage.total_tokens, usage.dropped_tokens), (CONTEXT, 0));
        for n in [CONTEXT, CONTEXT + 1] {
            let error = answer(&mut engine, &prompt(n), options(ContextPolicy::Error, 9)).expect_err("does not fit");
            assert_eq!(error.kind(), ErrorKind::ContextOverflow);
            assert_eq!(
                (error.data()["needed"].as_u64(), error.data()["context"].as_u64()),
                (Some(n as u64 + 1), Some(40))
            );
            // Where the oldest may go, three quarters of the context stay, and the engine goes on.
            let (tokens, _, usage) = answer(&mut engine, &prompt(n), options(ContextPolicy::Slide, 4)).expect("slides");
            assert_eq!((tokens.len(), usage.prompt_tokens, usage.dropped_tokens), (4, 30, n - 30));
        }
        let (tokens, finish_reason, usage) =
            answer(&mut engine, &prompt(10), options(ContextPolicy::Error, 1000)).expect("fits");
        assert_eq!((tokens.len(), finish_reason, usage.total_tokens), (30, FinishReason::Length, CONTEXT));
    }
}

/// For rotary positions, learned ones, distances (ALiBi), and states.
#[test]
fn whole_turns_slide_away_and_what_stays_is_as_if_read_afresh() {
    let message = |role: &str, content: &str| json!({"role": role, "content": content});
    let (system, last) = (message("system", "be kind"), message("user", "end"));
    let turns = [
        [message("user", "one"), message("assistant", "he had it")],
        [message("user", "two and more"), message("assistant", "the hat")],
    ];
    let stages: Vec<Vec<Value>> = (0..=2)
        .map(|gone| {
            let kept = turns[gone..].iter().flatten().cloned();
            [system.clone()].into_iter().chain(kept).chain([last.clone()]).collect()
        })
        .collect();
    for arch in ["llama", "gpt2", "bloom", "mamba"] {
        let mut probe = engine(arch, None, 256);
        let prompts: Vec<Vec<u32>> = stages.iter().map(|messages| ids_of(&probe, messages)).collect();
        let capacity = prompts[0].len() + 3;
        let mut engine = engine(arch, gpu(), capacity as u32);
        let input = Input::Chat(Chat::new(stages[0].clone()));
        let (tokens, finish_reason, usage) =
            answer(&mut engine, &input, options(ContextPolicy::Slide, 1000)).expect("answers");
        let (mut stage, mut ids) = (0, Vec::new());
        let mut slid = 0;
        for (i, drawn) in tokens.iter().enumerate() {
            if prompts[stage].len() + ids.len() >= capacity {
                stage += 1;
                slid += prompts[stage - 1].len() - prompts[stage].len();
            }
            let window = [prompts[stage].as_slice(), ids.as_slice()].concat();
            // The first after each change, and some others: a fresh reading is slow on the references.
            if i % 5 == 0 || prompts[stage].len() + ids.len() + 1 >= capacity || stage > 0 && i % 2 == 0 {
                check(&mut probe, &window, *drawn, &format!("{arch}, token {i} with {stage} turns gone"));
            }
            ids.push(drawn.0);
        }
        assert_eq!((stage, finish_reason), (2, FinishReason::Length), "{arch}");
        assert_eq!(prompts[2].len() + ids.len(), capacity, "{arch}: to the end of what the last turn leaves");
        assert_eq!((usage.prompt_tokens, usage.completion_tokens), (prompts[0].len(), ids.len()), "{arch}");
        assert_eq!(usage.dropped_tokens, slid, "{arch}");
        // As drawn on the GPU, ahead of what is read.
        let (drawn, ..) =
            answer(&mut engine, &input, GenerateOptions { logprobs: false, ..options(ContextPolicy::Slide, 1000) })
                .expect("answers");
        assert_eq!(drawn.iter().map(|(id, _)| *id).collect::<Vec<_>>(), ids, "{arch}");
        // A chat that is too long already begins without its first turn; one whose last turn is too long is refused.
        let (more, _, usage) = {
            let mut small = self::engine(arch, None, prompts[1].len() as u32 + 1);
            answer(&mut small, &input, options(ContextPolicy::Slide, 1)).expect("answers")
        };
        check(&mut probe, &prompts[1], more[0], arch);
        // Both turns at once, where one is not enough.
        let (most, _, of_both) = {
            let mut small = self::engine(arch, None, prompts[2].len() as u32 + 1);
            answer(&mut small, &input, options(ContextPolicy::Slide, 1)).expect("answers")
        };
        check(&mut probe, &prompts[2], most[0], arch);
        assert_eq!(of_both.dropped_tokens, prompts[0].len() - prompts[2].len(), "{arch}");
        assert_eq!(
            (usage.prompt_tokens, usage.dropped_tokens),
            (prompts[1].len(), prompts[0].len() - prompts[1].len())
        );
        let mut tiny = self::engine(arch, None, prompts[2].len() as u32);
        let error = answer(&mut tiny, &input, options(ContextPolicy::Slide, 1)).expect_err("no room");
        assert_eq!(error.kind(), ErrorKind::ContextOverflow);
    }
}

#[test]
fn texts_slide_by_tokens_behind_the_one_that_begins_them() {
    const CONTEXT: usize = 32;
    for arch in ["llama", "gpt2"] {
        let mut probe = engine(arch, None, 256);
        let mut engine = engine(arch, gpu(), CONTEXT as u32);
        let mut window = engine.text.tokenizer().encode("he had the hat of it", true).expect("encodes");
        let begins = engine.text.generation_config().bos_token_id.filter(|bos| window.first() == Some(bos));
        let input = Input::Text("he had the hat of it".into());
        let (tokens, finish_reason, usage) =
            answer(&mut engine, &input, options(ContextPolicy::Slide, 60)).expect("answers");
        assert_eq!((tokens.len(), finish_reason), (60, FinishReason::Length), "{arch}");
        let mut dropped = 0;
        for (i, drawn) in tokens.iter().enumerate() {
            if window.len() == CONTEXT {
                let kept = 24 - usize::from(begins.is_some());
                let rest = window.split_off(CONTEXT - kept);
                dropped += CONTEXT - 24;
                window = begins.into_iter().chain(rest).collect();
                check(&mut probe, &window, *drawn, &format!("{arch}, token {i}"));
            }
            window.push(drawn.0);
        }
        assert!(dropped >= 32 && usage.dropped_tokens == dropped, "{arch}: {dropped} {usage:?}");
    }
}

#[test]
fn what_an_encoder_reads_does_not_slide() {
    let mut engine = engine("t5", None, 32);
    let error = answer(&mut engine, &Input::Ids(vec![5; 8]), options(ContextPolicy::Slide, 4)).expect_err("is whole");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}
