// The keyboard: the command palette, the sheet of shortcuts, `g` and a letter to go somewhere, rows of lists.
// What it finds is marked by data attributes; without this script the same places are reached by links.
"use strict";
(() => {
  const find = (selector, from = document) => from.querySelector(selector);
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const isMac = /Mac|iPhone|iPad/.test(navigator.platform);
  const GO_WITHIN_MS = 1500;

  // The command palette ---------------------------------------------------------
  const DELAY_MS = 60;
  let palette, field, list, asked = 0, timer = 0, cameFrom = null;
  let isBehind = false, follows = null; // the list answers to an earlier text; Enter was pressed meanwhile

  function openPalette() {
    palette = find("#palette");
    if (!palette || palette.open) return;
    field = find("[role=combobox]", palette);
    list = find("[role=listbox]", palette);
    cameFrom = document.activeElement;
    for (const other of all("dialog[open]")) other.close();
    palette.showModal();
    field.select();
    ask();
  }

  async function ask() {
    const number = ++asked;
    isBehind = true;
    const address = new URL(palette.dataset.source, location.href);
    address.searchParams.set("q", field.value);
    address.searchParams.set("palette", "1");
    if (palette.dataset.prompt) address.searchParams.set("prompt", palette.dataset.prompt);
    let drawn;
    try {
      const answer = await fetch(address, { headers: { "HX-Request": "true", "HX-Request-Type": "partial" } });
      if (!answer.ok || answer.redirected) throw new Error(answer.statusText);
      drawn = new DOMParser().parseFromString(await answer.text(), "text/html").body.firstElementChild;
    } catch {
      if (number !== asked) return;
      say("The search could not be reached. Try again.", true);
      isBehind = false;
      return;
    }
    if (number !== asked) return; // a later question was asked meanwhile
    list.replaceChildren(drawn);
    list.removeAttribute("aria-busy");
    choose(0);
    const count = Number(drawn.dataset.count);
    say(count ? `${count} result${count === 1 ? "" : "s"}` : "Nothing fits");
    isBehind = false;
    if (follows) follow(follows);
  }

  function follow(how) {
    follows = null;
    const option = chosen();
    if (option && how.inNew) open(option.href, "_blank", "noopener");
    else option?.click();
  }

  function say(text, shown = false) {
    find("[data-said]", palette).textContent = text;
    if (!shown) return;
    const note = document.createElement("p");
    note.className = "palette-none";
    note.setAttribute("role", "option");
    note.setAttribute("aria-disabled", "true");
    note.textContent = text;
    list.replaceChildren(note);
  }

  const options = () => all("a[role=option]", list);
  const chosen = () => find("[aria-selected=true]", list);

  function choose(index) {
    const found = options();
    const at = found.length ? (index + found.length) % found.length : -1;
    found.forEach((option, number) => option.setAttribute("aria-selected", String(number === at)));
    if (at < 0) { field.removeAttribute("aria-activedescendant"); return; }
    field.setAttribute("aria-activedescendant", found[at].id);
    found[at].scrollIntoView({ block: "nearest" });
  }

  function inPalette(event) {
    const steps = { ArrowDown: 1, ArrowUp: -1 };
    const isStep = event.key in steps || (event.ctrlKey && (event.key === "n" || event.key === "p"));
    if (isStep) {
      event.preventDefault();
      choose(options().indexOf(chosen()) + (steps[event.key] || (event.key === "n" ? 1 : -1)));
    } else if (event.key === "Enter" && !event.isComposing) {
      event.preventDefault();
      const how = { inNew: event.ctrlKey || event.metaKey };
      if (isBehind) follows = how;
      else follow(how);
    }
  }

  document.addEventListener("input", (event) => {
    if (event.target !== field) return;
    clearTimeout(timer);
    [isBehind, follows] = [true, null];
    timer = setTimeout(ask, DELAY_MS);
  });
  document.addEventListener("close", (event) => {
    if (event.target !== palette) return;
    clearTimeout(timer);
    asked += 1;
    follows = null;
    if (cameFrom?.isConnected) cameFrom.focus();
  }, true);
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-palette-open]")) openPalette();
    else if (event.target.matches("dialog#palette, dialog#shortcuts")) event.target.close(); // the backdrop
    else if (event.target.closest("#palette a[role=option]")) palette.close();
  });

  // Going places and moving through lists -----------------------------------------
  let going = 0;

  function go(key) {
    const link = find(`[data-go="${CSS.escape(key)}"]`);
    if (link) location.assign(link.href);
    return Boolean(link);
  }

  function rows() {
    const marked = all("[data-rows] [data-row]");
    const found = marked.length ? marked : all("main .list a.title-link, main .table tbody th a[href]");
    return found.filter((row) => row.checkVisibility());
  }

  function step(event, by) {
    const found = rows();
    if (!found.length) {
      if ("jk".includes(event.key)) find(`main a[rel=${by > 0 ? "next" : "prev"}]`)?.click();
      return;
    }
    const here = document.activeElement;
    let at = found.indexOf(here);
    if (at < 0) at = found.findIndex((row) => row.closest("tr, li")?.contains(here));
    if (at < 0 && here !== document.body && !here.closest("main, [role=search]")) return;
    const next = found[at < 0 ? 0 : Math.min(Math.max(at + by, 0), found.length - 1)];
    event.preventDefault();
    next.focus();
  }

  const KEYS = {
    "/": () => { const at = find("main [type=search]") || find("[data-shortcut='/']"); at?.focus(); at?.select(); return at; },
    "?": () => { find("#shortcuts")?.showModal(); return true; },
    c: () => { const address = find("#palette")?.dataset.new; if (address) location.assign(address); return address; },
    g: () => { going = Date.now(); return true; },
  };

  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      if (palette?.open) palette.close(); else openPalette();
      return;
    }
    if (palette?.open) { inPalette(event); return; }
    if (event.ctrlKey || event.metaKey || event.altKey || find("dialog[open]")) return;
    if (event.target.matches("input[type=search]") && event.key === "ArrowDown") { step(event, 1); return; }
    if (event.target.closest("input, textarea, select, [contenteditable], .cm-editor")) return;
    if (going && Date.now() - going < GO_WITHIN_MS) {
      going = 0;
      if (go(event.key)) { event.preventDefault(); return; }
    }
    if (event.key === "ArrowDown" || event.key === "j") step(event, 1);
    else if (event.key === "ArrowUp" || event.key === "k") step(event, -1);
    else if (KEYS[event.key]?.()) event.preventDefault();
  });

  // Folders of the board that were folded stay folded in this browser ------------------
  const foldingOf = (table) => `folded:${table.dataset.folding}`;

  function folded(table) {
    try { return new Set(JSON.parse(localStorage.getItem(foldingOf(table)) || "[]")); } catch { return new Set(); }
  }

  function drawFold(body, isFolded) {
    body.toggleAttribute("data-folded", isFolded);
    find("[data-fold-toggle]", body)?.setAttribute("aria-expanded", String(!isFolded));
  }

  function drawFolds() {
    for (const table of all("[data-folding]")) {
      const names = folded(table);
      for (const body of all("tbody[data-fold]", table)) {
        if (find("[data-fold-toggle]", body)) drawFold(body, names.has(body.dataset.fold));
      }
    }
  }

  document.addEventListener("click", (event) => {
    const body = event.target.closest("[data-fold-toggle]")?.closest("tbody");
    if (!body) return;
    const table = body.closest("[data-folding]");
    const names = folded(table);
    if (!names.delete(body.dataset.fold)) names.add(body.dataset.fold);
    drawFold(body, names.has(body.dataset.fold));
    try { localStorage.setItem(foldingOf(table), JSON.stringify([...names])); } catch { /* kept for this page only */ }
  });
  document.addEventListener("htmx:after:swap", drawFolds);
  drawFolds();

  addEventListener("DOMContentLoaded", () => {
    if (isMac) for (const key of all("[data-mod-key]")) key.textContent = "⌘";
  });
})();
