"""What went live since a promotion was opened, told where that asks for a rebase."""

from prompts_app.actions.promotions import open_promotion
from prompts_app.actions.rollback import roll_back, withdraw
from prompts_app.models import Promotion
from prompts_app.next_steps import next_steps
from prompts_app.promotion_queries import review_of
from tests.builders import Cast, prompt, version
from tests.scenes import fresh, go_live, policy

LOOSE = {"approvals": 0, "require_predecessor": False, "require_suites": False, "min_suites": 0}


def test_since__somebody_went_back__says_to_what_and_why_that_asks_for_a_rebase(cast: Cast) -> None:
    policy(cast, "production", **LOOSE)
    made = prompt(cast.ada, "p", text="a")
    go_live(cast, made.versions.select_related("prompt").get(), "production")
    row = open_promotion(cast.ada, version(cast.ada, made, "b"), cast.environment("production"))

    def told(one: Promotion) -> tuple[str, str]:
        found = next_steps(review_of(fresh(one), cast.ada), cast.ada)
        [moved] = [step.blocker.message for step in found.mine if step.blocker.code == "base.moved"]
        return moved, found.sentence

    third = version(cast.ada, row.prompt, "c")
    go_live(cast, third, "production")
    later = open_promotion(cast.ada, version(cast.ada, row.prompt, "d"), row.environment)
    roll_back(cast.rosa, row.prompt, row.environment, reason="It was rude")
    again, back = told(row), told(later)
    withdraw(cast.rosa, row.prompt, row.environment, reason="All of it")

    assert again[0] == (
        "v3 went live since this was opened and was gone back from: v1 is live again."
        " Rebase it, so that whoever votes or promotes knows of that."
    )
    assert again[1].startswith("Not yet: v3 went live since it was opened and was gone back from")
    assert back[0].startswith("Since this was opened somebody went back to v1: rebase it")
    assert told(row)[0].startswith("What was live when this was opened was taken out: rebase it")
