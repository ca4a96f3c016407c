// Floats as they are stored (src/quant/floats.rs): all bits of an exponent are set where one is NaN or infinite, and `fault` tells of it.
// One stands in the low bits of `word`, or two side by side.
fn look_at(word: u32) {
    if ((word & params.exponent_0) == params.exponent_0 || (word & params.exponent_1) == params.exponent_1) {
        atomicMax(&fault, params.fault);
    }
}

// The floats of the stored block at `byte`.
fn look_at_block(byte: u32) {
    look_at(stored_u32(byte + params.float_at));
}
