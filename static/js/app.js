// What pages do beyond plain HTML: menus, copying, toasts, themes, times, dialogs. Everything is found by data
// attributes and by delegation, so that fragments swapped in by htmx need no wiring.
"use strict";
(() => {
  const root = document.documentElement;
  root.dataset.js = "";
  const find = (selector, from = document) => from.querySelector(selector);
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];

  // Toasts ------------------------------------------------------------------
  const TONES = { success: ["pass", "circle-check"], error: ["fail", "circle-x"], warning: ["warn", "triangle-alert"], info: ["info", "info"] };

  function toast(text, level = "info") {
    const [tone, icon] = TONES[level] || TONES.info;
    const made = find("#toast-template").content.firstElementChild.cloneNode(true);
    made.dataset.tone = tone;
    find("p", made).textContent = text;
    const use = find("use", made);
    use.setAttribute("href", use.getAttribute("href").replace(/#.*/, `#${icon}`));
    find("[data-toasts]").append(made);
    if (tone !== "fail") leaveLater(made);
  }

  function leaveLater(element) {
    let left = 8;
    const tick = setInterval(() => {
      if (element.matches(":hover, :focus-within")) return;
      if (--left <= 0) { clearInterval(tick); element.remove(); }
    }, 1000);
  }

  document.addEventListener("toast", (event) => toast(event.detail.text || event.detail.value || "", event.detail.level));
  // What a page asks by itself: never while nobody sees the page, and without a word where it comes to nothing.
  const isByItself = (event) => event.target.matches?.("[data-by-itself]");
  const isPolled = (event) => event.target.matches?.("[hx-trigger*='every ']");
  document.addEventListener("htmx:before:request", (event) => { if (document.hidden && (isByItself(event) || isPolled(event))) event.preventDefault(); });

  document.addEventListener("htmx:error", (event) => { if (!isByItself(event)) toast("The server could not be reached. Nothing was lost: try again.", "error"); });
  document.addEventListener("htmx:response:error", (event) => {
    if (isByItself(event)) return;
    const status = event.detail.ctx.response.status;
    if (status >= 500) toast(`The server failed (${status}). Try again, or reload the page.`, "error");
  });
  // Without a network the page says so, until there is one again.
  function drawOffline() {
    const banner = find("[data-offline]");
    if (banner) banner.hidden = navigator.onLine;
  }
  addEventListener("offline", drawOffline);
  addEventListener("online", () => { drawOffline(); toast("You are online again.", "success"); });
  drawOffline();

  // A page in answer to a fragment's request (signed out meanwhile, a proxy's error) is opened, not pasted into this one.
  document.addEventListener("htmx:before:swap", (event) => {
    const { ctx } = event.detail;
    if (!/^\s*<!doctype/i.test(ctx.text || "") || ctx.request.headers["HX-Request-Type"] === "full") return;
    event.preventDefault();
    if (ctx.sourceElement.matches("[data-by-itself]")) return;
    if (ctx.response.status < 400) location.assign(ctx.response.raw.url);
    else if (ctx.response.status < 500) toast("This could not be done. Reload the page and try again.", "error");
  });

  // Times in the reader's own zone -----------------------------------------
  const timeZone = root.dataset.zone || undefined; // the one they chose, else the browser's
  const written = { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" }; // as the server does
  const exact = new Intl.DateTimeFormat("en-GB", { ...written, timeZone });
  const full = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeStyle: "long", timeZone });

  function localise(from) {
    for (const time of all("time[data-when]", from)) {
      const when = new Date(time.dateTime);
      time.title = full.format(when);
      if (time.dataset.when === "exact") time.textContent = exact.format(when);
      delete time.dataset.when;
    }
  }

  // A `datetime-local` field beside a hidden one that carries the moment in UTC.
  function carryMoments(form) {
    for (const local of all("input[data-moment]", form)) {
      if (local.value) find(`#${local.dataset.moment}`).value = inZone(local.value).toISOString();
    }
  }

  // The moment at which the clocks of the reader's zone show `text`.
  function inZone(text) {
    if (!timeZone) return new Date(text);
    const asUtc = new Date(`${text}Z`);
    const shown = (moment) => new Date(`${moment.toLocaleString("sv", { timeZone }).replace(" ", "T")}Z`);
    const near = new Date(asUtc - (shown(asUtc) - asUtc));
    return new Date(asUtc - (shown(near) - near));
  }

  // Themes: the choice is a cookie, so that the server draws the page right at once -----------
  function switchTheme() {
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const now = root.dataset.theme || (dark ? "dark" : "light");
    const next = now === "dark" ? "light" : "dark";
    root.dataset.theme = next;
    const secure = location.protocol === "https:" ? "; secure" : "";
    document.cookie = `theme=${next}; path=/; max-age=31536000; samesite=lax${secure}`;
  }

  // What stands there, with the characters themselves where the page shows their names.
  function textOf(element) {
    const shown = element.cloneNode(true);
    for (const mark of all("[data-code]", shown)) mark.replaceWith(String.fromCodePoint(...mark.dataset.code.split(" ").map((one) => parseInt(one, 16))));
    return shown.textContent;
  }

  async function copy(button) {
    const source = document.getElementById(button.dataset.copy);
    const text = source ? source.value ?? textOf(source) : button.dataset.copyText;
    try {
      await navigator.clipboard.writeText(text);
      toast("Copied.", "success");
    } catch {
      const range = document.createRange();
      if (source) { range.selectNodeContents(source); getSelection().removeAllRanges(); getSelection().addRange(range); }
      toast("Press Ctrl+C to copy what is selected.", "info");
    }
  }

  // A text that the page proposes, as if it had been typed.
  function fill(field, text) {
    field.value = text;
    field.focus();
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  // Clicks, keys, submits ------------------------------------------------------
  document.addEventListener("click", (event) => {
    const target = event.target.closest("[data-copy], [data-copy-text], [data-fill], [data-theme-switch], [data-dismiss], [data-dialog], [data-close]");
    for (const menu of all("details[data-menu][open]")) if (!menu.contains(event.target)) menu.open = false;
    if (!target) return;
    if (target.matches("[data-copy], [data-copy-text]")) copy(target);
    if (target.matches("[data-fill]")) fill(document.getElementById(target.dataset.fill), target.dataset.text);
    if (target.matches("[data-theme-switch]")) switchTheme();
    if (target.matches("[data-dismiss]")) target.closest("[data-toast]").remove();
    if (target.matches("[data-close]")) target.closest("dialog").close();
    if (target.matches("[data-dialog]")) {
      event.preventDefault();
      document.getElementById(target.dataset.dialog).showModal();
    }
  });

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      for (const menu of all("details[data-menu][open]")) { menu.open = false; find("summary", menu).focus(); }
    }
  });

  // Following a line of the inbox marks it, and what else is about the same, as read.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-read]");
    const token = find("input[name=csrfmiddlewaretoken]");
    if (!link || !token) return;
    const body = new URLSearchParams({ csrfmiddlewaretoken: token.value, read: "1" });
    fetch(link.dataset.read, { method: "POST", body, keepalive: true, redirect: "manual" }).catch(() => {});
  });

  // One press is one request: a plain form's button rests until the next page is there.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    carryMoments(form);
    if (event.defaultPrevented || form.method === "get" || form.matches("[hx-post], [hx-get]")) return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "1";
    for (const button of all("button[type=submit]", form)) button.setAttribute("aria-disabled", "true");
  });
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    for (const form of all("form[data-sent]")) {
      delete form.dataset.sent;
      for (const button of all("button[aria-disabled]", form)) button.removeAttribute("aria-disabled");
    }
  });

  // Filters apply when they change; without this script their form has a button. By keyboard a choice is passed by on the
  // way to another: it applies with Enter, or when the field is left, and the field has the focus again on the next page.
  let pressed = "", chosen = null;
  const APPLIED = "applied";
  function apply(field) {
    chosen = null;
    sessionStorage.setItem(APPLIED, `${location.pathname} ${field.name}`);
    field.form.requestSubmit();
  }
  const filterOf = (event) => event.target.closest?.("[data-apply]");
  document.addEventListener("keydown", (event) => {
    if (!filterOf(event)) return;
    pressed = event.key;
    if (pressed === "Enter" && chosen) apply(chosen);
  });
  document.addEventListener("pointerdown", () => { pressed = ""; });
  document.addEventListener("change", (event) => {
    const field = filterOf(event);
    if (!field) return;
    if (!pressed || pressed === "Enter") apply(field);
    else chosen = field;
  });
  document.addEventListener("focusout", (event) => { if (chosen && event.target === chosen) apply(chosen); });

  document.addEventListener("htmx:after:settle", (event) => localise(event.target));
  localise(document);
  all("[data-toast]").forEach((element) => { if (element.dataset.tone !== "fail") leaveLater(element); });
  const [at, name] = (sessionStorage.getItem(APPLIED) || "").split(" ");
  sessionStorage.removeItem(APPLIED);
  const again = at === location.pathname && find(`[data-apply][name="${CSS.escape(name)}"]`);
  (again || find("#main [aria-invalid='true']") || find("#main [autofocus]"))?.focus();
  // What is shown once is not made a second time by loading the page again.
  const once = find("[data-home]");
  if (once) history.replaceState(history.state, "", once.dataset.home);
  addEventListener("DOMContentLoaded", () => {
    for (const here of all(".side a[aria-current], .tabs a[aria-current]")) here.scrollIntoView({ block: "nearest", inline: "center" });
  });
})();
