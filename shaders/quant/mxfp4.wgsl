// MXFP4 on the GPU (lib/table). The values of src/quant/mxfp4.rs.
#import table

const TABLE: vec4<u32> = vec4<u32>(0x03020100u, 0x0c080604u, 0xfdfeff00u, 0xf4f8fafcu);
