"""Rows are asked for within a workspace: a query by an id that came from outside must name what it belongs to.

Every `Model.objects` of the three apps is read from the source. It is within a workspace when it says so (`in_workspace`), when
it is narrowed by something loaded (`prompt=prompt`, `pk=run.pk`), or when it only makes rows. What asks across workspaces is
listed, function by function, with the reason. That no id of another workspace opens anything is what
`test_permission_table.py` tries on every route; this keeps the next query from forgetting it.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
APPS = ("registry", "prompts_app", "evals_app")
# Migrations and commands work for the operator; models hold the querysets themselves; backups take everything.
LEFT_OUT = {"migrations", "management", "models", "backups", "demo"}
# Fields that lead to a workspace; whoever narrows by one has it from a row that was loaded within a workspace.
PARENTS = {
    *("workspace", "workspace_id", "prompt", "prompt_id", "promotion", "environment", "environment_id", "version"),
    *("version_id", "deployment", "suite", "suite_id", "suites", "suite_version", "suite_version_id", "run", "run_id"),
    *("case", "result", "batch", "definition", "chunk", "draft", "provider", "webhook", "delivery", "override"),
    *("member", "member_id", "user", "responsible", "author", "drafts", "memberships", "event"),
}
MAKES = {"create", "bulk_create", "get_or_create", "update_or_create", "bulk_update"}
NARROWS = {"in_workspace", "of_evidence", "none"}

QUEUE = "works off rows of all workspaces; nobody's id comes in"
MESSAGE = "the id is in a message that an action of ours wrote"
BEFORE = "who it is, and so which workspace, is only found out by it"
OPERATOR = "for the operator: metrics, upkeep, checks of the whole"
WITHIN = "ids of rows that the lines above it loaded"

ACROSS: dict[str, str] = {
    "registry/core/actions/invitations.py:found_by_invitation": BEFORE,
    "registry/core/actions/sessions.py:sessions_of": BEFORE,
    "registry/core/actions/sessions.py:_open_links": BEFORE,
    "registry/core/actions/sessions.py:check_credentials": BEFORE,
    "registry/core/actions/sessions.py:note_seen": BEFORE,
    "registry/core/views/sessions.py:sign_in_page": BEFORE,
    "registry/core/actions/sessions.py:end_sessions": BEFORE,
    "registry/core/actions/sessions.py:_end": BEFORE,
    "registry/core/actions/single_sign_on.py:_give": BEFORE,
    "registry/core/actions/single_sign_on.py:admit": BEFORE,
    "registry/core/actions/workspaces.py:find_or_create_user": BEFORE,
    "registry/core/identity.py:actor_of_key": BEFORE,
    "registry/core/signing_in.py:who_waits": BEFORE,
    "prompts_app/delivery/grants.py:read_grant": BEFORE,
    "prompts_app/delivery/grants.py:ended_among": BEFORE,
    "registry/core/actions/notifications.py:notify": MESSAGE,
    "registry/core/actions/telling_outside.py:from_audit": MESSAGE,
    "registry/core/actions/telling_outside.py:record_event": MESSAGE,
    "prompts_app/actions/telling.py:_voted": MESSAGE,
    "prompts_app/actions/telling.py:_finished": MESSAGE,
    "prompts_app/actions/telling.py:_deployed": MESSAGE,
    "prompts_app/actions/telling.py:tell": MESSAGE,
    "prompts_app/event_queries.py:promotion_voted": MESSAGE,
    "prompts_app/event_queries.py:_promotion": MESSAGE,
    "prompts_app/event_queries.py:version_created": MESSAGE,
    "prompts_app/event_queries.py:check_finished": MESSAGE,
    "prompts_app/event_queries.py:deployed": MESSAGE,
    "prompts_app/subscriptions.py:_reconsider_what_waits_for": MESSAGE,
    "evals_app/engine/triggers.py:start_runs_for_version": MESSAGE,
    "evals_app/event_queries.py:run_finished": MESSAGE,
    "evals_app/subscriptions.py:on_promotion_needs_checks": MESSAGE,
    "prompts_app/actions/applying.py:apply_due": QUEUE,
    "prompts_app/actions/applying.py:apply_if_ready": QUEUE,
    "prompts_app/actions/promotions.py:expire_promotions": QUEUE,
    "prompts_app/actions/pulls.py:give_up_pull": QUEUE,
    "prompts_app/delivery/grants.py:note_used": QUEUE,
    "prompts_app/delivery/propagation.py:wait_until_heard": QUEUE,
    "prompts_app/delivery/propagation.py:_is_awaited": QUEUE,
    "prompts_app/tasks.py:apply_due": QUEUE,
    "prompts_app/tasks.py:apply_ready": QUEUE,
    "evals_app/engine/chunks.py:_free_from_the_dead": QUEUE,
    "evals_app/engine/running.py:_end": QUEUE,
    "evals_app/engine/running.py:run_chunk": QUEUE,
    "evals_app/engine/running.py:settle_lost_runs": QUEUE,
    "evals_app/engine/stopping.py:stop": QUEUE,
    "evals_app/engine/tryouts.py:_update": QUEUE,
    "evals_app/tallies.py:not_added_up": QUEUE,
    "evals_app/run_queries.py:progress_of": "whether workers are busy at all is a fact of the server; the runs are given",
    "evals_app/tallies.py:add_up": QUEUE,
    "registry/core/actions/pruning.py:_prune_deliveries": OPERATOR,
    "registry/core/actions/pruning.py:prune_core": OPERATOR,
    "registry/core/checkpoints.py:chain_ends": OPERATOR,
    "registry/core/metric_queries.py:_history": OPERATOR,
    "registry/core/metric_queries.py:_workers": OPERATOR,
    "prompts_app/actions/usage.py:forget_usage": OPERATOR,
    "prompts_app/digest_queries.py:damaged_versions": OPERATOR,
    "evals_app/actions/demo.py:seed_demo": OPERATOR,
    "evals_app/actions/retention.py:apply_retention": OPERATOR,
    "evals_app/metric_queries.py:_breakers": OPERATOR,
    "evals_app/metric_queries.py:run_families": OPERATOR,
    "registry/core/actions/keys.py:create_key": WITHIN,
    "registry/core/api/idempotency.py:_record": WITHIN,
    "registry/core/webhook_queries.py:deliveries_of": WITHIN,
    "prompts_app/actions/checks.py:_after_check": WITHIN,
    "prompts_app/actions/moving.py:lock_places": WITHIN,
    "prompts_app/actions/moving.py:_supersede": WITHIN,
    "prompts_app/actions/reviews.py:resolve_comment": WITHIN,
    "prompts_app/actions/rollback.py:_after_leaving": WITHIN,
    "prompts_app/api/moving.py:finalize_response": WITHIN,
    "prompts_app/compat/langfuse/listing.py:_rows": WITHIN,
    "prompts_app/history_queries.py:checks_of": WITHIN,
    "prompts_app/pending_queries.py:_policies": WITHIN,
    "prompts_app/usage_queries.py:served": WITHIN,
    "evals_app/actions/purging.py:_purge": WITHIN,
    "evals_app/actions/purging.py:_elsewhere": WITHIN,
    "evals_app/actions/retention.py:_piece": WITHIN,
    "evals_app/purge_queries.py:replies_about": WITHIN,
    "evals_app/purge_queries.py:suites_asking": WITHIN,
    "evals_app/purge_queries.py:runs_asking": WITHIN,
    "evals_app/version_queries.py:contents_of": WITHIN,
    "evals_app/comparison_queries.py:with_excerpts": WITHIN,
    "evals_app/comparison_sql.py:_flipped": WITHIN,
    "evals_app/judge_agreement.py:agreements": WITHIN,
}


def unscoped() -> Iterator[tuple[str, int]]:
    """`path:function` and line of each query that says nothing of a workspace."""
    for app in APPS:
        for path in sorted((ROOT / app).rglob("*.py")):
            if LEFT_OUT.isdisjoint(path.relative_to(ROOT).parts):
                where = path.relative_to(ROOT).as_posix()
                yield from ((f"{where}:{name}", line) for name, line in unscoped_in(path.read_text()))


def unscoped_in(source: str) -> Iterator[tuple[str, int]]:
    """The same of one module: the function around it, and the line."""
    tree = ast.parse(source)
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        is_manager = isinstance(node, ast.Attribute) and node.attr == "objects" and isinstance(node.value, ast.Name)
        if is_manager and not is_scoped(node, parents):
            around = function_around(node, parents)
            yield around.name if isinstance(around, ast.FunctionDef | ast.AsyncFunctionDef) else "", node.lineno


def is_scoped(manager: ast.AST, parents: dict[ast.AST, ast.AST]) -> bool:
    """Whether the query that begins here is narrowed, here or where the variable that holds it is used."""
    calls, end = chain(manager, parents)
    if any(narrows(name, call) for name, call in calls):
        return True
    holder = parents.get(end)
    around = function_around(manager, parents)
    names = {target.id for target in getattr(holder, "targets", []) if isinstance(target, ast.Name)}
    used = (node for node in ast.walk(around) if isinstance(node, ast.Name) and node.id in names)
    return any(narrows(name, call) for node in used for name, call in chain(node, parents)[0])


def narrows(name: str, call: ast.Call | None) -> bool:
    if name in NARROWS or name in MAKES:
        return True
    asked = [
        node for argument in (call.args if call else []) for node in ast.walk(argument) if isinstance(node, ast.Call)
    ]
    keywords = [keyword for one in ([call] if call else []) + asked for keyword in one.keywords]
    return any(narrows_by(keyword) for keyword in keywords)


def narrows_by(keyword: ast.keyword) -> bool:
    """Whether a condition names a parent, or the id of a row that is at hand (`pk=run.pk`, never `pk=pk`)."""
    field = (keyword.arg or "").partition("__")[0]
    value = keyword.value
    is_loaded = isinstance(value, ast.Attribute) and (value.attr in {"pk", "id"} or value.attr.endswith("_id"))
    return field in PARENTS or (field in {"pk", "id"} and is_loaded)


def chain(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> tuple[list[tuple[str, ast.Call | None]], ast.AST]:
    """The methods called one after the other from here, with their calls, and the whole expression."""
    calls: list[tuple[str, ast.Call | None]] = []
    while True:
        above = parents.get(node)
        if isinstance(above, ast.Attribute) and above.value is node:
            calls.append((above.attr, None))
        elif isinstance(above, ast.Call) and above.func is node and calls:
            calls[-1] = (calls[-1][0], above)
        else:
            return calls, node
        node = above


def function_around(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> ast.AST:
    while node in parents:
        node = parents[node]
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            return node
    return node


def test_queries__that_say_nothing_of_a_workspace__are_listed_with_the_reason() -> None:
    found = dict(unscoped())
    assert {where: line for where, line in found.items() if where not in ACROSS} == {}
    assert set(ACROSS) - set(found) == set(), "listed, and no longer there"


def test_reading__of_a_query_by_an_id_alone__finds_it() -> None:
    bad = "def f(pk):\n    rows = Run.objects.select_related('prompt')\n    return rows.filter(pk=pk).first()\n"
    assert list(unscoped_in(bad)) == [("f", 2)]
    for good in ("rows.in_workspace(w).get(pk=pk)", "rows.filter(pk=pk, prompt=prompt)", "rows.get(pk=run.pk)"):
        assert list(unscoped_in(bad.replace("rows.filter(pk=pk).first()", good))) == []
