// Stands in for @codemirror/lang-html as the language around the Jinja tags: a prompt is prose, not a web page.
// Only the marks people use to structure prompts are coloured; 150 kB of HTML, CSS and JavaScript grammar stay out.
import { LanguageSupport, StreamLanguage } from "@codemirror/language";

const prose = StreamLanguage.define({
  name: "prose",
  token(stream) {
    if (stream.match(/^<\/?[A-Za-z_][\w.-]*>/)) return "tagName";
    if (stream.sol() && stream.match(/^#{1,6} .*/)) return "heading";
    stream.next();
    stream.eatWhile(/[^<{]/);
    return null;
  },
});

export const html = () => new LanguageSupport(prose);
