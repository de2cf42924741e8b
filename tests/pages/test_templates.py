"""What no template may do: the content security policy would refuse it, or a reader could be tricked by it."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
FORBIDDEN = {
    "hx-on needs eval": re.compile(r"\bhx-on\b"),
    "js: values need eval": re.compile(r"=\s*[\"'](?:js|javascript):"),
    "hx-live needs eval": re.compile(r"\bhx-live\b"),
    "filters in hx-trigger need eval": re.compile(r"hx-trigger=\"[^\"]*\w\["),
    "inline handlers": re.compile(r"\son[a-z]+\s*="),
    "style attributes": re.compile(r"\sstyle\s*="),
    "style elements": re.compile(r"<style\b"),
    "unescaped output": re.compile(r"\|\s*safe\b|autoescape\s+off"),
    "addresses elsewhere": re.compile(r"(?:src|href|action)=\"(?:https?:)?//"),
    "DTL comments with something to do": re.compile(r"\b(?:TODO|FIXME|XXX)\b"),
}


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.relative_to(ROOT / "templates").as_posix())
def test_template__searched_for_what_is_forbidden__has_none_of_it(template: Path) -> None:
    text = template.read_text()

    assert [why for why, pattern in FORBIDDEN.items() if pattern.search(text)] == []


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.relative_to(ROOT / "templates").as_posix())
def test_template__scripts_and_post_forms__carry_nonce_and_token(template: Path) -> None:
    text = template.read_text()

    assert all("src=" in tag and "nonce=" in tag for tag in re.findall(r"<script\b[^>]*>", text))
    for form in re.findall(r"<form\b[^>]*method=\"post\".*?</form>", text, re.DOTALL):
        assert "csrf_token" in form or "partial guard" in form


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.relative_to(ROOT / "templates").as_posix())
def test_template__that_asks_by_itself__says_so_in_the_address(template: Path) -> None:
    """Else a page that was left open would keep its session alive. Reading another server ends within minutes."""
    asking = re.findall(r"<[a-z](?:[^<>]|%>)*hx-trigger=\"[^\"]*\bevery\b.*", template.read_text())
    assert all(
        re.search(r"watch=1|moving=1|\"moving\"|_progress'", tag) or 'href="{{ action }}"' in tag for tag in asking
    )


def test_scripts__read_for_what_the_policy_refuses__have_none_of_it() -> None:
    for script in (ROOT / "static" / "js").glob("*.js"):
        text = script.read_text()
        assert not re.search(r"\beval\(|new Function|innerHTML|outerHTML|document\.write|setAttribute\(\"on", text), (
            script.name
        )


def test_style_sheet__is_one_and_loads_only_its_own_files() -> None:
    sheets = list((ROOT / "static" / "css").glob("*.css"))
    addresses = re.findall(r"url\([\"']?([^\"')]+)", sheets[0].read_text())

    assert [sheet.name for sheet in sheets] == ["app.css"]
    assert all(address.startswith(("../vendor/", "data:image/svg+xml,")) for address in addresses)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.relative_to(ROOT / "templates").as_posix())
def test_template__speaking_of_a_version_that_goes_live__calls_it_promoting(template: Path) -> None:
    """As its button does: "apply" is the API's word for it."""
    shown = re.sub(r"\{[#%{].*?[#%}]\}|<[^>]*>", " ", template.read_text(), flags=re.DOTALL)

    assert re.findall(r"\b(?:appl(?:y|ies|ied|ying)|makes? \w* ?live)\b", shown, re.IGNORECASE) == []
