"""The answer of a study in a sentence: which way to train at which sizes, from verdicts on pairs and crossovers."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from crossover.analyses.figures import style
from crossover.report import page
from crossover.report.answers import KINDS, chains_in_short, chains_picture, chains_rest_on
from crossover.report.best_by_size import (
    Choice,
    action,
    answer_in_short,
    best_by_size,
    cost_of_choice,
    other_levels,
    picture,
    ranges,
    rests_on,
)
from crossover.report.crossover_section import crossovers_found
from crossover.report.formats import bound, quoted
from crossover.report.overview import found, how_sure
from crossover.report.results import Answer, StudyResults
from crossover.report.score_tables import strategy_label
from crossover.report.table_layout import TextTable
from crossover.statistics.differences.repeated import pairwise
from crossover.statistics.estimates.chance import METHODS, MODELS
from crossover.statistics.learning_curves.crossing import CROSSES, NONE, crossovers
from crossover.statistics.learning_curves.crossing import OPEN as CANT
from crossover.statistics.scores.metrics_table import POOLED, check_metrics
from crossover.study.chains import ALL_DATA, BASELINE, ONE_SOURCE, TWICE, TWO_SOURCES
from crossover.study.config import load_study
from crossover.study.families import main_question, trained_part
from tests.tables import simulated_metrics

STUDY = load_study("uterus", "demo").model_copy(update={"sizes": [4, 16, 64]})
ORGANS = load_study("headneck", "demo")
TUNED, SCRATCH, ALL, SHELF = "transfer-L1", "scratch", "aggregated", "pretrained"


def pairs(study, *rows, structure="tumour", about=METHODS) -> pd.DataFrame:
    """Of (n, family, other, difference of the first minus the second, p)."""
    names = ["n_train", "family_a", "family_b", "difference", "p"]
    table = pd.DataFrame(rows, columns=names)
    return table.assign(
        test_set=study.target, structure=structure, about=about, significant=table["p"] < 0.001, tests=90
    )


def crossing(verdict, n, low, high, ahead=TUNED, overtakes=ALL) -> pd.DataFrame:
    return pd.DataFrame([{
        "test_set": STUDY.target, "structure": "tumour", "ahead": ahead, "overtakes": overtakes, "verdict": verdict,
        "n": n, "ci_low": low, "ci_high": high, "n_smallest": 4, "n_largest": 64, "confidence": 0.95,
        "off_the_shelf": False,
    }])  # fmt: skip


def of(study=STUDY, **frames) -> StudyResults:
    return StudyResults(study, frames, {})


def two(*ps: float) -> pd.DataFrame:
    """Fine-tuned against all together at three sizes: ahead, level, behind."""
    rows = [(n, TUNED, ALL, d, p) for n, d, p in zip((4, 16, 64), (0.1, 0.0, -0.1), ps, strict=True)]
    return pairs(STUDY, *rows)


def test_each_answer_stands_with_the_sizes_where_no_other_is_better():
    assert answer_in_short(of(pairwise=two(0.01, 0.8, 0.02))) == [
        "With 4 labelled cases, fine-tune from L1 (a hint); with 16, these data can't say; with 64, train on "
        "patients of Cervix and Uterus together (a hint)."
    ]


def test_at_smoke_the_answer_is_that_there_is_none(monkeypatch):
    table = two(0.01, 0.8, 0.02).assign(ci_low=-0.2, ci_high=0.2)
    shown = of(pairwise=table)
    smoke = of(STUDY.model_copy(update={"scale": "smoke"}), pairwise=table)
    assert [s.text for s in found(smoke, [Answer("", ["Train."], TextTable([], [], []))])] == [
        "The scale smoke only shows that everything runs. Its scores mean nothing, so there is no answer."
    ]
    assert "hint" not in " ".join(s.text for s in how_sure(smoke))
    monkeypatch.setattr(page, "study_tables", SimpleNamespace(of_page=lambda _: {part: [] for part in page.PARTS}))
    monkeypatch.setattr(page, "SECTIONS", ())
    assert page.study_page(smoke).picture is None and page.study_page(shown).picture


def test_levels_that_the_answer_leaves_out_are_named():
    """It names the first level of a strategy alone, as if no other had been trained."""
    assert other_levels(of(pairwise=two(0.01, 0.8, 0.02))) == [
        "“TL (L1)” is the first level of its strategy, and the only one in this answer; “TL (L2)” and “TL (L3)” were "
        'trained too ("Other test sets and pairs").'
    ]
    assert other_levels(of(pairwise=pairs(STUDY, (4, SCRATCH, ALL, 0.1, 0.01)))) == []


def test_where_nothing_is_beyond_chance_one_sentence_says_so():
    assert answer_in_short(of(pairwise=two(0.2, 0.8, 0.3))) == [
        "With 4 to 64 labelled cases, these data can't say whether to fine-tune from L1 or train on patients of "
        "Cervix and Uterus together."
    ]


def test_a_crossover_says_who_is_ahead_outside_its_interval():
    """Also at sizes whose own differences are not beyond chance."""
    unclear = two(0.2, 0.8, 0.3)
    found = best_by_size(of(pairwise=unclear, crossover=crossing(CROSSES, 23, 16, 48)), "tumour")
    assert [choice.best for choice in found.values()] == [(TUNED,), (TUNED, ALL), (ALL,)]
    wide = best_by_size(of(pairwise=unclear, crossover=crossing(CROSSES, 23, 4, 64)), "tumour")
    assert wide == found, "it is ahead at the ends, by the verdict's own tests"
    stays = best_by_size(of(pairwise=unclear, crossover=crossing(NONE, np.inf, np.inf, np.inf)), "tumour")
    assert {choice.best for choice in stays.values()} == {(TUNED,)}
    open_ = best_by_size(of(pairwise=unclear, crossover=crossing(CANT, 23, 16, 48)), "tumour")
    assert {choice.best for choice in open_.values()} == {(TUNED, ALL)}


def test_verdicts_that_contradict_each_other_say_nothing():
    against = crossing(NONE, 0.0, 0.0, 0.0)
    found = best_by_size(of(pairwise=two(0.01, 0.8, 0.3), crossover=against), "tumour")
    assert found[4] == Choice((TUNED, ALL)) and found[16].best == (ALL,)


def test_what_is_worse_than_another_is_named_where_the_rest_is_open():
    three = pairs(STUDY, (4, TUNED, SCRATCH, 0.2, 0.01), (4, TUNED, SHELF, 0.0, 0.9), (4, SCRATCH, SHELF, -0.2, 0.1))
    assert answer_in_short(of(pairwise=three)) == [
        "With 4 labelled cases, take “Pretrained” as it is or fine-tune from L1 (these data can't say which), "
        "but don't train from scratch (a hint)."
    ]


def test_what_is_ahead_is_named_first():
    three = pairs(STUDY, (4, TUNED, SCRATCH, -0.2, 0.6), (4, TUNED, SHELF, 0.0, 0.9), (4, SCRATCH, SHELF, 0.1, 0.8))
    assert answer_in_short(of(pairwise=three)) == [
        "With 4 labelled cases, these data can't say whether to train from scratch, take “Pretrained” as it is or "
        "fine-tune from L1."
    ]


def test_what_a_wrong_choice_costs_is_the_furthest_limit_of_what_is_left():
    limits = pd.DataFrame({"ci_low": [0.05, -0.043, -0.2], "ci_high": [0.15, 0.021, 0.101]})
    table = two(0.01, 0.8, 0.3).join(limits)
    assert cost_of_choice(of(pairwise=table)) == [
        "Choosing wrongly among the strategies that these data leave open costs at most 0.05 in mean DSC with 16 "
        "labelled cases and 0.20 with 64 (the limits of the 95% intervals of their differences)."
    ], "nothing is left to choose with 4"
    assert cost_of_choice(of(pairwise=table.assign(p=0.001))) == []
    assert cost_of_choice(of(pairwise=two(0.2, 0.8, 0.3).assign(ci_low=np.nan, ci_high=np.nan))) == []


def by_metric(study, metric: str):
    return study.model_copy(update={"statistics": study.statistics.model_copy(update={"metric": metric})})


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_distance_that_mirrors_a_score_names_the_same_winners(seed):
    """Of the same trainings: a distance that is 30 mm for a score of 0, and 0 for one of 1."""
    scores = simulated_metrics(sizes=(4, 16, 64), cases={"uterus": 10}, folds=0, replicates=3, seed=seed)
    scores = scores.assign(draw=scores["replicate"], hd95_mm=30 * (1 - scores["dsc"]))
    table, found = check_metrics(scores), {}
    for metric in ("dsc", "hd95_mm"):
        own = {"pairwise": pairwise(table, metric, 0.05, None), "crossover": crossovers(table, metric, 0.95, 0.05)}
        found[metric] = of(by_metric(STUDY, metric), **own)
    one, other = (found[metric].frame("pairwise") for metric in ("dsc", "hd95_mm"))
    assert other["difference"].tolist() == pytest.approx((-30 * one["difference"]).tolist())
    assert other["p"].tolist() == pytest.approx(one["p"].tolist())
    score, distance = found.values()
    assert best_by_size(score, "tumour") == best_by_size(distance, "tumour")
    assert answer_in_short(score) == answer_in_short(distance) != []
    assert crossovers_found(score) == crossovers_found(distance)
    assert any(choice.beaten for choice in best_by_size(distance, "tumour").values()), "the tables decide something"


@pytest.mark.parametrize(("limit", "text"), [(0.0301, "0.04"), (0.03, "0.03"), (0.07, "0.07"), (0.0, "0.00")])
def test_what_a_number_is_at_most_is_rounded_up(limit, text):
    assert bound(limit) == text


def test_of_several_structures_a_wrong_choice_costs_what_their_mean_says():
    organs = [pairs(ORGANS, (3, "transfer", "scratch", 0.1, 0.2), structure=s) for s in [*ORGANS.structures, POOLED]]
    wide = [table.assign(ci_low=-0.5, ci_high=0.5) for table in organs[:-1]]
    frames = {"pairwise": pd.concat(wide), "paired": organs[-1].assign(ci_low=-0.02, ci_high=0.08, p_holm=0.6)}
    [said] = cost_of_choice(of(ORGANS, **frames))
    assert said.startswith("On average over the structures, choosing wrongly") and "0.08 in mean DSC with 3" in said


def test_only_the_main_questions_families_on_the_targets_test_cases_count():
    more = pairs(STUDY, (4, "transfer-L2", TUNED, 0.2, 0.01))
    elsewhere = two(0.01, 0.01, 0.01).assign(test_set="cervix")
    assert answer_in_short(of(pairwise=pd.concat([more, elsewhere]))) == []
    assert answer_in_short(of()) == [] and picture(of()) is None


def test_a_crossover_with_a_family_of_another_question_beats_nothing():
    of_levels = crossing(NONE, 0.0, 0.0, 0.0, overtakes="transfer-L3")
    found = best_by_size(of(pairwise=two(0.01, 0.8, 0.3), crossover=of_levels), "tumour")
    assert [choice.best for choice in found.values()] == [(TUNED,), (TUNED, ALL), (TUNED, ALL)]


def test_a_size_or_a_family_without_results_is_told():
    ends = two(0.01, 0.01, 0.02).query("n_train != 16").assign(difference=0.1)
    assert answer_in_short(of(pairwise=ends))[0].startswith("With 4 and 64 labelled cases, fine-tune")
    more = pairs(STUDY, *((n, TUNED, SCRATCH, 0.1, 0.01) for n in (4, 16)))
    [_, lacks] = answer_in_short(of(pairwise=pd.concat([two(0.01, 0.8, 0.02), more])))
    assert lacks == "“UT-only” has no result with 64 labelled cases and is not part of the answer there."


def test_of_two_models_without_sizes_the_worse_is_beaten_at_each():
    values = STUDY.strategies | {"other": STUDY.strategies["pretrained"].model_copy(update={"label": "Other"})}
    study = STUDY.model_copy(update={"strategies": values})
    rows = [(n, SCRATCH, shelf, -0.2, 0.01) for n in (4, 16) for shelf in (SHELF, "other")]
    table = pairs(study, (0, "other", SHELF, -0.06, 0.01), *rows).assign(ci_low=-0.3, ci_high=-0.01)
    assert answer_in_short(of(study, pairwise=table)) == [
        "With 4 to 16 labelled cases, take “Pretrained” as it is (a hint)."
    ]
    level = table.assign(p=table["p"].where(table["n_train"] > 0, 0.4))
    [said] = cost_of_choice(of(study, pairwise=level))
    assert "0.30 in mean DSC with 4 labelled cases and 0.30 with 16" in said


def test_of_trained_models_it_says_that_it_is_about_them():
    said = answer_in_short(of(pairwise=two(0.01, 0.8, 0.02).assign(about=MODELS)))
    assert len(said) == 2 and said[1].startswith("This applies only to these trained models")


def test_what_correction_leaves_is_told():
    [none] = rests_on(of(pairwise=two(0.01, 0.8, 0.02)))
    assert "Of 2 differences with p < 0.05 behind this answer, none remains" in none and "a hint" in none
    [one] = rests_on(of(pairwise=two(0.0001, 0.8, 0.02)))
    assert (
        "answer, 1 remains after Holm's correction over all 90 comparisons" in one and "others alone is a hint" in one
    )
    [all_] = rests_on(of(pairwise=two(0.0001, 0.8, 0.0002)))
    assert "answer, 2 remain after" in all_ and "hint" not in all_
    assert rests_on(of(pairwise=two(0.2, 0.8, 0.3))) == []


def test_what_correction_does_not_leave_is_called_a_hint_where_it_is_said():
    three = pairs(STUDY, (4, TUNED, SCRATCH, 0.2, 0.0001), (4, TUNED, SHELF, 0.2, 0.01), (4, TUNED, ALL, 0.0, 0.9))
    assert answer_in_short(of(pairwise=three)) == [
        "With 4 labelled cases, fine-tune from L1 or train on patients of Cervix and Uterus together (these "
        "data can't say which), but don't train from scratch, nor take “Pretrained” as it is (a hint)."
    ]
    [said] = rests_on(of(pairwise=three))
    assert "1 remains" in said and said.endswith(": what rests on the others alone is a hint.")
    assert answer_in_short(of(pairwise=two(0.0001, 0.8, 0.02)))[0] == (
        "With 4 labelled cases, fine-tune from L1; with 16, these data can't say; with 64, train on patients of "
        "Cervix and Uterus together (a hint)."
    )
    stays = crossing(NONE, np.inf, np.inf, np.inf)
    crossed = answer_in_short(of(pairwise=two(0.08, 0.08, 0.08).assign(difference=0.1), crossover=stays))
    assert crossed == ["With 4 to 64 labelled cases, fine-tune from L1 (a hint)."]
    [(_, cells)] = picture(of(pairwise=two(0.0001, 0.01, 0.8).assign(difference=[0.1, 0.1, 0]))).rows
    assert [cell.columns for cell in cells] == [2, 1], "a hint has no colour of its own"


def test_what_rests_on_the_verdict_on_a_crossover_alone_is_told():
    """Its tests are one-sided at alpha, so that p may be up to twice that, and counts in no correction."""
    stays = crossing(NONE, np.inf, np.inf, np.inf)
    [alone] = rests_on(of(pairwise=two(0.08, 0.08, 0.08).assign(difference=0.1), crossover=stays))
    assert alone == (
        "3 times a strategy is ruled out at a size by the verdict on a crossover alone, whose tests are one-sided at "
        "0.05 and not corrected; the p of the difference there is not below 0.05: take it as a hint."
    )
    _, rest = rests_on(of(pairwise=two(0.01, 0.01, 0.08).assign(difference=0.1), crossover=stays))
    assert rest.startswith("1 time a strategy")


def organs(*ps: float, pooled: float) -> StudyResults:
    """The p of fine-tuned minus from scratch at 8 cases, of each organ and of their mean."""
    by_organ = [pairs(ORGANS, (8, "transfer", "scratch", 0.1, p), structure=s)
                for s, p in zip(ORGANS.structures, ps, strict=True)]  # fmt: skip
    mean = pairs(ORGANS, (8, "transfer", "scratch", 0.1, pooled), structure=POOLED).assign(p_holm=3 * pooled, tests=3)
    return of(ORGANS, pairwise=pd.concat(by_organ), paired=mean)


def test_differences_of_the_mean_over_structures_are_corrected_among_themselves():
    said = "Of 1 difference with p < 0.05 in the mean over the structures, {} after Holm's correction over these 3 "
    said += "comparisons{}."
    assert rests_on(organs(0.5, 0.5, 0.5, 0.5, pooled=0.01)) == [said.format("1 remains", "")]
    assert rests_on(organs(0.5, 0.5, 0.5, 0.5, pooled=0.02)) == [said.format("none remains", ": take it as a hint")]
    assert len(rests_on(organs(0.01, 0.5, 0.5, 0.5, pooled=0.01))) == 2
    assert len(rests_on(organs(0.01, 0.5, 0.5, 0.5, pooled=0.4))) == 1


def test_structures_that_are_alike_have_one_sentence():
    open_ = "with 8 labelled cases, these data can't say whether to fine-tune or train from scratch."
    assert answer_in_short(organs(0.5, 0.5, 0.5, 0.5, pooled=0.4)) == [
        f"On average over the 4 structures and for each of them: {open_}"
    ]
    assert answer_in_short(organs(0.01, 0.01, 0.5, 0.5, pooled=0.4)) == [
        f"On average over the 4 structures: {open_}",
        "Brain stem and Spinal cord: with 8 labelled cases, fine-tune (a hint).",
    ]


def test_a_structure_without_results_is_named_and_not_counted():
    """The answer was said to be that of each structure."""
    whole = organs(0.5, 0.5, 0.5, 0.5, pooled=0.4)
    table = whole.frames["pairwise"]
    frames = whole.frames | {"pairwise": table[table["structure"] != next(iter(ORGANS.structures))]}
    assert answer_in_short(of(ORGANS, **frames)) == [
        "On average over the 3 structures that have results and for each of them: with 8 labelled cases, these data "
        "can't say whether to fine-tune or train from scratch.",
        "Brain stem has no results of two strategies on the same cases and is not part of the answer.",
    ]


def test_what_one_structure_alone_lacks_is_told_of_it():
    table = organs(0.5, 0.5, 0.5, 0.5, pooled=0.4).frames
    more = [table[name].assign(n_train=20) for name in ("pairwise", "paired")]
    first = next(iter(ORGANS.structures))
    third = pairs(ORGANS, (20, "source", "scratch", 0.0, 0.6), structure=first)
    less = pd.concat([more[0][more[0]["structure"] != first], third])
    frames = {"pairwise": pd.concat([table["pairwise"], less]), "paired": pd.concat([table["paired"], more[1]])}
    lacks = [text for text in answer_in_short(of(ORGANS, **frames)) if "has no result" in text]
    assert lacks and all(text.startswith("Brain stem: “") for text in lacks)


def test_the_picture_has_a_row_for_each_structure_and_joins_neighbouring_sizes():
    shown = picture(of(pairwise=two(0.2, 0.8, 0.02)))
    assert shown.columns == ["4", "16", "64"]
    [(label, cells)] = shown.rows
    assert label == STUDY.structures["tumour"].label
    assert [(cell.text, cell.columns, bool(cell.colour)) for cell in cells] == [
        ("can't say", 2, False), ("Aggregated", 1, True)]  # fmt: skip
    rows = picture(organs(0.01, 0.5, 0.5, 0.5, pooled=0.4)).rows
    assert [label for label, _ in rows] == ["Mean over the structures", *(s.label for s in ORGANS.structures.values())]


def test_the_pictures_note_says_no_more_than_that_none_is_better():
    """A beats B, B beats C, and of A and C nothing is shown: A is not better than every other one."""
    circle = pairs(
        STUDY, (4, TUNED, SCRATCH, 0.1, 0.0001), (4, SCRATCH, SHELF, 0.1, 0.0001), (4, TUNED, SHELF, 0.1, 0.2)
    )  # fmt: skip
    shown = picture(of(pairwise=circle))
    assert [cell.text for cell in shown.rows[0][1]] == ["TL (L1)"] and shown.rows[0][1][0].colour
    assert "the one strategy that no other is shown to be better than" in shown.note


def test_sizes_with_one_answer_are_told_together():
    """Whichever others are ruled out, and how surely: that is told of none where one is left."""
    table = pairs(
        STUDY, (4, TUNED, ALL, 0.1, 0.0001), (4, TUNED, SCRATCH, 0.1, 0.01),
        (16, TUNED, ALL, 0.1, 0.01), (16, TUNED, SCRATCH, 0.1, 0.0001),
    )  # fmt: skip
    assert answer_in_short(of(pairwise=table)) == ["With 4 to 16 labelled cases, fine-tune from L1 (a hint)."]


def test_strategies_have_letters_where_columns_are_too_narrow_for_names():
    study = STUDY.model_copy(update={"sizes": [4, 6, 8, 12, 16, 24, 32]})
    rows = [(n, TUNED, SCRATCH, 0.2 if n < 32 else -0.2, 0.01) for n in study.sizes]
    shown = picture(of(study, pairwise=pairs(study, *rows)))
    [(_, cells)] = shown.rows
    first, second = (cell.text for cell in cells)
    assert {first, second} == {"a", "b"} and [cell.columns for cell in cells] == [6, 1]
    for family, letter in ((TUNED, first), (SCRATCH, second)):
        assert f"{letter}: {style.family_label(study, family)}" in shown.note


def test_the_first_page_tells_the_first_of_many_crossovers():
    rows = pd.concat([crossing(CROSSES, 20, 10, 30)] * 6)
    said = crossovers_found(of(crossover=rows))
    assert len(said) == 5 and said[-1].startswith("2 further crossovers")
    assert len(crossovers_found(of(crossover=rows[:4]))) == 4


def test_of_chains_the_answer_names_what_is_better_worse_and_open():
    study = load_study("prostate", "demo")
    rows = [(ONE_SOURCE, TWICE, POOLED, 0.02, 0.01), (TWO_SOURCES, ONE_SOURCE, POOLED, -0.03, 0.01),
            (ALL_DATA, BASELINE, POOLED, 0.01, 0.04), (ALL_DATA, BASELINE, "site_a", 0.05, 0.01)]  # fmt: skip
    table = pd.DataFrame(rows, columns=["a", "b", "target", "difference", "half"])
    table = table.assign(metric=study.statistics.metric, folds=5, cases=9, p=[0.03, 0.001, 0.6, 0.01])
    for end, sign in (("low", -1), ("high", 1)):
        table[f"ci_{end}"] = table[f"ci_wide_{end}"] = table["difference"] + sign * table["half"]
    results = of(study, contrasts=table)
    assert chains_in_short(results) == [
        f"Better: o{KINDS[ONE_SOURCE, TWICE][1:]} (a hint). "
        "Worse: two sources instead of one. "
        "These data can't say: all data together instead of the target's alone."
    ]
    assert chains_rest_on(results) == [
        "Each comparison of kinds is tested separately. Of 2 differences beyond chance behind this answer, 1 remains "
        "after Holm's correction over these 3 comparisons: the others are hints."
    ]
    assert chains_rest_on(of(study)) == [] == chains_rest_on(of(study, contrasts=table[2:3]))
    shown = chains_picture(results)
    assert "without a correction" in shown.note
    assert shown.columns == [study.cohorts["site_a"].label, "All"]
    assert [cells[-1].text for _, cells in shown.rows] == ["+2.0", "−3.0", "+1.0"]
    assert [bool(cells[-1].colour) for _, cells in shown.rows] == [True, True, False]
    assert shown.rows[-1][1][0].text == "+5.0" and shown.rows[0][1][0].text == "–"
    assert chains_in_short(of(study)) == [] and chains_picture(of(study)) is None
    assert chains_in_short(of(study, contrasts=table[table["target"] == "site_a"])) == [
        f"Better: all data together instead of the target's alone on {study.cohorts['site_a'].label}."
    ], "of one target of several it is no result over all"


@pytest.mark.parametrize(
    ("chosen", "words"), [([4], "4"), ([4, 16], "4 to 16"), ([4, 64], "4 and 64"), ([4, 8, 64], "4 to 8 and 64")]
)
def test_sizes_are_told_in_ranges_of_neighbours(chosen, words):
    assert ranges(chosen, [4, 8, 16, 64] if 8 in chosen else [4, 16, 64]) == words


def test_names_of_several_words_are_quoted_and_the_decoder_is_what_is_tuned():
    assert [quoted(label) for label in ("Off the shelf", "TL")] == ["“Off the shelf”", "“TL”"]
    assert [trained_part(level) for level in ("decoder", "L1")] == ["the decoder", "from L1"]


@pytest.mark.parametrize(
    ("levels", "family", "words"),
    [
        ((["L3"], ["L1"]), "transfer-L3-L1", "fine-tune from L3, then from L1"),
        ((["L3"], []), "transfer-L3", "fine-tune from L3, then all of the network"),
    ],
)
def test_of_gradual_unfreezing_each_step_is_told(levels, family, words):
    values = STUDY.model_dump(mode="json")
    steps = [{"train": {"uterus": "n"}, "levels": own} for own in levels]
    values["strategies"]["transfer"]["chain"] = [{"train": {"cervix": "all"}}, *steps]
    values["figures"]["colours"] = {family: "#0072b2"}
    values["figures"]["overlays"] |= {"strategies": [family], "sizes": [4]}
    study = type(STUDY).model_validate(values | {"splits": values["splits"] | {"k_fold": {"k": 3, "of": [family]}}})
    assert action(study, family, [family]) == words
    assert strategy_label(study, family) == "TL"


def test_of_several_networks_every_strategy_is_named():
    study = load_study("headneck_nnunet", "demo")
    said = {family: action(study, family, main_question(study)) for family in main_question(study)}
    assert said["nnunet_scratch"] == "train from scratch (nnU-Net from scratch)"
    assert said["nnunet_decoder-decoder"] == "fine-tune the decoder (nnU-Net, decoder fine-tuned)"
    assert said["scratch"] == "train “U-Net from scratch”"
