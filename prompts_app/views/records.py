"""The record of a promotion as one file that needs nothing beside it: read by people, with the same as JSON at its end."""

import json

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.html import format_html

from prompts_app.actions.promotions import find_promotion
from prompts_app.conversation_queries import threads_of
from prompts_app.evaluation import titles_of
from prompts_app.record_queries import audit_rows, checks_behind, difference_of, record_of
from prompts_app.views.drawing import draw
from registry.core.pages import page
from registry.core.permissions import Permission, require
from registry.core.web import PageRequest

# The file is opened from a disk, without this server's style sheet.
STYLE = format_html(
    "<style>{}</style>",
    "body{font:15px/1.5 system-ui,sans-serif;color:#1b2420;max-width:60rem;margin:2rem auto;padding:0 1rem;"
    "print-color-adjust:exact}tr,.dl,blockquote{break-inside:avoid}h2,h3{break-after:avoid}"
    "h1{font-size:1.4rem}h2{font-size:1.05rem;margin:2rem 0 .5rem;border-bottom:1px solid #d5dbd8;padding-bottom:.25rem}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.3rem .6rem .3rem 0;"
    "border-bottom:1px solid #e6eae8;overflow-wrap:anywhere}thead th,.whole{white-space:nowrap}"
    "code,pre,.dt,blockquote{font-family:ui-monospace,monospace;"
    "font-size:.85em}pre,.dt{white-space:pre-wrap;overflow-wrap:anywhere}.dl{display:flex;gap:.6rem}.dn{min-width:2.4rem;"
    "text-align:right;color:#5d6863;text-decoration:none;font-size:.8em}ins,.dl[data-op=insert]{background:#d7f5df;"
    "text-decoration:none}del,.dl[data-op=delete]{background:#fde2e0}.invisible{border:1px solid #a86a00;color:#7a4d00}"
    ".sr-only{position:absolute;clip-path:inset(50%);width:1px;height:1px;overflow:hidden}.hash{font-size:.75em}"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem}dt{color:#5d6863}dd{margin:0;overflow-wrap:anywhere}",
)


@page()
def promotion_record(request: PageRequest, pk: int) -> HttpResponse:
    """The file."""
    promotion = find_promotion(request.workspace.pk, pk)
    require(request.actor, Permission.READ)
    record, checks = record_of(promotion), checks_behind(promotion)
    titles = titles_of(request.workspace.pk, [check.name for check in checks])
    context = {
        "promotion": promotion,
        "record": record,
        "drawn": draw(difference_of(promotion)),
        "checks": [(check, titles.get(check.name, "")) for check in checks],
        "threads": threads_of(promotion),
        "events": audit_rows(promotion),
        "style": STYLE,
        "as_json": json.dumps(record, ensure_ascii=False, indent=2),
    }
    answer = render(request, "prompts/record.html", context)
    answer["Content-Disposition"] = f'attachment; filename="promotion-{pk}.html"'
    answer["Cache-Control"] = "no-store"
    return answer
