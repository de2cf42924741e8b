// What the pages use of CodeMirror 6; bundled into static/vendor/codemirror.js as the global `CM`.
export { basicSetup, EditorView } from "codemirror";
export { EditorState, Compartment, Prec, StateEffect, StateField } from "@codemirror/state";
export { keymap, lineNumbers, placeholder, Decoration } from "@codemirror/view";
export { autocompletion, startCompletion } from "@codemirror/autocomplete";
export { indentWithTab } from "@codemirror/commands";
export { HighlightStyle, LanguageSupport, syntaxHighlighting } from "@codemirror/language";
export { linter, lintGutter, setDiagnostics } from "@codemirror/lint";
export { jinja } from "@codemirror/lang-jinja";
export { json, jsonParseLinter } from "@codemirror/lang-json";
export { MergeView, unifiedMergeView } from "@codemirror/merge";
export { tags } from "@lezer/highlight";
