"""What the routes of prompts, environments and promotions answer, for the OpenAPI document; `shapes` makes the values."""

from typing import Any

from rest_framework import serializers

from prompts_app.content import KINDS, TEMPLATE_FORMATS
from prompts_app.models import CheckState, DeploymentKind, PromotionState, Vote
from registry.core.api.bodies import Json, JsonObject


class Include(serializers.Serializer[Any]):
    """What an include tag stood for when the version was saved."""

    name = serializers.CharField()
    version = serializers.IntegerField()
    digest = serializers.CharField()


class LivePlace(serializers.Serializer[Any]):
    """Where a prompt is live, and what."""

    environment = serializers.CharField()
    version = serializers.IntegerField()
    digest = serializers.CharField()


class Prompt(serializers.Serializer[Any]):
    """A name under which versions are kept; `newest_version` is null before the first."""

    name = serializers.CharField()
    kind = serializers.ChoiceField(KINDS)
    description = serializers.CharField()
    tags = serializers.ListField(child=serializers.CharField())
    archived = serializers.BooleanField()
    newest_version = serializers.IntegerField(allow_null=True)
    live = LivePlace(many=True)
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()


class Content(serializers.Serializer[Any]):
    """What is served: `text` for a text prompt, `messages` for a chat prompt; keys inside in the author's order."""

    kind = serializers.ChoiceField(KINDS)
    template_format = serializers.ChoiceField(TEMPLATE_FORMATS)
    text = serializers.CharField(required=False)
    messages = serializers.ListField(child=JsonObject(), required=False)
    variables = JsonObject()
    config = JsonObject()
    tools = serializers.ListField(child=JsonObject(), allow_null=True)
    response_format = JsonObject(allow_null=True)
    includes = Include(many=True)


class Version(Content):
    """One immutable version. A service key gets no `message`, `author`, `based_on`, `yanked` and `live_in`."""

    name = serializers.CharField()
    version = serializers.IntegerField()
    digest = serializers.CharField()
    message = serializers.CharField(required=False)
    author = serializers.CharField(required=False)
    based_on = serializers.IntegerField(allow_null=True, required=False)
    created_at = serializers.DateTimeField()
    yanked = serializers.BooleanField(required=False)
    live_in = serializers.ListField(child=serializers.CharField(), required=False)


class Rendered(serializers.Serializer[Any]):
    """Ready to be sent to a model."""

    text = serializers.CharField(required=False)
    messages = serializers.ListField(child=JsonObject(), required=False)


class MessageChange(serializers.Serializer[Any]):
    """One message; `words` are pairs of an operation (`same`, `insert`, `delete`) and the text it is about."""

    op = serializers.CharField()
    role = serializers.CharField(allow_null=True)
    words = serializers.ListField(child=serializers.ListField(child=serializers.CharField()))


class FieldChange(serializers.Serializer[Any]):
    """One structured field that differs."""

    path = serializers.CharField()
    op = serializers.CharField()
    old = Json()
    new = Json()


class ContractChange(serializers.Serializer[Any]):
    """What a change means for services that use the prompt."""

    variable = serializers.CharField()
    change = serializers.CharField()
    level = serializers.CharField()


class Difference(serializers.Serializer[Any]):
    """Two versions compared."""

    messages = MessageChange(many=True)
    fields = FieldChange(many=True)  # type: ignore[assignment]
    contract = ContractChange(many=True)
    breaking = serializers.BooleanField()

    def get_fields(self) -> dict[str, Any]:
        """`from` is no name in Python."""
        return {"from": serializers.IntegerField(), "to": serializers.IntegerField(), **super().get_fields()}


class Label(serializers.Serializer[Any]):
    """A bookmark on a version."""

    label = serializers.CharField()  # type: ignore[assignment]
    version = serializers.IntegerField()
    moved_at = serializers.DateTimeField()


class Yank(serializers.Serializer[Any]):
    """A version withdrawn for good."""

    name = serializers.CharField()
    version = serializers.IntegerField()
    yanked = serializers.BooleanField()
    reason = serializers.CharField()
    by = serializers.CharField()
    at = serializers.DateTimeField()


class Draft(serializers.Serializer[Any]):
    """What one person has typed and not saved."""

    content = JsonObject()
    message = serializers.CharField()
    based_on = serializers.IntegerField(allow_null=True)
    updated_at = serializers.DateTimeField()


class Check(serializers.Serializer[Any]):
    """What a check says of a version; `required`, and the states missing and stale, exist only for an environment."""

    name = serializers.CharField()
    state = serializers.ChoiceField([*CheckState.values, "missing", "stale"])
    url = serializers.CharField()
    summary = serializers.CharField()
    baseline_digest = serializers.CharField(allow_null=True)
    run = serializers.IntegerField(allow_null=True)
    created_at = serializers.DateTimeField(allow_null=True)
    required = serializers.BooleanField()  # type: ignore[assignment]


class Base(serializers.Serializer[Any]):
    """What a promotion would replace."""

    deployment = serializers.IntegerField()
    version = serializers.IntegerField()
    digest = serializers.CharField()


class PromotionSummary(serializers.Serializer[Any]):
    """A promotion in a list."""

    id = serializers.IntegerField()
    title = serializers.CharField()
    prompt = serializers.CharField()
    version = serializers.IntegerField()
    digest = serializers.CharField()
    environment = serializers.CharField()
    base = Base(allow_null=True)
    state = serializers.ChoiceField(PromotionState.values)
    author = serializers.CharField()
    subject_hash = serializers.CharField(help_text="What a vote is bound to.")
    scheduled_for = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class CountedVote(serializers.Serializer[Any]):
    """A person's latest vote; `why` says what changed, or why they may not vote."""

    by = serializers.CharField()
    vote = serializers.ChoiceField([Vote.APPROVE.value, Vote.REQUEST_CHANGES.value])
    state = serializers.ChoiceField(["valid", "stale", "ineligible"])
    why = serializers.CharField()


class CountedCheck(serializers.Serializer[Any]):
    """A required check as it counts here."""

    name = serializers.CharField()
    state = serializers.ChoiceField([*CheckState.values, "missing", "stale"])
    url = serializers.CharField()


class Blocker(serializers.Serializer[Any]):
    """Something in the way: advisory is only shown, soft can be overridden, hard never."""

    code = serializers.CharField()
    level = serializers.ChoiceField(["advisory", "soft", "hard"])
    message = serializers.CharField()
    who_can_clear = serializers.ListField(child=serializers.CharField())


class Promotion(serializers.Serializer[Any]):
    """A version on its way into an environment, as it stands for this caller."""

    id = serializers.IntegerField()
    prompt = serializers.CharField()
    version = serializers.IntegerField()
    digest = serializers.CharField()
    environment = serializers.CharField()
    base = Base(allow_null=True)
    state = serializers.ChoiceField(PromotionState.values)
    author = serializers.CharField()
    subject_hash = serializers.CharField(help_text="What a vote is bound to.")
    needed_approvals = serializers.IntegerField()
    approvals = CountedVote(many=True)
    checks = CountedCheck(many=True)
    blockers = Blocker(many=True)
    scheduled_for = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    allowed = serializers.ListField(child=serializers.CharField(), help_text="What this caller may do now.")


class Moved(serializers.Serializer[Any]):
    """A change of what is live; `propagated` once every delivery process has dropped the old entry."""

    deployment = serializers.IntegerField()
    revision = serializers.IntegerField()
    propagated = serializers.BooleanField()


class AppliedPromotion(Promotion):
    """A promotion just applied."""

    deployment = serializers.IntegerField()
    revision = serializers.IntegerField()
    propagated = serializers.BooleanField()


class Comment(serializers.Serializer[Any]):
    """A remark on a promotion."""

    id = serializers.IntegerField()
    by = serializers.CharField()
    comment = serializers.CharField()
    path = serializers.CharField()
    line = serializers.IntegerField(allow_null=True)
    side = serializers.CharField()
    quote = serializers.CharField()
    reply_to = serializers.IntegerField(allow_null=True)
    created_at = serializers.DateTimeField()
    resolved_at = serializers.DateTimeField(allow_null=True)
    resolved_by = serializers.CharField()


class PromotionRecord(serializers.Serializer[Any]):
    """A promotion with all that it rested on, in one document."""

    format = serializers.CharField()
    made_at = serializers.DateTimeField()
    promotion = serializers.DictField()
    candidate = serializers.DictField()
    replaced = serializers.DictField(allow_null=True)
    deployment = serializers.DictField(allow_null=True)
    difference = serializers.DictField()
    checks = serializers.ListField(child=serializers.DictField())
    reviews = serializers.ListField(child=serializers.DictField())
    conversation = serializers.ListField(child=serializers.DictField())
    policy = serializers.DictField()
    override = serializers.DictField(allow_null=True)
    audit = serializers.ListField(child=serializers.DictField())
    record_digest = serializers.CharField()


class Policy(serializers.Serializer[Any]):
    """What an environment asks of a promotion."""

    protected = serializers.BooleanField()
    auto_apply = serializers.BooleanField()
    approvals = serializers.IntegerField()
    require_predecessor = serializers.BooleanField()
    soak_minutes = serializers.IntegerField()
    require_suites = serializers.BooleanField()
    min_suites = serializers.IntegerField()
    external_checks = serializers.ListField(child=serializers.CharField())
    max_age_days = serializers.IntegerField()
    allow_override = serializers.BooleanField()


class Freeze(serializers.Serializer[Any]):
    """A time during which nothing is promoted."""

    id = serializers.IntegerField()
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    reason = serializers.CharField()
    by = serializers.CharField()
    cancelled_at = serializers.DateTimeField(allow_null=True)


class Environment(serializers.Serializer[Any]):
    """A stage; `revision` counts what visibly changed in it."""

    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    colour = serializers.CharField()
    rank = serializers.IntegerField()
    description = serializers.CharField()
    revision = serializers.IntegerField()
    policy = Policy()
    policy_number = serializers.IntegerField()
    created_at = serializers.DateTimeField()


class Doer(serializers.Serializer[Any]):
    """Who did it, with the name of that time."""

    kind = serializers.ChoiceField(["member", "key", "system"])
    id = serializers.IntegerField()
    name = serializers.CharField()


class Overridden(serializers.Serializer[Any]):
    """That a deployment went over blockers; `reviewed_by` is null until somebody has looked at it."""

    by = serializers.CharField()
    reason = serializers.CharField()
    blockers = Blocker(many=True)
    reviewed_by = serializers.CharField(allow_null=True)
    reviewed_at = serializers.DateTimeField(allow_null=True)


class Deployment(serializers.Serializer[Any]):
    """One change of what is live; version and digest are null for a withdrawal."""

    id = serializers.IntegerField()
    prompt = serializers.CharField()
    environment = serializers.CharField()
    kind = serializers.ChoiceField(DeploymentKind.values)
    version = serializers.IntegerField(allow_null=True)
    digest = serializers.CharField(allow_null=True)
    previous = serializers.IntegerField(allow_null=True)
    promotion = serializers.IntegerField(allow_null=True)
    revision = serializers.IntegerField()
    actor = Doer()
    reason = serializers.CharField()
    created_at = serializers.DateTimeField()
    override = Overridden(allow_null=True)


class Quarantine(serializers.Serializer[Any]):
    """A content that was rolled back in an environment."""

    id = serializers.IntegerField()
    prompt = serializers.CharField()
    digest = serializers.CharField()
    deployment = serializers.IntegerField()
    reason = serializers.CharField()
    created_at = serializers.DateTimeField()
    cleared_at = serializers.DateTimeField(allow_null=True)
    cleared_by = serializers.CharField()
    clear_reason = serializers.CharField()


class Key(serializers.Serializer[Any]):
    """An API key, without its secret; `last4` ends the secret, `prefix` starts it."""

    id = serializers.IntegerField()
    kind = serializers.ChoiceField(["ci", "service"])
    name = serializers.CharField()
    environment = serializers.CharField(allow_null=True)
    scopes = serializers.ListField(child=serializers.CharField())
    responsible = serializers.CharField()
    is_stopped = serializers.BooleanField(help_text="Whoever answers for it is deactivated: it opens nothing.")
    prefix = serializers.CharField()
    last4 = serializers.CharField()
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)
    rotated_from = serializers.IntegerField(allow_null=True)


class BasicPair(serializers.Serializer[Any]):
    """The form of a key for clients that need a pair."""

    public_key = serializers.CharField()
    secret_key = serializers.CharField()


class IssuedKey(Key):
    """A key just made; `secret` and `basic` are shown here and nowhere else."""

    secret = serializers.CharField()
    basic = BasicPair()
