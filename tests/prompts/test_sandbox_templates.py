"""What templates mean: the same as in Jinja with our options wherever they are in the subset."""

import json

import jinja2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompts_app.content import TemplateSource
from prompts_app.errors import TemplateLimit, TemplateRefused, VariablesInvalid
from prompts_app.sandbox.client import inspect, match, render
from prompts_app.sandbox.plain import is_plain
from registry.core.errors import Invalid

REFERENCE = jinja2.Environment(
    autoescape=False,
    undefined=jinja2.StrictUndefined,
    keep_trailing_newline=True,
    newline_sequence="\n",
)
REFERENCE.filters["tojson"] = lambda value, indent=None: json.dumps(value, ensure_ascii=False, indent=indent)
VALUES = {
    "name": "Ada <b>&'\"",
    "n": 7,
    "ratio": 2.5,
    "flag": True,
    "nothing": None,
    "words": ["pear", "Apple", "fig", "fig"],
    "numbers": [3, 1, 2],
    "people": [{"name": "Ada", "age": 36, "tags": ["x"]}, {"name": "Grace", "age": 85}, {"name": "Linus", "age": 36}],
    "config": {"b": 1, "a": {"items": [1, 2]}, "é": "ü"},
    "text": "one two  three\r\nfour\n",
    "messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": " yo "}],
}
SAME = [
    "plain text, no tags\r\nat all\r",
    "{{ name }}|{{ n }}|{{ ratio }}|{{ flag }}|{{ nothing }}|{{ words }}|{{ config }}",
    "{# comment #}{% raw %}{{ raw }}{% endraw %}{{- ' a ' -}}  b\n\n",
    "a\r\n{{ text }}\r\n{%- if flag %} yes {%- endif %}\n",
    "{% if n > 5 and flag or nothing is none %}a{% elif n %}b{% else %}c{% endif %}",
    "{{ 'a' if n == 7 else 'b' }}{{ 'x' if nothing }}{{ not flag }}{{ -n }}{{ +n }}",
    "{{ n + 1 }} {{ n - 1 }} {{ n * 2 }} {{ n / 2 }} {{ n // 2 }} {{ n % 4 }} {{ 'ab' * 3 }} {{ 2 * [1] }} {{ [1] + [2] }}",
    "{{ n ~ name ~ words ~ nothing }} {{ 'a' < 'b' }} {{ 1 < n <= 7 }} {{ 'p' in words[0] }} {{ 'fig' not in words }}",
    "{{ words[0] }} {{ words[-1] }} {{ words[1:3] }} {{ name[::-1] }} {{ name[:2] }} {{ config['b'] }} {{ config.a['items'] }}",
    "{% for word in words %}{{ loop.index }}/{{ loop.length }}{{ ',' if not loop.last }}{{ loop.cycle('a', 'b') }}{% endfor %}",
    "{% for p in people if p.age < 40 %}{{ p.name }}{{ loop.revindex0 }}{% else %}none{% endfor %}",
    "{% for p in people %}{{ loop.previtem.name if not loop.first else '-' }}{{ loop.changed(p.age) }}{% endfor %}",
    "{% for k, v in config.items() %}{{ k }}={{ v }};{% endfor %}{% for k in config %}{{ k }}{% endfor %}",
    "{% for c in 'abc' %}{% for d in range(2) %}{{ c }}{{ d }}{{ loop.index }}{% endfor %}{% endfor %}",
    "{% set x = n + 1 %}{% set y %}block {{ x }}{% endset %}{{ x }}{{ y }}{% set a, b = 1, 2 %}{{ a }}{{ b }}",
    "{% set ns = namespace(n=0, l=[]) %}{% for i in numbers %}{% set ns.n = ns.n + i %}{% set ns.l = ns.l + [i] %}{% endfor %}{{ ns.n }}{{ ns.l }}",
    "{% macro ex(q, a='none') %}{{ q }}:{{ a }};{% endmacro %}{{ ex(1) }}{{ ex(q='x', a=2) }}{{ ex(1, 2) | upper }}",
    "{% macro down(n) %}{{ n }}{% if n %}{{ down(n - 1) }}{% endif %}{% endmacro %}{{ down(5) }}",
    "{% with a = n, b = 2 %}{{ a * b }}{% endwith %}{% filter upper %}abc {{ name }}{% endfilter %}",
    "{{ words | sort | join(', ') }} {{ words | unique | list }} {{ words | first }} {{ words | last }} {{ words | reverse | list }}",
    "{{ people | sort(attribute='age') | map(attribute='name') | join('/') }} {{ people | map(attribute='tags', default=[]) | list }}",
    "{{ people | selectattr('age', 'gt', 40) | map(attribute='name') | list }} {{ people | rejectattr('tags', 'defined') | list }}",
    "{% for g in people | groupby('age') %}{{ g.grouper }}{{ g['grouper'] }}:{{ g.list | length }};{% endfor %}{% for a, l in people | groupby('age') %}{{ a }}{% endfor %}",
    "{{ words | map('upper') | list }} {{ words | select('in', ['fig']) | list }} {{ numbers | reject('odd') | list }} {{ numbers | sum }}",
    "{{ people | sum(attribute='age') }} {{ numbers | max }} {{ numbers | min }} {{ people | max(attribute='age') }} {{ numbers | length }}",
    "{{ name | upper }} {{ name | lower }} {{ 'hello world' | title }} {{ 'hELLO' | capitalize }} {{ '  x ' | trim }} {{ text | wordcount }}",
    "{{ text | indent(2) }} {{ text | indent(2, true, true) }} {{ text | replace('o', '0') }} {{ text | replace('o', '0', 1) }} {{ 'x' | center(9) }}",
    "{{ text | truncate(8) }} {{ text | truncate(8, true, '…', 0) }} {{ text | wordwrap(5) }} {{ 'long sentence here' | wordwrap(6, wrapstring='|') }}",
    "{{ ratio | round }} {{ 2.345 | round(2) }} {{ 2.1 | round(0, 'ceil') }} {{ '7' | int }} {{ 'x' | int(3) }} {{ '1.5' | float }} {{ -3 | abs }}",
    "{{ '%s is %d, %05.1f' | format(name, n, ratio) }} {{ '%(a)s' % {'a': 1} }} {{ '100%' }} {{ '%s' % n }}",
    "{{ nope | default('d') }} {{ '' | default('d', true) }} {{ nope is defined }} {{ config.nope is defined }} {{ config.nope | d(1) }}",
    "{{ config | tojson }} {{ config | tojson(indent=2) }} {{ name | tojson }} {{ nothing | tojson }} {{ [1, 2.5, true] | tojson }}",
    "{{ config | dictsort }} {{ config | items | list }} {{ numbers | batch(2, 0) | list }} {{ numbers | slice(2) | list }} {{ 'a b&c' | urlencode }}",
    "{{ 1 is odd }}{{ n is divisibleby(7) }}{{ name is string }}{{ words is sequence }}{{ config is mapping }}{{ n is number }}{{ flag is true }}{{ nothing is none }}{{ n is eq 7 }}{{ n is in [7] }}",
    "{{ 'a-b-c'.split('-') }} {{ ' x '.strip() }} {{ name.startswith('Ada') }} {{ 'abc'.replace('b', 'x') }} {{ ', '.join(words) }} {{ 'ABC'.lower().title() }}",
    "{{ config.get('b') }} {{ config.get('zz', 5) }} {{ config.keys() | list }} {{ config.values() | list | length }} {{ words.index('fig') }} {{ words.count('fig') }} {{ 'abc'.find('c') }}",
    "{{ {'a': 1, 'b': [n]} }} {{ (1, 2) }} {{ dict(a=1).a }} {{ range(3) | list }} {{ range(10, 0, -3) | join(' ') }} {{ 'a' 'b' }}",
    "{{ 'tab\\tnew\\nquote\\'' }} {{ \"double\" }} {{ 1_000 }} {{ 0x1f }} {{ 1e3 }} {{ true }} {{ None }}",
    "{% for _ in range(2) %}x{% endfor %}{% for m in messages %}{{ m.role }}: {{ m.content | trim }}\n{% endfor %}",
]


def shown(template, variables=None, template_format="jinja"):
    return render(TemplateSource("text", template_format, template), VALUES if variables is None else variables).text


def names(template, template_format="jinja"):
    return inspect(TemplateSource("text", template_format, template))


@pytest.mark.parametrize("template", SAME)
def test_render__in_the_subset__gives_the_bytes_jinja_gives(template):
    assert shown(template) == REFERENCE.from_string(template).render(VALUES)


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_render__any_value__appears_unchanged(value):
    assert shown("[{{ x }}]", {"x": value}) == f"[{value}]"
    assert shown("[{{x}}]", {"x": value}, "plain") == f"[{value}]"


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="{%#} \n\"'|ax.(+~-)[]_=", max_size=60))
def test_render__any_template__is_an_answer_like_jinjas_or_a_refusal(template):
    try:
        answer = shown(template, {"a": "1", "x": [1]})
    except (TemplateRefused, TemplateLimit, VariablesInvalid):
        return
    assert answer == REFERENCE.from_string(template).render({"a": "1", "x": [1]})


@pytest.mark.parametrize(
    ("template", "words", "line"),
    [
        ("{% block a %}{% endblock %}", "block", 1),
        ("\n{% extends 'a' %}", "extends", 2),
        ("{% from 'a' import b %}", "import", 1),
        ("{% autoescape true %}{% endautoescape %}", "autoescape", 1),
        ("a\nb\n{{ x | safe | xmlattr }}", "xmlattr", 3),
        ("{{ x is callable }}", "callable", 1),
        ("{{ x.format(1) }}", "method format", 1),
        ("{{ x() }}", "cannot be called", 1),
        ("{{ x.strip()() }}", "by name", 1),
        ("{{ range(*x) }}", "*arguments", 1),
        ("{{ x | join(**y) }}", "*arguments", 1),
        ("{{ _x }}", "underscore", 1),
        ("{{ x._y }}", "underscore", 1),
        ("{% set _x = 1 %}", "underscore", 1),
        ("{{ self }}", "self", 1),
        ("{{ range }}", "function", 1),
        ("{% set range = 1 %}", "range", 1),
        ("{% macro m() %}{{ caller() }}{% endmacro %}", "caller", 1),
        ("{% macro m() %}{{ varargs }}{% endmacro %}", "varargs", 1),
        ("{% macro m() %}{% endmacro %}{% set f = m %}", "m is a function", 1),
        ("{% set ns = namespace() %}{{ [ns] }}", "ns", 1),
        ("{{ namespace(a=1) }}", "namespace", 1),
        ("{% set ns = namespace(x) %}", "namespace", 1),
        ("{% set x.y = 1 %}", "no namespace", 1),
        ("{% for a in x %}{% set l = loop %}{% endfor %}", "loop", 1),
        ("{% for a in x %}{{ loop.__class__ }}{% endfor %}", "underscore", 1),
        ("{% for a in x %}{{ loop.cycle }}{% endfor %}", "cycle", 1),
        ("{{ x | map('attr', 'y') | list }}", "map", 1),
        ("{{ x | map(y) | list }}", "map", 1),
        ("{{ x ** 2 }}", "**", 1),
        ("{{ 1e999 }}", "too large", 1),
        ("{% call x() %}{% endcall %}", "call", 1),
        ("{% if x %}\n", "end of template", 1),
        ("ok\n{{ x + }}", "", 2),
    ],
)
def test_inspect__outside_the_subset__is_refused_with_line_and_construct(template, words, line):
    with pytest.raises(TemplateRefused) as refusal:
        inspect(TemplateSource("text", text=template))
    assert words in refusal.value.detail
    assert (refusal.value.extra["line"], refusal.value.line) == (line, line)


@pytest.mark.parametrize(
    ("template", "line"),
    [
        ("a\n{{ d.items }}", 2),
        ("{{ 'a'.upper }}", 1),
        ("{{ x | map('upper') }}", 1),
        ("{{ [x | map('upper')] }}", 1),
        ("{{ (x | map('upper')) ~ '' }}", 1),
        ("{{ d.keys() }}", 1),
        ("{{ x.strip() }}", 1),
        ("{{ [''] | map(attribute=key) | list }}", 1),
        ("{{ ''[key] }}", 1),
        ("{{ 1 / 0 }}", 1),
        ("{{ 'a' + 1 }}", 1),
        ("{{ 1.5 | tojson }}{{ (1e308 * 10) | tojson }}", 1),
        ("{{ '\\ud800' }}", None),
        ("{{ '\\x00' }}", None),
    ],
)
def test_render__what_only_values_show__is_refused(template, line):
    with pytest.raises(TemplateRefused) as refusal:
        shown(template, {"d": {"a": 1}, "x": ["a"], "key": "__class__"})
    assert refusal.value.line == line


@pytest.mark.parametrize(
    "template",
    [
        "{% for a in range(100000) %}{% for b in range(3) %}{% endfor %}{% endfor %}",
        "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(40) }}",
        "{% macro m(n) %}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}",
        "{% set ns = namespace(s='a') %}{% for i in range(40) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
        "{% set ns = namespace(s='a') %}{% for i in range(40) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
        "{% set ns = namespace(l=[1]) %}{% for i in range(40) %}{% set ns.l = ns.l + ns.l %}{% endfor %}",
        "{% set ns = namespace(l=[1]) %}{% for i in range(40) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}",
        "{% set ns = namespace(l=[1]) %}{% for i in range(40) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l | tojson }}",
        "{% set ns = namespace(n=3) %}{% for i in range(40) %}{% set ns.n = ns.n * ns.n %}{% endfor %}",
        "{% for i in range(100) %}{{ big }}{% endfor %}",
        "{% for i in range(100000) %}{{ big }}{% endfor %}",
        "{% set x %}{% for i in range(100000) %}{{ big }}{% endfor %}{% endset %}",
        "{{ '%999999999d' % 1 }}",
        "{{ '%.*f' | format(999999999, 1.0) }}",
        "{{ big | replace('x', big) }}",
        "{{ range(1000) | join(big) }}",
        "{{ (big ~ '\n') * 4 | indent(10000000) }}",
        "{{ 'x' | center(100000000) }}",
        "{{ 5 | round(-100000000) }}",
        "{{ [1] | batch(100000000) | list }}",
        "{{ [1] | slice(100000000) | list }}",
        "{{ big | list }}",
        "{{ big | wordwrap(1) }}",
        "{% for i in range(100000) %}{% set x = big[1:] %}{% endfor %}",
        "{% for i in range(100000) %}{% if 'y' in big %}{% endif %}{% endfor %}",
        "{% for i in range(100000) %}{% set x = big | upper %}{% endfor %}",
        "{% for i in range(100000) %}{% set x = big.strip() %}{% endfor %}",
    ],
)
def test_render__growing_out_of_hand__meets_a_limit_before_the_clock(template):
    with pytest.raises(TemplateLimit) as refusal:
        shown(template, {"big": "x" * 1_000_000})
    assert "3 s" not in refusal.value.detail


@pytest.mark.parametrize(
    "template", ["{{ x }}" * 5001, "{% if x %}" * 300, "{{ " + "(" * 300 + "x" + ")" * 300 + " }}", "{{" * 4000]
)
def test_inspect__too_many_tags_or_levels__is_refused(template):
    with pytest.raises((TemplateLimit, TemplateRefused)):
        inspect(TemplateSource("text", text=template))


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ b }}{{ a }}{{ b }}", ("b", "a")),
        ("{% for m in messages %}{{ m.x[y] }}{{ loop.index }}{% endfor %}", ("messages", "y")),
        ("{% set a = 1 %}{{ a }}{{ b }}", ("b",)),
        ("{{ a }}{% set a = 1 %}", ("a",)),
        ("{% macro m(x) %}{{ x }}{{ y }}{% endmacro %}{{ m(z) }}", ("y", "z")),
        ("{% if c %}{{ t }}{% endif %}{{ d | default(e) }}{{ range(n) }}", ("c", "t", "d", "e", "n")),
        ("{{ caller }}{{ kwargs }}", ("caller", "kwargs")),
        ("nothing", ()),
        ("{% raw %}{{ x }}{% endraw %}{# {{ y }} #}", ()),
    ],
)
def test_inspect__names__come_in_order_of_first_use(template, expected):
    assert names(template) == expected


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("Hello {{ name }} {{n}}", True),
        ("no tags { at } all", True),
        ("{{ name | upper }}", False),
        ("{{ a.b }}", False),
        ("{{ true }}", False),
        ("{# c #}", False),
        ("{% raw %}{% endraw %}", False),
        ("{{- name }}", False),
        ("{{ name }}\r\n", False),
    ],
)
def test_plain__of_a_jinja_template__is_true_when_both_readings_agree(template, expected):
    assert is_plain(template) is expected
    if expected:
        values = {"name": "Ada", "n": "7"}
        assert shown(template, values) == shown(template, values, "plain")


def test_render__plain__replaces_bare_names_and_nothing_else():
    template = "{{name}} {{ n }} {{\td }} {{name|upper}} {% if x %} {# c #} {{ a.b }} {{}} { {name} } {{{name}}}\r\n"
    assert names(template, "plain") == ("name", "n", "d")
    values = {"name": "{{n}}", "n": 7, "d": {"é": [True, None]}}
    assert shown(template, values, "plain") == (
        '{{n}} 7 {"é": [true, null]} {{name|upper}} {% if x %} {# c #} {{ a.b }} {{}} { {name} } {{{n}}}\r\n'
    )


def test_render__plain_limits_and_mistakes__are_told_like_jinjas():
    with pytest.raises(VariablesInvalid) as refusal:
        shown("{{a}} {{b}}", {"a": 1}, "plain")
    assert [error.field for error in refusal.value.errors] == ["variables.b"]
    with pytest.raises(TemplateLimit):
        shown("{{a}}" * 100, {"a": "x" * 100_000}, "plain")
    with pytest.raises(VariablesInvalid):
        shown("{{a}}", {"a": "\0"}, "plain")


def test_render__missing_variable__is_named_with_its_line():
    with pytest.raises(VariablesInvalid) as refusal:
        shown("one\ntwo {{ city }}", {})
    assert (refusal.value.line, refusal.value.errors[0].field) == (2, "variables.city")
    with pytest.raises(VariablesInvalid) as refusal:
        shown("{{ person.age }}", {"person": {}})
    assert "age" in refusal.value.detail


@pytest.mark.parametrize(
    argnames=("value", "field"),
    ids=["nan", "inf", "65 bit", "5000 digits", "nul", "surrogate", "object"],
    argvalues=[
        (float("nan"), "variables.x"),
        (float("inf"), "variables.x"),
        (2**64, "variables.x"),
        (10**5000, "variables.x"),
        ("a\0", "variables.x"),
        ("\ud800", "variables.x"),
        ({"y": object()}, "variables.x.y"),
    ],
)
def test_render__values_that_are_no_json__are_refused_by_name(value, field):
    with pytest.raises(VariablesInvalid) as refusal:
        shown("{{ x }}", {"x": value})
    assert refusal.value.errors[0].field == field


def test_render__deep_or_large_values__are_refused():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    for value in (deep, "x" * 4_000_001):
        with pytest.raises(VariablesInvalid):
            shown("{{ x }}", {"x": value})


@pytest.mark.parametrize(
    "template",
    [
        "{{ secret.missing }}",
        "{{ data[secret ~ secret] }}",
        "{{ secret[secret] }}",
        "{{ secret + 1 }}",
        "{{ secret.append(1) }}",
        "{{ dict(secret) }}",
        "{{ secret | tojson(indent=secret) }}",
        "{{ secret | round }}",
        "{{ secret | int + missing }}",
        "{{ numbers.index(secret) }}",
        "{{ secret.index('z') }}",
        "{{ '%d' % secret }}",
        "{{ secret % 1 }}",
        "{{ numbers | map(attribute=secret) | list }}",
        "{{ range(secret) }}",
        "{{ numbers | batch(secret) | list }}",
        "{{ numbers[secret] }}",
        "{% set a, b = secret %}",
        "{% for a, b in data.items() %}{{ b.x }}{% endfor %}",
    ],
)
def test_render__a_failure__never_tells_a_value(template):
    secret = "CANARY-7f3a"
    with pytest.raises(Invalid) as refusal:
        shown(template, {"secret": secret, "data": {secret: secret}, "numbers": [1]})
    error = refusal.value
    assert secret not in f"{error} {error.detail} {error.errors} {error.extra}"


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [("^a+$", "aaa", True), ("b", "aaa", False), ("(?i)É", "é", True), ("", "", True)],
)
def test_match__pattern__is_searched_for(pattern, text, expected):
    assert match(pattern, text, timeout_s=1) is expected


@pytest.mark.parametrize("pattern", ["(", "*", "(?P<a", "a" * 10_001, "(" * 5_000, "\ud800"])
def test_match__no_pattern__is_refused(pattern):
    with pytest.raises(Invalid) as refusal:
        match(pattern, "x", timeout_s=1)
    assert refusal.value.code == "pattern.invalid"


WRONG = {
    "{{ a b }}": "`b` does not belong there: `{{ … }}` takes one value. (Jinja: expected token 'end of print statement', got 'b'.)",
    "{{ }}": "There is nothing between `{{` and `}}`.",
    "{{ a": "`{{` is not closed: `}}` is missing.",
    "{% if a": "`{% … %}` is not closed: `%}` is missing.",
    "{% if a b %}": "`b` does not belong there: the tag should end before it.",
    "{% if a %}x": "`{% if %}` is not closed: `{% endif %}` is missing.",
    "{% if %}x{% endif %}": "The tag lacks what it is about.",
    "{% endif %}": "Nothing is open that `{% endif %}` could close.",
    "{% if a %}{% endfor %}": "`{% endfor %}` stands within `{% if %}`, which is not closed.",
    "{% if a %}{% foo %}": "`{% foo %}` stands within `{% if %}`, which is not closed.",
    "{% foo %}": "There is no tag `{% foo %}`.",
    "{% for x %}": "`{% for %}` lacks `in` and what it goes through.",
    "{# x": "A comment is not closed: `#}` is missing.",
    "{% raw %}x": "`{% raw %}` is not closed: `{% endraw %}` is missing.",
    "{{ 'a }}": "A quotation mark has no second one.",
    "{{ a ! }}": "`!` does not belong there.",
    "{{ a } }": "`}` does not belong there.",
    "{{ (a }}": "`}` does not belong there: `)` is missing before it.",
    "{{ a + }}": "The tag ends too soon.",
    "{{ a. }}": "A name is missing.",
}


@pytest.mark.parametrize("text", WRONG)
def test_syntax__that_is_wrong__is_told_in_plain_words_with_the_parsers_behind_them(text: str) -> None:
    with pytest.raises(TemplateRefused) as refused:
        inspect(TemplateSource("text", text=text))

    assert refused.value.detail.startswith(f"line 1: {WRONG[text]}") and " (Jinja: " in refused.value.detail
