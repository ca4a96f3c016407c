/** `doran/probe`: ceilings of the adapter, measured without an engine. */
import { expect, test } from "./fixture.js";
import type * as Probe from "../../pkg/src/probe.js";

declare global {
  interface Window {
    /** `doran/probe`, with the devices that were made and destroyed. */
    counted: { measureCeilings: typeof Probe.measureCeilings; made: number; destroyed: number };
  }
}

/** Counts devices, and takes the module in as a page does. */
const COUNT = `(async () => {
  const counted = { made: 0, destroyed: 0 };
  const { requestDevice } = GPUAdapter.prototype;
  GPUAdapter.prototype.requestDevice = async function (...args) {
    const device = await requestDevice.apply(this, args);
    const { destroy } = device;
    device.destroy = () => { counted.destroyed += 1; destroy.call(device); };
    counted.made += 1;
    return device;
  };
  const { measureCeilings } = await import("/pkg/dist/probe.js");
  window.counted = Object.assign(counted, { measureCeilings });
})()`;

test.beforeEach(async ({ doran }) => { await doran.evaluate(COUNT); });

test("each ceiling is a figure above zero, of this adapter, and progress counts up to its end", async ({ doran }) => {
  const { adapter, figures, told, support, made, destroyed } = await doran.evaluate(async () => {
    const told: { done: number; total: number; what: string }[] = [];
    const { adapter, ...figures } = await window.counted.measureCeilings({ onProgress: (progress) => told.push(progress) });
    return { adapter, figures, told, support: await window.doran.Engine.support(), made: window.counted.made, destroyed: window.counted.destroyed };
  });
  const names = ["bytesCopiedPerSecond", "bytesReadPerSecond", "fmaPerSecond", "microsPerDispatch", "microsPerRoundTrip", "vec4LoadsPerSecond"];
  expect(Object.keys(figures).sort()).toEqual(expect.arrayContaining(names));
  for (const [name, value] of Object.entries(figures)) expect(Number.isFinite(value) && value > 0, `${name}: ${value}`).toBe(true);
  expect(figures.bytesReadPerSecond).toBeCloseTo(16 * figures.vec4LoadsPerSecond, -3);
  expect({ supported: true, adapter }).toEqual(support);
  expect(told.map(({ done }) => done)).toEqual(told.map((_, i) => i + 1));
  expect(told.at(-1)?.done).toBe(told[0]?.total);
  expect([...new Set(told.map(({ what }) => what))]).toEqual(expect.arrayContaining(["read", "copy", "fma", "dispatch", "roundTrip"]));
  expect({ made, destroyed }).toEqual({ made: 1, destroyed: 1 });
});

test("an abort ends it with the signal's reason, and what a callback throws ends it too; the device is destroyed", async ({ doran }) => {
  const seen = await doran.evaluate(async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    let told = 0;
    const ended = await window.counted.measureCeilings({
      signal: controller.signal,
      onProgress: () => { told += 1; if (told === 2) controller.abort(reason); },
    }).catch((error: unknown) => error);
    const thrown = await window.counted.measureCeilings({ onProgress: () => { throw reason; } }).catch((error: unknown) => error);
    const before = window.counted.made;
    const never = await window.counted.measureCeilings({ signal: AbortSignal.abort(reason) }).catch((error: unknown) => error);
    return { same: [ended, thrown, never].map((one) => one === reason), told, asked: window.counted.made - before, made: window.counted.made, destroyed: window.counted.destroyed };
  });
  expect(seen).toEqual({ same: [true, true, true], told: 2, asked: 0, made: 2, destroyed: 2 });
});

for (const code of ["webgpu_missing", "adapter_missing"] as const) {
  test(`where there is nothing to measure it is ${code}`, async ({ doran }) => {
    const failure = await doran.evaluate((code) => {
      Object.defineProperty(navigator, "gpu", { value: code === "webgpu_missing" ? undefined : { requestAdapter: () => Promise.resolve(null) } });
      return window.failure(window.counted.measureCeilings());
    }, code);
    expect(failure).toMatchObject({ name: "DoranError", code });
  });
}
