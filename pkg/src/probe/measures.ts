/** What is measured: for each ceiling one kernel, or several of which the best counts. */
import { buffers, dispatched, kernel, timed, type Probe } from "./device.js";

/** The ceilings, by short names. */
export type Measured = "read" | "copy" | "fma" | "dot4" | "dispatch" | "roundTrip";

/** One measurement. */
export interface Measure {
  readonly what: Measured;
  /** How much a run does: bytes, operations, dispatches, round trips. */
  readonly units: number;
  /** Does it, and gives the seconds it took. */
  readonly run: () => Promise<number>;
}

/** `GPUBufferUsage` and `GPUMapMode` as the specification of WebGPU fixes them; TypeScript's library has only their types. */
const USAGE = { MAP_READ: 0x1, COPY_SRC: 0x4, COPY_DST: 0x8, STORAGE: 0x80 } as const;
const MAP_MODE_READ = 0x1;

const BYTES = 64 << 20;
/** Invocations of a workgroup, in every kernel below but the empty one. */
const LANES = 64;
/** Workgroups and turns of the loop of kernels that only compute: some milliseconds of a GPU. */
const WORKGROUPS = 64;
const TURNS = 64;
/** Dispatches in one pass: with fewer, the submit would be measured. */
const DISPATCHES = 1000;

const range = (n: number): readonly number[] => [...Array(n).keys()];

/** Every invocation reads `per` vec4s, one workgroup beside the other; the sum keeps the loads alive. */
const READ = (per: number): string => `
@group(0) @binding(0) var<storage, read> x: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<u32>>;
@compute @workgroup_size(${LANES})
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  var sum = vec4<u32>(0u);
  for (var i = 0u; i < ${per}u; i += 8u) {
    ${range(8).map((k) => `sum ^= x[(i + ${k}u) * n.x * ${LANES}u + id.x];`).join("\n    ")}
  }
  y[id.x] = sum;
}`;

/** Straight-line multiply-adds on sixteen sums: a loop around few of them would be measured instead. */
const FMA = `
@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(${LANES})
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let b = f32(id.x) * 1e-7;
  ${range(16).map((k) => `var a${k} = ${k}.0;`).join(" ")}
  for (var i = 0u; i < ${TURNS}u; i++) {
    ${range(16).flatMap(() => range(16).map((k) => `a${k} = a${k} * 0.999 + b;`)).join(" ")}
  }
  y[id.x] = ${range(16).map((k) => `a${k}`).join(" + ")};
}`;

const DOT4 = `
@group(0) @binding(0) var<storage, read_write> y: array<i32>;
@compute @workgroup_size(${LANES})
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let b = id.x * 2654435761u;
  ${range(8).map((k) => `var a${k} = ${k};`).join(" ")}
  for (var i = 0u; i < ${TURNS}u; i++) {
    ${range(8).flatMap(() => range(8).map((k) => `a${k} += dot4I8Packed(b, bitcast<u32>(a${k}));`)).join(" ")}
  }
  y[id.x] = ${range(8).map((k) => `a${k}`).join(" + ")};
}`;

const EMPTY = "@compute @workgroup_size(1) fn main() {}";

/** Makes buffers and kernels for all measurements. `check` may end it between two of them. */
export async function measures({ device, hasDot4 }: Probe, check: () => void): Promise<readonly Measure[]> {
  const { STORAGE, COPY_SRC, COPY_DST, MAP_READ } = USAGE;
  const big = { size: BYTES, usage: STORAGE | COPY_SRC | COPY_DST };
  const [source, target, readback] = await buffers(device, [big, big, { size: 16, usage: MAP_READ | COPY_DST }]);
  if (source === undefined || target === undefined || readback === undefined) return [];
  const all: Measure[] = [];
  // How much an invocation should read for the most, differs from device to device.
  for (const per of [16, 64, 256, 1024]) {
    check();
    const read = await kernel(device, READ(per), source, target);
    all.push({ what: "read", units: BYTES, run: () => dispatched(device, read, BYTES / 16 / per / LANES) });
  }
  all.push({ what: "copy", units: BYTES, run: () => timed(device, (encoder) => encoder.copyBufferToBuffer(source, 0, target, 0, BYTES)) });
  const computing = WORKGROUPS * LANES * TURNS;
  const fma = await kernel(device, FMA, target);
  all.push({ what: "fma", units: computing * 16 * 16, run: () => dispatched(device, fma, WORKGROUPS) });
  check();
  if (hasDot4) {
    const dot4 = await kernel(device, DOT4, target);
    all.push({ what: "dot4", units: computing * 8 * 8 * 4, run: () => dispatched(device, dot4, WORKGROUPS) });
    check();
  }
  const empty = await kernel(device, EMPTY);
  all.push({ what: "dispatch", units: DISPATCHES, run: () => dispatched(device, empty, 1, DISPATCHES) });
  all.push({ what: "roundTrip", units: 1, run: () => roundTrip(device, source, readback) });
  return all;
}

/** Seconds until a few bytes are back. */
async function roundTrip(device: GPUDevice, source: GPUBuffer, readback: GPUBuffer): Promise<number> {
  const begun = performance.now();
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(source, 0, readback, 0, 16);
  device.queue.submit([encoder.finish()]);
  await readback.mapAsync(MAP_MODE_READ);
  readback.unmap();
  return (performance.now() - begun) / 1000;
}
