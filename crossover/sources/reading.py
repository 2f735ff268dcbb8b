"""What reading an examination, or a patient's volumes, gave: images and findings."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass, field, replace
from typing import Any

import SimpleITK as sitk

from crossover.imaging.grids import GeometryError, reoriented, resampled, upright
from crossover.sources.findings import Finding, Refused, describe_unforeseen
from crossover.sources.settings import OtherGrids

log = logging.getLogger(__name__)


@dataclass
class Reading:
    """What an examination gave, and every finding; images are good only where no finding is an error."""

    channels: dict[str, sitk.Image] = field(default_factory=dict)
    structures: dict[str, sitk.Image] = field(default_factory=dict)
    found: list[str] = field(default_factory=list)
    """Each stack and structure object, in numbers and closed words."""
    chosen: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    facts: dict = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Whether an error excludes the case."""
        return any(f.severity == "error" for f in self.findings)

    def without_wrong_structures(self) -> Reading:
        """Leave out the structures that have errors, and these errors."""
        errors = [f for f in self.findings if f.severity == "error" and of_structure(f.about)]
        wrong = {f.about for f in errors}
        good = {n: m for n, m in self.structures.items() if f"structure {n}" not in wrong}
        rest = [f for f in self.findings if f not in errors]
        return replace(self, structures=good, findings=rest)

    def turned_upright(self) -> Reading:
        """Turn all images upright, since a network sees rows and columns, and not how the patient lay."""
        channels = {name: upright(image) for name, image in self.channels.items()}
        return replace(self, channels=channels, structures={n: upright(mask) for n, mask in self.structures.items()})


def brought_onto(
    grid: sitk.Image, image: sitk.Image, channel: str, other_grids: OtherGrids
) -> tuple[sitk.Image, Finding | None]:
    """Return an image on the grid of another channel, and a finding if there is something to report.

    Args:
        grid: the channel's image. image: what is brought onto its grid.
        channel: the name of the channel whose grid it is.
        other_grids: whether an image on another grid is resampled or refused.

    Raises:
        Refused: other-grid, where it lies on another grid and is not to be resampled, or lies all outside.
    """
    try:
        return reoriented(image, grid), None
    except GeometryError as error:
        what = f"its grid is not that of channel {channel}: {error}"
    if other_grids == "refuse":
        raise Refused("other-grid", what)
    out, outside = resampled(image, grid, other_grids)
    if outside == 1.0:
        raise Refused("other-grid", f"{what}; none of it is inside that grid")
    beside = f"; {outside:.0%} of that grid is outside it" if outside >= 0.005 else ""
    return out, Finding("resampled", f"{what}; it was resampled ({other_grids}){beside}")


def of_structure(about: str) -> bool:
    """Return whether a finding concerns a structure, or an object that holds some, and no image."""
    return about.startswith("structure ") or about.endswith(" object")


class errors_as_findings:
    """Keeps what goes wrong inside as a finding, so that everything else is looked at too.

    Messages of unforeseen errors may quote a file's text: only their kind and place are kept.
    """

    def __init__(self, findings: list[Finding], about: str) -> None:
        self.findings, self.about = findings, about

    def __enter__(self) -> None:
        self.caught = warnings.catch_warnings()
        self.caught.__enter__()
        warnings.simplefilter("ignore")

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> bool:
        self.caught.__exit__(None, None, None)
        if isinstance(error, Refused):
            self.findings.append(replace(error.finding, about=self.about))
        elif isinstance(error, (Exception, RecursionError)):
            what = describe_unforeseen(error)
            log.error("%s: %s", self.about, what)
            self.findings.append(Finding("failed", what, self.about))
        return error is None or isinstance(error, Exception)
