"""Expressions of printed numbers, as statements have them: `enrolled - without_tumour`.

Names are the keys of facts. Functions read the tables:

* `score(metric, family, n_train, test_set[, structure])`: a printed mean, of its table where it stands in one.
* `cases(test_set)`, `structures(test_set)`: its cases; the number of single structures with scores.
* `count(variable, category)`: of the table of patients, all parts together.
* `average_of(variable)`, `spread_of(variable)`: of all patients of that table, from its parts.
* `icc_low(family, n_train)`, `icc_high(...)`: the ends of a printed range.
* `convolutions(layer, ...)`, `side(layer)`: of the printed architecture: kernels times repeats; pixels of the
  last output.
* `cells()`, `selected_mean()`, `selected_sd()`: of the printed grid.
* `mean`, `min`, `max` of numbers; `two_sided_signs(n)`: p where all of n signs are equal.
"""

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

from crossover.core.wording import first_few
from crossover.statistics.papers.audit.design import selected
from crossover.statistics.papers.audit.interval import Interval, average, exactly, unrounded
from crossover.statistics.papers.audit.lookup import Key, first_facts, first_values, key_text, model_text
from crossover.statistics.papers.audit.places import fact_interval
from crossover.statistics.papers.printed import PublishedModel
from crossover.statistics.papers.published import PrintedGrid, Published, TableOne
from crossover.statistics.scores.metrics_table import POOLED
from crossover.statistics.scores.scales import known_as

OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


QUOTED = """names in functions need quotes, as in score("dsc", "A", 10, "internal") or cases("internal")"""


class ExpressionError(ValueError):
    """An expression that can't be evaluated, and why."""


def evaluate(text: str, published: Published) -> Interval:
    """Return all values that the expression may have, each printed number being rounded by itself.

    Raises:
        ExpressionError: not an expression of these, or a name or number that isn't printed.
    """
    functions = {name: make(published) for name, make in FUNCTIONS.items()}
    facts = {key: fact_interval(fact) for key, fact in first_facts(published).items()}
    try:
        return _value(ast.parse(text, mode="eval").body, facts, functions)
    except ExpressionError as error:
        raise ExpressionError(f"{text}: {error}") from None
    except SyntaxError:
        raise ExpressionError(f"{text}: it is not an expression; {QUOTED}") from None
    except ZeroDivisionError:
        raise ExpressionError(f"{text}: it divides by what may be 0") from None
    except (TypeError, KeyError, AttributeError, ValueError, IndexError):
        raise ExpressionError(f"{text}: a function has arguments of another kind or number; {QUOTED}") from None


def named(text: str) -> list[str]:
    """Return the keys of facts that an expression names, in order."""
    tree = ast.parse(text, mode="eval")
    called = {id(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
    return [n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and id(n) not in called]


def _value(node: ast.expr, facts: dict, functions: dict[str, Callable]) -> Interval:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return exactly(node.value)
    if isinstance(node, ast.Name):
        if node.id not in facts:
            raise ExpressionError(f"no fact has the key {node.id!r}")
        return facts[node.id]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand, facts, functions)
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        left, right = (_value(side, facts, functions) for side in (node.left, node.right))
        return OPERATORS[type(node.op)](left, right)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        if node.func.id in COMBINED:
            return COMBINED[node.func.id]([_value(a, facts, functions) for a in node.args])
        if node.func.id in functions:
            return functions[node.func.id](*(_argument(a) for a in node.args))
    raise ExpressionError(f"{ast.unparse(node)} is not a number, a name, a sum or a function of these")


def _argument(node: ast.expr) -> Any:
    """Return a function's argument, a number or a name in quotes."""
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise ExpressionError(f"{ast.unparse(node)} is a name without quotes; {QUOTED}") from None


def _one_of(found: Mapping, key: Any, what: str) -> Any:
    """Return what has a key.

    Raises:
        ExpressionError: nothing has it; the message names the keys that there are.
    """
    if key not in found:
        there = first_few([str(one) for one in found], sign="; ") or "none"
        raise ExpressionError(f"no {what} {key!r} is printed; there are: {there}")
    return found[key]


def _extreme(of: Callable) -> Callable[[list[Interval]], Interval]:
    return lambda terms: Interval(of(t.low for t in terms), of(t.high for t in terms))


def _score(published: Published) -> Callable[..., Interval]:
    values = first_values(published)

    def score(metric: str, family: str, n: int, test_set: str, structure: str | None = None) -> Interval:
        key: Key = (family, n, structure, test_set, known_as(metric))
        if key not in values:
            there = first_few([key_text(one) for one in values], sign="; ")
            raise ExpressionError(f"no mean of {key_text(key)}; there are: {there}")
        return unrounded(values[key].mean)

    return score


def _structures(published: Published) -> Callable[[str], Interval]:
    single = {(v.test_set, v.structure) for v in published.values}
    named = [s for s in single if s[1] not in (None, POOLED)]
    return lambda test_set: exactly(sum(t == test_set for t, _ in named))


def _count(published: Published) -> Callable[[str, str], Interval]:
    def count(variable: str, category: str) -> Interval:
        rows = {row.variable: row for row in _table_one(published).categorical}
        cell = _one_of(_one_of(rows, variable, "variable with counts").categories, category, f"category of {variable}")
        return exactly(cell.training[0] + cell.testing[0])

    return count


def _continuous(published: Published, which: int) -> Callable[[str], Interval]:
    """Return the mean of all patients, or about their SD, from the parts' weighted by their patients."""

    def of_all(variable: str) -> Interval:
        rows = {row.variable: row for row in _table_one(published).continuous}
        row = _one_of(rows, variable, "variable with a mean")
        parts = [unrounded(part[which]) for part in (row.training, row.testing)]
        return average(parts, list(_table_one(published).patients.values()))

    return of_all


def _icc(published: Published, end: int) -> Callable[[str, int], Interval]:
    ranges = {model_text(i.model): i.range for i in reversed(published.icc)}

    def icc(family: str, n: int) -> Interval:
        return unrounded(_one_of(ranges, model_text(PublishedModel(family=family, n_train=n)), "ICC of")[end])

    return icc


def _layers(published: Published) -> dict:
    return {row.layer: row for row in published.architecture.rows} if published.architecture else {}


def _convolutions(published: Published) -> Callable[..., Interval]:
    rows = _layers(published)

    def convolutions(*names: str) -> Interval:
        named = [_one_of(rows, name, "layer") for name in names]
        return exactly(sum(len(row.kernels) * row.repeats for row in named))

    return convolutions


FUNCTIONS: dict[str, Callable[[Published], Callable[..., Interval]]] = {
    "score": _score,
    "structures": _structures,
    "count": _count,
    "cases": lambda p: lambda test_set: exactly(_cases(p, test_set)),
    "average_of": lambda p: _continuous(p, 0),
    "spread_of": lambda p: _continuous(p, 1),
    "icc_low": lambda p: _icc(p, 0),
    "icc_high": lambda p: _icc(p, 1),
    "convolutions": _convolutions,
    "side": lambda p: lambda layer: exactly(_one_of(_layers(p), layer, "layer").outputs[-1][0]),
    "cells": lambda p: lambda: exactly(len(_grid(p).cells)),
    "selected_mean": lambda p: lambda: unrounded(selected(_grid(p)).mean),
    "selected_sd": lambda p: lambda: unrounded(selected(_grid(p)).sd),
}
COMBINED: dict[str, Callable[[list[Interval]], Interval]] = {
    "mean": average,
    "min": _extreme(min),
    "max": _extreme(max),
    "two_sided_signs": lambda terms: Interval(2 * 0.5 ** terms[0].high, 2 * 0.5 ** terms[0].low),
}


def _cases(published: Published, test_set: str) -> int:
    known = published.test_sets.get(test_set)
    if known is None or known.cases is None:
        raise ExpressionError(f"no number of cases of {test_set!r} is printed")
    return known.cases


def _grid(published: Published) -> PrintedGrid:
    if published.grid is None:
        raise ExpressionError("the paper has no grid of networks")
    return published.grid


def _table_one(published: Published) -> TableOne:
    if published.table_one is None:
        raise ExpressionError("the paper has no table of patients")
    return published.table_one


def whole_number(interval: Interval) -> float:
    """Return how far the interval is from a whole number; 0 where it holds one."""
    if math.floor(interval.high + 1e-9) >= interval.low - 1e-9:
        return 0.0
    return min(interval.low - math.floor(interval.low), math.ceil(interval.high) - interval.high)
