"""Names that two models' files spell differently: matched where only one name can be meant, and told."""

import re
from collections.abc import Iterable, Mapping
from functools import partial
from itertools import combinations

import pandas as pd

from crossover.core.cells import TableError
from crossover.core.image_names import stem
from crossover.core.wording import counted, first_few

TRIED = "upper and lower case, blanks and signs between words, folders, file extensions and leading zeros"
"""What `matched` does away with before it says that a name is of one model only."""
_NUMBERED = re.compile(r"(?:label|class|channel|roi)?[\s_-]*0*(\d+)", re.IGNORECASE)
_some = partial(first_few, most=6)


def matched(table: pd.DataFrame, by: str) -> tuple[pd.DataFrame, list[str]]:
    """Give test sets, structures and cases one name each under all models.

    Names that all models have stay. Of the others those are the same that differ in `TRIED` only, where no
    model has two of them; then structures by their number ("label 1", "class1", "1"), where all models have the same
    numbers but for 0, the background.

    Args:
        table: with the columns cohort, structure and case.
        by: the column that names the model.

    Returns:
        The table by the first model's names, and a note for each column and model with the names changed.

    Raises:
        TableError: names of one model that may each be another model's one; cases whose names differ by the same
        ending or beginning between two models, which would count as cases that the other one lacks.
    """
    notes, findings = [], []
    for column in ("cohort", "structure", "case"):
        within = table["cohort"] if column == "case" else pd.Series("", table.index)
        for _, rows in table.groupby(within, sort=False):
            names = {m: list(own.unique()) for m, own in rows.groupby(by, sort=False)[column]}
            new, wrong = _same(names, column)
            if column == "structure":
                new |= _numbered(names)
            findings += wrong
            notes += _changed(new, column)
            if column == "case":
                findings += _affixed({m: [new.get((m, n), n) for n in own] for m, own in names.items()})
            if new:
                pairs = zip(rows[by], rows[column], strict=True)
                table.loc[rows.index, column] = [new.get(pair, pair[1]) for pair in pairs]
    if findings:
        raise TableError("\n".join(findings))
    return table, notes


def _affixed(names: Mapping[str, list[str]]) -> Iterable[str]:
    """Yield what to mend where each case that one model alone has is one that another alone has, but for an affix."""
    for (a, of_a), (b, of_b) in combinations(names.items(), 2):
        alone = sorted(set(of_a) - set(of_b), key=len), sorted(set(of_b) - set(of_a), key=len)
        short, long = sorted(alone, key=lambda own: sum(map(len, own)))
        if not short or len(short) != len(long):
            continue
        added = {name.removeprefix(short[0]) for name in long if name.startswith(short[0])} | {
            name.removesuffix(short[0]) for name in long if name.endswith(short[0])
        }
        for affix in sorted(a for a in added if a and not a.isdigit()):  # p1 and p10 are two cases
            if {name + affix for name in short} == set(long) or {affix + name for name in short} == set(long):
                yield (
                    f"case: {counted(len(short), 'name')} of {a} and {b} differ by {affix!r} alone ({_some(short)}): "
                    "if these are the same cases, give them the same names in both files; if not, other names"
                )
                break


def apart(names: Mapping[str, Iterable[str]], what: str) -> list[str]:
    """Return notes that say which names not all models have, and which models have them."""
    under: dict[tuple[str, ...], list[str]] = {}
    for name in dict.fromkeys(n for own in names.values() for n in own):
        models = tuple(m for m, own in names.items() if name in own)
        if len(models) < len(names):
            under.setdefault(models, []).append(name)
    found = [f"only under {', '.join(models)}: {_some(own)}" for models, own in under.items()]
    return [f"{what} {'; '.join(found)}"] if found else []


def _same(names: Mapping[str, list[str]], column: str) -> tuple[dict, list[str]]:
    """Return (model, name) -> the first model's name for it, and what is ambiguous."""
    every = set.intersection(*map(set, names.values()))
    new: dict[tuple[str, str], str] = {}
    findings = []
    groups: dict[str, dict[str, list[str]]] = {}
    for model, own in names.items():
        for name in own:
            if name not in every:
                key = _key(name, column != "case")
                groups.setdefault(key, {}).setdefault(model, []).append(name)
    for group in groups.values():
        if len({tuple(sorted(own)) for own in group.values()}) == 1:
            continue
        if max(map(len, group.values())) > 1:
            listed = "; ".join(f"{m}: {_some(own)}" for m, own in group.items())
            findings.append(f"{column}: which of these are the same? Give them the same names: {listed}")
            continue
        first = next(iter(group.values()))[0]
        new |= {(m, own[0]): first for m, own in group.items() if own[0] != first}
    return new, findings


def _key(name: str, structure: bool) -> str:
    name = name if structure else stem(name)
    name = re.sub(r"[\s_-]+", "-", name.strip().casefold())
    return re.sub(r"\d+", lambda digits: digits[0].lstrip("0") or "0", name)


def _numbered(names: Mapping[str, list[str]]) -> dict[tuple[str, str], str]:
    """Return structures of the same number, where all models number theirs alike."""
    numbers: dict[str, dict[str, str]] = {}
    for model, own in names.items():
        for name in own:
            if not (match := _NUMBERED.fullmatch(name)):
                return {}
            numbers.setdefault(model, {})[match[1]] = name
    counted = {tuple(sorted(set(own) - {"0"})) for own in numbers.values()}
    if len(counted) > 1 or any(len(numbers[m]) < len(own) for m, own in names.items()):
        return {}
    first: dict[str, str] = {}
    for numbered in numbers.values():
        for number, name in numbered.items():
            first.setdefault(number, name)
    return {(m, n): first[k] for m, own in numbers.items() for k, n in own.items() if first[k] != n}


def _changed(new: Mapping[tuple[str, str], str], column: str) -> list[str]:
    by_model: dict[str, list[str]] = {}
    for (model, name), first in new.items():
        by_model.setdefault(model, []).append(f"{name!r} is taken for {first!r}")
    return [f"{column} of {model}, matched: {_some(own)}" for model, own in by_model.items()]
