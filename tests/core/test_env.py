"""What operators write into variables, as they write it."""

import pytest

from registry.env import read_environment


def test_lists__with_blanks_after_commas__are_what_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTBOUND_ALLOW", "ollama:11434, Models.Internal:8080,[fd00::1]:8000,")
    monkeypatch.setenv("ALLOWED_HOSTS", "a.example, b.example")
    monkeypatch.setenv("TRUSTED_PROXIES", "10.0.0.0/8, 192.0.2.7")
    found = read_environment()
    assert found.outbound_allow == {"ollama:11434", "models.internal:8080", "[fd00::1]:8000"}
    assert found.allowed_hosts == ("a.example", "b.example")
    assert found.trusted_proxies == ("10.0.0.0/8", "192.0.2.7")


@pytest.mark.parametrize(
    "text", ["ollama", "http://ollama:11434", "ollama:11434/v1", "fd00::1:8000", "ollama:", "a b:1"]
)
def test_outbound__what_could_never_match__is_refused_by_name(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Else a provider would be refused although it seems to be allowed."""
    monkeypatch.setenv("OUTBOUND_ALLOW", text)
    with pytest.raises(ValueError, match="OUTBOUND_ALLOW has"):
        read_environment()
