/** What is stored: how large, when used and verified, what is the same elsewhere; to verify, export and delete; and the browser's quota. */
import { Engine, type LoadOptions, type ModelSource, type StorageEstimate, type StoredModel } from "doran";
import { effect, signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { formatAgo, formatBytes, formatList, formatShare, shortName } from "../format.js";
import { engine, loading, pageOptions, storedChanges, unload } from "../model.js";
import { Button } from "../ui/controls.js";
import { Problem } from "../ui/problem.js";
import { t } from "../words/models.js";
import { loadAndChat } from "./card.js";
import { save } from "../save.js";
import { forSource } from "./offers.js";
import { loadOptions, QUANTIZE } from "./options.js";

/** What is stored, the newest first. */
export const stored = signal<readonly StoredModel[]>([]);
const estimate = signal<StorageEstimate>({ usageBytes: 0, quotaBytes: 0 });
const problem = signal<unknown>(undefined);

/** Reads again what is stored. */
export async function refreshStored(): Promise<void> {
  try {
    const [list, room] = await Promise.all([Engine.storage.list(pageOptions()), Engine.storage.estimate(pageOptions())]);
    stored.value = [...list].sort((a, b) => (b.lastUsed ?? 0) - (a.lastUsed ?? 0));
    estimate.value = { ...room, persisted: await navigator.storage.persisted() };
    problem.value = undefined;
  } catch (error) {
    problem.value = error;
  }
}

/**
 * What loads a stored model: by its name, or from where it came where something is missing. `url` is that of its first file only: a
 * folder by addresses of its own, or of this device's files, is brought again by whoever has them, and its name says no more.
 */
export function loadStored({ name, complete, url }: StoredModel): Promise<void> {
  const [address = name, format] = name.split("#");
  const { quantize: _, ...options } = loadOptions();
  const load = (source: ModelSource, more: LoadOptions = {}): Promise<void> =>
    loadAndChat({ name: shortName(name), source, options: { ...forSource(options, source), ...more } });
  if (!complete && name.startsWith("hf:")) {
    const quantize = QUANTIZE.find((one) => one === format);
    return load(address, { name, ...(quantize === undefined ? {} : { quantize }) });
  }
  return complete || url === undefined || format !== undefined ? load({ stored: name }) : load(new URL(url, location.href), { name });
}

// Whatever changes what is stored, in whichever view.
effect(() => { if (storedChanges.value > 0) void refreshStored(); });

/** The section. */
export function Stored(): JSX.Element {
  // Other tabs change it too, and tell nobody.
  useEffect(() => void refreshStored(), []);
  return (
    <section class="card" aria-labelledby="stored-title" id="stored">
      <h2 id="stored-title">{t("stored")}</h2>
      {problem.value !== undefined && <Problem error={problem.value} />}
      {stored.value.length === 0
        ? <p class="small">{t("nothingStored")}</p>
        : <ul class="rows" id="stored-list">{stored.value.map((model) => <Row key={model.name} model={model} />)}</ul>}
      <Quota />
    </section>
  );
}

function Row({ model }: { readonly model: StoredModel }): JSX.Element {
  const [said, setSaid] = useState("");
  const [failed, setFailed] = useState<unknown>(undefined);
  const [busy, setBusy] = useState(false);
  const name = shortName(model.name);
  const isLoaded = engine.value?.info.name === model.name;

  const run = async (begun: string, work: (tell: (share: number) => void) => Promise<string>): Promise<void> => {
    setBusy(true);
    setFailed(undefined);
    setSaid(begun);
    try {
      setSaid(await work((share) => { setSaid(`${begun} ${formatShare(share)}`); }));
    } catch (error) {
      setFailed(error);
      setSaid("");
    } finally {
      // What a model lacks decides how it is loaded.
      await refreshStored();
      setBusy(false);
    }
  };
  const verify = (): Promise<void> => run(t("verifying"), async (tell) => {
    const { bytes, damaged } = await Engine.storage.verify(model.name, { ...pageOptions(), onProgress: ({ loadedBytes, totalBytes }) => { tell(loadedBytes / totalBytes); } });
    return damaged === 0 ? t("sound", { bytes: formatBytes(bytes) }) : t.count("damaged", damaged);
  });
  const exportFiles = (): Promise<void> => run(t("exporting"), async (tell) => {
    const files = await Engine.storage.export(model.name, { ...pageOptions(), onProgress: ({ loadedBytes, totalBytes }) => { tell(loadedBytes / totalBytes); } });
    for (const file of files) save(file, file.name);
    return "";
  });
  const remove = async (): Promise<void> => {
    if (!confirm(t("confirmDelete", { name }))) return;
    if (isLoaded) await unload();
    await run("", async () => {
      await Engine.storage.delete(model.name, pageOptions());
      return "";
    });
  };
  return (
    <li data-name={name}>
      <div>
        <div class="name">{name} {isLoaded && <span class="chip fits">{t("loaded")}</span>}</div>
        <div class="small">{factsOf(model)}</div>
        {said !== "" && <div class="small" role="status">{said}</div>}
        {failed !== undefined && <Problem error={failed} />}
      </div>
      <div class="buttons">
        {isLoaded
          ? <Button onClick={() => void unload()}>{t("unload")}</Button>
          : <Button kind="main" label={t("loadNamed", { name })} disabled={loading.value !== undefined || busy} onClick={() => void loadStored(model)}>{t(model.complete ? "load" : "goOn")}</Button>}
        <Button label={t("verifyNamed", { name })} disabled={busy} onClick={() => void verify()}>{t("verify")}</Button>
        {model.complete && <Button label={t("exportNamed", { name })} disabled={busy} onClick={() => void exportFiles()}>{t("export")}</Button>}
        <Button kind="danger" label={t("deleteNamed", { name })} disabled={busy} onClick={() => void remove()}>{t("delete")}</Button>
      </div>
    </li>
  );
}

function factsOf({ totalBytes, storedBytes, complete, lastUsed, verifiedAt, sharedBytes, sharedWith }: StoredModel): string {
  const facts = [complete ? formatBytes(totalBytes) : t("partly", { stored: formatBytes(storedBytes), total: formatBytes(totalBytes) })];
  if (lastUsed !== undefined) facts.push(t("lastUsed", { when: formatAgo(lastUsed) }));
  facts.push(verifiedAt === undefined ? t("neverVerified") : t("verifiedAt", { when: formatAgo(verifiedAt) }));
  if (sharedBytes > 0) facts.push(t("shared", { bytes: formatBytes(sharedBytes), names: formatList(sharedWith.map(shortName)) }));
  return facts.join(" · ");
}

function Quota(): JSX.Element {
  const [refused, setRefused] = useState(false);
  const { usageBytes, quotaBytes, persisted } = estimate.value;
  const ask = async (): Promise<void> => {
    setRefused(!await Engine.storage.persist());
    await refreshStored();
  };
  return (
    <div class="quota">
      <meter min={0} max={1} value={quotaBytes > 0 ? usageBytes / quotaBytes : 0} aria-labelledby="usage-line" />
      <p class="small" id="usage-line">{t("used", { used: formatBytes(usageBytes), quota: formatBytes(quotaBytes) })} · {t(persisted === true ? "kept" : "mayBeCleared")}</p>
      {persisted !== true && <Button id="persist" onClick={() => void ask()}>{t("askToKeep")}</Button>}
      {refused && persisted !== true && <p class="small" role="status">{t("refused")}</p>}
    </div>
  );
}
