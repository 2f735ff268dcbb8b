"""The audit on the terminal, and for machines."""

from __future__ import annotations

from typing import Any

import pandas as pd
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from crossover.findings.audit.finding import FOLLOWS, NOT, READING, UNCHECKED
from crossover.findings.published import Published

COUNTED = {
    FOLLOWS: "follow",
    READING: "only under a reading",
    NOT: "don't follow",
    UNCHECKED: "can't be checked",
}
MOST_NAMED = 3


def show(published: Published, table: pd.DataFrame, console: Console) -> None:
    """A line of counts, what does not follow, what follows only under a reading, and what no check finds.

    Findings of one check with the same reading for the same printed number are one entry.
    """
    counts = ", ".join(f"{n} {COUNTED[verdict]}" for verdict, n in verdicts(table).items())
    console.print(
        Text(f"{published.study} ({published.citation}): {len(table)} checked: {counts}", "bold")
    )
    for verdict, heading in ((NOT, "Doesn't follow"), (READING, "Follows only under a reading")):
        chosen = table[table["verdict"] == verdict]
        if len(chosen):
            console.print(Padding(Text(heading, "underline"), (1, 0, 0, 2)))
        alike = ["check", "printed", "reading", "where"]
        single = [
            own for _, own in chosen.groupby(chosen.index if verdict == NOT else alike, sort=False)
        ]
        for own in single:
            console.print(Padding(_entry(own), (0, 0, 0, 4)))
    if published.contradictions:
        heading = "Found by reading: no check can"
        console.print(Padding(Text(heading, "underline"), (1, 0, 0, 2)))
    for said in published.contradictions:
        console.print(Padding(Text(f"{said.about}: {said.what}"), (0, 0, 0, 4)))
    console.print()


def verdicts(table: pd.DataFrame) -> dict[str, int]:
    """The number of findings of each verdict."""
    return {verdict: int((table["verdict"] == verdict).sum()) for verdict in COUNTED}


def for_machines(published: Published, table: pd.DataFrame) -> dict[str, Any]:
    """All findings; numbers that a finding doesn't have are None."""
    rows = table.astype(object).where(table.notna(), None)
    return {
        "study": published.study,
        "citation": published.citation,
        "verdicts": verdicts(table),
        "findings": rows.drop(columns="study").to_dict("records"),
    }


def _entry(own: pd.DataFrame) -> Text:
    first = own.iloc[0]
    names = list(dict.fromkeys(own["about"]))
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    text = Text("; ".join(names[:MOST_NAMED]) + more, "bold")
    text.append(f" ({first['where']}): printed {first['printed']}", "not bold")
    if first["follows_from"] and len(names) == 1:
        text.append(f"; from {first['follows_from']}", "not bold")
    if pd.notna(first["low"]) and len(names) == 1:
        text.append(f"; recomputed {_range(first['low'], first['high'])}", "not bold")
    if first["verdict"] == NOT and pd.notna(first["off_by"]):
        text.append(f", off by {first['off_by']:.3g}", "not bold")
    if first["reading"]:
        near = "nearest reading" if first["verdict"] == NOT else "under"
        text.append(f"; {near}: {first['reading']}", "not bold italic")
    if first["note"] and len(names) == 1:
        text.append(f". {first['note']}", "not bold dim")
    return text


def _range(low: float, high: float) -> str:
    ends = [f"{low:.4g}", f"{high:.4g}"]
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)
