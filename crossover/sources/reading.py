"""What reading an examination, or a patient's volumes, gave: images and findings."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass, field, replace

import SimpleITK as sitk

from crossover.sources.findings import Finding, Refused, unforeseen

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
        return any(f.severity == "error" for f in self.findings)


class kept:
    """Keeps what goes wrong inside as a finding, so that everything else is looked at too.

    Messages of unforeseen errors may quote a file's text: only their kind and place are kept.
    """

    def __init__(self, findings: list[Finding], about: str) -> None:
        self.findings, self.about = findings, about

    def __enter__(self) -> None:
        self.caught = warnings.catch_warnings()
        self.caught.__enter__()
        warnings.simplefilter("ignore")

    def __exit__(self, kind, error, trace) -> bool:
        self.caught.__exit__()
        if isinstance(error, Refused):
            self.findings.append(replace(error.finding, about=self.about))
        elif isinstance(error, (Exception, RecursionError)):
            what = unforeseen(error)
            log.error("%s: %s", self.about, what)
            self.findings.append(Finding("failed", what, self.about))
        return error is None or isinstance(error, Exception)
