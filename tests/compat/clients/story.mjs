// What a team does with Langfuse's own JavaScript client, against a server of ours: every line printed is a step that held.
import assert from "node:assert/strict";
import process from "node:process";
import { LangfuseClient } from "@langfuse/client";

const url = process.env.STORY_URL;
const folder = "team/größe 漢字/greeting";
const fresh = { cacheTtlSeconds: 0, maxRetries: 0 };

function client(who) {
  const [publicKey, secretKey] = process.env[`STORY_${who}`].split(":");
  return new LangfuseClient({ publicKey, secretKey, baseUrl: url });
}

async function refused(act, status) {
  try {
    await act();
  } catch (error) {
    assert.equal(error.statusCode, status, String(error));
    return error;
  }
  throw new Error("it should have failed");
}

async function texts(langfuse) {
  const text = "Grüße, {{name}}! 🦊 \\{ }";
  const config = { model: "m", temperature: 0.2 };
  const made = await langfuse.prompt.create({ name: folder, prompt: text, config, tags: ["a"], labels: ["first"] });
  assert.equal(made.version, 1);
  assert.equal(made.compile({ name: "Ada" }), "Grüße, Ada! 🦊 \\{ }");
  await langfuse.prompt.create({ name: folder, prompt: "Hi {{name}}", labels: [] });
  for (const [by, version] of [[{ version: 1 }, 1], [{ label: "first" }, 1], [{ label: "latest" }, 2], [{ version: 2 }, 2]]) {
    const got = await langfuse.prompt.get(folder, { ...fresh, ...by });
    assert.equal(got.version, version);
    assert.equal(got.name, folder);
  }
  const got = await langfuse.prompt.get(folder, { ...fresh, version: 1 });
  assert.deepEqual([got.config, got.tags, got.prompt], [config, ["a"], text]);
  await refused(() => langfuse.prompt.get(folder, { ...fresh, label: "nothing" }), 404);
  const fallback = await langfuse.prompt.get("not/there", { ...fresh, fallback: "used {{x}}" });
  assert.equal(fallback.compile({ x: "1" }), "used 1");
  console.log("texts, folders, unicode, compile");
}

async function chats(langfuse) {
  const prompt = [
    { role: "system", content: "You are {{role}}." },
    { type: "placeholder", name: "history" },
    { role: "user", content: "{{question}}" },
  ];
  await langfuse.prompt.create({ name: "team/chat", type: "chat", prompt, labels: ["kept"] });
  const chat = await langfuse.prompt.get("team/chat", { ...fresh, type: "chat", label: "kept" });
  const said = chat.compile({ role: "kind", question: "Why?" }, { history: [{ role: "assistant", content: "Hello" }] });
  assert.deepEqual(said.map(({ role, content }) => [role, content]), [
    ["system", "You are kind."], ["assistant", "Hello"], ["user", "Why?"],
  ]);
  console.log("chats, placeholders");
}

async function labels(langfuse) {
  await langfuse.prompt.update({ name: folder, version: 2, newLabels: ["first", "second"] });
  assert.equal((await langfuse.prompt.get(folder, { ...fresh, label: "first" })).version, 2);
  await langfuse.prompt.update({ name: folder, version: 1, newLabels: ["development"] });
  assert.equal((await langfuse.prompt.get(folder, { ...fresh, label: "development" })).version, 1);
  for (const act of [
    () => langfuse.prompt.update({ name: folder, version: 2, newLabels: ["production"] }),
    () => langfuse.prompt.create({ name: folder, prompt: "never", labels: ["production"] }),
  ]) {
    const error = await refused(act, 403);
    assert.ok(error.body.message.includes(`open a promotion at ${url}/w/`), JSON.stringify(error.body));
  }
  assert.equal((await langfuse.prompt.get(folder, { ...fresh, label: "latest" })).version, 2);
  console.log("labels, 403 with the page's address");
}

async function caches(langfuse) {
  const get = () => langfuse.prompt.get("cached", { label: "x", cacheTtlSeconds: 1 });
  await langfuse.prompt.create({ name: "cached", prompt: "one", labels: ["x"] });
  assert.equal((await get()).prompt, "one");
  await langfuse.prompt.create({ name: "cached", prompt: "two", labels: ["x"] });
  for (let tries = 0; (await get()).prompt !== "two"; tries += 1) {
    assert.ok(tries < 100, "the cache was never refreshed");
    await new Promise((done) => setTimeout(done, 100));
  }
  console.log("caches");
}

async function many(langfuse) {
  const numbers = [...Array(8).keys()];
  const made = await Promise.all(
    numbers.map((n) => langfuse.prompt.create({ name: "many", prompt: `text ${n}`, labels: [] })),
  );
  assert.deepEqual(made.map((one) => one.version).sort(), numbers.map((n) => n + 1));
  for (const { version, prompt } of made) {
    const read = await langfuse.prompt.get("many", { ...fresh, version });
    assert.deepEqual([read.version, read.prompt], [version, prompt]);
  }
  console.log("eight versions at once");
}

async function lists(langfuse) {
  const found = await langfuse.api.prompts.list({ limit: 2 });
  assert.deepEqual([found.meta.totalItems, found.meta.totalPages, found.data.length], [4, 2, 2]);
  const [row] = (await langfuse.api.prompts.list({ name: folder })).data;
  assert.deepEqual([row.versions, row.tags, row.type], [[1, 2], ["a"], "text"]);
  const kept = await langfuse.api.prompts.list({ label: "kept" });
  assert.deepEqual(kept.data.map((one) => one.name), ["team/chat"]);
  console.log("lists");
}

async function deletes(langfuse) {
  await langfuse.prompt.delete("many", { version: 8 });
  assert.ok(!(await langfuse.api.prompts.list({ name: "many" })).data[0].versions.includes(8));
  await langfuse.prompt.delete("team/chat");
  await refused(() => langfuse.prompt.get("team/chat", { ...fresh, type: "chat", label: "latest" }), 404);
  const again = await langfuse.prompt.create({ name: "team/chat", type: "chat", prompt: [{ role: "user", content: "x" }] });
  assert.equal(again.version, 2);
  console.log("deletes");
}

async function services(service) {
  assert.equal((await service.prompt.get(folder, fresh)).version, 1);
  assert.equal((await service.prompt.get(folder, { ...fresh, label: "development" })).version, 1);
  for (const by of [{ label: "staging" }, { label: "first" }, { label: "latest" }, { version: 2 }]) {
    await refused(() => service.prompt.get(folder, { ...fresh, ...by }), 404);
  }
  await refused(() => service.prompt.create({ name: folder, prompt: "x" }), 403);
  console.log("services");
}

const langfuse = client("CI");
for (const step of [texts, chats, labels, caches, many, lists, deletes]) {
  await step(langfuse);
}
await services(client("SERVICE"));
process.exit(0);
