"""Templates that attack: every family, and whatever the grammar makes, ends within the limits and harms nobody after it."""

import os
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from prompts_app.content import Message, Placeholder, TemplateSource
from prompts_app.errors import TemplateLimit, TemplateRefused, VariablesInvalid
from prompts_app.sandbox.client import POOL, inspect, render
from prompts_app.sandbox.framing import pack_job, to_bytes
from prompts_app.sandbox.pipe import WorkerGone, WorkerLate
from prompts_app.sandbox.pool import Pool
from tests import tally
from tests.security.templates import BOUNDED, REFUSED, TEMPLATES, VALUES

MEMORY_KB = 512 * 1024
CEILING_S = 30  # a render is stopped after 3 s; the rest is for starting workers on a busy machine
EXAMPLES = int(os.environ.get("EXAMPLES", "300"))
REFUSALS = (TemplateRefused, TemplateLimit, VariablesInvalid)
NEXT = TemplateSource("text", text="Hello {{ name }}")
OTHER = Pool()  # another worker, with another order of hashes


def ids(rows):
    return [name for name, _, _ in rows]


def attacked(template, variables):
    """The text or why there is none, once saving and rendering both gave an answer or a refusal, within the limits."""
    tally.note("templates: tried")
    source = TemplateSource("text", text=template)
    started = time.monotonic()
    answer, why = None, ""
    try:
        inspect(source)
        answer = render(source, variables).text
    except REFUSALS as refused:
        why = refused.detail
    assert "job failed" not in why
    assert time.monotonic() - started < CEILING_S
    assert max(map(peak_kb, list(POOL.alive)), default=0) < MEMORY_KB
    assert render(NEXT, {"name": "Ada"}).text == "Hello Ada"
    return answer, why


def peak_kb(worker):
    lines = Path(f"/proc/{worker.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


@pytest.mark.parametrize(("name", "template", "variables"), REFUSED, ids=ids(REFUSED))
def test_family__that_must_not_work__never_gives_an_answer(name, template, variables):
    answer, why = attacked(template, variables)
    assert answer is None
    assert "3 s" not in why  # a limit that is known before the clock has to stop it


# Those of many parts take ten seconds each to compile.
LONG = [pytest.mark.faults]


@pytest.mark.parametrize(
    ("name", "template", "variables"),
    [pytest.param(*one, marks=LONG if one[0].startswith("many ") else [], id=one[0]) for one in BOUNDED],
)
def test_family__that_takes_long__ends_within_the_limits(name, template, variables):
    attacked(template, variables)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(TEMPLATES)
def test_grammar__any_template_of_the_subset__is_an_answer_or_a_refusal_and_the_same_everywhere(template):
    answer, _ = attacked(template, VALUES)
    if answer is None:
        return
    job = pack_job({"do": "render", "variables": VALUES}, to_bytes(TemplateSource("text", text=template).to_json()))
    try:
        again = OTHER.ask(job, timeout_s=CEILING_S)
    except (WorkerGone, WorkerLate):
        again = {}
    assert again == {"result": answer}


@pytest.mark.parametrize("template_format", ["jinja", "plain"])
def test_placeholder__in_a_thousand_places__makes_no_mountain(template_format):
    turns = (*(Placeholder("history") for _ in range(999)), Message("user", "{{ a }}"))
    template = TemplateSource("chat", template_format, messages=turns)
    history = [{"role": "user", "content": "x" * 1_000_000}]
    with pytest.raises(VariablesInvalid) as refusal:
        render(template, {"history": history, "a": "b"})
    assert [error.field for error in refusal.value.errors] == ["variables.history"]
    short = render(template, {"history": [{"role": "user", "content": "x"}], "a": "b"}).messages
    assert len(short) == 1_000


def test_percent__what_it_is_for__still_works():
    template = "{{ '%(a)s-%(a)5d|%%|%(b)-3s|' % {'a': 1, 'b': 'é'} }}{{ '%05.1f %s' | format(2.25, [1]) }}"
    assert render(TemplateSource("text", text=template), {}).text == "1-    1|%|é  |002.2 [1]"


def test_names__written_in_one_way_only__need_not_be_in_normal_form():
    assert render(TemplateSource("text", text="{{ ﾅﾏｴ }}{{ ﬁ }}"), {"ﾅﾏｴ": 1, "ﬁ": 2}).text == "12"
