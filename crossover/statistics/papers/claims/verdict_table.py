"""Verdicts on claims for people: on the terminal."""

import math
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.text import Text

from crossover.core.configuration import ConfigError
from crossover.core.terminal import Table
from crossover.core.wording import p_text
from crossover.statistics.papers.claims.check import check_claims
from crossover.statistics.papers.claims.parts import FAILS, HOLDS, OPEN, VERDICTS, effect_text
from crossover.statistics.papers.claims.verdict_files import TABLES, judge_claims
from crossover.study.config import load_made

COLOURS = {HOLDS: "green", FAILS: "red", OPEN: "yellow"}
WIDE = 150  # columns of a terminal


def verdicts(studies: list[str], results: Path, scale: str, config: Path) -> dict[str, pd.DataFrame]:
    """Return study -> its claims' verdicts on the tables under `results`.

    Args:
        studies: by default all that have claims and results.
        scale: at which the results were made; "" for what their params.json says.

    Raises:
        ConfigError: all that is missing or wrong: studies, claims, results.
    """
    known = sorted(path.stem for path in (config / "claims").glob("*.yaml"))
    there = [name for name in known if (results / name / TABLES[0]).exists()]
    findings = [] if studies or there else [f"{results}: there are no results of {', '.join(known)}"]
    for name in studies:
        if name not in known:
            findings.append(f"{config / 'claims' / name}.yaml does not exist; there are claims of {', '.join(known)}")
        elif name not in there:
            listed = ", ".join(there) or "none"
            findings.append(f"{results / name / TABLES[0]} does not exist; studies with this table: {listed}")
    if findings:
        raise ConfigError("\n".join(findings))
    loaded = {name: load_made(name, results, config, scale) for name in studies or there}
    check_claims(loaded, config)
    return {name: judge_claims(study, _files(results / name), config) for name, study in loaded.items()}


def records(table: pd.DataFrame) -> list[dict]:
    """Return the rows as plain values for JSON, which has neither NaN nor infinity."""
    return [
        {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}
        for row in table.to_dict("records")
    ]


def show(table: pd.DataFrame, study: str, console: Console) -> None:
    """Print a study's verdicts and how many there are of each; a wide terminal shows words and reasons too."""
    wide = console.width >= WIDE
    heads = ["claim", *(["words"] if wide else []), "verdict", "effect (CI)", "p", "published"]
    out = Table(*heads, *(["why"] if wide else []), title=study, title_justify="left")
    out.show_lines = wide
    for row in table.to_dict("records"):
        words = [f"“{row['words']}” ({row['where']})", row["because"]] if wide else []
        found = Text(row["verdict"], COLOURS.get(row["verdict"], "dim"))
        p = row["p"]
        chance = "" if math.isnan(p) else p_text(p)
        numbers = [effect_text(row), chance, row["published"]]
        out.add_row(Text(row["id"], "bold"), *words[:1], found, *numbers, *words[1:])
    console.print(out)
    counts = table["verdict"].value_counts()
    summary = ", ".join(f"{counts[v]} {v}" for v in VERDICTS if v in counts)
    console.print(
        f"{study}: {len(table)} claims: {summary}. The effect, its interval ({table['confidence'].iloc[0]:.0%}) and p "
        "are those of the part that decides: where all parts have to hold, the least clear one.\n"
    )


def _files(folder: Path) -> list[Path]:
    return [path for path in (folder / name for name in TABLES) if path.exists()]
