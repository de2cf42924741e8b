"""What the routes that services read answer, for the OpenAPI document."""

from typing import Any

from rest_framework import serializers

from prompts_app.api.answers import Content, Rendered
from prompts_app.models import DeploymentKind


class LivePrompt(Content):
    """What is live; its ETag is the digest of these very bytes."""

    name = serializers.CharField()
    environment = serializers.CharField()
    version = serializers.IntegerField()
    digest = serializers.CharField()
    revision = serializers.IntegerField(help_text="Of the environment, when this prompt last changed there.")
    epoch = serializers.IntegerField(help_text="Raised when the registry was restored from a backup.")
    deployed_at = serializers.DateTimeField()


class Snapshot(serializers.Serializer[Any]):
    """Everything that is live in an environment."""

    environment = serializers.CharField()
    revision = serializers.IntegerField()
    epoch = serializers.IntegerField()
    prompts = serializers.DictField(child=LivePrompt())


class ChangeOfLive(serializers.Serializer[Any]):
    """One change of what is live; after a withdrawal there is no version."""

    revision = serializers.IntegerField()
    name = serializers.CharField()
    version = serializers.IntegerField(allow_null=True)
    digest = serializers.CharField(allow_null=True)
    kind = serializers.ChoiceField(DeploymentKind.choices)


class Changes(serializers.Serializer[Any]):
    """What changed, in order of revisions."""

    revision = serializers.IntegerField()
    epoch = serializers.IntegerField()
    changes = serializers.ListField(child=ChangeOfLive())


class RenderedLive(Rendered):
    """Ready to be sent to a model, and what it was made from."""

    version = serializers.IntegerField()
    digest = serializers.CharField()
    revision = serializers.IntegerField()
