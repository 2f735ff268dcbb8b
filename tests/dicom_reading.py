"""Folders of small DICOM files, read: the channel that a rule gives, or what was said instead."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

import pytest
import SimpleITK as sitk
from dicom_exports import Block, differences

from crossover.sources import ingest_report
from crossover.sources.cases import IngestError
from crossover.sources.dicom import scan
from crossover.sources.dicom.choose import ChosenImage, channel
from crossover.sources.dicom.export_files import list_files
from crossover.sources.dicom.header import Instance
from crossover.sources.dicom.stacks import stacks
from crossover.sources.findings import Finding, Refused
from crossover.sources.ingest import ingest
from crossover.sources.pseudonyms import pseudonym, secret
from crossover.sources.settings import RulesFile, SeriesRule


def headers(folder: Path) -> list[Instance]:
    instances, wrong = scan.read_headers(list_files(folder, b"key")[0], 1)
    assert not wrong
    return instances


def chosen(folder: Path, drawn_on: Collection[str] = (), modality: str = "MR", **rule) -> ChosenImage:
    return channel(stacks(headers(folder)), SeriesRule(modality=modality, **rule), drawn_on)


def refusal(folder: Path, **rule) -> Finding:
    with pytest.raises(Refused) as caught:
        chosen(folder, **rule)
    return caught.value.finding


def assert_is(image: sitk.Image, wanted: Block, values: float = 0.0, mm: float = 1e-6) -> None:
    apart = differences(image, wanted)
    assert apart[0] <= values and apart[1] <= mm, apart


def run(source: Path, out: Path, rules: RulesFile) -> dict:
    """The report, whether cases failed or not."""
    try:
        ingest(source, out, rules, 1)
    except IngestError as error:
        assert "ingest.txt" in str(error)
    return json.loads((out / ingest_report.JSON).read_text())


def codes(report: dict, case: str) -> list[str]:
    return [f["code"] for f in report["cases"][case]["findings"]]


def name(patient: str, study: int = 1) -> str:
    """A case's name in the report."""
    return pseudonym(patient, secret()) + (f"-{study}" if study > 1 else "")
