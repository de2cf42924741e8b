"""The read plane alone: `manage.py serve_delivery` near the services, with none of the pages and none of the writes."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "registry.settings")

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from registry.withheld import keep_jinja_out

keep_jinja_out()
handler = get_wsgi_application()  # sets Django up: what is imported below needs its models

from prompts_app.delivery.server import Server  # noqa: E402
from prompts_app.delivery.standalone import OnlyReads  # noqa: E402
from registry.core import tracing  # noqa: E402
from registry.core.body_limit import BodyLimit  # noqa: E402
from registry.core.proxies import BehindProxies  # noqa: E402
from registry.core.wsgi_bridge import WsgiBridge  # noqa: E402

tracing.set_up("greenroom-delivery", endpoint=settings.OTEL_ENDPOINT)
bridge = WsgiBridge(handler, threads=settings.WEB_THREADS)


def stop() -> None:
    """Let requests under way end, and send the spans that were not sent yet."""
    bridge.close()
    tracing.stop()


server = Server(OnlyReads(BodyLimit(bridge, settings.LARGEST_BODY)), on_stop=stop)
application = BehindProxies(server, settings.TRUSTED_PROXIES) if settings.TRUSTED_PROXIES else server
