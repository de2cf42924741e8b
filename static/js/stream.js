// htmx looks at the page in the first moment that is free after its own script, which may come before its extension for
// streams is there: whatever was to be listened to is then shown to htmx once more.
"use strict";

(() => {
  const stream = document.getElementById("stream");
  if (!stream) return;
  let isAsked = false;
  stream.addEventListener("htmx:config:request", () => { isAsked = true; });
  setTimeout(() => { if (!isAsked && !stream._htmx?.sse) window.htmx.process(stream); });
})();
