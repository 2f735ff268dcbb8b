"""Which way to train is best at each number of labelled cases, from the verdicts on pairs: the answer of a study.

At a size a family is beaten where another one's mean on the same test cases of the target is better and p < alpha
(`differences.paired`, `differences.repeated`), or where the verdict on their crossover says so: below the interval of
n* the one is ahead, above it the other (`learning_curves.crossing`). What isn't beaten is what the data leave to choose
from. Every size and pair is judged for itself, as crossovers are, so that studies of equal strategies often have some
difference (docs/results.md): what Holm's correction doesn't leave, or what is beaten by the one-sided tests of a
verdict on a crossover alone, is called a hint where it is said, and counted by `rests_on`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from string import ascii_lowercase

import pandas as pd

from crossover.analyses.figures import style
from crossover.core.wording import counted
from crossover.report.formats import bound, listed, quoted
from crossover.report.prose import statements
from crossover.report.results import StudyResults
from crossover.statistics.estimates.chance import MODELS
from crossover.statistics.learning_curves.crossing import CROSSES, NONE, stays_ahead
from crossover.statistics.scores.metrics_table import MEAN_NAME, POOLED
from crossover.statistics.scores.scales import direction
from crossover.study.families import Family, baseline, families, main_question, trained_part
from crossover.study.schema import Study

CI = ("ci_low", "ci_high")
MOST_GROUPS = 3
"""Sentences about single structures; of more groups of them the picture tells."""


@dataclass(frozen=True)
class Choice:
    """What the data leave to choose from at a size, and what they show to be worse, in the study's order.

    Attributes:
        hints: those of the beaten that no difference shows to be worse after correction.
        ahead: family -> the mean of its differences from the others there, by which they are named.
        by_crossover: how many are beaten by verdicts on crossovers alone.
    """

    best: tuple[str, ...]
    beaten: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    ahead: Mapping[str, float] = field(default_factory=dict, compare=False)
    by_crossover: int = field(default=0, compare=False)


MOST_NAMED = 6
"""Sizes of the picture under which strategies are called by their names; columns of more are too narrow for them."""

Choices = Mapping[int, Choice]
"""The choices of a structure, or of the mean over all, by size."""


def best_by_size(results: StudyResults, structure: str) -> Choices:
    """Return the choices for a structure, `POOLED` for the mean of all; empty where no pairs were compared."""
    study = results.study
    pairs = _pairs(results, structure)
    crossings = results.frame("crossover", "test_set", "structure")
    crossings = crossings[crossings["test_set"].eq(study.target) & crossings["structure"].eq(structure)].to_dict(
        "records"
    )
    out = {}
    for n in (n for n in study.sizes if n in set(pairs["n_train"])):
        rows = pairs[_at(pairs, n)]
        there = [f for f in main_question(study) if f in {*rows["family_a"], *rows["family_b"]}]
        decided = [row for row in crossings if {row["ahead"], row["overtakes"]} <= set(there)]
        by_p, shown = (set(_worse(rows[own])) for own in (rows["p"] < study.statistics.alpha, _left(rows, study)))
        worse = by_p | set(left_behind(decided, n))
        ahead = {f: _ahead(rows, f) for f in there}
        best = tuple(f for f in there if f not in worse)
        # of verdicts that contradict each other, so that nothing is left, none is taken
        beaten = tuple(f for f in there if f in worse) if best else ()
        hints = tuple(f for f in beaten if f not in shown)
        out[n] = Choice(best or tuple(there), beaten, hints, ahead, len({*beaten} - by_p))
    return out


def _left(pairs: pd.DataFrame, study: Study) -> pd.Series:
    """Return which pairs' differences remain after Holm's correction.

    Those of the mean over the structures are corrected among themselves (`differences.paired`), those of single
    structures with all others of the study (`differences.repeated`).
    """
    if pairs["structure"].eq(POOLED).any():
        return pairs["p_holm"] < study.statistics.alpha
    return pairs["significant"].astype(bool)


def _at(pairs: pd.DataFrame, n: int) -> pd.Series:
    """Return which pairs are compared at a size; two families without sizes are the same at all of them."""
    return pairs["n_train"].isin([0, n])


def _ahead(rows: pd.DataFrame, family: str) -> float:
    """Return the mean of a family's differences from the others."""
    first, second = rows["family_a"].eq(family), rows["family_b"].eq(family)
    return float(pd.Series([*rows.loc[first, "difference"], *-rows.loc[second, "difference"]]).mean())


def _pairs(results: StudyResults, *structures: str) -> pd.DataFrame:
    """Return the main question's pairs of structures, or of their mean, on the target's test cases.

    Their `difference` is above 0 where the first family is better, whatever the metric.
    """
    name, asked = "paired" if structures == (POOLED,) else "pairwise", main_question(results.study)
    rows = results.frame(
        name, "test_set", "structure", "n_train", "family_a", "family_b", "difference", "p", "about", *CI
    )
    here = rows["test_set"].eq(results.study.target) & rows["structure"].isin(structures)
    better = direction(results.study.statistics.metric) * rows["difference"]
    return rows.assign(difference=better)[here & rows["family_a"].isin(asked) & rows["family_b"].isin(asked)]


def _worse(rows: pd.DataFrame) -> list[str]:
    """Return the family of the worse mean of each pair."""
    return [r.family_a if r.difference < 0 else r.family_b for r in rows.itertuples()]


def left_behind(crossings: Iterable[Mapping], n: int) -> Iterator[str]:
    """Yield what the verdicts on crossovers, rows of `crossing.crossovers`, say is behind at a size."""
    for row in crossings:
        if not row["n_smallest"] <= n <= row["n_largest"]:
            continue
        if row["verdict"] == NONE:
            yield stays_ahead(row)[1]
        elif row["verdict"] == CROSSES and (n < row["ci_low"] or n == row["n_smallest"]):
            yield row["overtakes"]
        elif row["verdict"] == CROSSES and (n > row["ci_high"] or n == row["n_largest"]):
            yield row["ahead"]


# ---- in words


def answer_in_short(results: StudyResults) -> list[str]:
    """Return the answer in a sentence; of several structures that of their mean, then what differs from it."""
    own = _by_structure(results)
    said = [_sentence(results.study, about, choices) for about, choices in _groups(results.study, own)]
    if said and _pairs(results, *results.study.structures)["about"].eq(MODELS).any():
        said += statements(results.study, "answer_of_models")
    return said + _lacking(results.study, own)


def other_levels(results: StudyResults) -> list[str]:
    """Say which levels were trained beside those of the answer, which has the first one of each strategy."""
    study, own = results.study, _by_structure(results)
    there = {f for choices in own.values() for choice in choices.values() for f in (*choice.best, *choice.beaten)}
    known, told = families(study), {}
    for family in (f for f in known.values() if f.name in there):
        others = [f.name for f in known.values() if f.strategy == family.strategy and f.name not in there]
        if others:
            told[style.family_label(study, family.name)] = [quoted(style.family_label(study, f)) for f in others]
    return statements(study, "answer_levels", told=told)


def _lacking(study: Study, own: Mapping[str, Choices]) -> list[str]:
    """Say which structures have no result, and which families have none at sizes of the answer, but at others.

    Of the mean over the structures all is said, and of each structure what it lacks beside that.
    """
    whole = _without(study, own.get(POOLED, {}))
    several, told = len(study.structures) > 1, [("", whole)]
    for name, choices in ((name, choices) for name, choices in own.items() if name != POOLED):
        lacks = {label: sizes for label, sizes in _without(study, choices).items() if whole.get(label) != sizes}
        told.append((f"{study.structures[name].label}: " if several else "", lacks))
    said = [about + text for about, lacks in told for text in statements(study, "answer_lacks", lacks=lacks)]
    gone = [about.label for name, about in study.structures.items() if own and name not in own]
    return statements(study, "answer_without_structures", gone=gone) + said


def _without(study: Study, choices: Choices) -> dict[str, str]:
    """Return the sizes at which a family has no result, by its label; of those that have results at others."""
    there = {n: {*choice.best, *choice.beaten} for n, choice in choices.items()}
    return {
        style.family_label(study, family): ranges([n for n in there if family not in there[n]], study.sizes)
        for family in main_question(study)
        if any(family in own for own in there.values()) and any(family not in own for own in there.values())
    }


def rests_on(results: StudyResults) -> list[str]:
    """Say what is left of the differences behind the answer after correction, and what rests on crossovers alone."""
    study = results.study
    pairs, alpha = _pairs(results, *study.structures), study.statistics.alpha
    found = pairs[pairs["p"] < alpha]
    whole = _pairs(results, POOLED) if len(study.structures) > 1 else pairs[:0]
    averaged = whole[whole["p"] < alpha]
    choices = [choice for own in _by_structure(results).values() for choice in own.values()]
    facts = {"found": len(found), "averaged": len(averaged), "crossed": sum(c.by_crossover for c in choices)}
    for rows, left, tests in ((found, "left", "tests"), (averaged, "averaged_left", "averaged_tests")):
        if len(rows):
            facts |= {left: _left(rows, study).sum(), tests: rows["tests"].max()}
    return statements(study, "answer_rests_on", **facts)


def cost_of_choice(results: StudyResults) -> list[str]:
    """Say by how much the strategies that are left at each size can differ: what a wrong choice among them costs."""
    most = {n: bound(limit) for n, limit in most_apart(results).items()}
    return statements(results.study, "answer_costs", most=most) if most else []


def most_apart(results: StudyResults) -> dict[int, float]:
    """Return, by size, the limit furthest from 0 of the intervals of the differences between the strategies left there.

    Of several structures it is of the mean over them. Sizes at which one strategy is left have none.
    """
    study = results.study
    structure = POOLED if len(study.structures) > 1 else next(iter(study.structures))
    pairs = _pairs(results, structure)
    most: dict[int, float] = {}
    for n, choice in best_by_size(results, structure).items():
        left = _at(pairs, n) & pairs["family_a"].isin(choice.best) & pairs["family_b"].isin(choice.best)
        limits = pairs.loc[left, [*CI]].abs()
        if limits.size and limits.notna().all(axis=None):
            most[n] = limits.max(axis=None)
    return most


def _by_structure(results: StudyResults) -> dict[str, Choices]:
    """Return the choices of the mean over all structures, where there are several, and of each."""
    names = [*results.study.structures]
    names = [POOLED, *names] if len(names) > 1 else names
    return {name: choices for name in names if (choices := best_by_size(results, name))}


def _groups(study: Study, own: Mapping[str, Choices]) -> Iterator[tuple[str, Choices]]:
    """Yield (what it is about, choices) of structures with the same choices, the mean over all of them first."""
    alike: list[tuple[list[str], Choices]] = []
    for name, choices in own.items():
        same = [names for names, known in alike if known == choices and names != [POOLED]]
        same[0].append(name) if same else alike.append(([name], choices))
    pooled = own.get(POOLED)
    parts = [(names, choices) for names, choices in alike if names != [POOLED] and choices != pooled]
    if pooled:
        count = len(own) - 1
        whole = "" if parts else " and for each of them"
        have = "has" if count == 1 else "have"
        whole = f" that {have} results{whole}" if count < len(study.structures) else whole
        yield f"On average over the {counted(count, 'structure')}{whole}: ", pooled
    for names, choices in parts if len(parts) <= MOST_GROUPS else []:
        every = len(names) == len(study.structures)
        labels = "Each structure" if every else listed([study.structures[name].label for name in names])
        yield "" if len(study.structures) == 1 else f"{labels}: ", choices


def _sentence(study: Study, about: str, choices: Choices) -> str:
    every = [f for f in main_question(study) if any(f in (*c.best, *c.beaten) for c in choices.values())]
    told: dict[tuple, list[int]] = {}
    for n, c in choices.items():  # where one is left, it is said alone
        told.setdefault((c.best, bool(c.hints)) if len(c.best) == 1 else (c.best, c.beaten, c.hints), []).append(n)
    sizes = [(choices[ns[0]], ns) for ns in told.values()]

    def named(among: Iterable[str], ns: Sequence[int]) -> list[str]:
        by_mean = sorted(among, key=lambda f: -sum(choices[n].ahead.get(f, 0) for n in ns))
        return [action(study, f, every) for f in by_mean]

    parts = [
        {
            "sizes": ranges(ns, study.sizes),
            "best": named(choice.best, ns),
            "beaten": named([f for f in choice.beaten if f not in choice.hints], ns),
            "hints": named(choice.hints, ns),
        }
        for choice, ns in sizes
    ]
    [said] = statements(study, "answer_by_size", parts=parts)
    return about + (said if about else said[:1].upper() + said[1:])


def ranges(chosen: Sequence[int], sizes: Sequence[int]) -> str:
    """Return sizes in words, neighbours among all `sizes` together: "3 to 8 and 20"."""
    runs: list[list[int]] = []
    for n in chosen:
        follows = runs and sizes.index(n) == sizes.index(runs[-1][-1]) + 1
        runs[-1].append(n) if follows else runs.append([n])
    return listed([f"{run[0]} to {run[-1]}" if len(run) > 1 else str(run[0]) for run in runs])


def action(study: Study, family: str, among: Sequence[str]) -> str:
    """Return what a family means to do, in words.

    With its label where another one `among` these has the same words, or where the study has several networks.
    """
    words = {f: _action(study, f) for f in among}
    own, label = words[family], style.family_label(study, family)
    networks = {strategy.network for strategy in study.strategies.values()}
    alike = len(networks) > 1 or sum(text == own for text in words.values()) > 1
    return f"{own} ({label})" if alike and label not in own else own


def _action(study: Study, family: str) -> str:
    about = families(study)[family]
    if not about.sized:
        return f"take {quoted(style.family_label(study, family))} as it is"
    if about.transferred:
        return f"fine-tune {_trained_parts(study, about)}" if about.level else "fine-tune"
    if len(about.cohorts) > 1:
        return f"train on patients of {listed([study.cohorts[c].label for c in about.cohorts])} together"
    return "train from scratch" if family == baseline(study) else f"train {quoted(style.family_label(study, family))}"


def _trained_parts(study: Study, family: Family) -> str:
    """Return what the steps of a family's chain train, from the first with a level on."""
    levels = iter((family.level or "").split("-"))
    chain = study.strategies[family.strategy].chain
    parts = [trained_part(next(levels)) if step.levels else "" for step in chain]
    first = next(i for i, part in enumerate(parts) if part)
    return ", then ".join(part or "all of the network" for part in parts[first:])


# ---- as a picture


@dataclass(frozen=True)
class Cell:
    """A cell of the answer's picture: neighbouring columns with one text.

    Attributes:
        columns: how many they are.
        colour: of what is beyond chance, "" where nothing is. ink: readable on it.
    """

    text: str
    columns: int
    colour: str = ""
    ink: str = ""


@dataclass(frozen=True)
class AnswerTable:
    """The answer as rows of cells.

    Attributes:
        title: above it. head: above the rows' labels. note: what colours mean.
    """

    title: str
    head: str
    columns: list[str]
    rows: list[tuple[str, list[Cell]]]
    note: str


def picture(results: StudyResults) -> AnswerTable | None:
    """Return the answer at each size, a row for each structure, their average first; None without pairs of a size."""
    study, own = results.study, _by_structure(results)
    if not own:
        return None
    labels = {name: s.label for name, s in study.structures.items()} | {POOLED: MEAN_NAME.capitalize()}
    sizes = sorted({n for choices in own.values() for n in choices})
    best = {family for choices in own.values() for choice in choices.values() for family in choice.best}
    called = {family: style.family_label(study, family) for family in families(study) if family in best}
    letters = dict(zip(called, ascii_lowercase, strict=False)) if len(sizes) > MOST_NAMED else {}
    key = [f"{letter}: {called[family]}" for family, letter in letters.items()]
    rows = [(labels[name], list(_cells(study, choices, sizes, called | letters))) for name, choices in own.items()]
    title, note = statements(study, "answer_picture", key=key)
    return AnswerTable(title, "n", [str(n) for n in sizes], rows, note)


def _cells(study: Study, choices: Choices, sizes: Sequence[int], called: Mapping[str, str]) -> Iterator[Cell]:
    runs: list[tuple[Choice | None, int]] = []
    for n in sizes:
        choice = replace(choices[n], hints=()) if n in choices else None
        before, count = runs.pop() if runs and runs[-1][0] == choice else (choice, 0)
        runs.append((before, count + 1))
    for choice, count in runs:
        if choice is None:
            yield Cell("not compared", count)
        elif len(choice.best) == 1:
            colour = style.family_colour(study, choice.best[0])
            yield Cell(called[choice.best[0]], count, colour, style.readable_on(colour))
        elif choice.beaten:
            yield Cell(" or ".join(called[f] for f in choice.best), count)
        else:
            yield Cell("can't say", count)
