"""Counts and their percentages: does each percentage follow, and does every table add up?"""

import math
from collections.abc import Iterator

from crossover.statistics.papers.audit.interval import exactly, unrounded
from crossover.statistics.papers.audit.verdicts import AuditRow, Interpretation, judged, places
from crossover.statistics.papers.printed import Percentage, TableOne
from crossover.statistics.papers.published import Published

CHECK = "counts"


def counts(published: Published) -> list[AuditRow]:
    """Check percentages of the text and of the table of patients, and that table's sums."""
    rows = [_percentage(p) for p in published.percentages]
    if published.table_one:
        rows += _of_table(published.table_one)
        rows += _sums(published.table_one)
    return rows + list(_pooled_cases(published))


def _pooled_cases(published: Published) -> Iterator[AuditRow]:
    """Yield a row for each test set that holds others, where the cases of all are printed."""
    for name, whole in published.test_sets.items():
        parts = [published.test_sets[part] for part in whole.pools]
        cases = [part.cases for part in parts if part.cases is not None]
        if whole.cases is None or not cases or len(cases) < len(parts):
            continue
        yield judged(
            CHECK, f"Cases of {name}", places(whole.where, *(part.where for part in parts)), str(whole.cases),
            " + ".join(map(str, cases)), exactly(whole.cases), [Interpretation("", exactly(sum(cases)))],
        )  # fmt: skip


def _percentage(printed: Percentage, known: int = 0) -> AuditRow:
    """Return the row of a percentage.

    Args:
        known: the patients of a table with a value of the variable, if not of all.
    """
    share = 100 * printed.count / printed.of
    unit = 10.0**-printed.percent.decimals
    cut = Interpretation("the percentage truncated, not rounded", exactly(math.floor(share / unit + 1e-9) * unit))
    # Cut off is an interpretation of its own only where rounding doesn't give the printed number.
    rounded = Interpretation("rounded", exactly(share))
    off = abs(share - printed.percent) > printed.percent.half_unit + 1e-9
    return judged(
        CHECK, f"Percentage: {printed.about}", printed.where, f"{printed.percent.text}%",
        f"{printed.count} of {printed.of}, {share:.3f}%", unrounded(printed.percent),
        [rounded, cut, *_of_known(printed, known)] if off else [rounded],
    )  # fmt: skip


def _of_known(printed: Percentage, known: int) -> Iterator[Interpretation]:
    """Yield the percentage of the patients with a value, where some have none."""
    if 0 < known < printed.of:
        yield Interpretation(f"of the {known} with a value", exactly(100 * printed.count / known))


def _of_table(table: TableOne) -> Iterator[AuditRow]:
    for row in table.categorical:
        for name, category in row.categories.items():
            for part, patients in table.patients.items():
                count, percent = getattr(category, part)
                known = sum(getattr(other, part)[0] for other in row.categories.values())
                printed = Percentage(
                    about=f"{row.variable}, {name}, {part}", count=count, of=patients,
                    percent=percent, where=table.where,
                )  # fmt: skip
                yield _percentage(printed, known)


def _sums(table: TableOne) -> Iterator[AuditRow]:
    for row in table.categorical:
        for part, patients in table.patients.items():
            cells = [getattr(category, part)[0] for category in row.categories.values()]
            yield judged(
                CHECK, f"Sum: {row.variable}, {part}", places(table.where), str(patients),
                " + ".join(map(str, cells)), exactly(patients), [Interpretation("", exactly(sum(cells)))],
                otherwise=f"{patients - sum(cells)} without a value" if sum(cells) < patients else "",
            )  # fmt: skip
