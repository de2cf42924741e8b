"""Bundles: what goes out comes back without loss, twice is as good as once, and nothing that is here is overwritten."""

import copy
import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prompts_app.actions.labels import set_label
from prompts_app.actions.prompts import change_prompt, create_prompt
from prompts_app.actions.telling import TOLD
from prompts_app.actions.versions import create_version, yank_version
from prompts_app.content import content_digest, load_content
from prompts_app.models import LivePointer, Prompt, PromptVersion
from prompts_app.transfer.bundle import CLOSING, entry, opening
from registry.core.models import AuditEvent, OutboxMessage
from tests import builders
from tests.api.client import Api
from tests.builders import Cast, make_cast
from tests.scenes import go_live

STRANGE = "Line\r\n  two \t \n\n{{ name }} — ünïcode 𝄞 \u2028 end  \n"


@pytest.fixture
def other(cast: Cast) -> Cast:
    """Another workspace with the same people."""
    return make_cast("elsewhere")


def fill(cast: Cast) -> None:
    part = builders.prompt(cast.ada, "shared/tone", text="Be kind.")
    made = create_prompt(cast.ada, "support/triage", kind="text", description="Sorts.\r\n", tags=["a", "b"])
    create_version(cast.ada, made, {"text": STRANGE}, message="first")
    create_version(
        cast.grace,
        made,
        {
            "text": "@@@langfusePrompt:name=shared/tone|label=latest@@@ {{ name }}",
            "variables": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
            "config": {"model": "m", "temperature": 0.1, "z": 1, "a": 2**63},
        },
        message="with the tone",
    )
    builders.version(cast.ada, part, "Be kinder.")
    third = builders.version(cast.ada, made, "Bad {{ name }}")
    builders.version(cast.ada, made, "Good {{ name }}")
    yank_version(cast.ada, third, reason="It was bad")
    chat = create_prompt(cast.ada, "chat", kind="chat")
    turns = [
        {"role": "user", "content": [{"type": "text", "text": "x {{ q }}"}, {"type": "image_url", "b": 1, "a": 2}]}
    ]
    create_version(cast.ada, chat, {"messages": [*turns, {"type": "placeholder", "name": "history"}]})
    change_prompt(cast.ada, chat, archived=True)
    go_live(cast, made.versions.select_related("prompt").get(number=1), "staging")


def exported(cast: Cast, query: str = "") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Api(cast.vera).get(f"export/bundle{query}").body)
    return found


def bare(bundle: dict[str, Any]) -> Any:
    """Without what belongs to the place it was exported from."""
    prompts = copy.deepcopy(bundle["prompts"])
    for prompt in prompts:
        del prompt["live"]
        for version in prompt["versions"]:
            if version["yanked"]:
                del version["yanked"]["by"]
    return prompts


def send(cast: Cast, bundle: Any, query: str = "") -> dict[str, Any]:
    answer = Api(cast.ada, workspace=cast.workspace.slug).post(f"import/bundle{query}", bundle)
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json
    return found


def test_bundle__imported_elsewhere__is_the_same_when_exported_again(cast: Cast, other: Cast) -> None:
    fill(cast)
    bundle = exported(cast)
    assert [one["name"] for one in bundle["prompts"]] == ["chat", "shared/tone", "support/triage"]
    assert "staging" in [one["environment"] for one in bundle["prompts"][2]["live"]]
    news = OutboxMessage.objects.filter(topic__in=TOLD)
    waiting = news.count()

    report = send(other, bundle)

    assert (report["new_prompts"], report["new_versions"], report["conflicts"], report["refused"]) == (3, 7, 0, 0)
    assert bare(exported(other)) == bare(bundle)
    assert not LivePointer.objects.live().filter(prompt__workspace=other.workspace).exists()
    assert news.count() == waiting
    prompt = Prompt.objects.get(workspace=other.workspace, name="support/triage")
    assert prompt.versions.get(number=2).author_name == "Grace"
    assert prompt.versions.get(number=2).editable()["text"].startswith("@@@langfusePrompt")
    saved = create_version(other.ada, prompt, {"text": "next"}, based_on=4)
    assert saved.version.number == 5


def test_bundle__imported_twice__changes_nothing_and_leaves_no_audit_row(cast: Cast, other: Cast) -> None:
    fill(cast)
    bundle = exported(cast)
    assert send(cast, bundle)["new_versions"] == 0
    send(other, bundle)
    rows = AuditEvent.objects.count()

    report = send(other, bundle)

    assert (report["new_prompts"], report["new_versions"], report["known_versions"]) == (0, 0, 7)
    assert AuditEvent.objects.count() == rows
    assert bare(exported(other)) == bare(bundle)


def test_preview__says_what_the_import_does__and_changes_nothing(cast: Cast, other: Cast) -> None:
    fill(cast)
    bundle = exported(cast)

    told = send(other, bundle, "?preview=true")

    assert not Prompt.objects.filter(workspace=other.workspace).exists()
    done = send(other, bundle)
    assert told.pop("preview") is True and done.pop("preview") is False
    assert told == done


def test_import__each_prompt_and_version__leaves_one_audit_row(cast: Cast, other: Cast) -> None:
    fill(cast)
    bundle = exported(cast)
    before = AuditEvent.objects.filter(workspace=other.workspace).count()

    send(other, bundle)

    events = (
        AuditEvent.objects.filter(workspace=other.workspace).order_by("pk").values_list("event", flat=True)[before:]
    )
    assert sorted(events) == sorted(
        ["prompt.created"] * 3 + ["version.imported"] * 7 + ["version.yanked", "prompt.archived"]
    )


def test_import__over_another_history__reports_the_conflict_and_overwrites_nothing(cast: Cast, other: Cast) -> None:
    fill(cast)
    bundle = exported(cast)
    builders.prompt(other.ada, "support/triage", text="Ours")
    create_prompt(other.ada, "chat", kind="text")

    report = send(other, bundle)

    triage = next(one for one in report["prompts"] if one["name"] == "support/triage")
    assert [one["outcome"] for one in triage["versions"]] == ["conflict"] * 4
    assert triage["versions"][0]["why"] == "Version 1 says something else here."
    assert triage["versions"][0]["path"] == "prompts[2].versions[0]"
    chat = next(one for one in report["prompts"] if one["name"] == "chat")
    assert (chat["outcome"], chat["why"]) == ("refused", "It is a text prompt here, a chat prompt there.")
    assert (
        PromptVersion.objects.get(prompt__workspace=other.workspace, prompt__name="support/triage").to_json()["text"]
        == "Ours"
    )
    assert report["new_versions"] == 2


def test_import__where_the_beginning_is_here__adds_the_rest_with_its_numbers(cast: Cast, other: Cast) -> None:
    fill(cast)
    early = exported(cast)
    made = Prompt.objects.get(workspace=cast.workspace, name="support/triage")
    send(other, early)
    builders.version(cast.ada, made, "Fifth {{ name }}")

    report = send(other, exported(cast, "?prompt=support/triage"))

    assert (report["known_versions"], report["new_versions"], report["new_prompts"]) == (4, 1, 0)
    assert Prompt.objects.get(workspace=other.workspace, name="support/triage").last_number == 5


def test_import__of_content_that_came_back__keeps_it_as_a_version_of_its_own(cast: Cast, other: Cast) -> None:
    made = builders.prompt(cast.ada, "p", text="a")
    builders.version(cast.ada, made, "b")
    send(other, exported(cast))
    builders.version(cast.ada, made, "a")
    set_label(cast.ada, made.versions.select_related("prompt").get(number=3), "back")
    bundle = exported(cast)

    report = send(other, bundle)

    assert (report["known_versions"], report["new_versions"]) == (2, 1)
    assert report["prompts"][0]["labels"] == {"back": 3}
    assert bare(exported(other)) == bare(bundle)
    assert send(other, bundle)["prompts"][0]["labels"] == {}


def test_import__of_a_changed_text__is_refused_by_its_digest_with_its_path(cast: Cast, other: Cast) -> None:
    fill(cast)
    bundle = exported(cast)
    bundle["prompts"][2]["versions"][0]["content"]["text"] += "!"

    answer = Api(other.ada, workspace="elsewhere").post("import/bundle", bundle)

    assert (answer.status, answer.code) == (422, "bundle.invalid")
    assert [one["field"] for one in answer.json["errors"]] == ["prompts[2].versions[0].digest"]
    assert not Prompt.objects.filter(workspace=other.workspace).exists()


def test_import__of_a_source_that_is_not_what_is_served__is_refused(cast: Cast, other: Cast) -> None:
    fill(cast)
    bundle = exported(cast)
    bundle["prompts"][2]["versions"][1]["source"]["text"] = "harmless @@@langfusePrompt:name=shared/tone|version=1@@@"

    report = send(other, bundle)

    step = report["prompts"][2]["versions"]
    assert [one["outcome"] for one in step] == ["new", "refused", "conflict", "conflict"]


def test_import__of_a_template_that_we_refuse__says_so_and_takes_the_rest(cast: Cast) -> None:
    served: dict[str, Any] = {"text": "{{ x.__class__ }}", "template_format": "jinja", "variables": None, "config": {}}
    digest = content_digest(load_content("text", served))
    bad = {"name": "bad", "kind": "text", "versions": [{"version": 1, "digest": digest, "content": served}]}
    good = {"name": "good", "kind": "text", "versions": []}
    bundle = json.loads(opening("acme", None) + entry(bad, is_first=True) + entry(good, is_first=False) + CLOSING)

    report = send(cast, bundle)

    assert [one["versions"][0]["outcome"] for one in report["prompts"][:1]] == ["refused"]
    assert "line" in report["prompts"][0]["versions"][0]["why"].lower()
    assert Prompt.objects.filter(name="good").exists()


def test_commands__export_and_import__do_the_same_as_the_api(cast: Cast, other: Cast, tmp_path: Path) -> None:
    fill(cast)
    written, told = StringIO(), StringIO()
    call_command("export_bundle", workspace="acme", stdout=written)
    file = tmp_path / "bundle.json"
    file.write_text(written.getvalue())
    options = {"workspace": "elsewhere", "email": "ada@example.com", "stdout": told}

    call_command("import_bundle", str(file), preview=True, **options)
    assert not Prompt.objects.filter(workspace=other.workspace).exists()
    call_command("import_bundle", str(file), **options)

    assert bare(exported(other)) == bare(exported(cast))
    assert "support/triage: new prompt; versions: 4 new" in told.getvalue()
    file.write_text("{")
    with pytest.raises(CommandError, match="not JSON"):
        call_command("import_bundle", str(file), **options)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"format": "other"}, ""),
        ({"schema": 2}, "schema"),
        ({"prompts": [{"name": "a//b", "kind": "text", "versions": []}]}, "prompts[0].name"),
        ({"prompts": [{"name": "a", "kind": "odd"}]}, "prompts[0].kind"),
        ({"prompts": [{"name": "a", "kind": "text", "surprise": 1}]}, "prompts[0].surprise"),
        ({"prompts": [{"name": "a", "kind": "text", "versions": [{"version": 0}]}]}, "prompts[0].versions[0].version"),
        ({"prompts": [{"name": "a", "kind": "text", "created_at": "soon"}]}, "prompts[0].created_at"),
        ({"prompts": [{"name": "a", "kind": "text"}, {"name": "a", "kind": "text"}]}, "prompts[1].name"),
    ],
)
def test_import__of_what_is_no_sound_bundle__is_422_and_names_the_place(
    cast: Cast, change: dict[str, Any], field: str
) -> None:
    answer = Api(cast.ada).post("import/bundle", {"format": "greenroom.bundle", "schema": 1, "prompts": []} | change)

    assert answer.status == 422
    assert not field or field in [one["field"] for one in answer.json["errors"]]


def test_import__of_a_number_after_which_no_more_would_come__is_refused(cast: Cast, other: Cast) -> None:
    """Numbers go on from the highest, and end where the database's do: such a prompt could never be changed again."""
    made = builders.prompt(cast.ada, "a", text="one")
    builders.version(cast.ada, made, "two")
    bundle = exported(cast)
    bundle["prompts"][0]["versions"][1]["version"] = 2**31 - 1

    answer = Api(other.ada, workspace=other.workspace.slug).post("import/bundle", bundle)

    assert (answer.status, answer.json["errors"][0]["field"]) == (422, "prompts[0].versions[1].version")


def test_import__of_ten_megabytes__is_taken_and_of_more_is_413(cast: Cast) -> None:
    empty = json.dumps({"format": "greenroom.bundle", "schema": 1, "prompts": []}).encode()
    taken = Api(cast.ada).call("POST", "import/bundle", raw=empty.ljust(10 * 1024 * 1024))
    answer = Api(cast.ada).call("POST", "import/bundle", raw=b" " * (10 * 1024 * 1024 + 1))

    assert taken.status == 200
    assert (answer.status, answer.code) == (413, "body.too_large")


TEXTS = st.text(st.characters(exclude_characters="\0{}@", exclude_categories=["Cs"]), max_size=80)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
CONTENTS = st.fixed_dictionaries(
    {"text": TEXTS},
    optional={"config": st.dictionaries(TEXTS, VALUES, max_size=3), "template_format": st.just("plain")},
)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(contents=st.lists(CONTENTS, min_size=1, max_size=4))
def test_bundle__of_generated_prompts__comes_back_the_same(
    cast: Cast, other: Cast, contents: list[dict[str, Any]]
) -> None:
    name = f"p{Prompt.objects.count()}"
    made = create_prompt(cast.ada, name, kind="text")
    for content in contents:
        create_version(cast.ada, made, content)
    bundle = exported(cast, f"?prompt={name}")

    send(other, bundle)

    assert bare(exported(other, f"?prompt={name}")) == bare(bundle)
