"""The first page: what was asked, what was found, how sure that is. Every sentence comes from the tables."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from crossover.analyses.figures import style
from crossover.analyses.figures.captions import left_out, unit, warned
from crossover.analyses.figures.learning_curves import shown_pairs
from crossover.report.answers import chains_in_short, chains_rest_on
from crossover.report.best_by_size import answer_in_short, cost_of_choice, other_levels, rests_on
from crossover.report.claims_section import verdicts_sentence
from crossover.report.crossover_section import crossover_sentences, crossovers_found
from crossover.report.failures_section import failures_in_short
from crossover.report.formats import quoted
from crossover.report.prose import statements
from crossover.report.results import Answer, StudyResults
from crossover.report.table_layout import TextTable
from crossover.sources.findings import KINDS
from crossover.statistics.estimates.chance import METHODS
from crossover.statistics.learning_curves.crossing import CHANGES, CROSSES, NONE
from crossover.statistics.papers.claims.parts import VERDICTS
from crossover.statistics.scores.metrics_table import POOLED
from crossover.statistics.study_planning.planning import (
    CROSSOVER,
    DIFFERENCE,
    NEXT,
    completed,
    reaches_assurance,
    statement,
)
from crossover.study.config import SCALES
from crossover.study.families import families, fine_tuned
from crossover.study.schema import Study

MOST = 2
"""Sentences of a study's tables that stand on the first page where no answer in short can be given."""


@dataclass(frozen=True)
class LinkedSentence:
    """A sentence, and the section of the page that it comes from."""

    text: str
    section: str = ""


def only_runs(study: Study) -> bool:
    """Return whether a study's scores mean nothing, since its scale only shows that everything runs."""
    return study.scale == SCALES[0]


def found(results: StudyResults, answers: Sequence[Answer]) -> Iterator[LinkedSentence]:
    """Yield a study's answer: which way to train at which sizes, or of which chains; else what its tables say first.

    At the scale smoke, whose scores mean nothing, it is that there is none.
    """
    if only_runs(results.study):
        yield from map(LinkedSentence, statements(results.study, "only_runs"))
        return
    said = answer_in_short(results) or chains_in_short(results)
    said += other_levels(results) + cost_of_choice(results)
    if not said:
        for text in crossover_sentences(results):
            yield LinkedSentence(text, "crossover")
        said = [sentence for answer in answers for sentence in answer.sentences][:MOST]
    for text in said:
        yield LinkedSentence(text, "answer" if answers else "")


def how_sure(results: StudyResults) -> Iterator[LinkedSentence]:
    """Say how sure that is: crossovers, correction, patients tested, trainings, failures, verdicts on the paper."""
    study, metrics = results.study, results.frame("metrics")
    by_cohort = {c.label: patients_tested(results, name) for name, c in study.cohorts.items()}
    tested = [f"{n} of {label}" for label, n in by_cohort.items() if n]
    if answer_in_short(results) and not only_runs(study):
        yield from (LinkedSentence(text, "crossover") for text in crossovers_found(results))
    yield from (LinkedSentence(text, "tests") for text in ([] if only_runs(study) else rests_on(results)))
    yield from (LinkedSentence(text, "answer") for text in ([] if only_runs(study) else chains_rest_on(results)))
    said = statements(
        study, "how_sure", patients=sum(by_cohort.values()), cases=len(_tested(results)), tested=tested,
        **_trainings(metrics), **_labelled(results), missing=results.frame("missing"),
        judged=results.frame("pairwise").get("about", pd.Series(dtype=str)).eq(METHODS).any(),
    )  # fmt: skip
    yield from map(LinkedSentence, [*said, *_shared_by_draws(results)])
    if line := failures_in_short(results):
        yield LinkedSentence(line, "failed")
    claims = results.frame("claims")
    if len(claims):
        yield LinkedSentence(verdicts_sentence(claims), "claims")


def _labelled(results: StudyResults) -> dict[str, int]:
    """Return how many training patients the target has, and how many cases these have."""
    splits = results.frame("splits", "cohort", "case", "part", "patient")
    own = splits[splits["cohort"].eq(results.study.target) & splits["part"].eq("train")]
    return {"training_patients": own["patient"].nunique(), "labelled": own["case"].nunique()}


def _trainings(metrics: pd.DataFrame) -> dict[str, Any]:
    """Return how often each family was trained at each size, the fewest and the most: in folds or replicates, or both.

    Folds count where every model has one: others are of trainings that are told apart.
    """
    folded = len(metrics) > 0 and metrics["fold"].notna().all()
    unit = ["replicate", "fold"] if folded else ["replicate"]
    models = metrics.reindex(columns=["family", "n_train", *unit]).drop_duplicates()
    counts = models.groupby(["family", "n_train"]).size()
    sized = metrics[metrics["n_train"] > 0] if "draw" in metrics else metrics[:0]
    return {
        "least": counts.min() if len(counts) else 0,
        "most": counts.max() if len(counts) else 0,
        "folds": metrics["fold"].nunique() if folded else 0,
        "one_draw": len(sized) > 0 and sized["draw"].nunique() == 1,
    }


def _shared_by_draws(results: StudyResults) -> list[str]:
    """Say that the draws of the subsets have patients in common, whose chance their spread doesn't show."""
    study, metrics = results.study, results.frame("metrics")
    draws = metrics["draw"].nunique() if "draw" in metrics else 1
    splits = results.frame("splits", "cohort", "part", "patient")
    trained = splits[splits["cohort"].eq(study.target) & splits["part"].eq("train")]
    pool = trained["patient"].nunique()
    return statements(study, "draws_share", draws=draws, pool=pool) if draws > 1 and pool and study.sizes else []


def is_not(results: StudyResults, meaning: str) -> Iterator[LinkedSentence]:
    """Say what the answer is not: of which data and scale it is, and what it says nothing of.

    Args:
        meaning: of the study's scale.
    """
    known, families_there = families(results.study), results.frame("metrics", "family")["family"].unique()
    of_others = sorted(str(family) for family in families_there if family not in known)
    data, *others = statements(results.study, "is_not", meaning=meaning, others=of_others)
    yield from map(LinkedSentence, [data, *left_out(results.frames, results.study), *_warnings(results), *others])


def _warnings(results: StudyResults) -> list[str]:
    """Say how many cases are used although their ingest warns, of what, and what to do about it."""
    said = warned(results.frames, results.study)
    codes = sorted({*results.frame("warned", "code")["code"]} & KINDS.keys())
    remedies = "; ".join(f"{code}: {KINDS[code].remedy}" for code in codes)
    return [*said, *([f"What to do about these warnings: {remedies}."] if codes else [])]


def makes_surer(results: StudyResults) -> Iterator[LinkedSentence]:
    """Return a plan that settles what is inconclusive, and what further cases would bring to the fine-tuned models."""
    study, plans = results.study, results.frame("planning")
    if plans.empty or only_runs(study):
        return
    plans = completed(plans).assign(tested=f"{unit(results.frames)}s")
    label = {family: quoted(style.family_label(study, family)) for family in families(study)}
    rows = plans.assign(a=plans["a"].map(label), b=plans["b"].map(label)).to_dict("records")
    settling = [row for row in rows if row["question"] in (CROSSOVER, DIFFERENCE)]
    shown = [row for row in settling if reaches_assurance(row)][:1] or settling[-1:]
    tuned = [r for r in rows if r["question"] == NEXT and r["a"] == label[fine_tuned(study)]]
    shown += [row for row in tuned if not row["refused"]][:1]
    several = len(study.structures) > 1
    about = {name: f"{own.label}: " if several else "" for name, own in study.structures.items()}
    about[POOLED] = f"On average over the {len(study.structures)} structures: "
    said = [about[row["structure"]] + statement(row) for row in shown]
    for text in statements(study, "surer", plans=said):
        yield LinkedSentence(text)


def overview(studies: list[StudyResults]) -> TextTable:
    """Return counts of all studies side by side."""
    rows = [
        [results.study.title, str(patients_tested(results) or "–"), _crossovers(results), *_verdicts(results)]
        for results in studies
    ]  # fmt: skip
    first, *others = VERDICTS
    head = ["Study", "Patients tested", "Crossover", f"Claims: {first}", *others]
    return TextTable(head, rows, [False, True, False, *[True] * len(VERDICTS)], wraps=True)


def patients_tested(results: StudyResults, cohort: str | None = None) -> int:
    """Count patients with a score under a model that is not of one fold alone, of one cohort or all."""
    test = _tested(results)
    test = test if cohort is None else test[test["cohort"] == cohort]
    return len(test.drop_duplicates(["cohort", "patient"]))


def _tested(results: StudyResults) -> pd.DataFrame:
    """Return the cohort, case and patient of each test case with a score."""
    splits, metrics = (
        results.frame("splits", "cohort", "case", "part", "patient"),
        results.frame("metrics", "cohort", "case"),
    )
    test = splits.loc[splits["part"] == "test", ["cohort", "case", "patient"]].drop_duplicates()
    return test.merge(metrics[["cohort", "case"]].drop_duplicates(), on=["cohort", "case"])


def _crossovers(results: StudyResults) -> str:
    """Return "1 found, 2 none, 3 can't tell" of the pairs of strategies on the target."""
    crossover, study = results.frame("crossover"), results.study
    if crossover.empty:
        return "no learning curves"
    here = shown_pairs(crossover[crossover["test_set"] == study.target], study)["verdict"]
    crossing, none, changes = (int((here == verdict).sum()) for verdict in (CROSSES, NONE, CHANGES))
    words = [
        (crossing, "found"),
        (none, "none in the range"),
        (changes, "more than one change"),
        (len(here) - crossing - none - changes, "can't tell"),
    ]
    return ", ".join(f"{n} {word}" for n, word in words if n)


def _verdicts(results: StudyResults) -> list[str]:
    claims: pd.DataFrame = results.frame("claims")
    if claims.empty:
        return ["–"] * len(VERDICTS)
    return [str(int((claims["verdict"] == verdict).sum())) for verdict in VERDICTS]
