// The end of a matvec over four quads of rows.
#import four_quads

fn leave_quad(to: u32, quad: u32, value: vec4<f32>) -> vec4<f32> {
    y[to + quad] = value;
    return vec4<f32>(0.0);
}

fn leave_sum(to: u32, i: u32, squares: f32) {}
