"""Finding printed values: one model, structure, test set and metric, wherever they stand."""

from itertools import product

from crossover.statistics.papers.printed import Fact, PairedTest, PrintedDifference, PublishedModel, Score, Value
from crossover.statistics.papers.published import Published

Key = tuple[str, int, str | None, str, str]
"""What a value is about: family, n_train, structure, test set, quantity (a metric, or "median" and the metric)."""


def key_of(value: Value) -> Key:
    """Return what a printed value is about: family, size, structure, test set and quantity."""
    model = value.model
    return model.family, model.n_train, value.structure, value.test_set, value.quantity


def first_values(published: Published) -> dict[Key, Value]:
    """Return each key's value of the place that prints it with the most decimals, the first of them in the file."""
    first: dict[Key, Value] = {}
    for value in published.values:
        there = first.setdefault(key_of(value), value)
        if _precision(value) > _precision(there):
            first[key_of(value)] = value
    return first


def _precision(value: Value) -> tuple[float, bool]:
    """Return how precisely a mean is printed, and whether with a spread."""
    return -value.mean.half_unit, any(x is not None for x in (value.sd, value.se, value.ci, value.iqr))


def first_facts(published: Published) -> dict[str, Fact]:
    """Return each key's fact of the place that comes first in the file."""
    return {fact.key: fact for fact in reversed(published.facts) if fact.key}


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
    family, n, *rest = key
    return _joined(model_text(PublishedModel(family=family, n_train=n)), *rest)


def model_text(model: PublishedModel) -> str:
    """Return a model in words: "transfer-L1 at n = 51"."""
    return f"{model.family} at n = {model.n_train}" if model.n_train else model.family


def pair_text(pair: PairedTest | PrintedDifference) -> str:
    """Return what a comparison is of in words: "target at n = 50 against source, mandible, center, dsc"."""
    models = versus(pair.a, "against", pair.b)
    return _joined(models, pair.structure, pair.test_set, pair.metric)


def key_in(pair: PairedTest | PrintedDifference, model: PublishedModel) -> Key:
    """Return what the mean of one of a comparison's models is about."""
    return model.family, model.n_train, pair.structure, pair.test_set, pair.metric


def key_of_score(score: Score) -> Key:
    """Return what a mean that a test names is about."""
    model = score.model
    return model.family, model.n_train, score.structure, score.test_set, score.metric


def first_tests(published: Published) -> list[tuple[PairedTest, PairedTest]]:
    """Return each printed p with the first one of the same comparison, which is itself where no other comes before it.

    Two tests that the paper names differently have a p each, and so have one that is corrected and one that isn't. A
    p without a named test is that of any.
    """
    first: dict[tuple, list[PairedTest]] = {}
    found = []
    for test in published.paired:
        models = frozenset((test.a, test.b))
        own = first.setdefault((models, test.structure, test.test_set, test.metric, test.corrected), [])
        there = next((t for t in own if t.test == test.test or None in (t.test, test.test)), test)
        if there is test:
            own.append(test)
        found.append((test, there))
    return found


def versus(a: PublishedModel, word: str, b: PublishedModel) -> str:
    """Return two models with a word between them, and their sizes: once, where both have the same."""
    first = a.family if a.n_train == b.n_train else model_text(a)
    return f"{first} {word} {model_text(b)}"


def _joined(*parts: str | None) -> str:
    return ", ".join(filter(None, parts))
