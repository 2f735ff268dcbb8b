"""The names of a paper's file: of its models, sizes, test sets, structures and metrics.

A name that stands nowhere else would make checks find no number and say nothing. So the types below look each name
up among those that the file declares (`Names`, the context of the validation), and a wrong one is a finding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationInfo

from crossover.statistics.scores.scales import AMBIGUOUS, KNOWN, known_as, plain

ICC = "icc"
"""What orderings compare besides metrics: the paper's ICCs."""


@dataclass(frozen=True)
class Names:
    """What a file declares: models and structures by their scores, the others by keys of their own."""

    models: frozenset[str] = frozenset()
    structures: frozenset[str] = frozenset()
    test_sets: frozenset[str] = frozenset()
    sizes: frozenset[int] = frozenset()
    metrics: frozenset[str] = frozenset()
    """Those of `other_metrics`."""
    printed: dict[tuple, set[int]] = field(default_factory=dict)
    """(model, structure, test set, metric) -> the sizes at which a score of it is printed."""


def names_in(values: dict) -> Names:
    """Return the names that a paper's file declares, read before it is checked: what isn't as it should be is left out.

    Args:
        values: as read from the file.
    """
    scores, ranges = _entries(values, "values"), _entries(values, "icc")
    without = set(_texts(values.get("without_scores")))
    printed: dict[tuple, set[int]] = {}
    for one in scores:
        family, n = _model(one)
        key = (family, one.get("structure"), one.get("test_set"), known_as(str(one.get("metric"))))
        printed.setdefault(tuple(map(_text, key)), set()).add(n)
    sets = values.get("test_sets") or [one.get("test_set") for one in scores]
    return Names(
        models=frozenset(_with(without, _texts(_model(one)[0] for one in (*scores, *ranges)))),
        structures=frozenset(_with(without, _texts(one.get("structure") for one in scores))),
        test_sets=frozenset(_texts(sets)),
        sizes=frozenset(n for n in _list(values.get("sizes")) if isinstance(n, int)),
        metrics=frozenset(_texts(values.get("other_metrics"))),
        printed=printed,
    )


def _with(more: set[str], names: Iterable[str]) -> set[str]:
    """Return the names and more of them; none where there are no names, for then each will do."""
    own = set(names)
    return own | more if own else own


def _list(found: Any) -> list:
    return list(found) if isinstance(found, list | dict) else []


def _entries(values: dict, key: str) -> list[dict]:
    return [one for one in _list(values.get(key)) if isinstance(one, dict)]


def _texts(found: Any) -> Iterator[str]:
    several = isinstance(found, Iterable) and not isinstance(found, str)
    return (one for one in (found if several else ()) if isinstance(one, str))


def _text(found: Any) -> str | None:
    return found if isinstance(found, str) else None


def _model(entry: dict) -> tuple[Any, int]:
    """Return an entry's family and size, 0 for none."""
    model = entry.get("model")
    found = model if isinstance(model, dict) else {}
    n = found.get("n_train")
    return found.get("family"), n if isinstance(n, int) else 0


def names_of(info: ValidationInfo) -> Names | None:
    """Return the names that the file declares; None where a part of a paper is checked by itself."""
    return info.context if isinstance(info.context, Names) else None


def _among(kind: str, what: str, more: str = "") -> Callable[[Any, ValidationInfo], Any]:
    """Return a check that a name is one of `Names`' `kind`; without any of that kind each name will do."""

    def check(name: Any, info: ValidationInfo) -> Any:
        names = names_of(info)
        there = getattr(names, kind) if names else ()
        if there and name not in there:
            raise ValueError(f"no {what} {name!r}; there are: {_joined(there)}{more}")
        return name

    return check


def _size(n: int, info: ValidationInfo) -> int:
    names = names_of(info)
    if names and n and n not in names.sizes:
        raise ValueError(f"no size {n}; there are: {_joined({0, *names.sizes})} (0 where models have none)")
    return n


def _metric(name: str, info: ValidationInfo) -> str:
    """Return the metric by the name of `scales.KNOWN`, which a paper may print in another way."""
    metric, names = known_as(name), names_of(info)
    if names is None or metric in (*KNOWN, *names.metrics, ICC):
        return metric
    if several := AMBIGUOUS.get(plain(name)):
        raise ValueError(f"{name!r} may be {' or '.join(several)}: write the one that is meant")
    raise ValueError(
        f"no metric {name!r}; known are: {', '.join(KNOWN)}, and their usual names. Declare another metric as "
        f"other_metrics: {{{name}: higher}} (or lower, or neither), by which of its values are better"
    )


def _joined(names: Iterable[Any]) -> str:
    return ", ".join(map(str, sorted(names)))


WITHOUT = " (or declared in without_scores)"
ModelName = Annotated[str, AfterValidator(_among("models", "model", WITHOUT))]
StructureName = Annotated[str, AfterValidator(_among("structures", "structure", WITHOUT))]
TestSetName = Annotated[str, AfterValidator(_among("test_sets", "test set"))]
TrainingSize = Annotated[int, Field(ge=0), AfterValidator(_size)]
MetricName = Annotated[str, AfterValidator(_metric)]
