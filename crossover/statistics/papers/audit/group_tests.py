"""p values of a table of patients, recomputed from its counts, or its means and SDs, under the usual tests."""

import math
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np

from crossover.statistics.papers.audit.interval import Interval, exactly, unrounded
from crossover.statistics.papers.audit.scores import sd_over_n
from crossover.statistics.papers.audit.verdicts import (
    AuditRow,
    Interpretation,
    judged,
    p_interval,
    p_text,
    places,
    unchecked,
    usual_first,
)
from crossover.statistics.papers.printed import RANK_TESTS, CategoricalRow, ContinuousRow, TableOne
from crossover.statistics.papers.published import Published

CHECK = "p from a table"
MOST_TABLES = 10**6
AGAINST = " against the others"
EXACT = "Fisher's exact test"


def group_tests(published: Published) -> list[AuditRow]:
    """Check each variable's printed p, and whether what the text says of all of them agrees with the table."""
    table = published.table_one
    if table is None:
        return []
    sizes = list(table.patients.values())
    rows = []
    variables: list[ContinuousRow | CategoricalRow] = [*table.continuous, *table.categorical]
    for row in variables:
        ranks = row.test in RANK_TESTS and isinstance(row, ContinuousRow)
        if ranks or row.test == "other":
            of = "uses ranks, which do not follow from means and SDs" if ranks else "isn't one that can be recomputed"
            printed = p_text(row.p, row.p_below)
            rows.append(unchecked(CHECK, f"p of {row.variable}", table.where, printed, f"the {row.test} test {of}"))
        elif isinstance(row, ContinuousRow):
            source = f"the means and SDs of {sizes[0]} and {sizes[1]} patients"
            rows += _of_row(row, of_means(row, sizes), of_means(row, sizes, over_n=True), table, source)
        else:
            rows += _of_counts(row, table)
    return rows


def _of_counts(row: CategoricalRow, table: TableOne) -> list[AuditRow]:
    """Return the rows of a p by its counts; a category without patients takes no part in any test."""
    counts = counts_of(row)
    there = counts.sum(axis=1) > 0
    counts, names = counts[there], [name for name, own in zip(row.categories, there) if own]
    if len(counts) < 2 or not counts.sum(axis=0).all():
        why = "no test compares counts that are all of one category, or of one part"
        return [unchecked(CHECK, f"p of {row.variable}", table.where, p_text(row.p, row.p_below), why)]
    usual = [*of_counts(counts), *of_two_groups(counts, names)]
    return _of_row(row, usual, of_order(counts), table, _counts_text(counts))


def _of_row(
    row: ContinuousRow | CategoricalRow,
    usual: list[Interpretation],
    more: list[Interpretation],
    table: TableOne,
    source: str,
) -> list[AuditRow]:
    """Return the row of a p by the tests that may have given it, and that of what the text says of all p values.

    A paper names its tests once, in its methods, and seldom says which of its variables each is of. So the p of means
    without a named test may be one of ranks. Those of counts are few, and all are tried, but for an exact test of too
    many tables.
    """
    open_ = ""
    if isinstance(row, ContinuousRow) and row.test is None:
        open_ = "another test than those of means, such as one of ranks: the file names none"
    elif isinstance(row, CategoricalRow) and EXACT not in {r.name for r in usual}:
        open_ = "Fisher's exact test, which is not computed for so many possible tables"
    p = p_interval(row.p, row.p_below)
    interpretations = usual_first(p, usual, more)
    if row.test is None and len(interpretations) < len(usual):
        interpretations = usual  # which of them hold tells the test
    found = _p(row, interpretations, table, source, open_)
    whole = [interpretation for interpretation in usual if AGAINST not in interpretation.name]
    return [found, *_no_difference(row, whole, table, open_)]


def counts_of(row: CategoricalRow) -> np.ndarray:
    """Return the variable's counts, shape (categories, parts)."""
    return np.array([[c.training[0], c.testing[0]] for c in row.categories.values()])


def of_counts(counts: np.ndarray) -> list[Interpretation]:
    """Test the whole table, two-sided: chi-square, the likelihood ratio, and Fisher's exact test.

    Chi-square has Yates' correction in 2x2 tables, too; Fisher's test is for more than two categories that of
    Freeman & Halton 1951.

    Args:
        counts: shape (categories, parts).
    """
    from scipy import stats

    test = stats.chi2_contingency
    interpretations = [Interpretation("chi-square", exactly(test(counts, correction=False).pvalue))]
    if counts.shape == (2, 2):
        interpretations.append(Interpretation("chi-square with Yates' correction", exactly(test(counts).pvalue)))
    ratio = test(counts, correction=False, lambda_="log-likelihood").pvalue
    interpretations.append(Interpretation("likelihood ratio", exactly(ratio)))
    exact = fisher(counts)
    return interpretations if exact is None else [*interpretations, Interpretation(EXACT, exactly(exact))]


def of_order(counts: np.ndarray) -> list[Interpretation]:
    """Test whether ordered categories, as stages, are higher in one part: by ranks, and as a linear trend.

    The trend is the linear-by-linear association of SPSS, and the t tests that take the categories for the numbers
    0, 1, 2, ...

    Args:
        counts: shape (categories, parts), in the printed order.
    """
    from scipy import stats

    codes = [np.repeat(np.arange(len(counts)), column) for column in counts.T]
    both = np.concatenate(codes)
    if min(map(len, codes)) < 2 or np.ptp(both) == 0:
        return []
    trend = (len(both) - 1) * np.corrcoef(both, np.repeat((0, 1), [len(part) for part in codes]))[0, 1] ** 2
    ranks, ordered = "the ranks of ordered categories (Mann and Whitney)", "the trend of ordered categories"
    named = {
        ranks: stats.mannwhitneyu(*codes, method="asymptotic", use_continuity=False).pvalue,
        f"{ranks}, continuity corrected": stats.mannwhitneyu(*codes, method="asymptotic").pvalue,
        ordered: stats.chi2.sf(trend, 1),
        f"{ordered}, Student's t": stats.ttest_ind(*codes).pvalue,
        f"{ordered}, Welch's t": stats.ttest_ind(*codes, equal_var=False).pvalue,
    }
    return [Interpretation(name, exactly(float(p))) for name, p in named.items() if math.isfinite(p)]


def of_two_groups(counts: np.ndarray, names: list[str]) -> list[Interpretation]:
    """Apply the tests of `of_counts` to every way to make two groups of more than two categories.

    Args:
        counts: shape (categories, parts).
        names: of the categories.
    """
    k = len(counts)
    if k < 3:
        return []
    interpretations = []
    for size in range(1, k // 2 + 1):
        for chosen in combinations(range(k), size):
            if 2 * size == k and 0 not in chosen:
                continue  # the same two groups
            group = counts[list(chosen)].sum(axis=0)
            name = " and ".join(names[i] for i in chosen) + AGAINST
            interpretations += [
                Interpretation(f"{name}, {r.name}", r.value)
                for r in of_counts(np.array([group, counts.sum(axis=0) - group]))
            ]
    return interpretations


def fisher(counts: np.ndarray) -> float | None:
    """Return p of the exact test of an r x 2 table; None for more than a million tables.

    It is the probability, margins given, of all tables that are no more probable.

    Args:
        counts: shape (r, 2).
    """
    rows, second = counts.sum(axis=1), int(counts[:, 1].sum())
    order = np.argsort(rows)
    rows, cells = rows[order], counts[order, 1]
    if math.prod(int(n) + 1 for n in rows[:-1]) > MOST_TABLES:
        return None

    def log_probability(column: tuple[int, ...]) -> float:
        return sum(_log_choose(int(n), x) for n, x in zip(rows, column))

    seen = log_probability(tuple(int(c) for c in cells))
    scale = _log_choose(int(rows.sum()), second)
    total = 0.0
    for first in product(*(range(min(int(n), second) + 1) for n in rows[:-1])):
        last = second - sum(first)
        if 0 <= last <= rows[-1]:
            own = log_probability((*first, last))
            if own <= seen + 1e-7:
                total += math.exp(own - scale)
    return min(1.0, total)


def of_means(row: ContinuousRow, sizes: list[int], over_n: bool = False) -> list[Interpretation]:
    """Test the means of two independent groups, two-sided: Welch's t, Student's t and the normal approximation.

    With `over_n`, the SDs are taken for those over n, as numpy's are, instead of n - 1.

    p falls with the distance of the means, and rises with its standard error and with fewer degrees of
    freedom: the intervals have the ends of all three.
    """
    (m1, s1), (m2, s2) = (map(unrounded, part) for part in (row.training, row.testing))
    if over_n:
        s1, s2 = (sd_over_n(sd, n) for sd, n in zip((s1, s2), sizes))
    welch, student = of_groups((s1, s2), (sizes[0], sizes[1]))
    normal = TwoGroups("the normal approximation", welch.error, exactly(math.inf))
    kind = ", SDs over n" if over_n else ""
    return [Interpretation(f"{test.name}{kind}", _p_range(m1 - m2, test)) for test in (welch, student, normal)]


@dataclass(frozen=True)
class TwoGroups:
    """A t test of two groups of different cases: the standard error of the difference, and degrees of freedom."""

    name: str
    error: Interval
    freedom: Interval


def of_groups(sds: tuple[Interval, Interval], sizes: tuple[int, int]) -> tuple[TwoGroups, TwoGroups]:
    """Return Welch's t test and Student's of two groups of different cases, by their SDs and numbers of cases."""
    (s1, s2), (n1, n2) = sds, sizes
    ends = [(s1.low, s2.low), (s1.high, s2.high)]
    apart = [math.sqrt(a * a / n1 + b * b / n2) for a, b in ends]
    pooled = [math.sqrt(((n1 - 1) * a * a + (n2 - 1) * b * b) / (n1 + n2 - 2) * (1 / n1 + 1 / n2)) for a, b in ends]
    most = n1 + n2 - 2
    welch = Interval(*_welch_freedom(s1, s2, n1, n2))
    return TwoGroups("Welch's t", Interval(*apart), welch), TwoGroups("Student's t", Interval(*pooled), exactly(most))


def _p_range(difference: Interval, test: TwoGroups) -> Interval:
    """Return the range of p that a difference of two means may have."""
    from scipy import stats

    size = abs(difference)
    low = 2 * stats.t.sf(size.high / test.error.low, test.freedom.high) if test.error.low else 0.0
    return Interval(float(low), float(2 * stats.t.sf(size.low / test.error.high, test.freedom.low)))


def _welch_freedom(s1: Interval, s2: Interval, n1: int, n2: int) -> tuple[float, float]:
    """Return Welch and Satterthwaite's degrees of freedom, which depend on the ratio of the variances alone.

    They are most, n1 + n2 - 2, where each is in proportion to its n - 1, and fall to either side.
    """

    def freedom(a: float, b: float) -> float:
        v, w = a * a / n1, b * b / n2
        return (v + w) ** 2 / (v * v / (n1 - 1) + w * w / (n2 - 1)) if v + w else n1 + n2 - 2

    ends = [freedom(s1.low, s2.high), freedom(s1.high, s2.low)]
    best = math.sqrt((n1 - 1) * n1 / ((n2 - 1) * n2))  # of s1 / s2
    inside = s1.low <= best * s2.high and best * s2.low <= s1.high
    return min(ends), n1 + n2 - 2 if inside else max(ends)


def _p(
    row: ContinuousRow | CategoricalRow,
    interpretations: list[Interpretation],
    table: TableOne,
    source: str,
    otherwise: str,
) -> AuditRow:
    values = "The p values are: " + "; ".join(
        f"{r.name} {_p_text(r.value)}" for r in interpretations if AGAINST not in r.name
    )
    grouped = [r for r in interpretations if AGAINST in r.name]
    if grouped:
        low, high = min(r.value.low for r in grouped), max(r.value.high for r in grouped)
        values += f"; {len(grouped)} tests of two groups of categories give {low:.3f} to {high:.3f}"
    return judged(
        CHECK, f"p of {row.variable}", table.where, p_text(row.p, row.p_below), source,
        p_interval(row.p, row.p_below), interpretations, note=values, otherwise=otherwise,
    )  # fmt: skip


def _no_difference(
    row: ContinuousRow | CategoricalRow, interpretations: list[Interpretation], table: TableOne, otherwise: str
) -> list[AuditRow]:
    said = table.no_difference
    if said is None:
        return []
    return [judged(
        CHECK, f"No significant difference in {row.variable}", places(said.where, table.where),
        f"p ≥ {said.p_below.text}", "the table's numbers", exactly(said.p_below), interpretations,
        relation="at_most", otherwise=otherwise,
    )]  # fmt: skip


def _counts_text(counts: np.ndarray) -> str:
    return "the counts " + ", ".join(f"{a}:{b}" for a, b in counts)


def _p_text(value: Interval) -> str:
    low, high = f"{value.low:.3f}", f"{value.high:.3f}"
    return low if low == high else f"{low} to {high}"


def _log_choose(n: int, k: int) -> float:
    if not 0 <= k <= n:
        return -math.inf
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
