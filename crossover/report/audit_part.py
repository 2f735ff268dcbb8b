"""What the check of the paper's printed numbers against each other found, for the report."""

from __future__ import annotations

import pandas as pd

from crossover.findings.audit.finding import FOLLOWS, NOT, READING, UNCHECKED
from crossover.report.layout import Table, table
from crossover.report.parts import Part, StudyResults, Titled
from crossover.study.schema import Study

TITLE = "Audit of the printed numbers"
MEANS = (
    "No patient's data are needed for this, and none of this run's results are in it. A number that "
    "does not follow may "
    "come from other cases, another test or a slip in typing: which, printed numbers can't tell."
)
NAMED = 2
ALIKE = ["check", "printed", "reading", "where"]


def audit_part(results: StudyResults) -> Part | None:
    """None without a paper's numbers as data."""
    study, found = results.study, results.frames.get("audit", pd.DataFrame())
    if found.empty:
        return None
    unlike = found[found["verdict"] == NOT]
    under = found[found["verdict"] == READING]
    said = results.frames.get("contradictions", pd.DataFrame())
    tables, details = [], []
    if len(unlike):
        note = "Off by: how far the nearest number that follows lies, beyond rounding."
        shown = _layout([row for _, row in unlike.iterrows()], study)
        tables.append(Titled(f"Do not follow ({len(unlike)})", note, shown, "published"))
    if len(said):
        title = f"Found by reading: no check can ({len(said)})"
        shown = table(said.rename(columns={"about": "About", "what": "What"}), study, wraps=True)
        tables.append(Titled(title, "Two statements that can't both be.", shown, "published"))
    if len(under):
        rows = [_together(own) for _, own in under.groupby(ALIKE, sort=False)]
        title = f"Follow only under a reading ({len(under)}, of one kind together)"
        details.append(Titled(title, "Under others they don't.", _layout(rows, study), "published"))
    return Part("audit", TITLE, [sentence(found), MEANS], tables, details)


def sentence(found: pd.DataFrame) -> str:
    """How many printed numbers follow from others."""
    counts = found["verdict"].value_counts()
    n = {verdict: int(counts.get(verdict, 0)) for verdict in (FOLLOWS, READING, NOT, UNCHECKED)}
    return (
        f"Of {len(found)} printed numbers and statements that others bear on, {n[FOLLOWS]} follow from them within "
        f"rounding, {n[READING]} only under a reading, "
        f"{n[NOT]} do not follow, and {n[UNCHECKED]} can't be checked by what is printed."
    )


def _together(own: pd.DataFrame) -> pd.Series:
    """Findings of one check with one reading as one row."""
    first = own.iloc[0].copy()
    if len(own) > 1:
        first["about"] = f"{first['about']} and {len(own) - 1} more"
        first["low"] = first["high"] = float("nan")
        first["follows_from"] = ""
    return first


def _layout(rows: list[pd.Series], study: Study) -> Table:
    frame = pd.DataFrame([
        {
            "About": row["about"],
            "Where": row["where"],
            "Printed": row["printed"],
            "Follows from": row["follows_from"],
            "Recomputed": _range(row["low"], row["high"]),
            "Off by": "" if pd.isna(row["off_by"]) else f"{row['off_by']:.3g}",
            "Reading": _readings(row["reading"]),
        }
        for row in rows
    ])  # fmt: skip
    kept = [c for c in frame if c == "About" or (frame[c] != "").any()]
    return table(frame[kept], study, wraps=True)


def _readings(text: str) -> str:
    """The first few of those under which it follows."""
    names = text.split("; or ")
    more = f"; or {len(names) - NAMED} more" if len(names) > NAMED else ""
    return "; or ".join(names[:NAMED]) + more


def _range(low: float, high: float) -> str:
    if pd.isna(low):
        return ""
    ends = [f"{low:.4g}", f"{high:.4g}"]
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)
