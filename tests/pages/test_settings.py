"""Members, keys, environments and the audit log."""

from datetime import UTC, datetime, timedelta

from prompts_app.models import Environment, Freeze
from prompts_app.views.keys import SCOPES
from registry.core.actions.workspaces import change_member
from registry.core.models import ApiKey, Member
from registry.core.permissions import CI_SCOPES
from tests import builders
from tests.api.client import Api
from tests.builders import Cast
from tests.pages.conftest import SignedIn
from tests.scenes import go_live, policy


def test_members__somebody_added__shows_their_link_once(cast: Cast, as_: SignedIn) -> None:
    client = as_(cast.olga)

    answer = client.post("/w/acme/settings/members", {"email": "new@example.com", "role": "editor"})

    assert "/sign-in/" in answer.content.decode()
    assert "/sign-in/" not in client.get("/w/acme/settings/members").content.decode()
    assert Member.objects.get(user__email="new@example.com").role == "editor"


def test_members__added_twice__says_so_beside_the_form(cast: Cast, as_: SignedIn) -> None:
    answer = as_(cast.olga).post("/w/acme/settings/members", {"email": "ada@example.com", "role": "viewer"})

    assert answer.status_code == 422 and "is a member already" in answer.content.decode()


def test_members__another_role_and_deactivation__take_effect(cast: Cast, as_: SignedIn) -> None:
    client = as_(cast.olga)

    granted = {"role": "releaser", "grants": ["override"]}
    told = client.post("/w/acme/settings/members/ada@example.com", granted, follow=True).content.decode()
    changed = Member.objects.get(pk=cast.ada.member_id)
    client.post("/w/acme/settings/members/ada@example.com/activity", {"active": "0"})

    assert (changed.role, changed.grants) == ("releaser", ["override"])
    assert "Ada is releaser now, and may override." in told
    assert not Member.objects.get(pk=cast.ada.member_id).is_active


def test_settings__asked_by_an_editor__are_forbidden(cast: Cast, as_: SignedIn) -> None:
    client = as_(cast.ada)

    for page in ("members", "keys", "environments", "audit"):
        assert client.get(f"/w/acme/settings/{page}").status_code == 403
    assert client.post("/w/acme/settings/members/vera@example.com", {"role": "owner"}).status_code == 403


def test_keys__made__secret_is_on_that_answer_only(cast: Cast, as_: SignedIn) -> None:
    client = as_(cast.olga)
    given = {"name": "checkout", "kind": "service", "environment": "production", "lifetime": "90"}

    answer = client.post("/w/acme/settings/keys", given)
    key = ApiKey.objects.get(name="checkout")

    assert answer.status_code == 201
    assert f"gr_{key.public_id}" in answer.content.decode() and 'id="issued-key"' in answer.content.decode()
    assert 'id="issued-key"' not in client.get("/w/acme/settings/keys").content.decode()
    assert key.expires_at is not None


def test_keys__made_for_an_environment__the_command_fetches_what_went_live_there_last(
    cast: Cast, as_: SignedIn
) -> None:
    policy(cast, "production", approvals=0, require_predecessor=False, require_suites=False, min_suites=0)
    for name in ("first", "last"):
        go_live(cast, builders.prompt(cast.ada, name).versions.select_related("prompt").get(), "production")
    given = {"name": "checkout", "kind": "service", "environment": "production", "lifetime": "90"}

    answer = as_(cast.olga).post("/w/acme/settings/keys", given)

    assert "/environments/production/prompts/last" in answer.content.decode()


def test_keys__scopes_on_offer__are_those_that_there_are() -> None:
    assert {scope for scope, _ in SCOPES} == CI_SCOPES


def test_keys__service_without_an_environment__says_so_beside_the_field(cast: Cast, as_: SignedIn) -> None:
    answer = as_(cast.olga).post("/w/acme/settings/keys", {"name": "checkout", "kind": "service"})

    assert answer.status_code == 422 and "belongs to one environment" in answer.content.decode()
    assert not ApiKey.objects.filter(name="checkout").exists()


def test_keys__rotated_and_revoked__both_work_and_only_the_successor_is_left(cast: Cast, as_: SignedIn) -> None:
    client, old = as_(cast.olga), cast.key("ci").pk

    rotated = client.post(f"/w/acme/settings/keys/{old}/rotate")
    client.post(f"/w/acme/settings/keys/{old}/revoke")

    assert rotated.status_code == 201 and 'id="issued-key"' in rotated.content.decode()
    assert ApiKey.objects.get(pk=old).revoked_at is not None
    assert ApiKey.objects.get(rotated_from=old).revoked_at is None


def test_keys__that_nobody_active_answers_for__are_shown_as_stopped_and_make_no_successor(
    cast: Cast, as_: SignedIn
) -> None:
    ada = Member.objects.get(pk=cast.ada.member_id)
    key = cast.key("ci", responsible=ada).pk
    assert Api(cast.olga).get(f"keys/{key}").json["is_stopped"] is False
    change_member(cast.olga, ada, is_active=False)

    page = as_(cast.olga).get("/w/acme/settings/keys").content.decode()

    assert "Stopped" in page and f"keys/{key}/rotate" not in page
    assert Api(cast.olga).get(f"keys/{key}").json["is_stopped"] is True
    assert Api(cast.olga).post(f"keys/{key}/rotate").code == "key.ended"


def test_keys__of_another_workspace__are_not_there(cast: Cast, as_: SignedIn) -> None:
    assert as_(cast.linus).post(f"/w/not-acme/settings/keys/{cast.key('ci').pk}/revoke").status_code == 404


def test_environments__added_relabelled_archived__show_at_once(cast: Cast, as_: SignedIn) -> None:
    client = as_(cast.olga)

    client.post("/w/acme/settings/environments", {"name": "canary", "colour": "teal"})
    given = {"label": "Early", "colour": "red", "rank": "5", "description": "First users"}
    client.post("/w/acme/settings/environments/canary", given)
    changed = Environment.objects.get(name="canary")
    client.post("/w/acme/settings/environments/canary/archive")

    assert (changed.label, changed.colour, changed.rank) == ("Early", "red", 5)
    assert client.get("/w/acme/environments/canary").status_code == 404


def test_environments__in_the_sidebar__stand_in_the_order_of_their_stages_as_everywhere(
    cast: Cast, as_: SignedIn
) -> None:
    client = as_(cast.olga)

    def orders() -> tuple[list[str], list[str]]:
        page = client.get("/w/acme/settings/environments")
        aside = [entry.label for entry in page.context["navigation"]() if entry.color]
        return aside, [one.label for one in page.context["environments"]]

    before = orders()
    client.post("/w/acme/settings/environments/staging/move", {"up": "1"})

    assert before == (["Development", "Staging", "Production"],) * 2
    assert orders() == (["Staging", "Development", "Production"],) * 2


def test_policy__changed__is_in_force_and_a_contradiction_is_said_beside_the_field(cast: Cast, as_: SignedIn) -> None:
    client, address = as_(cast.olga), "/w/acme/environments/staging/policy"
    given = {
        "approvals": "2",
        "soak_minutes": "0",
        "min_suites": "0",
        "max_age_days": "7",
        "external_checks": "lint, external/size",
    }

    before = client.get("/w/acme/environments/staging").content.decode()
    changed = client.post(address, given)
    refused = client.post(address, {**given, "protected": "on", "auto_apply": "on"})

    policy = Environment.objects.get(name="staging", workspace=cast.workspace).policies.first()
    assert "<dd>0: nobody but the author need have read it</dd>" in before
    assert changed.status_code == 302 and policy is not None
    assert policy.load().approvals == 2 and policy.load().external_checks == ("external/lint", "external/size")
    assert refused.status_code == 422 and "there a person decides each time" in refused.content.decode()


def test_freeze__set_and_lifted__covers_the_time_typed_in_utc(cast: Cast, as_: SignedIn) -> None:
    client, address = as_(cast.olga), "/w/acme/environments/production/freezes"

    client.post(address, {"starts_at": "2030-01-01T10:00", "ends_at": "2030-01-02T10:00", "reason": "Holidays"})
    refused = client.post(
        address, {"starts_at": "2030-01-02T10:00", "ends_at": "2030-01-01T10:00", "reason": "Backwards"}
    )
    freeze = Freeze.objects.get()
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    over = {"starts_at": long_ago, "ends_at": long_ago + timedelta(hours=1), "reason": "Over", "by_name": "Olga"}
    Freeze.objects.create(environment=freeze.environment, **over)
    shown = client.get("/w/acme/environments/production").content.decode()
    client.post(f"{address}/{freeze.pk}")

    assert freeze.starts_at.isoformat() == "2030-01-01T10:00:00+00:00"
    assert refused.status_code == 422 and "ends after it starts" in refused.content.decode()
    assert 'class="tag">over<' in shown and 'class="tag">planned<' in shown and shown.count(">Lift<") == 1
    assert Freeze.objects.get(pk=freeze.pk).cancelled_at is not None


def test_audit__filtered__shows_what_fits_and_checks_the_chain(cast: Cast, as_: SignedIn) -> None:
    page = as_(cast.olga).get("/w/acme/settings/audit?event=member.added&check=1").content.decode()

    assert "ada@example.com" in page and "environment.created" not in page
    assert "The chain holds." in page


def test_audit__of_what_went_live__names_version_and_environment_in_its_row(cast: Cast, as_: SignedIn) -> None:
    builders.prompt(cast.ada, "a/b", text="x")

    page = as_(cast.olga).get("/w/acme/settings/audit?event=version.promoted").content.decode()

    chip = '<span class="env" data-color="blue"><i class="env-mark"></i>Development</span>'
    assert f'a/b v1 <span class="quiet-text">in</span> {chip}</td>' in page


def test_keys__shown_once__are_not_made_again_by_loading_the_page_anew(cast: Cast, as_: SignedIn) -> None:
    page = as_(cast.olga).post("/w/acme/settings/keys", {"name": "k", "kind": "ci"}).content.decode()
    form = as_(cast.olga).get("/w/acme/settings/keys").content.decode()

    assert '<section class="secret" data-home="/w/acme/settings/keys"' in page
    assert '<option value="production">Production</option>' in form
