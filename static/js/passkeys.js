// Passkeys: a form that asks for one is sent once the browser has an answer of the device. The server says what to ask.
"use strict";
(() => {
  const PARSERS = { get: "parseRequestOptionsFromJSON", create: "parseCreationOptionsFromJSON" };
  const SAID = {
    unknown: "This browser knows no passkeys here. Take another way.",
    403: "This page was open for too long. Reload it and try again.",
    401: "Signing in took too long. Start again.",
    429: "Too many tries. Wait a minute.",
    InvalidStateError: "This device has a passkey of yours already.",
    NotAllowedError: "No passkey was used: it was refused, or it took too long.",
    SecurityError: "Passkeys work at this server's own address only.",
    other: "The passkey could not be used. Try again, or take another way.",
  };

  class Refusal extends Error {
    constructor(name) { super(name); this.name = String(name); }
  }

  // What the device answers to what the server asks, as JSON.
  async function ask(form) {
    const way = form.dataset.passkey;
    const parse = window.PublicKeyCredential?.[PARSERS[way]];
    if (!parse) throw new Refusal("unknown");
    const body = new URLSearchParams({ csrfmiddlewaretoken: form.elements.csrfmiddlewaretoken.value, purpose: form.dataset.purpose });
    const answer = await fetch(form.dataset.options, { method: "POST", body });
    if (!answer.ok) throw new Refusal(answer.status);
    const publicKey = parse.call(window.PublicKeyCredential, await answer.json());
    return JSON.stringify(await navigator.credentials[way]({ publicKey }));
  }

  function say(why) {
    const text = SAID[why.name] || SAID.other;
    document.dispatchEvent(new CustomEvent("toast", { detail: { text, level: "error" } }));
  }

  // Before the script of every page, which would let the form go.
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.matches("[data-passkey]")) return;
    event.preventDefault();
    if (form.dataset.asking) return;
    form.dataset.asking = "1";
    try {
      form.querySelector("[name=credential], [name=confirm_passkey]").value = await ask(form);
      form.submit();
    } catch (why) {
      say(why);
      delete form.dataset.asking;
    }
  });
  addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("[data-passkey]")) delete form.dataset.asking;
  });
})();
