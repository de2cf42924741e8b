"""Files, paths and fields made to take for ever, or to become far more than they are: each is answered, and soon.

Where the work was once the square of a length, or a power, lengths here are such that it would not end before the run does.
"""

import gzip
import json
import time
from urllib.parse import quote

import pytest

from evals_app.files.columns import guessed, read_cases
from evals_app.files.promptfoo import read_promptfoo
from evals_app.files.table import decode, read_csv
from evals_app.scorers.kinds.deep_equal import DeepEqual
from evals_app.scorers.kinds.markup_text import signs_of_html
from evals_app.scorers.kinds.regex import Regex
from evals_app.scorers.markup import elements_in, has_path, not_well_formed
from evals_app.scorers.paths import find_places, find_values, path_mistake
from evals_app.scorers.protocol import Asked, Output, ScorerSpec, Tools, UnscorableError
from prompts_app.contracts import contract_changes
from prompts_app.secret_rules import suspects_in
from prompts_app.transfer import pulling
from prompts_app.transfer.prompty import read_prompty
from prompts_app.transfer.prompty_writing import write_prompty
from prompts_app.variables import check_schema, effective_schema
from prompts_app.views.prompts import TagsField
from registry.core.errors import Invalid
from registry.core.fetching import FetchError
from registry.core.yaml_tree import MOST_CHARACTERS, read_yaml
from tests.api.client import Api
from tests.builders import Cast, prompt
from tests.compat.client import Langfuse
from tests.compat.test_telemetry import PROTOBUF, export, used
from tests.pages.conftest import SignedIn

MANY = 300_000


def refusal(read, text: str) -> str:
    with pytest.raises(Invalid) as refused:
        read(text)
    return refused.value.detail


# YAML


def test_yaml__merges_of_many_maps__are_read_once_each() -> None:
    maps = ",".join(f"{{a{n}: 1}}" for n in range(20_000))
    assert len(read_yaml(f"x:\n  <<: [{maps}]\n").members()["x"].members()) == 20_000


@pytest.mark.parametrize(
    "text",
    [
        f"a: &a '{'x' * 10_000}'\nb: [{','.join(['*a'] * 20_000)}]\n",
        f"a: &a {'x' * 10_000}\nb: [{','.join(['{*a : 1}'] * 20_000)}]\n",
    ],
    ids=["values", "keys"],
)
def test_yaml__long_text_by_many_aliases__is_refused_for_what_it_comes_to(text: str) -> None:
    assert f"{MOST_CHARACTERS:,} characters" in refusal(read_yaml, text)


# promptfoo


def test_promptfoo__lists_that_combine_to_a_number_nobody_can_write__are_refused() -> None:
    lists = "".join(f"    v{n}: [a, b]\n" for n in range(15_000))
    assert "combine to" in refusal(read_promptfoo, f"tests:\n- vars:\n{lists}")


def test_promptfoo__texts_put_into_each_other__are_refused_for_what_they_come_to() -> None:
    bomb = f"tests:\n- vars:\n    a: '{'x' * 100_000}'\n    b: '{'{{a}}' * 50_000}'\n"
    assert "come to too much" in refusal(read_promptfoo, bomb)
    each = ",".join(f"q{n}" for n in range(5_000))
    assert "come to too much" in refusal(read_promptfoo, f"tests:\n- vars: {{a: '{'x' * 100_000}', b: [{each}]}}\n")


def test_promptfoo__thousands_of_one_name__are_numbered_in_one_go() -> None:
    texts = ",".join(["same"] * 3_000)
    found = read_promptfoo(f"tests:\n- vars: {{a: [{texts}]}}\n  assert: [{{type: contains, value: x}}]\n")
    assert found.reading.cases[-1].case["key"] == "same (3000)"
    many = ",".join(["{type: contains, value: x}"] * 1_100)
    assert "assertions" in refusal(read_promptfoo, f"defaultTest: {{assert: [{many}]}}\ntests: [{{vars: {{a: b}}}}]\n")


# Tables


@pytest.mark.parametrize("mark", ['"', "\r", "\\", "x"])
def test_csv__that_names_a_delimiter_nobody_uses__is_read_as_any_other(mark: str) -> None:
    table = read_csv(decode(f"sep={mark}\r\na,b\n1,2\n".encode()))
    assert table.rows or table.mistakes


def test_csv__whose_rows_begin_alike__get_keys_of_their_own() -> None:
    table = read_csv("text\n" + "the same\n" * 9_999)
    cases = read_cases(table, guessed(table)).cases
    assert len({one.case["key"] for one in cases}) == 9_999


# Prompty


@pytest.mark.parametrize(
    "body",
    [
        " " * MANY + "x",
        "\n" * MANY + "x",
        "---\nmodel: {id: '" + "${env:" * 40_000 + "'}\n---\nsystem:\nhi",
        "---\ninputs: [{name: history, kind: thread}]\n---\nsystem:\n" + "\n \t" * MANY + "x",
        "system" + " " * MANY + "x",
        "{{ " + " " * MANY + "x",
    ],
    ids=["blanks", "lines", "references", "threads", "marker", "mustache"],
)
def test_prompty__of_a_great_many_blanks_or_beginnings__is_read(body: str) -> None:
    assert read_prompty(body, name="a").kind == "chat"


def test_prompty__of_a_prompt_full_of_blanks__is_written() -> None:
    content = {"messages": [{"role": "user", "content": " " * MANY + "x"}], "template_format": "jinja"}
    assert "user:" in write_prompty("a", "chat", content)


def test_tags__between_a_great_many_blanks__are_two() -> None:
    assert TagsField().clean(f" a {' ' * MANY} b , c,,a") == [f"a {' ' * MANY} b", "c", "a"]


@pytest.mark.parametrize(
    "piece", ["-eyJ", " AKIA0123456789ABCDEF\n", "a://b:", "token=" + "a1" * 50 + "\n", "-----BEGIN AA AA AA "]
)
def test_secrets__looked_for_in_a_text_of_nothing_but_their_beginnings__are_soon_told(piece: str) -> None:
    found = suspects_in(piece * 60_000)
    assert [one.line for one in found] == [number + 1 for number in range(len(found))]


# What scorers are told to look for


@pytest.mark.parametrize(
    "path",
    [
        "$" + ".*.`parent`" * 40,
        "$" + ".(a|a)" * 60,
        "$" + ".a,a" * 60,
        "$" + "[0,0]" * 60,
        "$..* where ($..*)",
        "$.a & $.b",
        "$..a..b..c",
        "$" + ".a" * 1_000,
        "$.a[",
    ],
)
def test_jsonpath__that_does_not_only_lead_down__is_refused_and_never_looked_up(path: str) -> None:
    assert path_mistake(path)
    value = json.loads('{"a":' * 50 + "[1,2,3]" + "}" * 50)
    with pytest.raises(UnscorableError):
        find_values(path, value)
    with pytest.raises(UnscorableError):
        list(find_places(path, value))


def test_jsonpath__that_leads_down__finds_what_is_there() -> None:
    value = {"a": [{"b": 1}, {"b": 2}], "c": {"b": 3}}
    for path, found in (
        ("$.a[*].b", [1, 2]), ("$..b", [1, 2, 3]), ("$.a[0]", [{"b": 1}]), ("$.a[0:2].b", [1, 2]), ("$.*.b", [3]),
        ("a.`this`", [value["a"]]), ("$.a,c", [value["a"], value["c"]]), ("$", [value]),
    ):  # fmt: skip
        assert (path, path_mistake(path)) == (path, "")
        assert find_values(path, value) == found, path
    with pytest.raises(UnscorableError, match="too many"):
        find_values("$..b..c", [0] * 30_000)


def test_deep_equal__of_numbers_beyond_whole_ones__is_scored() -> None:
    spec = ScorerSpec("deep_equal", "d", options={"any_order": True})
    tools = Tools(lambda pattern, text: False, lambda schema, value: ())
    for said, passed in (("[1e300, 1.0]", True), ("[1e301, 1]", False)):
        score = DeepEqual().score(Output(said), [1, 1e300], spec, Asked(), tools)
        assert score.passed is passed


def test_regex__longer_than_the_worker_takes__is_refused_unread() -> None:
    assert Regex().mistake(ScorerSpec("regex", "r", has_value=True, value="(a" * 1_000_000)).code == "length"


def test_pattern__of_far_ranges_in_one_set__is_refused_unread() -> None:
    ranges = "".join(f"{chr(0x100 + n)}-\uffff" for n in range(3_000))
    mistake = Regex().mistake(ScorerSpec("regex", "r", has_value=True, value=f"[{ranges}]"))
    assert mistake is not None and "ranges" in mistake.message


@pytest.mark.parametrize("kind", ["regex", "json_schema", "contains_json"])
def test_patterns__few_far_ranges_in_each_of_a_great_many__are_read_by_the_worker_and_not_for_long(
    cast: Cast, kind: str
) -> None:
    """Each is within its bounds; read one by one where they are saved they would keep a process from answering for minutes."""
    pieces = ["(?i)" + "[a-\uffff]" * 55 + f"{n}" for n in range(200)]
    values = pieces if kind == "regex" else [{"type": "object", "patternProperties": {one: {}}} for one in pieces]
    cases = [{"key": f"c{n}", "scorers": [{"kind": kind, "value": value}]} for n, value in enumerate(values)]
    api = Api(cast.ada)
    assert api.post("suites", {"slug": "s", "title": "S"}).status == 201
    began, mine = time.monotonic(), time.process_time()

    answer = api.post("suites/s/versions", {"cases": cases})

    assert (answer.status, answer.code) == (422, "pattern.slow"), answer.body[:300]
    assert time.monotonic() - began < 3 + 3 and time.process_time() - mine < 2


def test_pattern__with_a_range_up_to_far_characters__is_taken_where_it_is_one_and_else_refused_by_its_field(
    cast: Cast,
) -> None:
    prompt(cast.ada, "support/triage")
    api = Api(cast.ada)
    for pattern, status in (("^[\u4e00-\u9fff\\u3040-\\u30ff]+$", 201), ("([\u4e00-\u9fff]", 422)):
        schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": pattern}}}
        saved = api.post("prompts/support/triage/versions", {"text": "{{ a }}", "variables": schema, "based_on": 1})
        assert saved.status == status, saved.body
    assert (saved.code, saved.json["errors"][0]["field"]) == ("pattern.invalid", "variables.properties.a.pattern")


def test_schema__of_a_great_many_schemas__is_refused_unread(cast: Cast) -> None:
    began = time.process_time()
    assert "5,000 schemas" in refusal(lambda _: check_schema({"anyOf": [{}] * 60_000}), "")
    assert time.process_time() - began < 1
    check_schema({"properties": {f"v{n}": {"type": "string", "description": "x"} for n in range(3_000)}})


# Other servers


def test_langfuse__that_lists_without_end__is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def answer(base: str, path: str, **_: object) -> dict[str, object]:
        asked.append(path)
        return {"data": [{"name": "p", "versions": list(range(1, 5_001))}], "meta": {"totalPages": 10**9}}

    monkeypatch.setattr(pulling, "get_json", answer)
    source = pulling.Source("https://langfuse.example", "pk", "sk")
    with pytest.raises(FetchError, match="more than 20,000 versions"):
        pulling.pull_langfuse(source, allow=frozenset(), tell=lambda text: None)
    assert len(asked) == 5


# Moments at the ends of time


ENDS_OF_TIME = (
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00Z",
)


@pytest.mark.parametrize("moment", ENDS_OF_TIME)
def test_moments__at_the_ends_of_time__are_kept_nowhere(cast: Cast, moment: str) -> None:
    olga = Api(cast.olga)
    freeze = {"starts_at": moment, "ends_at": moment, "reason": "ever"}
    assert olga.post("environments/staging/freezes", freeze).status == 422
    assert olga.post("environments/staging/freezes", {"ends_at": moment, "reason": "ever"}).status == 422
    assert olga.post("keys", {"kind": "ci", "name": "ever", "expires_at": moment}).status == 422
    prompt(cast.ada)
    bundle = olga.get("export/bundle").json
    bundle["prompts"][0] |= {"name": "ever", "created_at": moment}
    assert olga.post("import/bundle", bundle).status == 422
    assert olga.get("prompts").status == 200
    listing = Langfuse(cast.key()).call("GET", f"v2/prompts?fromUpdatedAt={quote(moment)}")
    assert listing.status in {200, 400}


@pytest.mark.parametrize("month", ["9999-12", "0001-01", "10000-01", "2026-13", "x"])
def test_usage__of_a_month_that_never_was__is_none(cast: Cast, as_: SignedIn, month: str) -> None:
    assert Api(cast.olga).get(f"usage?month={month}").status in {200, 422}
    assert as_(cast.olga).get(f"/w/acme/usage?month={month}").status_code in {200, 404}


# What clients report


def test_traces__compressed_badly_or_nested_deep__are_refused_or_passed_over(cast: Cast) -> None:
    key = Langfuse(cast.key())
    key.create("x", "one")
    packed = bytearray(gzip.compress(export(used(1)).SerializeToString() * 50))
    packed[20:40] = b"\xff" * 20
    broken = key.call("POST", "otel/v1/traces", raw=bytes(packed), content_type=PROTOBUF, Content_Encoding="gzip")
    assert broken.status == 400
    for usage in ("[" * 100_000, '{"input": ' + "9" * 5_000 + "}", '{"input": NaN}', "\x00"):
        spans = export(used(1, **{"langfuse.observation.usage_details": usage}), used(10**18))
        sent = key.call("POST", "otel/v1/traces", raw=spans.SerializeToString(), content_type=PROTOBUF)
        assert (sent.status, sent.json) == (200, {})


@pytest.mark.parametrize(
    "text", ["<a " * 60_000, "<a>" * 60_000, "<!--" * 50_000, '<a b="' * 30_000, "</" * 90_000, "<a '>" * 30_000]
)
def test_markup__unclosed_again_and_again__is_read_once(text: str) -> None:
    assert has_path([one for group in elements_in(text) for one in group], ["a"]) is False
    assert not_well_formed(text) and signs_of_html(text) <= 4


def test_patterns__of_thousands_of_wide_sets__are_refused_unread():
    """Each set beyond Latin-1 takes milliseconds to be read, in the process that answers whoever saves it."""
    wide = "(?i)" + "[ -\uffff]" * 1_990
    schema = {"properties": {"a": {"pattern": wide * 10}, "b": {"patternProperties": {wide: {}}}}}

    mistake = Regex().mistake(ScorerSpec(kind="regex", name="r", has_value=True, value=wide))
    with pytest.raises(Invalid, match="sets of characters"):
        effective_schema(schema, [])
    usual = {"properties": {"a": {"pattern": "[一-龥]+ [a-z]"}, "b": {"pattern": "[a-z]" * 500}}}
    form = {"properties": {f"field_{n}": {"type": "string", "pattern": "^[Ѐ-ӿԀ-ԯ -]+$"} for n in range(70)}}

    assert mistake is not None and "sets of characters" in mistake.message
    assert effective_schema(usual, []) is usual
    assert effective_schema(form, []) is form


def test_contracts__of_branches_that_each_repeat_a_long_list__are_compared_within_their_steps():
    """Compared under the locks of what goes live: nobody else could promote meanwhile."""
    enum = {"enum": [f"{number:05}" for number in range(14_000)]}
    old = {"type": "object", "properties": {"a": {"enum": list(range(18_000))}}}
    branches = {"anyOf": [{"$ref": "#/$defs/e"}] * 3_000}
    new = {"type": "object", "$defs": {"e": enum}, "properties": {"a": branches}}
    beside = {f"v{number}": {"type": "string"} for number in range(4_000)}
    definitions = {"$defs": {"e": {"enum": enum["enum"][:9_000]}}}

    [changed] = contract_changes(old, new, None, None)
    many = contract_changes(
        {"properties": beside, **definitions},
        {"properties": {name: {"type": "integer"} for name in beside}, **definitions},
        None,
        None,
    )

    assert (changed.change, len(many)) == ("retyped", 4_000)
