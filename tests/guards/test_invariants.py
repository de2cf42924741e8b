"""Where each of the 25 invariants is tested; a test that is renamed or lost is missed here."""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
SEQUENCES = "invariants/test_sequences.py::test_sequences__of_any_actions_by_anybody__keep_every_invariant"
SCENARIOS = "invariants/test_scenarios.py::test_worst_moment__played_out_exactly__leaves_nothing_wrong"
HAMMER = "invariants/test_hammer.py::test_hammer__many_hands_on_two_prompts__never_deadlock_and_keep_every_invariant"
RACES, RULES, PROOF = (
    "invariants/test_races.py::",
    "invariants/test_database_rules.py::",
    "invariants/test_evidence.py::",
)
INDEX: dict[int, list[str]] = {
    1: [
        RULES + "test_version__by_the_orm__cannot_be_rewritten",
        RULES + "test_append_only__as_the_application__has_no_right_to_rewrite",
    ],
    2: [RULES + "test_pointer__at_a_deployment_that_does_not_exist__is_refused", SEQUENCES],
    3: [
        "invariants/test_kills.py::test_killed__before_any_statement_or_the_commit__nothing_happened",
        "invariants/test_kills.py::test_killed__around_the_commit__nothing_or_all_of_it_and_it_is_still_told",
    ],
    4: [RACES + "test_moves__of_many_prompts_in_one_environment__are_numbered_in_the_order_of_commit", HAMMER],
    5: [RACES + "test_apply__while_a_fact_changes__came_before_the_change_or_did_not_come", SEQUENCES],
    6: [RACES + "test_applies__of_two_promotions_to_one_place__one_wins_and_the_other_has_a_moved_base", SCENARIOS],
    7: [RACES + "test_final_approvals__two_at_once_when_ready__one_apply", SCENARIOS],
    8: ["prompts/test_reviews.py::test_staleness__of_each_part__goes_when_the_old_value_is_back", SEQUENCES],
    9: ["prompts/test_reviews.py::test_vote__by_the_author_of_the_promotion__is_ineligible_in_every_role", SEQUENCES],
    10: [
        "prompts/test_reviews.py::test_approver__demoted_or_deactivated__no_longer_counts_and_counts_again",
        SEQUENCES,
    ],
    11: [
        "prompts/test_blockers.py::test_policy__loosened_after_opening__keeps_what_was_asked_field_by_field",
        SEQUENCES,
    ],
    12: [
        PROOF + "test_check__that_is_anything_but_passed_on_fitting_evidence__never_counts",
        PROOF + "test_suite__with_no_case__is_an_error_in_every_mode",
        PROOF + "test_run__that_ends_in_error__blocks",
    ],
    13: ["prompts/test_blockers_of_checks.py::test_evidence__for_another_digest_or_baseline__is_none"],
    14: [PROOF + "test_running_again__as_often_as_is_allowed__never_raises_the_false_pass_bound"],
    15: ["prompts/test_rollback.py::test_roll_back__past_every_gate__succeeds", SEQUENCES],
    16: ["prompts/test_rollback.py::test_quarantine__the_way_back__is_clearing_or_an_override", SEQUENCES],
    17: [
        RACES + "test_clock__two_workers_fire__applies_once",
        "prompts/test_applying_by_itself.py::test_due__more_than_15_minutes_late__is_suspended_not_applied",
    ],
    18: ["prompts/test_blockers.py::test_freeze__bounds__include_the_start_and_not_the_end"],
    19: [
        "core/test_audit.py::test_rows__by_sql_as_the_application__cannot_be_changed",
        "core/test_audit.py::test_person__renamed_or_let_go__keeps_their_name_on_rows",
    ],
    20: [
        "invariants/test_read_plane.py::test_service_key__sees_what_is_or_was_live_in_its_environment__and_nothing_else",
        "invariants/test_read_plane.py::test_yanked__after_it_was_live__answers_an_exact_pin_marked_and_never_live",
    ],
    21: [
        "prompts/test_applying.py::test_override__without_the_grant__is_forbidden_in_every_role",
        "prompts/test_applying.py::test_override__over_a_hard_blocker__is_refused_with_the_list",
    ],
    22: ["prompts/test_telling.py::test_end__in_every_way__tells_the_author_exactly_once", HAMMER],
    23: [RACES + "test_archive__while_it_goes_live_where_protected__one_of_them_is_refused", SEQUENCES],
    24: [
        RACES + "test_saves__200_at_once_without_based_on__are_1_to_n_each_with_its_own",
        RACES + "test_saves__at_once_on_one_base__one_wins_and_the_others_hear_of_it",
    ],
    25: [PROOF + "test_rendered__for_an_evaluation_and_by_a_service__are_the_same_bytes"],
}


def test_invariants__all_25__have_a_test() -> None:
    assert sorted(INDEX) == list(range(1, 26))


@pytest.mark.parametrize("number", INDEX)
def test_invariant__by_number__is_tested_where_the_index_says(number: int) -> None:
    for where in INDEX[number]:
        path, _, name = where.partition("::")
        tree = ast.parse((TESTS / path).read_text())
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, where
