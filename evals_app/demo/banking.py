"""The worked story: which of five things a bank's customer writes about, answered by a small model.

Measured with the local model (SmolLM2-135M-Instruct, temperature 0, one thread) on the 60 messages of `banking.csv`,
candidate and version 1 asked in turn, as a run does; right answers, new wins b and new losses c against version 1, and
one-sided 95 % bounds of the difference:

    version 1, the list of intents         45   Wilson 0.649 > 0.3, the first floor: passes
    version 2, five examples as turns      13   b = 3, c = 35, U = -0.395 < -0.10: fails (it answers "refund" to all)
    version 3, intents on their own line   49   b = 5, c = 1,  L = -0.001 > -0.10: passes

From one time to the next one or two answers differ. On the next 60 messages of the same intents: 40; 14 (U = -0.293);
44 (b = 6, c = 2, L = -0.013), so the outcome is no accident of these rows.
"""

import csv
import json

from evals_app.demo.library import DATA
from registry.core.canonical import JSON

PROMPT, SUITE, SUITE_TITLE = "support/intent", "banking-intents", "Banking intents"
DESCRIPTION = "Which of five things a customer of a bank writes about"
TAGS = ("classification", "json")
INTENTS = ("card", "exchange", "top_up", "pin", "refund")
EXAMPLES = (
    ("My new card has not arrived yet.", "card"),
    ("What rate do I get for dollars?", "exchange"),
    ("My top-up did not go through.", "top_up"),
    ("How do I change my PIN?", "pin"),
    ("I want my money back for a purchase.", "refund"),
)
TASK = "You classify messages from customers of a bank."
FORM = 'Answer as JSON: {"intent": "..."}'
LIST = f"{TASK} Answer with one of these intents: {', '.join(INTENTS)}. {FORM}."
LINES = f"{TASK}\nIntents: {', '.join(INTENTS)}\n{FORM}"

# What Ada writes with her versions; the story knows its own versions by these.
MESSAGES = ("The list of intents", "Add five examples", "Give the intents a line of their own")
APPROVAL = "Well above the floor on 60 real messages, and the answer always fits the schema."
AFTER_REFUSAL = (
    "The suite is right: the examples lose far more answers than they win. I leave them out and try the layout."
)
GIVEN_UP = "Refused by its suite; version 3 goes another way."


def content(number: int) -> dict[str, JSON]:
    """The content fields of version 1, 2 or 3; config, schema and variables are the same in all."""
    turns = EXAMPLES if number == 2 else ()
    messages: list[JSON] = [_turn("system", LINES if number == 3 else LIST)]
    for question, intent in turns:
        messages += [_turn("user", question), _turn("assistant", json.dumps({"intent": intent}))]
    messages.append(_turn("user", "{{ message }}"))
    return {
        "messages": messages,
        "variables": {
            "type": "object",
            "properties": {"message": {"type": "string", "description": "What the customer wrote"}},
            "required": ["message"],
        },
        "config": {"temperature": 0, "max_tokens": 32},
        "response_format": _response_format(),
    }


def suite_content() -> dict[str, JSON]:
    """The suite: 60 real messages, each asked once; a first version must be right in 30 % of them."""
    return {
        "cases": cases(),
        "scorers": [{"kind": "jsonpath", "path": "$.intent"}],
        "mode": "non_inferior",
        "margin": 0.1,
        "repeats": 1,
        "first_floor": 0.3,
    }


def cases() -> list[JSON]:
    """A case for each message; its key is the data set's intent and a number, its tags the group and the intent."""
    seen: dict[str, int] = {}
    found: list[JSON] = []
    with (DATA / "banking.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            category = row["category"]
            seen[category] = seen.get(category, 0) + 1
            found.append(
                {
                    "key": f"{category}-{seen[category]}",
                    "variables": {"message": row["text"]},
                    "expected": row["intent"],
                    "tags": [row["intent"], category],
                }
            )
    return found


def _turn(role: str, text: str) -> dict[str, JSON]:
    return {"role": role, "content": text}


def _response_format() -> dict[str, JSON]:
    schema: dict[str, JSON] = {
        "type": "object",
        "properties": {"intent": {"type": "string", "enum": list(INTENTS)}},
        "required": ["intent"],
        "additionalProperties": False,
    }
    return {"type": "json_schema", "json_schema": {"name": "intent", "strict": True, "schema": schema}}
