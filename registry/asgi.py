"""The web process: what services read answered from memory, pages and the API by Django on its threads behind it."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "registry.settings")

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from registry.withheld import keep_jinja_out

keep_jinja_out()
handler = get_wsgi_application()  # sets Django up: what is imported below needs its models

from evals_app.engine import machinery  # noqa: E402
from evals_app.run_streams import Looker, RunStreams  # noqa: E402
from prompts_app.delivery.server import Server, connection_parameters  # noqa: E402
from registry.core import tracing  # noqa: E402
from registry.core.body_limit import BodyLimit  # noqa: E402
from registry.core.proxies import BehindProxies  # noqa: E402
from registry.core.wsgi_bridge import WsgiBridge  # noqa: E402

tracing.set_up("greenroom-web", endpoint=settings.OTEL_ENDPOINT)
bridge = WsgiBridge(handler, threads=settings.WEB_THREADS)


def stop() -> None:
    """Let requests under way end, and close what models were asked through."""
    bridge.close()
    machinery.shut_down()
    tracing.stop()


pages = RunStreams(BodyLimit(bridge, settings.LARGEST_BODY), Looker(connection_parameters))
server = Server(pages, on_stop=stop)
application = BehindProxies(server, settings.TRUSTED_PROXIES) if settings.TRUSTED_PROXIES else server
