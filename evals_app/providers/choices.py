"""What a choice of a chat completion says besides its message. Pure."""

import math

from registry.core.canonical import JSON

LONGEST_REASON = 40


def finish_reason_of(choice: JSON) -> str:
    """Why the answer ended, such as `stop` or `length`; empty where that is not told."""
    reason = choice.get("finish_reason") if isinstance(choice, dict) else None
    return reason if isinstance(reason, str) and len(reason) <= LONGEST_REASON and reason.isprintable() else ""


def perplexity_of(choice: JSON) -> float | None:
    """How surprised the model was by its own words: e to the mean of their negative log probabilities, if those are told."""
    told = choice.get("logprobs") if isinstance(choice, dict) else None
    tokens = told.get("content") if isinstance(told, dict) else None
    logs = [one.get("logprob") if isinstance(one, dict) else None for one in tokens] if isinstance(tokens, list) else []
    numbers = [float(one) for one in logs if isinstance(one, int | float) and not isinstance(one, bool)]
    if not numbers or len(numbers) < len(logs) or not all(map(math.isfinite, numbers)):
        return None
    mean = sum(numbers) / len(numbers)
    return math.exp(-mean) if -mean < 700 else None
