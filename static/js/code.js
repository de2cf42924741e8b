// CodeMirror over the text areas of a page: Jinja with completion of variables, filters, tests and includes; JSON; marks at their
// place. Pages reach it as `Code`; without it the text areas are what they are.
"use strict";
const Code = (() => {
  const nonce = document.querySelector("meta[name='csp-nonce']").content;
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const views = new WeakMap();

  const colour = (name) => `var(--${name})`;
  const theme = CM.EditorView.theme({
    "&": { backgroundColor: "transparent", color: colour("ink") },
    "&.cm-focused": { outline: "none" },
    ".cm-scroller": { fontFamily: colour("mono"), lineHeight: "1.6", maxHeight: "70vh" },
    ".cm-content": { caretColor: colour("ink"), padding: "0.45rem 0" },
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
    ".cm-placeholder": { color: colour("ink-3") },
    ".cm-lintRange-warning": { backgroundImage: "none", textDecoration: "underline wavy var(--warn) 1px", textUnderlineOffset: "3px" },
    ".cm-lintRange-error": { backgroundImage: "none", textDecoration: "underline wavy var(--fail) 1px", textUnderlineOffset: "3px" },
    ".cm-diagnostic-warning": { borderLeftColor: colour("warn") },
    ".cm-diagnostic-error": { borderLeftColor: colour("fail") },
    ".cm-diagnosticAction": { backgroundColor: colour("accent"), color: colour("on-accent"), borderRadius: "4px", font: "inherit" },
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

  // What can be completed: the subset that docs/templates.md lists ------------------
  const words = (text, type) => text.split(" ").map((label) => ({ label, type }));
  const FILTERS = words("abs batch capitalize center count default dictsort escape first float format groupby indent int items join last length list lower map max min reject rejectattr replace reverse round select selectattr slice sort string sum title tojson trim truncate unique upper urlencode wordcount wordwrap", "function");
  const TESTS = words("boolean defined divisibleby eq equalto even false float ge gt in integer iterable le lower lt mapping ne none number odd sameas sequence string true undefined upper", "keyword");
  const TAGS = words("if elif else endif for endfor set endset with endwith filter endfilter macro endmacro raw endraw", "keyword");
  const LOOP = words("index index0 first last length revindex revindex0 previtem nextitem depth cycle changed", "property");
  const REACH = 4000;

  /** What lies open before the cursor: the text since `{{` or `{%`, null outside of both. */
  function openTag(before) {
    const at = Math.max(before.lastIndexOf("{{"), before.lastIndexOf("{%"));
    if (at < 0 || Math.max(before.lastIndexOf("}}"), before.lastIndexOf("%}")) > at) return null;
    return before.slice(at);
  }

  function locals(text) {
    const found = [];
    for (const [, names] of text.matchAll(/\{%-?\s*(?:for|set|with)\s+([\w\s,]+?)\s*(?:=|\bin\b|%\})/g)) found.push(...names.split(/[\s,]+/));
    return [...new Set(found.filter(Boolean))].map((label) => ({ label, type: "variable", detail: "of this text" }));
  }

  const sources = { variables: () => [], includes: async () => [] };

  async function includes(context, before) {
    const tag = before.match(/@@(?:@(?:langfusePrompt:(?:name=)?)?)?([^|@\n]*)$/);
    if (!tag) return null;
    const found = await sources.includes(tag[1].trim());
    return {
      from: context.pos - tag[0].length,
      filter: false,
      options: found.map(({ name, version, description }) => ({
        label: name,
        detail: `v${version}`,
        info: description || undefined,
        type: "text",
        apply: `@@@langfusePrompt:name=${name}|version=${version}@@@`,
      })),
    };
  }

  function complete(context) {
    const before = context.state.sliceDoc(Math.max(0, context.pos - REACH), context.pos);
    const inside = openTag(before);
    if (inside === null) return before.endsWith("@@@") && /@@@langfusePrompt:[^@\n]*@@@$/.test(before) ? null : includes(context, before);
    const word = inside.match(/\w*$/)[0];
    const rest = inside.slice(0, inside.length - word.length);
    const offer = (options) => ({ from: context.pos - word.length, options, validFor: /^\w*$/ });
    if (/\|\s*$/.test(rest)) return offer(FILTERS);
    if (/\bis\s+(?:not\s+)?$/.test(rest)) return offer(TESTS);
    if (/^\{%-?\s*$/.test(rest)) return offer(TAGS);
    if (/\bloop\.$/.test(rest)) return offer(LOOP);
    if (/[\w\])]\.$/.test(rest) || (!word && !context.explicit && !/^\{\{-?\s?$/.test(rest))) return null;
    return offer([...sources.variables(), ...locals(context.state.doc.toString())]);
  }

  const jsonProblems = CM.jsonParseLinter();
  const compact = CM.EditorView.theme({ ".cm-gutters": { display: "none" }, ".cm-line": { padding: "0 0.6rem" }, ".cm-content": { padding: "0.3rem 0" }, ".cm-scroller": { maxHeight: "20rem" } });
  const languages = {
    jinja: () => [CM.Prec.high(CM.EditorView.inputHandler.of(overtype)), CM.jinja(), CM.autocompletion({ override: [complete], activateOnTyping: true, icons: false })],
    json: () => [CM.json(), CM.linter((view) => (view.state.doc.toString().trim() ? jsonProblems(view) : []))],
  };

  /** `%}` typed before the one that closed itself goes over it, as other brackets do. */
  function overtype(view, from, to, text) {
    if (from !== to || (text !== "%" && text !== "}")) return false;
    const before = view.state.sliceDoc(Math.max(0, from - REACH), from);
    const isInTag = openTag(before)?.startsWith("{%");
    const after = view.state.sliceDoc(from, from + 2);
    if (!isInTag || !(text === "%" ? after === "%}" : after[0] === "}" && before.endsWith("%"))) return false;
    view.dispatch({ selection: { anchor: from + 1 }, userEvent: "input.type" });
    return true;
  }

  function mount(textarea) {
    if (views.has(textarea)) return views.get(textarea);
    const view = new CM.EditorView({
      doc: textarea.value,
      extensions: [
        CM.EditorView.cspNonce.of(nonce),
        CM.Prec.high(CM.keymap.of([{ key: "Mod-Enter", run: () => true }])),
        CM.basicSetup,
        CM.EditorView.lineWrapping,
        theme,
        textarea.matches("[data-template]") ? [] : compact,
        CM.syntaxHighlighting(highlight),
        textarea.placeholder ? CM.placeholder(textarea.placeholder) : [],
        languages[textarea.dataset.code](),
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
    return view;
  }

  /** Replace what `pattern` finds, as one step that can be undone. */
  function replace(textarea, pattern, text) {
    const view = views.get(textarea);
    if (!view) return;
    const changes = [...view.state.doc.toString().matchAll(pattern)].map((found) => ({
      from: found.index,
      to: found.index + found[0].length,
      insert: text,
    }));
    if (changes.length) view.dispatch({ changes });
  }

  /** The places where a text uses a name inside its tags. */
  function usesOf(text, name) {
    const found = [];
    const word = new RegExp(`(?<![\\w.])${name}(?!\\w)`, "g");
    for (const tag of text.matchAll(/\{\{[\s\S]*?\}\}|\{%[\s\S]*?%\}/g)) {
      for (const use of tag[0].matchAll(word)) found.push([tag.index + use.index, tag.index + use.index + name.length]);
    }
    return found;
  }

  function mark(textarea, diagnostics) {
    const view = views.get(textarea);
    if (!view) return;
    const end = view.state.doc.length;
    const inside = diagnostics.map((one) => ({ ...one, from: Math.min(one.from, end), to: Math.min(one.to, end) }));
    view.dispatch(CM.setDiagnostics(view.state, inside.sort((a, b) => a.from - b.from)));
  }

  return {
    all,
    sources,
    usesOf,
    mark,
    replace,
    mount,
    mountAll: (from = document) => all("textarea[data-code]", from).forEach(mount),
    viewOf: (textarea) => views.get(textarea),
    focus: (textarea) => (views.get(textarea) || textarea).focus(),
  };
})();
