// What promptfoo does with prompts named langfuse://name@label:type or langfuse://name:version:type, by the client that it uses.
import assert from "node:assert/strict";
import process from "node:process";
import { Langfuse } from "langfuse";

const name = "team/größe/sort";

function client(who) {
  const [publicKey, secretKey] = process.env[`STORY_${who}`].split(":");
  return new Langfuse({ publicKey, secretKey, baseUrl: process.env.STORY_URL });
}

// As it is called there: a text where no type is named, its compiled messages as JSON where it is a chat.
async function getPrompt(langfuse, id, vars, { type = "text", version, label } = {}) {
  const prompt = await langfuse.getPrompt(id, version, { ...(label ? { label } : {}), type });
  const compiled = prompt.compile(vars);
  return typeof compiled === "string" ? compiled : JSON.stringify(compiled);
}

async function texts(langfuse) {
  await langfuse.createPrompt({ name, prompt: "Sort {{message}} 🦊 first", labels: ["candidate"], type: "text" });
  await langfuse.createPrompt({ name, prompt: "Sort {{message}} second", labels: ["development"], type: "text" });
  const vars = { message: "a < b" };
  assert.equal(await getPrompt(langfuse, name, vars, { label: "candidate" }), "Sort a < b 🦊 first");
  assert.equal(await getPrompt(langfuse, name, vars, { label: "latest" }), "Sort a < b second");
  assert.equal(await getPrompt(langfuse, name, vars, { version: 1 }), "Sort a < b 🦊 first");
  assert.equal(await getPrompt(client("SERVICE"), name, vars), "Sort a < b second");
  console.log("texts by label, version and key");
}

async function chats(langfuse) {
  const prompt = [{ role: "system", content: "You are {{role}}." }, { role: "user", content: "{{question}}" }];
  await langfuse.createPrompt({ name: "team/chat", type: "chat", prompt, labels: ["kept"] });
  const said = await getPrompt(langfuse, "team/chat", { role: "kind", question: "Why?" }, { type: "chat", label: "kept" });
  assert.deepEqual(JSON.parse(said), [{ role: "system", content: "You are kind." }, { role: "user", content: "Why?" }]);
  console.log("chats");
}

async function refusals(langfuse) {
  await assert.rejects(getPrompt(langfuse, name, {}, { label: "nothing" }));
  await assert.rejects(getPrompt(langfuse, name, {}, { version: 9 }));
  await assert.rejects(getPrompt(client("SERVICE"), name, {}, { label: "candidate" }));
  console.log("what is not there");
}

const langfuse = client("CI");
for (const step of [texts, chats, refusals]) {
  await step(langfuse);
}
process.exit(0);
