"""Suites: made, saved as immutable versions, attached to prompts and detached."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.db.models import F

from evals_app.actions.judges import ensure_judges, pin_judges
from evals_app.actions.recipes import define_suite_check
from evals_app.models import Case, RunOn, Suite, SuiteAttachment, SuiteVersion
from evals_app.queries import is_required_where_protected, newest_suite_version
from evals_app.suite_content import SuiteContent, parse_suite, suite_digest
from evals_app.suite_sizes import too_small
from prompts_app.actions.checks import require_check
from prompts_app.actions.prompts import checked_text
from prompts_app.content import TemplateSource
from prompts_app.models import Prompt
from prompts_app.sandbox import client as sandbox
from registry.core import audit
from registry.core.actor import Actor
from registry.core.canonical import JSON
from registry.core.errors import Conflict, FieldError, Forbidden, Invalid, NotFound, invalid_field
from registry.core.fields import refuse_mistakes
from registry.core.models import Member
from registry.core.permissions import Permission, allows, require

MOST_SLUG = 63


@dataclass(frozen=True)
class SavedSuite:
    """What a save came to: `is_new` is False where the newest version says the same already."""

    version: SuiteVersion
    is_new: bool


@transaction.atomic
def create_suite(actor: Actor, slug: str, *, title: str, is_safety: bool = False) -> Suite:
    """A suite without versions; its slug is for good. Raises Conflict `suite.exists`."""
    require(actor, Permission.WRITE)
    if not slug or len(slug) > MOST_SLUG or not all(c in "abcdefghijklmnopqrstuvwxyz0123456789-_" for c in slug):
        raise invalid_field("slug", "format", "Lower-case letters, digits, - and _, up to 63 characters.")
    if not title.strip() or len(title) > 200:
        raise invalid_field("title", "length", "A title has between 1 and 200 characters.")
    suite = Suite(
        workspace_id=actor.workspace_id,
        slug=slug,
        title=checked_text("title", title),
        is_safety=is_safety,
        created_by_id=actor.member_id,
    )
    try:
        with transaction.atomic():
            suite.save(force_insert=True)
    except IntegrityError:
        raise Conflict("suite.exists", f"There is a suite {slug} already: save a version of it.", slug=slug) from None
    suite.refresh_from_db()
    _record(actor, "suite.created", suite)
    return suite


def save_suite_version(
    actor: Actor, suite: Suite, content: Mapping[str, JSON], *, based_on: int | None = None
) -> SavedSuite:
    """Save cases, scorers and rules as the next version; from now on the check's older evidence is stale.

    Judges that the content does not pin stay at the version the newest one asks, else they get their newest.
    Raises Invalid naming every mistake, Forbidden where a protected environment relies on the suite and the actor may
    not change that, Conflict `suite.too_small` where it is required somewhere and could not pass any more, and
    `suite.moved` where the newest version is not the one that `based_on` names.
    """
    require(actor, Permission.WRITE)
    _refuse_changing_a_gate(actor, suite)
    parsed = parse_suite(dict(content))
    _refuse_templates(parsed)
    sandbox.refuse_patterns(parsed.patterns())
    ensure_judges(actor, parsed)
    with transaction.atomic():
        suite = Suite.objects.select_for_update(no_key=True).get(pk=suite.pk)
        _refuse_changing_a_gate(actor, suite)
        newest = newest_suite_version(suite.pk)
        parsed = pin_judges(parsed, suite.workspace_id, newest)
        digest = suite_digest(parsed)
        if newest is not None and newest.digest == digest:
            return SavedSuite(newest, is_new=False)
        _refuse_stale(suite, based_on, newest)
        if SuiteAttachment.objects.filter(suite=suite, is_required=True).exists() and (why := too_small(parsed)):
            raise Conflict("suite.too_small", f"Prompts require this suite. {why}")
        version = _write(actor, suite, parsed, digest)
        define_suite_check(actor, suite, version, changed_by_person=True)
        detail: dict[str, JSON] = {"version": version.number, "cases": version.case_count, "mode": version.mode}
        before = newest.digest if newest else ""
        _record(actor, "suite.saved", suite, before=before, after=digest, detail=detail)
    return SavedSuite(version, is_new=True)


@transaction.atomic
def attach_suite(
    actor: Actor, suite: Suite, prompt: Prompt, *, required: bool = False, run_on: str = RunOn.NEW_VERSION
) -> SuiteAttachment:
    """Ask this suite of a prompt's versions, or change how it is asked.

    Raises Conflict `suite.too_small` for requiring what could not pass, Forbidden for loosening what a protected
    environment relies on.
    """
    require(actor, Permission.WRITE)
    if run_on not in RunOn.values:
        raise invalid_field("run_on", "choice", f"One of: {', '.join(RunOn.values)}.")
    suite = Suite.objects.select_for_update(no_key=True).get(pk=suite.pk)
    before = SuiteAttachment.objects.filter(suite=suite, prompt=prompt).first()
    if before is not None and before.is_required and not required:
        _refuse_changing_a_gate(actor, suite, prompt)
    if required:
        _refuse_too_small(suite)
    attachment, _ = SuiteAttachment.objects.update_or_create(
        suite=suite, prompt=prompt, defaults={"is_required": required, "run_on": run_on}
    )
    if suite.last_number:
        require_check(actor, prompt, suite.check_name, required=required)
    detail: dict[str, JSON] = {"prompt": prompt.name, "required": required, "run_on": run_on}
    _record(actor, "suite.attached", suite, detail=detail)
    return attachment


@transaction.atomic
def detach_suite(actor: Actor, suite: Suite, prompt: Prompt) -> None:
    """Ask it no longer; raises NotFound where it was not attached, Forbidden as `attach_suite` does."""
    require(actor, Permission.WRITE)
    suite = Suite.objects.select_for_update(no_key=True).get(pk=suite.pk)
    attachment = SuiteAttachment.objects.filter(suite=suite, prompt=prompt).first()
    if attachment is None:
        raise NotFound("suite.not_attached", f"The suite {suite.slug} is not attached to {prompt.name}.")
    if attachment.is_required:
        _refuse_changing_a_gate(actor, suite, prompt)
    attachment.delete()
    if suite.last_number:
        require_check(actor, prompt, suite.check_name, required=False)
    _record(actor, "suite.detached", suite, detail={"prompt": prompt.name, "required": attachment.is_required})


def find_suite(workspace_id: int, slug: str) -> Suite:
    """The suite with that slug; raises NotFound."""
    suite = Suite.objects.in_workspace(workspace_id).filter(slug=slug).first()
    if suite is None:
        raise NotFound("suite.not_found", "This workspace has no suite with that slug.")
    return suite


def find_suite_version(suite: Suite, number: int) -> SuiteVersion:
    """One version by its number; raises NotFound."""
    version = SuiteVersion.objects.filter(suite=suite, number=number).select_related("suite").first()
    if version is None:
        raise NotFound("suite_version.not_found", f"The suite {suite.slug} has no version {number}.")
    return version


def _write(actor: Actor, suite: Suite, content: SuiteContent, digest: str) -> SuiteVersion:
    version = SuiteVersion(
        suite=suite,
        number=suite.last_number + 1,
        digest=digest,
        rules=json.dumps(content.rules_to_json(), ensure_ascii=False),
        case_count=len(content.cases),
        cluster_count=content.clusters,
        mode=content.mode,
        repeats=content.repeats,
        looks=content.looks,
        author_id=actor.member_id,
        author_name=Member.objects.select_related("user").get(pk=actor.member_id).user.name,
        key_name=actor.name if actor.kind == "key" else "",
    )
    Suite.objects.filter(pk=suite.pk).update(last_number=F("last_number") + 1)
    suite.last_number = version.number
    version.save(force_insert=True)
    version.refresh_from_db()
    Case.objects.bulk_create(
        Case(
            suite_version=version,
            position=position,
            key=case.key,
            tags=list(case.tags),
            is_critical=case.critical,
            content=json.dumps(case.to_json(), ensure_ascii=False),
        )
        for position, case in enumerate(content.cases)
    )
    return version


def _refuse_changing_a_gate(actor: Actor, suite: Suite, prompt: Prompt | None = None) -> None:
    if allows(actor, Permission.CHANGE_REQUIRED_SUITE) or not is_required_where_protected(suite, prompt):
        return
    if actor.kind == "key":
        require(actor, Permission.CHANGE_REQUIRED_SUITE)
    raise Forbidden(
        "suite.required",
        "A protected environment relies on this suite: ask a reviewer to make this change, or save it as a new suite.",
    )


def _refuse_stale(suite: Suite, based_on: int | None, newest: SuiteVersion | None) -> None:
    if based_on is None or newest is None or based_on == suite.last_number:
        return
    detail = (
        f"{newest.author_name} saved version {newest.number} since you began. Look at what changed, and save again."
    )
    raise Conflict("suite.moved", detail, newest=newest.number)


def _refuse_too_small(suite: Suite) -> None:
    version = newest_suite_version(suite.pk)
    if version is None:
        raise Conflict("suite.empty", f"The suite {suite.slug} has no saved version yet: save its cases first.")
    if why := too_small(version.load()):
        raise Conflict("suite.too_small", why)


def _refuse_templates(content: SuiteContent) -> None:
    """Every template among the scorers' values must be one that may be rendered; asks the sandbox."""
    mistakes: list[FieldError] = []
    for path, template in content.templates():
        try:
            sandbox.inspect(TemplateSource("text", text=template))
        except Invalid as refused:
            mistakes.append(FieldError(path, refused.code, refused.detail))
    refuse_mistakes("suite.invalid", "The suite was not saved: correct the fields named.", mistakes)


def _record(
    actor: Actor, event: str, suite: Suite, *, before: str = "", after: str = "", detail: dict[str, JSON] | None = None
) -> None:
    audit.record(
        actor,
        event,
        subject_type="suite",
        subject_id=suite.pk,
        subject_name=suite.slug,
        before=before,
        after=after,
        detail=detail or {},
    )
