// Q5_K on the GPU: five-bit codes (lib/fives); twelve words for eight sub-blocks in `scales`: four as Q4_K has them, then a
// word of fifth bits for each.
#import fives
#import sub_scales

const RUN_WORDS: u32 = 12u;

fn planes_at(i: u32) -> u32 {
    return run_of(i) * RUN_WORDS + 4u + (i & 7u);
}
