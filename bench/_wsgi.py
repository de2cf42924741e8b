"""Django alone, as a WSGI server runs it."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "registry.settings")

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
