/** The device that is measured, and what measurements ask of it. */
import { DoranError } from "../errors.js";
import { facts } from "../support.js";
import type { AdapterInfo } from "../types.js";

/** A device with its adapter's facts. */
export interface Probe {
  readonly device: GPUDevice;
  readonly adapter: AdapterInfo;
  /** WGSL's functions on four bytes at once are there. */
  readonly hasDot4: boolean;
}

/** Asks for the adapter that `Engine.load` would take, and for a device without anything beyond the defaults. */
export async function openProbe(): Promise<Probe> {
  const gpu: GPU | undefined = globalThis.navigator?.gpu;
  if (gpu === undefined) throw new DoranError("webgpu_missing", "there is no WebGPU here to measure: the browser has none, or the page is not a secure context");
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" }).catch(() => null);
  if (adapter === null) throw new DoranError("adapter_missing", "WebGPU gives no adapter: the GPU is blocked or disabled");
  const device = await adapter.requestDevice().catch((error: unknown) => {
    throw new DoranError("adapter_missing", `the adapter gives no device: ${String(error)}`);
  });
  return { device, adapter: facts(adapter), hasDot4: gpu.wgslLanguageFeatures.has("packed_4x8_integer_dot_product") };
}

/** Buffers of `size` bytes each. */
export async function buffers(device: GPUDevice, sizes: readonly { readonly size: number; readonly usage: number }[]): Promise<GPUBuffer[]> {
  device.pushErrorScope("out-of-memory");
  const made = sizes.map((descriptor) => device.createBuffer(descriptor));
  if (await device.popErrorScope() !== null) throw new DoranError("out_of_memory", "the GPU has no room for what is measured", { needed_bytes: sizes.reduce((sum, { size }) => sum + size, 0) });
  return made;
}

/** Compiles a kernel, and binds buffers to it in order. */
export async function kernel(device: GPUDevice, code: string, ...bound: readonly GPUBuffer[]): Promise<Kernel> {
  const module = device.createShaderModule({ code });
  const pipeline = await device.createComputePipelineAsync({ layout: "auto", compute: { module, entryPoint: "main" } });
  if (bound.length === 0) return { pipeline };
  const entries = bound.map((buffer, binding) => ({ binding, resource: { buffer } }));
  return { pipeline, group: device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }) };
}

/** What a dispatch needs. */
export interface Kernel {
  readonly pipeline: GPUComputePipeline;
  readonly group?: GPUBindGroup;
}

/** Seconds until the GPU has done what `encode` writes. */
export async function timed(device: GPUDevice, encode: (encoder: GPUCommandEncoder) => void): Promise<number> {
  const encoder = device.createCommandEncoder();
  encode(encoder);
  const begun = performance.now();
  device.queue.submit([encoder.finish()]);
  await device.queue.onSubmittedWorkDone();
  return (performance.now() - begun) / 1000;
}

/** Seconds that a kernel takes, dispatched `times` times in one pass. */
export function dispatched(device: GPUDevice, { pipeline, group }: Kernel, workgroups: number, times = 1): Promise<number> {
  return timed(device, (encoder) => {
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    if (group !== undefined) pass.setBindGroup(0, group);
    for (let i = 0; i < times; i += 1) pass.dispatchWorkgroups(workgroups);
    pass.end();
  });
}
