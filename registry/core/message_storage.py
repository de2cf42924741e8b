"""What a page says once on the next one, kept in a cookie named as the other cookies are, so that no other host can set it."""

from typing import Any

from django.conf import settings
from django.contrib.messages.storage.cookie import CookieStorage
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.messages.storage.session import SessionStorage


class _Cookie(CookieStorage):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cookie_name = settings.MESSAGE_COOKIE_NAME


class Messages(FallbackStorage):
    """In the cookie as far as they fit, else in the session."""

    storage_classes = (_Cookie, SessionStorage)
