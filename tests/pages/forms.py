"""A form as a browser without a script would send it: read from the page, changed field by field, posted."""

from html.parser import HTMLParser
from typing import Any

from django.test import Client


class Form(HTMLParser):
    """The fields of the first form of a page that posts to `action`, in order; names may come more than once."""

    def __init__(self, page: str, action: str) -> None:
        super().__init__(convert_charrefs=True)
        self.action = action
        self.fields: list[tuple[str, str]] = []
        self.buttons: list[str] = []
        self._inside = self._done = False
        self._area: str | None = None
        self._select: str | None = None
        self._is_chosen = False
        self.feed(page)
        assert self._done, f"the page has no form that posts to {action}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        at = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._inside = not self._done and at.get("action") == self.action
        if not self._inside:
            return
        if tag == "input" and at.get("name"):
            is_choice = at.get("type") in {"checkbox", "radio"}
            if not is_choice or "checked" in at:
                self.fields.append((at["name"], at.get("value", "on" if is_choice else "")))
        elif tag == "textarea":
            self._area = at["name"]
            self.fields.append((self._area, ""))
        elif tag == "select":
            self._select, self._is_chosen = at["name"], False
            self.fields.append((self._select, ""))
        elif tag == "option" and self._select and ("selected" in at or not self._is_chosen):
            self._is_chosen = True
            self.fields[-1] = (self._select, at.get("value", ""))
        elif tag == "button" and at.get("name") == "step":
            self.buttons.append(at["value"])

    def handle_data(self, data: str) -> None:
        if self._area and self._inside:
            name, before = self.fields[-1]
            self.fields[-1] = (name, before + data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self._area and self._inside:
            name, text = self.fields[-1]
            # A browser reads every line end as LF, drops one after the tag, and sends CR LF.
            read = text.replace("\r\n", "\n").replace("\r", "\n")
            self.fields[-1] = (name, read.removeprefix("\n").replace("\n", "\r\n"))
            self._area = None
        if tag == "select":
            self._select = None
        if tag == "form" and self._inside:
            self._inside, self._done = False, True

    def set(self, name: str, value: str, *, at: int = 0) -> None:
        """Type into the field of that name, the `at`-th of several."""
        places = [index for index, (field, _) in enumerate(self.fields) if field == name]
        self.fields[places[at]] = (name, value)

    def all(self, name: str) -> list[str]:
        """The values of every field of that name."""
        return [value for field, value in self.fields if field == name]

    def press(self, client: Client, step: str, **headers: str) -> Any:
        """Post it by one of its buttons."""
        assert step in self.buttons, (step, self.buttons)
        data: dict[str, list[str]] = {"step": [step]}
        for name, value in self.fields:
            data.setdefault(name, []).append(value)
        return client.post(self.action, data, headers=headers)


def form_of(client: Client, address: str, action: str = "") -> Form:
    """The form on a page."""
    answer = client.get(address)
    assert answer.status_code == 200, answer.status_code
    return Form(answer.content.decode(), action or address.partition("?")[0])
