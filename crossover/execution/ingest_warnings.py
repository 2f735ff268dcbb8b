"""What the ingests of a run's cohorts warned of, for its last lines: the patients are used all the same."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from crossover.core.files import read_json_or_none
from crossover.core.wording import counted


def ingest_warnings(cohorts: Iterable[str], cases: Path = Path("data/cases")) -> list[str]:
    """Return a line for each cohort some of whose cases are used with a warning: how many, of what, and where to read.

    Args:
        cases: the folder with a folder for each cohort.
    """
    lines = []
    for cohort in cohorts:
        report = read_json_or_none(cases / cohort / "ingest.json") or {"cases": {}}
        warned = [
            {finding["code"] for finding in about["findings"] if finding["severity"] == "warning"}
            for about in report["cases"].values()
            if about["status"] == "made"
        ]
        codes = Counter(code for own in warned for code in own)
        if codes:
            what = ", ".join(f"{code} ({n})" for code, n in codes.most_common())
            some = counted(sum(map(bool, warned)), "case")
            lines.append(f"{some} of {cohort} used with a warning: {what}: see {cases / cohort / 'ingest.txt'}")
    return lines
