"""What a run's last lines say of the ingests of its cohorts: their warnings, and patients whom no size includes."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from crossover.core.wording import counted
from crossover.execution.estimate import training_patients
from crossover.sources import ingest_report
from crossover.sources.settings import Phantom
from crossover.study.config import SCALES, place_of
from crossover.study.schema import Study
from crossover.study.suggested import more_sizes


def ingest_warnings(studies: Mapping[str, Study], cases: Path = Path("data/cases")) -> list[str]:
    """Return lines about cases that are used with a warning, and about patients whom no size includes.

    The first are one for each cohort: how many cases, of what, and where to read; the others one for each study of
    whose target more patients can be trained on than its largest size has.

    Args:
        studies: those of the run, by name.
        cases: the folder with a folder for each cohort.
    """
    labels = {cohort: about.label for study in studies.values() for cohort, about in study.cohorts.items()}
    lines = []
    for folder, label in ((cases / cohort, label) for cohort, label in labels.items()):
        warned = ingest_report.warned(ingest_report.read(folder)) if (folder / ingest_report.JSON).exists() else {}
        if warned:
            codes = Counter(code for own in warned.values() for code in own)
            what = ", ".join(f"{code} ({n})" for code, n in codes.most_common())
            some = counted(len(warned), "case")
            lines.append(f"{some} of {label} used with a warning: {what}: see {folder / ingest_report.TEXT}")
    for name, study in ((n, s) for n, s in studies.items() if s.scale != SCALES[0]):  # smoke tests on fewer patients
        target = study.cohorts[study.target]
        if not isinstance(target.source, Phantom) and (most := training_patients(target, cases / study.target)):
            where = place_of("sizes", name, study.scale)
            lines += more_sizes(name, study.sizes, most, target.label, where)
    return lines
