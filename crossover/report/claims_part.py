"""The paper's findings and their verdicts, for the report: counted, and a table for each verdict."""

from __future__ import annotations

import pandas as pd

from crossover.findings.claims.parts import FAILS, HOLDS, NOT_RUN, OPEN, VERDICTS
from crossover.findings.claims.words import effect
from crossover.report.layout import table
from crossover.report.parts import Part, StudyResults, Titled, counted, listed
from crossover.report.tables import p_value
from crossover.study.schema import Study

TITLE = "Claims: do the paper's findings hold here?"
HEADS = {
    HOLDS: "Hold here",
    FAILS: "Do not hold here",
    OPEN: "Can't be told from these results",
    NOT_RUN: "Not run",
}
WHY = {
    HOLDS: "Every interval that decides lies where the finding says.",
    FAILS: "An interval that decides lies outside, corrected for the number of parts.",
    OPEN: "The interval reaches to both sides, or there is none: too few cases, or all alike.",
    NOT_RUN: "What the finding is about is not among these results.",
}
HOW = (
    "Each verdict is computed from {confidence} intervals, never written. Effect, interval and p are those of "
    "the part that decides, of all that have to hold the least clear one; p is not corrected over the claims."
)


def claims_part(results: StudyResults) -> Part | None:
    """None where the study's paper has no claims as data."""
    claims = results.frames.get("claims", pd.DataFrame())
    if claims.empty:
        return None
    how = HOW.format(confidence=f"{claims['confidence'].iloc[0]:.0%}")
    said = [verdicts_sentence(claims), how, *_sizes(results.frames.get("sizes", pd.DataFrame()))]
    by_verdict = [
        Titled(
            f"{HEADS[verdict]} ({len(own)})", WHY[verdict], _layout(own, results.study), "claims"
        )
        for verdict, own in ((v, claims[claims["verdict"] == v]) for v in VERDICTS)
        if len(own)
    ]
    told = len(by_verdict) - bool((claims["verdict"] == NOT_RUN).any())
    return Part("claims", TITLE, said, by_verdict[:told], by_verdict[told:])


def verdicts_sentence(claims: pd.DataFrame) -> str:
    """How many of the paper's findings hold, don't, can't be told and were not run."""
    counts = {verdict: int((claims["verdict"] == verdict).sum()) for verdict in VERDICTS}
    words = {
        HOLDS: ("holds", "hold"),
        FAILS: ("does not hold", "do not hold"),
        OPEN: ("can't be told", "can't be told"),
        NOT_RUN: ("was not run", "were not run"),
    }
    parts = [f"{n} {words[v][n != 1]}" for v, n in counts.items()]
    return f"Of {counted(len(claims), 'finding')} of the paper {listed(parts)}."


def _sizes(sizes: pd.DataFrame) -> list[str]:
    """Which sizes of this run stand for the paper's."""
    other = sizes[sizes["ours"] != sizes["theirs"]] if len(sizes) else sizes
    if other.empty:
        return []
    pairs = listed([f"{r.ours} for {r.theirs}" for r in other.itertuples()])
    return [f"n in a finding is the paper's. Sizes of this run stand for them: {pairs}."]


def _layout(own: pd.DataFrame, study: Study):
    rows = pd.DataFrame({
        "Finding": [f"“{r.words}”" + (f" Read as: {r.reading}." if pd.notna(r.reading) and r.reading else "")
                    for r in own.itertuples()],
        "Where": own["where"].to_list(),
        "Effect (CI)": [effect(row) for row in own.to_dict("records")],
        "p": [p_value(p) for p in own["p"]],
        "Published": own["published"].fillna("").to_list(),
        "Decided by": own["because"].fillna("").to_list(),
    })  # fmt: skip
    kept = [c for c in rows if c == "Finding" or (rows[c] != "").any()]
    return table(rows[kept], study, wraps=True)
