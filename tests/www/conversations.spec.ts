/** Conversations in a real database: kept, migrated, shared by tabs, wiped. */
import type { Page } from "@playwright/test";
import { expect, openRooms, test } from "./fixture.js";

/** Makes a database of the first schema, as its page did. */
function makeOld(page: Page, records: readonly unknown[], version = 1): Promise<void> {
  return page.evaluate(({ records, version }) => new Promise<void>((made, failed) => {
    const opening = indexedDB.open("doran-demo", version);
    opening.onupgradeneeded = () => {
      const store = opening.result.createObjectStore("conversations", { keyPath: "id" });
      for (const record of records) store.put(record);
    };
    opening.onsuccess = () => {
      opening.result.close();
      made();
    };
    opening.onerror = () => failed(opening.error);
  }), { records, version });
}

/** The version and the records of the database, read without any of our code. */
function raw(page: Page): Promise<{ version: number; stores: string[]; ids: unknown[] }> {
  return page.evaluate(() => new Promise((done, failed) => {
    const opening = indexedDB.open("doran-demo");
    opening.onerror = () => failed(opening.error);
    opening.onsuccess = () => {
      const database = opening.result;
      const keys = database.transaction("conversations").objectStore("conversations").getAllKeys();
      keys.onsuccess = () => {
        done({ version: database.version, stores: [...database.objectStoreNames], ids: keys.result });
        database.close();
      };
    };
  }));
}

const OLD = { id: "old", title: "서울", created: 5, updated: 6, model: "m", messages: [{ role: "user", content: "안녕" }, { role: "assistant", content: "네" }] };

test("conversations are there after a reload, the newest first", async ({ rooms }) => {
  const written = await rooms.evaluate(async () => {
    const { addTurn, newConversation, openConversations } = window.conversations;
    const store = await openConversations();
    const older = addTurn(newConversation("m", { temperature: 0 }, 1), { role: "user", content: "오늘 서울 날씨" }, 2);
    const newer = addTurn(newConversation(null, {}, 3), { role: "user", content: "other" }, 4);
    await store.put(newer);
    await store.put(older);
    return { older, newer, kept: store.kept };
  });
  expect(written.kept).toBe(true);
  await rooms.reload();
  await rooms.waitForFunction(() => document.title === "ready");
  const seen = await rooms.evaluate(async (id) => {
    const { addTurn, openConversations } = window.conversations;
    const store = await openConversations();
    const [got, list, found] = [await store.get(id), await store.list(), await store.search("서울")];
    await store.rename(id, "mine");
    const updated = await store.update(id, (conversation) => addTurn(conversation, { role: "assistant", content: "맑음" }, 9));
    const after = await store.list();
    await store.delete(id);
    const gone = await window.codeOf(store.update(id, (conversation) => conversation));
    return { got, list, found, updated, after, gone, left: (await store.list()).length, missing: await store.get(id) === undefined };
  }, written.older.id);
  expect(seen.got).toEqual(written.older);
  expect(seen.list.map(({ id }) => id)).toEqual([written.newer.id, written.older.id]);
  expect(seen.found.map(({ conversation, hits }) => [conversation.id, hits.length])).toEqual([[written.older.id, 1]]);
  expect(seen.updated).toMatchObject({ title: "mine", titledByHand: true });
  expect(seen.after[0]).toMatchObject({ id: written.older.id, title: "mine", turns: 2, updated: 9 });
  expect(seen).toMatchObject({ gone: "missing", left: 1, missing: true });
});

test("a database of the first schema becomes one of today, with all that was said", async ({ context, page, site }) => {
  await page.goto(`${site.address}/empty`);
  await makeOld(page, [OLD, { id: "odd", messages: [{ role: "user", content: { text: "b" } }, "c"] }, { id: 7, title: "number" }]);
  const rooms = await openRooms(context, site);
  const seen = await rooms.evaluate(async () => {
    const { openConversations, path } = window.conversations;
    const store = await openConversations();
    const said = async (id: string) => {
      const conversation = await store.get(id);
      return conversation === undefined ? [] : path(conversation).map(({ role, content }) => `${role}: ${content}`);
    };
    const list = await store.list();
    const out = { list, old: await said("old"), odd: await said("odd"), found: (await store.search("안녕")).length };
    store.close();
    return out;
  });
  expect(seen.old).toEqual(["user: 안녕", "assistant: 네"]);
  expect(seen.odd).toEqual([`user: {"text":"b"}`, "user: c"]);
  expect(seen.list[0]).toEqual({ id: "old", title: "서울", titledByHand: false, created: 5, updated: 6, model: "m", turns: 2 });
  expect(seen.list.map(({ title }) => title).sort()).toEqual(["", "number", "서울"]);
  expect(seen.found).toBe(1);
  const after = await raw(page);
  expect(after).toMatchObject({ version: 2, stores: ["conversations", "summaries"] });
  expect(after.ids).toHaveLength(3);
  // The second time there is nothing to do.
  expect(await rooms.evaluate(async () => (await (await window.conversations.openConversations()).list()).length)).toBe(3);
});

test("a migration that fails leaves the old database as it was", async ({ context, page, rooms, site }) => {
  await page.goto(`${site.address}/empty`);
  await makeOld(page, [OLD]);
  const code = await rooms.evaluate(() => {
    IDBObjectStore.prototype.put = () => {
      throw new Error("no");
    };
    return window.codeOf(window.conversations.openConversations());
  });
  expect(code).toBe("failed");
  expect(await raw(page)).toEqual({ version: 1, stores: ["conversations"], ids: ["old"] });
  expect(await (await openRooms(context, site)).evaluate(async () => (await (await window.conversations.openConversations()).list()).length)).toBe(1);
});

test("a database of a newer version is a typed error, and stays as it is", async ({ page, rooms, site }) => {
  await page.goto(`${site.address}/empty`);
  await makeOld(page, [{ id: "future" }], 99);
  expect(await rooms.evaluate(() => window.codeOf(window.conversations.openConversations()))).toBe("newer");
  expect(await raw(page)).toEqual({ version: 99, stores: ["conversations"], ids: ["future"] });
});

test("a tab that is in the way of a newer version closes its database and tells", async ({ page, rooms, site }) => {
  await rooms.evaluate(async () => {
    window.store = await window.conversations.openConversations();
    window.store.onChange(({ kind }) => {
      document.title = kind;
    });
  });
  await page.goto(`${site.address}/empty`);
  const version = await page.evaluate(() => new Promise<number>((opened, failed) => {
    const opening = indexedDB.open("doran-demo", 3);
    opening.onsuccess = () => {
      opened(opening.result.version);
      opening.result.close();
    };
    opening.onblocked = () => failed(new Error("blocked"));
  }));
  expect(version).toBe(3);
  await rooms.waitForFunction(() => document.title === "closed");
  expect(await rooms.evaluate(() => window.store === undefined ? "" : window.codeOf(window.store.list()))).toBe("closed");
});

test("while a tab keeps an older version open, opening waits, says so, and goes on", async ({ page, rooms, site }) => {
  await page.goto(`${site.address}/empty`);
  await makeOld(page, [OLD]);
  // A tab of which the page does not hear that it should let go.
  await page.evaluate(() => new Promise<void>((opened) => {
    const opening = indexedDB.open("doran-demo", 1);
    opening.onsuccess = () => {
      // Kept from the garbage collector, which would close it.
      Object.assign(window, { database: opening.result });
      opened();
    };
  }));
  await rooms.evaluate(() => {
    const opening = window.conversations.openConversations({ onBlocked: () => {
      document.title = "blocked";
    } });
    window.opening = opening.then(async (store) => (await store.list()).length);
  });
  await rooms.waitForFunction(() => document.title === "blocked");
  await page.close();
  expect(await rooms.evaluate(() => window.opening)).toBe(1);
});

test("what one tab does the other hears, and a wipe is not undone by an answer that comes", async ({ context, rooms, site }) => {
  const other = await openRooms(context, site);
  const id = await rooms.evaluate(async () => {
    const { newConversation, openConversations } = window.conversations;
    const store = await openConversations();
    const conversation = newConversation();
    await store.put(conversation);
    window.heard = [];
    store.onChange((change) => window.heard?.push(change));
    return conversation.id;
  });
  await other.evaluate(async (id) => {
    const store = await window.conversations.openConversations();
    new BroadcastChannel("doran-demo").postMessage({ kind: "nonsense" });
    await store.rename(id, "theirs");
    await store.deleteAll();
  }, id);
  await rooms.waitForFunction(() => window.heard?.length === 2);
  const seen = await rooms.evaluate(async (id) => {
    const store = await window.conversations.openConversations();
    const late = await window.codeOf(store.update(id, (conversation) => conversation));
    return { heard: window.heard, late, left: (await store.list()).length };
  }, id);
  expect(seen).toEqual({ heard: [{ kind: "put", id, elsewhere: true }, { kind: "wiped", elsewhere: true }], late: "missing", left: 0 });
  expect((await raw(other)).ids).toEqual([]);
});

test("a record that is damaged is told as such, and search goes past it", async ({ rooms }) => {
  const seen = await rooms.evaluate(async () => {
    const { addTurn, newConversation, openConversations } = window.conversations;
    const store = await openConversations();
    const [good, bad] = [1, 2].map((now) => addTurn(newConversation(null, {}, now), { role: "user", content: "word" }, now));
    if (good === undefined || bad === undefined) throw new Error("two were made");
    await store.put(good);
    await store.put(bad);
    await new Promise((done) => {
      const opening = indexedDB.open("doran-demo");
      opening.onsuccess = () => {
        const transaction = opening.result.transaction("conversations", "readwrite");
        transaction.objectStore("conversations").put({ id: bad.id, turns: 5 });
        transaction.oncomplete = done;
      };
    });
    return { code: await window.codeOf(store.get(bad.id)), found: (await store.search("word")).length };
  });
  expect(seen).toEqual({ code: "damaged", found: 1 });
});

test("where the browser refuses a database, conversations live in memory", async ({ rooms }) => {
  const seen = await rooms.evaluate(async () => {
    const { newConversation, openConversations } = window.conversations;
    IDBFactory.prototype.open = () => {
      throw new DOMException("not here", "SecurityError");
    };
    const store = await openConversations();
    await store.put(newConversation());
    return { kept: store.kept, n: (await store.list()).length };
  });
  expect(seen).toEqual({ kept: false, n: 1 });
});

test("no room is told as such, and nothing half written is left", async ({ rooms }) => {
  const seen = await rooms.evaluate(async () => {
    const { newConversation, openConversations } = window.conversations;
    const store = await openConversations();
    IDBObjectStore.prototype.put = function (this: IDBObjectStore, value: unknown) {
      if (this.name === "summaries") throw new DOMException("full", "QuotaExceededError");
      return this.add(value);
    };
    return window.codeOf(store.put(newConversation()));
  });
  expect(seen).toBe("full");
  expect((await raw(rooms)).ids).toEqual([]);
});
