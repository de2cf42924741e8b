"""What an answer costs and how long it takes, each against a budget. Values are raw, so that versions can be compared."""

import abc
import math
from typing import Any, ClassVar

from evals_app.scorers.options import Option, amount_option
from evals_app.scorers.protocol import (
    Asked,
    Example,
    Family,
    Output,
    Score,
    Scorer,
    ScorerSpec,
    Target,
    Tools,
    UnscorableError,
)
from registry.core.canonical import JSON

DOLLARS = amount_option("most", "The budget of one answer in US dollars.", most=1000)
TOKENS = amount_option("most", "The most tokens of one answer.", most=10_000_000)
PERPLEXITY = amount_option("most", "The highest perplexity of one answer.", most=1e12)
MILLISECONDS = amount_option("most", "The longest time that one answer may take, in milliseconds.", most=600_000)


class _Budget(Scorer):
    """An amount that may be `most`; unknown, it passes no budget."""

    family: ClassVar[Family] = "cost and speed"
    higher_is_better: ClassVar[bool] = False
    range: ClassVar[tuple[float, float]] = (0.0, math.inf)
    is_binary: ClassVar[bool] = False
    target: ClassVar[Target] = "nothing"
    most: ClassVar[Option[float]]
    unknown: ClassVar[str]

    def score(self, output: Output, target: JSON, spec: ScorerSpec, asked: Asked, tools: Tools) -> Score:
        amount, most = self._amount(output), self.most.of(spec)
        if amount is None:
            raise UnscorableError(self.unknown)
        sign = "within" if amount <= most else "over"
        return Score(float(amount), amount <= most, f"{self._words(amount)}: {sign} {self._words(most)}.")

    @abc.abstractmethod
    def _amount(self, output: Output) -> float | None: ...

    @abc.abstractmethod
    def _words(self, amount: float) -> str: ...


class Cost(_Budget):
    """In US dollars, by the price list."""

    kind: ClassVar[str] = "cost"
    about: ClassVar[str] = "the answer costs at most `most` US dollars"
    most = DOLLARS
    options: ClassVar[tuple[Option[Any], ...]] = (DOLLARS,)
    unknown = "The cost is not known: there is no price for this model."
    example: ClassVar[Example] = Example({"kind": "cost", "most": 0.01}, Output("", cost=0.002), Output("", cost=0.03))

    def _amount(self, output: Output) -> float | None:
        return output.cost

    def _words(self, amount: float) -> str:
        return f"${amount:.2g}" if amount < 0.1 else f"${amount:.2f}"


class OutputTokens(_Budget):
    """As the provider counts them."""

    kind: ClassVar[str] = "output_tokens"
    about: ClassVar[str] = "the answer has at most `most` tokens, as the provider counts them"
    most = TOKENS
    options: ClassVar[tuple[Option[Any], ...]] = (TOKENS,)
    unknown = "The number of tokens is not known: the provider does not tell it."
    example: ClassVar[Example] = Example(
        {"kind": "output_tokens", "most": 100}, Output("", output_tokens=42), Output("", output_tokens=420)
    )

    def _amount(self, output: Output) -> float | None:
        return output.output_tokens

    def _words(self, amount: float) -> str:
        return f"{amount:,.0f} tokens"


class Perplexity(_Budget):
    """How surprised the model was by its own words: e to the mean of their negative log probabilities.

    Providers tell those where the version's config has `"logprobs": true`, and not in answers that come in pieces.
    """

    kind: ClassVar[str] = "perplexity"
    about: ClassVar[str] = "the answer's perplexity is at most `most`, where the provider tells log probabilities"
    most = PERPLEXITY
    options: ClassVar[tuple[Option[Any], ...]] = (PERPLEXITY,)
    unknown = "The perplexity is not known: the provider does not tell log probabilities."
    example: ClassVar[Example] = Example(
        {"kind": "perplexity", "most": 2}, Output("", perplexity=1.3), Output("", perplexity=4.2)
    )

    def _amount(self, output: Output) -> float | None:
        return output.perplexity

    def _words(self, amount: float) -> str:
        return f"{amount:,.3g}"


class Latency(_Budget):
    """From sending the request to the end of the answer, of the try that answered."""

    kind: ClassVar[str] = "latency"
    about: ClassVar[str] = "the answer is complete within `most` milliseconds"
    most = MILLISECONDS
    options: ClassVar[tuple[Option[Any], ...]] = (MILLISECONDS,)
    unknown = "The time it took is not known."
    example: ClassVar[Example] = Example(
        {"kind": "latency", "most": 2000}, Output("", latency_ms=340), Output("", latency_ms=2400)
    )

    def _amount(self, output: Output) -> float | None:
        return output.latency_ms

    def _words(self, amount: float) -> str:
        return f"{amount:,.0f} ms"
