"""Degrees of freedom of an F, t or correlation against the number of cases.

Those of one factor on different cases, or of factors on the same cases, follow. Of others the cases don't tell whether
they are right: mixed analyses, covariates, several measurements of a case, one error for all cells, mixed models and
Welch's test, whose fractions journals round, all have their own, and papers seldom tell the design. So nearly all
degrees of freedom are those of some design, and only a correlation's, which are at most n - 2, and those of a named
paired t test, which are n - 1, are called wrong.
"""

from crossover.core.wording import counted
from crossover.statistics.papers.audit.interval import exactly, gap, unrounded
from crossover.statistics.papers.audit.verdicts import AuditRow, Interpretation, judged, unchecked, usual_first
from crossover.statistics.papers.printed_number import Printed

FRACTION = (
    "a fraction among the degrees of freedom of the error is that of Welch's test or of a mixed model (Satterthwaite, "
    "Kenward-Roger), which the number of cases doesn't determine"
)
OTHER = (
    "another design than one factor on different cases or factors on the same cases (groups of cases, covariates, "
    "several measurements of a case, a mixed model, Welch's test), which the paper must state"
)


def degrees(
    check: str,
    about: str,
    where: str,
    statistic: str,
    df: list[Printed],
    n: int,
    same_cases: bool = False,
    paired_t: bool = False,
) -> AuditRow:
    """Return the row of printed degrees of freedom against n cases.

    Args:
        statistic: F, t, r or rho. df: two of an F, else one.
        same_cases: whether the test is known to be one on the same cases.
        paired_t: whether it is known to be the paired t test, whose degrees of freedom are n - 1.
    """
    printed = ", ".join(d.text for d in df)
    if statistic == "F" and df[0].decimals:
        return _corrected(check, about, where, df, n)
    if any(d.decimals for d in df):
        return unchecked(check, about, where, printed, FRACTION)
    effect, error = int(df[0]) if statistic == "F" else 1, int(df[-1])
    same = Interpretation(f"the same cases: {_times(effect, f'{n} - 1')}", exactly(effect * (n - 1)))
    groups = Interpretation(f"different cases: {n} - {effect + 1}", exactly(n - effect - 1))
    correlation, held = statistic in ("r", "rho"), n - 2 - error
    usual = [groups] if correlation else [same] if same_cases else [same, groups]
    otherwise = "" if correlation or paired_t else OTHER
    if correlation and held > 0:
        otherwise = f"a partial correlation that holds {counted(held, 'variable')} fixed: {n} - 2 - {held}"
    value = exactly(error)
    interpretations = usual_first(value, usual, [])
    return judged(check, about, where, printed, f"{n} cases", value, interpretations, otherwise=otherwise)


def _corrected(check: str, about: str, where: str, df: list[Printed], n: int) -> AuditRow:
    """Return the row of an effect's fraction of degrees of freedom: a correction leaves the ratio of both as it is."""
    ratio = unrounded(df[1]) / unrounded(df[0]).clipped(1e-3)
    kind = "corrected for sphericity (Greenhouse-Geisser, Huynh-Feldt)"
    usual = Interpretation(f"the same cases, {kind}: the first × ({n} - 1)", exactly(n - 1))
    otherwise = OTHER if gap(ratio, "equals", usual.value) else ""
    printed = ", ".join(d.text for d in df)
    source = f"{n} cases, by the second over the first"
    return judged(check, about, where, printed, source, ratio, [usual], otherwise=otherwise)


def _times(factor: int, text: str) -> str:
    return text if factor == 1 else f"{factor} × ({text})"
