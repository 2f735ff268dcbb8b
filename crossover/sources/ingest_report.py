"""The report of an ingest: one file for machines, one for people. Neither tells who anybody is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NotRequired, TypedDict, cast

from rich.console import Console

from crossover.core.files import read_json, write_json
from crossover.core.terminal import Table
from crossover.core.wording import counted, first_few, patients_and_cases
from crossover.sources.findings import KINDS, Finding, FindingRow
from crossover.sources.reading import of_structure
from crossover.sources.unlike import StructureExtent, Values

JSON = "ingest.json"
TEXT = "ingest.txt"
ORDER = ("error", "warning", "note")


class CaseRecord(TypedDict):
    """What is known of a case when it is made, or of why it wasn't."""

    patient: str
    """The patient's pseudonym."""
    alike: str
    """What the patient's identifier has in common with others that may be the same person's; "" if it isn't known."""
    people: NotRequired[list[str]]
    """Keyed hashes of name, birth date and sex in the images of an examination: one, unless several people share a
    PatientID; absent where the case could not be made."""
    received: NotRequired[dict[str, str]]
    """Token of a file -> its SHA-256; absent where the case could not be made."""
    found: list[str]
    chosen: dict[str, str]
    """Channel -> which series it is from."""
    findings: list[FindingRow]
    images: dict[str, str]
    """Channel -> digest of its values."""
    values: NotRequired[dict[str, Values]]
    """Channel -> its values in short, by which cases are compared; absent where the case could not be made."""
    plane: NotRequired[str]
    """The plane of its slices; absent where the case could not be made."""
    drawn: NotRequired[dict[str, StructureExtent]]
    """Structure -> its size and place; absent where the case could not be made."""
    segments: NotRequired[dict[str, str]]
    """Structure that a study gives by number -> a keyed digest of the names that its file has for that number; those
    in files without names are left out. Absent where the case could not be made."""


class CaseReport(TypedDict):
    """A case in the report."""

    patient: str
    """The patient's pseudonym."""
    status: Literal["made", "excluded", "allowed"]
    """The state of the case. "excluded": by an error; "allowed": excluded, as the source allows."""
    found: list[str]
    chosen: dict[str, str]
    findings: list[FindingRow]


class Report(TypedDict):
    """The report for machines."""

    cases: dict[str, CaseReport]
    folder: list[FindingRow]
    """The findings about no single case."""
    made: list[str]
    failed: list[str]
    """The cases that are excluded."""
    barred: list[str]
    """The codes of errors about no single case."""


def report(
    records: Mapping[str, CaseRecord],
    folder: Sequence[Finding],
    more: Mapping[str, Sequence[Finding]],
    allowed: set[str],
    lenient: bool = False,
) -> Report:
    """Return all cases with what was found, chosen and wrong.

    Args:
        records: case -> its record.
        folder: findings about no single case.
        more: case -> findings that only show when cases are compared.
        allowed: codes and cases whose errors exclude a case without failing the run.
        lenient: whether errors of structures exclude none.
    """
    cases: dict[str, CaseReport] = {}
    for case, record in records.items():
        findings = record["findings"] + [f.row() for f in more.get(case, ())]
        wrong = [f for f in findings if f["severity"] == "error"]
        errors = {f["code"] for f in wrong if not (lenient and of_structure(f["about"]))}
        status: Literal["made", "excluded", "allowed"] = "excluded" if errors else "made"
        if errors and (case in allowed or errors <= allowed):
            status = "allowed"
        ordered = sorted(findings, key=lambda f: ORDER.index(f["severity"]))
        cases[case] = {
            "patient": record["patient"], "status": status, "found": record["found"], "chosen": record["chosen"],
            "findings": ordered,
        }  # fmt: skip
    loose = [f.row() for f in folder]
    barred = [f["code"] for f in loose if f["severity"] == "error" and f["code"] not in allowed]
    return {
        "cases": cases,
        "folder": sorted(loose, key=lambda f: ORDER.index(f["severity"])),
        "made": [c for c, about in cases.items() if about["status"] == "made"],
        "failed": [c for c, about in cases.items() if about["status"] == "excluded"],
        "barred": barred,
    }


def read(folder: Path) -> Report:
    """Read the report that `write` wrote to a folder."""
    return cast(Report, read_json(folder / JSON))


def write(report: Report, folder: Path) -> None:
    """Write the report to a folder, as `ingest.json` and `ingest.txt`."""
    write_json(folder / JSON, report)
    with (folder / TEXT).open("w", encoding="utf-8") as file:
        show(report, Console(file=file, width=140))


def show(report: Report, console: Console) -> None:
    """Print the report for a person: cases, then findings of no single case, then what to do."""
    table = Table("case", "status", "chosen", "findings", show_lines=True)
    for case, about in report["cases"].items():
        chosen = "\n".join(f"{name}: {what}" for name, what in about["chosen"].items())
        lines = [_line(f) for f in _together(about["findings"])]
        status = "left out" if about["status"] == "allowed" else about["status"]
        table.add_row(case, status, chosen, "\n".join(lines))
    console.print(table)
    for finding in report["folder"]:
        console.print("of no single case:", _line(finding), highlight=False)
    seen = [f for about in report["cases"].values() for f in about["findings"]] + report["folder"]
    codes = {f["code"] for f in seen if f["severity"] != "note"}
    if codes:
        console.print("What to do:")
    for code in sorted(codes):
        console.print(f"  {code}: {KINDS[code].remedy}", highlight=False, markup=False)
    count = patients_and_cases(
        {case: about["patient"] for case, about in report["cases"].items()}, report["cases"].keys() - {*report["made"]}
    )
    left_out = sum(about["status"] == "allowed" for about in report["cases"].values())
    allowed = f"{counted(left_out, 'case')} left out, as `allow` says" if left_out else "no error"
    console.print(f"Made: {count}; {problems(report) or allowed}.", markup=False)


def problems(report: Report) -> str:
    """Return what makes the exit status non-zero; "" where nothing does."""
    rows = [f for case in report["failed"] for f in report["cases"][case]["findings"] if f["severity"] == "error"]
    failed = [f"errors exclude {len(report['failed'])} of {counted(len(report['cases']), 'case')} "]
    codes = dict.fromkeys(f["code"] for f in rows)
    failed[0] += f"{_remedies(codes)}; correct this, or exclude these cases with `allow: [{', '.join(codes)}]` "
    failed[0] += "in the source of the cohort (config/studies/), or in the file of rules"
    barred = [f"{counted(len(report['barred']), 'error')} of no single case {_remedies(report['barred'])}"]
    return ", ".join(failed * bool(report["failed"]) + barred * bool(report["barred"]))


def _remedies(codes: Iterable[str]) -> str:
    """Return the first few of codes, in brackets, with what to do about each."""
    return "(" + first_few([f"{code}: {KINDS[code].remedy}" for code in dict.fromkeys(codes)], 3, "; ") + ")"


def warned(report: Report) -> dict[str, list[str]]:
    """Return each case that is used with warnings -> their codes, each once, in order."""
    codes = {
        case: sorted({finding["code"] for finding in about["findings"] if finding["severity"] == "warning"})
        for case, about in report["cases"].items()
        if about["status"] == "made"
    }
    return {case: own for case, own in codes.items() if own}


def _together(findings: Sequence[FindingRow]) -> list[FindingRow]:
    """Join findings that say the same of several channels or structures."""
    alike: dict[tuple[str, str], list[FindingRow]] = {}
    for finding in findings:
        alike.setdefault((finding["code"], finding["what"]), []).append(finding)
    return [
        cast(FindingRow, {**own[0], "about": ", ".join(filter(None, (f["about"] for f in own)))})
        for own in alike.values()
    ]


def _line(finding: FindingRow) -> str:
    about = f"{finding['about']}: " if finding["about"] else ""
    files = f" [{', '.join(finding['files'][:3])}]" if finding["files"] else ""
    # Square brackets are markup to rich.
    return f"{finding['severity']} {finding['code']}: {about}{finding['what']}{files}".replace("[", "\\[")
