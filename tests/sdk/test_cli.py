"""The command `greenroom` against a server that answers by script: patience, refusals, reports, exit codes."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from greenroom.cli import progress, suites, talk
from greenroom.cli.arguments import make_parser
from greenroom.cli.main import main
from greenroom.cli.progress import Screen
from greenroom.cli.report import Run, add_up
from greenroom.cli.words import one_line, visible
from greenroom.fields import Fields
from tests.sdk.stub import Reply, Stub, problem

KEY = "gr_canary_that_is_printed_nowhere"
PAGE = {"results": [], "next": None}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxies, a key, and no long waits."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("GREENROOM_KEY", KEY)
    monkeypatch.setattr(suites, "POLL_S", 0.01)
    monkeypatch.setattr(talk, "BACK_OFF_S", 0.01)
    monkeypatch.setattr(talk, "FIRST_ANSWER_WITHIN_S", 1.0)


def run_body(state: str = "finished", verdict: str | None = "passed", **more: Any) -> dict[str, Any]:
    metric = {
        "name": "passes", "mode": "non_inferior", "mean_new": 0.9, "mean_base": 1.0, "delta": -0.1, "lower": -0.2,
        "upper": None, "verdict": verdict, "sentence": "Not worse.",
    }  # fmt: skip
    return {
        "id": 7, "state": state, "verdict": verdict, "progress": {"done": 2, "total": 2, "errors": 0},
        "prompt": "support/triage", "version": 2, "baseline": 1, "suite": "triage", "suite_version": 3,
        "summary": "All is well.", "url": "/w/acme/runs/7", "cost": 0.25, "check": None, "metrics": [metric],
        "started_at": "2026-01-01T10:00:00Z", "finished_at": "2026-01-01T10:00:02.500Z", "new_member": [1],
    } | more  # fmt: skip


def result(case: str, status: str = "passed", *, arm: str = "candidate", output: str = "x", **more: Any) -> Any:
    scores = [{"name": "contains", "score": float(status == "passed"), "passed": status == "passed", "detail": "no y"}]
    return {
        "case": case, "arm": arm, "repeat": 0, "status": status, "error": "timeout" if status == "error" else "",
        "output": output, "scores": scores, "latency_ms": 40,
    } | more  # fmt: skip


def run_suite(stub: Stub, *more: str) -> int:
    """The exit code of `run-suite --wait` on version 2."""
    return main(["run-suite", "support/triage", "triage", "--version", "2", "--wait", *more])


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Starts a stub that the settings point at."""
    running: list[Stub] = []

    def start(*replies: Reply) -> Stub:
        stub = Stub(*replies).__enter__()
        running.append(stub)
        monkeypatch.setenv("GREENROOM_URL", stub.url)
        return stub

    yield start
    for stub in running:
        stub.__exit__(None, None, None)


@pytest.mark.parametrize(
    ("state", "verdict", "code"),
    [
        ("finished", "passed", 0),
        ("finished", "failed", 1),
        ("finished", "inconclusive", 2),
        ("finished", None, 0),
        ("finished", "a word of the future", 3),
        ("error", None, 3),
        ("cancelled", None, 3),
    ],
)
def test_run_suite__ended__exits_by_the_verdict(serve: Any, state: str, verdict: str | None, code: int) -> None:
    body = run_body(state, verdict)
    body["metrics"][0]["verdict"] = verdict or "reported"
    assert run_suite(serve(Reply(run_body("queued", None, metrics=[]), 202), Reply(body))) == code


def test_run_suite__through_an_outage__starts_one_run_and_reads_its_end(
    serve: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    queued = Reply(run_body("queued", None, metrics=[]), 202)
    busy = problem(429, "rate.limited", "Slow down.", Retry_After="0")
    stub = serve(Reply(cut=True), Reply("<h1>Bad gateway</h1>", 502), queued, Reply(cut=True), busy, Reply(run_body()))

    assert run_suite(stub) == 0

    starts = [call for call in stub.calls if call.method == "POST"]
    assert len(starts) == 3 and len({call.headers["Idempotency-Key"] for call in starts}) == 1
    assert {call.body for call in starts} == {starts[0].body}
    assert json.loads(starts[0].body) == {
        "prompt": "support/triage", "version": 2, "suite": "triage", "baseline": None,
    }  # fmt: skip
    said = capsys.readouterr()
    assert "trying again" in said.err and "passes: Not worse." in said.out
    assert KEY not in said.out + said.err


@pytest.mark.parametrize(
    ("options", "baseline"),
    [
        (["--baseline", "1"], 1),
        (["--environment", "production"], {"environment": "production"}),
        (["--no-baseline"], None),
    ],
)
def test_run_suite__with_a_baseline__asks_for_it(serve: Any, options: list[str], baseline: object) -> None:
    stub = serve(Reply(run_body()))
    assert (
        run_suite(stub, *options, "--config", "temperature=0", "--config", "model=big", "--config", 'stop=["x"]') == 0
    )
    body = json.loads(stub.calls[0].body)
    assert body["baseline"] == baseline and body["config"] == {"temperature": 0, "model": "big", "stop": ["x"]}


def test_run_suite__again_and_with_limits__asks_for_that(serve: Any) -> None:
    stub = serve(Reply(run_body()))
    assert run_suite(stub, "--again", "--max-cost", "1.5", "--max-requests", "200") == 0
    body = json.loads(stub.calls[0].body)
    assert body["again"] is True and body["budget"] == {"cost": 1.5, "requests": 200}


def test_run_suite__with_slices_and_warnings__tells_those_that_matter(
    serve: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = [
        {"metric": "passes", "tag": "refund", "verdict": "failed", "sentence": "Worse."},
        {"metric": "passes", "tag": "card", "verdict": "passed", "sentence": "Not worse."},
    ]
    stub = serve(Reply(run_body(slices=told, warnings=["The judge is of the same family."])), Reply(PAGE))
    report = tmp_path / "report.xml"
    assert run_suite(stub, "--junit", str(report)) == 0
    said = capsys.readouterr().out
    assert "  passes where refund: Worse.\n" in said and "card" not in said and "warning: The judge is" in said
    listed = {one.attrib["name"]: one.attrib["value"] for one in ET.parse(report).getroot().iter("property")}
    assert listed["slice.passes.refund.sentence"] == "Worse." and listed["warning"].startswith("The judge")


def test_run_suite__without_a_version__takes_the_newest_and_without_wait_ends_at_once(serve: Any) -> None:
    stub = serve(Reply({"newest_version": 5}), Reply(run_body("queued", None, metrics=[]), 202))
    assert main(["run-suite", "support/triage", "triage"]) == 0
    assert stub.calls[0].path == "/api/v1/prompts/support%2Ftriage"
    assert json.loads(stub.calls[1].body)["version"] == 5 and len(stub.calls) == 2


def test_run_suite__time_up__is_no_verdict_and_says_that_the_run_goes_on(
    serve: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.xml"
    stub = serve(Reply(run_body("running", None, metrics=[])), Reply(PAGE))
    assert run_suite(stub, "--timeout", "0.01", "--junit", str(report)) == 3
    assert "goes on" in capsys.readouterr().out
    (case,) = ET.parse(report).getroot().iter("testcase")
    assert case.get("name") == "run" and "time is up" in case[0].attrib["message"]


def test_run_suite__server_gone_for_good__is_no_verdict_within_its_patience(
    serve: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(talk, "OUTAGE_S", 0.1)
    stub = serve(Reply(run_body("running", None, metrics=[])), Reply(cut=True))
    assert run_suite(stub) == 3
    assert "given up" in capsys.readouterr().out


def test_run_suite__refused__says_why_and_which_field(serve: Any, capsys: pytest.CaptureFixture[str]) -> None:
    stub = serve(problem(422, "invalid", "Some fields were refused.", ("config.temperature", "must be a number")))
    assert run_suite(stub) == 3
    said = capsys.readouterr().err
    assert "Some fields were refused." in said and "config.temperature: must be a number" in said
    assert len(stub.calls) == 1


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(b"<h1>Welcome</h1>"), "is GREENROOM_URL right?"),
        (Reply(b"<h1>Nothing</h1>", 404), "is GREENROOM_URL right?"),
        (Reply([1]), "is no JSON object"),
        (Reply(run_body() | {"id": "seven"}), "is missing or of another type"),
        (Reply(None, 302, {"Location": "https://elsewhere.example/login"}), "redirects to https://elsewhere.example"),
    ],
)
def test_run_suite__something_else_answers__says_so(
    serve: Any, capsys: pytest.CaptureFixture[str], reply: Reply, said: str
) -> None:
    assert run_suite(serve(reply)) == 3
    assert said in capsys.readouterr().err


def test_run_suite__as_json__is_the_run_alone_on_standard_output(
    serve: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    run_suite(serve(Reply(run_body())), "--json")
    assert json.loads(capsys.readouterr().out) == run_body()


def test_report__of_a_run__has_a_case_each_with_failures_errors_and_metrics(serve: Any, tmp_path: Path) -> None:
    first = [result("good"), result("bad", "failed"), result("bad", "passed", arm="baseline", repeat=0)]
    second = [result("gone", "error", output="<html>"), result("bad", "passed", repeat=1)]
    following = "https://elsewhere.example/api/v1/runs/7/results?limit=200&after=3"
    stub = serve(
        Reply(run_body()), Reply({"results": first, "next": following}), Reply({"results": second, "next": None})
    )
    report = tmp_path / "report.xml"

    assert run_suite(stub, "--junit", str(report)) == 0

    assert stub.calls[2].path == "/api/v1/runs/7/results?limit=200&after=3"
    (suite,) = ET.parse(report).getroot()
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "time")} == {
        "tests": "3", "failures": "1", "errors": "1", "time": "2.500",
    }  # fmt: skip
    cases = {case.attrib["name"]: case for case in suite.iter("testcase")}
    assert list(cases) == ["good", "bad", "gone"] and len(cases["good"]) == 0
    assert cases["bad"][0].tag == "failure" and cases["gone"][0].tag == "error"
    assert cases["bad"][0].get("message") == "1 of 2 failed (baseline: 1 of 1 passed): contains: no y"
    assert cases["bad"].get("time") == "0.080" and "timeout" in cases["gone"][0].attrib["message"]
    listed = {one.attrib["name"]: one.attrib["value"] for one in suite.iter("property")}
    assert listed["metric.passes.sentence"] == "Not worse." and listed["metric.passes.delta"] == "-0.1"
    assert listed["verdict"] == "passed" and listed["run"] == f"{stub.url}/w/acme/runs/7"
    assert "metric.passes.upper" not in listed


NASTY = "a\x00\x1b[31m]]>&<x>\ud800\ufffe\u202e\r\n\x85b"


def test_report__of_nasty_texts__is_well_formed_and_shows_them(serve: Any, tmp_path: Path) -> None:
    bad = result(f"key{NASTY}", "failed", output=NASTY * 2000)
    stub = serve(Reply(run_body(summary=NASTY)), Reply({"results": [bad], "next": None}))
    report = tmp_path / "report.xml"
    run_suite(stub, "--junit", str(report))

    (case,) = ET.parse(report).getroot().iter("testcase")
    text = case[0].text or ""
    assert "\\x00\\x1b[31m]]>&<x>\\ud800\\ufffe\\u202e\\x0d\n\\x85b" in text
    assert "more characters" in text and len(text) < 20_000
    assert "\n" not in case.attrib["name"] and list(tmp_path.iterdir()) == [report]


def test_report__in_a_folder_that_is_not_there__is_refused_before_anything_is_asked(serve: Any, tmp_path: Path) -> None:
    stub = serve(Reply(run_body()))
    assert run_suite(stub, "--junit", str(tmp_path / "none" / "report.xml")) == 64
    assert stub.calls == []


def test_report__whose_answers_cannot_be_read__still_says_so(serve: Any, tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    stub = serve(Reply(run_body()), problem(403, "scope.missing", "This key may not read."))
    assert run_suite(stub, "--junit", str(report)) == 0
    (case,) = ET.parse(report).getroot().iter("testcase")
    assert "This key may not read." in case[0].attrib["message"]


def test_answers__of_a_case_over_repeats__add_up_and_keep_few_excerpts() -> None:
    (case,) = add_up(Fields(result("a", "failed", repeat=n), "x") for n in range(10))
    assert (case.candidate.failed, case.candidate.answers, len(case.excerpts)) == (10, 10, 3)
    assert case.reasons == ["contains: no y"]


def test_progress__on_a_terminal_is_one_line_and_elsewhere_a_few(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal:
        def __init__(self, *, is_terminal: bool) -> None:
            self.text, self.is_terminal = "", is_terminal

        def isatty(self) -> bool:
            return self.is_terminal

        def write(self, text: str) -> int:
            self.text += text
            return len(text)

        def flush(self) -> None:
            """Nothing waits."""

    def steps(stream: Any) -> str:
        screen = Screen(stream)
        for done in range(101):
            fields = run_body("running", None, progress={"done": done, "total": 100, "errors": done // 50}, metrics=[])
            screen.show(Run.read(Fields(fields, "x")))
        screen.clear()
        return str(stream.text)

    bar, lines = steps(Terminal(is_terminal=True)), steps(Terminal(is_terminal=False))
    assert "\n" not in bar and "50/100, 1 in error" in bar and bar.endswith("\r\x1b[K") and "#" in bar
    assert lines.count("\n") == 11 and "running: 10 of 100 answers\n" in lines and "\x1b" not in lines
    monkeypatch.setattr(progress, "SAY_SOMETHING_EVERY_S", 0.0)
    assert steps(Terminal(is_terminal=False)).count("\n") == 101


@pytest.mark.parametrize(
    "line",
    [
        [],
        ["run-suite"],
        ["run-suite", "p", "s", "--version", "0"],
        ["run-suite", "p", "s", "--baseline", "1", "--no-baseline"],
        ["run-suite", "p", "s", "--config", "temperature"],
        ["run-suite", "p", "s", "--timeout", "nan"],
        ["run-suite", "p", "s", "--junit", "x.xml"],
        ["run-suite", "p", "s", "--wai"],
        ["run-suite", "p", "s", "--max-cost", "-1"],
        ["check", "post", "p", "--name", "external/x", "--state", "passed"],
        ["check", "post", "p", "--version", "1", "--name", "external/x", "--state", "green"],
        ["check", "post", "p", "--digest", "ABC", "--name", "external/x", "--state", "passed"],
        ["get", "p"],
    ],
)
def test_command_line__that_cannot_be_right__ends_with_64(line: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(line)
    assert ended.value.code == 64


@pytest.mark.parametrize(
    ("url", "key", "said"),
    [
        ("", KEY, "GREENROOM_URL"),
        ("prompts.example.com", KEY, "GREENROOM_URL"),
        ("https://user:word@prompts.example.com", KEY, "GREENROOM_URL"),
        ("http://127.0.0.1:port", KEY, "GREENROOM_URL"),
        ("http://127.0.0.1:1", "", "GREENROOM_KEY"),
        ("http://127.0.0.1:1", "gr_a\r\nX-Other: b", "copied whole"),
    ],
)
def test_settings__that_cannot_be_right__end_with_64_and_repeat_no_key(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str, key: str, said: str
) -> None:
    monkeypatch.setenv("GREENROOM_URL", url)
    monkeypatch.setenv("GREENROOM_KEY", key)
    assert main(["get", "p", "--environment", "e"]) == 64
    error = capsys.readouterr().err
    assert said in error and "gr_a" not in error and "word" not in error


def test_key_file__goes_before_the_environment_and_is_trimmed(
    serve: Any, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    place = tmp_path / "key"
    place.write_text("gr_of_the_file\n")
    stub = serve(Reply({"text": "é"}))
    assert main(["get", "a/b", "--environment", "production", "--key-file", str(place)]) == 0
    assert stub.calls[0].headers["Authorization"] == "Bearer gr_of_the_file"
    assert stub.calls[0].path == "/api/v1/environments/production/prompts/a%2Fb"
    assert main(["get", "a/b", "--environment", "production", "--key-file", str(tmp_path / "none")]) == 64


def test_words_of_others__cannot_act_where_they_are_shown() -> None:
    assert visible("a\tb\nc") == "a\tb\nc"
    assert visible("\x1b]0;x\x07\u202e") == "\\x1b]0;x\\x07\\u202e"
    assert one_line("a\n::set-output\r\nb") == "a ::set-output b"


def test_help__of_every_command__names_the_exit_codes_or_the_settings() -> None:
    assert "GREENROOM_KEY" in make_parser().format_help()
