// Reading a difference by keyboard: from change to change, and a remark on a line, without leaving the page.
"use strict";
(() => {
  const find = (selector, from = document) => from.querySelector(selector);
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const changes = () => all("[data-diff] [data-change]").filter((line) => !line.closest("details:not([open])"));

  // From change to change -----------------------------------------------------
  function here(lines) {
    const focused = document.activeElement.closest("[data-diff] .dl, [data-diff] [data-change]");
    if (!focused) return -1;
    return lines.findLastIndex((line) => line === focused || line.compareDocumentPosition(focused) & Node.DOCUMENT_POSITION_FOLLOWING);
  }

  function go(way) {
    const lines = changes();
    if (!lines.length) return false;
    const at = here(lines);
    const onIt = at >= 0 && lines[at] === document.activeElement;
    const next = way === "next" ? at + 1 : at - (onIt || at < 0 ? 1 : 0);
    const line = lines.at(next < 0 ? lines.length - 1 : next % lines.length);
    line.focus({ preventScroll: true });
    line.scrollIntoView({ block: "center" });
    const count = find("[data-change-at]", line.closest("[data-diff]"));
    if (count) count.textContent = `Place ${lines.indexOf(line) + 1} of ${lines.length}`;
    return true;
  }

  // A remark on a line ----------------------------------------------------------
  function say(link) {
    const template = find("#line-form");
    const line = link.closest(".dl");
    if (!template || !line) return false;
    find("#say")?.remove();
    const form = template.content.firstElementChild.cloneNode(true);
    const [path, side, number] = link.dataset.say.split("|");
    find("[name=path]", form).value = path;
    find("[name=side]", form).value = side;
    find("[name=line]", form).value = number;
    const field = find("textarea", form);
    field.setAttribute("aria-label", `Comment on line ${number}`);
    line.after(form);
    field.focus();
    return true;
  }

  function leave(form) {
    const line = form.previousElementSibling;
    form.remove();
    if (line?.matches(".dl")) { line.tabIndex = -1; line.focus(); }
  }

  // Where the page is told anew, a remark that is being written stays under its line.
  let kept = null;
  document.addEventListener("htmx:before:swap", (event) => {
    const form = find("#say");
    if (!form || event.detail.ctx.target?.id !== "main") return;
    kept = { form, line: form.previousElementSibling?.id, focused: form.contains(document.activeElement) ? document.activeElement : null };
    form.remove();
  });
  document.addEventListener("htmx:after:swap", () => {
    const line = kept?.line && document.getElementById(kept.line);
    if (line) { line.after(kept.form); kept.focused?.focus(); }
    kept = null;
  });

  const KEYS = {
    n: () => go("next"),
    p: () => go("previous"),
    c: (target) => { const link = target.closest(".dl") && find("[data-say]", target.closest(".dl")); return link && say(link); },
    v: () => { const field = find("#your-review textarea"); field?.focus(); return field; },
  };

  document.addEventListener("click", (event) => {
    const target = event.target.closest("[data-go], [data-say], [data-unsay]");
    if (!target) return;
    if (target.matches("[data-go]")) go(target.dataset.go);
    if (target.matches("[data-say]") && say(target)) event.preventDefault();
    if (target.matches("[data-unsay]")) { event.preventDefault(); leave(target.closest("form")); }
  });

  // Before the keys of every page: on a line of a difference they mean something else. After `g` they go to a page.
  let before = "";
  document.addEventListener("keydown", (event) => {
    const follows = before === "g";
    before = event.key;
    const field = event.target.closest("textarea");
    if (field && event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      const form = field.form;
      if (form?.matches(".line-form, .answer form")) { event.preventDefault(); form.requestSubmit(); }
      return;
    }
    if (field && event.key === "Escape" && field.form?.matches(".line-form")) { event.preventDefault(); leave(field.form); return; }
    if (follows || event.target.closest("input, textarea, select, [contenteditable], dialog")) return;
    if (event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key]?.(event.target)) return;
    event.preventDefault();
    event.stopPropagation();
  }, true);

  // An address that names a folded line unfolds it.
  const named = location.hash ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null;
  const fold = named?.closest("details");
  if (fold) { fold.open = true; named.scrollIntoView({ block: "center" }); }
})();
