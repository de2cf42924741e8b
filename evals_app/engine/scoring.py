"""From what a provider said to a row: scored, priced, or noted as an error."""

import json

from evals_app.costs import cost_of
from evals_app.engine.asking import Outcome
from evals_app.engine.preparing import Prepared, ScoredCase
from evals_app.models import Result
from evals_app.providers.talk import Answer, Question
from evals_app.scorers import Asked, Output, Tools, combined, score_output
from prompts_app.sandbox import client as sandbox

TOOLS = Tools(match=sandbox.match, schema_mistakes=sandbox.schema_mistakes)


def result_of(outcome: Outcome, prepared: Prepared) -> Result:
    """The row for one outcome, not saved; asks the sandbox where a scorer's pattern or schema is a user's."""
    ask, way = outcome.ask, outcome.way
    result = Result(
        run_id=prepared.run_id,
        case_id=ask.slot.case_id,
        arm=ask.slot.arm,
        repeat=ask.slot.repeat,
        provider_name=way.desk.name,
        model=way.question.model,
        request_digest=way.digest,
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
    result.latency_ms = answer.latency_ms
    result.cost = cost_of(
        base_url=way.desk.endpoint.base_url,
        model=way.question.model,
        input_tokens=answer.input_tokens,
        output_tokens=answer.output_tokens,
    )
    scored = score_output(
        _output(answer, result), case.scorers, asked=_asked(way.question, case), rendered=case.rendered, tools=TOOLS
    )
    answer_of_all = combined(scored, case.combination)
    result.scores = json.dumps(answer_of_all.rows(scored), ensure_ascii=False)
    result.is_passed = answer_of_all.passed
    return result


def _output(answer: Answer, result: Result) -> Output:
    cost = None if result.cost is None else float(result.cost)
    return Output(answer.text, answer.tool_calls, answer.input_tokens, answer.output_tokens, cost, answer.latency_ms)


def _asked(question: Question, case: ScoredCase) -> Asked:
    tools = question.parameters.get("tools")
    return Asked(
        case.spec.variables, case.spec.expected, question.messages, tuple(tools) if isinstance(tools, list) else ()
    )
