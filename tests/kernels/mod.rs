//! Every op × weight format × edge shape against its f32 reference, natively on lavapipe. `tests/web` runs the same cases in
//! Chromium.
//!
//! A case builds operands on the CPU, runs the op's reference and its lowering, and compares. Outputs lie between
//! sentinels, so that a write past the end is seen.

mod all_positions;
mod attention;
mod byte_rows;
mod experts;
pub mod harness;
mod int8;
mod linear;
mod repack;
mod roles;
mod rows;
mod sample;
mod states;

/// Runs the cases, each as a test.
macro_rules! tests {
    ($($module:ident :: $case:ident),* $(,)?) => {
        $(#[test]
        fn $case() {
            pollster::block_on($module::$case());
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
    roles::a_wrong_variant_of_any_role_is_refused,
    roles::each_role_is_checked_and_timed,
    roles::what_a_model_does_not_need_is_not_compiled,
    roles::variants_are_forced_by_name,
    roles::what_is_chosen_is_what_runs,
    roles::what_is_left_takes_its_default,
    rows::elementwise,
    rows::norm,
    rows::rms_norm,
    rows::rope,
    rows::select_the_last_rows,
    sample::draws_are_those_of_the_cpu,
    sample::drawn_tokens_are_counted,
    sample::the_best_is_the_lowest_of_equals_and_what_is_not_finite_is_reported,
    sample::what_the_gpu_cannot_draw_is_left_to_the_cpu,
    states::decaying_averages,
    states::selective_scans,
    states::short_convolutions,
];
