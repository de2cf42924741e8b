"""Which model is asked, and how: a version's config, what a run pins, and the workspace's default. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from registry.core.canonical import JSON

# Members of `config` that go into the request; whatever else a team keeps there is theirs.
PARAMETERS = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "max_tokens",
    "max_completion_tokens",
    "stop",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "reasoning_effort",
    "verbosity",
    "tool_choice",
    "parallel_tool_calls",
)


class SettingsError(ValueError):
    """No model can be asked with these settings; the text says what to change."""


@dataclass(frozen=True)
class Offer:
    """A provider as far as choosing a model goes; the first model is its default."""

    name: str
    models: tuple[str, ...]
    is_default: bool = False


@dataclass(frozen=True)
class ModelSettings:
    """What one arm of a run is asked with; `parameters` are members of the request by name."""

    provider: str
    model: str
    parameters: Mapping[str, JSON] = field(default_factory=dict)

    def to_json(self) -> dict[str, JSON]:
        """A plain JSON object: stored with the run, part of each request's digest."""
        return {"provider": self.provider, "model": self.model, "parameters": dict(self.parameters)}

    @classmethod
    def from_json(cls, value: Mapping[str, JSON]) -> ModelSettings:
        """What `to_json` wrote."""
        parameters = value["parameters"]
        return cls(str(value["provider"]), str(value["model"]), parameters if isinstance(parameters, dict) else {})


def effective(
    config: Mapping[str, JSON], offers: Sequence[Offer], *, pinned: Mapping[str, JSON] | None = None
) -> ModelSettings:
    """The settings of one arm: `pinned` goes over `config`, the default provider and its first model fill the gaps.

    Raises SettingsError when there is no such provider or it does not offer the model.
    """
    merged = {**config, **(pinned or {})}
    offer = _provider(merged.get("provider"), offers)
    model = merged.get("model")
    if model is None:
        model = offer.models[0]
    if not isinstance(model, str) or model not in offer.models:
        raise SettingsError(f"the provider {offer.name} offers no model {model!r}; it has {', '.join(offer.models)}")
    parameters = {name: merged[name] for name in PARAMETERS if merged.get(name) is not None}
    return ModelSettings(offer.name, model, parameters)


def request_parameters(
    settings: ModelSettings, *, tools: Sequence[JSON] | None, response_format: Mapping[str, JSON] | None
) -> dict[str, JSON]:
    """Members of the request besides model and messages; the version's tools and answer format belong to them."""
    parameters = dict(settings.parameters)
    if response_format is not None:
        parameters["response_format"] = dict(response_format)
    if tools:
        parameters["tools"] = list(tools)
    else:
        parameters.pop("tool_choice", None)
        parameters.pop("parallel_tool_calls", None)
    return parameters


def _provider(name: JSON, offers: Sequence[Offer]) -> Offer:
    if name is None:
        found = next((offer for offer in offers if offer.is_default), None)
        if found is None:
            raise SettingsError("the workspace has no default provider: an admin sets one under Settings, Providers")
        return found
    found = next((offer for offer in offers if offer.name == name), None)
    if found is None:
        raise SettingsError(
            f"the workspace has no provider {name!r}: set `provider` in the version's config to one it has"
        )
    return found
