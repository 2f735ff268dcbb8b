"""Every number of a study under a name: for a manuscript, so that its text can't drift from the results."""

import math
from collections.abc import Mapping

import pandas as pd

from crossover.analyses.registry import names_of_rows

LATEX = r"""% Written by Crossover from this study's results. \input this file, then \crossover{%(example)s}.
\makeatletter
\providecommand{\crossover}[1]{\ifcsname crossover@#1\endcsname\csname crossover@#1\endcsname
  \else\@latex@error{Crossover has no value #1}\@ehc\fi}
\providecommand{\crossover@set}[2]{\expandafter\def\csname crossover@#1\endcsname{#2}}
"""


def values(tables: Mapping[str, pd.DataFrame], study: str) -> dict[str, float]:
    """Name -> value, as `uterus/summary/dsc/uterus/tumour/scratch-n13/mean`.

    Args:
        tables: the study's statistics by name.

    Raises:
        ValueError: two rows of a table have one name, or no analysis says how its rows are named.
    """
    out: dict[str, float] = {}
    known = names_of_rows()
    for table, frame in tables.items():
        if table not in known:
            raise ValueError(f"no names for the rows of {table}; there are: {', '.join(known)}")
        keys = known[table]
        columns = [c for c in frame.select_dtypes("number") if c not in keys]
        for row in frame.to_dict("records"):
            name = "/".join([study, table, *(str(row[key]).replace(" ", "-") for key in keys)])
            for column in columns:
                if f"{name}/{column}" in out:
                    raise ValueError(f"two values are called {name}/{column}")
                if math.isfinite(row[column]):  # "beyond the largest size" is no number
                    out[f"{name}/{column}"] = row[column]
    return out


def latex(named: Mapping[str, float]) -> str:
    r"""Return the values as macros: `\crossover{<name>}` gives one, rounded to four digits.

    A name that isn't there is an error when the manuscript is compiled.
    """
    lines = [LATEX.replace("%(example)s", next(iter(named), "<name>"))]
    lines += [f"\\crossover@set{{{name}}}{{{rounded(value)}}}\n" for name, value in named.items()]
    return "".join([*lines, "\\makeatother\n"])


def rounded(value: float) -> str:
    """Return a number as text: whole numbers as such, others to four significant digits and never as 1e-05."""
    if float(value).is_integer():
        return str(int(value))
    digits = max(0, 3 - math.floor(math.log10(abs(value))))
    return f"{value:.{digits}f}"


def scores(summary: pd.DataFrame, metric: str) -> dict[str, dict[str, float]]:
    """Test set -> family, with its size -> mean of the metric over structures, replicates and folds."""
    rows = summary[summary["metric"] == metric]
    named = rows["family"].where(rows["n_train"] == 0, rows["family"] + "-n" + rows["n_train"].astype(str))
    means = rows.assign(named=named).groupby(["test_set", "named"], sort=False)["mean"].mean()
    out: dict[str, dict[str, float]] = {}
    for (test_set, name), mean in means.items():
        if not pd.isna(mean):
            out.setdefault(test_set, {})[name] = round(mean, 6)
    return out
