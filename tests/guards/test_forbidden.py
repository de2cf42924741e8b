"""What the promotion rules forbid cannot be done with any key through any surface: each deed is tried through each way in.

A row is a deed, a surface, and an attempt. Each attempt is refused, or taken for what it may be (a version to save, say), and
leaves what counts as it was: what is live, deployments, approvals, withdrawals, labels, policies, quarantines, content.
"""

import json
from typing import Any

import pytest

from prompts_app.actions.imports import import_histories
from prompts_app.authors import written_by
from prompts_app.content import content_digest, load_content
from prompts_app.models import (
    Prompt,
    Quarantine,
    VersionLabel,
)
from prompts_app.transfer.langfuse import read_pulled
from tests import builders
from tests.api.client import Api
from tests.api.test_mcp import Host
from tests.builders import Cast, Key
from tests.compat.client import Langfuse
from tests.guards.forbidden import (
    NAME,
    PLACE,
    QUARANTINE,
    ROWS,
    World,
    hides,
    imported,
    make_world,
    row,
    rows,
    tried,
    without_effect,
)


@pytest.fixture
def world(free: Cast) -> World:
    return make_world(free)


MOVE = "moves a protected environment"
rows(
    MOVE, "REST",
    lambda w: w.rest.act(w.to_production.pk, "apply"),
    lambda w: w.rest.act(w.to_production.pk, "override", {"reason": "twenty characters and more of a reason"}),
    lambda w: w.rest.act(w.to_production.pk, "schedule", {"at": "2030-01-01T00:00:00Z"}),
    lambda w: w.rest.act(w.to_production.pk, "ready"),
    lambda w: w.rest.post(f"{PLACE}/rollback", {"reason": "no", "acknowledge_breaking": True}),
    lambda w: w.rest.post(f"{PLACE}/withdraw", {"reason": "no"}),
    lambda w: w.rest.patch("environments/production", {"policy": {"protected": False}}),
    lambda w: w.rest.post("environments/production/freezes", {"ends_at": "2100-01-01T00:00:00Z", "reason": "x"}),
)  # fmt: skip
rows(
    MOVE, "Langfuse",
    lambda w: w.langfuse.label(NAME, 2, "production"),
    lambda w: w.langfuse.label(NAME, 1, "production", "other"),
    lambda w: w.langfuse.create(NAME, "four {{a}}", labels=["production"]),
    lambda w: w.langfuse.create("new/one", "x", labels=["kept", "production"]),
    lambda w: w.langfuse.delete(NAME),
    lambda w: w.langfuse.delete(NAME, label="production"),
    lambda w: w.langfuse.delete(NAME, version=1),
)  # fmt: skip
rows(
    MOVE, "bundle",
    lambda w: without_effect(imported(w, live={"production": 2}, labels={"production": 2})),
    lambda w: without_effect(imported(w, archived_at="2020-01-01T00:00:00Z")),
)  # fmt: skip


@row(MOVE, "Prompty")
def prompty_with_labels(world: World) -> None:
    head = (
        f"---\nname: {NAME}\nmetadata:\n  labels: [production]\n  environment: production\n---\nuser:\nx {{{{ a }}}}\n"
    )
    without_effect(world.rest.post("import/prompty", {"text": head, "name": NAME}))


@row(MOVE, "MCP")
def mcp_has_no_writes(world: World) -> None:
    for method in ("prompts/set", "tools/call", "resources/write", "completion/complete"):
        assert "code" in Host(world.service).ask(method, name=NAME, version=2)
    assert Host(world.ci).post({"jsonrpc": "2.0", "id": 1, "method": "prompts/list"})[0] == 403


APPROVE = "promotes without the approvals"
rows(
    APPROVE, "REST",
    lambda w: w.rest.act(w.to_staging.pk, "apply"),
    lambda w: w.rest.act(w.to_staging.pk, "schedule", {"at": "2020-01-01T00:00:00Z"}),
    lambda w: w.rest.act(w.to_staging.pk, "override", {"reason": "twenty characters and more of a reason"}),
    lambda w: w.rest.act(w.to_staging.pk, "dismiss"),
    lambda w: w.rest.patch("environments/staging", {"policy": {"approvals": 0}}),
)  # fmt: skip
rows(
    APPROVE, "Langfuse",
    lambda w: w.langfuse.label(NAME, 1, "staging"),
    lambda w: w.langfuse.label(NAME, 1, "kept", "staging"),
    lambda w: w.langfuse.create(NAME, "four {{a}}", labels=["staging"]),
    lambda w: w.langfuse.create("new/one", "x", labels=["staging"]),
)  # fmt: skip
rows(APPROVE, "bundle", lambda w: without_effect(imported(w, labels={"staging": 1}, live={"staging": 1})))

SELF = "approves what it wrote"
rows(
    SELF, "REST",
    lambda w: w.rest.act(w.to_staging.pk, "approve", {"subject_hash": "0" * 64}),
    lambda w: w.rest.act(w.to_staging.pk, "approve", {"subject_hash": w.rest.get(f"promotions/{w.to_staging.pk}").json["subject_hash"]}),
    lambda w: w.rest.act(w.to_staging.pk, "review-override"),
    lambda w: w.rest.post(f"prompts/{NAME}/versions/2/checks", {"name": "suite/intents", "state": "passed"}),
)  # fmt: skip

rows(
    QUARANTINE, "REST",
    lambda w: w.rest.act(w.again.pk, "apply"),
    lambda w: w.rest.post(f"environments/staging/prompts/{NAME}/rollback", {"reason": "x", "clear_quarantine": True}),
    lambda w: w.rest.post(f"environments/staging/quarantines/{Quarantine.objects.get().pk}/clear", {"reason": "fine now"}),
)  # fmt: skip


@row(QUARANTINE, "Langfuse")
def the_same_content_again(world: World) -> Any:
    assert "digest.quarantined" in world.langfuse.label(NAME, 3, "staging").message
    # Under another number it is the same digest.
    builders.version(world.cast.ada, world.prompt, "between {{ a }}")
    again = builders.version(world.cast.ada, world.prompt, "three {{ a }}")
    assert again.digest == world.version(3).digest
    return world.langfuse.label(NAME, again.number, "staging")


@row(QUARANTINE, "bundle")
def the_same_content_imported(world: World) -> Any:
    [entry] = world.bundle()["prompts"]
    again = {**entry["versions"][2], "version": 9}
    imported(world, versions=[*entry["versions"], again])
    number = (
        world.prompt.versions.filter(digest=again["digest"]).order_by("-number").values_list("number", flat=True)[0]
    )
    return world.langfuse.label(NAME, number, "staging")


FOREIGN = "reaches into another workspace"


@row(FOREIGN, "REST")
def foreign_ids(world: World) -> None:
    for caller in (Api(world.theirs), Api(world.theirs, workspace="acme"), Api(world.cast.linus, workspace="acme")):
        for path in (
            f"prompts/{NAME}", f"prompts/{NAME}/versions/1", f"prompts/{NAME}/digests/{world.version(1).digest}",
            f"promotions/{world.to_staging.pk}", PLACE, f"prompts/{NAME}/versions/usage", f"prompts/{NAME}/versions/1/prompty",
        ):  # fmt: skip
            answer = caller.get(path)
            assert answer.status == 404, path
            hides(answer, "{{ a }}")
        for path, body in (
            (f"promotions/{world.to_staging.pk}/apply", {}), (f"promotions/{world.to_staging.pk}/close", {}),
            (f"prompts/{NAME}/versions", {"text": "x"}), (f"prompts/{NAME}/versions/2/yank", {"reason": "x"}),
            (f"environments/staging/prompts/{NAME}/withdraw", {"reason": "x"}),
            ("promotions", {"prompt": NAME, "version": 1, "environment": "staging"}),
        ):  # fmt: skip
            assert caller.post(path, body, **{"If-Match": '"x"'}).status in {403, 404, 422}, path
        hides(caller.get("prompts"), NAME)
        hides(caller.get("export/bundle"), "{{ a }}")


@row(FOREIGN, "Langfuse")
def foreign_names(world: World) -> None:
    other = Langfuse(world.theirs)
    for answer in (
        other.get(NAME), other.get(NAME, version=1), other.label(NAME, 1, "mine"), other.delete(NAME),
        other.delete(NAME, version=2), other.delete(NAME, label="kept"),
    ):  # fmt: skip
        assert answer.status == 404
    other.headers["X-Workspace"] = "acme"
    assert other.get(NAME, version=1).status == 404 and other.list().json["data"] == []
    assert other.create(NAME, "theirs").status == 201


@row(FOREIGN, "bundle")
def foreign_bundle(world: World) -> None:
    bundle = {**world.bundle(labels={"kept": 2}), "workspace": "acme"}
    assert Api(world.theirs, workspace="acme").post("import/bundle", bundle).status == 200
    assert Prompt.objects.filter(name=NAME).count() == 2
    moved = VersionLabel.objects.filter(prompt=world.prompt, name="kept").values_list("version__number", flat=True)
    assert list(moved) == [1]


@row(FOREIGN, "MCP")
def foreign_mcp(world: World) -> None:
    issued = Api(world.cast.linus).post("keys", {"kind": "service", "name": "s", "environment": "production"})
    host = Host(Key(issued.json["secret"], issued.json["id"]), **{"X-Workspace": "acme"})
    assert host.ask("prompts/list")["prompts"] == []
    assert "code" in host.ask("prompts/get", name=NAME, arguments={"a": "x"})


OTHER = "reads another environment"


@row(OTHER, "REST")
def service_key_of_production(world: World) -> None:
    api, second = Api(world.service), world.version(2)
    staging = "environments/staging"
    for path in (
        f"{staging}/prompts/{NAME}", f"{staging}/snapshot", f"{staging}/changes?since=0", f"{staging}/stream",
        f"{staging}/deployments", f"prompts/{NAME}/versions/2", f"prompts/{NAME}/digests/{second.digest}",
        f"prompts/{NAME}/versions", f"prompts/{NAME}/diff?from=1&to=2", "export/bundle", f"prompts/{NAME}/versions/2/prompty",
        "export/bundle?environment=staging", "promotions", f"prompts/{NAME}/versions/usage", "environments/production/prompts/only/staging",
        "prompts/only/staging/versions/1",
    ):  # fmt: skip
        answer = api.get(path)
        assert answer.status in {403, 404}, path
        hides(answer, "two {{", "secret of staging")
    rendered = api.post(f"{staging}/prompts/{NAME}/render", {"variables": {"a": "x"}})
    assert rendered.status == 404
    hides(api.get("environments/production/snapshot"), "two {{", "secret of staging")
    told = {"name": NAME, "version": 2, "digest": second.digest, "count": 1, "last_served_at": "2030-01-01T00:00:00Z"}
    client = {"name": "shop", "version": "1", "host": "h"}
    assert api.post("usage/reports", {"client": client, "prompts": [told]}).status < 500


@row(OTHER, "Langfuse")
def service_pair_of_production(world: World) -> None:
    service = Langfuse(world.service)
    for query in (
        {"label": "staging"},
        {"version": 2},
        {"label": "latest"},
        {"label": "kept"},
        {"label": "development"},
    ):
        assert service.get(NAME, **query).status == 404, query
    assert service.get("only/staging").status == 404
    for query in ({}, {"label": "staging"}, {"name": "only/staging"}, {"label": "latest"}):
        hides(service.list(**query), "only/staging", "staging", "two")
    assert service.get(NAME).json["labels"] == ["production"]


@row(OTHER, "MCP")
def service_host_of_production(world: World) -> None:
    host = Host(world.service)
    assert [one["name"] for one in host.ask("prompts/list")["prompts"]] == [NAME]
    assert "code" in host.ask("prompts/get", name="only/staging", arguments={})
    assert "one x" in json.dumps(host.ask("prompts/get", name=NAME, arguments={"a": "x"}))


NAMED = "makes a label of an environment's name"
rows(
    NAMED, "REST",
    *(lambda w, name=name: w.rest.put(f"prompts/{NAME}/versions/1/labels/{name}", {}) for name in ("production", "staging", "development", "latest", "Production", "a b")),
)  # fmt: skip
rows(
    NAMED, "Langfuse",
    lambda w: w.langfuse.label(NAME, 1, "latest"),
    lambda w: w.langfuse.label(NAME, 1, "Production"),
    lambda w: w.langfuse.label(NAME, 1, " production"),
    lambda w: w.langfuse.create(NAME, "x", labels=["Staging"]),
    lambda w: Langfuse(w.writes).label(NAME, 1, "development"),
)  # fmt: skip
rows(
    NAMED,
    "bundle",
    lambda w: without_effect(imported(w, labels={"production": 1, "staging": 1, "latest": 1, "A b": 1})),
)


@row(NAMED, "Langfuse pull")
def pulled(world: World) -> None:
    one = {
        "name": NAME, "version": 4, "type": "text", "prompt": "four {{a}}", "config": {}, "tags": [], "commitMessage": "",
        "createdAt": "2024-01-01T10:00:00.000Z", "createdBy": "x", "labels": ["production", "staging", "latest"],
    }  # fmt: skip
    import_histories(world.ci.actor, read_pulled(json.dumps([one])))
    assert world.prompt.versions.filter(number=4).exists()


LIVE = "withdraws a version that is live"
rows(
    LIVE, "REST",
    lambda w: w.rest.post(f"prompts/{NAME}/versions/1/yank", {"reason": "x"}),
    lambda w: w.rest.post(f"prompts/{NAME}/versions/2/yank", {"reason": "x"}),
    lambda w: w.rest.patch(f"prompts/{NAME}", {"archived": True}),
    lambda w: w.rest.call("DELETE", f"prompts/{NAME}"),
    lambda w: w.rest.call("DELETE", f"prompts/{NAME}/versions/1"),
)  # fmt: skip
rows(
    LIVE, "Langfuse",
    lambda w: w.langfuse.delete(NAME),
    lambda w: w.langfuse.delete(NAME, version=1),
    lambda w: Langfuse(w.writes).delete("only/staging", version=1),
)  # fmt: skip


@row(LIVE, "bundle")
def withdrawn_there(world: World) -> None:
    [entry] = world.bundle()["prompts"]
    gone = {"reason": "x", "at": "2024-01-01T00:00:00Z", "by": "x"}
    imported(world, versions=[{**one, "yanked": gone} for one in entry["versions"]])


CONTENT = "changes what a version says"
rows(
    CONTENT, "REST",
    *(lambda w, method=method: w.rest.call(method, f"prompts/{NAME}/versions/1", {"text": "x"}) for method in ("PUT", "PATCH", "POST")),
)  # fmt: skip


@row(CONTENT, "bundle")
def other_content_under_a_number(world: World) -> None:
    [entry] = world.bundle()["prompts"]
    first, second, third = entry["versions"]
    swapped = [
        {**first, "content": second["content"], "digest": second["digest"]},
        {**second, "content": first["content"], "digest": first["digest"]},
    ]
    without_effect(imported(world, versions=[*swapped, third]))
    without_effect(imported(world, versions=[{**first, "content": second["content"]}]))


RULES = "changes who may do what"
rows(
    RULES, "REST",
    lambda w: w.rest.post("keys", {"kind": "ci", "name": "more"}),
    lambda w: w.rest.call("DELETE", f"keys/{w.service.pk}"),
    lambda w: w.rest.post(f"keys/{w.ci.pk}/rotate"),
    lambda w: w.rest.post("members", {"email": "eve@example.com", "role": "owner"}),
    lambda w: w.rest.patch("members/ada@example.com", {"role": "owner"}),
    lambda w: w.rest.post("environments", {"name": "mine", "label": "Mine"}),
    lambda w: Api(w.service).post(f"prompts/{NAME}/versions", {"text": "x"}),
    lambda w: Api(w.service).post("import/bundle", {}),
)  # fmt: skip


def test_key__that_tries_what_is_forbidden__is_refused_and_changes_nothing(world: World) -> None:
    found = [
        (deed, surface, at, tried(world, deed, surface, attempt)) for at, (deed, surface, attempt) in enumerate(ROWS)
    ]
    assert [one for one in found if one[3]] == []
    assert {surface for _, surface, _ in ROWS} >= {"REST", "Langfuse", "MCP", "bundle", "Prompty", "Langfuse pull"}


def test_author__of_a_version_that_an_import_passes_over__may_still_not_approve(world: World) -> None:
    grace = world.cast.grace
    builders.version(grace, world.prompt, "by Grace {{ a }}")
    for said in (1, None):
        [entry] = world.bundle()["prompts"]
        last = entry["versions"][-1]
        text = f"imported over {said} {{{{ a }}}}"
        content = {**last["content"], "text": text}
        number = last["version"] + 1
        written = {
            **last,
            "version": number,
            "content": content,
            "digest": content_digest(load_content("text", content)),
            "based_on": said,
        }
        assert (
            world.rest.post("import/bundle", world.bundle(versions=[*entry["versions"], written])).json["new_versions"]
            == 1
        )
        chain = written_by(world.version(number), world.version(1))
        assert grace.member_id in {author for author, _ in chain}


def test_bundle__whose_version_is_based_on_itself_or_a_later_one__is_refused(world: World) -> None:
    [entry] = world.bundle()["prompts"]
    for number in (3, 4):
        wrong = [*entry["versions"][:2], {**entry["versions"][2], "based_on": number}]
        answer = world.rest.post("import/bundle", world.bundle(versions=wrong))
        assert (answer.status, answer.json["errors"][0]["field"]) == (422, "prompts[0].versions[2].based_on")
