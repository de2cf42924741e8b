"""Numbers of a delivery process in the text form of Prometheus.

Processes that share a port answer in turn, and each tells of itself: without its `process` a counter would seem to begin anew
at every scrape.
"""

import os

from prompts_app.delivery.store import Store


def metrics_of(store: Store) -> str:
    """What the process holds, how often that was enough, and whether it hears of changes."""
    counts, listener = store.shelf.counts, store.listener
    lines = [
        *_metric("hits_total", "counter", "Fetches answered from memory.", counts.hits),
        *_metric("misses_total", "counter", "Places read from the database.", counts.misses),
        *_metric("evictions_total", "counter", "Answers that had to make room.", counts.evictions),
        *_metric("drops_total", "counter", "Answers dropped because something changed.", counts.drops),
        *_metric(
            "damaged_total", "counter", "Answers dropped because they were not what was filled in.", counts.damaged
        ),
        *_metric("entries", "gauge", "Answers held.", len(store.shelf)),
        *_metric("bytes", "gauge", "Memory they take, roughly.", store.shelf.bytes),
        *_metric("keys", "gauge", "Keys held.", len(store.grants)),
        *_metric("streams", "gauge", "Clients that wait for changes.", store.feed.count),
        *_metric("listener_connected", "gauge", "1 while changes are heard.", int(listener.is_connected)),
        *_metric("listener_reconnects_total", "counter", "Times the listener was lost.", listener.reconnects),
        *_metric("stale_seconds", "gauge", "For how long changes may have gone unheard.", listener.stale_s),
        "# HELP greenroom_delivery_revision Where an environment stands, as far as heard.",
        "# TYPE greenroom_delivery_revision gauge",
    ]
    for (workspace, environment), at in sorted(store.revisions().items()):
        labels = f'process="{os.getpid()}",workspace="{workspace}",environment="{environment}"'
        lines.append(f"greenroom_delivery_revision{{{labels}}} {at.revision}")
    return "\n".join(lines) + "\n"


def _metric(name: str, kind: str, said: str, value: int) -> tuple[str, str, str]:
    name = f"greenroom_delivery_{name}"
    return f"# HELP {name} {said}", f"# TYPE {name} {kind}", f'{name}{{process="{os.getpid()}"}} {value}'
