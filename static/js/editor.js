// The prompt editor's niceties: message cards that move without a round trip, variables that follow the text, marks at their
// place, drafts kept while one types, saving and trying by keyboard. Without this script the same form works by submits.
"use strict";
(() => {
  const { all } = Code;
  const form = document.querySelector("form[data-editor]");
  const find = (selector, from = form) => from.querySelector(selector);
  const changed = () => form.dispatchEvent(new Event("input", { bubbles: true }));
  const copyOf = (name) => document.querySelector(`template[data-new='${name}']`).content.firstElementChild.cloneNode(true);
  const toast = (text, level) => document.dispatchEvent(new CustomEvent("toast", { detail: { text, level } }));
  const templates = () => all("[data-template]", form);

  // Message cards ----------------------------------------------------------------
  const cards = () => all("[data-messages] [data-message]", form);

  function renumber() {
    cards().forEach((card, index, list) => {
      find("[data-number]", card).textContent = index + 1;
      for (const button of all("[data-step]", card)) {
        const verb = button.dataset.step;
        button.value = `${verb}:${index}`;
        button.disabled = (verb === "up" && index === 0) || (verb === "down" && index === list.length - 1);
      }
    });
  }

  function duplicate(card) {
    const copy = copyOf(card.hasAttribute("data-placeholder") ? "placeholder" : "message");
    for (const name of ["role", "shape", "content"]) {
      const [from, to] = [card, copy].map((one) => find(`[name='${name}']`, one));
      if (to.tagName === "SELECT" && ![...to.options].some((option) => option.value === from.value)) to.add(new Option(from.value));
      to.value = from.value;
    }
    card.after(copy);
    return copy;
  }

  function perform(verb, card) {
    if (verb === "add" || verb === "placeholder") {
      const made = copyOf(verb === "add" ? "message" : "placeholder");
      const before = cards().at(-1)?.querySelector("[name='role']")?.value;
      if (verb === "add") find("[name='role']", made).value = before === "user" ? "assistant" : "user";
      find("[data-messages]").append(made);
      return made;
    }
    if (verb === "copy") return duplicate(card);
    if (verb === "up") card.previousElementSibling?.before(card);
    if (verb === "down") card.nextElementSibling?.after(card);
    if (verb === "drop") { card.remove(); return cards().at(-1); }
    return card;
  }

  function focusOn(card) {
    const textarea = card?.querySelector("textarea");
    if (textarea) Code.focus(textarea);
    else card?.querySelector("input:not([type=hidden])")?.focus();
  }

  // Variables ----------------------------------------------------------------------
  const rows = () => all("[data-variable]", form);
  const nameOf = (row) => find("[name='v_name']", row).value.trim();
  const isPlaceholder = (row) => find("[name='v_kind']", row).value === "messages";
  const facts = () => find("[data-facts]").dataset;
  const list = (text) => (text ? text.split(" ") : []);

  function addRow(name, isInferred) {
    const row = copyOf("variable");
    find("[name='v_name']", row).value = name;
    if (isInferred) {
      find("[name='v_declared']", row).value = "";
      find("[name='v_name']", row).readOnly = true;
      find("[data-unrow]", row).hidden = true;
      row.toggleAttribute("data-inferred", true);
    }
    find("[data-rows-of]").append(row);
    countRows();
    return row;
  }

  function countRows() {
    rows().forEach((row, index) => { const button = find("[data-unrow]", row); if (button) button.value = `unrow:${index}`; });
    const none = find("[data-no-variables]");
    if (none) none.hidden = rows().length > 0;
  }

  // As long as nothing is declared by hand, the rows are the names that the text uses.
  function followText() {
    if (!find("[data-rows-of]") || !facts().known) return;
    const [used, unused] = [list(facts().used), list(facts().unused)];
    const mine = rows().filter((row) => !isPlaceholder(row));
    if (mine.every((row) => row.hasAttribute("data-inferred"))) {
      let moved = false;
      for (const row of mine) if (!used.includes(nameOf(row)) && !row.contains(document.activeElement)) { row.remove(); moved = true; }
      for (const name of used) if (!mine.some((row) => nameOf(row) === name)) { addRow(name, true); moved = true; }
      if (moved) { countRows(); if (facts().undeclared) changed(); }
    }
    for (const row of rows()) find("[data-unused]", row).hidden = !unused.includes(nameOf(row));
  }

  Code.sources.variables = () => {
    const found = new Map(list(facts().used).map((name) => [name, ""]));
    for (const row of rows()) if (nameOf(row) && !isPlaceholder(row)) found.set(nameOf(row), find("[name='v_kind']", row).value);
    try {
      const { properties = {} } = JSON.parse(find("[data-variables]").value || "{}");
      for (const [name, schema] of Object.entries(properties)) found.set(name, String(schema.type || ""));
    } catch {
      // Half a schema: the names in use are what there is.
    }
    return [...found].map(([label, detail]) => ({ label, detail, type: "variable" }));
  };
  Code.sources.includes = async (text) => {
    const answer = await fetch(`${form.dataset.includes}?q=${encodeURIComponent(text)}`);
    return answer.ok ? (await answer.json()).prompts : [];
  };

  function declare(name) {
    if (!find("[data-rows-of]")) return false;
    const row = addRow(name, false);
    changed();
    find("[name='v_kind']", row).focus();
    return true;
  }

  // Marks at their place --------------------------------------------------------------
  function offset(text, codePoints) {
    return [...text.slice(0, codePoints * 2)].slice(0, codePoints).join("").length;
  }

  function showMarks() {
    const [undeclared, problems, suspects] = [list(facts().undeclared), all("[data-problem]"), all("[data-suspect]")];
    templates().forEach((textarea, index) => {
      const view = Code.viewOf(textarea);
      if (!view) return;
      const { doc } = view.state;
      const card = textarea.closest("[data-message]");
      const at = card ? cards().indexOf(card) : index;
      const isHere = (one) => (one.dataset.index || "0") === String(at);
      const marks = problems.filter((one) => isHere(one) && one.dataset.line).map((one) => {
        const line = doc.line(Math.min(Math.max(Number(one.dataset.line), 1), doc.lines));
        return { from: line.from, to: line.to, severity: "error", message: one.dataset.text };
      });
      const text = undeclared.length || suspects.length ? doc.toString() : "";
      for (const name of undeclared) {
        const actions = find("[data-rows-of]") ? [{ name: "Declare it", apply: () => declare(name) }] : [];
        for (const [from, to] of Code.usesOf(text, name)) marks.push({ from, to, severity: "warning", message: `${name} is used, not declared`, actions });
      }
      for (const one of suspects.filter(isHere)) {
        const [from, to] = [one.dataset.start, one.dataset.end].map((place) => offset(text, Number(place)));
        marks.push({ from, to, severity: "warning", message: "This looks like a secret" });
      }
      Code.mark(textarea, marks);
    });
  }

  /** What is wrong is told at its text; the preview says that it waits for it. */
  function placeProblems() {
    const told = [...document.querySelectorAll("template[data-problem-of]")];
    all("[data-problems]", form).forEach((slot, index) => {
      const here = told.filter((one) => one.dataset.problemOf === String(index));
      slot.replaceChildren(...here.map((one) => one.content.cloneNode(true)));
    });
  }

  /** What saving refused goes once the text is sound again; until then the preview says what is in no text. */
  function dropMended() {
    const isSound = !all("[data-problem]").length;
    for (const one of all(isSound ? "[data-until-mended]" : "[data-told]", form)) one.remove();
  }

  // Drafts: one request at a time, so that no window is in its own way -------------------
  const autosave = find("[data-autosave]");
  let [isDirty, isSending, isSaving] = [false, false, false];
  form.addEventListener("input", () => { isDirty = true; });
  document.addEventListener("htmx:before:request", (event) => {
    if (!autosave.contains(event.target)) return;
    if (isSaving) { event.preventDefault(); return; }
    [isDirty, isSending] = [false, true];
    // One that waited for its turn sends what stands there now, and goes on from the draft that was kept meanwhile.
    const { ctx } = event.detail;
    ctx.request.body = written();
    for (const [name, value] of Object.entries(ctx.vals || {})) ctx.request.body.set(name, value);
  });
  document.addEventListener("htmx:finally:request", (event) => { if (autosave.contains(event.target)) isSending = false; });

  async function kept() {
    if (isDirty) autosave.dispatchEvent(new Event("keep"));
    for (let tries = 0; tries < 50; tries += 1) {
      if (!isDirty && !isSending) return !find("[data-draft-conflict]");
      await new Promise((done) => { setTimeout(done, 100); });
    }
    return false;
  }

  // Whoever leaves with words that no draft has yet: they are sent behind the page, or the browser asks where that cannot be.
  const MOST_BEHIND = 60_000; // bytes; browsers send 64 KiB
  let wasSentBehind = false;
  const written = () => new URLSearchParams(new FormData(form));
  addEventListener("beforeunload", (event) => {
    if (isDirty && !isSaving && (isSending || written().toString().length > MOST_BEHIND)) event.preventDefault();
  });
  addEventListener("pagehide", () => {
    if (!isDirty || isSaving) return;
    [isDirty, wasSentBehind] = [false, true];
    fetch(autosave.getAttribute("hx-post"), { method: "POST", body: written(), keepalive: true }).catch(() => {});
  });
  addEventListener("pageshow", (event) => {
    isSaving = false;
    if (event.persisted && wasSentBehind) location.reload();
  });

  // What is saved is no draft: none is sent from then on, and one that is under way arrives before it.
  async function saveAfterDraft(button) {
    for (let tries = 0; isSending && tries < 50; tries += 1) await new Promise((done) => { setTimeout(done, 100); });
    isSending = false;
    form.requestSubmit(button);
  }

  // Saving and trying ------------------------------------------------------------------
  function asksFirst() {
    const message = find("[name='message']");
    const isBlank = templates().length > 0 && templates().every((one) => !one.value.trim()) && !form.dataset.askedBlank;
    if (!isBlank && (message.value.trim() || message.dataset.asked)) return false;
    message.dataset.asked = form.dataset.askedBlank = "1";
    message.focus({ preventScroll: true });
    if (isBlank) toast("Nothing is written yet, and a version is kept for good. Save again to keep it empty.", "warning");
    else toast("Say what changed, then save again. Left empty, it is saved without a word.", "info");
    return true;
  }

  async function tryIt() {
    const link = find("a[data-try]");
    if (!link) return;
    if (!(await kept())) { toast("The draft is not kept yet: what is typed cannot be tried.", "warning"); return; }
    sessionStorage.setItem("try-at-once", new URL(link.href).pathname);
    location.assign(link.href);
  }

  document.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey)) {
      if (event.key === "Enter" && event.target.matches(".editor input")) event.preventDefault();  // only the message field saves
      return;
    }
    if (event.key === "Enter") { event.preventDefault(); tryIt(); }
    if (event.key !== "s") return;
    event.preventDefault();
    form.requestSubmit(find("[data-save]"));
  });

  form.addEventListener("submit", (event) => {
    if (event.submitter?.hasAttribute("formaction")) isSaving = true; // the draft is dropped
    if (event.submitter?.name !== "do") return;
    if (!asksFirst()) {
      keepSamples();
      isSaving = true;
      if (!isSending) return;
      saveAfterDraft(event.submitter);
    }
    event.preventDefault();
    event.stopPropagation();
  }, true);

  // A preview that grows leaves the field one types in where it is; one that shrinks, as while half a name is typed, keeps its place.
  const preview = find("[data-preview]");
  const side = preview.closest(".editor-side");
  let height = preview.offsetHeight;
  new ResizeObserver(() => {
    const grown = preview.offsetHeight - height;
    height = preview.offsetHeight;
    if (height) preview.style.minBlockSize = `${height}px`;
    const field = document.activeElement;
    const isBelow = side.contains(field) && preview.compareDocumentPosition(field) === Node.DOCUMENT_POSITION_FOLLOWING;
    if (grown > 0 && height > grown && isBelow) side.scrollTop += grown;
  }).observe(preview);

  // Sample values are no part of a version: they stay for the tab, here and in Try.
  const SAMPLES = `samples ${location.pathname.replace(/\/[^/]*$/, "")}`;
  const samples = () => rows().map((row) => [find("[name='v_name']", row).value, find("[name='v_sample']", row)]);
  function keepSamples() {
    const kept = Object.fromEntries(samples().map(([name, field]) => [name, field.value]).filter(([, value]) => value));
    sessionStorage.setItem(SAMPLES, JSON.stringify({ ...JSON.parse(sessionStorage.getItem(SAMPLES) || "{}"), ...kept }));
  }
  function fillSamples() {
    const kept = JSON.parse(sessionStorage.getItem(SAMPLES) || "{}");
    const empty = samples().filter(([name, field]) => !field.value && kept[name]);
    for (const [name, field] of empty) field.value = kept[name];
    // The server drew the preview without them. Not at once: htmx, which is loaded last, looks at the page in a task of its own,
    // set before this one.
    if (empty.length) addEventListener("load", () => setTimeout(() => preview.dispatchEvent(new Event("samples"))));
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-step], [data-row-add], [data-unrow], [data-declare], [data-newer], a[data-try]");
    if (!button) return;
    const { step, declare: name, newer } = button.dataset;
    if (name !== undefined && !declare(name)) return;
    event.preventDefault();
    if (button.matches("a[data-try]")) tryIt();
    if (button.matches("[data-row-add]")) find("[name='v_name']", addRow("", false)).focus();
    if (button.matches("[data-unrow]")) { button.closest("[data-variable]").remove(); countRows(); changed(); }
    if (newer !== undefined) {
      const escaped = button.dataset.name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
      const pattern = new RegExp(`(?<=@@@langfusePrompt:name=${escaped}\\|version=)\\d+(?=@@@)`, "g");
      for (const textarea of templates()) Code.replace(textarea, pattern, newer);
    }
    if (step === undefined) return;
    const card = perform(step, button.closest("[data-message]"));
    Code.mountAll(form);
    renumber();
    focusOn(card);
    changed();
  });

  document.addEventListener("htmx:after:settle", (event) => {
    const target = event.target.closest?.("[data-preview], [data-panel]") || event.detail?.ctx?.target;
    if (!target?.matches?.("[data-preview], [data-panel], #panel-variables, #panel-model")) return;
    if (target.matches("[data-preview]")) { followText(); showMarks(); placeProblems(); dropMended(); return; }
    Code.mountAll(form);
    changed();
  });

  Code.mountAll(form);
  if (find("[data-messages]")) renumber();
  countRows();
  followText();
  fillSamples();
  showMarks();
})();
