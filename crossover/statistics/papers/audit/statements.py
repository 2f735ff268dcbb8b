"""Statements of the text as relations of printed numbers."""

import math

from crossover.core.configuration import entry
from crossover.statistics.papers.audit.expressions import ExpressionError, evaluate, named, whole_number
from crossover.statistics.papers.audit.interval import Interval
from crossover.statistics.papers.audit.lookup import first_facts
from crossover.statistics.papers.audit.verdicts import (
    DEPENDS,
    FOLLOWS,
    NOT,
    AuditRow,
    Interpretation,
    Verdict,
    judged,
    places,
)
from crossover.statistics.papers.printed import Statement
from crossover.statistics.papers.published import Published

CHECK = "statement"
WORDS = {
    "equals": "",
    "at_most": "at most ",
    "below": "below ",
    "at_least": "at least ",
    "above": "above ",
}


def statements(published: Published) -> list[AuditRow]:
    """Check every statement of the paper's text against its numbers.

    Raises:
        ExpressionError: a side that can't be evaluated.
    """
    return [_whole(s, published) if s.relation == "whole" else _relation(s, published)
            for s in published.statements]  # fmt: skip


def wrong_statements(published: Published) -> list[str]:
    """Return the place of each side that can't be evaluated, with what is wrong there."""
    found = []
    for k, said in enumerate(published.statements):
        for place, text in (("left", said.left), *((f"right.{name}", text) for name, text in said.right.items())):
            try:
                evaluate(text, published)
            except ExpressionError as error:
                found.append(f"statements.{entry(k)}.{place}: {error}")
    return found


def _relation(said: Statement, published: Published) -> AuditRow:
    left = evaluate(said.left, published)
    interpretations = [Interpretation(name, evaluate(text, published)) for name, text in said.right.items()]
    if len(interpretations) == 1:
        sides = f"{WORDS[said.relation]}{next(iter(said.right.values()))} = {_interval_text(interpretations[0].value)}"
    else:
        sides = "; ".join(f"{r.name}: {WORDS[said.relation]}{_interval_text(r.value)}" for r in interpretations)
    return judged(
        CHECK, said.about, _where(said, published), _printed(said.left, published, left), sides, left,
        interpretations, relation=said.relation, note=said.note,
    )  # fmt: skip


def _whole(said: Statement, published: Published) -> AuditRow:
    value = evaluate(said.left, published)
    off = whole_number(value)
    verdict: Verdict
    verdict, interpretation = (DEPENDS, "rounded") if off and said.or_rounded else (NOT if off else FOLLOWS, "")
    return AuditRow(
        CHECK, said.about, _where(said, published), _printed(said.left, published, value), "a whole number",
        verdict, value.low, value.high, interpretation, off if verdict == NOT else math.nan, said.note,
    )  # fmt: skip


def _where(said: Statement, published: Published) -> str:
    keys = [key for text in (said.left, *said.right.values()) for key in named(text)]
    facts = first_facts(published)
    return places(said.where, *(facts[key].where for key in keys if key in facts))


def _printed(text: str, published: Published, value: Interval) -> str:
    if fact := first_facts(published).get(text):
        return fact.value.text + (f" {fact.unit}" if fact.unit else "")
    return f"{text} = {_interval_text(value)}"


def _interval_text(value: Interval) -> str:
    low, high = f"{value.low:.4g}", f"{value.high:.4g}"
    return low if low == high else f"{low} to {high}"
