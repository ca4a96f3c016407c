// Q5_K on the GPU: five-bit codes (lib/fives); twelve words for eight sub-blocks in `scales`: four as Q4_K has them, then a
// word of fifth bits for each.
#import fives
#import sub_scales

fn scales_of(i: u32) -> Scales {
    return sub_scales((i >> 3u) * 12u, i & 7u);
}

fn plane_of(i: u32) -> u32 {
    return scales[(i >> 5u) * 12u + 4u + ((i >> 2u) & 7u)][i & 3u];
}
