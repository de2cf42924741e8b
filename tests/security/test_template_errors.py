"""65. What is told of a template that fails names places and types, never what the variables hold."""

import json
import re

import pytest

from prompts_app.content import TemplateSource
from prompts_app.sandbox.client import render, validate_variables
from registry.core.errors import Invalid, RegistryError
from tests.api.client import Api
from tests.builders import Cast, prompt

SECRET = "canary-4711"
VALUES = {
    "x": SECRET,
    "d": {SECRET: SECRET},
    "l": [SECRET, 1],
    "n": 7,
    "deep": {"a": {"b": SECRET}},
}
FAILING = """
{{ x.nothing }} {{ d[x ~ 'a'] }} {{ d.nothing }} {{ l[9] }} {{ x + 1 }} {{ x - x }} {{ n + x }} {{ x * x }} {{ '%d' % x }}
{{ '%d' | format(x) }} {{ '%(a)s' % d }} {{ x % l }} {{ range(x) }} {{ range(n, x) }} {{ dict(x) }} {{ dict(l) }} {{ d | sum }}
{{ l | sum }} {{ l | sort }} {{ l | max }} {{ l | min }} {{ l | join(n) }} {{ x | round }} {{ x | abs }} {{ x | batch(x) | list }}
{{ x | slice(x) | list }} {{ x | indent(x) }} {{ x | center(x) }} {{ x | truncate(x) }} {{ x | wordwrap(x) }} {{ x | tojson(indent=x) }}
{{ [x] | map(x) | list }} {{ [x] | map('nothing') | list }} {{ [x] | select(x) | list }} {{ [d] | map(attribute=x) | list }}
{{ [d] | sort(attribute='nothing') }} {{ [d] | groupby(n) }} {{ d | dictsort(by=x) }} {{ n is divisibleby(0) }} {{ n is divisibleby(x) }}
{{ n // 0 }} {{ n / 0 }} {{ n % 0 }} {{ x.index('zzz') }} {{ x.split(1) }} {{ x.split('') }} {{ x.replace(1, 2) }} {{ x.join(n) }}
{{ x.startswith(n) }} {{ x.nothing() }} {{ d.items(1) }} {{ n.real.nothing }} {{ x < n }} {{ l < n }} {{ x in n }} {{ {l: 1} }}
{{ {d: x} }} {{ n[0] }} {{ n[x] }} {{ x[d] }} {{ l[x] }} {{ x | int + x }} {{ -x }} {{ x | default(n, n, n, n) }} {{ x | replace(n, n) }}
{{ x | float + x }} {{ deep.a.c }} {{ deep.a.b.c }} {{ missing }} {{ missing.x }} {{ x | upper(1) }} {{ x | trim(n) }} {{ l | first(1) }}
{{ d | items(1) }} {{ x | urlencode(1) }} {{ l | reverse | nothing }} {{ x | wordcount(1) }} {{ x is sameas }} {{ x | unique(x) | list }}
"""
TEMPLATES = re.findall(r"\{\{.*?\}\}(?= \{\{|$)", FAILING.replace("\n", " ").strip())
TEMPLATES += [
    "{% for a, b, c in [l] %}{% endfor %}",
    "{% for a in n %}{% endfor %}",
    "{% for a in x.nothing %}{% endfor %}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(x, x) }}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=x) }}",
    "{% set ns = namespace(x) %}{{ ns.a }}",
    "{% set a, b = l + l %}{{ a }}",
    "{% if x > n %}a{% endif %}",
    "{% for a in range(3) %}{{ loop.cycle() }}{% endfor %}",
]


def why(template: str) -> str:
    """What is told of its failing; empty where it does not."""
    try:
        render(TemplateSource("text", text=template), VALUES)
    except Invalid as error:
        return said(error)
    return ""


def said(error: RegistryError) -> str:
    return error.detail + json.dumps([[one.field, one.code, one.message] for one in error.errors])


def test_errors__of_every_kind_of_failing_template__never_repeat_a_value() -> None:
    told = {template: words for template in TEMPLATES if (words := why(template))}
    assert {template: words for template, words in told.items() if SECRET in words} == {}
    assert len(told) > len(TEMPLATES) * 0.7, "most of them fail"


@pytest.mark.parametrize(
    "about", [{"type": "integer"}, {"enum": ["a"]}, {"pattern": "^z"}, {"maxLength": 2}, {"format": "email"}]
)
def test_errors__of_variables_that_do_not_fit__never_repeat_them(about: dict[str, object]) -> None:
    schema = {
        "type": "object",
        "properties": {"x": about, "d": {"additionalProperties": False}},
        "required": ["x", "y"],
    }
    with pytest.raises(Invalid) as refused:
        validate_variables(schema, VALUES)
    assert SECRET not in said(refused.value)


def test_answer__of_a_render_that_fails__has_no_value_and_no_trace(cast: Cast) -> None:
    prompt(cast.ada, "p", text="{{ x + 1 }}")
    answer = Api(cast.ada).post("environments/development/prompts/p/render", {"variables": VALUES})
    assert answer.status == 422
    assert SECRET not in answer.body.decode() and "Traceback" not in answer.body.decode()
