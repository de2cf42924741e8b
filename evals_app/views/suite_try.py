"""The box of the suite editor in which its scorers are tried on an output."""

from dataclasses import dataclass
from itertools import islice

from django import forms

from evals_app.actions.judge_tries import convene
from evals_app.engine.trying_judges import heard
from evals_app.engine.tryouts import PLACES, ask_all
from evals_app.models import Suite
from evals_app.scorers import Scored
from evals_app.suite_trial import FIELDS, Trial, TypedTrial, read_trial, trial_of
from registry.core.errors import Conflict, FieldError, Invalid, TooManyRequests, Unavailable
from registry.core.pages import PageForm, say
from registry.core.web import PageRequest

CODE = {"class": "mono", "spellcheck": "false", "autocapitalize": "off"}


def _area(label: str, rows: int, help_text: str = "") -> forms.CharField:
    widget = forms.Textarea(attrs={**CODE, "rows": rows})
    return forms.CharField(required=False, strip=False, label=label, widget=widget, help_text=help_text)


class TryForm(PageForm):
    """An output, and what it would have been asked with."""

    try_output = _area("Output", 4)
    try_expected = _area("Expected", 2, "Text or JSON, as in a case.")
    try_variables = _area("Variables", 2, 'One JSON object: {"message": "My card is lost"}')
    try_system = _area("System message", 2, "For scorers that look whether it leaked.")
    try_calls = _area("Tool calls", 2, "A JSON list, as a provider gives them.")
    try_other = _area("Output of the other version", 2, "For scorers that compare two versions.")
    try_measured = _area("Measured", 2, 'For cost and speed: {"cost": 0.002, "output_tokens": 80, "latency_ms": 900}')


@dataclass(frozen=True)
class TryBox:
    """The box as it is shown: what is typed in it, and what came of it, or what it was refused for."""

    form: TryForm
    trial: Trial | None = None
    mistakes: tuple[FieldError, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether there is anything to see in it."""
        return self.form.is_bound

    @property
    def has_more(self) -> bool:
        """Whether anything is typed, or wrong, beyond the output and what is expected."""
        return any(self.form[name].value() or self.form[name].errors for name in FIELDS[2:])


def empty_box() -> TryBox:
    """The box before anything is typed."""
    return TryBox(TryForm())


def tried_box(request: PageRequest, suite: Suite, rules: dict[str, str], *, asks: bool) -> TryBox:
    """What the scorers of these rules say of what is typed, or what of it cannot be read; with `asks` judges are asked too."""
    typed = {name: request.POST.get(name, "").replace("\r\n", "\n") for name in FIELDS}
    form = TryForm(typed)
    form.is_valid()
    try:
        trial = read_trial(rules, typed)
        return TryBox(form, trial_of(trial, _judged(request, suite, trial) if asks else ()))
    except (Invalid, Conflict, TooManyRequests, Unavailable) as refused:
        say(form, refused)
        return TryBox(form, mistakes=tuple(refused.errors))


def _judged(request: PageRequest, suite: Suite, trial: TypedTrial) -> list[Scored]:
    """What those say that ask a model; waits for their replies."""
    with PLACES.held(request.member.pk, in_thread=True):
        convened = convene(request.actor, suite, trial.specs, trial.output, trial.asked, other=trial.other)
        replies = iter(ask_all(convened.lines))
    return [heard(one, list(islice(replies, len(one.questions)))) for one in convened.hearings]
