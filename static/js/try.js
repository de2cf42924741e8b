// Trying a prompt: answers are told piece by piece as lines of JSON, in the columns they belong to. Leaving the page, Stop and
// Escape end the asking. Without this script the same form is answered with whole answers.
"use strict";
(() => {
  const isAtOnce = sessionStorage.getItem("try-at-once") === location.pathname;
  sessionStorage.removeItem("try-at-once");  // for this page alone, also where there is nothing to run
  const form = document.querySelector("form[data-try]");
  if (!form) return;
  const find = (selector, from = form) => from.querySelector(selector);
  const all = (selector, from = form) => [...from.querySelectorAll(selector)];
  const [start, stop, state] = ["[data-start]", "[data-stop]", "[data-state]"].map((one) => find(one));
  const copyOf = (name) => document.querySelector(`template[data-${name}]`).content.firstElementChild.cloneNode(true);
  let running = null;

  const say = (text) => { if (state.textContent !== text) state.textContent = text; };
  // Cents where there are any, else the two leading digits: as every page writes money.
  const dollars = (cost) => `$${cost.toFixed(cost === 0 || cost >= 0.1 ? 2 : Math.min(8, 1 - Math.floor(Math.log10(cost))))}`;
  const seconds = (ms) => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`);

  // Characters that nobody sees and a model may mean: shown by their code points, as pages name them (not between two pictures).
  const HIDDEN = /(?!(?<=\p{Extended_Pictographic}\ufe0f?)\u200d(?=\p{Extended_Pictographic}))([\p{Cf}\p{Co}\p{Zl}\p{Zp}\u0000-\u0008\u000b-\u001f\u007f-\u00a0\u1680\u2000-\u200a\u202f\u205f\u3164\u115f\u1160\uffa0\u034f\u17b4\u17b5])/u;
  const marked = (text) => text.split(HIDDEN).map((piece, index) => {
    if (index % 2 === 0) return piece;
    const mark = document.createElement("span");
    mark.className = "invisible";
    mark.textContent = `U+${piece.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
    return mark;
  });

  // One column ------------------------------------------------------------------
  class Column {
    constructor(element) {
      this.element = element;
      this.text = find("[data-text]", element);
      this.isOver = false;
      this.model = "";
      this.clear();
      find("[data-after]", element).hidden = true;
      find("[data-sent]", element).hidden = true;
      this.facts({});
      element.dataset.state = "waiting";
    }

    clear() {
      this.text.textContent = "";
      for (const extra of all("[data-error], .try-call", this.element)) extra.remove();
      this.firstMs = null;
    }

    facts(values) {
      const list = find("[data-facts]", this.element);
      list.replaceChildren(...Object.entries(values).map(([name, value]) => {
        const pair = document.createElement("div");
        const [term, fact] = [document.createElement("dt"), document.createElement("dd")];
        term.textContent = name;
        fact.textContent = value;
        pair.append(term, fact);
        return pair;
      }));
    }

    hear(event) {
      const told = this[`on_${event.kind}`];
      if (told) told.call(this, event);
    }

    on_question({ provider, model, messages }) {
      this.model = `${provider} · ${model}`;
      this.facts({ Model: this.model, State: "waits for its turn" });
      const sent = find("[data-sent]", this.element);
      find("[data-messages-sent]", sent).replaceChildren(...messages.map((message) => {
        const shown = copyOf("sent-message");
        find("header", shown).textContent = message.role;
        const { content } = message;
        find(".message-text", shown).replaceChildren(...marked(typeof content === "string" ? content : JSON.stringify(content, null, 2)));
        return shown;
      }));
      sent.hidden = false;
    }

    on_asked() {
      this.began = performance.now();
      this.element.dataset.state = "asked";
      this.facts({ Model: this.model, State: "asked" });
    }

    on_again() {
      this.clear();
      this.began = performance.now();
      this.facts({ Model: this.model, State: "asked again: the first answer failed" });
    }

    on_held({ seconds: pause }) { this.facts({ Model: this.model, State: `the provider wants a pause of ${pause} s` }); }

    on_text({ text }) {
      if (this.firstMs === null) {
        this.firstMs = performance.now() - this.began;
        this.element.dataset.state = "telling";
        this.facts({ Model: this.model, "First word": seconds(this.firstMs) });
      }
      const box = find("[data-answer]", this.element);
      const isAtEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 24;
      this.text.append(...marked(text));
      if (isAtEnd) box.scrollTop = box.scrollHeight;
    }

    on_answer(event) {
      this.text.replaceChildren(...marked(event.text));
      for (const call of event.tool_calls) {
        const shown = document.createElement("pre");
        shown.className = "try-call";
        shown.append(...marked(JSON.stringify(call, null, 2)));
        find("[data-answer]", this.element).append(shown);
      }
      const count = (value) => (value === null ? "?" : value.toLocaleString("en"));
      this.facts({
        Model: this.model,
        Tokens: `${count(event.input_tokens)} in, ${count(event.output_tokens)} out`,
        Cost: event.cost === null ? "not known" : dollars(Number(event.cost)),
        ...(event.first_ms === null ? {} : { "First word": seconds(event.first_ms) }),
        "In all": seconds(event.latency_ms),
      });
      find("[data-add]", this.element).value = event.text;
      find("[data-after]", this.element).hidden = false;
      this.end("done");
    }

    on_error({ error, text }) {
      this.fail(`${error.replaceAll("_", " ")}: ${text}`);
      this.facts({ Model: this.model });
    }

    fail(text) {
      const shown = copyOf("failure");
      find("span", shown).replaceChildren(...marked(text));
      find("[data-answer]", this.element).append(shown);
      this.end("failed");
    }

    halt() {
      this.facts(this.model ? { Model: this.model, State: "stopped" } : { State: "stopped" });
      this.end("stopped");
    }

    end(how) {
      this.isOver = true;
      this.element.dataset.state = how;
    }
  }

  // A whole try -------------------------------------------------------------------
  async function* lines(body) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const parts = (rest + value).split("\n");
      rest = parts.pop();
      for (const part of parts) if (part) yield JSON.parse(part);
    }
  }

  function refuse(text, errors = []) {
    const shown = copyOf("refusal");
    find("span", shown).textContent = text;
    for (const error of errors.filter((one) => !text.includes(one.message))) {
      const line = document.createElement("p");
      line.textContent = `${error.field} ${error.message}`;
      shown.append(line);
    }
    find("[data-refused]").replaceChildren(shown);
    const named = new Set(errors.map((one) => one.field));
    for (const field of all("[name=v_sample]", form)) {
      if (named.has(`variables.${find("[name=v_name]", field.parentElement).value}`)) field.setAttribute("aria-invalid", "true");
    }
    (find("[name=v_sample][aria-invalid]", form) || shown).scrollIntoView({ block: "nearest" });
  }

  function settle() {
    find("[data-refused]").replaceChildren();
    for (const field of all("[name=v_sample][aria-invalid]", form)) field.removeAttribute("aria-invalid");
  }

  async function run() {
    if (running || start.disabled) return;
    running = new AbortController();
    const { signal } = running;
    const posted = new FormData(form);
    keepSamples();
    settle();
    const columns = all("[data-column]").filter((one) => find("[data-source]", one).value).map((one) => new Column(one));
    const began = performance.now();
    const clock = setInterval(() => say(`Running: ${seconds(performance.now() - began)}`), 500);
    const isTyping = document.activeElement.matches("textarea, input");
    start.hidden = true;
    stop.hidden = false;
    if (!isTyping) stop.focus();
    say("Running");
    let outcome = "";
    try {
      const response = await fetch(form.dataset.run, { method: "POST", body: posted, signal });
      if (!response.ok || !response.body) outcome = await refusal(response);
      else for await (const event of lines(response.body)) if (event.column !== undefined) columns[event.column]?.hear(event);
      for (const column of columns) if (!column.isOver && !outcome) column.fail("The line to the server broke. Run it again.");
    } catch {
      outcome = signal.aborted ? "Stopped" : "The server could not be reached";
      if (!signal.aborted) refuse("The server could not be reached: try again.");
    } finally {
      clearInterval(clock);
      for (const column of columns) if (!column.isOver) column.halt();
      const wasOnStop = document.activeElement === stop;
      stop.hidden = true;
      start.hidden = false;
      const wrong = find("[name=v_sample][aria-invalid]", form);
      if (wasOnStop) (wrong || start).focus();
      running = null;
      const failed = columns.filter((one) => one.element.dataset.state === "failed").length;
      say(outcome || (failed ? `${failed} of ${columns.length} failed` : `Answered in ${seconds(performance.now() - began)}`));
    }
  }

  async function refusal(response) {
    try {
      const problem = await response.json();
      refuse(problem.detail, problem.errors);
    } catch {
      refuse(response.redirected ? "You are signed out: reload the page." : `The server answered ${response.status}: try again.`);
    }
    return "Nothing was asked";
  }

  // Keys and buttons ----------------------------------------------------------------
  form.addEventListener("submit", (event) => {
    const by = event.submitter;
    if (by && by.name !== "do") return;
    event.preventDefault();
    event.stopPropagation();
    run();
  }, true);
  stop.addEventListener("click", () => running?.abort());
  addEventListener("pagehide", () => running?.abort());
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && running) running.abort();
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); run(); }
  });
  form.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy-answer]");
    if (!button) return;
    const text = find("[data-add]", button.closest("[data-column]")).value;
    navigator.clipboard.writeText(text).then(() => document.dispatchEvent(new CustomEvent("toast", { detail: { text: "Copied.", level: "success" } })));
  });

  // Other columns may ask for other variables: the fields follow what is chosen.
  form.addEventListener("change", (event) => {
    if (!event.target.matches("[data-source]")) return;
    const column = event.target.closest("[data-column]");
    column.toggleAttribute("data-off", !event.target.value);
    find("[data-refresh-fields]").click();
  });

  // What a prompt was tried with stays for the tab: an editor and Try of the same prompt fill in what is empty.
  const SAMPLES = `samples ${location.pathname.replace(/\/[^/]*$/, "")}`;
  const values = () => all("[name='v_name']").map((name) => [name.value, find("[name='v_sample']", name.parentElement)]);
  function keepSamples() {
    const kept = Object.fromEntries(values().map(([name, field]) => [name, field.value]).filter(([, value]) => value));
    sessionStorage.setItem(SAMPLES, JSON.stringify({ ...JSON.parse(sessionStorage.getItem(SAMPLES) || "{}"), ...kept }));
  }
  const kept = JSON.parse(sessionStorage.getItem(SAMPLES) || "{}");
  for (const [name, field] of values()) if (!field.value && kept[name]) field.value = kept[name];

  if (isAtOnce) {
    const lacking = all("[data-needed]").find((field) => !field.value);
    if (!lacking) run();
    else {
      say("Fill in what it is tried with, then run it.");
      lacking.focus();
    }
  }
})();
