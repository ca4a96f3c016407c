//! The sampler against naive references, and the two filters behind it: streaming text and stop strings.

use std::collections::BTreeMap;

use crate::files::{json, parse_gguf_model, text};
use doran::ErrorKind;
use doran::detokenize::Detokenizer;
use doran::format::TokenizerSource;
use doran::sampler::{SamplerOptions, sample};
use doran::stop::StopStrings;
use doran::tokenizer::Tokenizer;

const LOGITS: [f32; 10] = [0.3, 2.0, -1.0, 1.4, 0.0, 2.0, -4.0, 0.9, 1.39, -0.2];

/// Probabilities by the definitions, one step after another, in the order that the sampler's documentation gives.
fn reference(logits: &[f32], options: &SamplerOptions, history: &[u32]) -> Vec<f64> {
    let mut logits: Vec<f64> = logits.iter().map(|x| f64::from(*x)).collect();
    for (id, bias) in &options.logit_bias {
        logits[*id as usize] += f64::from(*bias);
    }
    for (id, logit) in logits.iter_mut().enumerate() {
        let count = history.iter().filter(|h| **h as usize == id).count();
        if count > 0 {
            let penalty = f64::from(options.repetition_penalty);
            *logit = if *logit < 0.0 { *logit * penalty } else { *logit / penalty };
            *logit -= f64::from(options.presence_penalty) + count as f64 * f64::from(options.frequency_penalty);
        }
        *logit /= f64::from(options.temperature);
    }
    let softmax = |logits: &[f64]| {
        let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = logits.iter().map(|x| (x - max).exp()).sum();
        logits.iter().map(|x| (x - max).exp() / sum).collect::<Vec<f64>>()
    };
    let ranked = |logits: &[f64]| {
        let mut ids: Vec<usize> = (0..logits.len()).collect();
        ids.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]).then(a.cmp(b)));
        ids
    };
    if options.top_k > 0 {
        for id in ranked(&logits).into_iter().skip(options.top_k as usize) {
            logits[id] = f64::NEG_INFINITY;
        }
    }
    if options.top_p < 1.0 {
        let probabilities = softmax(&logits);
        let mut before = 0.0;
        for (rank, id) in ranked(&logits).into_iter().enumerate() {
            if rank > 0 && before >= f64::from(options.top_p) {
                logits[id] = f64::NEG_INFINITY;
            }
            before += probabilities[id];
        }
    }
    let probabilities = softmax(&logits);
    let most = probabilities.iter().copied().fold(0.0, f64::max);
    for (logit, p) in logits.iter_mut().zip(&probabilities) {
        if *p < f64::from(options.min_p) * most {
            *logit = f64::NEG_INFINITY;
        }
    }
    softmax(&logits)
}

fn cases() -> Vec<(SamplerOptions, Vec<u32>)> {
    let plain = SamplerOptions { seed: 7, ..SamplerOptions::default() };
    vec![
        (plain.clone(), vec![]),
        (SamplerOptions { temperature: 0.5, ..plain.clone() }, vec![]),
        (SamplerOptions { temperature: 1.7, ..plain.clone() }, vec![]),
        (SamplerOptions { top_k: 1, ..plain.clone() }, vec![]),
        (SamplerOptions { top_k: 3, ..plain.clone() }, vec![]),
        (SamplerOptions { top_k: 10, ..plain.clone() }, vec![]),
        (SamplerOptions { top_p: 0.0, ..plain.clone() }, vec![]),
        (SamplerOptions { top_p: 0.6, ..plain.clone() }, vec![]),
        (SamplerOptions { top_p: 0.95, temperature: 0.8, ..plain.clone() }, vec![]),
        (SamplerOptions { min_p: 0.3, ..plain.clone() }, vec![]),
        (SamplerOptions { min_p: 1.0, ..plain.clone() }, vec![]),
        (SamplerOptions { top_k: 6, top_p: 0.8, min_p: 0.2, temperature: 1.3, ..plain.clone() }, vec![]),
        (SamplerOptions { repetition_penalty: 1.8, ..plain.clone() }, vec![1, 1, 2, 6]),
        (SamplerOptions { frequency_penalty: 0.7, presence_penalty: 0.4, ..plain.clone() }, vec![1, 1, 1, 5, 3]),
        (SamplerOptions { frequency_penalty: -0.5, ..plain.clone() }, vec![2, 2]),
        (SamplerOptions { logit_bias: vec![(6, 7.0), (1, -100.0)], ..plain.clone() }, vec![]),
        (
            SamplerOptions {
                repetition_penalty: 1.3,
                presence_penalty: 0.2,
                top_p: 0.9,
                logit_bias: vec![(0, 1.0)],
                ..plain
            },
            vec![0, 1],
        ),
    ]
}

#[test]
fn draws_follow_the_reference_distribution() {
    const DRAWS: u32 = 20_000;
    for (options, history) in cases() {
        let expected = reference(&LOGITS, &options, &history);
        let mut counts = [0u32; LOGITS.len()];
        for position in 0..DRAWS {
            counts[sample(&mut LOGITS.clone(), &options, &history, position).unwrap().id as usize] += 1;
        }
        let mut chi_squared = 0.0;
        let mut freedom: f64 = -1.0;
        for (id, p) in expected.iter().enumerate() {
            let mean = p * f64::from(DRAWS);
            if *p == 0.0 {
                assert_eq!(counts[id], 0, "{options:?}: {id} was filtered out");
            } else if mean >= 5.0 {
                chi_squared += (f64::from(counts[id]) - mean).powi(2) / mean;
                freedom += 1.0;
            }
        }
        // Mean and variance of χ² are n and 2n: five deviations for a fixed seed, which either passes always or never.
        assert!(
            chi_squared <= freedom + 5.0 * f64::sqrt(2.0 * freedom.max(1.0)),
            "{options:?}: χ² = {chi_squared} of {freedom}"
        );
    }
}

#[test]
fn seed_and_position_decide_the_draw() {
    let options = SamplerOptions { seed: 42, ..SamplerOptions::default() };
    let draws = |seed: u64| -> Vec<u32> {
        let options = SamplerOptions { seed, ..options.clone() };
        (0..64).map(|position| sample(&mut LOGITS.clone(), &options, &[], position).unwrap().id).collect()
    };
    assert_eq!(draws(42), draws(42));
    assert_ne!(draws(42), draws(43));
    // Out of order, and with a filter that removes nothing: the same.
    let backwards: Vec<u32> = (0..64)
        .rev()
        .map(|position| {
            let options = SamplerOptions { top_k: 10, ..options.clone() };
            sample(&mut LOGITS.clone(), &options, &[], position).unwrap().id
        })
        .collect();
    assert_eq!(backwards.into_iter().rev().collect::<Vec<_>>(), draws(42));
}

#[test]
fn temperature_0_takes_the_best_and_the_lowest_of_equals() {
    let options = SamplerOptions { temperature: 0.0, ..SamplerOptions::default() };
    assert_eq!(sample(&mut LOGITS.clone(), &options, &[], 0).unwrap().id, 1);
    let penalised = SamplerOptions { presence_penalty: 0.1, ..options.clone() };
    assert_eq!(sample(&mut LOGITS.clone(), &penalised, &[1], 0).unwrap().id, 5);
    let tiny = SamplerOptions { temperature: 1e-30, ..SamplerOptions::default() };
    assert!([1, 5].contains(&sample(&mut LOGITS.clone(), &tiny, &[], 3).unwrap().id));
    assert_eq!(sample(&mut [-0.0, 0.0, -1.0], &options, &[], 0).unwrap().id, 0);
}

#[test]
fn logprob_is_the_models_own() {
    let sum: f64 = LOGITS.iter().map(|x| f64::from(*x).exp()).sum();
    let options = SamplerOptions {
        temperature: 0.0,
        logit_bias: vec![(7, 50.0)],
        repetition_penalty: 2.0,
        ..SamplerOptions::default()
    };
    let sampled = sample(&mut LOGITS.clone(), &options, &[7, 1], 0).unwrap();
    assert_eq!(sampled.id, 7);
    assert!((f64::from(sampled.logprob) - (0.9f32 as f64 - sum.ln())).abs() < 1e-6);
    assert!((sample(&mut [f32::NEG_INFINITY, 3.0], &SamplerOptions::default(), &[], 0).unwrap().logprob).abs() < 1e-7);
}

#[test]
fn bad_options_and_logits_are_errors() {
    let plain = SamplerOptions::default();
    let bad = [
        SamplerOptions { temperature: -0.1, ..plain.clone() },
        SamplerOptions { temperature: f32::NAN, ..plain.clone() },
        SamplerOptions { temperature: f32::INFINITY, ..plain.clone() },
        SamplerOptions { top_p: 1.1, ..plain.clone() },
        SamplerOptions { top_p: f32::NAN, ..plain.clone() },
        SamplerOptions { min_p: -1.0, ..plain.clone() },
        SamplerOptions { repetition_penalty: 0.0, ..plain.clone() },
        SamplerOptions { repetition_penalty: -1.0, ..plain.clone() },
        SamplerOptions { frequency_penalty: f32::NAN, ..plain.clone() },
        SamplerOptions { presence_penalty: f32::INFINITY, ..plain.clone() },
        SamplerOptions { logit_bias: vec![(0, f32::NAN)], ..plain.clone() },
        SamplerOptions { logit_bias: vec![(10, 0.0)], ..plain.clone() },
        SamplerOptions { logit_bias: vec![(0, f32::MAX), (0, f32::MAX)], presence_penalty: 1.0, ..plain.clone() },
    ];
    for options in bad {
        let error = sample(&mut LOGITS.clone(), &options, &[0], 0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadArgument, "{options:?}");
        assert!(error.data().contains_key("argument"));
    }
    assert_eq!(sample(&mut LOGITS.clone(), &plain, &[10], 0).unwrap_err().kind(), ErrorKind::BadArgument);
    for bad in [f32::NAN, f32::INFINITY] {
        let mut logits = LOGITS;
        logits[4] = bad;
        assert_eq!(sample(&mut logits, &plain, &[], 0).unwrap_err().kind(), ErrorKind::NonFinite);
    }
    for mut none in [vec![], vec![f32::NEG_INFINITY; 3]] {
        assert_eq!(sample(&mut none, &plain, &[], 0).unwrap_err().kind(), ErrorKind::NonFinite);
    }
}

/// All at once, and cut at every position into two: the same text must come out.
#[test]
fn stop_strings_do_not_depend_on_the_cuts() {
    let cases: [(&[&str], &str, &str, bool); 12] = [
        (&[], "anything", "anything", false),
        (&["END"], "some text END more", "some text ", true),
        (&["END"], "some text EN", "some text EN", false),
        (&["END"], "END", "", true),
        (&["aab"], "aaaab", "aa", true),
        (&["abab"], "abaabab", "aba", true),
        (&["\n\nUser:", "\n\n"], "hi\n\nUser: x", "hi", true),
        (&["abcd", "bc"], "xabcdx", "xa", true),
        (&["bcd", "abcd"], "xabcdx", "x", true),
        (&["끝"], "한국어 글의 끝입니다", "한국어 글의 ", true),
        (&["한국"], "한 나라 한", "한 나라 한", false),
        (&["🙂👍"], "🙂🙂👍🏽", "🙂", true),
    ];
    for (stops, input, expected, stopped) in cases {
        let stops: Vec<String> = stops.iter().map(|s| (*s).to_owned()).collect();
        let chars: Vec<usize> = input.char_indices().map(|(at, _)| at).chain([input.len()]).collect();
        for cut in &chars {
            for second in chars.iter().filter(|at| *at >= cut) {
                let mut filter = StopStrings::new(stops.clone()).unwrap();
                let mut out = String::new();
                let mut ended = false;
                for piece in [&input[..*cut], &input[*cut..*second], &input[*second..]] {
                    let emit = filter.push(piece);
                    assert!(!ended || (emit.text.is_empty() && emit.stopped));
                    ended = emit.stopped;
                    out.push_str(&emit.text);
                    // Nothing was shown that a later stop takes back.
                    assert!(expected.starts_with(&out), "{input:?} cut at {cut}, {second}: {out:?}");
                }
                out.push_str(&filter.finish());
                assert_eq!((out.as_str(), ended), (expected, stopped), "{input:?} cut at {cut}, {second}");
            }
        }
    }
    assert_eq!(StopStrings::new(vec![String::new()]).unwrap_err().kind(), ErrorKind::BadArgument);
}

#[test]
fn text_that_starts_no_stop_string_is_shown_at_once() {
    let mut filter = StopStrings::new(vec!["</tool>".into(), "\n\n".into()]).unwrap();
    assert_eq!(filter.push("one <").text, "one ");
    assert_eq!(filter.push("b> two\n").text, "<b> two");
    assert_eq!(filter.push("three").text, "\nthree");
}

fn stream(tokenizer: &Tokenizer, ids: &[u32], skip_special: bool) -> String {
    let mut detokenizer = Detokenizer::new(skip_special);
    let mut out: String = ids.iter().map(|id| detokenizer.push(tokenizer, *id).unwrap()).collect();
    out.push_str(&detokenizer.finish());
    out
}

fn from_json(arch: &str) -> Tokenizer {
    let tokenizer = text(&format!("arch/{arch}/tokenizer.json"));
    Tokenizer::new(&TokenizerSource::Json { tokenizer, config: None }).unwrap()
}

/// Numbers without a pattern (the finaliser of MurmurHash3).
fn number(round: u64, i: u32) -> u32 {
    let mut z = round.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(u64::from(i) << 32);
    z = (z ^ (z >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    z = (z ^ (z >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    (z >> 32) as u32
}

#[test]
fn streamed_text_equals_decoded_text() {
    let (checkpoint, _) = parse_gguf_model("SmolLM2-135M-Instruct.Q4_1.gguf");
    let smollm2 = Tokenizer::new(&checkpoint.tokenizer).unwrap();
    let golden = json("real/smollm2-135m-instruct-q4_1.tokfuzz.json");
    for case in golden["agree"].as_array().unwrap() {
        let ids: Vec<u32> = case["ids"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect();
        assert_eq!(stream(&smollm2, &ids, false), case["text"].as_str().unwrap());
        assert_eq!(stream(&smollm2, &ids, true), smollm2.decode(&ids, true).unwrap());
    }
    // Random ids: mostly bytes that are no characters.
    for tokenizer in [from_json("llama"), from_json("llama3")] {
        for round in 0..2_000u64 {
            let ids: Vec<u32> =
                (0..number(round, 0) % 12).map(|i| number(round, i + 1) % tokenizer.vocab_size() as u32).collect();
            for skip_special in [false, true] {
                assert_eq!(
                    stream(&tokenizer, &ids, skip_special),
                    tokenizer.decode(&ids, skip_special).unwrap(),
                    "{ids:?}"
                );
            }
        }
    }
}

#[test]
fn characters_are_never_split() {
    let tokenizer = from_json("llama3");
    let text = "대한민국 🙂👍🏽 é";
    let ids = tokenizer.encode(text, false).unwrap();
    assert!(ids.len() > text.chars().count(), "the vocabulary is so small that characters are several tokens");
    let mut detokenizer = Detokenizer::new(true);
    let mut pieces = BTreeMap::new();
    for (at, id) in ids.iter().enumerate() {
        let piece = detokenizer.push(&tokenizer, *id).unwrap();
        assert!(!piece.contains('\u{fffd}'));
        pieces.insert(at, piece);
    }
    assert!(pieces.values().any(String::is_empty), "something was held back");
    assert_eq!(pieces.into_values().collect::<String>(), text);
    assert_eq!(detokenizer.finish(), "");
    // Cut off inside a character.
    assert_eq!(detokenizer.push(&tokenizer, ids[0]).unwrap(), "");
    assert_eq!(detokenizer.finish(), "\u{fffd}");
    assert_eq!(detokenizer.push(&tokenizer, 400).unwrap_err().kind(), ErrorKind::BadArgument);
}

#[test]
fn a_space_at_the_start_stays_when_a_prompt_goes_on() {
    let tokenizer = from_json("llama");
    let ids = tokenizer.encode("world", false).unwrap();
    let all = |mut detokenizer: Detokenizer| -> String {
        ids.iter().map(|id| detokenizer.push(&tokenizer, *id).unwrap()).collect()
    };
    assert_eq!(all(Detokenizer::new(true)), "world");
    assert_eq!(all(Detokenizer::continuing(true)), " world");
}
