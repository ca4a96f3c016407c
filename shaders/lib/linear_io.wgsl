// What matvec and matmul share: bindings, and the end of a quad of rows.
#import linear_params
#import block

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> quants: array<vec4<u32>>;    // [quads, row_blocks, 4]
@group(0) @binding(2) var<storage, read> scales: array<vec4<u32>>;    // [quads, row_blocks]
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;         // [tokens, in_features]
@group(0) @binding(4) var<storage, read> bias: array<vec4<f32>>;      // [out_features]
@group(0) @binding(5) var<storage, read> residual: array<vec4<f32>>;  // [tokens, out_features]
@group(0) @binding(6) var<storage, read_write> y: array<vec4<f32>>;   // [tokens, out_features]

// A quad of a row of y: the sum of the products with bias and residual.
fn with_addends(row: u32, q: u32, sum: vec4<f32>) -> vec4<f32> {
    var value = sum;
    if (params.has_bias != 0u) {
        value += bias[q];
    }
    if (params.has_residual != 0u) {
        value += residual[params.residual_offset + row * params.residual_stride + q];
    }
    return value;
}

fn store_y(row: u32, quad: u32, sum: vec4<f32>) {
    let q = params.first_quad + quad;
    y[params.y_offset + row * params.y_stride + q] = with_addends(row, q, sum);
}
