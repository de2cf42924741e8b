"""A person's draft of a suite: kept row by row while they type, filled from a file, saved as the next version, or dropped."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from django.db import connection, transaction
from django.db.models import Max
from django.db.models.functions import Now

from evals_app.actions.suites import SavedSuite, save_suite_version
from evals_app.draft_queries import draft_of, draft_stamp
from evals_app.models import DraftCase, Suite, SuiteDraft, SuiteVersion
from evals_app.models.draft import LONGEST_KEY
from evals_app.suite_cells import MOST_COLUMNS, TypedPage, case_of
from evals_app.suite_content import MOST_CASES, case_problems, parse_suite
from evals_app.suite_editing import FIRST_RULES, broken_rows, is_blank, read_rules, typed_rules, with_keys
from registry.core.actor import Actor
from registry.core.canonical import JSON
from registry.core.errors import Conflict, FieldError, Invalid, NotFound, PreconditionFailed, invalid_field
from registry.core.fields import refuse_mistakes
from registry.core.permissions import Permission, require

GAP = 1 << 20  # between the positions of two rows: so often one can be put between

type Case = Mapping[str, JSON]
type How = Literal["append", "merge", "replace"]


@transaction.atomic
def keep_page(actor: Actor, suite: Suite, typed: TypedPage) -> SuiteDraft:
    """Keep what was typed on one page of the editor, acceptable or not; rows that nobody touched stay as they are.

    A row that is no longer there comes back at the end: what is typed is never lost.
    """
    draft = _open(actor, suite, typed.based_on)
    touched = {row.row: case_of(row.cells, typed.names) for row in typed.touched}
    there = list(DraftCase.objects.filter(draft=draft, row__in=touched))
    for row in there:
        _fill(row, touched.pop(row.row))
    DraftCase.objects.bulk_update(there, ["key", "cluster", "content"])
    _append(draft, list(touched.values()))
    if typed.rules:
        draft.rules = json.dumps({**json.loads(draft.rules), **typed.rules}, ensure_ascii=False)
    return _touch(draft)


@transaction.atomic
def replace_suite_draft(
    actor: Actor, suite: Suite, content: Mapping[str, JSON], *, seen: str, based_on: int | None = None
) -> SuiteDraft:
    """Everything in the draft at once, acceptable or not: `cases`, a list of objects, and rules as the API takes them.

    `seen` is the `draft_stamp` of what the caller saw; raises PreconditionFailed where it is another one now. Where
    `based_on` is left out the draft stays based on the version that it was begun from. Raises Invalid for cases that are
    no list of objects, past 10,000, and for a version that there is not.
    """
    Suite.objects.select_for_update(no_key=True).get(pk=suite.pk)
    require(actor, Permission.WRITE)
    if seen != draft_stamp(suite, draft_of(suite, actor.member_id)):
        raise PreconditionFailed("precondition.failed", "It changed since you read it: read it again.")
    if based_on is not None and not 0 <= based_on <= suite.last_number:
        raise invalid_field("based_on", "choice", f"The suite {suite.slug} has no version {based_on}.")
    cases = content.get("cases", [])
    if not isinstance(cases, list) or not all(isinstance(case, dict) for case in cases):
        raise invalid_field("content.cases", "type", "Cases are a list of objects.")
    draft = _open(actor, suite, based_on or 0)
    draft.based_on = draft.based_on if based_on is None else based_on
    rules = typed_rules({name: one for name, one in content.items() if name != "cases"})
    draft.rules = json.dumps(rules, ensure_ascii=False)
    DraftCase.objects.filter(draft=draft).delete()
    _append(draft, [case for case in cases if isinstance(case, dict)])
    draft.save(update_fields=["based_on"])
    return _touch(draft)


@transaction.atomic
def add_variable(actor: Actor, suite: Suite, name: str, *, based_on: int = 0) -> SuiteDraft:
    """Give a variable a column before any case has a value for it."""
    draft = _open(actor, suite, based_on)
    if not name.strip() or len(name) > 100 or not name.isprintable():
        raise invalid_field("variable", "format", "A variable has a name of 1 to 100 printable characters.")
    draft.names = list(dict.fromkeys([name.strip(), *draft.names]))[:MOST_COLUMNS]
    return _touch(draft)


@transaction.atomic
def drop_variable(actor: Actor, suite: Suite, name: str) -> SuiteDraft:
    """Take a column away again that was added for a variable; values that cases have stay theirs."""
    draft = _open(actor, suite, 0)
    draft.names = [one for one in draft.names if one != name]
    return _touch(draft)


@transaction.atomic
def add_cases(actor: Actor, suite: Suite, cases: Sequence[Case], *, how: How = "append", based_on: int = 0) -> int:
    """Put cases into the draft: at its end, in place of those with the same key (`merge`), or instead of all.

    Returns how many rows the draft has now; raises Invalid `suite.too_many` past 10,000.
    """
    draft = _open(actor, suite, based_on)
    rows = DraftCase.objects.filter(draft=draft)
    if how == "replace":
        rows.delete()
    fresh = list(cases)
    if how == "merge":
        fresh = _merge(draft, fresh)
    _append(draft, fresh)
    _touch(draft)
    return DraftCase.objects.filter(draft=draft).count()


@transaction.atomic
def add_to_suite(actor: Actor, suite: Suite, case: Case) -> DraftCase:
    """Put one case, such as what somebody tried or a result of a run, at the end of the person's draft of a suite.

    A key that is there already gets a number. Raises Invalid for what is no case, and past 10,000.
    """
    draft = _open(actor, suite, 0)
    given = dict(case)
    key = given.get("key")
    if isinstance(key, str) and DraftCase.objects.filter(draft=draft, key=key[:LONGEST_KEY]).exists():
        given["key"] = _free_key(draft, key)
    refuse_mistakes("case.invalid", "This cannot be a case: correct the fields named.", case_problems(given))
    _append(draft, [given])
    _touch(draft)
    return DraftCase.objects.get(draft=draft, row=draft.next_row - 1)


@transaction.atomic
def set_rules(actor: Actor, suite: Suite, rules: Mapping[str, JSON], *, based_on: int = 0) -> SuiteDraft:
    """Take over rules that came with a file; what it does not name stays as it is typed."""
    draft = _open(actor, suite, based_on)
    named = {name: text for name, text in typed_rules(rules).items() if name in rules}
    draft.rules = json.dumps({**json.loads(draft.rules), **named}, ensure_ascii=False)
    return _touch(draft)


@transaction.atomic
def duplicate_case(actor: Actor, suite: Suite, row: int) -> DraftCase:
    """The same row once more, below itself; its key says that it is a copy."""
    draft = _open(actor, suite, 0)
    found = _row(draft, row)
    copy = json.loads(found.content)
    if isinstance(copy.get("key"), str):
        copy["key"] = _free_key(draft, copy["key"])
    made = DraftCase(draft=draft, row=draft.next_row, position=_place_after(draft, found))
    _fill(made, copy)
    made.save(force_insert=True)
    draft.next_row += 1
    _touch(draft)
    return made


@transaction.atomic
def drop_case(actor: Actor, suite: Suite, row: int) -> None:
    """Take a row out of the draft; the versions that have the case keep it."""
    draft = _open(actor, suite, 0)
    DraftCase.objects.filter(draft=draft, row=row).delete()
    _touch(draft)


@transaction.atomic
def settle_rows(actor: Actor, suite: Suite) -> None:
    """Take out the rows that nobody filled in, and give those without a key their number as one."""
    draft = _open(actor, suite, 0)
    unnamed = list(DraftCase.objects.filter(draft=draft, key=""))
    if not unnamed:
        return
    blank = [row.pk for row in unnamed if is_blank(json.loads(row.content))]
    DraftCase.objects.filter(draft=draft, pk__in=blank).delete()
    rows = list(DraftCase.objects.filter(draft=draft).order_by("position"))
    for row, case in zip(rows, with_keys([json.loads(row.content) for row in rows]), strict=True):
        if not row.key:
            _fill(row, case)
    unnamed_rows = {row.row for row in unnamed}
    DraftCase.objects.bulk_update([row for row in rows if row.row in unnamed_rows], ["key", "cluster", "content"])
    _touch(draft)


def discard_suite_draft(actor: Actor, suite: Suite) -> None:
    """Forget the person's draft, if there is one."""
    require(actor, Permission.WRITE)
    SuiteDraft.objects.filter(suite=suite, member_id=actor.member_id).delete()


def save_suite_draft(actor: Actor, suite: Suite, *, over: int | None = None) -> SavedSuite:
    """Save the draft as the next version and forget it.

    Raises Invalid naming every mistake by the case's index in the draft, NotFound without a draft, Conflict `suite.moved`
    where somebody saved since it was begun, unless `over` names what they saved; and what `save_suite_version` raises.
    """
    require(actor, Permission.WRITE)
    draft = find_draft(actor, suite)
    saved = save_suite_version(actor, suite, draft_content(draft), based_on=draft.based_on if over is None else over)
    SuiteDraft.objects.filter(pk=draft.pk, updated_at=draft.updated_at).delete()
    return saved


def find_draft(actor: Actor, suite: Suite) -> SuiteDraft:
    """The person's draft of the suite; raises NotFound."""
    draft = draft_of(suite, actor.member_id)
    if draft is None:
        raise NotFound("draft.not_found", "You have no draft of this suite.")
    return draft


def draft_content(draft: SuiteDraft) -> dict[str, JSON]:
    """Everything in it, as the API takes it; raises Invalid where it cannot be read."""
    rules = read_rules(json.loads(draft.rules))
    contents = DraftCase.objects.filter(draft=draft).order_by("position").values_list("content", flat=True)
    cases: list[dict[str, JSON]] = [json.loads(content) for content in contents]
    refuse_mistakes("suite.invalid", "The suite was not saved: correct the fields named.", broken_rows(cases))
    return {"cases": list(cases), **rules}


def problems_of(draft: SuiteDraft | None, content: Mapping[str, JSON]) -> tuple[FieldError, ...]:
    """What saving a draft would refuse of its content; without a draft `content` is what one would begin from."""
    try:
        parse_suite(draft_content(draft) if draft else dict(content))
    except Invalid as refused:
        return tuple(refused.errors) or (FieldError("", refused.code, refused.detail),)
    return ()


def _open(actor: Actor, suite: Suite, based_on: int) -> SuiteDraft:
    """The person's draft, locked; begun from the version that they saw (the newest where that is 0)."""
    require(actor, Permission.WRITE)
    number = based_on if 0 < based_on <= suite.last_number else suite.last_number
    rules: Mapping[str, JSON] = FIRST_RULES
    version = SuiteVersion.objects.filter(suite=suite, number=number).first()
    if version is not None:
        rules = json.loads(version.rules)
    defaults = {
        "rules": json.dumps(typed_rules(rules), ensure_ascii=False),
        "based_on": number,
        "next_row": version.case_count if version else 0,
    }
    draft, is_new = SuiteDraft.objects.get_or_create(suite=suite, member_id=actor.member_id, defaults=defaults)
    if is_new and version is not None:
        _copy(draft, version)
    return SuiteDraft.objects.select_for_update().get(pk=draft.pk)


def _copy(draft: SuiteDraft, version: SuiteVersion) -> None:
    """All cases of the version as rows, in one statement: a page of 10,000 must not cross the wire to be edited."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO evals_app_draftcase (draft_id, "row", position, key, cluster, content)
            SELECT %s, position, position::bigint * %s, key, coalesce(left(content::jsonb ->> 'cluster', %s), ''), content
            FROM evals_app_case WHERE suite_version_id = %s
            """,
            [draft.pk, GAP, LONGEST_KEY, version.pk],
        )


def _append(draft: SuiteDraft, cases: Sequence[Case]) -> None:
    if not cases:
        return
    there = DraftCase.objects.filter(draft=draft)
    if there.count() + len(cases) > MOST_CASES:
        raise Invalid(
            "suite.too_many",
            f"A suite has at most {MOST_CASES:,} cases: the draft has {there.count():,}, and this would add {len(cases):,}.",
        )
    last = there.aggregate(last=Max("position"))["last"] or 0
    rows = []
    for index, case in enumerate(cases):
        row = DraftCase(draft=draft, row=draft.next_row + index, position=last + GAP * (index + 1))
        _fill(row, case)
        rows.append(row)
    DraftCase.objects.bulk_create(rows, batch_size=1000)
    draft.next_row += len(rows)


def _merge(draft: SuiteDraft, cases: Iterable[Case]) -> list[Case]:
    """Puts each case in place of the row with its key; returns those without one."""
    wanted = {case["key"]: case for case in cases if isinstance(case.get("key"), str)}
    rows = [row for row in DraftCase.objects.filter(draft=draft) if json.loads(row.content).get("key") in wanted]
    for row in rows:
        _fill(row, wanted[json.loads(row.content)["key"]])
    DraftCase.objects.bulk_update(rows, ["key", "cluster", "content"], batch_size=500)
    taken = {json.loads(row.content)["key"] for row in rows}
    return [case for case in cases if case.get("key") not in taken]


def _fill(row: DraftCase, case: Case) -> None:
    key, cluster = case.get("key"), case.get("cluster")
    row.key = key[:LONGEST_KEY] if isinstance(key, str) else ""
    row.cluster = cluster[:LONGEST_KEY] if isinstance(cluster, str) else ""
    row.content = json.dumps(dict(case), ensure_ascii=False)


def _row(draft: SuiteDraft, row: int) -> DraftCase:
    found = DraftCase.objects.filter(draft=draft, row=row).first()
    if found is None:
        raise Conflict("draft.row", "That row is no longer in your draft: it was taken out in another window.")
    return found


def _place_after(draft: SuiteDraft, row: DraftCase) -> int:
    """A position between the row and the next one; makes room where there is none."""
    rows = DraftCase.objects.filter(draft=draft).order_by("position")
    following = rows.filter(position__gt=row.position).values_list("position", flat=True).first()
    if following is None:
        return row.position + GAP
    if following - row.position > 1:
        return (row.position + following) // 2
    every = list(rows)
    for index, one in enumerate(every, 1):
        one.position = index * GAP
    DraftCase.objects.bulk_update(every, ["position"], batch_size=1000)
    return next(one.position for one in every if one.row == row.row) + GAP // 2


def _free_key(draft: SuiteDraft, key: str) -> str:
    taken = set(DraftCase.objects.filter(draft=draft, key__startswith=key[:150]).values_list("key", flat=True))
    names = (f"{key[:180]} ({number})" for number in range(2, MOST_CASES + 2))
    return next(name for name in names if name not in taken)


def _touch(draft: SuiteDraft) -> SuiteDraft:
    draft.updated_at = Now()
    draft.save(update_fields=["rules", "names", "next_row", "updated_at"])
    draft.refresh_from_db()
    return draft
