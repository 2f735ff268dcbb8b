"""Which results are there, what the runs that made them were told, and the command that tells a run the same."""

import argparse
import math
import re
import shlex
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

import yaml

from crossover.core.files import read_json_or_none, write_json
from crossover.core.provenance import read_record
from crossover.core.wording import first_few
from crossover.study.config import Settings, scale_of

CALLS = Path(".cache/runs")
"""For each study what the run that made its results was told. Not in `results`: folders may be named after people."""
TOLD = ("studies", "scale", "data", "imagenet")
"""The settings of a run that decide what it makes, and of what."""
PROFILE = "workflow-profile"
"""Snakemake's option by which a run goes to a scheduler."""
CONFIG = Path("config")
SNAKEMAKE = Path(".venv/bin/snakemake")
PLAIN = re.compile(r"(?!(True|False|(?i:inf|infinity|nan))$)[A-Za-z/][\w/.,-]*", re.ASCII)
"""A value after `--config` that is the text which it seems to be."""


def config_words(settings: Mapping[str, str]) -> list[str]:
    """Return the words after `snakemake --config` by which it has these settings, whatever their values contain.

    Snakemake takes quotes off a value's ends and reads the rest as YAML, in which `#` begins a comment. So what isn't
    plain is quoted as YAML, with a blank at each end.
    """
    return [f"{name}={value if PLAIN.fullmatch(value) else _quoted(value)}" for name, value in settings.items()]


def _quoted(value: str) -> str:
    text: str = yaml.safe_dump(value, default_style='"', allow_unicode=True, width=math.inf)
    return f" {text.strip()} "


def command(call: Mapping[str, str], *words: str) -> str:
    """Return the command that runs the workflow so, as a shell takes it in the workflow's folder, however it was run.

    Args:
        call: settings as after `--config`, and `PROFILE`.
        words: options, and after `--` what is asked for.
    """
    settings = settings_of(call)
    profile = [f"--{PROFILE}", call[PROFILE]] if PROFILE in call else []
    given = ["--config", *config_words(settings)] if settings else []
    return shlex.join([str(SNAKEMAKE) if SNAKEMAKE.exists() else "snakemake", *profile, *given, *words])


def settings_of(call: Mapping[str, str]) -> dict[str, str]:
    """Return what of a call stands after `--config`: all but the profile."""
    return {name: value for name, value in call.items() if name != PROFILE}


class RecordedRun(NamedTuple):
    """Studies that were run together."""

    studies: list[str]
    """Their names; none for those of config/config.yaml."""
    scale: str
    """The scale; "" for that of config/config.yaml."""
    targets: tuple[str, ...] = ()
    """What is asked of the workflow; nothing for all with the report."""


def call_with(settings: Settings) -> dict[str, str]:
    """Return what this run was told (`TOLD`), as it would be told on the command line, and its profile (`PROFILE`)."""
    words = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    words.add_argument(f"--{PROFILE}", dest=PROFILE, default="")
    data = str(Path(settings.data).absolute()) if settings.data else ""
    told = (",".join(settings.studies), settings.scale, data, settings.imagenet or "")
    call = dict(zip(TOLD, told)) | vars(words.parse_known_args(sys.argv[1:])[0])
    return {name: value for name, value in call.items() if value}


def keep_call(studies: Collection[str], call: dict[str, str]) -> None:
    """Put on record, when a run begins, what it was told: for each study of which it makes something."""
    for study in studies:
        write_json(CALLS / f"{study}.json", call)


def call_of(study: str, results: Path) -> dict[str, str]:
    """Return what the last run that made a study's results was told; {} where it has no results.

    Of results from another clone, or an earlier release, it is what their params.json tells.
    """
    if not (results / study).is_dir():
        return {}
    told = read_json_or_none(CALLS / f"{study}.json") or {"studies": study, "scale": scale_of(results / study)}
    return {name: told[name] for name in (*TOLD, PROFILE) if told.get(name)}


def completed_call(given: dict[str, str], results: Path) -> dict[str, str]:
    """Return a call with what it leaves out, as the runs were told that made the studies' results.

    Without studies they are those of the last run. What the studies' runs were told differently stays left out.

    Args:
        given: of `TOLD` and `PROFILE`, what the call gives.
        results: the folder with a folder for each study.
    """
    studies = given.get("studies") or _last_studies(results)
    calls = [call_of(study, results) for study in studies.replace(",", " ").split()]
    taken = {"studies": studies}
    for name in (*TOLD[1:], PROFILE):
        values = {call.get(name, "") for call in calls}
        taken[name] = values.pop() if len(values) == 1 else ""
    return {name: value for name, value in (taken | given).items() if value}


def _last_studies(results: Path) -> str:
    """Return the studies of the run that began last; "" where none that is there did."""
    names = last_call(results).get("studies", "").split(",")
    return ",".join(name for name in names if has_file(name))


def last_call(results: Path) -> dict[str, str]:
    """Return what the run was told that began last, of those whose results are there; {} where none did."""
    records = sorted(CALLS.glob("*.json"), key=lambda path: path.stat().st_mtime)
    return next((call for path in reversed(records) if (call := call_of(path.stem, results))), {})


def has_file(study: str, config: Path = CONFIG) -> bool:
    """Return whether a study's file is there, without which nothing of it can be planned."""
    return (config / f"studies/{study}.yaml").exists()


def made(results: Path, config: Path = CONFIG) -> tuple[dict[str, str], list[str]]:
    """Return the studies that have results.

    Args:
        results: the folder with a folder for each study.
        config: the folder of the configuration.

    Returns:
        study -> the scale at which its results were made, or are being made ("" where nothing tells it); and the
        studies whose file was renamed or deleted, of which nothing can be planned.
    """
    studies = sorted(path.parent.name for path in results.glob("*/params.json"))
    there = {study: call_of(study, results).get("scale", "") for study in studies}
    lost = [study for study in there if not has_file(study, config)]
    return {study: scale for study, scale in there.items() if study not in lost}, lost


def unfinished(results: Path, config: Path = CONFIG) -> list[str]:
    """Return the studies of which something is there, though no run has ended that would tell what it was made for."""
    folders = [path.name for path in sorted(results.glob("*")) if path.is_dir() and has_file(path.name, config)]
    return [study for study in folders if not (results / study / "params.json").exists()]


def not_in_report(studies: Collection[str], call: Mapping[str, str], results: Path, config: Path = CONFIG) -> list[str]:
    """Say which studies have results at this scale that a report of others lacks, and what makes one of all.

    Args:
        studies: that the report has.
        call: what its run was told: its scale, and its profile.
        results, config: see `made`.

    Returns:
        A sentence, or none.
    """
    there = made(results, config)[0].items()
    others = [study for study, at in there if study not in studies and at == call.get("scale")]
    if not others:
        return []
    kept = {name: call[name] for name in ("scale", PROFILE) if name in call}
    return [
        f"The report has only {', '.join(studies)}; {results} also has {first_few(others)}. One report of all, from "
        f"the results that are there: {command({'studies': ','.join([*studies, *others]), **kept})}"
    ]


def meanwhile(call: Mapping[str, str], held: Collection[str], cohorts: Mapping[str, Collection[str]]) -> str:
    """Return the command by which a run makes what no other run is at work on, in a sentence; "" where nothing is left.

    Args:
        call: what the run was told.
        held: the studies and cohorts on which others are at work, and "report".
        cohorts: of each study of the run.
    """
    free = [study for study, own in cohorts.items() if not {study, *own} & {*held}]
    if not free:
        return ""
    own = command({**call, "studies": ",".join(free)}, "--", "studies")
    return f". Meanwhile `{own}` makes all of {first_few(free)} but the report"


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
