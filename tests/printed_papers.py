"""Small papers whose numbers truly follow from each other, printed with rounding, for the audit's tests."""

from __future__ import annotations

from typing import Any

from crossover.statistics.papers.audit.verdicts import AuditRow
from crossover.statistics.papers.printed_number import Printed
from crossover.statistics.papers.published import Published


def paper(**parts: Any) -> Published:
    """A paper with these parts and nothing else."""
    least = {"study": "x", "citation": "X 2024", "sizes": [5], "confidence": 0.95, "values": []}
    return Published.model_validate(least | parts)


def printed(value: float, decimals: int = 2) -> Printed:
    return Printed(f"{value:.{decimals}f}")


def value(
    family: str,
    mean: float | Printed,
    test_set: str = "t",
    n: int = 0,
    where: str = "Table",
    **more: Any,
) -> dict[str, Any]:
    return {
        "model": {"family": family, "n_train": n}, "test_set": test_set, "metric": "dsc", "mean": mean,
        "where": where, **more,
    }  # fmt: skip


def only(findings: list[AuditRow], about: str) -> AuditRow:
    """The one finding whose subject begins so."""
    (found,) = [f for f in findings if f.about.startswith(about)]
    return found
