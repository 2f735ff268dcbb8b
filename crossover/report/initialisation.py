"""What the trainings of a run really began with: from the stages' records, never from the configuration."""

from __future__ import annotations

import pandas as pd

from crossover.analyses.figures import style
from crossover.study.schema import Study


def notices(initial: pd.DataFrame | None, study: Study) -> list[str]:
    """What a reader has to know before any number: weights that were asked for and could not be had.

    Args:
        initial: of `facts.initial_weights`; None or empty gives no notice.
    """
    if initial is None or initial.empty:
        return []
    other = initial[initial["weights"] != initial["asked"]]
    out = []
    for (asked, weights), rows in other.groupby(["asked", "weights"], sort=False):
        encoders = [style.encoder_label(name) for name in dict.fromkeys(rows["encoder"])]
        text = (
            f"{style.weights_label(asked)} weights could not be had for {_listed(encoders)}: "
            f"{_trainings(rows)} that should begin with them began with {style.weights_label(weights)} "
            "weights instead."
        )
        out.append(f"{text} {_meaning(initial, rows, asked)}")
    return out


def summary(initial: pd.DataFrame) -> dict[str, str]:
    """ "ImageNet, package x 1.0" -> "24 trainings", for the facts about a run."""
    out: dict[str, int] = {}
    for row in initial.itertuples():
        name = style.weights_label(row.weights)
        key = f"{name} ({row.where})" if row.where else name
        out[key] = out.get(key, 0) + row.stages
    return {name: _count(number) for name, number in out.items()}


def _meaning(initial: pd.DataFrame, rows: pd.DataFrame, asked: str) -> str:
    """What follows from it for the chains and for the choice of the network."""
    name = style.weights_label(asked)
    had = initial[(initial["asked"] == asked) & (initial["weights"] == asked)]
    if had.empty:
        return f"No number of this run comes from a network that began with {name} weights."
    parts = []
    if (had["selection"] & ~had["encoder"].isin(rows["encoder"])).any() and rows["selection"].any():
        parts.append("The choice of the network is therefore not between equals.")
    if not rows["selection"].all():
        parts.append("Chains are among them.")
    elif not had["selection"].all():
        parts.append(f"All chains began with {name} weights where the study asks for them.")
    return " ".join(parts)


def _trainings(rows: pd.DataFrame) -> str:
    return _count(int(rows["stages"].sum()))


def _count(number: int) -> str:
    return f"{number} training{'s' if number != 1 else ''}"


def _listed(parts: list[str]) -> str:
    return f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else "".join(parts)
