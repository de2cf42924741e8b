"""From what a provider said to a row: scored, priced, or noted as an error."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal

from evals_app.costs import cost_of
from evals_app.engine.asking import Outcome
from evals_app.engine.preparing import Prepared, ScoredCase
from evals_app.models import Result
from evals_app.providers.talk import Answer, Question
from evals_app.scorers import Asked, Output, Score, Scored, Tools, combined, score_output
from prompts_app.sandbox import client as sandbox

TOOLS = Tools(match=sandbox.match, schema_mistakes=sandbox.schema_mistakes)


def result_of(outcome: Outcome, prepared: Prepared, graded: Mapping[str, Score] | None = None) -> Result:
    """The row for one outcome, not saved; asks the sandbox where a scorer's pattern or schema is a user's.

    `graded` holds what judges said, by scorer name; a graded scorer that is not in it is left out.
    """
    ask, way = outcome.ask, outcome.way
    result = Result(
        run_id=prepared.run_id,
        case_id=ask.slot.case_id,
        arm=ask.slot.arm,
        repeat=ask.slot.repeat,
        provider_name=way.desk.name,
        model=way.question.model,
        request_digest=way.digest,
        is_cached=outcome.is_cached,
        is_fallback=way is not ask.ways[0],
        attempt=prepared.attempt,
    )
    if outcome.answer is None:
        assert outcome.error is not None
        result.error, result.output = str(outcome.error.kind), outcome.error.excerpt
        return result
    answer, case = outcome.answer, prepared.cases[ask.slot.case_id]
    result.output, result.tool_calls = answer.text, json.dumps(answer.tool_calls, ensure_ascii=False)
    result.input_tokens, result.output_tokens = answer.input_tokens, answer.output_tokens
    result.latency_ms, result.finish_reason = answer.latency_ms, answer.finish_reason
    result.perplexity = answer.perplexity
    result.cost = cost_of(
        base_url=way.desk.endpoint.base_url,
        model=way.question.model,
        input_tokens=answer.input_tokens,
        output_tokens=answer.output_tokens,
    )
    asked = asked_of(way.question, case)
    scored = score_output(
        output_of(answer, result.cost), case.scorers, asked=asked, rendered=case.rendered, tools=TOOLS
    )
    scored = _with_graded(case, scored, graded or {})
    answer_of_all = combined(scored, case.combination)
    result.scores = json.dumps(answer_of_all.rows(scored), ensure_ascii=False)
    result.is_passed = answer_of_all.passed
    return result


def output_of(answer: Answer, cost: Decimal | None = None) -> Output:
    """An answer as scorers see it."""
    dollars = None if cost is None else float(cost)
    return Output(
        answer.text,
        answer.tool_calls,
        answer.input_tokens,
        answer.output_tokens,
        dollars,
        answer.latency_ms,
        answer.finish_reason,
        answer.perplexity,
    )


def asked_of(question: Question, case: ScoredCase) -> Asked:
    """What an answer answers, as scorers see it."""
    tools = question.parameters.get("tools")
    return Asked(
        case.spec.variables, case.spec.expected, question.messages, tuple(tools) if isinstance(tools, list) else ()
    )


def _with_graded(case: ScoredCase, scored: Sequence[Scored], graded: Mapping[str, Score]) -> tuple[Scored, ...]:
    """What all scorers of a case said, in their order."""
    said = {one.spec.name: one for one in scored}
    said |= {spec.name: Scored(spec, graded[spec.name]) for spec in case.scorers if spec.name in graded}
    return tuple(said[spec.name] for spec in case.scorers if spec.name in said)
