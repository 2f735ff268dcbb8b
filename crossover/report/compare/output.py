"""The folder of a comparison: its tables, its figures and its page."""

from collections.abc import Sequence
from itertools import count
from pathlib import Path

import pandas as pd

from crossover.analyses.figures.style import save
from crossover.core.wording import counted
from crossover.report.compare.cases import case_differences, extremes
from crossover.report.compare.figures import figures
from crossover.report.compare.page import MetricSection, render
from crossover.report.compare.run import CONFIDENCE, CROSSOVER, PAIRS, ScoreComparison, verdicts
from crossover.statistics.scores.metrics_table import of_cohorts

SUMMARY, MISSING, PAGE = "summary.csv", "missing.csv", "index.html"
RANKING, CASES_FILE = "ranking.csv", "cases.csv"


def write(found: ScoreComparison, said: Sequence[str], out: Path) -> str:
    """Write tables, figures and page to a folder, without the tables that have no rows; says what was written.

    Args:
        said: of `answers.answers`.
    """
    out.mkdir(parents=True, exist_ok=True)
    whole = pd.concat([_with_verdicts(own, metric).assign(metric=metric) for metric, own in found.pairs.items()])
    whole.insert(0, "metric", whole.pop("metric"))
    tables = {SUMMARY: found.summary, PAIRS: whole, RANKING: found.ranking, CROSSOVER: found.crossover}
    tables = {name: of_cohorts(table) for name, table in tables.items()} | {MISSING: found.missing}
    first = next(iter(found.pairs))
    cases = tables[CASES_FILE] = case_differences(found.table, found.pairs[first], first)
    written = [name for name, table in tables.items() if len(table)]
    for name in tables:
        (out / name).unlink(missing_ok=True)  # of a comparison before this one
    for name in written:
        tables[name].to_csv(out / name, index=False)
    sections, used = [], set[str]()
    for metric, own in found.pairs.items():
        pictures = []
        for name, caption, figure in figures(found.table, own, found.crossover, metric, CONFIDENCE):
            stem = out / "figures" / _safe(name, used)
            pictures.append((save(figure, stem)[0].relative_to(out), caption))
        ranked = found.ranking[found.ranking["metric"] == metric]
        by_case = extremes(cases, metric) if metric == first else cases.iloc[:0]
        sections.append(MetricSection(metric, own, ranked, pictures, by_case))
    page = render(said, found.summary, sections, found.missing, found.notes, CONFIDENCE)
    (out / PAGE).write_text(page, encoding="utf-8")
    return f"{out / PAGE}: {', '.join(written)}, {counted(len(used), 'figure')}"


def _with_verdicts(pairs: pd.DataFrame, metric: str) -> pd.DataFrame:
    said = [f"{better} is better" if better else why for better, why in verdicts(pairs, metric)]
    return pairs.assign(verdict=said)


def _safe(name: str, used: set[str]) -> str:
    """Return a name for a file that no other one has."""
    plain = "".join(c if c.isalnum() or c in "-_" else "_" for c in name)
    numbered = (f"{plain}-{i}" if i > 1 else plain for i in count(1))
    chosen = next(n for n in numbered if n.casefold() not in used)
    used.add(chosen.casefold())
    return chosen
