"""What is wrong with a template's syntax, in words for whoever writes prompts; the parser's own words stand behind them."""

from __future__ import annotations

import re

# The parser's words, and ours; the first that fits is taken.
_WORDS = (
    (r"expected token 'end of print statement', got '(.+)'", "`{0}` does not belong there: `{{{{ … }}}}` takes one value"),
    (r"expected token 'end of statement block', got '(.+)'", "`{0}` does not belong there: the tag should end before it"),
    (r"Expected an expression, got 'end of print statement'", "there is nothing between `{{{{` and `}}}}`"),
    (r"Expected an expression, got 'end of statement block'", "the tag lacks what it is about"),
    (r"unexpected end of template, expected 'end of print statement'\.?", "`{{{{` is not closed: `}}}}` is missing"),
    (r"unexpected end of template, expected 'end of statement block'\.?", "`{{% … %}}` is not closed: `%}}` is missing"),
    (r"Unexpected end of template.* to be closed is '(\w+)'\.", "`{{% {0} %}}` is not closed: `{{% end{0} %}}` is missing"),
    (r"Encountered unknown tag '(end\w+)'\.", "nothing is open that `{{% {0} %}}` could close"),
    (r"Encountered unknown tag '(\w+)'\..* to be closed is '(\w+)'\.", "`{{% {0} %}}` stands within `{{% {1} %}}`, which is not closed"),
    (r"Encountered unknown tag '(.+)'\.", "there is no tag `{{% {0} %}}`"),
    (r"Missing end of comment tag", "a comment is not closed: `#}}` is missing"),
    (r"Missing end of raw directive", "`{{% raw %}}` is not closed: `{{% endraw %}}` is missing"),
    (r"expected token 'in', got '.+'", "`{{% for %}}` lacks `in` and what it goes through"),
    (r"unexpected char (?:\"'\"|'\"') at \d+", "a quotation mark has no second one"),
    (r"unexpected char '(.+)' at \d+", "`{0}` does not belong there"),
    (r"unexpected '(.+)', expected '(.+)'", "`{0}` does not belong there: `{1}` is missing before it"),
    (r"unexpected 'end of (?:print statement|statement block)'", "the tag ends too soon"),
    (r"expected (?:token 'name', got 'end of .+'|name or number)", "a name is missing"),
    (r"unexpected '(.+)'", "`{0}` does not belong there"),
)  # fmt: skip


def in_words(said: str) -> str:
    """The parser's message as a sentence of ours, its own behind it; unchanged where there are no words for it."""
    for pattern, words in _WORDS:
        if found := re.fullmatch(pattern, said):
            ours = words.format(*found.groups())
            return f"{ours[0].upper()}{ours[1:]}. (Jinja: {said.rstrip('.')}.)"
    return said
