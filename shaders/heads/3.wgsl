// Query heads that a workgroup serves.
const HEADS: u32 = 3u;
