// IQ4_NL on the GPU (lib/table). The values of src/quant/iq4_nl.rs.
#import table

const TABLE: vec4<u32> = vec4<u32>(0xbfad9881u, 0xf6eaddcfu, 0x26190d01u, 0x71594535u);
