"""Many renders in one go give and refuse what single ones do, whatever becomes of the worker on the way."""

import os
import select
import signal

from prompts_app.content import TemplateSource
from prompts_app.errors import TemplateLimit, VariablesInvalid
from prompts_app.sandbox import client
from prompts_app.sandbox.client import Rendered, render, render_many
from registry.core.errors import Invalid

LONG_LOOP = "{% for a in range(2000) %}{% for b in range(n) %}{{ b }}{% endfor %}{% endfor %}"


def _texts(found: list[Rendered | Invalid]) -> list[str | None]:
    return [None if isinstance(one, Invalid) else one.text for one in found]


def test_render_many__good_and_bad_values__each_gets_its_own_answer_in_order():
    template = TemplateSource("text", text="{{ q }} {{ 'x' * 2 }}")
    values = [{"q": str(n)} if n % 3 else {} for n in range(30)]
    found = render_many(template, values)
    assert len(found) == 30
    for one, variables in zip(found, values, strict=True):
        if variables:
            assert one == render(template, variables)
        else:
            assert isinstance(one, VariablesInvalid)


def test_render_many__values_larger_than_the_pipe__all_come_back():
    found = render_many(TemplateSource("text", text="{{ q }}."), [{"q": str(n) * 100_000} for n in range(10)])
    assert _texts(found) == [f"{str(n) * 100_000}." for n in range(10)]


def test_render_many__worker_was_killed_before__starts_another():
    render_many(TemplateSource("text", text="{{ q }}!"), [{"q": "1"}])
    for worker in list(client.POOL.alive):
        os.kill(worker.pid, signal.SIGKILL)
        select.select([os.pidfd_open(worker.pid)], [], [], 30)
    template, values = TemplateSource("text", text="{{ q }}!"), [{"q": "1"}, {"q": "2"}]
    found = render_many(template, values)
    found += render_many(template, values[len(found) :])
    assert _texts(found) == ["1!", "2!"]


def test_render_many__one_runs_into_its_limits__ends_with_it_and_the_rest_can_go_on():
    template = TemplateSource("text", text=LONG_LOOP)
    values = [{"n": 1}, {"n": 1_000_000}, {"n": 1}]
    found = render_many(template, values)
    assert len(found) == 2 and isinstance(found[0], Rendered) and isinstance(found[1], TemplateLimit)
    assert _texts(render_many(template, values[2:])) == ["0" * 2000]


def test_render_many__plain_templates_and_refused_ones__need_no_worker():
    plain = TemplateSource("text", template_format="plain", text="{{q}}")
    assert _texts(render_many(plain, [{"q": "{{ a }}"}, {}])) == ["{{ a }}", None]
    refused = TemplateSource("text", text="{{ q.__class__ }}")
    assert all(isinstance(one, Invalid) for one in render_many(refused, [{"q": 1}]))
