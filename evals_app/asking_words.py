"""What a press of a button will ask, in the button's own words. Pure."""

from evals_app.verdict_words import count


def again(errors: int, left: int) -> str:
    """What going on with an ended run asks: its errors once more, and what it never came to."""
    if not left:
        return "Run the error again" if errors == 1 else f"Run the {errors:,} errors again"
    number = errors + left
    return "Ask the one that has no answer" if number == 1 else f"Ask the {number:,} that have no answer"


def missing(questions: int) -> str:
    """What starting the runs that are missing asks."""
    return f"Run what is missing: {count(questions, 'question')}"
