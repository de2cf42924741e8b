"""How far judges agree with people: each judge, as pinned and as asked, against the labels on answers it has judged."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from evals_app.agreement import Agreement, agreement
from evals_app.judge_seats import Seat, graded_kind, key_of, seats_from_text
from evals_app.models import ResultLabel, Run
from evals_app.scorers.graded.judging import prompt_name
from evals_app.suite_content import SuiteContent


@dataclass(frozen=True)
class Judged:
    """A scorer with whoever judges for it: `key` is the judge's name, `seat` its prompt version and model."""

    scorer: str
    key: str
    seat: Seat

    @property
    def prompt(self) -> str:
        """The name of the prompt that judges."""
        return prompt_name(self.key)

    @property
    def who(self) -> tuple[str, str, str, str]:
        """What makes it the same judge: another prompt or model is another one, another temperature is another prompt."""
        return self.prompt, self.seat.digest, self.seat.settings.provider, self.seat.settings.model


def judged_of(content: SuiteContent, seats: Mapping[str, Seat]) -> tuple[Judged, ...]:
    """Each scorer of a suite that a prompt judges, once for each judge, in order; those without a seat are left out."""
    found: dict[tuple[str, tuple[str, str, str, str]], Judged] = {}
    for _, spec in content.specs():
        kind, key = graded_kind(spec), key_of(spec)
        if kind and kind.prompt and key in seats:
            one = Judged(spec.name, key, seats[key])
            found.setdefault((one.scorer, one.who), one)
    return tuple(found.values())


def labels_behind(run: Run, content: SuiteContent) -> dict[str, int]:
    """How many labels stand behind the judge of each scorer that a model judges, the fewest where there are several."""
    judged = judged_of(content, seats_from_text(run.judges))
    found: dict[str, int] = {}
    for one, how in zip(judged, agreements(run.suite_version.suite_id, judged), strict=True):
        found[one.scorer] = min(how.n, found.get(one.scorer, how.n))
    return found


def agreements(suite_id: int, judged: Sequence[Judged]) -> tuple[Agreement, ...]:
    """Each judge in order against people, over all runs of the suite in which that very judge was asked; two queries.

    No query where nobody judges. On each answer the majority of labels counts, those that name the scorer before
    those on the answer as a whole; a draw is left out.
    """
    if not judged:
        return ()
    rows = ResultLabel.objects.filter(result__run__suite_version__suite=suite_id, result__error="")
    rows = rows.select_related("result").order_by("pk")
    labels: dict[int, list[ResultLabel]] = defaultdict(list)
    for row in rows:
        labels[row.result_id].append(row)
    runs = Run.objects.filter(pk__in={row.result.run_id for row in rows}).values_list("pk", "judges")
    seats = {pk: seats_from_text(text) for pk, text in runs}
    return tuple(agreement(_pairs(one, labels.values(), seats)) for one in judged)


def _pairs(
    one: Judged, labels: Iterable[list[ResultLabel]], seats: Mapping[int, Mapping[str, Seat]]
) -> list[tuple[bool, bool]]:
    """What the judge said of each labelled answer, and what people say."""
    found = []
    for of_result in labels:
        result = of_result[0].result
        seat = seats[result.run_id].get(one.key)
        human = _majority(one.scorer, of_result)
        if seat is None or human is None or Judged(one.scorer, one.key, seat).who != one.who:
            continue
        said = next((score for score in json.loads(result.scores) if score["name"] == one.scorer), None)
        if said is not None:
            found.append((bool(said["passed"]), human))
    return found


def _majority(scorer: str, labels: list[ResultLabel]) -> bool | None:
    """What most people say of the scorer, or of the whole where nobody names it; None for a draw and for nothing."""
    named = [label.is_passed for label in labels if label.scorer == scorer]
    marks = named or [label.is_passed for label in labels if not label.scorer]
    passed = 2 * sum(marks)
    return None if passed == len(marks) else passed > len(marks)
