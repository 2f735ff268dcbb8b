"""The audit on the terminal, and for machines."""

from typing import Any

import pandas as pd
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from crossover.core.cells import first_few
from crossover.statistics.papers.audit.false_claims import LIKELY
from crossover.statistics.papers.audit.verdicts import FOLLOWS, NOT, READING, UNCHECKED, span
from crossover.statistics.papers.published import Published

COUNTED = {
    FOLLOWS: "follow",
    READING: "only under a reading",
    NOT: "don't follow",
    UNCHECKED: "can't be checked",
}
MOST_NAMED = 3


def show(published: Published, table: pd.DataFrame, claims: pd.DataFrame, console: Console) -> None:
    """Print a line of counts, then what does not follow, entry by entry.

    What follows only under a reading, what no check finds, and which claims of superiority may be false
    (`false_claims.false_claims`) come after it.

    Rows of one check with the same reading for the same printed number are one entry.
    """
    counts = ", ".join(f"{n} {COUNTED[verdict]}" for verdict, n in verdicts(table).items())
    console.print(Text(f"{published.study} ({published.citation}): {len(table)} checked: {counts}", "bold"))
    for verdict, heading in ((NOT, "Doesn't follow"), (READING, "Follows only under a reading")):
        chosen = table[table["verdict"] == verdict]
        if len(chosen):
            console.print(Padding(Text(heading, "underline"), (1, 0, 0, 2)))
        alike = ["check", "printed", "reading", "where"]
        single = [own for _, own in chosen.groupby(chosen.index if verdict == NOT else alike, sort=False)]
        for own in single:
            console.print(Padding(_entry(own), (0, 0, 0, 4)))
    if published.contradictions:
        heading = "Found by reading: no check can"
        console.print(Padding(Text(heading, "underline"), (1, 0, 0, 2)))
    for said in published.contradictions:
        console.print(Padding(Text(f"{said.about}: {said.what}"), (0, 0, 0, 4)))
    if len(claims):
        _show_claims(claims, console)
    console.print()


def _show_claims(claims: pd.DataFrame, console: Console) -> None:
    """Print how many claims may be false, and each that is with more than `LIKELY`."""
    doubtful = claims[claims["probability"] > LIKELY]
    heading = "Claims of superiority that may be false by the chance of the cases"
    console.print(Padding(Text(heading, "underline"), (1, 0, 0, 2)))
    said = (
        f"{len(doubtful)} of {len(claims)} with a probability above {LIKELY:.0%}. Not in it: the chance of training "
        "again, and of the choice among comparisons."
    )
    console.print(Padding(Text(said), (0, 0, 0, 4)))
    for _, row in doubtful.iterrows():
        of = ", ".join(str(x) for x in (row["structure"], row["test_set"], row["metric"]) if pd.notna(x))
        at = f" at n = {row['n_train']}" if row["n_train"] else ""
        text = Text(f"{row['better']} better than {row['worse']}{at}, {of}", "bold")
        text.append(
            f" ({row['where']}): {row['printed']} of {row['cases']} cases; false with a probability of "
            f"{row['probability']:.2f} where the scores correlate by {row['correlation']:.2f}, {row['lowest']:.2f} to "
            f"{row['highest']:.2f} for {row['correlation_high']:.2f} to {row['correlation_low']:.2f} "
            f"({row['correlation_of']})",
            "not bold",
        )
        console.print(Padding(text, (0, 0, 0, 4)))


def verdicts(table: pd.DataFrame) -> dict[str, int]:
    """Return the number of rows of each verdict."""
    return {verdict: int((table["verdict"] == verdict).sum()) for verdict in COUNTED}


def for_machines(published: Published, table: pd.DataFrame, claims: pd.DataFrame) -> dict[str, Any]:
    """Return all rows and claims as plain values; numbers that one doesn't have are None."""
    rows, claimed = (frame.astype(object).where(frame.notna(), None) for frame in (table, claims))
    return {
        "study": published.study,
        "citation": published.citation,
        "verdicts": verdicts(table),
        "findings": rows.drop(columns="study").to_dict("records"),
        "claims": claimed.drop(columns="study").to_dict("records"),
    }


def _entry(own: pd.DataFrame) -> Text:
    first = own.iloc[0]
    names = list(dict.fromkeys(own["about"]))
    text = Text(first_few(names, MOST_NAMED, "; "), "bold")
    text.append(f" ({first['where']}): printed {first['printed']}", "not bold")
    if first["follows_from"] and len(names) == 1:
        text.append(f"; from {first['follows_from']}", "not bold")
    if pd.notna(first["low"]) and len(names) == 1:
        text.append(f"; recomputed {span(first['low'], first['high'])}", "not bold")
    if first["verdict"] == NOT and pd.notna(first["off_by"]):
        text.append(f", off by {first['off_by']:.3g}", "not bold")
    if first["reading"]:
        near = "nearest reading" if first["verdict"] == NOT else "under"
        text.append(f"; {near}: {first['reading']}", "not bold italic")
    if first["note"] and len(names) == 1:
        text.append(f". {first['note']}", "not bold dim")
    return text
