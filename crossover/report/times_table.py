"""Training times and what fine-tuning saves, as a reader sees them."""

from __future__ import annotations

import pandas as pd

from crossover.report.paired_table import AVERAGE, short
from crossover.statistics.metrics_table import POOLED
from crossover.study.families import baseline, fine_tuned
from crossover.study.schema import Study


def times_layout(savings: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Text of `statistics.training_time.savings` for the main fine-tuned family, at the largest size.

    Columns: Structure, the time from scratch and fine-tuned, what was saved, by cheaper steps and by
    anything else, and the time of the weights that fine-tuning starts from. Empty without savings.
    """
    family, scratch = fine_tuned(study), baseline(study)
    rows = savings[(savings["family"] == family) & (savings["n_train"] == study.sizes[-1])]
    rows = rows[rows["replicate"] == 0].set_index("structure")
    if scratch is None or rows.empty:
        return pd.DataFrame()
    order = [s for s in [*study.structures, POOLED] if s in rows.index]
    rows = rows.loc[order]
    return pd.DataFrame({
        "Structure": [_structure(study, s, rows.loc[s, "structures"]) for s in order],
        short(study, scratch): rows["seconds_scratch"].map(duration),
        short(study, family): rows["seconds"].map(duration),
        "Saved": rows["saved_percent"].map(percent),
        "of it by cheaper steps": rows["cheaper_steps_percent"].map(percent),
        "by anything else": rows["anything_else_percent"].map(percent),
        "Started from, not counted": rows["source_s"].map(duration),
    }).reset_index(drop=True)  # fmt: skip


def duration(seconds: float) -> str:
    """ "41.7 s", "12.3 min", "98.2 h"; "" for no value."""
    if pd.isna(seconds):
        return ""
    for unit, name in ((3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds:.1f} s"


def percent(value: float) -> str:
    """ "33%"; "" for no value."""
    return "" if pd.isna(value) else f"{value + 0.0:.0f}%".replace("-0%", "0%")


def _structure(study: Study, name: str, summed: int) -> str:
    """Args: summed: over how many structures, which are fewer than there are where a training failed."""
    of = len(study.structures)
    if name == POOLED and 1 < summed < of:
        return f"{summed} of {of} together"
    if name == POOLED:
        return "All together" if of > 1 else AVERAGE
    return study.structures[name].label
