"""Tests on the same cases beside the kind that the paper made, for the report: where the two decide otherwise."""

import pandas as pd

from crossover.report.formats import interval, signed
from crossover.report.prose import statements
from crossover.report.results import Section, StudyResults, TableKind, titled_tables
from crossover.statistics.differences.repeated import CHANCE, CORRECTION, EXACT, MEANS, PAIRING
from crossover.study.schema import Study

TITLE = "Our tests and the paper's tests"
WITHOUT_PAPER = "Tests in pairs"
BECAUSE = {
    PAIRING: "the same cases are compared, which theirs leaves out",
    EXACT: "our test is exact and theirs an approximation",
    MEANS: "our test is of means and theirs of ranks",
    CHANCE: "our test counts that another training gives another result",
    CORRECTION: "the comparisons are corrected for their number",
}


def agreement_section(results: StudyResults) -> Section | None:
    """Return the section of what the paper's kind of test and ours decide; None without a table of pairs.

    Without a paper it is about ours alone, and one of the checks.
    """
    study, pairs = results.study, results.frame("pairwise")
    if pairs.empty:
        return None
    said = statements(study, "our_tests", pairs=pairs)
    families = titled_tables(results, [TableKind("families_at_once", "repeated", families_layout)])
    if study.paper is None:
        return Section("tests", WITHOUT_PAPER, said, details=families, part="checks")
    said += disagreement(pairs, study)
    apart = titled_tables(results, [TableKind("disagreeing_pairs", "pairwise", disagreeing_layout)])
    return Section("tests", TITLE, said, details=apart + families)


def disagreement(pairs: pd.DataFrame, study: Study) -> list[str]:
    """Say how often the paper's kind of test and ours decide otherwise, and why; and what holds where it has none."""
    both = pairs[pairs["agrees"].notna()]
    apart = both[both["agrees"].eq(False)]
    counts = apart["because"].value_counts()
    return statements(
        study, "disagreement", theirs=[name for name in pairs["theirs"].dropna().unique() if name],
        both=len(both), apart=len(apart), only_theirs=apart["significant_theirs"].eq(True).sum(),
        why=[f"in {n} because {BECAUSE.get(name, name)}" for name, n in counts.items()],
    )  # fmt: skip


def disagreeing_layout(pairs: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return the comparisons in which one kind of test finds a difference and the other doesn't."""
    rows = pairs[pairs["agrees"].eq(False)]
    ends = rows[["difference", "ci_low", "ci_high"]].itertuples(index=False)
    written = [interval(difference, low, high, signed) for difference, low, high in ends]
    names = [
        "test_set", "structure", "a", "b", "difference", "cases", "p_holm", "p", "p_theirs", "because",
    ]  # fmt: skip
    rows = rows[names].assign(difference=written)
    return rows.rename(columns={"difference": "Difference (CI)"})


def families_layout(repeated: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return the tests of all families at once on the target's test cases."""
    rows = repeated[repeated["test_set"].eq(study.target) & repeated["p"].notna()]
    names = [
        "structure", "question", "method", "effect", "cases", "statistic", "p", "about", "p_theirs",
    ]  # fmt: skip
    return rows[names].assign(question=rows["question"].str.replace("n=", "n = "))
