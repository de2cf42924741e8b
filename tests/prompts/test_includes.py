import tracemalloc

import pytest

from prompts_app.content import IncludePin, Message, Placeholder, TemplateSource
from prompts_app.includes import IncludeTag, ResolvedInclude, distinct_tags, expand, find_includes
from registry.core.errors import Invalid, NotFound


def tag(name, version=1):
    return f"@@@langfusePrompt:name={name}|version={version}@@@"


def label(name, value="production"):
    return f"@@@langfusePrompt:name={name}|label={value}@@@"


class Shelf:
    """Prompts by name: a list of (text, names it includes at version 1)."""

    def __init__(self, **prompts):
        self.prompts = prompts
        self.asked = []

    def __call__(self, asked):
        self.asked.append((asked.name, asked.version, asked.label))
        if asked.name not in self.prompts:
            raise NotFound("include.not_found", f"There is no prompt {asked.name}.")
        text, *inner = self.prompts[asked.name]
        pins = tuple(IncludePin(name, 1, f"digest-{name}") for name in inner)
        return ResolvedInclude(asked.name, asked.version or 1, f"digest-{asked.name}", text, "text", pins)


class Several(Shelf):
    """Any number of prompts of one text each, that may include others; read anew each time, as from a database."""

    def __init__(self, text, *inner, **others):
        super().__init__(**{name: (other,) for name, other in others.items()})
        self.text, self.inner = text, inner

    def __call__(self, asked):
        if asked.name not in self.prompts:
            self.prompts[asked.name] = (self.text[:-1] + self.text[-1:], *self.inner)
        return super().__call__(asked)


def text_source(text):
    return TemplateSource("text", text=text)


def expand_text(text, shelf, own_name="me"):
    return expand(text_source(text), shelf, own_name=own_name)


def refusal(text, shelf, own_name="me"):
    with pytest.raises(Invalid) as found:
        expand_text(text, shelf, own_name)
    return found.value.code


def test_find_includes__both_forms__with_their_places():
    text = f"a {tag('x/y z', 12)} b {label('q', 'latest')}"
    first, second = find_includes(text)
    assert first.key == ("x/y z", 12, None)
    assert second.key == ("q", None, "latest")
    assert text[first.start : first.end] == tag("x/y z", 12)


@pytest.mark.parametrize(
    "inside",
    [
        "",
        "name=x",
        "x",
        "version=1|name=x",
        "name=x|version=0",
        "name=x|version=a",
        "name=x|label=",
        "name=|version=1",
        "name=x|version=1|label=y",
    ],
)
def test_find_includes__malformed__is_refused_with_its_line(inside):
    with pytest.raises(Invalid) as found:
        find_includes(f"one\ntwo @@@langfusePrompt:{inside}@@@")
    assert (found.value.code, found.value.extra["line"]) == ("include.malformed", 2)


def test_expand__no_tags__changes_nothing():
    source = text_source("@@@ {{ x }} @@@langfusePrompt: open\n@@@")
    assert expand(source, Shelf(), own_name="me").source is source


def test_expand__text__is_replaced_byte_for_byte_and_pinned_once_per_tag():
    shelf = Shelf(a=("A\r\n {{ x }} ",), b=("B",))
    expanded = expand_text(f"1{tag('a')}2{label('b')}3{tag('a')}", shelf)
    assert expanded.source.text == "1A\r\n {{ x }} 2B3A\r\n {{ x }} "
    assert expanded.pins == (IncludePin("a", 1, "digest-a"), IncludePin("b", 1, "digest-b"))
    assert shelf.asked == [("a", 1, None), ("b", None, "production")]


def test_expand__chat__fills_every_text_and_leaves_the_rest():
    image = {"type": "image_url", "image_url": {"url": tag("a")}}
    part = {"type": "text", "text": tag("a"), "cache": True}
    source = TemplateSource(
        "chat", messages=(Message("system", tag("a")), Placeholder("h"), Message("user", (part, image)))
    )
    expanded = expand(source, Shelf(a=("A",)), own_name="me")
    assert expanded.source.messages == (
        Message("system", "A"),
        Placeholder("h"),
        Message("user", ({"type": "text", "text": "A", "cache": True}, image)),
    )
    assert len(expanded.pins) == len(distinct_tags(source)) == 1


def test_expand__nested__asks_for_what_was_pinned_not_for_the_label():
    shelf = Shelf(a=(f"[{label('b')}]", "b"), b=("B",))
    expanded = expand_text(tag("a"), shelf)
    assert expanded.source.text == "[B]"
    assert expanded.pins == (IncludePin("a", 1, "digest-a"),)
    assert shelf.asked == [("a", 1, None), ("b", 1, None)]


def chain(length):
    prompts = {f"p{i}": (f"{i}{tag(f'p{i + 1}')}", f"p{i + 1}") for i in range(1, length)}
    return Shelf(**prompts, **{f"p{length}": (str(length),)})


def test_expand__five_levels__are_enough_and_six_too_many():
    assert expand_text(tag("p1"), chain(5)).source.text == "12345"
    assert refusal(tag("p1"), chain(6)) == "include.depth"
    assert refusal(tag("p2") + tag("p1"), chain(6)) == "include.depth"


def test_expand__circle__is_refused_by_name():
    assert refusal(tag("me"), Shelf(me=("x",))) == "include.cycle"
    assert refusal(tag("a"), Shelf(a=(tag("me"), "me"), me=("x",))) == "include.cycle"
    assert refusal(tag("a"), Shelf(a=(tag("b"), "b"), b=(tag("a"), "a"))) == "include.cycle"
    assert expand_text(tag("a"), Shelf(a=("x",)), own_name="").source.text == "x"


def test_expand__chat_prompt__cannot_be_included():
    def resolve(asked):
        return ResolvedInclude(asked.name, 1, "d", "", "chat")

    assert refusal(tag("a"), resolve) == "include.kind"


def test_expand__growth__is_stopped_before_it_is_built():
    doubling = {f"p{i}": (tag(f"p{i + 1}") * 100, f"p{i + 1}") for i in range(1, 5)}
    assert refusal(tag("p1") * 100, Shelf(**doubling, p5=("x" * 1000,))) == "include.too_large"
    many = {f"q{i}": ("x",) for i in range(201)}
    assert refusal("".join(tag(name) for name in many), Shelf(**many)) == "include.too_many"


def in_parts(count):
    return TemplateSource(
        "chat", messages=(Message("user", tuple({"type": "text", "text": tag("a")} for _ in range(count))),)
    )


@pytest.mark.parametrize(
    ("source", "shelf"),
    [
        (in_parts(500), Shelf(a=("x" * 1_900_000,))),
        (text_source("".join(tag(f"p{i}") for i in range(150))), Several("x" * 1_900_000)),
        (text_source("".join(tag(f"p{i}") for i in range(150))), Several(tag("a"), "a", a="x" * 1_900_000)),
    ],
    ids=["in many parts", "of many texts", "of many that include the same"],
)
def test_expand__of_large_texts__keeps_no_more_of_them_than_may_be(source, shelf):
    tracemalloc.start()
    with pytest.raises(Invalid, match="larger than"):
        expand(source, shelf, own_name="me")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 25_000_000


def test_expand__unknown_prompt__is_said_by_the_resolver():
    with pytest.raises(NotFound):
        expand_text(tag("nobody"), Shelf())


def test_include_tag__place__is_no_part_of_its_key():
    assert IncludeTag("a", 1, None, 0, 5).key == IncludeTag("a", 1, None, 9, 14).key
