"""Every page that people look at, where it is, and a workspace in which each of them has something to show.

`SCREENS` names each route that answers with a page; `PARTS` those that answer with a part of one, with a file, or only to a
press. A route in neither fails `tests/pages/test_screens.py`, so that a new page is looked at by the measures too.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from evals_app.actions.batches import start_batch
from evals_app.actions.labels import set_label
from evals_app.actions.runs import start_run
from evals_app.actions.suites import attach_suite, find_suite, save_suite_version
from evals_app.models import Result, Run, RunBatch, RunChunk
from prompts_app.actions import promotions, reviews
from prompts_app.actions.applying import apply_promotion
from prompts_app.actions.environments import freeze_environment
from prompts_app.actions.prompts import create_prompt
from prompts_app.actions.rollback import roll_back, withdraw
from prompts_app.actions.versions import create_version
from prompts_app.facts import subject_of
from prompts_app.models import Promotion, Prompt, Vote
from registry.core.actions.invitations import create_invitation
from registry.core.actions.notifications import notify
from registry.core.actions.sessions import create_sign_in_link
from registry.core.actions.webhooks import create_webhook, send_test_event
from registry.core.actor import Role
from registry.core.keys import hash_secret, new_link_token
from registry.core.models import Invitation, JobState, Member, Webhook, WebhookTry
from registry.core.webhook_settings import WebhookInput, WebhookSettings
from tests import builders, corners, scenes
from tests.builders import Cast
from tests.evals import building
from tests.pages.evaluated import Evaluated, evaluated

PROMPT = "/w/acme/prompts/support/triage"
CHAT = "/w/acme/prompts/banking/intents"
ECHO = "/w/acme/prompts/numbers/echo"

# route, and where it is; `{…}` are ids of the workspace. Asked by its owner, or by nobody where it says so.
SCREENS = {
    "sign_in": "/sign-in",
    "sign_in_link": "/sign-in/{token}",
    "join": "/join/{invitation}",
    "setup": "/setup/{founding}",
    "api_docs": "/api/docs",
    "board": "/w/acme/",
    "search": "/w/acme/search?q=triage",
    "prompt_new": "/w/acme/new",
    "prompt_import": "/w/acme/import",
    "prompt": PROMPT,
    "prompt_edit": f"{CHAT}/drafts/edit",
    "prompt_try": f"{ECHO}/drafts/try",
    "prompt_versions": f"{PROMPT}/versions",
    "version": f"{CHAT}/versions/1",
    "compare": f"{PROMPT}/diff?from=1&to=2&view=split",
    "prompt_usage": f"{PROMPT}/versions/usage",
    "prompt_checks_panel": f"{ECHO}/checks",
    "promotion_new": f"{PROMPT}/promotions?version=2&environment=production",
    "promotions": "/w/acme/promotions?state=",
    "promotion": "/w/acme/promotions/{promotion}",
    "reviews": "/w/acme/reviews",
    "environment": "/w/acme/environments/staging",
    "rollback": "/w/acme/environments/production/rollback/support/triage",
    "notifications": "/w/acme/notifications",
    "settings_profile": "/w/acme/settings/profile",
    "settings_security": "/w/acme/settings/security",
    "settings_members": "/w/acme/settings/members",
    "member_deactivate": "/w/acme/settings/members/ada@example.com/deactivate",
    "leave": "/w/acme/settings/leave",
    "settings_audit": "/w/acme/settings/audit?check=1",
    "settings_environments": "/w/acme/settings/environments",
    "settings_keys": "/w/acme/settings/keys",
    "settings_providers": "/w/acme/settings/providers",
    "provider": "/w/acme/settings/providers/scripted",
    "settings_webhooks": "/w/acme/settings/webhooks",
    "settings_retention": "/w/acme/settings/retention",
    "settings_webhook": "/w/acme/settings/webhooks/{hook}",
    "suites": "/w/acme/suites",
    "suite_new": "/w/acme/new-suite",
    "suite": "/w/acme/suites/numbers",
    "suite_edit": "/w/acme/suites/numbers/edit",
    "suite_import": "/w/acme/suites/numbers/import",
    "suite_history": "/w/acme/suites/few/history?prompt=numbers/echo",
    "suite_diff": "/w/acme/suites/numbers/diff?from=1&to=2",
    "runs": "/w/acme/runs",
    "run_new": "/w/acme/runs/new?prompt=numbers/echo&suite=numbers&baseline=version:1",
    "run": "/w/acme/runs/{run}",
    "run_case": "/w/acme/runs/{run}/cases/4",
    "run_case_add": "/w/acme/runs/{run}/cases/4/add",
    "run_tags": "/w/acme/runs/{run}/tags",
    "run_figures": "/w/acme/runs/{run}/figures",
    "run_answer": "/w/acme/runs/{run}/cases/4/answers/{result}",
    "run_compare_choose": "/w/acme/runs/{run}/compare",
    "run_compare": "/w/acme/runs/{run}/compare/{run}?old_arm=baseline",
    "batches": "/w/acme/runs/batches",
    "batch_new": "/w/acme/runs/batches/new?prompt=numbers/echo&suite=numbers",
    "batch": "/w/acme/runs/batches/{batch}",
    "usage": "/w/acme/usage",
}
# The same routes where they look otherwise.
STATES = {
    "board, nothing found": "/w/acme/?q=nothing+of+the+kind",
    "editor of a text": f"{PROMPT}/drafts/edit",
    "prompt with suites": ECHO,
    "compare, unified": f"{PROMPT}/diff?from=1&to=2",
    "promotion, waiting for a run": "/w/acme/promotions/{waiting_promotion}",
    "promotion, applied": "/w/acme/promotions/{applied}",
    "run under way": "/w/acme/runs/{waiting}",
    "run, errors picked": "/w/acme/runs/{run}?status=error",
    "run, nothing picked": "/w/acme/runs/{run}?status=failed&tag=even",
    "case without an answer": "/w/acme/runs/{run}/cases/6",
    "suite with a judge": "/w/acme/suites/judged",
    "case with a judge and a label": "/w/acme/runs/{judged}/cases/1",
    "case not asked yet": "/w/acme/runs/{waiting}/cases/1",
    "run, found by text": "/w/acme/runs/{run}?text=four&status=failed",
    "figures of a run under way": "/w/acme/runs/{waiting}/figures",
    "figures without a baseline": "/w/acme/runs/{alone}/figures",
    "run without a baseline": "/w/acme/runs/{alone}",
    "runs, none": "/w/acme/runs?state=cancelled",
    "join, spent": "/join/spent",
    "setup, spent": "/setup/spent",
    "nothing there": "/w/acme/prompts/nothing/of-the-kind",
    "denied": "/w/not-acme/settings/members",
    "promotion, blocked in every way": "/w/stuck/promotions/{stuck}",
    "board, archived": "/w/acme/?archived=1",
    "reviews, one kind": "/w/acme/reviews?kind=waiting",
    "keys, on a detour": "/w/acme/settings/keys?back=/w/acme/promotions/{promotion}",
    "board of an empty workspace": "/w/empty/",
    "suites of an empty workspace": "/w/empty/suites",
    "runs of an empty workspace": "/w/empty/runs",
    "reviews of an empty workspace": "/w/empty/reviews",
    "providers of an empty workspace": "/w/empty/settings/providers",
    "environment of an empty workspace": "/w/empty/environments/production",
}
BY_NOBODY = frozenset({"sign_in", "sign_in_link", "join", "join, spent", "setup", "setup, spent"})
# Nothing is there, or no longer, or not for everybody.
REFUSED = {"nothing there": 404, "denied": 403, "join, spent": 410, "setup, spent": 410}
WITH_EDITOR = frozenset({"prompt_edit", "prompt_try", "editor of a text"})

FILES = frozenset({"prompt_export", "promotion_record", "version_prompty", "suite_export", "run_export", "api_schema"})
FILES |= {"settings_audit_export"}
EVIDENCE = {"compare_evidence", "promotion_evidence"}
FRAGMENTS = frozenset({"prompt_preview", "run_events", "run_results", "batch_progress", "waiting"} | EVIDENCE)
# They lead on to a page, most of them after a press.
PRESSES = frozenset(
    [
        "home",
        "suite_compare",
        "member_invitations",
        "member_invitation_revoke",
        "hint_hide",
        "environment_move",
        "profile_session_end",
        "profile_news",
        "profile_look",
        "prompt_follow",
        "prompt_bump",
        "notification_mark",
        "version_label",
        "usage_budget",
        "sign_out",
        "sign_in_code",
        "sign_in_passkey",
        "passkey_options",
        "sso",
        "sso_back",
        "security_do",
        "prompt_try_run",
        "prompt_try_add",
        "prompt_draft",
        "prompt_draft_discard",
        "prompt_change",
        "prompt_archive",
        "version_yank",
        "version_restore",
        "promotion_do",
        "promotion_comment",
        "withdraw",
        "quarantine_clear",
        "environment_policy",
        "environment_freeze",
        "freeze_end",
        "environment_change",
        "environment_archive",
        "key_rotate",
        "key_revoke",
        "profile_name",
        "profile_password",
        "member_change",
        "member_activity",
        "suite_draft",
        "suite_draft_discard",
        "suite_judge",
        "suite_attach",
        "suite_detach",
        "run_label",
        "run_case_purge",
        "retention_search",
        "retention_erase",
        "run_cancel",
        "run_resume",
        "run_retry",
        "batch_cancel",
        "provider_test",
        "webhook_test",
        "webhook_rotate",
        "webhook_redeliver",
        "webhook_delete",
        "prompt_checks_run",
        "prompt_checks_attach",
        "promotion_evidence_run",
    ]
)
MACHINES = frozenset({"livez", "readyz", "mcp", "prompt_includes"})
PARTS = FILES | FRAGMENTS | PRESSES | MACHINES
# Behind these everything is for programs.
PROGRAMS = ("api/v1/", "api/public/")


def page_routes() -> set[str]:
    """Names of all routes that a browser may be at."""

    def walk(patterns: list[URLPattern | URLResolver], prefix: str) -> Iterator[tuple[str, str]]:
        for pattern in patterns:
            route = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                yield from walk(pattern.url_patterns, route)
            else:
                yield route, str(pattern.name)

    return {name for route, name in walk(get_resolver().url_patterns, "") if not route.startswith(PROGRAMS)}


@dataclass(frozen=True)
class House:
    """A furnished workspace: what its pages are about."""

    cast: Cast
    evaluated: Evaluated
    prompt: Prompt
    promotion: Promotion
    applied: Promotion
    batch: RunBatch
    alone: Run
    judged: Run
    answer: Result
    hook: Webhook
    stuck: Promotion

    @property
    def owner(self) -> int:
        """The person whose pages are looked at."""
        return Member.objects.get(pk=self.cast.olga.member_id).user_id

    def address(self, pattern: str) -> str:
        """An address of SCREENS or STATES with this workspace's ids."""
        return pattern.format(
            token=self._token() if "{token}" in pattern else "",
            founding=self._founding() if "{founding}" in pattern else "",
            invitation=self._invitation() if "{invitation}" in pattern else "",
            promotion=self.promotion.pk,
            waiting_promotion=self.evaluated.promotion.pk,
            applied=self.applied.pk,
            run=self.evaluated.run.pk,
            waiting=self.evaluated.waiting.pk,
            batch=self.batch.pk,
            alone=self.alone.pk,
            judged=self.judged.pk,
            result=self.answer.pk,
            hook=self.hook.pk,
            stuck=self.stuck.pk,
        )

    def _founding(self) -> str:
        """The link that a server prints as long as there is no workspace."""
        token = new_link_token()
        ends = timezone.now() + timedelta(days=1)
        Invitation.objects.create(token_hash=hash_secret(token), role=Role.OWNER, expires_at=ends)
        return token

    def _invitation(self) -> str:
        return create_invitation(self.cast.olga, role=Role.EDITOR).address.rpartition("/")[2]

    def _token(self) -> str:
        return create_sign_in_link(Member.objects.get(pk=self.cast.vera.member_id).user)


@contextmanager
def furnished(cast: Cast) -> Iterator[House]:
    """Each page has something to show: versions, votes, comments, a rollback, a run with flips and errors, a batch."""
    with evaluated(cast) as made:
        prompt = builders.prompt(cast.ada, "support/triage", text="Sort <this> for {{ name }}\nin one word.")
        applied = _applied(cast, prompt, 1)
        builders.version(cast.ada, prompt, "Sort <this> for {{ name }}\nin one short word.")
        _applied(cast, prompt, 2)
        production = cast.environment("production")
        roll_back(cast.rosa, prompt, production, reason="It was worse")
        asked = promotions.open_promotion(cast.ada, builders.version(cast.ada, prompt, "Third {{ name }}"), production)
        reviews.comment(cast.grace, asked, body="Why so short?")
        subject = subject_of(asked).hash
        reviews.vote(cast.grace, asked, Vote.REQUEST_CHANGES, stamp=None, subject_hash=subject, comment="Not yet.")
        withdraw(cast.rosa, prompt, cast.environment("development"), reason="Nobody reads it")
        _chat(cast)
        save_suite_version(cast.olga, made.suite, {**_content(made), "margin": 0.12})
        answer = Result.objects.get(run=made.run, case__position=3, arm="candidate")
        set_label(cast.grace, answer, label="failed", note="Four is not three.")
        _put_off()
        few = building.suite(cast.ada, "few", of=building.cases(3), scorers=[{"kind": "contains"}])
        assert made.run.baseline is not None
        alone = building.work(start_run(cast.ada, made.run.baseline, few, baseline=None))
        building.work(start_run(cast.ada, made.run.candidate, few, baseline=None))
        scenes.policy(cast, "production", approvals=1)
        cast.key(name="x" * 100)
        batch = start_batch(cast.ada, made.run.candidate, made.suite, configs=({}, {"temperature": 1}))
        corners.empty_workspace(cast.olga)
        corners.let_look(cast)
        stuck = corners.stuck_promotion()
        yield House(
            cast, made, prompt, asked, applied, batch, alone, corners.judged_run(cast, made), answer, _hook(cast), stuck
        )


def _applied(cast: Cast, prompt: Prompt, number: int) -> Promotion:
    """A version of the prompt made live in production by a promotion."""
    candidate = prompt.versions.select_related("prompt").get(number=number)
    scenes.policy(cast, "production", require_suites=False, min_suites=0)
    asked = promotions.open_promotion(cast.ada, candidate, cast.environment("production"))
    apply_promotion(cast.rosa, promotions.find_promotion(cast.workspace.pk, asked.pk), stamp=None)
    return promotions.find_promotion(cast.workspace.pk, asked.pk)


def _hook(cast: Cast) -> Webhook:
    """An endpoint that was told something and answered badly."""
    hook = create_webhook(cast.olga, WebhookInput(WebhookSettings("chat", "https://example.com/hook"), None)).row
    sent = send_test_event(cast.olga, hook)
    WebhookTry.objects.create(delivery=sent, status=500, duration_ms=12, error="answered 500", answer="<b>no</b>")
    return hook


def _put_off() -> None:
    """What waits goes on waiting, whoever works: pages show runs under way too."""
    RunChunk.objects.filter(state=JobState.QUEUED).update(not_before=timezone.now() + timedelta(days=1))


def _chat(cast: Cast) -> None:
    chat = create_prompt(cast.ada, "banking/intents", kind="chat", tags=["classifier"])
    messages = [
        {"role": "system", "content": "Answer {{ label }}"},
        {"type": "placeholder", "name": "history"},
        {"role": "user", "content": "{{ message }}"},
    ]
    config = {"model": "small", "temperature": 0}
    create_version(cast.ada, chat, {"messages": messages, "config": config, "response_format": {"type": "json_object"}})


def _content(made: Evaluated) -> dict[str, object]:
    version = made.suite.versions.order_by("-number")[0]
    return version.load().to_json()


def add_rows(house: House, numbers: range) -> None:
    """One more of everything that a page lists, for each of the numbers."""
    cast, made = house.cast, house.evaluated
    production = cast.environment("production")
    scenes.policy(cast, "production", require_suites=False, min_suites=0)
    for number in numbers:
        prompt = builders.prompt(cast.ada, f"folder-{number}/prompt", text="Hello {{ name }}")
        promotions.open_promotion(cast.ada, prompt.versions.select_related("prompt").get(number=1), production)
        scenes.go_live(cast, prompt.versions.select_related("prompt").get(number=1), "staging")
        building.add_provider(cast, made.provider, name=f"provider-{number}")
        notify(cast.workspace.pk, [house.owner], event_id=uuid4(), topic="run", text=f"News {number}", url="/w/acme/")
        builders.version(cast.ada, house.prompt, f"Sort it for {{{{ name }}}}, attempt {number}.")
        reviews.comment(cast.grace, house.promotion, body=f"And {number}?")
        builders.join(cast.olga, f"Person{number}", Role.EDITOR)
        cast.key(name=f"key {number}")
        create_webhook(cast.olga, WebhookInput(WebhookSettings(f"hook {number}", "https://example.com/"), None))
        send_test_event(cast.olga, house.hook)
        starts, staging = timezone.now() + timedelta(days=number + 1), cast.environment("staging")
        ends = starts + timedelta(hours=1)
        freeze_environment(cast.olga, staging, starts_at=starts, ends_at=ends, reason=f"Sale {number}")
        version = builders.version(cast.ada, made.prompt, f"Now {{{{ q }}}}, variant {number}.")
        suite = building.suite(cast.ada, f"suite-{number}", of=building.cases(3, tags=[f"tag-{number}"]))
        attach_suite(cast.ada, suite, made.prompt, run_on="promotion")
        few = find_suite(cast.workspace.pk, "few")
        building.work(start_run(cast.ada, version, few, baseline=None))
        start_run(cast.ada, version, made.suite, baseline=made.run.baseline)
        start_batch(cast.ada, version, made.suite, configs=({}, {"temperature": 1}))
        _put_off()
        case = {"key": "added", "variables": {"q": str(number)}, "expected": str(number)}
        content = _content(made)
        content["cases"] = [*content["cases"][:59], case]  # type: ignore[index]
        save_suite_version(cast.olga, made.suite, content)
