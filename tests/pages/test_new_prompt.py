"""The name of a new prompt: what it means in addresses is told before it is taken."""

from prompts_app.models import Prompt
from tests import builders
from tests.builders import Cast
from tests.pages.conftest import SignedIn


def test_new_prompt__name_that_addresses_escape__is_asked_about_once_and_nothing_typed_is_lost(
    cast: Cast, as_: SignedIn
) -> None:
    client, given = (
        as_(cast.ada),
        {"name": "Billing/Refund notes", "kind": "text", "tags": "a, b", "description": "Why"},
    )

    asked = client.post("/w/acme/new", given)
    page = asked.content.decode()
    edited = client.post("/w/acme/new", {**given, "name": "Billing/Refunds", "keep": "Billing/Refund notes"})
    assert not Prompt.objects.exists()
    kept = client.post("/w/acme/new", {**given, "keep": "Billing/Refund notes"})
    used = client.post("/w/acme/new", {**given, "use": "billing/refund-notes"})

    assert asked.status_code == 422 and "Nothing is saved yet" in page
    assert "<code>Billing/Refund%20notes</code>" in page and 'value="a, b"' in page and ">\nWhy</textarea>" in page
    assert 'name="keep" value="Billing/Refund notes">Keep this name<' in page
    assert 'name="use" value="billing/refund-notes">Use billing/refund-notes<' in page
    assert "Capital letters count" in edited.content.decode() and "In addresses" not in edited.content.decode()
    assert kept["Location"] == "/w/acme/prompts/Billing/Refund%20notes/drafts/edit"
    assert used["Location"] == "/w/acme/prompts/billing/refund-notes/drafts/edit"
    assert {one.description for one in Prompt.objects.all()} == {"Why"}


def test_new_prompt__name_as_it_is_typed__is_told_how_it_reads_and_saved_without_a_question(
    cast: Cast, as_: SignedIn
) -> None:
    builders.prompt(cast.ada, "taken")
    client = as_(cast.ada)

    def hint(name: str) -> str:
        page = client.get("/w/acme/new", {"name": name}).content.decode()
        return page.partition('id="name-hint"')[2].partition("</form>")[0].partition("<label")[0]

    told = hint("Refund notes")
    made = client.post("/w/acme/new", {"name": "Refund notes", "kind": "text", "keep": "Refund notes"})

    assert "Refund%20notes" in told and 'data-fill="id_name" data-text="refund-notes"' in told
    assert 'type="hidden" name="keep" value="Refund notes"' in told and "Nothing is saved yet" not in told
    assert made.status_code == 302
    assert all("note" not in hint(plain) for plain in ("", "support/refund-reply", "bad//name", "Refund notes"))
    assert "data-fill" not in hint("Taken") and "data-fill" not in hint("退款") and "%E9%80%80" in hint("退款")
