"""The box of the suite editor in which its scorers are tried on an output."""

from dataclasses import dataclass

from django import forms
from django.http import QueryDict

from evals_app.suite_trial import FIELDS, Trial, try_typed
from registry.core.errors import FieldError, Invalid
from registry.core.pages import PageForm, say

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


def tried_box(posted: QueryDict, rules: dict[str, str]) -> TryBox:
    """What the scorers of these rules say of what is typed, or what of it cannot be read."""
    typed = {name: posted.get(name, "").replace("\r\n", "\n") for name in FIELDS}
    form = TryForm(typed)
    form.is_valid()
    try:
        return TryBox(form, try_typed(rules, typed))
    except Invalid as refused:
        say(form, refused)
        return TryBox(form, mistakes=tuple(refused.errors))
