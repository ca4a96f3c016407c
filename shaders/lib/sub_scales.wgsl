// Q4_K's and Q5_K's scales: four words for eight sub-blocks, which kernels read whole for each. d low, dmin high; the low four
// bits of sub-block s's scale at 4 s; of its minimum; and at 4 s the upper two bits of the scale, then of the minimum.
#import scales

fn sub_scales(first: u32, s: u32) -> Scales {
    let shift = vec4<u32>(s * 4u);
    let low = vec4<u32>(15u);
    let upper = scales[first + 3u] >> shift;
    let scale = ((scales[first + 1u] >> shift) & low) | ((upper & vec4<u32>(3u)) << vec4<u32>(4u));
    let minimum = ((scales[first + 2u] >> shift) & low) | ((upper & vec4<u32>(12u)) << vec4<u32>(2u));
    let factors = half_scales(scales[first]);
    // Both products are exact: 11 bits by 6.
    return Scales(factors.d * vec4<f32>(bitcast<vec4<i32>>(scale)), -(factors.m * vec4<f32>(bitcast<vec4<i32>>(minimum))));
}
