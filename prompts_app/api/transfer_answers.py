"""What the routes of import and export take and answer, for the OpenAPI document."""

from typing import Any

from rest_framework import serializers

from prompts_app.content import KINDS
from prompts_app.models import ImportSource
from prompts_app.transfer.prompty import MOST_CHARACTERS
from registry.core.api.bodies import Json, JsonObject, StrictSerializer, Text
from registry.core.models import JobState

OUTCOMES = ("new", "known", "conflict", "refused")


class Bundle(StrictSerializer):
    """A bundle as `GET /export/bundle` gives it; its parts are described in the documentation of import and export."""

    format = serializers.ChoiceField(["greenroom.bundle"])
    schema = serializers.IntegerField()
    workspace = serializers.CharField(required=False)
    exported_at = serializers.CharField(required=False, allow_null=True)
    prompts = Json()


class PromptyFile(StrictSerializer):
    """A Prompty file as text."""

    text = Text(max_length=MOST_CHARACTERS)
    name = Text(required=False, max_length=255, help_text="What the prompt is called here; left out: as in the file.")


class LangfuseServer(StrictSerializer):
    """A Langfuse server and the pair of keys that opens it."""

    url = Text(max_length=500, help_text="Such as https://cloud.langfuse.com")
    public_key = Text(max_length=500)
    secret_key = Text(max_length=500, help_text="Used for this one reading, and kept nowhere.", write_only=True)


class ImportedVersion(serializers.Serializer[Any]):
    """What becomes of one version that is not here already."""

    version = serializers.IntegerField()
    outcome = serializers.ChoiceField(OUTCOMES)
    digest = serializers.CharField(allow_null=True)
    why = serializers.CharField(help_text="Where it is not taken over: why.")
    path = serializers.CharField(help_text="Where it stands in what was sent.")


class ImportedPrompt(serializers.Serializer[Any]):
    """What becomes of one prompt."""

    name = serializers.CharField()
    kind = serializers.ChoiceField(KINDS)
    outcome = serializers.ChoiceField(OUTCOMES)
    why = serializers.CharField()
    notes = serializers.ListField(child=serializers.CharField())
    labels = JsonObject(help_text="Free labels that are set, and the versions they are on.")
    known_versions = serializers.IntegerField()
    versions = ImportedVersion(many=True)


class Imported(serializers.Serializer[Any]):
    """What an import changed; with `preview`, what it would change. `known_versions` were here already."""

    preview = serializers.BooleanField()
    new_prompts = serializers.IntegerField()
    new_versions = serializers.IntegerField()
    known_versions = serializers.IntegerField()
    conflicts = serializers.IntegerField()
    refused = serializers.IntegerField()
    prompts = ImportedPrompt(many=True)


class PendingImport(serializers.Serializer[Any]):
    """An import that waits to be looked at; `plan` is what it would change, null while it is read and where `error` says why
    it cannot be."""

    origin = serializers.ChoiceField(ImportSource.values)
    name = serializers.CharField(help_text="The server's address, or what the file is called.")
    state = serializers.ChoiceField(JobState.values)
    progress = serializers.CharField()
    error = serializers.CharField()
    began_at = serializers.DateTimeField()
    plan = Imported(allow_null=True)
