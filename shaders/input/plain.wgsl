// The row of x that a matvec reads, as it is. ACT says how it is loaded.
#import ACT

fn load_input(row: u32, block: u32, local: u32, squares: ptr<function, vec4<f32>>) -> Block {
    return load_x(row, block, local);
}

fn input_scale(row: u32, local: u32, squares: vec4<f32>) -> f32 {
    return 1.0;
}
