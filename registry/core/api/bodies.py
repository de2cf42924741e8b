"""Fields of request bodies: nothing is trimmed, guessed or converted, and unknown fields are mistakes."""

from collections.abc import Mapping
from datetime import UTC
from itertools import islice
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from registry.core.fields import REPORTED
from registry.core.times import is_tellable

MAX_INTEGER = 2**31 - 1
MOST_WORDS = 1_000


class StrictSerializer(serializers.Serializer[Any]):
    """A body whose unknown fields are mistakes, and whose strings come through untouched."""

    def to_internal_value(self, data: Any) -> Any:
        """Validated values; raises ValidationError naming each unknown field."""
        if isinstance(data, dict):
            strange = (key for key in data if key not in self.fields)
            unknown = {
                key: [serializers.ErrorDetail("is not a field known here", "unknown")]
                for key in islice(strange, REPORTED)
            }
            if unknown:
                raise serializers.ValidationError(unknown)
        return super().to_internal_value(data)


class Nothing(StrictSerializer):
    """A body without fields: `{}`, or none at all."""


class Text(serializers.CharField):
    """A string kept byte for byte: blanks are not trimmed, the empty string is allowed where `allow_blank`."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("trim_whitespace", False)
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> str:
        """The string itself; numbers are no strings."""
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Words(serializers.ListField):
    """A list of short strings, not more than anything takes: thousands of mistakes would take seconds to be told."""

    default_error_messages = {"many": "At most {most} of them."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(child=Text(max_length=kwargs.pop("each", 255)), **kwargs)

    def to_internal_value(self, data: Any) -> list[Any]:
        """The strings themselves."""
        if isinstance(data, list) and len(data) > MOST_WORDS:
            self.fail("many", most=MOST_WORDS)
        return super().to_internal_value(data)


class Whole(serializers.IntegerField):
    """A whole number, from 0 to 2³¹-1 unless said otherwise; neither a string nor a boolean."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"min_value": 0, "max_value": MAX_INTEGER, **kwargs})

    def to_internal_value(self, data: Any) -> int:
        """The number itself."""
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return super().to_internal_value(data)


class Flag(serializers.BooleanField):
    """true or false; no words or numbers for them."""

    def to_internal_value(self, data: Any) -> bool:
        """The value itself."""
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class Moment(serializers.DateTimeField):
    """A time as RFC 3339, such as 2030-01-31T09:00:00Z, of the years 1970 to 2999; without an offset it is UTC."""

    default_error_messages = {"range": "A time of the years 1970 to 2999."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(default_timezone=UTC, **kwargs)

    def to_internal_value(self, value: Any) -> Any:
        """An aware datetime."""
        if not isinstance(value, str):
            self.fail("invalid", format="RFC 3339")
        moment = super().to_internal_value(value)
        if not is_tellable(moment):
            self.fail("range")
        return moment


@extend_schema_field({})
class Json(serializers.Field[Any, Any, Any, Any]):
    """Any JSON, handed on as it came; what it means is for the action to say."""

    def to_internal_value(self, data: Any) -> Any:
        """The value itself."""
        return data

    def to_representation(self, value: Any) -> Any:
        """The value itself."""
        return value


@extend_schema_field({"type": "object", "additionalProperties": True})
class JsonObject(Json):
    """Any JSON object."""

    default_error_messages = {"invalid": "must be an object"}

    def to_internal_value(self, data: Any) -> Any:
        """The object itself, its keys in the order given."""
        if not isinstance(data, Mapping):
            self.fail("invalid")
        return data
