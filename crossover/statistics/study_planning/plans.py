"""The planner on a table of scores: all that is asked of a pilot, and what would make a study's own answers surer.

The rows are those of `planning`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from crossover.core.wording import counted
from crossover.statistics.estimates.effects import Spreads, TrainedScores
from crossover.statistics.estimates.resampling import Panel, Resampled, draws_as_trainings, panel, resample
from crossover.statistics.learning_curves.crossing import crossover
from crossover.statistics.scores.failed import PLACE, failed_cases, in_place_of, in_words, number_of, of_pair, without
from crossover.statistics.scores.metrics_table import (
    MEAN_NAME,
    POOLED,
    SIZES,
    TableError,
    test_sets,
    tested,
    with_runs,
    with_their_mean,
)
from crossover.statistics.scores.missing import Policy, absent_notes, filled
from crossover.statistics.scores.missing import notes as lacking
from crossover.statistics.scores.patients import by_patient
from crossover.statistics.scores.patients import notes as of_patients
from crossover.statistics.scores.scales import SHARE, direction, scale
from crossover.statistics.study_planning.assurance import Pilot
from crossover.statistics.study_planning.planning import (
    DRAWS,
    Rules,
    as_table,
    crossings,
    differences,
    next_cases,
    pilot_of_pair,
    reaches_assurance,
    scores_reached,
)

NEXT_CASES = 10
_OF_ONE = "; files of one model's sizes and trainings are named as scratch-n20-r1=PATH"
_WHICH_PLAN = (
    "use the plan with the failed cases if as many cases will fail in the new study; use the other one if the cause "
    "will not recur, such as a lost file"
)
FOUND_NOTHING = 0.05
"""Scores below it, on a scale from 0 to 1, are those of a model that does not find the structure."""


@dataclass(frozen=True)
class Question:
    """What a person asks of the planner.

    Attributes:
        difference: the true one to be settled; None for that of the pilot or the means.
        reach: a score to be reached, or a distance; None for none. more: labelled cases beyond the
            largest size; None for `NEXT_CASES` where there are several sizes, or as many as the largest if that is
            less, since curves are continued to twice that size.
        models: two families; the table's two where it has no more, else the two with the best means.
        size: the n_train at which they are compared; None for the largest that both have.
        structure: "" for each, and for each case's mean over them; "all" for this mean alone.
        missing: what is done with predictions that a model lacks, as in a comparison (`scores.missing`).
    """

    metric: str = "dsc"
    difference: float | None = None
    reach: float | None = None
    more: int | None = None
    models: Sequence[str] = ()
    size: int | None = None
    test_set: str = POOLED
    structure: str = ""
    missing: Policy = "worst"
    rules: Rules = field(default_factory=Rules)


def design(table: pd.DataFrame, question: Question) -> tuple[pd.DataFrame, list[str]]:
    """Plan by a table of `metrics_table.check_metrics`: rows of `planning.PLANNING`, and notes, a sentence each.

    Raises:
        TableError: everything that the table lacks of what is asked.
    """
    whole = tested(table)
    families, structures = (list(dict.fromkeys(whole[column])) for column in ("family", "structure"))
    known = {
        "--metric": (question.metric, [c for c in whole.select_dtypes("float") if c not in SIZES]),
        "--test-set": (question.test_set, list(test_sets(whole))),
        "--structure": (question.structure, ["", *structures, *([POOLED] if len(structures) > 1 else [])]),
        **{f"--model {m}": (m, families) for m in question.models},
    }
    findings = [
        f"{option}: the table has no {name}; there are {', '.join(filter(None, map(str, there)))}"
        for option, (name, there) in known.items()
        if name not in there
    ]
    if not question.models and len(families) == 1 and question.difference is not None:
        findings.append(f"--difference needs two models, and there is only one, {families[0]}{_OF_ONE}")
    if question.models and (len(question.models), len({*question.models})) != (2, 2):
        findings.append(_which_models(families))
    if findings:
        raise TableError("\n".join(findings))
    rows, failed, notes = _asked_about(table, question)
    pair, chosen_by = _pair(rows, question, families)
    sizes = [set(rows.loc[rows["family"] == family, "n_train"]) for family in pair]
    trained = [own for own in sizes if own != {0}] or sizes  # one without sizes is the same at all n
    shared = set.intersection(*trained) if trained else set()
    size = question.size if question.size is not None else max(shared, default=None)
    if pair and (size is None or not all(size in own or own == {0} for own in sizes)):
        raise TableError(_sizes_of(pair, sizes, question.size))
    chosen = tuple((f, 0 if own == {0} else size) for f, own in zip(pair, sizes, strict=True))
    if (question.reach is not None or question.more is not None) and _with_several_sizes(rows).empty:
        raise TableError(
            f"{'--next' if question.reach is None else '--reach'}: no model has scores at several numbers of training "
            "cases, so that labelled cases can't be planned; give those of four sizes or more, as files named "
            "scratch-n5=PATH, or in a table's column n_train"
        )
    runs = with_runs(rows)
    found, of_pair = _by_pair(runs, question, chosen) if pair else ([], [])
    curves, more = _by_curves(rows, question, pair)
    if not found and not curves:
        raise TableError("the two models have fewer than two cases in common")
    tells = [*chosen_by, *_tells_nothing(rows, question.metric, pair), *_rests_on(runs, failed, question, chosen)]
    return as_table([*found, *curves]), [*tells, *of_pair, *more, *notes]


def _which_models(families: Sequence[str]) -> str:
    such = f", such as --model {families[1]} --model {families[0]}" if len(families) > 1 else ""
    return f"--model names the two models to compare; there are {', '.join(families)}{such}{_OF_ONE}"


def _pair(rows: pd.DataFrame, question: Question, families: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Return the two models whose difference is planned for, and a note of how they were chosen among several.

    None where there is one model of several sizes, of which labelled cases can be planned alone.

    Raises:
        TableError: nothing tells which two, or there is nothing to plan for one model.
    """
    if question.models or len(families) == 2:
        return tuple(question.models or reversed(families)), []  # the later minus the first, as in a comparison
    if len(families) == 1 and not _with_several_sizes(rows).empty:
        return (), []
    sign = direction(question.metric)
    if len(families) == 1 or not sign:
        raise TableError(_which_models(families))
    trained = rows.groupby("n_train")["family"].nunique()
    size = trained[trained > 1].index.max() if question.size is None else question.size
    here = rows[rows["n_train"].isin([0, size])]
    whole = here[here["structure"] == POOLED] if (here["structure"] == POOLED).any() else here
    means = whole.groupby("family")[question.metric].mean() * sign
    if len(means) < 2:
        own = [set(rows.loc[rows["family"] == family, "n_train"]) for family in families]
        raise TableError(_sizes_of(families, own, question.size))
    best = set(means.sort_values(kind="stable").index[-2:])
    pair = tuple(name for name in reversed(families) if name in best)
    at = f" at n = {size}" if size > 0 else ""
    return pair, [
        f"the plan is for {pair[0]} and {pair[1]}, the two of {len(families)} models with the best means{at}; "
        "to choose others: --model NAME --model NAME"
    ]


def _asked_about(table: pd.DataFrame, question: Question) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Return the scores that a question is about, completed as for a comparison, the failed cases, and notes.

    Raises:
        TableError: predictions are missing and may not be, or a failure counts as an infinite distance.
    """

    def own(rows: pd.DataFrame) -> pd.DataFrame:
        rows = rows if question.test_set == POOLED else rows[rows["cohort"] == question.test_set]
        one = question.structure not in ("", POOLED)
        return rows[rows["structure"] == question.structure] if one else rows

    asked = own(tested(table))
    by_case, gone = filled(table, question.missing)
    rows = own(tested(by_patient(by_case))).dropna(subset=question.metric)
    if endless := int(np.isinf(rows[question.metric]).sum()):
        raise TableError(
            f"{question.metric}: infinite in {endless} rows, as if one of the two masks is empty: there is no mean "
            "to plan for; give the column diagonal_mm, or write what a failure counts as"
        )
    failed = own(failed_cases(by_case, gone, question.metric))
    rows, gone = with_their_mean(rows, question.metric), own(gone)
    if question.structure == POOLED:
        rows = rows[rows["structure"] == POOLED]
    notes = lacking(gone, question.missing) if len(gone) else []
    return rows, failed, [*_of_test_sets(rows), *notes, *absent_notes(asked, [question.metric]), *of_patients(asked)]


def _of_test_sets(rows: pd.DataFrame) -> list[str]:
    """Return a note where the cases of several test sets are planned with as one."""
    cases = rows.groupby("cohort", sort=False)["case"].nunique()
    if len(cases) < 2:
        return []
    named = ", ".join(f"{name} ({counted(number, 'case')})" for name, number in cases.items())
    return [f"the plan pools the cases of all test sets: {named}; to plan for one of them: --test-set NAME"]


def _rests_on(runs: pd.DataFrame, failed: pd.DataFrame, question: Question, pair: tuple) -> list[str]:
    """Return for each structure on how many failed cases the SD of a plan rests, and SD and plan without them.

    Args:
        runs: scores with their mean over the structures, of `metrics_table.with_runs`.
        failed: of `failed.failed_cases`. pair: (family, n_train) of both.
    """
    notes: list[str] = []
    if not pair:
        return notes
    metric = question.metric
    failed = of_pair(failed, [family for family, _ in pair], max(n for _, n in pair))
    for structure in dict.fromkeys(runs["structure"]):
        mean = structure == POOLED
        own = failed if mean else failed[failed["structure"] == structure]
        rows = runs[runs["structure"] == structure]
        rest = without(rows, own, ("cohort", "case") if mean else PLACE)
        if own.empty or rest.empty:
            continue
        found = [
            pilot_of_pair(TrainedScores(part, metric), Spreads(part, metric), structure, *pair)
            for part in (rows, rest)
            if {family for family, _ in pair} <= set(part["family"])
        ]
        pilots = [pilot for pilot in found if pilot]
        if len(pilots) == 2:
            sds = [f"{pilot.cases.value**0.5:.3g}" for pilot in pilots]
            name, count = MEAN_NAME if mean else structure, number_of(own)
            notes.append(
                f"{name}: the SD of the difference between cases, {sds[0]}, rests on {counted(count, 'failed case')}, "
                f"{in_words(own, mean)}; without {in_place_of(own)}, the SD is {sds[1]}, and "
                f"{_plan(pilots[1], question)}"
            )
    return [*notes, _WHICH_PLAN] if notes else []


def _plan(pilot: Pilot, question: Question) -> str:
    """Return in a few words the plan of a pilot's difference with the fewest trainings."""
    rows = differences(pilot, {"per_draw": 1}, question.difference, question.rules)
    row = next(filter(reaches_assurance, rows), None)
    if row is None:
        return "no plan settles the difference either"
    each = f" with {counted(row['trainings'], 'training')} of each" if pilot.training else ""
    return f"the plan is {row['cases']:.0f} test cases{each}"


def _tells_nothing(rows: pd.DataFrame, metric: str, pair: Sequence[str]) -> list[str]:
    """Return a note of the structures that no model of the pair found: their scores hardly differ from 0."""
    if scale(metric) != SHARE:
        return []
    highest = rows[rows["family"].isin(pair)].groupby("structure", sort=False)[metric].max()
    failed = [str(structure) for structure, most in highest.items() if most < FOUND_NOTHING]
    where = "" if len(failed) == len(highest) else f" of {', '.join(failed)}"
    text = (
        f"every {metric}{where} is below {FOUND_NOTHING:g}: a pilot of models that fail says nothing about models that "
        "work; take one whose models were trained to the end"
    )
    return [text] if failed else []


def surer(table: pd.DataFrame, metric: str, test_set: str, pair: tuple[str, str], rules: Rules) -> pd.DataFrame:
    """Return what would make a study's answers surer, as rows of `planning.PLANNING`.

    It asks about the difference found of the pair at its largest size, of the mean over the structures and of each
    where it isn't beyond chance; about the crossover of the pair where it can't be told, of the first of these; and
    about 10 further cases for each family.

    Args:
        table: of `metrics_table.check_metrics`. metric: the scores' column.
        test_set: a cohort, or "all".
        pair: two families.
        rules: how a new study is judged.
    """
    table = tested(table)
    rows = with_their_mean(test_sets(table).get(test_set, table.iloc[:0]).dropna(subset=metric), metric)
    sizes = [set(rows.loc[rows["family"] == family, "n_train"]) for family in pair]
    asked = Question(metric, models=pair, test_set=test_set, rules=rules)
    found: list[dict] = []
    if shared := sizes[0] & sizes[1]:
        chosen = tuple((family, max(shared)) for family in pair)
        found, _ = _by_pair(with_runs(rows), asked, chosen, open_only=True)
    curves, _ = _by_curves(rows, asked, pair, first=True)
    return as_table([*found, *curves])


def _by_pair(rows: pd.DataFrame, asked: Question, pair: tuple, open_only: bool = False) -> tuple[list[dict], list[str]]:
    """Plan for each structure what settles the pair's difference; note what of the pilot is known only in part."""
    scores, spreads = TrainedScores(rows, asked.metric), Spreads(rows, asked.metric)
    found, notes = [], set()
    for structure in dict.fromkeys(rows["structure"]):
        pilot = pilot_of_pair(scores, spreads, structure, *pair)
        if pilot is None or (open_only and pilot.effect().p() < asked.rules.alpha):
            continue
        place = {"test_set": asked.test_set, "structure": structure, "metric": asked.metric}
        place |= {"a": pair[0][0], "b": pair[1][0], "n_train": max(pair[0][1], pair[1][1])}
        place |= {"per_draw": averaged(rows, rows["run"], [family for family, _ in pair])}
        place |= {} if open_only else {"there": pilot.count}  # a study's report asks about a new study
        found += differences(pilot, place, asked.difference, asked.rules)
        if pilot.training and not pilot.own:
            notes.add(
                "each model was trained once here: the plans assume that further trainings reduce the chance of "
                "trainings alone, and not that of patients"
            )
    return found, sorted(notes)


def _by_curves(
    rows: pd.DataFrame, asked: Question, pair: tuple[str, ...], first: bool = False
) -> tuple[list[dict], list[str]]:
    """Plan for each structure the crossover of the pair, the score asked for, and what further cases bring.

    Several trainings on one draw of the cases count as one, as in `crossing.crossovers`.
    """
    found: list[dict] = []
    notes: list[str] = []
    sized = _with_several_sizes(rows)
    if sized.empty:
        return [], []
    if not direction(asked.metric):
        side = "is answered by metrics alone whose higher or whose lower values are known to be better"
        return [], [f"{asked.metric}: none of the crossover, --reach and --next {side}"]
    if np.isinf(sized[asked.metric]).any():  # distances to an empty mask, which have no mean
        return [], []
    open_yet, more = True, asked.more or min(NEXT_CASES, int(sized["n_train"].max()))
    for structure, own in sized.groupby("structure", sort=False):
        scores = panel(draws_as_trainings(own), asked.metric)
        drawn_means = resample(scores, DRAWS)
        place = {"test_set": asked.test_set, "structure": structure, "metric": asked.metric}
        if pair and set(pair) <= set(scores.families) and (open_yet or not first):
            places = scores.families.index(pair[0]), scores.families.index(pair[1])
            per_draw = averaged(own, own.get("draw", own["replicate"]), pair)
            at_sizes, note = _crossing(scores, drawn_means, asked, places, place | {"per_draw": per_draw})
            open_yet = not at_sizes
            found += at_sizes
            notes += [f"{MEAN_NAME if structure == POOLED else structure}: {note}"] if note else []
        if asked.reach is not None:
            found += scores_reached(drawn_means, place, asked.reach, asked.rules)
        found += next_cases(drawn_means, place, more, asked.rules)
    return found, notes


def _with_several_sizes(rows: pd.DataFrame) -> pd.DataFrame:
    sized = rows[rows["n_train"] > 0]
    return sized[sized.groupby(["structure", "family"])["n_train"].transform("nunique") > 1]


def averaged(rows: pd.DataFrame, unit: pd.Series, families: Sequence[str]) -> int:
    """Return how many trainings at most are averaged into one training, or draw, of those that a plan counts.

    A plan is made of such means. Studies that train each draw less often have more chance, and succeed less often.

    Args:
        rows: of `metrics_table.tested`. unit: the training or draw that each row counts for.
        families: those that are compared.
    """
    model = ["family", "n_train", "unit"]
    trained = rows.assign(unit=unit)[[*model, "replicate", "fold"]][rows["family"].isin(families)]
    return int(trained.drop_duplicates().groupby(model).size().max())


def _crossing(
    scores: Panel, drawn: Resampled, asked: Question, pair: tuple[int, int], place: dict
) -> tuple[list[dict], str]:
    """Plan what settles a pair's crossover; where the pilot does, say what it is."""
    if planned := crossings(scores, drawn, pair, place | {"n_train": 0}, asked.rules):
        return planned, ""
    row = crossover(scores, drawn, pair, asked.rules.confidence, asked.rules.alpha)
    return [], f"the pilot itself settles the crossover, by tests of this pair alone: {row['statement']}" if row else ""


def _sizes_of(pair: Sequence[str], sizes: Sequence[set], asked: int | None) -> str:
    listed = "; ".join(
        f"{family} has {', '.join(map(str, sorted(own)))}" for family, own in zip(pair, sizes, strict=True)
    )
    models = " and ".join(pair)
    if asked is None:
        return f"{models} have no size in common: {listed}"
    which = f"{models} have not both" if len(pair) == 2 else "no two models have"
    return f"{which} n_train {asked} (--size): {listed}"
