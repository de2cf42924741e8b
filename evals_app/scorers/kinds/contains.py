"""The target occurs in the output: as it is, in any case, or at the start."""

from collections.abc import Sequence
from typing import Any, ClassVar

from evals_app.scorers.options import EXACT, Option, choice_option
from evals_app.scorers.protocol import (
    Asked,
    Example,
    Family,
    Output,
    Score,
    Scorer,
    ScorerSpec,
    Tools,
    UnscorableError,
    as_text,
    excerpt,
)
from registry.core.canonical import JSON
from registry.core.errors import FieldError

OF = choice_option(
    "of",
    "Where the target is a list: whether all of its entries have to occur or any one of them; `one` takes it as one text.",
    ("one", "any", "all"),
    default="one",
)


class Contains(Scorer):
    """Exactly, case included. A target that is no string is looked for as JSON text, unless `of` says otherwise."""

    kind: ClassVar[str] = "contains"
    family: ClassVar[Family] = "text"
    about: ClassVar[str] = "the target occurs in the output; of a list any entry or all, by `of`"
    options: ClassVar[tuple[Option[Any], ...]] = (OF,)
    example: ClassVar[Example] = Example(
        {"kind": "contains", "value": "refund"}, Output("Your refund is on its way."), Output("Your Refund.")
    )

    def mistake(self, spec: ScorerSpec) -> FieldError | None:
        if spec.has_value and not all(_wanted(spec.value, OF.of(spec))):
            return FieldError("value", "required", "must not be empty: every output contains that")
        return None

    def score(self, output: Output, target: JSON, spec: ScorerSpec, asked: Asked, tools: Tools) -> Score:
        wanted = _wanted(target, OF.of(spec))
        if not all(wanted):
            raise UnscorableError("There is nothing to look for: the value is empty for this case.")
        missing = [text for text in wanted if not self._has(output.text, text, spec)]
        found = [text for text in wanted if text not in missing]
        if OF.of(spec) == "any":
            detail = f"{_listed(found or missing)} {'occurs' if found else 'does not occur'}."
            return Score(float(bool(found)), bool(found), detail)
        detail = f"{_listed(missing or found)} {'does not occur' if missing else 'occurs'}."
        return Score(float(not missing), not missing, detail)

    def _has(self, text: str, wanted: str, spec: ScorerSpec) -> bool:
        return wanted in text


class ContainsInAnyCase(Contains):
    """As `contains`, upper and lower case alike."""

    kind: ClassVar[str] = "icontains"
    about: ClassVar[str] = "as `contains`, upper and lower case alike"
    example: ClassVar[Example] = Example(
        {"kind": "icontains", "value": ["refund", "money back"], "of": "any"},
        Output("Your REFUND is on its way."),
        Output("Your card is on its way."),
    )

    def _has(self, text: str, wanted: str, spec: ScorerSpec) -> bool:
        return wanted.casefold() in text.casefold()


class StartsWith(Contains):
    """Exactly, after the blanks before the output."""

    kind: ClassVar[str] = "starts_with"
    about: ClassVar[str] = "the output begins with the target; blanks before it do not count"
    options: ClassVar[tuple[Option[Any], ...]] = (OF, EXACT)
    example: ClassVar[Example] = Example(
        {"kind": "starts_with", "value": "Dear {{ name }}"},
        Output("Dear Ada, your refund is on its way."),
        Output("Hello Ada, your refund is on its way."),
        Asked({"name": "Ada"}),
    )

    def _has(self, text: str, wanted: str, spec: ScorerSpec) -> bool:
        return text.startswith(wanted) if EXACT.of(spec) else text.lstrip().startswith(wanted.lstrip())


def _wanted(target: JSON, of: str) -> Sequence[str]:
    """The texts to look for; an empty one where there is nothing."""
    if of == "one" or not isinstance(target, list):
        return [as_text(target)]
    return [as_text(entry) for entry in target] or [""]


def _listed(texts: Sequence[str]) -> str:
    more = f" (and {len(texts) - 3} more)" if len(texts) > 3 else ""
    return ", ".join(excerpt(text) for text in texts[:3]) + more
