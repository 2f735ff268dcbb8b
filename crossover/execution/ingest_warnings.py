"""What the ingests of a run's cohorts warned of, for its last lines: the patients are used all the same."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from crossover.core.wording import counted
from crossover.sources import ingest_report


def ingest_warnings(cohorts: Mapping[str, str], cases: Path = Path("data/cases")) -> list[str]:
    """Return a line for each cohort some of whose cases are used with a warning: how many, of what, and where to read.

    Args:
        cohorts: the name of each -> its label.
        cases: the folder with a folder for each cohort.
    """
    lines = []
    for folder, label in ((cases / cohort, label) for cohort, label in cohorts.items()):
        warned = ingest_report.warned(ingest_report.read(folder)) if (folder / ingest_report.JSON).exists() else {}
        if warned:
            codes = Counter(code for own in warned.values() for code in own)
            what = ", ".join(f"{code} ({n})" for code, n in codes.most_common())
            some = counted(len(warned), "case")
            lines.append(f"{some} of {label} used with a warning: {what}: see {folder / ingest_report.TEXT}")
    return lines
