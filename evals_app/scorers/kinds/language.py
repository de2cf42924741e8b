"""The language that an output is written in."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

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
)
from registry.core.canonical import JSON
from registry.core.errors import FieldError

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

INSTALL = "needs the package py3langid: install Greenroom with the extra `language`"
LOOKED_AT = 5_000  # characters; more make it no surer
# Widely written ones: among all that the model knows, a short text is too easily taken for a rare neighbour.
_CODES = """
ar bg bn ca cs cy da de el en es et eu fa fi fr ga gl gu he hi hr hu hy id is it ja ka kk km kn ko lo lt lv mk ml mn mr ms
my ne nl no pa pl pt ro ru si sk sl sq sr sv sw ta te th tl tr uk ur uz vi zh zu
"""
CANDIDATES = tuple(_CODES.split())


class Language(Scorer):
    """The likeliest language is the target, as its ISO 639-1 code, or one of a list; a model of byte sequences tells it.

    It needs about a sentence: a few words, names, numbers or code are told badly, and text without letters not at all.
    """

    kind: ClassVar[str] = "language"
    family: ClassVar[Family] = "text"
    about: ClassVar[str] = "the output is written in the language of the target, an ISO 639-1 code or a list of them"
    example: ClassVar[Example] = Example(
        {"kind": "language", "value": "de"},
        Output("Ihre Karte wurde gesperrt, wir schicken Ihnen eine neue."),
        Output("Your card has been blocked, we are sending you a new one."),
    )

    def mistake(self, spec: ScorerSpec) -> FieldError | None:
        if importlib.util.find_spec("py3langid") is None:
            return FieldError("kind", "missing", INSTALL)
        if spec.has_value and not spec.templates and not _codes(spec.value):
            return FieldError("value", "choice", f"must be one of {', '.join(CANDIDATES)}, or a list of them")
        return None

    def score(self, output: Output, target: JSON, spec: ScorerSpec, asked: Asked, tools: Tools) -> Score:
        wanted = _codes(target)
        if not wanted:
            raise UnscorableError("There is no language to compare with: the value is no ISO 639-1 code known here.")
        text = " ".join(output.text[:LOOKED_AT].split())
        if not any(character.isalpha() for character in text):
            raise UnscorableError("There are no words in it by which a language could be told.")
        found, share = _likeliest(text)
        is_one = found in wanted
        return Score(float(is_one), is_one, f"It is most likely {found} ({share:.0%}).")


def _codes(target: JSON) -> Sequence[str]:
    """The languages of a target; none where one of them is not known."""
    codes = [str(code).strip().lower() for code in (target if isinstance(target, list) else [target])]
    return codes if all(code in CANDIDATES for code in codes) else ()


def _likeliest(text: str) -> tuple[str, float]:
    shares = {code: share for code, share in _identifier().rank(text) if code in CANDIDATES}
    found = max(shares, key=lambda code: shares[code])
    return found, shares[found] / sum(shares.values())


@functools.cache
def _identifier() -> LanguageIdentifier:
    """The model, read at first use: half a second and some memory."""
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError:
        raise UnscorableError(f"It {INSTALL}.") from None
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
