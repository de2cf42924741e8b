"""The web process: one ASGI application for pages, the API and streams."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "registry.settings")

from django.conf import settings
from django.core.asgi import get_asgi_application

from registry.core.body_limit import BodyLimit

application = BodyLimit(get_asgi_application(), settings.LARGEST_BODY)
