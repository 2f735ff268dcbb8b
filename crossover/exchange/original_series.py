"""A case -> the DICOM series that its grid is: what objects about the case refer to."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pydicom
import SimpleITK as sitk
from pydicom.dataset import Dataset

from crossover.imaging.grids import GeometryError, reoriented
from crossover.sources.dicom.choose import matching_stacks
from crossover.sources.dicom.examination import without_copies
from crossover.sources.dicom.export_files import FileRef, list_files
from crossover.sources.dicom.header import STRUCTURES, Frame, Instance
from crossover.sources.dicom.places import parted
from crossover.sources.dicom.scan import patient_of, read_headers
from crossover.sources.dicom.stacks import Stack, grid, stacks
from crossover.sources.findings import Refused
from crossover.sources.pseudonyms import secret
from crossover.sources.settings import RulesFile


class NoOriginal(ValueError):
    """There is no series that an object of a case could refer to; the message tells nobody who it is."""


@dataclass(frozen=True)
class SeriesSlice:
    """A slice of the original series, and how an object refers to it."""

    instance: Instance
    frame: Frame
    sop_class: str

    @property
    def frame_number(self) -> int | None:
        """The ReferencedFrameNumber (0008,1160), from 1 on; None for a file of one image."""
        return self.frame.index + 1 if self.instance.image.count > 1 else None


@dataclass(frozen=True)
class Original:
    """The series that a case's masks lie on, slice by slice as its own grid counts them."""

    planes: tuple[SeriesSlice, ...]
    lattice: sitk.Image
    """Its grid, without values: the case's voxels, whose axes may go another way there."""
    header: Dataset
    """The header of the first slice's file, without pixels: the source of the patient and study modules."""

    @property
    def series(self) -> str:
        """The series' SeriesInstanceUID (0020,000E)."""
        return self.planes[0].instance.series

    @property
    def frame_of_reference(self) -> str:
        """The series' FrameOfReferenceUID (0020,0052)."""
        return self.planes[0].instance.frame_of_reference

    @property
    def files(self) -> dict[str, str]:
        """The SOPClassUID of each of its files by SOPInstanceUID, each once, in the order of the slices."""
        return {p.instance.uid: p.sop_class for p in self.planes}


class Originals:
    """The files below a source of examinations, looked up again by the tokens that an ingest recorded."""

    def __init__(self, source: Path, rules: RulesFile) -> None:
        self._source, self._rules = source, rules

    @cached_property
    def _files(self) -> dict[str, FileRef]:
        files, _ = list_files(self._source, secret())
        return {f.token: f for f in parted(self._rules, files)[0]}

    def of(self, case: str, tokens: Collection[str], mask: sitk.Image) -> Original:
        """Return the series that a case's masks lie on.

        It is the first of the channels by the rules whose stack of slices has the voxels of the mask.

        Args:
            case: its name.
            tokens: of the files that the case was made from.
            mask: on the grid of the case.

        Raises:
            NoOriginal: there is none, or it can't be referred to.
        """
        files = [self._files[t] for t in tokens if t in self._files]
        instances, _ = read_headers(files, 1)
        stack = self._stack(case, without_copies(instances, []), mask)
        if not stack.instance.frame_of_reference:
            raise NoOriginal("the series has no FrameOfReferenceUID (0020,0052), which an object must refer to")
        return original(stack)

    def _stack(self, case: str, instances: list[Instance], mask: sitk.Image) -> Stack:
        there = stacks(instances)
        drawn_on = {uid for i in instances if i.modality in STRUCTURES for uid in i.references}
        for rule in self._rules.series.values():
            try:
                for stack in matching_stacks(there, rule.of(case, patient_of(case)), drawn_on):
                    if _has_voxels_of(mask, grid(stack)):
                        return stack
            except Refused:
                continue
        raise NoOriginal("no series of the examination has the voxels of the mask")


def _has_voxels_of(mask: sitk.Image, lattice: sitk.Image) -> bool:
    try:
        reoriented(mask, lattice)
    except GeometryError:
        return False
    return True


def original(stack: Stack) -> Original:
    """Return a stack with what the headers of its files say beside what ingest reads.

    Raises:
        NoOriginal: its slices are tiles of larger images, so that no image lies where a slice does.
    """
    if any(i.tiles for i, _ in stack.planes):
        raise NoOriginal("the slices of the series are tiles of larger images (a mosaic), on which no object can lie")
    files = {i.uid: i.file for i, _ in stack.planes}
    classes = {uid: _sop_class(file) for uid, file in files.items()}
    with stack.instance.file.open() as opened:
        header = pydicom.dcmread(opened, force=True, stop_before_pixels=True)
    planes = tuple(SeriesSlice(i, f, classes[i.uid]) for i, f in stack.planes)
    return Original(planes, grid(stack), header)


def _sop_class(file: FileRef) -> str:
    with file.open() as opened:
        tags = ["SOPClassUID"]
        return str(pydicom.dcmread(opened, force=True, stop_before_pixels=True, specific_tags=tags).SOPClassUID)
