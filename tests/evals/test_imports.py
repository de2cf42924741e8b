import os
import subprocess
import sys
from pathlib import Path

from tests.servers import environment

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import sys, django
django.setup()
from django.urls import get_resolver
get_resolver().url_patterns
print(sorted({"openai", "aiohttp"} & set(sys.modules)))
"""


def test_web_process__all_routes_loaded__has_not_imported_the_sdk(db: None):
    variables = {**environment(), "DJANGO_SETTINGS_MODULE": os.environ["DJANGO_SETTINGS_MODULE"]}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout.strip() == "[]"
