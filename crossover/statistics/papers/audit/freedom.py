"""Degrees of freedom of an F, t or correlation against the number of cases: is there a design that gives them?

Papers don't always tell the design of an analysis of variance. So those of one factor on different cases, or of factors
on the same cases, follow; those of other common designs follow under a reading that names the design:

* mixed: g groups of cases, factors on the same cases: w (n - g), where the effect on the same cases has w;
* one error for all c cells of the same cases, as of blocks, of R's `Error(case)` and of mixed models: (c - 1) (n - g);
* R's `Error(case/factor)` of another factor with c levels: c w (n - g);
* the cells of the same cases taken for independent ones: c (n - 1); both also without the interaction in the model;
* the multivariate test of an effect on the same cases: n - w;
* factors on different cases, with m cells, covariates or both: n - m.
"""

from collections.abc import Iterator

from crossover.core.wording import counted
from crossover.statistics.papers.audit.interval import exactly, gap, unrounded
from crossover.statistics.papers.audit.verdicts import AuditRow, Interpretation, judged, unchecked
from crossover.statistics.papers.printed_number import Printed

MOST_GROUPS = 6
"""The number of groups of cases in a mixed design up to which one is offered as a reading."""
MOST_CELLS = 60
"""The number of cells (combinations of the factors' levels) up to which a design is offered."""
MOST_PARAMETERS = 12
"""The number of parameters of a model with covariates up to which one is offered."""
MOST_READINGS = 2
FRACTION = (
    "a fraction among the degrees of freedom of the error is that of Welch's test or of a mixed model (Satterthwaite, "
    "Kenward-Roger), which the number of cases doesn't tell"
)


def degrees(
    check: str, about: str, where: str, statistic: str, df: list[Printed], n: int, same_cases: bool = False
) -> AuditRow:
    """Return the row of printed degrees of freedom against n cases.

    Args:
        statistic: F, t, r or rho. df: two of an F, else one.
        same_cases: whether the test is known to be one on the same cases.
    """
    printed = ", ".join(d.text for d in df)
    if statistic == "F" and df[0].decimals:
        return _corrected(check, about, where, df, n)
    if any(d.decimals for d in df):
        return unchecked(check, about, where, printed, FRACTION)
    effect, error = int(df[0]) if statistic == "F" else 1, int(df[-1])
    same = Interpretation(f"the same cases: {_times(effect, n - 1, f'{n} - 1')}", exactly(effect * (n - 1)))
    groups = Interpretation(f"different cases: {n} - {effect + 1}", exactly(n - effect - 1))
    if statistic in ("r", "rho"):
        usual, others = [groups], list(_partial(error, n))
    else:
        usual = [same] if same_cases else [same, groups]
        others = list(_designs(effect, error, n, statistic == "t")) or _of_nested_error(effect, error, n)
    usual = [reading for reading in usual if reading.value.low > 0]
    holding = [reading for reading in usual if reading.value.low == error]
    more = [Interpretation(name, exactly(error)) for name in others[:MOST_READINGS]]
    if same_cases and groups.value.low == error:
        more = [groups]
    return judged(check, about, where, printed, f"{n} cases", exactly(error), holding or [*usual, *more])


def _corrected(check: str, about: str, where: str, df: list[Printed], n: int) -> AuditRow:
    """Return the row of an effect's fraction of degrees of freedom: a correction leaves the ratio of both as it is."""
    ratio = unrounded(df[1]) / unrounded(df[0]).clipped(1e-3)
    kind = "corrected for sphericity (Greenhouse-Geisser, Huynh-Feldt)"
    usual = Interpretation(f"the same cases, {kind}: the first × ({n} - 1)", exactly(n - 1))
    mixed = [
        Interpretation(f"{g} groups of cases, {kind}: the first × {of}", exactly(value))
        for g in _groups(n)
        for of, value in {f"({n} - {g})": n - g, f"({n} - {g}) / ({g} - 1)": (n - g) / (g - 1)}.items()
    ]
    holding = [reading for reading in mixed if not gap(ratio, "equals", reading.value)]
    found = [usual] if not gap(ratio, "equals", usual.value) else [usual, *holding[:MOST_READINGS]]
    printed = ", ".join(d.text for d in df)
    return judged(check, about, where, printed, f"{n} cases, by the second over the first", ratio, found)


def _groups(n: int) -> range:
    """Return the numbers of groups that n cases may be in, two cases at least in each."""
    return range(2, min(MOST_GROUPS, n // 2) + 1)


def _times(factor: int, value: int, text: str) -> str:
    return text if factor == 1 else f"{factor} × ({text})"


def _partial(error: int, n: int) -> Iterator[str]:
    """Yield the partial correlation that has these degrees of freedom."""
    held = n - 2 - error
    if 1 <= held <= MOST_PARAMETERS:
        yield f"a partial correlation that holds {counted(held, 'variable')} fixed: {n} - 2 - {held}"


def _designs(effect: int, error: int, n: int, any_effect: bool) -> Iterator[str]:
    """Yield less usual designs in which an effect and its error have these degrees of freedom, the simplest first.

    Args:
        any_effect: whether the effect may be any contrast in the design, as that of a t is.
    """
    for g in _groups(n):
        if effect * (n - g) == error:
            yield f"a mixed analysis with {g} groups of cases: {_times(effect, n - g, f'{n} - {g}')}"
        elif effect % (g - 1) == 0 and (within := effect // (g - 1)) * (n - g) == error:
            yield f"an interaction with {g} groups of cases: {_times(within, n - g, f'{n} - {g}')}"
    yield from _of_one_error(effect, error, n, any_effect)
    cells, rest = divmod(error, n - 1)
    if not rest and 2 <= cells <= MOST_CELLS and (any_effect or _has_effect(effect, cells)):
        yield f"{cells} cells of the same cases, taken for different cases: {cells} × ({n} - 1)"
    yield from _without_interaction(effect, error, n)
    if not any_effect and error == n - effect and effect > 1:
        yield f"a multivariate test on the same cases: {n} - {effect}"
    parameters = n - error
    factorial = parameters <= MOST_CELLS and _has_effect(effect, parameters)
    if effect + 2 <= parameters and (factorial or parameters <= MOST_PARAMETERS):
        yield f"different cases, {parameters} parameters (cells, covariates): {n} - {parameters}"


def _of_one_error(effect: int, error: int, n: int, any_effect: bool) -> Iterator[str]:
    """Yield designs on the same cases with one error for several effects, in one group of cases or more."""
    for g in (1, *_groups(n)):
        within, rest = divmod(error, n - g)
        if rest or within <= effect:
            continue
        of_groups = f", {g} groups of cases" if g > 1 else ""
        own = {effect} | ({effect // (g - 1)} if g > 1 and effect % (g - 1) == 0 else set())
        if within < MOST_CELLS and (any_effect or any(_has_effect(one, within + 1) for one in own)):
            yield f"one error for {within + 1} cells of the same cases{of_groups}: {within} × ({n} - {g})"


def _of_nested_error(effect: int, error: int, n: int) -> list[str]:
    """Return R's Error(case/factor), whose last term holds what varies with the levels of another factor, too."""
    levels, rest = divmod(error, effect * (n - 1))
    if not rest and 2 <= levels <= MOST_CELLS // (effect + 1):
        of = _times(levels * effect, n - 1, f"{n} - 1")
        return [f"another factor with {levels} levels in the error's term, as R's Error(case/factor): {of}"]
    return []


def _without_interaction(effect: int, error: int, n: int) -> Iterator[str]:
    """Yield designs of two factors on the same cases whose model has no interaction."""
    a = effect + 1
    for b in range(2, MOST_CELLS // a + 1):
        left = n * a * b - 1 - (a - 1) - (b - 1)
        factors = f"factors with {a} and {b} levels on the same cases, no interaction in the model"
        if error == left - (n - 1):
            yield f"{factors}: {n} × {a * b} - {n} - {a - 1} - {b - 1}"
        if error == left:
            yield f"{factors}, cells taken for different cases: {n} × {a * b} - 1 - {a - 1} - {b - 1}"


def _has_effect(effect: int, cells: int) -> bool:
    """Return whether factors with so many cells have a main effect or interaction with these degrees of freedom."""
    return any(
        effect == levels - 1 or _has_effect(effect // (levels - 1), cells // levels)
        for levels in range(2, cells + 1)
        if cells % levels == 0 and effect % (levels - 1) == 0
    )
