//! Every op × weight format × edge shape on lavapipe against its f32 reference, with subgroups and without.
//!
//! A case builds operands on the CPU, runs the op's reference and its lowering, and compares. Outputs lie between
//! sentinels, so that a write past the end is seen.

mod attention;
#[path = "../common/mod.rs"]
mod common;
mod harness;
mod linear;
mod rows;
