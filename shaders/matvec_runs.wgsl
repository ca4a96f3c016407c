// matvec.wgsl for formats whose sub-blocks share words of scales (lib/runs): an invocation takes `params.run` sub-blocks one after the
// other and loads those words once for them. `params.lanes` invocations split the columns of a pair of quads among them, so that
// a workgroup has several pairs where rows have few runs. Sums go through workgroup memory. Reference: src/ops/linear.rs.
#import linear_io
#import INPUT
#import quads
#import EPILOGUE

override WORKGROUP: u32 = 64u;

alias Sums = mat3x4<f32>;

var<workgroup> partials: array<Sums, WORKGROUP>;

// The sum over the invocations of a pair, at the first of them.
fn reduce(value: Sums, local: u32, lane: u32) -> Sums {
    partials[local] = value;
    workgroupBarrier();
    for (var half = params.lanes / 2u; half > 0u; half /= 2u) {
        if (lane < half) {
            partials[local] += partials[local + half];
        }
        workgroupBarrier();
    }
    return partials[local];
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    // The grid may have more pairs than there are; those load nothing and are not stored.
    let pairs = WORKGROUP / params.lanes;
    let lane = local % params.lanes;
    let i = (params.first_group + group.y * 32768u + group.x) * pairs + local / params.lanes;
    let first = quad_start(min(first_of(i), params.n_quads - 1u));
    let second = quad_start(min(second_of(i), params.n_quads - 1u));
    let end = select(0u, params.row_blocks, first_of(i) < params.n_quads);
    var squares = vec4<f32>(0.0);
    var a = vec4<f32>(0.0);
    var b = vec4<f32>(0.0);
    for (var begin = lane * params.run; begin < end; begin += params.lanes * params.run) {
        let first_run = load_run(run_of(first + begin));
        let second_run = load_run(run_of(second + begin));
        for (var block = begin; block < begin + params.run; block++) {
            let x = prepare(load_input(group.z, block, local, &squares));
            a += scaled_quad_dot(first + block, scales_in(first_run, block & 7u), x);
            b += scaled_quad_dot(second + block, scales_in(second_run, block & 7u), x);
        }
    }
    let sums = reduce(Sums(a, b, squares), local, lane);
    if (lane == 0u) {
        let scale = input_scale(group.z, local, sums[2]);
        finish(group.z, i, sums[0] * scale, sums[1] * scale);
    }
}
