// Parameters of y = x · wᵀ (+ bias) (+ residual), shared by matvec and matmul. See src/ops/linear.rs.
struct Params {
    // Sub-blocks of one weight row: ceil(in_features / 32).
    row_blocks: u32,
    // Rows of y's vec4s that this part of the matrix gives: ceil(rows of the part / 4), and where they start in y.
    n_quads: u32,
    first_quad: u32,
    // Quads between a row of the gate and its row of the other half; 0 where there is no gate.
    gate_quads: u32,
    has_bias: u32,
    has_residual: u32,
    // Row strides and offsets in vec4s.
    x_stride: u32,
    x_offset: u32,
    y_stride: u32,
    y_offset: u32,
    residual_stride: u32,
    residual_offset: u32,
    // The folded norm: values of a row of x, and what is added to the mean square.
    norm_width: u32,
    norm_eps: f32,
    // Whether the rows of x are the step's outputs rather than its tokens (lib/linear_rows).
    of_outputs: u32,
    // Values of a row of y where the kernel prepares its norm (lib/prepare_norm); 0 where it does not.
    prepared_width: u32,
    // The workgroup over the rows of w that this dispatch begins with: large ones are cut.
    first_group: u32,
    // Quads whose sub-blocks stand side by side (lib/quads).
    together: u32,
    // Sub-blocks that an invocation of matvec_runs takes one after the other, and how many invocations split a pair of quads.
    run: u32,
    lanes: u32,
}
