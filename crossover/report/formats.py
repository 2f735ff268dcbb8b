"""Numbers and lists as text, each in one way: a true minus sign, and nothing for a missing value."""

import math
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import pandas as pd

from crossover.core.wording import p_text
from crossover.statistics.scores.scales import shown


def _of_known(write: Callable[..., str]) -> Callable[..., str]:
    """Let a format give "" for a missing value, and "−" where Python writes a hyphen."""

    @wraps(write)
    def written(value: object, *more: object, **named: object) -> str:
        missing = value is None or pd.isna(value)
        return "" if missing else write(value, *more, **named).replace("-", "−")

    return written


@_of_known
def number(value: float, digits: int = 2) -> str:
    """Format a number: "0.62"."""
    return f"{value:.{digits}f}"


@_of_known
def bound(value: float, digits: int = 2) -> str:
    """Format what a number is at most, rounded up: "0.63" for 0.621."""
    steps = 10**digits
    return number(math.ceil(round(value * steps, 6)) / steps, digits)


def rank(row: Any, equal: bool) -> str:
    """Format a rank with its interval, of a row of `ranking.ranking`: "1 (1 to 2)"; "all equal" where models are."""
    return "all equal" if equal else f"{row.rank} ({row.rank_low} to {row.rank_high})"


@_of_known
def whole(value: float) -> str:
    """Format a whole number: "12"."""
    return f"{int(value)}"


@_of_known
def signed(value: float) -> str:
    """Format a number with its sign: "+0.031"."""
    return f"{value:+.3f}"


@_of_known
def p_value(p: float) -> str:
    """Format a p value (`wording.p_text`)."""
    return p_text(p)


@_of_known
def percent(value: float, digits: int = 1) -> str:
    """Format a share in per cent: "89.3" for 0.893, under a head that says per cent."""
    return f"{100 * value:.{digits}f}"


@_of_known
def score(value: float, metric: str, digits: int | None = None) -> str:
    """Format a value of a metric, without its unit: "89.3" for a DSC of 0.893, "4.12" for a distance in mm."""
    return shown(metric).text(value, digits)


@_of_known
def points(value: float, metric: str) -> str:
    """Format a difference of values of a metric, without its unit: "+3.1", "0.0" points of a DSC, "−0.41" mm."""
    as_shown = shown(metric)
    text = f"{as_shown.factor * value:+.{as_shown.decimals}f}"
    return text[1:] if float(text) == 0 else text


@_of_known
def share(value: float) -> str:
    """Format a whole percentage: "33%" for 33."""
    return f"{value + 0.0:.0f}%".replace("-0%", "0%")


@_of_known
def duration(seconds: float) -> str:
    """Format seconds: "81.3 s", "12 min 03 s", "2 h 05 min"."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min {rest:02d} s"


def interval(value: float, low: float, high: float, write: Callable[[float], str] = number) -> str:
    """Format a value with its interval: "0.62 (0.58, 0.66)"; without an interval "0.62"."""
    between = f" ({write(low)}, {write(high)})" if pd.notna(low) else ""
    return write(value) + between if pd.notna(value) else ""


def spread(mean: float, sd: float, write: Callable[[float], str] = number) -> str:
    """Format a mean with its SD: "0.89 ± 0.02"; without an SD "0.89"."""
    about = f" ± {write(sd)}" if pd.notna(sd) else ""
    return write(mean) + about if pd.notna(mean) else ""


def listed(texts: Sequence[object], joint: str = "and") -> str:
    """Join names: "a, b and c"."""
    *first, last = map(str, texts) if texts else [""]
    return f"{', '.join(first)} {joint} {last}" if first else last


def quoted(label: str) -> str:
    """Mark a label as a name inside a sentence: "“Off the shelf”", "“TL”"."""
    return f"“{label}”"
