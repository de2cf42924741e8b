"""Who judges: the prompt version a suite pins for a judge's name, and the model a run asks with it. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from evals_app.model_settings import ModelSettings
from evals_app.scorers import SCORERS, ScorerSpec
from evals_app.scorers.graded.judging import Graded, judge_key, prompt_name
from registry.core.canonical import JSON
from registry.core.errors import FieldError
from registry.core.fields import Fields

MOST_JUDGES = 200


@dataclass(frozen=True, slots=True)
class JudgePin:
    """The version of a judge's prompt that a suite version asks, for good. Before it is saved the digest may be empty."""

    name: str
    version: int
    digest: str = ""

    def to_json(self) -> dict[str, JSON]:
        """As the API speaks of it."""
        return {"name": self.name, "version": self.version, "digest": self.digest}


@dataclass(frozen=True, slots=True)
class Seat:
    """A judge as one run asks it; `version` is 0 and `digest` empty where no prompt judges but a model's embeddings."""

    settings: ModelSettings
    version: int = 0
    digest: str = ""

    def to_json(self) -> dict[str, JSON]:
        """Stored with the run."""
        return {"version": self.version, "digest": self.digest, "settings": self.settings.to_json()}


def seats_to_text(seats: Mapping[str, Seat]) -> str:
    """Seats by judge, as a run keeps them."""
    return json.dumps({key: seat.to_json() for key, seat in seats.items()}, ensure_ascii=False)


def seats_from_text(text: str) -> dict[str, Seat]:
    """What `seats_to_text` wrote."""
    return {
        key: Seat(ModelSettings.from_json(seat["settings"]), int(seat["version"]), str(seat["digest"]))
        for key, seat in json.loads(text).items()
    }


def graded_kind(spec: ScorerSpec) -> Graded | None:
    """The kind of a spec whose verdict a model gives; None for all others."""
    scorer = SCORERS[spec.kind]
    return scorer if isinstance(scorer, Graded) else None


def key_of(spec: ScorerSpec) -> str:
    """Who judges for a graded spec; empty for all others."""
    kind = graded_kind(spec)
    return judge_key(spec, kind) if kind else ""


def prompt_of(spec: ScorerSpec) -> str:
    """The prompt that judges for a graded spec; empty where none does."""
    kind = graded_kind(spec)
    return prompt_name(judge_key(spec, kind)) if kind and kind.prompt else ""


def read_pins(given: Fields) -> tuple[JudgePin, ...]:
    """The member `judges`: a list of `{name, version, digest?}`, each name once."""
    found: dict[str, JudgePin] = {}
    for index, value in enumerate(given.items("judges", most=MOST_JUDGES)):
        place = f"{given.name('judges')}[{index}]"
        pin = Fields(value, given.errors, path=place)
        pin.require("name")
        pin.require("version")
        name = pin.text("name", "", least=1, most=255)
        number = pin.integer("version", 1, least=1, most=2**31 - 1)
        digest = pin.text("digest", None, most=64)
        pin.close()
        if name in found:
            given.errors.append(
                FieldError(f"{place}.name", "taken", "is named twice: a suite asks one version of each judge")
            )
        found.setdefault(name, JudgePin(name, number, digest or ""))
    return tuple(sorted(found.values(), key=lambda one: one.name))
