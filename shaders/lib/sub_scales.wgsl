// Q4_K's and Q5_K's scales: four words for eight sub-blocks (lib/runs). d low, dmin high; the low four bits of sub-block s's scale at
// 4 s; of its minimum; and at 4 s the upper two bits of the scale, then of the minimum. A format gives RUN_WORDS, of which these
// are the first.
#import runs

struct Run {
    d: vec4<f32>,
    m: vec4<f32>,
    scale: vec4<u32>,
    minimum: vec4<u32>,
    upper: vec4<u32>,
}

fn load_run(index: u32) -> Run {
    let first = index * RUN_WORDS;
    let factors = half_scales(scales[first]);
    return Run(factors.d, factors.m, scales[first + 1u], scales[first + 2u], scales[first + 3u]);
}

fn scales_in(run: Run, s: u32) -> Scales {
    let shift = vec4<u32>(s * 4u);
    let low = vec4<u32>(15u);
    let upper = run.upper >> shift;
    let scale = ((run.scale >> shift) & low) | ((upper & vec4<u32>(3u)) << vec4<u32>(4u));
    let minimum = ((run.minimum >> shift) & low) | ((upper & vec4<u32>(12u)) << vec4<u32>(2u));
    // Both products are exact: 11 bits by 6.
    return Scales(run.d * vec4<f32>(bitcast<vec4<i32>>(scale)), -(run.m * vec4<f32>(bitcast<vec4<i32>>(minimum))));
}

fn scales_of(i: u32) -> Scales {
    return scales_in(load_run(run_of(i)), i & 7u);
}
