// The floats of stored elements (src/quant/floats.rs): one in `float_at` bytes, or two side by side. All bits of an exponent are set
// where a float is NaN or infinite, and `fault` tells of it.
fn look_at_floats(row: u32, unit: u32) {
    for (var i = unit * params.unit_elements; i < min((unit + 1u) * params.unit_elements, params.row_elements); i++) {
        let element = row * params.row_elements + i;
        if (element >= params.first && element < params.end) {
            let word = stored_u32(params.src_byte + (element - params.first) * params.element_bytes + params.float_at);
            if ((word & params.exponent_0) == params.exponent_0 || (word & params.exponent_1) == params.exponent_1) {
                atomicMax(&fault, params.fault);
            }
        }
    }
}
