"""What the routes of prompts, environments and promotions take."""

from rest_framework import serializers

from prompts_app.content import KINDS, TEMPLATE_FORMATS
from prompts_app.models import CheckState
from registry.core.actor import KeyKind
from registry.core.api.bodies import Flag, Json, JsonObject, Moment, StrictSerializer, Text, Whole, Words
from registry.core.permissions import CI_SCOPES


class NewPrompt(StrictSerializer):
    """A prompt; its name and kind are for good."""

    name = Text(max_length=255)
    kind = serializers.ChoiceField(KINDS)
    description = Text(required=False, allow_blank=True)
    tags = Words(required=False)


class PromptChange(StrictSerializer):
    """What is left out stays."""

    description = Text(required=False, allow_blank=True)
    tags = Words(required=False)
    archived = Flag(required=False)


class Template(StrictSerializer):
    """`text` for a text prompt, `messages` for a chat prompt."""

    text = Json(required=False, help_text="A string; for text prompts.")
    messages = Json(
        required=False,
        help_text="A list of `{role, content}` and `{type: placeholder, name}`; for chat prompts.",
    )
    template_format = serializers.ChoiceField(TEMPLATE_FORMATS, required=False)


class NewVersion(Template):
    """What a version is made of; `variables` is a JSON Schema, worked out from the template where left out."""

    variables = Json(required=False)
    config = Json(required=False)
    tools = Json(required=False)
    response_format = Json(required=False)
    message = Text(required=False, allow_blank=True)
    based_on = Whole(required=False, allow_null=True, min_value=1)


class Preview(Template):
    """A template to try; `variables` are values."""

    kind = serializers.ChoiceField(KINDS)
    variables = JsonObject(required=False)


class Render(StrictSerializer):
    """Values for the live version's variables."""

    variables = JsonObject(required=False)


class DraftBody(StrictSerializer):
    """What is typed and not saved, acceptable or not."""

    content = JsonObject()
    message = Text(required=False, allow_blank=True)
    based_on = Whole(required=False, allow_null=True, min_value=1)


class Reason(StrictSerializer):
    """Why."""

    reason = Text()


class NewCheck(StrictSerializer):
    """What an outside system says of a version."""

    name = Text(max_length=120, help_text="`external/…`")
    state = serializers.ChoiceField(CheckState.values)
    url = Text(required=False, allow_blank=True, max_length=500)
    summary = Text(required=False, allow_blank=True, max_length=10_000)


class NewPromotion(StrictSerializer):
    """A version that shall go live."""

    prompt = Text(max_length=255)
    version = Whole(min_value=1)
    environment = Text(max_length=63)
    title = Text(required=False, allow_blank=True, max_length=200)
    acknowledge_breaking = Flag(required=False)
    scheduled_for = Moment(required=False, allow_null=True)


class VoteBody(StrictSerializer):
    """A word on exactly what was seen."""

    subject_hash = Text(max_length=64)
    comment = Text(required=False, allow_blank=True)


class WithdrawnVote(StrictSerializer):
    """A vote taken back; with `subject_hash`, only if it is still about that."""

    subject_hash = Text(required=False, max_length=64)
    comment = Text(required=False, allow_blank=True)


class NewComment(StrictSerializer):
    """A remark, on the whole, on one line of the difference, or in answer to another one."""

    comment = Text()
    subject_hash = Text(required=False, max_length=64)
    path = Text(required=False, allow_blank=True, max_length=200)
    line = Whole(required=False, allow_null=True)
    side = serializers.ChoiceField(["old", "new"], required=False)
    reply_to = Whole(required=False, allow_null=True)


class Resolution(StrictSerializer):
    """Whether a comment is dealt with."""

    resolved = Flag(required=False)


class Schedule(StrictSerializer):
    """When."""

    at = Moment()


class Ready(StrictSerializer):
    """Whether it is applied by itself as soon as nothing stands in the way."""

    ready = Flag(required=False)


class Acknowledgement(StrictSerializer):
    """Whether services know of the breaking change."""

    acknowledged = Flag(required=False)


class Closing(StrictSerializer):
    """Why it is given up, if one wants to say so."""

    reason = Text(required=False, allow_blank=True)


class Dismissal(StrictSerializer):
    """Whose request for changes is set aside, by address, and why."""

    member = Text(max_length=254)
    reason = Text()


class RollBack(StrictSerializer):
    """Going back; without `to_deployment` to the latest earlier content that is neither quarantined nor yanked."""

    reason = Text()
    to_deployment = Whole(required=False, allow_null=True, min_value=1, max_value=2**63 - 1)
    acknowledge_breaking = Flag(required=False)
    clear_quarantine = Flag(required=False)
    quarantine = Flag(required=False, help_text="false: what was live was not the cause. Default true.")


class Withdraw(StrictSerializer):
    """Taking a prompt out of an environment."""

    reason = Text()
    quarantine = Flag(required=False, help_text="true: what was live may not come back without a reason.")


class NewEnvironment(StrictSerializer):
    """A stage; without a rank it comes last."""

    name = Text(max_length=63)
    label = Text(required=False, max_length=63)  # type: ignore[assignment]
    colour = Text(required=False, max_length=16)
    rank = Whole(required=False, max_value=32_767)
    description = Text(required=False, allow_blank=True)
    policy = JsonObject(required=False)


class EnvironmentChange(StrictSerializer):
    """What is left out stays; so do the fields of a policy."""

    label = Text(required=False, max_length=63)  # type: ignore[assignment]
    colour = Text(required=False, max_length=16)
    rank = Whole(required=False, max_value=32_767)
    description = Text(required=False, allow_blank=True)
    policy = JsonObject(required=False)


class NewFreeze(StrictSerializer):
    """From its start up to, not including, its end; left out, it starts now."""

    starts_at = Moment(required=False)
    ends_at = Moment()
    reason = Text()


class NewKey(StrictSerializer):
    """A key; a CI key has all scopes but `promote` unless asked for, a service key one environment."""

    kind = serializers.ChoiceField([str(kind) for kind in KeyKind])
    name = Text(max_length=120)
    environment = Text(required=False, max_length=63)
    scopes = serializers.ListField(child=serializers.ChoiceField(sorted(CI_SCOPES)), required=False)
    responsible = Text(required=False, max_length=254, help_text="A member's address; left out, whoever makes the key.")
    expires_at = Moment(required=False, allow_null=True)
