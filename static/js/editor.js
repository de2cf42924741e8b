// The prompt editor's niceties: CodeMirror over each textarea, message cards that move without a round trip, completion of
// declared variables, and the preview's problems shown at their line. Without this script the same form works by submits.
"use strict";
(() => {
  const nonce = document.querySelector("meta[name='csp-nonce']").content;
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const views = new WeakMap();

  const colour = (name) => `var(--${name})`;
  const theme = CM.EditorView.theme({
    "&": { backgroundColor: "transparent", color: colour("ink") },
    "&.cm-focused": { outline: "none" },
    ".cm-scroller": { fontFamily: colour("mono"), lineHeight: "1.6", maxHeight: "70vh" },
    ".cm-content": { caretColor: colour("ink"), padding: "0.6rem 0", minHeight: "5.5rem" },
    ".cm-line": { padding: "0 0.75rem 0 0.5rem" },
    ".cm-gutters": { backgroundColor: "transparent", color: colour("ink-3"), border: "none" },
    ".cm-lineNumbers .cm-gutterElement": { minWidth: "2.25rem" },
    ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "transparent" },
    "&.cm-focused .cm-activeLine": { backgroundColor: colour("hover") },
    ".cm-cursor": { borderLeftColor: colour("ink") },
    "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
      background: "color-mix(in oklab, var(--accent) 24%, transparent)",
    },
    ".cm-selectionMatch": { backgroundColor: colour("accent-soft") },
    ".cm-matchingBracket, .cm-nonmatchingBracket": { backgroundColor: "transparent" },
    "&.cm-focused .cm-matchingBracket": { backgroundColor: colour("accent-soft"), outline: "1px solid var(--line-strong)" },
    ".cm-tooltip": { backgroundColor: colour("raised"), border: "1px solid var(--line)", borderRadius: "8px", boxShadow: colour("shadow-l") },
    ".cm-tooltip.cm-tooltip-autocomplete > ul": { fontFamily: colour("mono") },
    ".cm-tooltip-autocomplete ul li[aria-selected]": { backgroundColor: colour("accent"), color: colour("on-accent") },
    ".cm-panels": { backgroundColor: colour("sunken"), color: colour("ink"), borderColor: colour("line") },
    ".cm-textfield": { backgroundColor: colour("surface"), border: "1px solid var(--control-line)", borderRadius: "4px" },
    ".cm-button": { backgroundImage: "none", backgroundColor: colour("raised"), border: "1px solid var(--line-strong)", borderRadius: "4px" },
    ".cm-specialChar": { color: colour("warn"), backgroundColor: colour("warn-soft"), borderRadius: "3px" },
  });
  const { tags } = CM;
  const highlight = CM.HighlightStyle.define([
    { tag: [tags.brace, tags.controlKeyword, tags.keyword, tags.definitionKeyword, tags.operatorKeyword], color: colour("accent"), fontWeight: "600" },
    { tag: [tags.variableName, tags.propertyName], color: colour("info") },
    { tag: tags.special(tags.variableName), color: colour("warn") },
    { tag: [tags.string, tags.number, tags.bool, tags.null], color: colour("warn") },
    { tag: tags.tagName, color: colour("ink-3"), fontWeight: "550" },
    { tag: tags.heading, fontWeight: "650" },
    { tag: [tags.blockComment, tags.comment], color: colour("ink-3"), fontStyle: "italic" },
    { tag: [tags.operator, tags.punctuation, tags.derefOperator], color: colour("ink-2") },
    { tag: tags.invalid, color: colour("fail") },
  ]);

  // Declared variables, as completions -----------------------------------------
  const language = new CM.Compartment();

  function declared() {
    const found = new Map();
    for (const textarea of all("form[data-editor] [data-template]")) {
      for (const [, name] of textarea.value.matchAll(/\{\{-?\s*([A-Za-z_]\w*)/g)) found.set(name, "");
    }
    try {
      const { properties = {} } = JSON.parse(document.querySelector("[data-variables]").value);
      for (const [name, schema] of Object.entries(properties)) found.set(name, String(schema.type || ""));
    } catch {
      // No schema yet, or half of one: the names in use are what there is.
    }
    return [...found].map(([label, detail]) => ({ label, detail, type: "variable" }));
  }

  const jsonProblems = CM.jsonParseLinter();
  const compact = CM.EditorView.theme({ ".cm-gutters": { display: "none" }, ".cm-line": { padding: "0 0.6rem" }, ".cm-content": { minHeight: "3.5rem" } });

  const languages = {
    jinja: () => CM.jinja({ variables: declared() }),
    json: () => [CM.json(), CM.linter((view) => (view.state.doc.toString().trim() ? jsonProblems(view) : []))],
    plain: () => [],
  };

  function mount(textarea) {
    if (views.has(textarea)) return;
    const kind = textarea.dataset.code;
    const view = new CM.EditorView({
      doc: textarea.value,
      extensions: [
        CM.EditorView.cspNonce.of(nonce),
        CM.basicSetup,
        CM.EditorView.lineWrapping,
        theme,
        textarea.closest(".field") ? compact : [],
        CM.syntaxHighlighting(highlight),
        language.of(languages[kind]()),
        CM.EditorView.contentAttributes.of({ "aria-label": textarea.getAttribute("aria-label") || textarea.name }),
        CM.EditorView.updateListener.of((update) => {
          if (!update.docChanged) return;
          textarea.value = update.state.doc.toString();
          textarea.dispatchEvent(new Event("input", { bubbles: true }));
        }),
      ],
    });
    textarea.hidden = true;
    textarea.after(view.dom);
    views.set(textarea, view);
  }

  function value(textarea, text) {
    const view = views.get(textarea);
    if (view) view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } });
    else textarea.value = text;
  }

  // Message cards ----------------------------------------------------------------
  const cards = () => all("[data-messages] [data-message]");

  function renumber() {
    cards().forEach((card, index, list) => {
      card.querySelector("[data-number]").textContent = index + 1;
      for (const button of all("[data-step]", card)) {
        const verb = button.dataset.step;
        button.value = `${verb}:${index}`;
        button.disabled = (verb === "up" && index === 0) || (verb === "down" && index === list.length - 1);
      }
    });
  }

  function fresh(kind) {
    const card = document.querySelector(`template[data-new='${kind}']`).content.firstElementChild.cloneNode(true);
    return card;
  }

  function duplicate(card) {
    const copy = fresh(card.hasAttribute("data-placeholder") ? "placeholder" : "message");
    for (const name of ["role", "shape", "content"]) {
      const [from, to] = [card, copy].map((one) => one.querySelector(`[name='${name}']`));
      to.value = from.value;
    }
    card.after(copy);
    return copy;
  }

  function perform(verb, card) {
    if (verb === "add" || verb === "placeholder") {
      const made = fresh(verb === "add" ? "message" : "placeholder");
      const before = cards().at(-1)?.querySelector("[name='role']")?.value;
      if (verb === "add") made.querySelector("[name='role']").value = before === "user" ? "assistant" : "user";
      document.querySelector("[data-messages]").append(made);
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
    if (textarea) (views.get(textarea) || textarea).focus();
    else card?.querySelector("input:not([type=hidden])")?.focus();
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-step]");
    if (!button) return;
    event.preventDefault();
    const form = button.form;
    const card = perform(button.dataset.step, button.closest("[data-message]"));
    for (const textarea of all("textarea[data-code]", form)) mount(textarea);
    renumber();
    focusOn(card);
    form.dispatchEvent(new Event("input", { bubbles: true }));
  });

  // Saving by keyboard; the preview's problems; variables declared meanwhile ---------
  document.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.key !== "s") return;
    const form = document.querySelector("form[data-editor]");
    if (!form) return;
    event.preventDefault();
    form.requestSubmit(form.querySelector("[data-save]"));
  });

  function showProblems() {
    const problems = all("[data-problem]");
    const fields = all("form[data-editor] [data-template]");
    fields.forEach((textarea, index) => {
      const view = views.get(textarea);
      if (!view) return;
      const { doc } = view.state;
      const diagnostics = problems.filter((one) => Number(one.dataset.index || 0) === index).map((one) => {
        const line = doc.line(Math.min(Math.max(Number(one.dataset.line) || 1, 1), doc.lines));
        return { from: line.from, to: line.to, severity: "error", message: one.textContent.trim() };
      });
      view.dispatch(CM.setDiagnostics(view.state, diagnostics));
    });
  }
  document.addEventListener("htmx:after:settle", (event) => { if (event.target.closest?.("[data-preview]")) showProblems(); });

  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-fill]")) value(document.getElementById(event.target.dataset.fill), event.target.value);
  });
  document.addEventListener("focusin", (event) => {
    const textarea = event.target.closest(".cm-editor")?.previousElementSibling;
    const view = textarea && views.get(textarea);
    if (view && textarea.dataset.code === "jinja") view.dispatch({ effects: language.reconfigure(languages.jinja()) });
  });

  for (const textarea of all("textarea[data-code]")) mount(textarea);
  if (document.querySelector("[data-messages]")) renumber();
  showProblems();
})();
