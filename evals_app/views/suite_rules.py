"""The rules of a suite as its editor has them typed."""

from django import forms

from registry.core.pages import PageForm

MODES = [
    ("non_inferior", "Not worse than what is live"),
    ("superior", "Better than what is live"),
    ("floor", "At least the floor"),
    ("all_pass", "Every case passes (no statistical claim)"),
    ("report_only", "Only report"),
]
METRIC_MODES = [(mode, "It keeps its limit" if mode == "floor" else label) for mode, label in MODES]
METRIC_FIELDS = {
    "margin": ("Margin", "How much worse is allowed: 0.05 of a score, 0.1 for 10 % of cost, latency or tokens."),
    "floor": ("Limit", "What a score must reach, or the most that cost, latency or tokens may come to."),
    "first_floor": ("First version", "The limit where nothing is live to compare with. Empty: 0.5 of a score."),
    "least_gain": ("Least gain", "How much better counts as better. Empty: any gain."),
}
CODE = {"class": "mono", "spellcheck": "false", "autocapitalize": "off"}
NUMBER = {"inputmode": "decimal"}


class RulesForm(PageForm):
    """The rules as they are typed; what they mean is for the draft to say."""

    scorers = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={**CODE, "rows": 12}),
        help_text="A list of JSON objects; what each may have is told under “Scorers there are”.",
    )
    mode = forms.ChoiceField(required=False, label="It passes when", choices=MODES)
    margin = forms.CharField(
        required=False,
        widget=forms.TextInput(NUMBER),
        help_text="How much worse is still allowed: 0.05 is five points.",
    )
    first_floor = forms.CharField(
        required=False,
        label="Floor",
        widget=forms.TextInput(NUMBER),
        help_text="What the score has to reach, if only of a first version, with nothing live to compare.",
    )
    repeats = forms.CharField(
        required=False,
        widget=forms.TextInput(NUMBER),
        help_text="Answers asked for by case: 1 to 20. Three tell luck from skill.",
    )
    looks = forms.CharField(
        required=False,
        widget=forms.TextInput(NUMBER),
        help_text="How often it may be run again for more certainty: later runs no longer count.",
    )
    alpha = forms.CharField(
        required=False,
        label="Risk",
        widget=forms.TextInput(NUMBER),
        help_text="How often a verdict may be wrong: 0.05 is one in twenty.",
    )
    config = forms.CharField(
        required=False,
        label="Pinned model",
        widget=forms.Textarea(attrs={**CODE, "rows": 3}),
        help_text="Model settings for both versions, over their own.",
    )
    floor = forms.CharField(
        required=False,
        label="Never below",
        widget=forms.TextInput(NUMBER),
        help_text="A pass rate asked for besides the comparison: 0.8. Empty for none.",
    )
    least_gain = forms.CharField(
        required=False,
        widget=forms.TextInput(NUMBER),
        help_text="How much better counts as better: 0.02 is two points. Empty for any gain.",
    )
    metrics = forms.CharField(
        required=False,
        label="Judged besides",
        widget=forms.Textarea(attrs={**CODE, "rows": 5}),
        help_text="A list of JSON objects, which cannot be shown as rows: correct it, or empty it to begin anew.",
    )
    superior_on = forms.ChoiceField(
        required=False,
        label="Where several should be better",
        choices=[("all", "All of them must be"), ("any", "One of them is enough")],
    )
    more_rules = forms.CharField(
        required=False,
        label="More rules",
        widget=forms.Textarea(attrs={**CODE, "rows": 3}),
        help_text="Any other rule of the suite, as one JSON object.",
    )
