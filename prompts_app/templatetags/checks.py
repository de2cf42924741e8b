"""Verdicts of checks where their names have no room: as icon, colour, and words that say of what."""

from django import template
from django.utils.safestring import SafeString

from prompts_app.evaluation import Answer
from registry.core.templatetags.ui import status

register = template.Library()


@register.simple_tag
def answered(answer: Answer) -> SafeString:
    """`suite failed`, `check passed`."""
    return status(answer.state, answer.words)
