// Four words of nibbles, a byte each → two of eight nibbles, as lib/nibbles reads them: the highest bit of each is flipped.
fn squeezed(words: vec4<u32>) -> vec2<u32> {
    let pairs = (words | (words >> vec4<u32>(4u))) & vec4<u32>(0x00ff00ffu);
    let fours = (pairs | (pairs >> vec4<u32>(8u))) & vec4<u32>(0xffffu);
    return (fours.xz | (fours.yw << vec2<u32>(16u))) ^ vec2<u32>(0x80000000u);
}
