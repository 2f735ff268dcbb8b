"""The numbers of a verdict as text."""

import math
from collections.abc import Mapping
from typing import Any

from crossover.statistics.learning_curves.crossing import whole_cases


def effect(row: Mapping[str, Any]) -> str:
    """Return an effect in words: "+0.07 (+0.01, +0.13) difference of DSC", with its interval where it has one."""
    if math.isnan(row["effect"]):
        return ""
    if row["measure"].startswith("n at"):
        ends = [_cases(row[k]) for k in ("effect", "ci_low", "ci_high")]
        between = "" if math.isnan(row["ci_low"]) else f" ({ends[1]}, {ends[2]})"
        return f"{ends[0]}{between} {row['measure']}"
    signed = "+" if "difference" in row["measure"] else ""
    digits = {"%": 1}.get(row["measure"].split()[0], 2 if not signed else 3)
    value, low, high = (f"{row[k]:{signed}.{digits}f}" for k in ("effect", "ci_low", "ci_high"))
    between = "" if math.isnan(row["ci_low"]) else f" ({low}, {high})"
    return f"{value}{between} {row['measure']}".replace("-", "−")


def _cases(n: float) -> str:
    return "below the sizes" if n == 0 else "beyond the sizes" if math.isinf(n) else whole_cases(n)


def p(value: float) -> str:
    """Format a p value: "< 0.001", "0.041"; "" for NaN."""
    if math.isnan(value):
        return ""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
