// The bits of 2^(exponent − 128): the two least are subnormal, and have no exponent.
fn half_power(exponent: u32) -> u32 {
    if (exponent < 2u) {
        return 0x00200000u << exponent;
    }
    return (exponent - 1u) << 23u;
}
