//! Drawing on the GPU against `doran::sampler`.

use doran::gpu::Draw;
use doran::ops::sample::{Drawn, RESULT_BYTES, RING, Sampling, draw_of};
use doran::ops::{Operand, Rows, StepRow};
use doran::sampler::{SamplerOptions, sample};

use super::harness::{Bench, Random};

/// Runs one draw after the last of `n_rows` rows at `position`; gives the ring's place and the next step.
async fn draw(
    bench: &Bench,
    sampling: &Sampling,
    logits: &Operand,
    n_rows: u32,
    position: u32,
    options: &SamplerOptions,
) -> (Drawn, Vec<u32>) {
    let row = |i: u32| StepRow { token: 0, slot: 1, position: position + 1 + i - n_rows };
    let rows: Vec<_> = (0..n_rows).map(row).collect();
    let mut shape = bench.write_step(&rows, logits_rows(logits));
    shape.draw = draw_of(options);
    bench.run(sampling.lower(&bench.step, logits), &shape);
    let at = (((position + 1) % RING) as u64 * RESULT_BYTES) as usize;
    let ring = bench.read_bytes(&sampling.ring).await;
    let step: Vec<u32> = bytemuck::pod_collect_to_vec(&bench.read_bytes(&bench.step).await[..32]);
    (Drawn::read(&ring[at..at + RESULT_BYTES as usize]), step)
}

fn logits_rows(logits: &Operand) -> u32 {
    (logits.buffer.bytes() / 4 / u64::from(logits.stride)).min(3) as u32
}

fn on_gpu(bench: &Bench, rows: &Rows) -> Operand {
    Operand { outputs: true, ..bench.operand(rows, 0) }
}

pub async fn the_best_is_the_lowest_of_equals_and_what_is_not_finite_is_reported() {
    let bench = Bench::new().await;
    let greedy = SamplerOptions { temperature: 0.0, ..SamplerOptions::default() };
    for vocab in [1, 31, 512, 513, 49_152] {
        let sampling = Sampling::new(&bench.gpu, vocab as u32);
        sampling.set(&bench.gpu, &greedy, &[]);
        let mut x = Random(vocab as u64).rows(1, vocab);
        x.row_mut(0)[vocab - 1] = 7.0;
        x.row_mut(0)[vocab / 2] = 7.0;
        let (drawn, step) = draw(&bench, &sampling, &on_gpu(&bench, &x), 1, 20, &greedy).await;
        let wanted = (vocab / 2) as u32;
        assert_eq!(drawn, Drawn::Token(wanted), "of {vocab}");
        // The next step: one row with that token, one position on.
        assert_eq!(step, [1, 1, 0, 0, wanted, 1, 21, 0]);
        x.row_mut(0).fill(-3e38);
        assert_eq!(draw(&bench, &sampling, &on_gpu(&bench, &x), 1, 20, &greedy).await.0, Drawn::Token(0));
        for bad in [f32::NAN, f32::INFINITY] {
            x.row_mut(0)[vocab / 2] = bad;
            assert_eq!(draw(&bench, &sampling, &on_gpu(&bench, &x), 1, 3, &greedy).await.0, Drawn::NonFinite);
        }
    }
}

/// Every option, at many positions: the token is the CPU's.
pub async fn draws_are_those_of_the_cpu() {
    let bench = Bench::new().await;
    let plain = SamplerOptions { seed: 0x1234_5678_9abc_def0, ..SamplerOptions::default() };
    let cases = [
        plain.clone(),
        SamplerOptions { temperature: 0.3, ..plain.clone() },
        SamplerOptions { temperature: 0.0, repetition_penalty: 1.8, ..plain.clone() },
        SamplerOptions { repetition_penalty: 1.5, frequency_penalty: 0.4, presence_penalty: -0.3, ..plain.clone() },
        SamplerOptions { logit_bias: vec![(3, 9.0), (17, -50.0), (3, 1.0)], ..plain.clone() },
        SamplerOptions { allowed_token_ids: vec![2, 30, 7, 19], ..plain.clone() },
        SamplerOptions { allowed_token_ids: vec![5], temperature: 0.0, ..plain.clone() },
        SamplerOptions { allowed_token_ids: (0..24).collect(), top_k: 20, repetition_penalty: 1.5, ..plain.clone() },
        SamplerOptions { allowed_token_ids: vec![1, 29, 3], top_p: 0.8, logit_bias: vec![(4, 99.0)], ..plain.clone() },
        SamplerOptions { top_k: 1, ..plain.clone() },
        SamplerOptions { top_k: 40, temperature: 1.7, ..plain.clone() },
        SamplerOptions { top_k: 256, top_p: 0.9, min_p: 0.02, ..plain.clone() },
        SamplerOptions { top_p: 0.6, ..plain.clone() },
        SamplerOptions { min_p: 0.1, presence_penalty: 2.0, ..plain.clone() },
        SamplerOptions { top_p: 0.0, ..plain },
    ];
    let history = [3, 5, 5, 5, 11, 30];
    // Few likely tokens and a long tail, and all nearly alike, with equals among them.
    for (vocab, spread) in [(31, 80.0), (31, 8.0), (256, 80.0), (256, 8.0), (700, 80.0), (700, 8.0), (49_152, 80.0)] {
        for options in &cases {
            let mut random = Random(vocab as u64 + u64::from(options.top_k));
            let mut x = random.rows(1, vocab);
            x.data.iter_mut().for_each(|v| *v = (*v * *v * *v * spread).round() / 8.0);
            let logits = on_gpu(&bench, &x);
            let sampling = Sampling::new(&bench.gpu, vocab as u32);
            for position in [1, 14, 15, 16, 400, 401, 402, 403] {
                sampling.set(&bench.gpu, options, &history);
                let (drawn, _) = draw(&bench, &sampling, &logits, 1, position, options).await;
                let wanted = sample(&mut x.data.clone(), options, &history, position + 1).expect("draws");
                let label = format!("{options:?}, {vocab} at {position}");
                if drawn == Drawn::OnCpu {
                    // Only where the filters may keep more than the GPU looks at.
                    assert!(
                        options.top_k == 0 && vocab > 256 && (options.top_p < 1.0 || options.min_p > 0.0),
                        "{label}"
                    );
                } else {
                    assert_eq!(drawn, Drawn::Token(wanted.id), "{label}");
                }
            }
        }
    }
}

/// A drawn token counts for the penalties of the next one, without the CPU.
pub async fn drawn_tokens_are_counted() {
    let bench = Bench::new().await;
    let options = SamplerOptions { temperature: 0.0, presence_penalty: 5.0, ..SamplerOptions::default() };
    let sampling = Sampling::new(&bench.gpu, 1000);
    let mut history = vec![0, 1];
    sampling.set(&bench.gpu, &options, &history);
    let x = Random(5).rows(1, 1000);
    let logits = on_gpu(&bench, &x);
    for position in 2..40 {
        let wanted = sample(&mut x.data.clone(), &options, &history, position).expect("draws").id;
        assert_eq!(draw(&bench, &sampling, &logits, 1, position, &options).await.0, Drawn::Token(wanted));
        assert!(!history.contains(&wanted), "the penalty is larger than any difference");
        history.push(wanted);
    }
}

/// The last row of several logits is drawn from; a wide nucleus and overflowing penalties are the CPU's.
pub async fn what_the_gpu_cannot_draw_is_left_to_the_cpu() {
    let bench = Bench::new().await;
    let greedy = SamplerOptions { temperature: 0.0, ..SamplerOptions::default() };
    let sampling = Sampling::new(&bench.gpu, 2000);
    sampling.set(&bench.gpu, &greedy, &[]);
    let mut x = Random(6).rows(8, 2000);
    (0..8).for_each(|row| x.row_mut(row)[100 + row] = 5.0);
    let logits = on_gpu(&bench, &x);
    assert_eq!(draw(&bench, &sampling, &logits, 5, 30, &greedy).await.0, Drawn::Token(102));
    let flat = Rows { data: vec![0.5; 2000], width: 2000 };
    let flat = on_gpu(&bench, &flat);
    for options in [
        SamplerOptions { top_p: 0.9, ..SamplerOptions::default() },
        SamplerOptions { min_p: 0.5, ..SamplerOptions::default() },
    ] {
        sampling.set(&bench.gpu, &options, &[]);
        assert_eq!(draw(&bench, &sampling, &flat, 1, 5, &options).await.0, Drawn::OnCpu, "{options:?}");
    }
    let overflow = SamplerOptions { logit_bias: vec![(4, 3.4e38)], presence_penalty: -3e38, ..greedy };
    sampling.set(&bench.gpu, &overflow, &[4]);
    assert_eq!(draw(&bench, &sampling, &flat, 1, 5, &overflow).await.0, Drawn::OnCpu);
    for (options, wanted) in [
        (SamplerOptions { top_k: 257, ..SamplerOptions::default() }, Draw::Nothing),
        (SamplerOptions { temperature: 1e-3, ..SamplerOptions::default() }, Draw::Nothing),
    ] {
        assert_eq!(draw_of(&options), wanted);
    }
}
