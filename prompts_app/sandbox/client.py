"""Rendering for everybody else: templates, schemas and patterns of users go to a worker, plain values come back.

One worker per process by default, started at the first use, killed and replaced when a job takes longer than it may.
Safe between threads; after a fork the child starts its own. Jinja is never imported here.
"""

from __future__ import annotations

import atexit
import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from prompts_app.content import MAX_TEMPLATE_BYTES, TemplateSource, texts
from prompts_app.errors import TemplateLimit, TemplateRefused, VariablesInvalid
from prompts_app.patterns import LONGEST, is_quick
from prompts_app.sandbox.framing import pack_job, to_bytes
from prompts_app.sandbox.pipe import WorkerGone, WorkerLate
from prompts_app.sandbox.plain import plain_names, render_plain
from prompts_app.sandbox.pool import Pool
from prompts_app.sandbox.turns import BadMessages, build_messages
from prompts_app.variables import missing_variable, quick_mistakes, type_words
from registry.core.canonical import JSON, InvalidJson, check_json, check_text
from registry.core.errors import FieldError, Invalid

SECONDS = 3.0
MAX_VARIABLES_BYTES = 4_000_000
MAX_OUTPUT_CHARACTERS = 4_000_000
MANY_SECONDS = 1.0

POOL = Pool()
atexit.register(POOL.close)


@dataclass(frozen=True)
class Rendered:
    """`text` of a text prompt or `messages` of a chat prompt, ready to send; the other one is None."""

    text: str | None = None
    messages: tuple[dict[str, JSON], ...] | None = None

    def to_json(self) -> dict[str, JSON]:
        return {"text": self.text} if self.messages is None else {"messages": list(self.messages)}


def render(template: TemplateSource, variables: Mapping[str, JSON]) -> Rendered:
    """The template with these values; variables it does not use are ignored. At most 3 s and 4 M characters.

    Raises TemplateRefused, TemplateLimit or VariablesInvalid (422, with `line` and index of the `message` where known).
    """
    _check_template(template)
    if template.template_format == "plain":
        return _render_plain(template, variables)
    return _rendered(_ask(_render_job(to_bytes(template.to_json()), variables)))


def render_many(template: TemplateSource, values: Sequence[Mapping[str, JSON]]) -> list[Rendered | Invalid]:
    """The template with each of these values, as `render` gives or refuses it; much cheaper than one by one.

    Ends early, but never before the first, once a second is over or one has run into the limits of a render.
    """
    try:
        _check_template(template)
    except Invalid as refused:
        return [refused] * len(values)
    if template.template_format == "plain":
        return [_tried(_render_plain, template, one) for one in values]
    source = to_bytes(template.to_json())
    jobs = [_tried(_render_job, source, one) for one in values]
    answers = _answers([job for job in jobs if isinstance(job, bytes)])
    found: list[Rendered | Invalid] = []
    for job in jobs:
        if isinstance(job, Invalid):
            found.append(job)
            continue
        if not answers:
            break
        answer = answers.popleft()
        found.append(answer if isinstance(answer, Invalid) else _rendered(answer))
    return found


def _answers(jobs: Sequence[bytes]) -> deque[JSON | Invalid]:
    """What comes of the first of these jobs. One that ends the worker is asked once more by itself, which tells why."""
    if not jobs:
        return deque()
    answers = [_tried(_result, answer) for answer in POOL.ask_many(jobs, timeout_s=SECONDS, within_s=MANY_SECONDS)]
    limited = next((at for at, one in enumerate(answers) if isinstance(one, TemplateLimit)), None)
    if limited is not None:
        return deque(answers[: limited + 1])
    return deque(answers or [_tried(_ask, jobs[0])])


def _tried[**Given, Made](work: Callable[Given, Made], *args: Given.args, **kwargs: Given.kwargs) -> Made | Invalid:
    try:
        return work(*args, **kwargs)
    except Invalid as refused:
        return refused


def _render_job(source: bytes, variables: Mapping[str, JSON]) -> bytes:
    try:
        job = pack_job({"do": "render", "variables": dict(variables)}, source)
    except (ValueError, TypeError, RecursionError):
        raise _unacceptable(variables) from None
    if len(job) > MAX_VARIABLES_BYTES and len(to_bytes(dict(variables))) > MAX_VARIABLES_BYTES:
        raise VariablesInvalid(f"The variables have more than {MAX_VARIABLES_BYTES:,} bytes.")
    return job


def inspect(template: TemplateSource) -> tuple[str, ...]:
    """The variables of a template that may be saved, in order of first use. Raises TemplateRefused or TemplateLimit."""
    _check_template(template)
    if template.template_format == "plain":
        return tuple(plain_names(texts(template)))
    return tuple(cast("list[str]", _ask(pack_job({"do": "inspect"}, to_bytes(template.to_json())))))


def match(pattern: str, text: str, *, timeout_s: float = 1.0) -> bool:
    """Whether Python's regular expression `pattern` is found anywhere in `text`.

    Raises Invalid `pattern.invalid`, or `pattern.slow` when it takes longer than `timeout_s`.
    """
    if len(pattern) > LONGEST:
        raise Invalid("pattern.invalid", f"A pattern has at most {LONGEST:,} characters.")
    try:
        job = pack_job({"do": "match", "pattern": pattern, "text": text})
    except UnicodeEncodeError:
        raise Invalid("pattern.invalid", "The pattern or the text has a lone surrogate.") from None
    try:
        return bool(_answer(job, timeout_s))
    except (WorkerLate, WorkerGone):
        raise Invalid("pattern.slow", f"The pattern took more than {timeout_s:g} s or too much memory.") from None


def refuse_patterns(patterns: Iterable[tuple[str, str]]) -> None:
    """Raise Invalid `pattern.invalid` naming the field of the first pattern that is no regular expression, `pattern.slow`
    where reading them all takes longer than 3 s. Only those are read that nobody may read in their own process."""
    asked = [(field, pattern) for field, pattern in patterns if not is_quick(pattern)]
    if not asked:
        return
    job = pack_job({"do": "read", "patterns": [pattern for _, pattern in asked]})
    try:
        wrong = _answer(job, SECONDS)
    except (WorkerLate, WorkerGone):
        field, said = asked[0][0], "takes too long to be read, with the others that have ranges up to far characters"
        raise Invalid("pattern.slow", f"{field}: {said}.", errors=[FieldError(field, "slow", said)]) from None
    if wrong is not None:
        field, said = asked[cast("int", wrong)][0], "is not a regular expression"
        raise Invalid("pattern.invalid", f"{field}: {said}.", errors=[FieldError(field, "format", said)])


def schema_mistakes(schema: Mapping[str, JSON], value: JSON, *, path: str = "") -> tuple[FieldError, ...]:
    """Where `value` does not fit a JSON Schema (2020-12), at most 100 places, none of them repeating the value.

    `code` is the schema's keyword. Raises Invalid `schema.limit` when it takes longer than 3 s or the schema goes in
    circles: schemas of users hold patterns of users, so they are tried in the worker.
    """
    try:
        found = _answer(pack_job({"do": "validate", "value": value}, to_bytes(schema)), SECONDS)
    except (WorkerLate, WorkerGone):
        raise Invalid("schema.limit", "Checking the value against its schema takes too long.") from None
    return tuple(_mistake(cast("dict[str, JSON]", one), path) for one in cast("list[JSON]", found))


def validate_variables(schema: Mapping[str, JSON], values: Mapping[str, JSON]) -> None:
    """Raises VariablesInvalid naming each missing or mistyped variable; values the schema does not declare are ignored."""
    mistakes: Sequence[FieldError] | None = quick_mistakes(schema, values)
    if mistakes is None:
        declared = schema.get("properties")
        kept = {name: value for name, value in values.items() if isinstance(declared, dict) and name in declared}
        try:
            mistakes = schema_mistakes(schema, kept, path="variables")
        except (ValueError, TypeError, RecursionError):
            raise _unacceptable(values) from None
    if mistakes:
        raise _variables_invalid(mistakes)


def _render_plain(template: TemplateSource, variables: Mapping[str, JSON]) -> Rendered:
    room = MAX_OUTPUT_CHARACTERS

    def text(source: str, index: int | None) -> str:
        nonlocal room
        result = render_plain(source, variables, room)
        if result is None:
            raise TemplateLimit(f"The output would have more than {MAX_OUTPUT_CHARACTERS:,} characters.", message=index)
        room -= len(result)
        return result

    missing = [name for name in plain_names(texts(template)) if name not in variables]
    if missing:
        raise _variables_invalid([missing_variable(name) for name in missing])
    try:
        check_json(dict(variables))
    except InvalidJson:
        raise _unacceptable(variables) from None
    if template.messages is None:
        return Rendered(text=text(template.text or "", None))
    try:
        return _rendered(build_messages([turn.to_json() for turn in template.messages], variables, text))
    except BadMessages as error:
        raise _variables_invalid([FieldError(f"variables.{error.name}", "type", str(error))]) from None


def _rendered(result: JSON) -> Rendered:
    if isinstance(result, str):
        return Rendered(text=result)
    return Rendered(messages=tuple(cast("list[dict[str, JSON]]", result)))


def _check_template(template: TemplateSource) -> None:
    templates = texts(template)
    if sum(map(len, templates)) > MAX_TEMPLATE_BYTES:
        raise TemplateLimit(f"The template has more than {MAX_TEMPLATE_BYTES:,} bytes.")
    for text in templates:
        try:
            check_text(text)
        except InvalidJson as error:
            raise TemplateRefused(f"The template: {error.message}") from None


def _ask(job: bytes) -> JSON:
    """The result of a template's job."""
    try:
        return _answer(job, SECONDS)
    except WorkerLate:
        raise TemplateLimit(f"The template took longer than {SECONDS:g} s.") from None
    except WorkerGone:
        raise TemplateLimit("The template used more memory or time than a render gets.") from None


def _answer(job: bytes, timeout_s: float) -> JSON:
    return _result(POOL.ask(job, timeout_s=timeout_s))


def _result(answer: dict[str, JSON]) -> JSON:
    problem = answer.get("problem")
    if isinstance(problem, dict):
        raise _problem(problem)
    return answer["result"]


def _problem(problem: dict[str, JSON]) -> Invalid:
    """The worker's words as an error of ours."""
    kind, text = str(problem["kind"]), str(problem["text"])
    line, message = cast("int | None", problem.get("line")), cast("int | None", problem.get("message"))
    places = [f"messages[{message}]"] if message is not None else []
    places += [f"line {line}"] if line is not None else []
    detail = f"{', '.join(places)}: {text}" if places else text
    if kind == "variables":
        name = str(problem.get("variable") or "")
        error = FieldError(f"variables.{name}" if name else "variables", str(problem.get("code") or "invalid"), text)
        return VariablesInvalid(detail, line=line, message=message, errors=[error])
    if kind == "pattern":
        return Invalid("pattern.invalid", text)
    if kind == "schema":
        return Invalid("schema.limit", text)
    return (TemplateLimit if kind == "limit" else TemplateRefused)(detail, line=line, message=message)


def _unacceptable(variables: Mapping[str, JSON]) -> VariablesInvalid:
    """Which variable is no JSON that we take, after something tripped over it."""
    for name, value in variables.items():
        try:
            check_json(value, f"variables.{name}")
        except InvalidJson as error:
            return VariablesInvalid(error.message, errors=[FieldError(error.path, "invalid", error.message)])
    return VariablesInvalid("The variables are not JSON.")


def _mistake(found: Mapping[str, JSON], path: str) -> FieldError:
    field, keyword, wanted = path, str(found["keyword"]), found["wanted"]
    for part in cast("list[str | int]", found["path"]):
        field += f"[{part}]" if isinstance(part, int) else f".{part}" if field else part
    if keyword == "required":
        return FieldError(field, "missing", "is required")
    if keyword == "type":
        return FieldError(field, keyword, f"must be of type {type_words(wanted)}")
    if keyword in {"enum", "const"}:
        choices = wanted if isinstance(wanted, list) and keyword == "enum" else [wanted]
        shown = ", ".join(json.dumps(choice, ensure_ascii=False) for choice in choices[:20])
        return FieldError(field, keyword, f"must be one of {shown}"[:300])
    return FieldError(field, keyword, f"does not satisfy {keyword}")


def _variables_invalid(mistakes: Sequence[FieldError]) -> VariablesInvalid:
    listed = "; ".join(f"{one.field.removeprefix('variables.')} {one.message}" for one in mistakes[:10])
    return VariablesInvalid(f"The variables do not fit the template: {listed}.", errors=mistakes)
