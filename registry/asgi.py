"""The web process: one ASGI application for pages, the API and streams."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "registry.settings")

from django.core.asgi import get_asgi_application

application = get_asgi_application()
