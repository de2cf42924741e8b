"""What a team does with Langfuse's own Python client, against a server of ours. Run by an interpreter that has it: every line
printed is a step that held; an exception is a step that did not.
"""

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

from langfuse import Langfuse

URL = os.environ["STORY_URL"]
FOLDER = "team/größe 漢字/greeting"


def client(who: str) -> Any:
    """A client with a key's pair."""
    public, secret = os.environ[f"STORY_{who}"].split(":")
    return Langfuse(public_key=public, secret_key=secret, host=URL)


def fails(act: Any) -> Exception:
    """The error of something that must fail."""
    try:
        act()
    except Exception as error:
        return error
    raise AssertionError("it should have failed")


def fetched(langfuse: Any, name: str, **by: Any) -> Any:
    return langfuse.get_prompt(name, cache_ttl_seconds=0, max_retries=0, **by)


def texts(langfuse: Any) -> None:
    assert langfuse.auth_check()
    text = "Grüße, {{name}}! 🦊 \\{ }"
    made = langfuse.create_prompt(
        name=FOLDER,
        prompt=text,
        config={"model": "m", "temperature": 0.2},
        tags=["a"],
        labels=["first"],
        commit_message="one",
    )
    assert (made.version, made.prompt, set(made.labels) >= {"first", "latest"}) == (1, text, True)
    assert made.compile(name="Ada") == "Grüße, Ada! 🦊 \\{ }"
    langfuse.create_prompt(name=FOLDER, prompt="Hi {{name}}", labels=[])
    for by, version in (({"version": 1}, 1), ({"label": "first"}, 1), ({"label": "latest"}, 2), ({"version": 2}, 2)):
        got = fetched(langfuse, FOLDER, **by)
        assert (got.version, got.name) == (version, FOLDER), by
    got = fetched(langfuse, FOLDER, version=1)
    assert (got.config, got.tags, got.commit_message) == ({"model": "m", "temperature": 0.2}, ["a"], "one")
    assert "404" in str(fails(lambda: fetched(langfuse, FOLDER, label="nothing")))
    assert fetched(langfuse, "not/there", fallback="used {{x}}").compile(x="1") == "used 1"
    print("texts, folders, unicode, compile")


def chats(langfuse: Any) -> None:
    turns = [
        {"role": "system", "content": "You are {{role}}."},
        {"type": "placeholder", "name": "history"},
        {"role": "user", "content": "{{question}}"},
    ]
    made = langfuse.create_prompt(name="team/chat", type="chat", prompt=turns, labels=["kept"])
    assert made.version == 1
    chat = langfuse.get_prompt("team/chat", type="chat", label="kept", cache_ttl_seconds=0)
    said = chat.compile(role="kind", question="Why?", history=[{"role": "assistant", "content": "Hello"}])
    assert [(one["role"], one["content"]) for one in said] == [
        ("system", "You are kind."), ("assistant", "Hello"), ("user", "Why?"),
    ]  # fmt: skip
    print("chats, placeholders")


def labels(langfuse: Any) -> None:
    langfuse.update_prompt(name=FOLDER, version=2, new_labels=["first", "second"])
    assert fetched(langfuse, FOLDER, label="first").version == 2
    assert set(fetched(langfuse, FOLDER, version=1).labels) == set()
    langfuse.update_prompt(name=FOLDER, version=1, new_labels=["development"])
    assert fetched(langfuse, FOLDER, label="development").version == 1
    for act in (
        lambda: langfuse.update_prompt(name=FOLDER, version=2, new_labels=["production"]),
        lambda: langfuse.create_prompt(name=FOLDER, prompt="never", labels=["production"]),
    ):
        refused = str(fails(act))
        assert "403" in refused or "ForbiddenError" in refused or "protected" in refused, refused
    refused = fails(lambda: langfuse.api.prompt_version.update(quote(FOLDER, safe=""), 2, new_labels=["production"]))
    assert f"open a promotion at {URL}/w/" in str(refused.body["message"]), refused
    assert fetched(langfuse, FOLDER, label="latest").version == 2
    print("labels, 403 with the page's address")


def caches(langfuse: Any) -> None:
    langfuse.create_prompt(name="cached", prompt="one", labels=["x"])
    assert langfuse.get_prompt("cached", label="x", cache_ttl_seconds=1).prompt == "one"
    langfuse.create_prompt(name="cached", prompt="two", labels=["x"])
    for _ in range(100):
        if langfuse.get_prompt("cached", label="x", cache_ttl_seconds=1).prompt == "two":
            break
        time.sleep(0.1)
    else:
        raise AssertionError("the cache was never refreshed")
    print("caches")


def many(langfuse: Any) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda n: langfuse.create_prompt(name="many", prompt=f"text {n}", labels=[]), range(8)))
    assert sorted(one.version for one in made) == list(range(1, 9))
    assert all(fetched(langfuse, "many", version=one.version).prompt == one.prompt for one in made)
    print("eight versions at once")


def lists(langfuse: Any) -> None:
    found = langfuse.api.prompts.list(limit=2)
    assert (found.meta.total_items, found.meta.total_pages, len(found.data)) == (4, 2, 2)
    [row] = langfuse.api.prompts.list(name=FOLDER).data
    assert (row.versions, row.tags, row.type) == ([1, 2], ["a"], "text")
    assert [one.name for one in langfuse.api.prompts.list(label="kept").data] == ["team/chat"]
    print("lists")


def deletes(langfuse: Any) -> None:
    langfuse.api.prompts.delete("many", version=8)
    assert 8 not in langfuse.api.prompts.list(name="many").data[0].versions
    langfuse.api.prompts.delete(quote("team/chat", safe=""))
    assert "404" in str(fails(lambda: fetched(langfuse, "team/chat", type="chat", label="latest")))
    assert langfuse.create_prompt(name="team/chat", type="chat", prompt=[{"role": "user", "content": "x"}]).version == 2
    print("deletes")


def services(service: Any) -> None:
    assert fetched(service, FOLDER).version == 1
    assert fetched(service, FOLDER, label="development").version == 1
    for by in ({"label": "staging"}, {"label": "first"}, {"label": "latest"}, {"version": 2}):
        assert "404" in str(fails(lambda by=by: fetched(service, FOLDER, **by))), by
    refused = str(fails(lambda: service.create_prompt(name=FOLDER, prompt="x")))
    assert "403" in refused or "ForbiddenError" in refused, refused
    print("services")


def traces(langfuse: Any) -> None:
    prompt = fetched(langfuse, FOLDER, version=1)
    start = getattr(langfuse, "start_as_current_generation", None)
    options = {"name": "answer", "model": "small", "prompt": prompt}
    with start(**options) if start else langfuse.start_as_current_observation(as_type="generation", **options) as span:
        span.update(output="hi", usage_details={"input": 11, "output": 7})
    langfuse.flush()
    print("traces")


def main() -> None:
    langfuse = client("CI")
    for step in (texts, chats, labels, caches, many, lists, traces, deletes):
        step(langfuse)
    if os.environ.get("STORY_SERVICE"):
        services(client("SERVICE"))


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # the client's threads may wait for minutes to send what nobody asked for
