"""What a design can show: a selection among networks, a relation over cohorts, results that aren't shown."""

import math
from collections.abc import Iterator

from crossover.statistics.papers.audit.verdicts import (
    DEPENDS,
    FOLLOWS,
    NOT,
    UNCHECKED,
    AuditRow,
    places,
    unchecked,
)
from crossover.statistics.papers.printed import GridCell, PrintedGrid
from crossover.statistics.papers.published import Published

CHECK = "design"
ALPHA = 0.05


def design(published: Published) -> list[AuditRow]:
    """Check the printed grid, associations and announcements."""
    rows: list[AuditRow] = []
    if published.grid:
        rows += [_highest(published.grid, published.better(published.grid.metric)), _apart(published.grid)]
        rows += _single_runs(published, published.grid)
    rows += _associations(published)
    for said in published.announcements:
        if said.shown is None:
            rows.append(unchecked(
                CHECK, f"Announced: {said.about}", said.where, "announced", "its result is not printed"
            ))  # fmt: skip
    return rows


def selected(grid: PrintedGrid) -> GridCell:
    """Return the cell of the network that the paper selected."""
    return next(c for c in grid.cells if (c.architecture, c.encoder) == tuple(grid.selected))


def _highest(grid: PrintedGrid, better: str) -> AuditRow:
    if better == "neither":
        why = f"it is not known whether higher or lower values of {grid.metric} are better (`other_metrics`)"
        return unchecked(CHECK, "The selected network has the best mean", grid.where, selected(grid).mean.text, why)
    of, word = (max, "highest") if better == "higher" else (min, "lowest")
    best, chosen = of(grid.cells, key=lambda c: c.mean), selected(grid)
    follows = chosen.mean == best.mean
    return AuditRow(
        CHECK, f"The selected network has the {word} mean", grid.where, chosen.mean.text,
        f"{len(grid.cells)} means, the {word} {best.mean.text}", FOLLOWS if follows else NOT,
        float(best.mean), float(best.mean), off_by=math.nan if follows else abs(best.mean - chosen.mean),
    )  # fmt: skip


def _apart(grid: PrintedGrid) -> AuditRow:
    """Test the selected network against each other one by Welch's t, folds as independent runs."""
    from scipy import stats

    chosen, k = selected(grid), grid.folds
    others = [c for c in grid.cells if c is not chosen]
    p = [
        float(stats.ttest_ind_from_stats(
            chosen.mean, max(chosen.sd, 1e-9), k, c.mean, max(c.sd, 1e-9), k, equal_var=False
        ).pvalue)
        for c in others
    ]  # fmt: skip
    near = sum(x >= ALPHA for x in p)
    within = sum(abs(chosen.mean - c.mean) <= chosen.sd / 2 for c in others)
    note = (
        f"By Welch's t test p is {ALPHA} or more against {near} of {len(others)} other networks, and {within} of their "
        "means differ from that of the selected one by half of its SD or less. These p values are corrected neither "
        "for the number of tests nor for the training cases that the folds share"
    )
    return AuditRow(
        CHECK, "The selected network is better than the others", grid.where,
        f"{chosen.mean.text} ± {chosen.sd.text}", f"means and SDs of {k} folds",
        FOLLOWS if near == 0 else DEPENDS, note=note,
        interpretation="" if near == 0 else "the best mean, even if by chance",
    )  # fmt: skip


def _single_runs(published: Published, grid: PrintedGrid) -> Iterator[AuditRow]:
    """Yield gains between scores without a spread, beside the spread over folds of the same network."""
    bare = [g for g in published.gains if g.metric == grid.metric and not any(
        v.sd is not None or v.ci for v in published.values
        if v.metric == g.metric and v.test_set == g.test_set
    )]  # fmt: skip
    if not bare:
        return
    sd = float(selected(grid).sd)
    gains = ", ".join(g.gain.text for g in bare)
    yield unchecked(
        CHECK, f"Gains in {grid.metric} against chance", places(*(g.where for g in bare), grid.where), gains,
        f"no spread is printed with the scores; the selected network's validation scores have an SD of "
        f"{sd:.4f} over {grid.folds} folds, so that the difference of two such runs has an SD of "
        f"{math.sqrt(2) * sd:.4f}",
    )  # fmt: skip


def _associations(published: Published) -> Iterator[AuditRow]:
    """Yield a relation over k cohorts: the smallest p of any permutation, and what else tells them apart."""
    for said in published.associations:
        levels = [row.attributes[said.attribute] for row in published.cohorts]
        groups = [[r.cohort for r, v in zip(published.cohorts, levels) if v == level]
                  for level in dict.fromkeys(levels)]  # fmt: skip
        orders = math.factorial(len(levels)) // math.prod(math.factorial(len(g)) for g in groups)
        shared = set.intersection(*(set(row.attributes) for row in published.cohorts))
        others = [name for name in sorted(shared - {said.attribute}) if _as_fine(published, name, said.attribute)]
        why = (
            f"{len(levels)} cohorts have {len(groups)} values of {said.attribute}, and no permutation of these gives a "
            f"p below {1 / orders:.2f}"
        )
        if others:
            why += f"; cohorts that differ in it also differ in {', '.join(others)}"
        yield AuditRow(
            CHECK, said.about, places(said.where, *(r.where for r in published.cohorts)), said.attribute,
            ", ".join(f"{r.cohort} {v}" for r, v in zip(published.cohorts, levels)), UNCHECKED, note=why,
        )  # fmt: skip


def _as_fine(published: Published, other: str, attribute: str) -> bool:
    """Return whether cohorts that differ in the attribute differ in the other, too."""
    rows = published.cohorts
    return all(
        a.attributes[other] != b.attributes[other]
        for a in rows
        for b in rows
        if a.attributes[attribute] != b.attributes[attribute]
    )
