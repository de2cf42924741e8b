"""What the form that opens a promotion says will happen, by the rules of where it goes."""

from prompts_app.policy import DEFAULTS, OPEN, Policy
from prompts_app.promoting_words import what_follows


def test_follows__in_staging__says_what_comes_first_and_who_applies_it():
    assert what_follows(DEFAULTS["staging"], "Staging", lower="Development", appliers=("Rosa", "Olga")) == (
        "Opening it changes nothing yet. It is live in Staging once it has been live in Development, its required suites "
        "have passed, and Rosa or Olga has promoted it."
    )


def test_follows__for_who_may_apply__says_that_it_is_theirs_and_can_be_done_by_itself():
    assert what_follows(OPEN, "Development", lower="", appliers=()) == (
        "Opening it changes nothing yet. It is live in Development once you have promoted it."
        " Or press “Promote when ready” on its page: it goes live by itself then."
    )


def test_follows__of_strict_rules__names_each():
    rules = Policy(
        approvals=2,
        require_predecessor=True,
        soak_minutes=1,
        require_suites=True,
        min_suites=1,
        external_checks=("external/lint",),
    )

    said = what_follows(rules, "Production", lower="Staging", appliers=("Rosa",))

    for part in (
        "live in Staging for 1 minute,",
        "suites, 1 at least, have passed",
        "lint has passed",
        "2 others have approved",
    ):
        assert part in said
