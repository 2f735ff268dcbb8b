"""Which results are there, and the runs that made them."""

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from crossover.core.provenance import read_record
from crossover.core.wording import first_few
from crossover.study.config import scale_of

CONFIG = Path("config")


class RecordedRun(NamedTuple):
    """Studies that were run together."""

    studies: list[str]
    """Their names; none for those of config/config.yaml."""
    scale: str
    """The scale; "" for that of config/config.yaml."""
    targets: tuple[str, ...] = ()
    """What is asked of the workflow; nothing for all with the report."""


def made(results: Path, config: Path = CONFIG) -> tuple[dict[str, str], list[str]]:
    """Return the studies that have results.

    Args:
        results: the folder with a folder for each study.
        config: the folder of the configuration.

    Returns:
        study -> the scale at which its results were made, as its params.json has it ("" where none can be read); and
        the studies whose file was renamed or deleted, of which nothing can be planned.
    """
    there = {path.parent.name: scale_of(path.parent) for path in sorted(results.glob("*/params.json"))}
    lost = [study for study in there if not (config / f"studies/{study}.yaml").exists()]
    return {study: scale for study, scale in there.items() if study not in lost}, lost


def not_in_report(studies: Collection[str], scale: str, results: Path, config: Path = CONFIG) -> list[str]:
    """Say which studies have results at this scale that a report of others lacks, and what makes one of all.

    Args:
        studies: that the report has.
        results, config: see `made`.

    Returns:
        A sentence, or none.
    """
    others = [study for study, at in made(results, config)[0].items() if study not in studies and at == scale]
    if not others:
        return []
    return [
        f"The report has only {', '.join(studies)}; {results} also has {first_few(others)}. One report of all, from "
        f"the results that are there: make reproduce STUDIES={','.join([*studies, *others])} SCALE={scale}"
    ]


def runs_of(there: dict[str, str], named: list[str], scale: str, results: Path) -> list[RecordedRun]:
    """Return the runs whose results are asked for: that of the report, and one for each other study.

    A report is of the studies that were run together; a study that it lacks was run apart from them, maybe
    at another scale.

    Args:
        there: the studies that `made` returned, with their scales.
        named: the studies that are asked for; none for all that are there.
        scale: the scale that is asked for; "" for that of the results.
        results: the folder with the report.
    """
    studies = named or [*there]
    if not studies:
        return [RecordedRun([], scale)]
    record = read_record(results / "report.html") or {}
    reported = [about["study"] for about in record.get("settings", {}).get("studies", [])]
    scales = {there.get(study, "") for study in reported} - {""} or {""}  # a params.json may be damaged
    whole = bool(reported) and {*reported} <= {*studies} and len(scales) == 1
    first = [RecordedRun(reported, scale or scales.pop())] if whole else []
    apart = [study for study in studies if not (whole and study in reported)]
    return [*first, *(RecordedRun([study], scale or there.get(study, ""), ("studies",)) for study in apart)]
