/* global GPUBufferUsage, GPUMapMode */
/**
 * What the adapter can do at most, in plain WebGPU: the ceilings that kernels are measured against. Each figure is the best of
 * several interleaved runs. It needs nothing of doran, and runs as well on a real GPU.
 */
const ROUNDS = 7;

const best = (values) => Math.min(...values);
const range = (n) => [...Array(n).keys()];

/** Every invocation reads `per` vec4s, one workgroup beside the other; the sum keeps the loads alive. */
const READ = (per) => `
@group(0) @binding(0) var<storage, read> x: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<u32>>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  var sum = vec4<u32>(0u);
  for (var i = 0u; i < ${per}u; i += 8u) {
    ${range(8).map((k) => `sum ^= x[(i + ${k}u) * n.x * 64u + id.x];`).join("\n    ")}
  }
  y[id.x] = sum;
}`;

/** Straight-line multiply-adds on sixteen sums: a loop around few of them would be measured instead. */
const FMA = (turns) => `
@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let b = f32(id.x) * 1e-7;
  ${range(16).map((k) => `var a${k} = ${k}.0;`).join(" ")}
  for (var i = 0u; i < ${turns}u; i++) {
    ${range(16).flatMap(() => range(16).map((k) => `a${k} = a${k} * 0.999 + b;`)).join(" ")}
  }
  y[id.x] = ${range(16).map((k) => `a${k}`).join(" + ")};
}`;

const DOT4 = (turns) => `
@group(0) @binding(0) var<storage, read_write> y: array<i32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let b = id.x * 2654435761u;
  ${range(8).map((k) => `var a${k} = ${k};`).join(" ")}
  for (var i = 0u; i < ${turns}u; i++) {
    ${range(8).flatMap(() => range(8).map((k) => `a${k} += dot4I8Packed(b, bitcast<u32>(a${k}));`)).join(" ")}
  }
  y[id.x] = ${range(8).map((k) => `a${k}`).join(" + ")};
}`;

const EMPTY = "@compute @workgroup_size(1) fn main() {}";

/** Measures all ceilings. Gives figures a second, and microseconds for the two fixed costs. */
export async function ceilings() {
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: "high-performance" });
  if (adapter === null) throw new Error("WebGPU gives no adapter");
  const device = await adapter.requestDevice();
  const { queue } = device;
  const buffer = (size, usage) => device.createBuffer({ size, usage });
  const { STORAGE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
  const pipeline = (code) => device.createComputePipelineAsync({
    layout: "auto", compute: { module: device.createShaderModule({ code }), entryPoint: "main" },
  });
  const bind = (made, ...buffers) => device.createBindGroup({
    layout: made.getBindGroupLayout(0), entries: buffers.map((resource, binding) => ({ binding, resource: { buffer: resource } })),
  });
  const timed = async (encode) => {
    const encoder = device.createCommandEncoder();
    encode(encoder);
    const begun = performance.now();
    queue.submit([encoder.finish()]);
    await queue.onSubmittedWorkDone();
    return (performance.now() - begun) / 1000;
  };
  const dispatch = (made, group, n, times = 1) => timed((encoder) => {
    const pass = encoder.beginComputePass();
    pass.setPipeline(made);
    if (group !== undefined) pass.setBindGroup(0, group);
    for (let i = 0; i < times; i += 1) pass.dispatchWorkgroups(n);
    pass.end();
  });

  const bytes = 64 << 20;
  const source = buffer(bytes, STORAGE | COPY_SRC | COPY_DST);
  const target = buffer(bytes, STORAGE | COPY_SRC | COPY_DST);
  const readback = buffer(16, MAP_READ | COPY_DST);
  const reads = await Promise.all([16, 64, 256, 1024].map(async (per) => {
    const made = await pipeline(READ(per));
    return { group: bind(made, source, target), made, workgroups: bytes / 16 / per / 64 };
  }));
  const fma = await pipeline(FMA(64));
  const fmaGroup = bind(fma, target);
  const hasDot4 = navigator.gpu.wgslLanguageFeatures?.has("packed_4x8_integer_dot_product") === true;
  const dot4 = hasDot4 ? await pipeline(DOT4(64)) : undefined;
  const dot4Group = dot4 === undefined ? undefined : bind(dot4, target);
  const empty = await pipeline(EMPTY);

  const times = { read: reads.map(() => []), copy: [], fma: [], dot4: [], dispatch: [], roundTrip: [] };
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [i, { made, group, workgroups }] of reads.entries()) times.read[i].push(await dispatch(made, group, workgroups));
    times.copy.push(await timed((encoder) => encoder.copyBufferToBuffer(source, 0, target, 0, bytes)));
    times.fma.push(await dispatch(fma, fmaGroup, 64));
    if (dot4 !== undefined) times.dot4.push(await dispatch(dot4, dot4Group, 64));
    times.dispatch.push(await dispatch(empty, undefined, 1, 1000) / 1000);
    const begun = performance.now();
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(source, 0, readback, 0, 16);
    queue.submit([encoder.finish()]);
    await readback.mapAsync(GPUMapMode.READ);
    readback.unmap();
    times.roundTrip.push((performance.now() - begun) / 1000);
  }
  device.destroy();
  const read = best(times.read.map(best));
  return {
    vec4LoadsPerSecond: bytes / 16 / read,
    bytesReadPerSecond: bytes / read,
    bytesCopiedPerSecond: bytes / best(times.copy),
    fmaPerSecond: 64 * 64 * 64 * 256 / best(times.fma),
    ...(dot4 === undefined ? {} : { dot4ProductsPerSecond: 64 * 64 * 64 * 64 * 4 / best(times.dot4) }),
    microsPerDispatch: best(times.dispatch) * 1e6,
    microsPerRoundTrip: best(times.roundTrip) * 1e6,
  };
}
