"""Tables that the workflow wrote, read back as they were; `crossover.core.tables` reads those that people made."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

NAMES = ("cohort", "patient", "case", "structure", "test_set", "model", "family", "level")
"""The columns of names, which stay text: "007" and "NA" are names, too."""


def read_written(path: Path) -> pd.DataFrame:
    """Read a table that the workflow wrote: an empty cell is missing, any other is what it says.

    Raises:
        FileNotFoundError: there is no such file.
    """
    return pd.read_csv(
        path,
        dtype=dict.fromkeys(NAMES, str),
        keep_default_na=False,
        na_values=[""],
        low_memory=False,  # a column of a large table too has one type
    )
