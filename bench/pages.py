"""What pages take in the server in a workspace of 10,000 prompts: two versions each, one of them 500, three
environments, checks, promotions.

Times are wall time of one request in this process, database included: the median and the 95th percentile of the rounds
after three that warm up, in turns over all pages. As in the web process, the collector of garbage does not look at what
was imported. The ratio is to the trivial page, an empty list of notifications. Size is the page as `gzip -6` sends it.
Rows are written straight into the tables.

python bench/pages.py [--quick]
"""

from __future__ import annotations

import gc
import gzip
import statistics
import time

import _scene
from django.conf import settings
from django.db import connection, connections
from django.test import Client, override_settings

from prompts_app.models import Environment, PolicyVersion, Prompt
from registry.core.models import Member

PLAIN = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
PROMPTS = 1000 if _scene.QUICK else 10_000
VERSIONS = 500
ROUNDS = 10 if _scene.QUICK else 60
WARM = 3
MOST_MS, MOST_KB = 100, 120

# Forty teams of a few topics each; every seventh prompt is not yet live in the last environment, every third is behind there.
_PROMPTS = """
  INSERT INTO prompts_app_prompt (workspace_id, name, kind, description, tags, last_number, created_by_id, searchable)
  SELECT %(workspace)s, format('team-%%s/%%s/%%s-%%s', lpad((n %% 40)::text, 2, '0'),
      (ARRAY['support', 'billing', 'search', 'onboarding', 'fraud'])[1 + n / 40 %% 5],
      (ARRAY['intent', 'summary', 'reply', 'triage', 'extract'])[1 + n %% 5], n),
    'text', '', ARRAY['tag-' || n %% 12, 'tag-' || n %% 7], 2, %(member)s,
    format('prompt %%s of team %%s: read the message of the customer and answer in one sentence, word-%%s', n, n %% 40, n %% 997)
  FROM generate_series(1, %(prompts)s) n
"""
_VERSIONS = """
  INSERT INTO prompts_app_promptversion (prompt_id, number, digest, content, source, message, author_id, author_name, key_name)
  SELECT id, v, encode(sha256((id || '/' || v)::bytea), 'hex'),
    format('{"template_format":"jinja","text":"Prompt %%s, version %%s: {{ message }}"}', id, v), '', 'Reword', %(member)s, 'Bea', ''
  FROM prompts_app_prompt, generate_series(1, 2) v WHERE workspace_id = %(workspace)s AND last_number = 2
"""
# One prompt with a long history, the first.
_HISTORY = """
  WITH longest AS (SELECT min(id) AS id FROM prompts_app_prompt WHERE workspace_id = %(workspace)s AND last_number = 2), counted AS (
    UPDATE prompts_app_prompt SET last_number = %(versions)s WHERE id = (SELECT id FROM longest)
  )
  INSERT INTO prompts_app_promptversion (prompt_id, number, digest, content, source, message, author_id, author_name, key_name)
  SELECT id, v, encode(sha256((id || '/' || v)::bytea), 'hex'),
    format('{"template_format":"jinja","text":"Version %%s of many: {{ message }}"}', v), '', 'Reword', %(member)s, 'Bea', ''
  FROM longest, generate_series(3, %(versions)s) v
"""
_LIVE = """
  INSERT INTO prompts_app_deployment (prompt_id, environment_id, kind, version_id, revision, actor_kind, actor_id, actor_name, reason, evidence)
  SELECT p.id, %(environment)s, 'promotion', v.id, row_number() OVER (), 'member', %(member)s, 'Bea', '', '{}'
  FROM prompts_app_prompt p JOIN prompts_app_promptversion v ON v.prompt_id = p.id
  WHERE p.workspace_id = %(workspace)s AND (%(rank)s < 2 OR p.id %% 7 <> 0)
    AND v.number = CASE WHEN %(rank)s > 0 AND p.id %% 3 = 0 THEN 1 ELSE 2 END
"""
_POINTERS = """
  INSERT INTO prompts_app_livepointer (prompt_id, environment_id, deployment_id)
  SELECT prompt_id, environment_id, id FROM prompts_app_deployment WHERE environment_id = %(environment)s
"""
_CHECKS = """
  INSERT INTO prompts_app_versioncheck (prompt_id, digest, name, evidence_key, state, url, summary)
  SELECT v.prompt_id, v.digest, s.name, 'k', CASE WHEN v.id %% 11 = 0 THEN 'failed' ELSE 'passed' END, '', ''
  FROM prompts_app_promptversion v JOIN prompts_app_prompt p ON p.id = v.prompt_id, (VALUES ('suite/a'), ('suite/b')) s (name)
  WHERE p.workspace_id = %(workspace)s
"""
_PROMOTIONS = """
  INSERT INTO prompts_app_promotion (prompt_id, version_id, environment_id, title, state, policy_opened_id, author_id, author_name,
    key_name, acknowledges_breaking, stamp, votes_after, note)
  SELECT v.prompt_id, v.id, %(environment)s, '', 'open', %(policy)s, %(member)s, 'Bea', '', false, 1, 0, ''
  FROM prompts_app_promptversion v JOIN prompts_app_prompt p ON p.id = v.prompt_id
  WHERE p.workspace_id = %(workspace)s AND v.number = 2 AND p.id %% 21 = 0
"""


def made() -> Member:
    """The workspace with everything in it; its owner reads."""
    scene = _scene.scene()
    member = Member.objects.select_related("user", "workspace").get(pk=scene.owner.member_id)
    ids = {"workspace": member.workspace_id, "member": member.pk, "prompts": PROMPTS, "versions": VERSIONS}
    environments = list(Environment.objects.in_workspace(member.workspace_id))
    with connection.cursor() as cursor:
        for statement in (_PROMPTS, _VERSIONS, _HISTORY, _CHECKS):
            cursor.execute(statement, ids)
        for environment in environments:
            here = {**ids, "environment": environment.pk, "rank": environment.rank}
            cursor.execute(_LIVE, here)
            cursor.execute(_POINTERS, here)
        policy = PolicyVersion.objects.filter(environment=environments[-1]).values_list("pk", flat=True)[0]
        cursor.execute(_PROMOTIONS, {**ids, "environment": environments[-1].pk, "policy": policy})
    with connections["owner"].cursor() as cursor:
        cursor.execute("ANALYZE")  # as the server does by itself a minute after so many rows
    return member


def addresses(here: str, longest: str) -> dict[str, str]:
    """What is measured, by the name that is printed; `longest` is the prompt with 500 versions."""
    prompt = f"{here}/prompts/{longest}"
    return {
        "notifications, the trivial page": f"{here}/notifications",
        "board": f"{here}/",
        "board, one team": f"{here}/?folder=team-07",
        "board, one folder": f"{here}/?folder=team-07/billing",
        "board, page 3 of a search": f"{here}/?q=intent&page=3",
        "board, a word of the text": f"{here}/?q=word-123",
        "board, one letter": f"{here}/?q=e",
        "board, a tag": f"{here}/?tag=tag-3",
        "board, drift": f"{here}/?drift=1",
        "board, mine": f"{here}/?mine=1",
        "search page": f"{here}/search?q=intent",
        "palette, opened": f"{here}/search?palette=1&q=",
        "palette, two words": f"{here}/search?palette=1&q=team-07+intent",
        "palette, a version": f"{here}/search?palette=1&q=billing+v2",
        "palette, nothing fits": f"{here}/search?palette=1&q=nowhere",
        "promotions": f"{here}/promotions",
        "reviews": f"{here}/reviews",
        "environment": f"{here}/environments/production",
        "members": f"{here}/settings/members",
        "prompt of 500 versions": prompt,
        "its versions": f"{prompt}/versions",
        "two of its versions": f"{prompt}/diff?from=1&to={VERSIONS}",
    }


def timed(client: Client, pages: dict[str, str]) -> dict[str, tuple[list[float], int]]:
    """Milliseconds of every round, and compressed bytes, of each page."""
    taken: dict[str, tuple[list[float], int]] = {name: ([], 0) for name in pages}
    for number in range(ROUNDS + WARM):
        if number == WARM:
            gc.collect()
            gc.freeze()  # as the web process does before it serves
        for name, address in pages.items():
            begun = time.perf_counter()
            answer = client.get(address, headers={"Host": "localhost"})
            spent = (time.perf_counter() - begun) * 1000
            if answer.status_code != 200:
                raise SystemExit(f"{address} answered {answer.status_code}.")
            if number >= WARM:
                taken[name] = ([*taken[name][0], spent], len(gzip.compress(answer.content, 6)))
    return taken


def main() -> None:
    """Measure, and print a table."""
    member = made()
    client = Client()
    client.force_login(member.user)
    longest = Prompt.objects.in_workspace(member.workspace_id).get(last_number=VERSIONS).name
    found = timed(client, addresses(f"/w/{member.workspace.slug}", longest))
    trivial = statistics.median(found["notifications, the trivial page"][0])
    print(f"{PROMPTS:,} prompts, {ROUNDS} rounds; to reach: p95 {MOST_MS} ms, {MOST_KB} kB")
    for name, (times, size) in found.items():
        p95 = sorted(times)[int(len(times) * 0.95)]
        over = "  over" if p95 > MOST_MS or size > MOST_KB * 1000 else ""
        median = statistics.median(times)
        print(
            f"{name:31} p50 {median:6.1f} ms   p95 {p95:6.1f} ms   {median / trivial:5.1f} x   {size / 1000:6.1f} kB{over}"
        )


if __name__ == "__main__":
    with override_settings(STORAGES={**settings.STORAGES, "staticfiles": PLAIN}):
        main()
