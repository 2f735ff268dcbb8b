"""`crossover compare`: from scores of any tool to tables and tests."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from crossover.core.wording import counted
from crossover.report.compare.complete import metrics_in, read_all, without_value
from crossover.report.compare.names import TRIED, apart
from crossover.report.compare.roles import Said
from crossover.report.compare.scope import scopes
from crossover.report.formats import listed
from crossover.statistics.scores.failed import failed_cases
from crossover.statistics.scores.metrics_table import (
    TableError,
    compared,
    of_cohorts,
    pooled_in_words,
    tested,
    with_their_mean,
)
from crossover.statistics.scores.missing import Policy, absent, absent_notes, counts, filled
from crossover.statistics.scores.missing import notes as lacking
from crossover.statistics.scores.patients import by_patient
from crossover.statistics.scores.patients import notes as of_patients
from crossover.statistics.scores.scales import KNOWN, direction

CONFIDENCE = 0.95
PAIRS, CROSSOVER = "pairs.csv", "crossover.csv"
DIFFER = "they differ"
"""How a verdict begins where two models differ by a metric of which it isn't known which values are better."""
FEWEST_RANKED = 3
"""The number of models below which their ranks say no more than the difference of the two."""


@dataclass(frozen=True)
class ScoreComparison:
    """What some files say of their models.

    Attributes:
        table: all scores, as of `missing.completed`.
        summary: of `estimates.summary.summarise`.
        pairs: metric -> of `comparisons`.
        missing: of `scores.missing.counts`.
        failed: metric -> of `scores.failed.failed_cases`.
        ranking: of `differences.ranking.ranking`; no rows of two models.
        crossover: of `learning_curves.crossing.crossovers`, by the first metric whose higher, or lower, values
            are better and none of which is infinite; a statement is a hint only where the corrected differences at
            its sizes don't tell the same.
        notes: what was read, understood and filled in, a sentence each.
        again: the arguments by which `crossover design` reads the same scores.
    """

    table: pd.DataFrame
    summary: pd.DataFrame
    pairs: dict[str, pd.DataFrame]
    missing: pd.DataFrame
    failed: dict[str, pd.DataFrame]
    ranking: pd.DataFrame
    crossover: pd.DataFrame
    notes: list[str]
    again: list[str]


def comparison(
    sources: Sequence[str],
    metrics: Sequence[str] = (),
    columns: Sequence[str] = (),
    structures: Sequence[str] = (),
    missing: Policy = "worst",
) -> ScoreComparison:
    """Compare all models of some files.

    Args:
        sources: files as of `formats.read_scores`.
        metrics: what models are compared by, in order; by default all known metrics that two models have.
        columns: "role=name" each (`roles.Said`).
        structures: "new name=name in the files" each.
        missing: what is done with predictions that a model lacks.

    Raises:
        TableError: all that is wrong with the files, no such metric, predictions that are missing and may not be, or
            nothing to compare.
    """
    from crossover.statistics.differences.ranking import ranking
    from crossover.statistics.estimates.summary import summarise

    said = Said(columns, metrics)
    read, notes = read_all(sources, said, renamed_structures(structures))
    by_case, gone = filled(read, missing)
    table = by_patient(by_case)
    of = said.metrics or metrics_in(read, said)
    notes += [*lacking(gone, missing), *without_value(table, said, absent(read, of)), *absent_notes(read, of)]
    several, shared = _shared(table, read, said)
    summary = summarise(table, CONFIDENCE, several)
    pairs = {metric: own for metric in several if len(own := comparisons(table, metric))}
    if not pairs:
        raise TableError(f"no two models have a number of training cases in common: {_sizes(table)}")
    unknown = [
        f"{m} is no metric that is known: neither its scale nor which values are better"
        for m in several if m not in KNOWN
    ]  # fmt: skip
    all_notes = [_read_as(read), *of_patients(read), *notes, *unknown, *shared]
    ranked = ranking(table, CONFIDENCE, several)
    if table["family"].nunique() < FEWEST_RANKED:
        ranked = ranked.iloc[:0]
    else:
        all_notes += _unranked(pairs, ranked)
    again = [*sources, *(f"--column={text}" for text in columns), *(["--missing=exclude"] * (missing == "exclude"))]
    again += [f"--structure={text}" for text in structures]
    crossed, left = _crossover(table, several)
    crossed = _beside_differences(crossed, pairs)
    all_notes += left
    failed = {metric: failed_cases(by_case, gone, metric) for metric in pairs}
    return ScoreComparison(table, summary, pairs, counts(read, gone), failed, ranked, crossed, all_notes, again)


def _unranked(pairs: Mapping[str, pd.DataFrame], ranked: pd.DataFrame) -> list[str]:
    """Return notes of the metrics and test sets in which models are compared and not ranked."""
    out = []
    for metric in filter(direction, pairs):
        there = set(pooled_in_words(ranked[ranked["metric"] == metric])["test_set"])
        compared_on = pooled_in_words(of_cohorts(pairs[metric]))["test_set"].unique()
        without = [name for name in compared_on if name not in there]
        if without:
            out.append(f"{metric}: no ranking on {', '.join(without)}, where no two cases have a score of every model")
    return out


def _sizes(table: pd.DataFrame) -> str:
    """Return each model's numbers of training cases in words."""
    sizes = table.groupby("family", sort=False)["n_train"].unique()
    return "; ".join(f"{name} has {', '.join(map(str, sorted(own)))}" for name, own in sizes.items())


def verdict(row: Any, metric: str) -> tuple[str, str]:
    """Return the better model; "" and why, where it can't be told."""
    known = KNOWN.get(metric)
    sign = direction(metric)
    if not (math.isfinite(row.ci_low) and math.isfinite(row.ci_high)):
        return "", "no interval, so which is better can't be told"
    if row.ci_low <= 0 <= row.ci_high:
        return "", "which is better can't be told"
    if row.tests > 1 and not row.p_holm < 1 - CONFIDENCE:
        return "", "which is better can't be told after the correction for several tests"
    if not sign:
        better = f"{known.better} is better" if known else "which values are better isn't known"
        return "", f"{DIFFER}; {better}"
    return row.family_a if sign * row.difference > 0 else row.family_b, ""


def verdicts(pairs: pd.DataFrame, metric: str) -> list[tuple[str, str]]:
    """Return the verdict on each row of `comparisons`."""
    return [verdict(row, metric) for row in pairs.itertuples()]


def _crossover(table: pd.DataFrame, metrics: Sequence[str]) -> tuple[pd.DataFrame, list[str]]:
    """Return from how many training cases on one model is ahead of another, and notes of metrics that can't tell.

    There are no rows where models have no sizes.
    """
    from crossover.statistics.learning_curves.crossing import CROSSOVER as COLUMNS
    from crossover.statistics.learning_curves.crossing import crossovers

    sizes = table[table["n_train"] > 0].groupby("family")["n_train"].nunique()
    directed = [m for m in metrics if direction(m)] if (sizes > 1).any() else []
    metric = next((m for m in directed if np.isfinite(table[m].dropna()).all()), None)
    notes = [
        f"{m}: no learning curves and no crossover by it, since a mean with infinite values doesn't exist; give the "
        "column diagonal_mm"
        for m in directed[: directed.index(metric) if metric else None]
    ]
    if metric is None:
        return pd.DataFrame(columns=COLUMNS), notes
    rows = with_their_mean(tested(table.dropna(subset=metric)), metric)
    return crossovers(rows, metric, CONFIDENCE, 1 - CONFIDENCE), notes


def _beside_differences(crossed: pd.DataFrame, pairs: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the crossovers, with a statement that says where the differences at the sizes don't tell what it says.

    A crossover's tests are one-sided and of its pair alone; the differences are corrected for all that were made.
    """
    said = [_hint(row, pairs[row["metric"]]) for row in crossed.to_dict("records")]
    return crossed.assign(statement=said) if said else crossed


def _hint(row: Mapping[str, Any], pairs: pd.DataFrame) -> str:
    """Return a crossover's statement, as a hint only where a difference that it rests on can't be told by itself."""
    from crossover.statistics.learning_curves.crossing import CROSSES, NONE, stays_ahead

    if row["verdict"] not in (CROSSES, NONE):
        return str(row["statement"])
    names = {row["ahead"], row["overtakes"]}
    here = pairs[(pairs["test_set"] == row["test_set"]) & (pairs["structure"] == row["structure"])]
    here = here[here["family_a"].isin(names) & here["family_b"].isin(names)]
    here = here[here["n_train"].between(row["n_smallest"], row["n_largest"])].sort_values("n_train")
    if here.empty:  # as of a mean over structures that one of them lacks
        return str(row["statement"])
    better = {own.n_train: verdict(own, row["metric"])[0] for own in here.itertuples()}
    expected = {row["n_smallest"]: row["ahead"], row["n_largest"]: row["overtakes"]}
    if row["verdict"] == NONE:
        expected = dict.fromkeys(better, stays_ahead(row)[0])
    untold = [str(n) for n, name in expected.items() if better.get(n) != name]
    if not untold:
        return str(row["statement"])
    where = f"n = {listed(untold)}" if any(better.values()) else f"any of the {len(better)} sizes"
    corrected = f"after correction for {here['tests'].max()} tests"
    return f"hint: {row['statement']}, but {corrected} the difference is not significant at {where}"


def comparisons(table: pd.DataFrame, metric: str, order: Sequence[str] = ()) -> pd.DataFrame:
    """Compare every pair of models on the same cases; the one place that says by which statistics.

    Args:
        order: of the models; as the table has them by default.

    Returns:
        Rows of `differences.paired.paired`, with `scope` (`scope.scopes`).
    """
    from crossover.statistics.differences.paired import paired

    rows = table.dropna(subset=metric)
    there = set(rows["family"])
    pairs = paired(rows, metric, 1 - CONFIDENCE, [name for name in order if name in there] or None)
    return pairs.assign(scope=scopes(rows, pairs))


def renamed_structures(said: Sequence[str]) -> dict[str, str]:
    """Return a structure's name in the files -> its new name, of "NEW=OLD" each.

    Raises:
        TableError: a part is missing.
    """
    findings = [text for text in said if not all(part.strip() for part in text.partition("="))]
    if findings:
        listed = ", ".join(map(repr, findings))
        raise TableError(f"--structure {listed}: write NEW=OLD, as --structure liver='label 1'")
    return {old.strip(): new.strip() for new, _, old in (text.partition("=") for text in said)}


def _read_as(table: pd.DataFrame) -> str:
    counts = {
        "model": table["family"].nunique(),
        "case": len(table.drop_duplicates(["cohort", "case"])),
        "structure": table["structure"].nunique(),
        "test set": table["cohort"].nunique(),
    }
    return f"{counted(len(table), 'row')}: " + ", ".join(counted(n, what) for what, n in counts.items())


def _shared(table: pd.DataFrame, read: pd.DataFrame, said: Said) -> tuple[list[str], list[str]]:
    """Return the metrics by which two models can be compared, and notes of what not all models have.

    Args:
        table: with what missing predictions count as.
        read: without it, as the files have it.

    Raises:
        TableError: one model, no two models with a case and structure in common, or none by a metric asked for.
    """
    if table["family"].nunique() < 2:
        sizes = sorted(set(table["n_train"]))
        of_sizes = f"; it has n_train {', '.join(map(str, sizes))}, and models are compared at the same n"
        same = of_sizes if len(sizes) > 1 else ""
        runs = sorted(set(table["replicate"]))
        if len(runs) > 1:
            same += f"; it has the trainings {', '.join(map(str, runs))}; if they are models of their own, whose names "
            same += "only end in -r and a number: --column replicate="
        raise TableError(f"one model, {table['family'].iloc[0]}: there is nothing to compare it with{same}")
    rows, as_read = compared(table), compared(read)
    metrics, notes, findings = [], [], []
    differing: dict[str, list[str]] = {}
    for metric in said.metrics or metrics_in(table, said):
        scored = rows.dropna(subset=metric)
        own = {str(m): part for m, part in scored.groupby("family", sort=False)}
        place = ["cohort", "case", "structure"]
        places = {m: set(pd.MultiIndex.from_frame(p[place])) for m, p in own.items()}
        alone = [m for m, here in places.items() if not _meets(m, here, places)]
        lacking = [m for m in rows["family"].unique() if m not in own]
        notes += [f"{metric}: {', '.join(lacking)} without"] if lacking else []
        of_files = as_read.dropna(subset=metric).groupby("family", sort=False)
        for note in _apart({str(m): part for m, part in of_files}):
            differing.setdefault(note, []).append(metric)
        if len(alone) < len(places):
            metrics.append(metric)
            notes += [f"{metric}: not compared, without a case and structure in common with any other model: "
                      f"{', '.join(alone)}"] if alone else []  # fmt: skip
        elif len(own) > 1 or said.metrics:
            findings.append(f"{metric}: no two models have a case and structure in common")
    apart_notes = [f"{', '.join(of)}: {note}" for note, of in differing.items()]
    if (said.metrics and findings) or not metrics:
        raise TableError("\n".join([*findings, *apart_notes] or ["no two models have a metric in common"]))
    return metrics, [*notes, *findings, *apart_notes]


def _meets(model: str, own: set, places: dict[str, set]) -> bool:
    return any(not own.isdisjoint(there) for other, there in places.items() if other != model)


def _apart(models: dict[str, pd.DataFrame]) -> list[str]:
    """Return the names that not all models have; cases by their test set where there are several.

    Cases that some models have and the others have nothing in the place of are missing predictions, which are told.
    """
    several = len({cohort for rows in models.values() for cohort in rows["cohort"]}) > 1
    cases = {
        m: list((rows["cohort"] + "/" + rows["case"] if several else rows["case"]).unique())
        for m, rows in models.items()
    }
    structures = {m: list(rows["structure"].unique()) for m, rows in models.items()}
    of_cases = [note for note in apart(cases, "cases") if note.count("only under") > 1]
    found = [*apart(structures, "structures"), *of_cases]
    return [f"{note}; tried to match them without {TRIED}" for note in found]
