"""What the check of the paper's printed numbers against each other found, for the report."""

import pandas as pd

from crossover.report.prose import statements
from crossover.report.results import Section, StudyResults, TableKind, titled_tables
from crossover.statistics.papers.audit.false_claims import LIKELY, claim_text
from crossover.statistics.papers.audit.verdicts import DEPENDS, FOLLOWS, NOT, UNCHECKED, off_text, span
from crossover.study.schema import Study

TITLE = "Audit of the printed numbers"
NAMED = 2
"""Interpretations that are named; the others are counted."""
ALIKE = ["check", "printed", "interpretation", "where"]


def audit_section(results: StudyResults) -> Section | None:
    """Return the section of the audit; None without a paper's numbers as data."""
    found = results.frame("audit")
    if found.empty:
        return None
    counts = [int((found["verdict"] == v).sum()) for v in (FOLLOWS, DEPENDS, NOT, UNCHECKED)]
    said = statements(results.study, "audit", count=len(found), verdicts=counts)
    tables = [
        TableKind("does_not_follow", "audit", unfollowed_layout, wraps=True),
        TableKind("contradictions", "contradictions", lambda rows, _: rows, wraps=True),
        TableKind("may_be_false", "false_claims", claims_layout, wraps=True),
        TableKind("depends_on_interpretation", "audit", interpretations_layout, wraps=True),
    ]
    return Section("audit", TITLE, said, details=titled_tables(results, tables))


def unfollowed_layout(found: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return the numbers that do not follow from others."""
    return _layout(found[found["verdict"] == NOT])


def interpretations_layout(found: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return the numbers that depend on interpretation, those of one kind in one row."""
    alike = found[found["verdict"] == DEPENDS].groupby(ALIKE, sort=False)
    return _layout(pd.DataFrame([_together(own) for _, own in alike], columns=found.columns))


def claims_layout(claims: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return the claims that one model is better than another which are false with a probability above `LIKELY`."""
    shown = claims[claims["probability"] > LIKELY]
    parts = ("structure", "test_set", "metric")
    about = [
        ", ".join([claim_text(row), *(row[p] for p in parts if pd.notna(row[p]))])
        for _, row in shown.iterrows()
    ]  # fmt: skip
    return pd.DataFrame({
        "about": about, "where": shown["where"], "printed": shown["printed"], "cases": shown["cases"],
        "probability": [f"{p:.2f} ({low:.2f} to {high:.2f})"
                        for p, low, high in zip(shown["probability"], shown["lowest"], shown["highest"], strict=True)],
        "correlation": [f"{r:.2f} ({low:.2f} to {high:.2f})" for r, low, high in zip(
            shown["correlation"], shown["correlation_low"], shown["correlation_high"], strict=True)],
    })  # fmt: skip


def _together(own: pd.DataFrame) -> pd.Series:
    """Merge findings of one check with one interpretation into one row."""
    first = own.iloc[0].copy()
    if len(own) > 1:
        first["about"] = f"{first['about']} and {len(own) - 1} more"
        first["low"] = first["high"] = float("nan")
        first["follows_from"] = ""
    return first


def _layout(findings: pd.DataFrame) -> pd.DataFrame:
    ends = zip(findings["low"], findings["high"], strict=True)
    return findings[["about", "where", "printed", "follows_from"]].assign(
        recomputed=[span(low, high) for low, high in ends],
        off_by=["" if pd.isna(value) else off_text(value) for value in findings["off_by"]],
        interpretation=[_interpretations(text) for text in findings["interpretation"]],
    )


def _interpretations(text: str) -> str:
    """Return the first few of those under which it follows."""
    names = text.split("; or ")
    more = f"; or {len(names) - NAMED} more" if len(names) > NAMED else ""
    return "; or ".join(names[:NAMED]) + more
