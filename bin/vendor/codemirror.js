// What the pages use of CodeMirror 6; bundled into static/vendor/codemirror.js as the global `CM`.
export { basicSetup, EditorView } from "codemirror";
export { Prec } from "@codemirror/state";
export { keymap, placeholder } from "@codemirror/view";
export { autocompletion } from "@codemirror/autocomplete";
export { HighlightStyle, syntaxHighlighting } from "@codemirror/language";
export { linter, setDiagnostics } from "@codemirror/lint";
export { jinja } from "@codemirror/lang-jinja";
export { json, jsonParseLinter } from "@codemirror/lang-json";
export { tags } from "@lezer/highlight";
