"""Finding printed values: one model, structure, test set and metric, wherever they stand."""

from itertools import product

from crossover.statistics.papers.printed import Value
from crossover.statistics.papers.published import Published

Key = tuple[str, int, str | None, str, str]
"""What a value is about: family, n_train, structure, test set, quantity (a metric, or "median" and the metric)."""
POOLED_STRUCTURE = "all"


def key_of(value: Value) -> Key:
    """Return what a printed value is about: family, size, structure, test set and quantity."""
    model = value.model
    return model.family, model.n_train, value.structure, value.test_set, value.quantity


def first_values(published: Published) -> dict[Key, Value]:
    """Return each key's value of the place that comes first in the file: its table, where it has one."""
    first: dict[Key, Value] = {}
    for value in published.values:
        first.setdefault(key_of(value), value)
    return first


def at_size(
    values: dict[Key, Value], family: str, n: int, structure: str | None, test_set: str, metric: str
) -> Value | None:
    """Return the family's mean at a size, or median; None where none is printed.

    Families that train on no target case have one value for every size.
    """
    keys = product((metric, f"median {metric}"), (n, 0))
    found = (values.get((family, size, structure, test_set, what)) for what, size in keys)
    return next(filter(None, found), None)


def key_text(key: Key) -> str:
    """Return a key in words: "transfer-L1 at n = 51, uterus, dsc"."""
    family, n, structure, test_set, metric = key
    model = f"{family} at n = {n}" if n else family
    return ", ".join([model, *([structure] if structure else []), test_set, metric])
