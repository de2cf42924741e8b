"""Templates of an attacker: families of payloads, and a grammar that makes any template of the subset."""

from typing import Any

from hypothesis import strategies as st

BIG = "x" * 1_000_000
LOOPS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"


def grown(start: str, turn: str, end: str, times: int = 40) -> str:
    """A namespace whose field `v` takes `turn` so many times."""
    return (
        f"{{% set ns = namespace(v={start}, w={start}) %}}{{% for i in range({times}) %}}"
        f"{{% set ns.v = {turn} %}}{{% endfor %}}{end}"
    )


# Name, template, variables. Each is refused, or ends at a limit: never an answer.
REFUSED: list[tuple[str, str, dict[str, Any]]] = [
    ("attr by map", "{{ [x] | map(attribute='__class__') | list }}", {"x": "a"}),
    ("attr by map, put together", "{{ [x] | map(attribute='__cla' ~ 'ss__') | list }}", {"x": "a"}),
    ("attr by map, in a path", "{{ [[x]] | map(attribute=k) | list }}", {"x": "a", "k": "0.__class__.__mro__"}),
    ("attr by selectattr", "{{ [x] | selectattr(k) | list }}", {"x": "a", "k": "__class__"}),
    ("attr by rejectattr", "{{ [x] | rejectattr(k, 'none') | list }}", {"x": "a", "k": "__class__"}),
    ("attr by groupby", "{{ [x] | groupby(k) | list }}", {"x": "a", "k": "__class__"}),
    ("attr by sort", "{{ [x, x] | sort(attribute=k) }}", {"x": "a", "k": "__class__"}),
    ("attr by sort, second", "{{ ['a', 'b'] | sort(attribute=k) }}", {"k": "0,__len__"}),
    ("attr by unique", "{{ [x] | unique(attribute=k) | list }}", {"x": "a", "k": "__class__"}),
    ("attr by min", "{{ [x, x] | min(attribute=k) }}", {"x": "a", "k": "__class__"}),
    ("attr by sum", "{{ [x] | sum(attribute=k) }}", {"x": "a", "k": "__class__"}),
    ("attr by join", "{{ [x] | join(attribute=k) }}", {"x": "a", "k": "__class__"}),
    ("attr by a name of our own", "{{ [x] | map('attr', '__class__') | list }}", {"x": "a"}),
    ("a filter of a filter", "{{ [[x]] | map('map', 'attr', k) | map('list') | list }}", {"x": "a", "k": "__class__"}),
    ("a filter of a filter, xmlattr", "{{ [[x]] | map('map', 'xmlattr') | map('list') | list }}", {"x": {"a": 1}}),
    ("a test of a filter", "{{ [[x]] | map('select', 'callable') | map('list') | list }}", {"x": "a"}),
    ("subscript", "{{ x[k] }}", {"x": "a", "k": "__class__"}),
    ("subscript, put together", "{{ x[['__', 'class', '__'] | join] }}", {"x": "a"}),
    ("subscript of a group", "{{ ([x] | groupby('n') | first)[k] }}", {"x": {"n": 1}, "k": "__class__"}),
    ("subscript of a group, its method", "{{ ([x] | groupby('n') | first)['_asdict'] }}", {"x": {"n": 1}}),
    ("full-width underscores", "{{ x.\uff3f\uff3fclass\uff3f\uff3f }}", {"x": "a"}),
    ("two spellings, a namespace", "{% set n\u017f = namespace(a=1) %}{% set ns = 1 %}{{ ns }}{{ n\u017f.a }}", {}),
    ("two spellings, a macro", "{% macro \uff4d() %}{% endmacro %}{{ [m] | length }}", {"m": 1}),
    ("two spellings, a variable", "{{ \ufb01 }}{{ fi }}", {"\ufb01": "secret", "fi": "open"}),
    ("two spellings, the caller", "{% macro m() %}{% endmacro %}{{ m(\uff43aller=1) }}", {}),
    ("format, attribute", "{{ '{0.__class__}'.format(x) }}", {"x": "a"}),
    ("format_map", "{{ '{a.__class__}'.format_map({'a': x}) }}", {"x": "a"}),
    ("format by map", "{{ ['{0.__class__}'] | map('format', x) | map('first') | list }}{{ x.format }}", {"x": "a"}),
    ("width in a key with brackets", "{{ '%((a))400000000d' % {'(a)': 1} }}", {}),
    ("width by star", "{{ '%*d' % (400000000, 1) }}", {}),
    ("precision", "{{ '%.400000000f' | format(1.5) }}", {}),
    ("one key many times", "{{ '%(a)s' * 500000 % {'a': big} }}", {"big": BIG}),
    ("open brackets", "{{ '%(' * 1000000 % {} }}", {}),
    ("steps given back by center", "{% for i in range(3) %}{{ 'x' | center(-1000000000000) }}{% endfor %}" + LOOPS, {}),
    ("steps given back by indent", "{{ 'x' | indent(-1000000000000) }}" + LOOPS, {}),
    ("steps given back by times", "{% set x = 'x' * -1000000000000 %}" + LOOPS, {}),
    ("join with a large text", "{{ range(99999) | join(big) }}", {"big": BIG}),
    ("center by map", "{{ ['x'] | map('center', 1000000000) | list }}", {}),
    ("times by round", "{{ (big * 4) | round(20, 'ceil') }}", {"big": BIG}),
    ("doubled by ~", grown("'a'", "ns.v ~ ns.v", ""), {}),
    ("doubled by replace", grown("'ab'", "ns.v.replace('a', ns.v)", "", 9000), {}),
    ("doubled by %", grown("'ab'", "'%s%s' % (ns.v, ns.v)", ""), {}),
    ("doubled in a macro", "{% macro m(s, n) %}{% if n %}{{ m(s ~ s, n - 1) }}{% endif %}{% endmacro %}{{ m('ab', 60) }}", {}),
    ("literals in a block", "{% set x %}{% for i in range(90000) %}" + "y" * 20_000 + "{% endfor %}{% endset %}{{ x }}", {}),
    ("capitals grow", "{{ s | upper | upper }}", {"s": "ΐ" * 1_900_000}),
    ("exponential lists, printed", grown("[1]", "[ns.v, ns.v]", "{{ ns.v }}"), {}),
    ("exponential lists, tested", grown("[1]", "[ns.v, ns.v]", "{{ ns.v is lower }}"), {}),
    ("exponential lists, as JSON", grown("[1]", "{'a': ns.v, 'b': ns.v}", "{{ ns.v | tojson }}"), {}),
    ("exponential lists, encoded", grown("[1]", "[ns.v, ns.v]", "{{ {'a': ns.v} | urlencode }}"), {}),
    ("deep lists, compared", grown("1", "[ns.v]", "{% set u = [ns.v] %}{{ [ns.v | list] == u }}{{ u }}", 50_000), {}),
    ("deep lists, as JSON", grown("1", "[ns.v]", "{{ ns.v | tojson }}", 50_000), {}),
    ("many indented levels", grown("range(20000) | list", "[ns.v]", "{{ ns.v | tojson(indent=16) }}", 900), {}),
    ("a namespace in itself", "{% set ns = namespace(a=1) %}{% set ns.a = [ns] %}{{ ns.a }}", {}),
    ("a namespace by a macro", "{% macro m(x) %}{{ x }}{% endmacro %}{% set ns = namespace() %}{{ m(ns) }}", {}),
    ("a macro without end", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", {}),
    ("two macros without end", "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}", {}),
    ("macros that branch", "{% macro m(n) %}{{ m(n + 1) if n < 60 }}{{ m(n + 1) if n < 60 }}{% endmacro %}{{ m(0) }}", {}),
    ("caller", "{% macro m() %}{{ caller() }}{% endmacro %}{% call m() %}x{% endcall %}", {}),
    ("a huge range", "{{ range(1000000000000000000000) | first }}", {}),
    ("a range of huge steps", "{{ range(0, 10, 1) | batch(1000000000) | list }}", {}),
    ("a negative range", "{{ range(0, -1000000000, -1) | last }}", {}),
    ("slice", "{{ [1] | slice(1000000000) | list }}", {}),
    ("a number squared", grown("3", "ns.v * ns.v", ""), {}),
    ("a number of a text", "{{ s | int(0, 2) }}", {"s": "1" * 3_000_000}),
    ("a number of a float", "{{ 1e308 | int }}", {}),
    ("a literal in digits", "{{ " + "9" * 1_000_000 + " }}", {}),
    ("a literal in hex", "{% if false %}{{ 0x" + "f" * 1_000_000 + " }}{% endif %}", {}),
    ("brackets", "{{ " + "(" * 100_000 + "x" + ")" * 100_000 + " }}", {"x": 1}),
    ("lists in lists", "{{ " + "[" * 500 + "]" * 500 + " }}", {}),
    ("not not", "{{ " + "not " * 100_000 + "x }}", {"x": 1}),
    ("signs", "{{ " + "-" * 100_000 + "1 }}", {}),
    ("conditions", "{{ " + "1 if x else " * 5_000 + "2 }}", {"x": 0}),
    ("blocks in blocks", "{% if x %}" * 400 + "{% endif %}" * 400, {"x": 1}),
    ("fields of fields", "{{ x" + ".a" * 50_000 + " }}", {"x": 1}),
    ("folded power", "{% if false %}{{ 9 ** 9 ** 9 }}{% endif %}", {}),
    ("surrogates", "{{ '\\ud800' ~ 'a' }}", {}),
    ("sets of keys, whose order nobody knows", "{{ (d.keys() - ['a']) | list }}", {"d": {"a": 1, "b": 2, "c": 3}}),
    ("internals: a generator", "{{ [1] | map('string') }}", {}),
    ("internals: keys", "{{ d.keys() | string }}", {"d": {"a": 1}}),
    ("internals: a range's method", "{{ range(3).count }}", {}),
    ("internals: fields of a macro", "{% macro m() %}{% endmacro %}{{ m.name }}", {}),
    ("internals: fields of a loop", "{% for a in [1] %}{{ loop._iterator }}{% endfor %}", {}),
    ("internals: the context", "{{ self.__init__ }}{{ context }}{{ environment }}", {}),
]  # fmt: skip

# The clock may have to stop these, or they may answer: in either case within the limits of a render.
BOUNDED: list[tuple[str, str, dict[str, Any]]] = [
    ("wordwrap, one long word", "{{ 'x' * 200000 | wordwrap(1) | length }}", {}),
    ("wordwrap, dashes", "{{ ('-' * 199999) | wordwrap(10) | length }}", {}),
    ("title", "{{ ('a-' * 1000000) | title | length }}", {}),
    ("deep tuples, hashed", grown("1", "(ns.v,)", "{{ {ns.v: 1} | length }}", 90_000), {}),
    ("deep tuples, thrown away", grown("1", "(ns.v,)", "x", 90_000), {}),
    ("generators of generators", grown("[1]", "ns.v | map('upper')", "{{ ns.v | list }}", 60_000), {}),
    ("exponential lists, compared", grown("[1]", "[ns.v, ns.v]", "{% set ns.w = ns.v %}{{ [ns.v] == [ns.w] }}"), {}),
    ("equal hashes", "{% set l = namespace(v=[]) %}{% for i in range(1500) %}{% set l.v = l.v + [i * 2305843009213693951] %}{% endfor %}{{ l.v | unique | list | length }}", {}),
    ("long texts, compared", "{% set a = big ~ 'a' %}{% set b = big ~ 'b' %}{% for i in range(50000) %}{% if a < b %}{% endif %}{% endfor %}", {"big": BIG}),
    ("chained membership", "{% for i in range(90000) %}{% if 'a' < 'y' in big %}{% endif %}{% endfor %}", {"big": BIG}),
    ("many comparisons", "{{ 1" + " < 2" * 600_000 + " }}", {}),
    ("many names", "{{ [" + ",".join(f"a{at}" for at in range(100_000)) + "] }}", {}),
    ("many literals", "{{ [" + "1," * 500_000 + "] | length }}", {}),
    ("many arguments", "{{ x | default(" + "1," * 500_000 + ") }}", {"x": 1}),
    ("many branches", "{% if x %}" + "{% elif x %}{{ x }}" * 2_400 + "{% endif %}", {"x": 0}),
    ("many assignments", "".join(f"{{% set v{at} = 1 %}}" for at in range(2_000)) + "{% if x %}{% endif %}" * 1_400, {"x": 1}),
    ("many macros", "".join(f"{{% macro m{at}(a) %}}{{{{ b{at} }}}}{{% endmacro %}}" for at in range(1_600)), {}),
    ("comments that do not end", "{#" * 4_900, {}),
    ("raw that does not end", "{% raw %}" + "{%" + " " * 100_000, {}),
    ("blanks before a dash", ("{{- 1 }}" + " " * 1_000) * 1_500, {}),
]  # fmt: skip

VALUES: dict[str, Any] = {
    "a": "Ada",
    "n": 7,
    "r": 2.5,
    "t": True,
    "o": None,
    "s": "one two\r\nthree ΐﬃ <b>%s %(a)s",
    "l": [3, "b", None, 1.5, [1], {"k": 1}],
    "w": ["pear", "Apple", "fig"],
    "p": [{"k": 1, "v": "x"}, {"k": 2, "v": "y"}],
    "d": {"k": [1, 2], "b": {"c": "e"}, "__class__": 1},
    "i": "__class__",
    "big": "ab " * 20_000,
}
_FILTERS = [
    "abs",
    "batch",
    "capitalize",
    "center",
    "count",
    "default",
    "dictsort",
    "escape",
    "first",
    "float",
    "format",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "slice",
    "sort",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "truncate",
    "unique",
    "upper",
    "urlencode",
    "wordcount",
    "wordwrap",
]
_METHODS = [
    "capitalize",
    "casefold",
    "count",
    "endswith",
    "find",
    "get",
    "index",
    "isdigit",
    "items",
    "join",
    "keys",
    "lower",
    "lstrip",
    "partition",
    "removeprefix",
    "replace",
    "rsplit",
    "split",
    "splitlines",
    "startswith",
    "strip",
    "swapcase",
    "title",
    "upper",
    "values",
]
_TESTS = [
    "boolean",
    "defined",
    "divisibleby",
    "even",
    "float",
    "in",
    "integer",
    "iterable",
    "lower",
    "mapping",
    "none",
    "number",
    "odd",
    "sameas",
    "sequence",
    "string",
    "upper",
]
_NAMED = [
    "attribute",
    "width",
    "default",
    "boolean",
    "case_sensitive",
    "reverse",
    "count",
    "indent",
    "end",
    "leeway",
    "precision",
    "method",
    "fill_with",
    "start",
    "first",
]
_NUMBERS = [
    "0",
    "1",
    "2",
    "3",
    "-1",
    "7",
    "100",
    "9999",
    "99999",
    "1000000",
    "-1000000000000",
    "2.5",
    "1e308",
    "0x7fffffffffffffff",
]
_STRINGS = [
    "'a'",
    "'k'",
    "'%s'",
    "'%(a)999d'",
    "'\\n'",
    "''",
    "' '",
    "'k.b'",
    "'upper'",
    "'odd'",
    "'ceil'",
    "'ΐ'",
    "'{0}'",
]
_OPERATORS = [*"+-*/%~<", "//", "==", "!=", "<=", "in", "not in", "and", "or"]


def _joined(*parts: st.SearchStrategy[str], between: str = "") -> st.SearchStrategy[str]:
    return st.tuples(*parts).map(between.join)


def _filtered(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Filters and methods with arguments that may not fit at all."""
    named = st.tuples(st.sampled_from(_NAMED), inner).map("=".join)
    arguments = st.lists(inner, max_size=2).map(", ".join) | st.tuples(inner, named).map(", ".join) | named
    return st.tuples(inner, st.sampled_from(_FILTERS), arguments).map(lambda it: f"({it[0]}) | {it[1]}({it[2]})") | (
        st.tuples(inner, st.sampled_from(_METHODS), arguments).map(lambda it: f"({it[0]}).{it[1]}({it[2]})")
    )


def _larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pair = st.tuples(inner, inner)
    return st.one_of(
        _filtered(inner),
        _filtered(inner),
        st.tuples(inner, st.sampled_from(_OPERATORS), inner).map(lambda it: f"({it[0]} {it[1]} {it[2]})"),
        st.tuples(inner, st.sampled_from(_TESTS), inner).map(lambda it: f"({it[0]} is {it[1]}({it[2]}))"),
        st.tuples(inner, inner, inner).map(lambda it: f"({it[0]} if {it[1]} else {it[2]})"),
        pair.map(lambda it: f"({it[0]})[{it[1]}]"),
        st.tuples(inner, inner, inner).map(lambda it: f"({it[0]})[{it[1]}:{it[2]}]"),
        pair.map(lambda it: f"[{it[0]}, {it[1]}]"),
        pair.map(lambda it: f"{{{it[0]}: {it[1]}}}"),
        st.tuples(inner, st.sampled_from(["k", "v", "b", "items", "grouper", "real"])).map(
            lambda it: f"({it[0]}).{it[1]}"
        ),
        inner.map(lambda it: f"range({it})"),
        inner.map(lambda it: f"dict(k={it})"),
        inner.map(lambda it: f"m({it})"),
        inner.map(lambda it: f"loop.cycle({it})"),
    )


EXPRESSIONS = st.recursive(
    st.sampled_from([*VALUES, "ns.v", "loop.index", "loop.previtem", "x", *_NUMBERS, *_STRINGS, "none", "true", "[]", "{}"]),
    _larger,
    max_leaves=8,
)  # fmt: skip


def _blocks(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    tags = {
        "{{% if {0} %}}{1}{{% else %}}{1}{{% endif %}}",
        "{{% for x in {0} %}}{1}{{% endfor %}}",
        "{{% for x in range(300) %}}{1}{{% set ns.v = {0} %}}{{% endfor %}}",
        "{{% for x, v in {0} %}}{1}{{% else %}}{1}{{% endfor %}}",
        "{{% set x %}}{1}{{% endset %}}",
        "{{% with x = {0} %}}{1}{{% endwith %}}",
        "{{% filter upper %}}{1}{{% endfilter %}}",
        "{{% filter center({0}) %}}{1}{{% endfilter %}}",
        "{{% set ns.v = {0} %}}{1}",
        "{{% set x, v = {0} %}}{1}",
    }
    return st.tuples(st.sampled_from(sorted(tags)), EXPRESSIONS, inner).map(lambda it: it[0].format(it[1], it[2]))


_OUTPUT = EXPRESSIONS.map(lambda it: f"{{{{ {it} }}}}")
_BODIES = st.recursive(
    _OUTPUT | st.sampled_from(["text ", "\r\n", "{{- 1 -}}", "{# c #}", "{% raw %}{{ x }}{% endraw %}"]),
    lambda inner: _blocks(inner) | _joined(inner, inner),
    max_leaves=5,
)
TEMPLATES = st.tuples(_BODIES, _BODIES).map(
    lambda it: f"{{% set ns = namespace(v=1) %}}{{% macro m(x, y=2) %}}{it[0]}{{% endmacro %}}{it[1]}"
)
