"""What the editor says of what is typed: as it is sent, what it changes, what is wrong where, and what to know besides."""

from dataclasses import dataclass, field
from datetime import timedelta

from prompts_app.actions.versions import newest_version, prepare
from prompts_app.content import TemplateSource, VersionContent
from prompts_app.diffing import compare
from prompts_app.editing import Typed, stand_ins, variable_names
from prompts_app.history_queries import drafts_of_others, newest_numbers
from prompts_app.include_queries import Included
from prompts_app.includes import distinct_tags
from prompts_app.models import Draft, Prompt, PromptVersion
from prompts_app.problems import Problem
from prompts_app.sandbox import client as sandbox
from prompts_app.sandbox.client import Rendered
from prompts_app.secret_rules import Suspect
from prompts_app.views.drawing import Drawn, draw
from registry.core.canonical import JSON
from registry.core.clock import database_now
from registry.core.errors import Invalid, RegistryError

# Who typed so lately is editing too.
LATELY = timedelta(minutes=15)


@dataclass
class Preview:
    """All of it; what cannot be known for a broken text is left empty. `used` is None there."""

    newest: PromptVersion | None = None
    problems: tuple[Problem, ...] = ()
    rendered: Rendered | None = None
    changes: Drawn | None = None
    used: list[str] | None = None
    undeclared: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    included: list[Included] = field(default_factory=list)
    suspects: list[Suspect] = field(default_factory=list)
    others: list[Draft] = field(default_factory=list)
    is_behind: bool = False
    sends_tags: bool = False  # a plain template in which something looks like a tag of Jinja

    @property
    def since(self) -> int | None:
        """The version that changes are told against."""
        return self.newest.number if self.newest else None


def preview_of(prompt: Prompt, typed: Typed, member_id: int) -> Preview:
    """What is typed, rendered with the sample values, and everything that is to be said of it; never raises a refusal."""
    newest = newest_version(prompt)
    known = newest.content + newest.source if newest else ""
    made = Preview(newest=newest, problems=typed.problems, suspects=typed.suspects(known=known))
    made.is_behind = newest is not None and typed.based_on is not None and typed.based_on != newest.number
    made.sends_tags = typed.template_format == "plain" and any("{%" in text for text in _texts(typed))
    made.others = drafts_of_others(prompt, member_id, since=database_now() - LATELY)
    try:
        fields = typed.content()
        written, content = _prepared(prompt, typed, fields, made)
        made.changes = draw(compare(newest.load(), content)) if newest else None
        made.included = _included(prompt, written, content)
        made.rendered = sandbox.render(content.source, {**stand_ins(content.variables), **typed.values()})
    except RegistryError as refused:
        made.problems = typed.problems or _problems(typed, refused, made.undeclared)
    return made


def _texts(typed: Typed) -> tuple[str, ...]:
    return (typed.text, *(card.content for card in typed.cards))


def _problems(typed: Typed, refused: RegistryError, undeclared: list[str]) -> tuple[Problem, ...]:
    if refused.code == "variables.undeclared":
        return tuple(Problem(f"{name} is used, not declared", field="variables") for name in undeclared)
    return typed.refused(refused).problems


def _prepared(
    prompt: Prompt, typed: Typed, fields: dict[str, JSON], made: Preview
) -> tuple[TemplateSource, VersionContent]:
    """As `prepare`, noting which names the text uses; where the schema does not know some, what it would be all the same."""
    try:
        written, content = prepare(prompt, fields)
    except Invalid as refused:
        if refused.code == "variables.undeclared":
            _, bare = prepare(prompt, {name: value for name, value in fields.items() if name != "variables"})
            made.used = variable_names(bare.variables)
            made.undeclared = [error.field.rpartition(".")[2] for error in refused.errors]
            made.rendered = sandbox.render(bare.source, {**stand_ins(bare.variables), **typed.values()})
        raise
    made.used = list(sandbox.inspect(content.source))
    if fields.get("variables") is not None:
        made.unused = [name for name in variable_names(content.variables) if name not in made.used]
    return written, content


def _included(prompt: Prompt, written: TemplateSource, content: VersionContent) -> list[Included]:
    newest = newest_numbers(prompt.workspace_id, {pin.name for pin in content.includes}) if content.includes else {}
    pinned = zip(distinct_tags(written), content.includes, strict=True)
    return [Included(pin.name, pin.version, newest.get(pin.name, pin.version), tag.label) for tag, pin in pinned]
