// 16 bytes → two words of eight nibbles as lib/nibbles reads them, the highest bit of each flipped. Nibbles are moved by products:
// CPU adapters shift lanes one after the other.
fn joined(upper_halves: vec4<u32>) -> vec2<u32> {
    return ((upper_halves.xz >> vec2<u32>(16u)) | upper_halves.yw) ^ vec2<u32>(0x80000000u);
}

fn joined_low_nibbles(bytes: vec4<u32>) -> vec2<u32> {
    let even = ((bytes & vec4<u32>(0x000f000fu)) * 0x10100u) & vec4<u32>(0x0f0f0000u);
    let odd = ((bytes & vec4<u32>(0x0f000f00u)) * 0x1010u) & vec4<u32>(0xf0f00000u);
    return joined(even | odd);
}

fn joined_high_nibbles(bytes: vec4<u32>) -> vec2<u32> {
    let even = ((bytes & vec4<u32>(0x00f000f0u)) * 0x1010u) & vec4<u32>(0x0f0f0000u);
    let odd = ((bytes & vec4<u32>(0xf000f000u)) * 0x101u) & vec4<u32>(0xf0f00000u);
    return joined(even | odd);
}
