//! What runs in a real browser, in a worker, where doran runs: `npm test -- web`.

#![cfg(target_arch = "wasm32")]

#[path = "../kernels/all_positions.rs"]
mod all_positions;
#[path = "../kernels/attention.rs"]
mod attention;
#[path = "../kernels/byte_rows.rs"]
mod byte_rows;
#[path = "../kernels/experts.rs"]
mod experts;
#[path = "../kernels/harness.rs"]
mod harness;
#[path = "../kernels/int8.rs"]
mod int8;
#[path = "../kernels/linear.rs"]
mod linear;
mod patterns;
#[path = "../kernels/repack.rs"]
mod repack;
#[path = "../kernels/rows.rs"]
mod rows;
#[path = "../kernels/sample.rs"]
mod sample;
mod shaders;
#[path = "../kernels/states.rs"]
mod states;
mod store;

use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

/// Runs the kernel cases of `tests/kernels`, each as a test.
macro_rules! tests {
    ($($module:ident :: $case:ident),* $(,)?) => {
        $(#[wasm_bindgen_test]
        async fn $case() {
            $module::$case().await;
        })*
    };
}

tests![
    all_positions::a_text_comes_to_its_mean_and_its_first_row,
    all_positions::attention_over_all_positions,
    attention::attention_in_fewer_splits,
    attention::attention_in_splits,
    attention::attention_over_the_cache,
    attention::attention_reads_the_window_only,
    attention::half_floats_are_clamped,
    attention::rows_of_several_slots,
    byte_rows::rows_as_bytes,
    byte_rows::rows_as_bytes_take_any_activation,
    experts::expert_sums,
    experts::experts_in_every_format,
    experts::experts_in_parts,
    experts::routes,
    int8::activations_rounded_to_bytes,
    int8::activations_rounded_to_half_floats,
    int8::rounding_takes_any_activation,
    linear::a_grid_of_several_rows,
    linear::a_matrix_larger_than_a_binding_is_split_by_rows,
    linear::embedding_in_every_format,
    linear::kernels_by_the_number_of_rows,
    linear::linear_in_every_format,
    linear::norms_are_prepared,
    linear::weights_are_laid_out_as_gpus_have_them,
    repack::groups_and_columns,
    repack::halves_of_a_head,
    repack::on_the_cpu,
    repack::pieces_and_interleaved_heads,
    repack::what_is_no_number_is_found,
    rows::elementwise,
    rows::norm,
    rows::rms_norm,
    rows::rope,
    rows::select_the_last_rows,
    sample::draws_are_those_of_the_cpu,
    sample::drawn_tokens_are_counted,
    sample::the_best_is_the_lowest_of_equals_and_what_is_not_finite_is_reported,
    sample::what_the_gpu_cannot_draw_is_left_to_the_cpu,
    shaders::every_combination_compiles_without_a_message,
    states::decaying_averages,
    states::selective_scans,
    states::short_convolutions,
];
