"""The page of retention times and erasure, and pages where a text was."""

from evals_app.models import Result
from tests.builders import Cast
from tests.pages.conftest import SignedIn
from tests.pages.evaluated import evaluated


def test_pages__set_times_look_erase_and_say_where_a_text_was(cast: Cast, as_: SignedIn) -> None:
    with evaluated(cast) as world:
        olga = as_(cast.olga)
        page = "/w/acme/settings/retention"
        assert olga.post(page, {"answers_days": "90", "inputs_days": ""}).status_code == 302
        assert 'value="90"' in olga.get(page).content.decode()
        out_of_bounds = olga.post(page, {"answers_days": "0", "inputs_days": "9999"})
        assert out_of_bounds.status_code == 422
        assert "At least 1." in out_of_bounds.content.decode() and "At most 3650." in out_of_bounds.content.decode()
        looked = olga.post(f"{page}/search", {"text": "four <b>bold"}).content.decode()
        assert "Erase for good" in looked and f"run {world.run.pk}" in looked
        assert "Nothing that can be erased" in olga.post(f"{page}/search", {"text": "nobody at all"}).content.decode()
        refused = olga.post(f"{page}/erase", {"text": "four <b>bold", "reason": ""})
        assert refused.status_code == 422 and "Gates still rely on it" in refused.content.decode()
        assert refused.content.decode().count('value="four &lt;b&gt;bold"') == 2, "what would go is still to be read"
        done = olga.post(f"{page}/erase", {"text": "four <b>bold", "reason": "why", "also_needed": "on"})
        assert done.status_code == 302 and "why" in olga.get(page).content.decode()

        run = f"/w/acme/runs/{world.run.pk}"
        assert "Some of its answers are gone" in olga.get(run).content.decode()
        assert "(purged)" in olga.get(f"{run}?status=failed").content.decode()
        one = f"{run}/cases/10"
        assert olga.post(f"{one}/purge", {"result": "", "reason": ""}).status_code == 409
        assert olga.post(f"{one}/purge", {"result": "", "reason": "", "also_needed": "on"}).status_code == 302
        shown = olga.get(one).content.decode()
        assert shown.count("by Olga.") == 3 and "Now 9." not in shown
        answer = Result.objects.get(run=world.run, case__position=9, arm="candidate")
        assert "by Olga." in olga.get(f"{one}/answers/{answer.pk}").content.decode()
        assert "by Olga." in olga.get("/w/acme/suites/numbers?version=1").content.decode()
        assert as_(cast.rosa).get(page).status_code == 403
