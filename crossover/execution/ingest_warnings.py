"""What the ingests of a run's cohorts warned of, for its last lines: the patients are used all the same."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from crossover.core.wording import counted
from crossover.sources import ingest_report


def ingest_warnings(cohorts: Iterable[str], cases: Path = Path("data/cases")) -> list[str]:
    """Return a line for each cohort some of whose cases are used with a warning: how many, of what, and where to read.

    Args:
        cases: the folder with a folder for each cohort.
    """
    lines = []
    for folder in (cases / cohort for cohort in cohorts):
        warned = ingest_report.warned(ingest_report.read(folder)) if (folder / ingest_report.JSON).exists() else {}
        if warned:
            codes = Counter(code for own in warned.values() for code in own)
            what = ", ".join(f"{code} ({n})" for code, n in codes.most_common())
            some = counted(len(warned), "case")
            lines.append(f"{some} of {folder.name} used with a warning: {what}: see {folder / ingest_report.TEXT}")
    return lines
