"""Verdicts on claims for people: on the terminal."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from crossover import sections
from crossover.claims.check import check_claims
from crossover.claims.files import TABLES, judged
from crossover.claims.parts import FAILS, HOLDS, OPEN, VERDICTS
from crossover.config import ConfigError, load_study

COLOURS = {HOLDS: "green", FAILS: "red", OPEN: "yellow"}
_WORDS = 90  # of a claim's words that are shown


def verdicts(
    studies: list[str], results: Path, scale: str, config: Path
) -> dict[str, pd.DataFrame]:
    """Study -> its claims' verdicts on the tables under `results`.

    Args:
        studies: by default all that have claims and results.

    Raises:
        ConfigError: all that is missing or wrong: studies, claims, results.
    """
    known = sorted(path.stem for path in (config / "claims").glob("*.yaml"))
    there = [name for name in known if (results / name / TABLES[0]).exists()]
    findings = [] if studies or there else [f"{results}: no results of {', '.join(known)}"]
    for name in studies:
        if name not in known:
            findings.append(f"no claims about {name!r}; there are {', '.join(known)}")
        elif name not in there:
            listed = ", ".join(there) or "none"
            findings.append(
                f"{results / name / TABLES[0]} does not exist; there is that of: {listed}"
            )
    if findings:
        raise ConfigError("\n".join(findings))
    loaded = {name: load_study(name, scale, config) for name in studies or there}
    check_claims(loaded, config)
    return {
        name: judged(sections.claimed(study), _files(results / name), config)
        for name, study in loaded.items()
    }


def records(table: pd.DataFrame) -> list[dict]:
    """Rows for JSON, which has neither NaN nor infinity."""
    return [
        {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}
        for row in table.to_dict("records")
    ]


def show(table: pd.DataFrame, study: str, console: Console) -> None:
    """Print a study's verdicts and how many there are of each."""
    out = Table("claim", "verdict", "effect (CI)", "p", "published", "why",
                title=study, title_justify="left", show_lines=True)  # fmt: skip
    for row in table.to_dict("records"):
        words = row["words"] if len(row["words"]) <= _WORDS else row["words"][: _WORDS - 2] + " …"
        claim = Text.assemble((row["id"], "bold"), f"\n“{words}”")
        found = Text(row["verdict"], COLOURS.get(row["verdict"], "dim"))
        out.add_row(claim, found, effect(row), p(row["p"]), row["published"], row["because"])
    console.print(out)
    counts = table["verdict"].value_counts()
    told = ", ".join(f"{counts[v]} {v}" for v in VERDICTS if v in counts)
    console.print(
        f"{study}: {len(table)} claims: {told}. Effect, interval and p are those of the least clear part "
        f"that has to hold; intervals at {table['confidence'].iloc[0]:.0%}.\n"
    )


def _files(folder: Path) -> list[Path]:
    return [path for path in (folder / name for name in TABLES) if path.exists()]


def effect(row: dict) -> str:
    """ "+0.07 (+0.01, +0.13) difference of DSC"; without an interval "16.4 % of training time saved"."""
    if math.isnan(row["effect"]):
        return ""
    signed = "+" if "difference" in row["measure"] else ""
    digits = {"%": 1, "n": 0}.get(row["measure"].split()[0], 2 if not signed else 3)
    value, low, high = (f"{row[k]:{signed}.{digits}f}" for k in ("effect", "ci_low", "ci_high"))
    between = "" if math.isnan(row["ci_low"]) else f" ({low}, {high})"
    return f"{value}{between} {row['measure']}"


def p(value: float) -> str:
    if math.isnan(value):
        return ""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
