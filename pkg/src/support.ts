/** Whether this page can run models. Asks for an adapter and makes no device. */
import type { AdapterInfo, Support } from "./types.js";

/** Support, with the adapter's facts or the reason why there is none. */
export async function support(): Promise<Support> {
  const page: { readonly isSecureContext?: boolean } = globalThis;
  if (page.isSecureContext !== undefined && !page.isSecureContext) return { supported: false, reason: "insecure_context" };
  const gpu: GPU | undefined = globalThis.navigator?.gpu;
  if (gpu === undefined) return { supported: false, reason: "no_webgpu" };
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" }).catch(() => null);
  return adapter === null ? { supported: false, reason: "no_adapter" } : { supported: true, adapter: facts(adapter) };
}

/** What an adapter says of itself. */
export function facts(adapter: GPUAdapter): AdapterInfo {
  const { vendor, architecture, device, description, isFallbackAdapter } = adapter.info;
  return {
    vendor, architecture, device, description,
    isFallback: isFallbackAdapter,
    features: [...adapter.features].sort(),
    limits: numbers(adapter.limits),
  };
}

/** The limits are getters of the prototype: a plain object of them. */
function numbers(limits: GPUSupportedLimits): Record<string, number> {
  const out: Record<string, number> = {};
  for (const [name, value] of entries(limits)) {
    if (typeof value === "number") out[name] = value;
  }
  return out;
}

function* entries(limits: GPUSupportedLimits): Generator<[string, unknown]> {
  for (const name in limits) yield [name, Reflect.get(limits, name)];
}
