"""Finding printed values: one model, structure, test set and metric, wherever they stand."""

from __future__ import annotations

from crossover.findings.printed import Value
from crossover.findings.published import Published

Key = tuple[str, int, str | None, str, str]
"""Family, n_train, structure, test set, metric."""
POOLED_STRUCTURE = "all"


def key_of(value: Value) -> Key:
    """Return what a printed value is about: family, size, structure, test set and metric."""
    model = value.model
    return model.family, model.n_train, value.structure, value.test_set, value.metric


def first_values(published: Published) -> dict[Key, Value]:
    """Each key's value of the place that comes first in the file: its table, where it has one."""
    first: dict[Key, Value] = {}
    for value in published.values:
        first.setdefault(key_of(value), value)
    return first


def at_size(
    values: dict[Key, Value], family: str, n: int, structure: str | None, test_set: str, metric: str
) -> Value | None:
    """The family's value at a size; families that train on no target case have one for every size."""
    found = values.get((family, n, structure, test_set, metric))
    return found or values.get((family, 0, structure, test_set, metric))


def told(key: Key) -> str:
    """A key in words: "transfer-L1 at n = 51, uterus, dsc"."""
    family, n, structure, test_set, metric = key
    model = f"{family} at n = {n}" if n else family
    return ", ".join([model, *([structure] if structure else []), test_set, metric])
