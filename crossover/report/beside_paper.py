"""Tests on the same cases beside the kind that the paper made, for the report: where the two decide otherwise."""

from __future__ import annotations

import pandas as pd

from crossover.analyses.figures import style
from crossover.report.layout import Table, table
from crossover.report.parts import Part, StudyResults, Titled, counted, listed
from crossover.report.tables import p_value
from crossover.statistics.repeated import CORRECTION, EXACT, PAIRING
from crossover.study.schema import Study

TITLE = "Ours beside the paper's tests"
SHOWN = 40
"""Rows of a table that stands open; a longer one opens on a click."""
BECAUSE = {
    PAIRING: "the same cases are compared, which theirs leaves out",
    EXACT: "our test is exact and theirs an approximation",
    CORRECTION: "the comparisons are corrected for their number",
}
ALL_AT_ONCE = (
    "All families together on the same cases. Repeated-measures analysis of variance: p with Greenhouse and "
    "Geisser's correction; mixed model: score ~ family (× log2 n) with a random intercept for each case, Wald's test."
)


def beside_paper(results: StudyResults) -> Part | None:
    """None without a table of pairs."""
    study, pairs = results.study, results.frames.get("pairwise", pd.DataFrame())
    if pairs.empty:
        return None
    apart = pairs[pairs["agrees"].eq(False)]
    shown = []
    if len(apart):
        note = (
            f"Every comparison in which p < {study.statistics.alpha:g} by one and not by the other. "
            "Difference: mean of "
            "the first minus the second on the same cases, with bootstrap interval (BCa)."
        )
        title = f"Where the two disagree ({len(apart)})"
        shown.append(Titled(title, note, _layout(apart, study), "pairwise"))
    rest = results.frames.get("repeated", pd.DataFrame())
    rest = rest[rest["test_set"].eq(study.target) & rest["p"].notna()] if len(rest) else rest
    more = []
    if len(rest):
        where = style.test_set_label(study, study.target)
        title = f"All families at once, on {where} test cases ({len(rest)} rows)"
        more.append(Titled(title, ALL_AT_ONCE, _at_once(rest, study), "repeated"))
    tables, details = (shown, more) if len(apart) <= SHOWN else ([], shown + more)
    return Part("tests", TITLE, sentences(pairs, study), tables, details)


def sentences(pairs: pd.DataFrame, study: Study) -> list[str]:
    """What was compared and how, and how often the two kinds of test decide otherwise."""
    alpha = study.statistics.alpha
    tests = int(pairs["tests"].max())
    significant = int(pairs["significant"].sum())
    ours = (
        f"Ours: the exact signed-rank test on the same cases, with Holm's correction over all "
        f"{counted(tests, 'comparison')} of the study: p < {alpha:g} in {significant} of {len(pairs)}."
    )
    return [ours, *disagreement(pairs, study)]


def disagreement(pairs: pd.DataFrame, study: Study) -> list[str]:
    """How often the paper's kind of test and ours decide otherwise, and why; what is so where it has none."""
    theirs = [name for name in pairs["theirs"].dropna().unique() if name]
    if not theirs:
        return ["The paper makes no test of these comparisons that ours could be held against."]
    both = pairs[pairs["agrees"].notna()]
    apart = both[both["agrees"].eq(False)]
    told = f"The paper's kind of test ({listed(theirs)}), made on the same scores"
    if both.empty:
        return [f"{told}, gives no p here: too few cases, or all alike."]
    if apart.empty:
        return [
            f"{told}, decides as ours in all {counted(len(both), 'comparison')} that both can make."
        ]
    counts = apart["because"].value_counts()
    why = [f"in {n} because {BECAUSE.get(name, name)}" for name, n in counts.items()]
    more = int((apart["significant_theirs"].eq(True)).sum())
    return [
        f"{told}, decides otherwise in {len(apart)} of {counted(len(both), 'comparison')}: {', '.join(why)}. "
        f"It finds a difference that ours doesn't in {more} of them, and ours one that it doesn't in "
        f"{len(apart) - more}."
    ]


def _layout(rows: pd.DataFrame, study: Study) -> Table:
    frame = pd.DataFrame({
        "test_set": rows["test_set"],
        "structure": rows["structure"],
        "a": rows["a"],
        "b": rows["b"],
        "Difference (CI)": [_difference(r) for r in rows.to_dict("records")],
        "Cases": [str(int(n)) for n in rows["cases"]],
        "p, ours (Holm)": [p_value(p) for p in rows["p_holm"]],
        "p, uncorrected": [p_value(p) for p in rows["p_wilcoxon"]],
        "p, theirs": [p_value(p) for p in rows["p_theirs"]],
        "Because": rows["because"].fillna("").to_list(),
    })  # fmt: skip
    return table(frame, study)


def _at_once(rows: pd.DataFrame, study: Study) -> Table:
    frame = pd.DataFrame({
        "structure": rows["structure"],
        "Question": rows["question"].str.replace("n=", "n = "),
        "Method": rows["method"],
        "Effect": rows["effect"],
        "Cases": [str(int(n)) for n in rows["cases"]],
        "Statistic": [f"{v:.2f}" for v in rows["statistic"]],
        "p": [p_value(p) for p in rows["p"]],
        "p, theirs": [p_value(p) for p in rows["p_theirs"]],
    })  # fmt: skip
    return table(frame.loc[:, [(frame[c] != "").any() for c in frame]], study)


def _difference(row: dict) -> str:
    if pd.isna(row["difference"]):
        return ""
    text = f"{row['difference']:+.3f}"
    if pd.notna(row["ci_low"]):
        text += f" ({row['ci_low']:+.3f}, {row['ci_high']:+.3f})"
    return text.replace("-", "−")
