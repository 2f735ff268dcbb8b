"""`crossover compare`: from scores of any tool to tables, tests, figures and a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from crossover.compare.complete import read_all
from crossover.statistics.metrics_table import METRICS, TableError, compared

CONFIDENCE = 0.95
SUMMARY, PAIRS, PAGE = "summary.csv", "pairs.csv", "index.html"


def compare(sources: Sequence[str], metric: str, out: Path) -> list[str]:
    """Write the comparison of all models of some files to a folder.

    Args:
        sources: files as of `formats.read_scores`.
        metric: what models are compared by; the summary has all metrics.

    Returns:
        What was read, understood, filled in and written, a sentence each.

    Raises:
        TableError: all that is wrong with the files, or no such metric, or nothing to compare.
    """
    from crossover.compare.figures import figures
    from crossover.compare.page import render
    from crossover.figures.style import save
    from crossover.statistics.summary import summarise

    if metric not in METRICS:
        raise TableError(f"no metric {metric!r}; there are {', '.join(METRICS)}")
    table, notes = read_all(sources, metric)
    notes = [_read_as(table), *notes, *_shared(table, metric)]
    summary, pairs = summarise(table, CONFIDENCE), comparisons(table, metric)
    out.mkdir(parents=True, exist_ok=True)
    summary.to_csv(out / SUMMARY, index=False)
    pairs.to_csv(out / PAIRS, index=False)
    pictures = []
    for name, caption, figure in figures(table, pairs, metric, CONFIDENCE):
        stem = out / "figures" / _safe(name)
        pictures.append((save(figure, stem)[0].relative_to(out), caption))
    (out / PAGE).write_text(render(summary, pairs, metric, pictures, notes, CONFIDENCE))
    return [*notes, f"{out / PAGE}: {SUMMARY}, {PAIRS}, {len(pictures)} figures"]


def comparisons(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Every pair of models on the same cases; the one place that says by which statistics."""
    from crossover.statistics.paired import paired

    return paired(table, metric, 1 - CONFIDENCE)


def _read_as(table: pd.DataFrame) -> str:
    counts = {
        "models": table["family"].nunique(),
        "cases": len(table.drop_duplicates(["cohort", "case"])),
        "structures": table["structure"].nunique(),
        "test sets": table["cohort"].nunique(),
    }
    return f"{len(table)} rows: " + ", ".join(f"{n} {what}" for what, n in counts.items())


def _shared(table: pd.DataFrame, metric: str) -> list[str]:
    """Cases that not all models have: no difference is known there."""
    scored = compared(table).dropna(subset=metric)
    cases = scored.groupby("family")[["cohort", "case"]].apply(
        lambda own: set(zip(own["cohort"], own["case"]))
    )
    if len(cases) < 2:
        raise TableError("one model: there is nothing to compare it with")
    every, some = set.intersection(*cases), set.union(*cases)
    pairs = [(a, b) for i, a in enumerate(cases.index) for b in cases.index[i + 1 :]]
    if all(cases[a].isdisjoint(cases[b]) for a, b in pairs):
        named = "; ".join(
            f"{m}: {', '.join(sorted(n for _, n in own)[:3])}" for m, own in cases.items()
        )
        raise TableError(f"no two models have a case in common; their cases: {named}")
    missing = len(some) - len(every)
    return [f"{missing} of {len(some)} cases are not scored under every model"] if missing else []


def _safe(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in name)
