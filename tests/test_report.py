"""The report: what its first page and parts say follows the tables, and its file works wherever it is opened."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crossover.analyses import registry, tables
from crossover.analyses.tables.scores import _training
from crossover.core.paths import ROOT
from crossover.core.provenance import record_path
from crossover.report import formats, page, study_tables
from crossover.report.agreement_section import agreement_section
from crossover.report.audit_section import audit_section
from crossover.report.claims_section import ENTRIES, claims_section
from crossover.report.crossover_section import crossover_section, crossover_sentences, statement
from crossover.report.failures_section import failures_in_short, failures_section
from crossover.report.overview import found as found_of
from crossover.report.overview import how_sure, is_not, overview, patients_tested
from crossover.report.prose import statements
from crossover.report.provenance_note import ProvenanceNote, provenance_note
from crossover.report.results import Answer, StudyResults
from crossover.report.table_layout import TextTable, table
from crossover.statistics.differences.repeated import CORRECTION, PAIRING
from crossover.statistics.estimates.resampling import PATIENTS, ROUGHNESS
from crossover.statistics.learning_curves.crossing import CHANGES, CROSSES, NONE
from crossover.statistics.learning_curves.crossing import OPEN as CANT
from crossover.statistics.papers.audit.false_claims import false_claims
from crossover.statistics.papers.audit.verdicts import DEPENDS, FOLLOWS, NOT, UNCHECKED
from crossover.statistics.papers.claims.parts import FAILS, HOLDS, NOT_RUN, OPEN, VERDICTS
from crossover.statistics.papers.published import load_published
from crossover.study.config import load_study
from crossover.study.families import baseline
from crossover.study.plan import plan

STUDY = load_study("uterus", "demo")
PROSTATE = load_study("prostate", "demo")
LABELS = {"transfer-L1": "TL (L1)", "scratch": "UT-only", "aggregated": "Aggregated"}


def results(study=STUDY, **frames) -> StudyResults:
    return StudyResults(study, frames, {})


def claims(*verdicts: str) -> pd.DataFrame:
    return pd.DataFrame([
        {"id": f"c{i}", "words": f"words {i}", "where": "Table 2", "kind": "better", "verdict": v,
         "effect": 0.1, "ci_low": 0.02, "ci_high": 0.18, "p": 0.01, "published": "+0.12",
         "because": f"because {i}", "measure": "difference of DSC", "interpretation": np.nan, "parts": 1,
         "confidence": 0.95}
        for i, v in enumerate(verdicts)
    ])  # fmt: skip


def crossover(verdict: str, n: float, low: float, high: float, **changes) -> pd.DataFrame:
    row = {"test_set": "uterus", "structure": "tumour", "metric": "dsc", "ahead": "transfer-L1",
           "overtakes": "scratch", "verdict": verdict, "n": n, "ci_low": low, "ci_high": high,
           "confidence": 0.95, "form": "monotone", "n_power": 30.0, "sizes": 4, "n_smallest": 5,
           "n_largest": 51, "patients": 16, "replicates": 2, "resampled": ROUGHNESS, "off_the_shelf": False,
           "statement": ""}  # fmt: skip
    return pd.DataFrame([row | changes])


def pairs(**changes) -> pd.DataFrame:
    row = {"test_set": "uterus", "structure": "tumour", "question": "models at n=32", "n_train": 32,
           "a": "scratch-n32", "b": "transfer-L1-n32", "family_a": "scratch", "family_b": "transfer-L1",
           "cases": 16, "mean_a": 0.5, "mean_b": 0.6, "difference": -0.1, "ci_low": -0.2, "ci_high": -0.01,
           "cohen_dz": 0.5, "rank_biserial": 0.4, "p_wilcoxon": 0.02, "p_t": 0.02, "p_holm": 0.2, "tests": 90,
           "p": 0.02, "about": "methods", "trainings": 3,
           "significant": False, "theirs": "Tukey", "p_theirs": 0.01, "significant_theirs": True,
           "agrees": False, "because": CORRECTION}  # fmt: skip
    return pd.DataFrame([row | changes])


def cells(table: TextTable) -> str:
    return " | ".join(cell for row in table.rows for cell in row).replace("\u00a0", " ")


# ---- claims


@pytest.mark.parametrize("verdict", VERDICTS)
def test_a_claim_stands_under_its_verdict(verdict):
    section = claims_section(results(claims=claims(verdict)))
    [shown] = section.tables + section.details
    assert (shown in section.details) == (verdict in (OPEN, NOT_RUN))
    words = {HOLDS: "1 holds", FAILS: "1 does not hold", OPEN: "1 can't be decided",
             NOT_RUN: "1 was not run"}  # fmt: skip
    assert [w in section.sentences[0] for w in words.values()] == [v == verdict for v in words]
    for text in ("“words 0”", "Table 2", "+0.100 (+0.020, +0.180)", "0.010", "+0.12", "because 0"):
        assert text in cells(shown.table)


def test_claims_are_counted_and_grouped():
    section = claims_section(results(claims=claims(OPEN, HOLDS, NOT_RUN, HOLDS, FAILS)))
    assert section.sentences[0] == (
        "Of 5 findings of the paper, 2 hold, 1 does not hold, 1 can't be decided and 1 was not run."
    )
    assert [t.title.split(" (")[0] for t in section.tables] == ["Hold here", "Do not hold here"]
    assert [t.title.split(" (")[0] for t in section.details] == ["Can't be decided by these results", "Not run"]
    assert [len(t.table.rows) for t in section.tables + section.details] == [2, 1, 1, 1]


def test_a_study_without_claims_has_no_such_section():
    assert claims_section(results()) is None and claims_section(results(claims=claims())) is None


def test_sizes_that_stand_for_the_papers_are_told():
    sizes = pd.DataFrame({"ours": [0, 2, 13], "theirs": [0, 5, 26]})
    said = claims_section(results(claims=claims(OPEN), sizes=sizes)).sentences[-1]
    assert said.endswith("The sizes of this run correspond to them: 2 for 5 and 13 for 26.")
    same = sizes.assign(theirs=sizes["ours"])
    assert "stand for" not in claims_section(results(claims=claims(OPEN), sizes=same)).sentences[-1]


# ---- crossover


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (crossover(CROSSES, 23.4, 12, 51),
         "“UT-only” overtakes “TL (L1)” at n = 24 labelled cases (95% CI 12 to 51); with 5, “TL (L1)” is ahead."),
        (crossover(CROSSES, 23.4, 12, np.inf),
         "“UT-only” overtakes “TL (L1)” at n = 24 labelled cases (95% CI 12 to beyond 51); with 5, “TL (L1)” is "
         "ahead."),
        (crossover(NONE, np.inf, np.inf, np.inf),
         "No crossover at the sizes from n = 5 to 51: “TL (L1)” is ahead of “UT-only” at each."),
        (crossover(NONE, 0.0, 0.0, 0.0),
         "No crossover at the sizes from n = 5 to 51: “UT-only” is ahead of “TL (L1)” at each."),
        (crossover(CROSSES, 23.4, 13, 51, ahead="pretrained", off_the_shelf=True),
         "With 24 labelled cases or more (95% CI 13 to 51), “UT-only” is ahead of “Pretrained”; with 5, "
         "“Pretrained” is."),
        (crossover(CANT, 0.0, 0.0, np.inf),
         "Whether “UT-only” overtakes “TL (L1)” is not decided: the estimate is below 5 (95% CI below 5 to beyond "
         "51)."),
        (crossover(CANT, np.nan, 0.0, np.inf),
         "Whether “UT-only” overtakes “TL (L1)” is not decided: their means are the same here."),
    ],
)  # fmt: skip
def test_the_crossover_is_said_with_its_interval(table, said):
    assert crossover_section(results(crossover=table)).sentences[0] == said


def test_a_crossover_names_its_structure_where_there_are_several():
    study = load_study("nasopharynx", "demo")
    row = crossover(CANT, np.nan, 0.0, np.inf, ahead=baseline(study), overtakes=baseline(study)).iloc[0].to_dict()
    name, structure = next(iter(study.structures.items()))
    assert statement(row | {"structure": name}, study).startswith(f"{structure.label}: Whether ")


def test_what_a_verdict_on_a_crossover_needs_is_said_once():
    once = crossover(CANT, 23.4, 5, 51, replicates=1)
    both = pd.concat([once, once.assign(overtakes="aggregated", sizes=2)])
    for said in (
        crossover_sentences(results(crossover=both)),
        crossover_section(results(crossover=both)).sentences,
    ):
        assert said[0] == (
            "There is no verdict on any crossover without trainings on a second draw of the labelled cases (in a "
            "study: splits.replicates.draws) and a "
            "size between: the estimates apply only to these trainings."
        )
        assert "the estimate is 24 (95% CI 5 to 51)." in said[1] and "beyond chance." not in said
    told = crossover_sentences(results(crossover=pd.concat([once, once.assign(replicates=2)])))
    assert told[0] == "No crossover is beyond chance."


def test_the_first_page_has_crossovers_only_where_there_are():
    found = crossover(CROSSES, 23.4, 12, 51)
    open_ = crossover(CANT, 9.0, 0.0, np.inf, overtakes="aggregated")
    none = crossover(NONE, np.inf, np.inf, np.inf, overtakes="aggregated")
    both = crossover_sentences(results(crossover=pd.concat([found, open_])))
    assert "at n = 24" in both[0] and both[1:] == [
        "For 1 of 2 pairs of strategies there is no verdict from these results."
    ]
    main = crossover(CANT, 30.0, 8.0, np.inf)
    said = crossover_sentences(results(crossover=pd.concat([open_, main])))
    assert said[1].startswith("Whether “UT-only” overtakes “TL (L1)”") and "8 to beyond 51" in said[1]
    assert said[2] == "For all 2 pairs of strategies there is no verdict from these results."
    assert crossover_sentences(results(crossover=open_)) == [
        "No crossover is beyond chance.",
        "For 1 of 1 pair of strategies there is no verdict from these results."]  # fmt: skip
    assert crossover_sentences(results(crossover=none)) == [
        "No crossover is beyond chance.",
        "There is none at the sizes of these pairs: “TL (L1)” is ahead of “Aggregated” at each."]  # fmt: skip
    changes = crossover(CHANGES, 23.4, 12, 51, overtakes="aggregated")
    assert crossover_sentences(results(crossover=pd.concat([open_, changes]))) == [
        "Which of “TL (L1)” and “Aggregated” is ahead changes more than once from n = 5 to 51: there is no one "
        "crossover.",
        "For 1 of 2 pairs of strategies there is no verdict from these results."]  # fmt: skip
    elsewhere = crossover(CROSSES, 23.4, 12, 51, test_set="cervix")
    assert "at n" not in " ".join(crossover_sentences(results(crossover=pd.concat([open_, elsewhere]))))  # fmt: skip


def test_what_is_assumed_of_trainings_follows_what_was_resampled():
    one = crossover_section(results(crossover=crossover(CROSSES, 23.4, 12, 51))).sentences[-1]
    other = crossover(CROSSES, 23.4, 12, 51, resampled=PATIENTS)
    smooth = crossover_section(results(crossover=other)).sentences[-1]
    assert "stray from smooth curves" in one and "stray" not in smooth


def test_without_sizes_the_report_says_that_nothing_can_be_located():
    section = crossover_section(results(PROSTATE))
    assert section.sentences == [crossover_sentences(results(PROSTATE))[0]]
    assert "no training sizes" in section.sentences[0] and not section.tables and not section.figure
    single = STUDY.model_copy(update={"sizes": [50]})
    assert "one training size, n = 50" in crossover_section(results(single)).sentences[0]


def test_cases_needed_stand_in_a_row_for_each_score():
    rows = [
        (0.6, "scratch", 12.3, 5.2, np.inf),
        (0.6, "transfer-L1", 0.0, 0.0, 8.0),
        (0.7, "scratch", np.inf, np.inf, np.inf),
        (0.7, "transfer-L1", 12.3, np.nan, np.nan),  # of one test case
    ]
    needed = pd.DataFrame([
        {"test_set": "uterus", "structure": "tumour", "metric": "dsc", "family": f, "target": t, "n": n,
         "ci_low": low, "ci_high": high, "confidence": 0.95, "form": "monotone", "n_smallest": 5,
         "n_largest": 51, "replicates": 1} for t, f, n, low, high in rows
    ])  # fmt: skip
    section = crossover_section(results(crossover=crossover(CROSSES, 23.4, 12, 51), cases_needed=needed))
    [titled] = section.tables
    table = titled.table
    assert titled.note.endswith("the interval applies to this draw: other cases may need other numbers.")
    assert table.head[0] == "DSC" and set(table.head[1:]) == {"UT-only", "TL (L1)"}
    by_head = [dict(zip(table.head, row, strict=True)) for row in table.rows]
    assert by_head[0]["UT-only"] == "13 (6 to > 51)" and by_head[0]["TL (L1)"] == "≤ 5 (≤ 5 to 8)"
    assert by_head[1] == {"DSC": "0.7", "UT-only": "> 51", "TL (L1)": "13"}


def test_intervals_that_belong_to_tests_have_the_level_of_the_tests():
    """They exclude 0 where p < alpha, whatever the confidence of the other intervals is."""
    other = STUDY.statistics.model_copy(update={"confidence": 0.9, "alpha": 0.01})
    study = STUDY.model_copy(update={"statistics": other})
    for entry in ("tukey", "paired_comparisons"):
        _, note = statements(study, entry, shown=pairs())
        assert "99%" in note and "90%" not in note


# ---- tests side by side


def test_where_tests_disagree_is_said_and_why():
    apart = pd.concat([pairs(), pairs(because=PAIRING, significant=True, significant_theirs=False)])
    agreed = pairs(agrees=True, because=np.nan)
    section = agreement_section(results(pairwise=pd.concat([apart, agreed])))
    assert "decides otherwise in 2 of 3 comparisons" in section.sentences[1]
    assert "in 1 because the comparisons are corrected" in section.sentences[1]
    finds = "In 1 of them only the paper's kind of test finds a difference, and in 1 only ours does."
    assert finds in section.sentences[1]
    [table] = section.details
    assert table.title == "Where the two disagree (2)" and "−0.100 (−0.200, −0.010)" in cells(table.table)  # fmt: skip
    alike = agreement_section(results(pairwise=agreed))
    assert "agrees with ours in the one comparison" in alike.sentences[1] and not alike.details


def test_a_paper_without_tests_is_not_said_to_disagree():
    section = agreement_section(results(pairwise=pairs(theirs="", agrees=np.nan, because=np.nan)))
    assert section.sentences[1].startswith("The paper makes no test") and not section.details
    none = agreement_section(results(pairwise=pairs(agrees=np.nan, because=np.nan)))
    assert "gives no p here" in none.sentences[1]


def test_pairs_of_trained_models_are_not_said_to_be_of_methods():
    section = agreement_section(results(pairwise=pairs(about="trained models")))
    assert section.sentences[1].startswith("All of these comparisons are of trained models")
    assert "trained models" not in " ".join(agreement_section(results(pairwise=pairs())).sentences)


# ---- audit


def findings(*verdicts: str) -> pd.DataFrame:
    return pd.DataFrame([
        {"study": "uterus", "check": "gain", "about": f"about {i}", "where": "Table 2", "printed": "0.7",
         "follows_from": "0.2 + 0.3", "verdict": v, "low": 0.45, "high": 0.55, "interpretation": "",
         "off_by": 0.1 if v == NOT else np.nan, "note": ""} for i, v in enumerate(verdicts)
    ])  # fmt: skip


def test_the_audit_shows_what_does_not_follow():
    section = audit_section(results(audit=findings(FOLLOWS, NOT, DEPENDS, DEPENDS, UNCHECKED)))
    for words in ("1 follow from them", "2 depend on interpretation", "1 do not follow", "1 can't"):
        assert words in section.sentences[0]
    table, under = section.details
    assert "about 1 | Table 2 | 0.7 | 0.2 + 0.3 | 0.45 to 0.55 | 0.1" in cells(table.table)
    assert "about 2 and 1 more" in cells(under.table)
    assert under.title == "Depend on interpretation (2, those of one kind in one row)"
    whole = audit_section(results(audit=findings(FOLLOWS)))
    assert not whole.tables and not whole.details and "0 do not follow" in whole.sentences[0]
    assert audit_section(results()) is None


def test_the_audit_shows_the_claims_that_may_be_false():
    claims = false_claims(load_published("uterus"))
    section = audit_section(results(audit=findings(FOLLOWS), false_claims=claims))
    [table] = section.details
    assert table.title == "Claims of superiority that may be false by the chance of the cases (1 of 21)"
    text = cells(table.table)
    assert "transfer-L1 better than aggregated at n = 51, all, dsc | " in text
    assert "| 89 | 0.10 (0.02 to 0.18) | 0.75 (0.50 to 0.90)" in text


# ---- first page


def scores(replicates: int = 1) -> dict[str, pd.DataFrame]:
    rows = [{"cohort": c, "case": f"{c}{i}", "patient": f"{c}{i // 2}"} for c in ("cervix", "uterus") for i in range(4)]
    tested_ = pd.DataFrame(rows).assign(part="test", replicate=0)
    unscored = tested_.tail(1).assign(case="other", patient="other")
    trained = tested_.head(1).assign(part="train", patient="t")
    metrics = tested_.assign(family="scratch", n_train=5, fold=np.nan, model="scratch-n5")
    metrics = pd.concat([metrics.assign(replicate=r) for r in range(replicates)])
    return {"splits": pd.concat([tested_, unscored, trained]), "metrics": metrics}


def said(linked) -> str:
    return " ".join(s.text for s in linked)


def test_the_first_page_follows_the_tables():
    answers = [Answer("", ["First.", "Second.", "Third."], TextTable([], [], []))]
    failed = pd.DataFrame([{"stage": "a", "happened": "the loss was NaN", "advice": ""}])
    one = results(**scores(), claims=claims(HOLDS, OPEN), crossover=crossover(CROSSES, 23.4, 12, 51),
                  pairwise=pairs(), failed=failed)  # fmt: skip
    found, sure, isnt = said(found_of(one, answers)), said(how_sure(one)), said(is_not(one, "a meaning"))
    assert found.startswith("With 32 labelled cases, fine-tune from L1 (a hint). “TL (L1)” is the first level of its")
    assert "1 holds" in sure and "1 can't be decided" in sure and "at n = 24" in sure
    assert STUDY.data in isnt and "Scale demo, a meaning." in isnt
    assert "Tested on 4 patients: 2 of Cervix and 2 of Uterus." in sure and patients_tested(one) == 4
    assert "1 training failed" in sure and "trained once" in sure
    other = results(**scores(replicates=3), claims=claims(FAILS, FAILS), crossover=crossover(CANT, 9, 0, np.inf),
                    )  # fmt: skip
    found, sure = said(found_of(other, answers)), said(how_sure(other))
    assert "No crossover is beyond chance" in found and "First. Second." in found and "Third" not in found
    assert "2 do not hold" in sure and "0 hold" in sure and "failed" not in sure and "trained 3 times" in sure


def test_sentences_fit_small_numbers():
    facts = {"patients": 0, "cases": 0, "tested": [], "training_patients": 0, "labelled": 0, "judged": False}
    facts |= {"least": 3, "most": 3, "one_draw": False}
    one = pd.DataFrame({"missing": [1]})
    told = " ".join(statements(STUDY, "how_sure", **facts, folds=3, missing=one))
    assert "it counts as the worst" in told and "have 50% of their training patients in common" in told
    told = " ".join(statements(STUDY, "how_sure", **facts | {"most": 2, "least": 2}, folds=2, missing=one[:0]))
    assert "The two folds were trained on different patients." in told
    alone = STUDY.model_copy(update={"sizes": [20]})
    assert "apply to other numbers of labelled cases than 20, to patients" in said(is_not(results(alone), ""))


@pytest.mark.parametrize(("p", "text"), [(0.0496, "0.0496"), (0.04999, "0.0499"), (0.05, "0.050"), (0.0004, "< 0.001")])
def test_a_p_below_the_level_never_reads_as_the_level(p, text):
    assert formats.p_value(p) == text


def test_a_model_of_another_tool_is_said_to_take_no_part_in_the_answer():
    """Its training data were "n = 0", which reads as none."""
    frames = scores()
    assert "takes no part" not in said(is_not(results(**frames), ""))
    frames["metrics"] = pd.concat([frames["metrics"], frames["metrics"].assign(family="vendor", n_train=0)])
    told = said(is_not(results(**frames), ""))
    assert "strategies of this study alone: “vendor”, scored by another tool, takes no part in it." in told
    assert _training(STUDY, "vendor", 0) == "not known" and _training(STUDY, "vendor", 5) == "n = 5"


def test_the_first_page_says_how_often_models_were_trained_and_on_how_many_draws():
    thrice = scores(replicates=3)
    fewer = pd.concat([thrice["metrics"], scores()["metrics"].assign(n_train=13)])
    assert "The models were trained 1 to 3 times each." in said(how_sure(results(**thrice | {"metrics": fewer})))
    in_folds = pd.concat([thrice["metrics"].assign(fold=fold) for fold in range(2)])
    assert "trained 6 times, in 2 folds." in said(how_sure(results(**thrice | {"metrics": in_folds})))
    for draws, told in (([0, 0, 0], True), ([0, 1, 2], False)):
        drawn = thrice["metrics"].assign(draw=thrice["metrics"]["replicate"].map(dict(enumerate(draws))))
        sure = said(how_sure(results(**thrice | {"metrics": drawn})))
        assert ("used the same cases: nothing shows how much another draw" in sure) == told


def test_that_patients_have_several_cases_is_a_sentence_apart_from_the_next():
    """The next one's hyphen stood in it: "... interval and test.- Every model ..."."""
    sure = [s.text for s in how_sure(results(**scores(replicates=3)))]
    both = [text for text in sure if "Tested on" in text or "trained 3 times" in text]
    assert len(both) == 2 and both[0].endswith("interval and test."), both


def test_no_text_of_the_prose_runs_into_the_next():
    """Jinja takes the end of a line away that ends with a tag, so that the next line's hyphen begins none."""
    lines = (Path(page.__file__).parent / "prose.j2").read_text().splitlines()
    ended = False  # whether the last line with text ended with a tag
    for line in map(str.strip, lines):
        assert not (ended and line.startswith("- ")), line
        if not re.fullmatch(r"(\{%.*?%\})+", line):
            ended = line.endswith("%}")


def test_the_first_page_says_which_training_patients_the_draws_share():
    """The spread of draws that are all of the same patients doesn't tell what other patients would give."""
    tables, largest = scores(replicates=2), STUDY.sizes[-1]
    drawn = tables["metrics"].assign(draw=tables["metrics"]["replicate"])
    target = pd.DataFrame({"patient": [f"t{i}" for i in range(2 * largest)], "cohort": STUDY.target, "part": "train"})
    half, whole = (pd.concat([tables["splits"], target[:n]]) for n in (2 * largest, largest))
    text = said(how_sure(results(metrics=drawn, splits=half)))
    assert f"All 2 draws of labelled cases come from the same {2 * largest} patients: at n = {largest}" in text
    assert "on average 50% of their patients in common" in text
    assert "have all their patients in common" in said(how_sure(results(metrics=drawn, splits=whole)))
    assert "draws" not in said(how_sure(results(metrics=drawn.assign(draw=0), splits=whole)))


def test_the_overview_counts_every_study():
    found = results(**scores(), claims=claims(HOLDS, HOLDS, NOT_RUN), crossover=crossover(CROSSES, 23.4, 12, 51))
    table = overview([found, results(PROSTATE)])
    assert table.rows[0][1:] == ["4", "1 found", "2", "0", "0", "1"]
    assert table.rows[1][1:] == ["–", "no learning curves", "–", "–", "–", "–"]


# ---- tables and prose


def test_the_tables_of_a_page_follow_from_its_frames_whatever_it_compares():
    anova = pd.DataFrame([{"test_set": "uterus", "structure": "tumour", "question": "models at n=32", "n_train": 32,
                           "groups": 3, "F": 4.0, "p": 0.02}])  # fmt: skip
    tested = pairs().assign(statistic=3.0, p_wilcoxon_asymptotic=0.01, p_wilcoxon_exact=0.02, p_westfall_young=0.1)
    both = study_tables.of_appendix(results(anova=anova, paired=tested))
    assert [t.title for t in both] == [
        "Analysis of variance (1 row)",
        "Paired comparisons (1 row)",
    ]
    assert "UT-only | TL (L1) | 16 | −0.100 | −0.200 | −0.010" in cells(both[1].table)
    assert study_tables.of_appendix(results(anova=anova.iloc[:0])) == []


AGES = '''"""Ages of the patients."""

from crossover.analyses.analysis import Analysis

ANALYSIS = Analysis(title="Ages", part="{part}", writes={{"tables/{name}.csv": ("family",)}})


def make(given, study):
    return {{}}


def caption(frames, study):
    return f"In years, of {{len(frames['{name}'])}} groups."
'''


@pytest.fixture
def one_file(tmp_path, monkeypatch):
    """Write a table's one file, as the only analysis that there is; return it by the part that it names."""

    def write(part: str) -> registry.Registered:
        name = f"ages_{part}"
        (tmp_path / "tables").mkdir(exist_ok=True)
        (tmp_path / f"tables/{name}.py").write_text(AGES.format(part=part, name=name))
        registry.analyses.cache_clear()
        return registry.find("tables", name)

    monkeypatch.setattr(registry, "PLACE", tmp_path)
    monkeypatch.setattr(tables, "__path__", [str(tmp_path / "tables")])
    yield write
    registry.analyses.cache_clear()


@pytest.mark.parametrize("part", ["results", "paper", "appendix"])
def test_a_new_table_needs_its_own_file_alone_to_stand_in_the_report(one_file, part):
    new = one_file(part)
    ages = pd.DataFrame({"family": ["scratch", "source"], "mean_age": [52.25, 49.5]})
    for study, place in ((STUDY, part), (STUDY.model_copy(update={"paper": None}), part.replace("paper", "appendix"))):
        assert f"tables/{new.name}.csv" in registry.tables_of(study)
        made = page.study_page(results(study, **{new.name: ages}))
        [shown] = getattr(made, place).tables
        assert (shown.title, shown.note, shown.source) == ("Ages", "In years, of 2 groups.", new.name)
        assert shown.table.head == ["Family", "Mean age"] and shown.table.rows[0] == ["UT-only", "52.25"]
        assert sum(len(getattr(made, other).tables) for other in ("results", "paper", "checks", "appendix")) == 1
    assert not getattr(page.study_page(results(**{new.name: ages.iloc[:0]})), part).tables


def test_a_table_leaves_out_columns_without_text():
    frame = pd.DataFrame({"structure": ["tumour"], "p": [np.nan], "n_train": [32]})
    assert table(frame, STUDY).head == ["n"]


def test_every_entry_of_the_prose_is_used_and_every_used_one_is_there():
    folder = Path(page.__file__).parent
    code = "".join(path.read_text() for path in folder.glob("*.py"))
    entries = re.findall(r"^## (\w+)$", (folder / "prose.j2").read_text(), re.MULTILINE)
    used = re.findall(r'(?:statements\([\w.\s]+,\s*|TableKind\(\s*)"(\w+)"', code)
    assert {*used, *ENTRIES.values()} == set(entries)
    assert len(set(entries)) == len(entries), "of two with one name, the first would never be said"


def test_predictions_that_a_model_lacks_have_their_table():
    row = {"test_set": "uterus", "structure": "tumour", "family": "scratch", "n_train": 32, "cases": 4}
    lacking = pd.DataFrame([row | {"common": 3, "missing": 1, "named": "case_7"}])
    [shown] = study_tables.of_appendix(results(missing=lacking))
    assert shown.title == "Missing predictions" and "case_7" in cells(shown.table)


# ---- provenance records


def left_record(file: Path, inputs: int = 3, **changes) -> None:
    file.write_text("a,b\n")
    name = f"results/uterus/statistics/{file.name}"
    content = {"inputs": {f"in{i:02d}.csv": f"{i:064d}" for i in range(inputs)},
               "outputs": {name: provenance_note(file).sha256},
               "settings_digest": "s" * 24, "code": {"entries": ["workflow_scripts/analysis.py"]},
               "begun": "2026-01-01", "seconds": 1.0}  # fmt: skip
    record_path(file).write_text(json.dumps(content | changes))


def test_how_a_table_was_made_is_told_without_times(tmp_path):
    file = tmp_path / "claims.csv"
    left_record(file)
    first = provenance_note(file)
    assert first.file == "results/uterus/statistics/claims.csv"
    assert first.script == "workflow_scripts.analysis"
    assert first.settings == "s" * 12 and first.inputs[1] == ("in01.csv", "0" * 12)
    left_record(file, begun="2027-07-07", seconds=99.0)
    assert provenance_note(file) == first
    left_record(file, inputs=40)
    note = provenance_note(file)
    assert len(note.inputs) + note.more == 40 and note.more > 0


def test_a_changed_file_and_one_without_a_record_are_told(tmp_path):
    file = tmp_path / "claims.csv"
    left_record(file)
    whole = {"outputs": {"results/claims.csv": file_digest_of(file)}}
    left_record(file, **whole)
    assert not provenance_note(file).changed
    file.write_text("c,d\n")
    assert provenance_note(file).changed
    record_path(file).unlink()
    assert provenance_note(file).script == "" and provenance_note(file).file == "claims.csv"


def file_digest_of(file: Path) -> str:
    from crossover.core.files import file_digest

    return file_digest(file)


# ---- the page


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("page")
    svg = '<svg xmlns="http://www.w3.org/2000/svg" width="495pt" viewBox="0 0 9 9"><path d="M0 0"/></svg>'
    (folder / "learning_curves.svg").write_text(svg)
    (folder / "flow.svg").write_text(svg.replace("9 9", "8 8"))
    (folder / "differences.svg").write_text(svg.replace("9 9", "7 7"))
    way = ProvenanceNote("results/uterus/x.csv", "abc", "workflow_scripts.analysis", "def", (("in.csv", "012"),))
    frames = scores() | {
        "claims": claims(HOLDS, OPEN, NOT_RUN), "crossover": crossover(CROSSES, 23.4, 12, 51),
        "learning_curves": pd.DataFrame([{"test_set": "uterus", "structure": "tumour", "patients": 16, "replicates": 1,
                                          "resampled": ROUGHNESS}]),
        "pairwise": pairs(), "audit": findings(NOT, FOLLOWS),
    }  # fmt: skip
    drawn = ["differences", "learning_curves", "flow"]
    names = ["claims", "crossover", "pairwise", "published", *(f"figures/{name}" for name in drawn)]
    of = StudyResults(STUDY, frames, {}, {}, [], dict.fromkeys(names, way))
    of = replace(of, figures={name: folder / f"{name}.svg" for name in drawn})
    for name in ("a.html", "b.html"):
        page.render([of, results(PROSTATE)], folder / name)
    assert (folder / "a.html").read_bytes() == (folder / "b.html").read_bytes()
    return (folder / "a.html").read_text()


def test_a_page_of_one_study_has_its_title_by_which_it_is_known_when_it_is_handed_on(whole, tmp_path):
    assert "<title>Crossover: report</title>" in whole
    page.render([results(PROSTATE)], tmp_path / "one.html")
    assert f"<title>{html.escape(PROSTATE.title)}: report</title>" in (tmp_path / "one.html").read_text()


def test_every_link_leads_somewhere_and_every_name_is_one(whole):
    ids = re.findall(r'\bid="([^"]+)"', whole)
    assert len(ids) == len(set(ids))
    targets = set(re.findall(r'href="#([^"]+)"', whole))
    assert targets <= set(ids) and {"findings-title"} <= set(ids)
    assert {f"uterus-{name}" for name in ("claims", "crossover", "tests", "audit")} <= targets


def test_every_table_and_figure_leads_to_its_record(whole):
    parts = re.split(r'class="study" id="|class="part" id="|<div class="brief">', whole.split("<body>")[1])
    of_study = "".join(part for part in parts if part.startswith("uterus"))
    figures = of_study.count("<figure ")
    tables = of_study.count("<table") - 1  # the assumptions' is the study's own text
    assert figures == 3 and tables >= 6
    assert of_study.count("<summary>How this was made") == figures + tables
    assert "crossover trace results/uterus/x.csv" in of_study


def test_the_learning_curves_stand_once_with_the_crossover(whole):
    text = html.unescape(whole)
    assert text.count("Learning curves and crossover.</strong>") == 1
    assert text.index('id="uterus-crossover"') < text.index("Figure 1. Learning") < text.index("Figure 3. Flow")
    assert text.index("Figure 1. Learning") < text.index('id="appendix"') < text.index("Figure 3. Flow")


def test_figures_are_numbered_as_they_come(whole):
    assert re.findall(r"<strong>Figure (\d+)\.", whole) == ["1", "2", "3"]


def test_keyboard_and_readers_find_their_way(whole):
    assert '<html lang="en">' in whole and whole.index('class="skip" href="#main"') < whole.index("<nav")  # fmt: skip
    assert whole.count("<h1") == 1 and set(re.findall(r'tabindex="(.+?)"', whole)) == {"0"}
    levels = [int(n) for n in re.findall(r"<h([1-6])", whole)]
    assert all(b <= a + 1 for a, b in pairwise(levels))
    assert all('aria-label="' in b or ">" in b for b in re.findall(r"<button[^>]*>", whole))
    assert len(re.findall(r"<img ", whole)) == len(re.findall(r'<img src="[^"]*" alt="Figure', whole))
    for rule in (":focus-visible", "@media print", "details::details-content", "@page"):
        assert rule in whole
    assert "aria-sort" in whole and "showModal" in whole


def test_there_is_nothing_empty(whole):
    text = re.sub(r"<style>.*?</style>|<script>.*?</script>|src=\"data:[^\"]*\"", "", whole, flags=re.S)  # fmt: skip
    assert not re.search(r"\bnan\b|undefined", re.sub(r"<[^>]+>", " ", text))
    assert not re.search(r"<(ul|ol|dl|tbody|p)[^>]*>\s*</\1>", text)
    assert "{{" not in text and "{%" not in text


@pytest.mark.skipif(not shutil.which("node"), reason="needs node")
def test_tables_sort_by_the_numbers_that_cells_begin_with():
    script = Path(page.__file__).parent / "script.js.j2"
    columns = {
        "±": ["0.89 ± 0.02", "10.1 ± 3", "9 ± 1"], "ci": ["+0.10 (+0.02, +0.2)", "−0.30 (−0.4, 0.1)", "0.00"],
        "p": ["0.041", "< 0.001", "0.001"], "ends": ["beyond 256", "23", "below 5"], "cases": ["> 51",
        "13 (6 to > 51)", "≤ 5"],
        "thousands": ["1,200", "900", "12"], "text": ["n = 13", "n = 2", "b"], "empty": ["", "2", "1"],
    }  # fmt: skip
    program = (
        f"const {{sorted}} = require({json.dumps(str(script))}); const out = {{}};"
        f"for (const [name, texts] of Object.entries({json.dumps(columns)})) {{"
        "const rows = texts.map(t => ({cells: [{textContent: t}]}));"
        "out[name] = [false, true].map(d => sorted(rows, 0, d).map(r => r.cells[0].textContent)); }"
        "console.log(JSON.stringify(out));"
    )
    ran = subprocess.run(["node", "-e", program], capture_output=True, text=True, check=True)
    found = json.loads(ran.stdout)
    assert found["±"][0] == ["0.89 ± 0.02", "9 ± 1", "10.1 ± 3"]
    assert found["±"][1] == found["±"][0][::-1]
    assert found["ci"][0] == ["−0.30 (−0.4, 0.1)", "0.00", "+0.10 (+0.02, +0.2)"]
    assert found["p"][0] == ["< 0.001", "0.001", "0.041"]
    assert found["ends"][0] == ["below 5", "23", "beyond 256"]
    assert found["cases"][0] == ["≤ 5", "13 (6 to > 51)", "> 51"]
    assert found["thousands"][0] == ["12", "900", "1,200"]
    assert found["text"][0] == ["b", "n = 2", "n = 13"]
    assert found["empty"] == [["1", "2", ""], ["2", "1", ""]]


# ---- a study that follows no paper

WITH_A_PAPER = {
    "patients_of_the_paper", "stated_gains", "claims", "disagreement", "scores", "does_not_follow", "may_be_false",
    "audit", "contradictions",
}  # fmt: skip
"""Entries that only a study with a paper, or with its numbers, has."""


def test_no_entry_speaks_of_a_paper_where_there_may_be_none():
    text = (Path(page.__file__).parent / "prose.j2").read_text()
    _, *parts = re.split(r"^## (\w+)\n", text, flags=re.MULTILINE)
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        without = re.sub(r"\{%-? if study\.paper.*?endif -?%\}|\{[{%].*?[%}]\}", "", body, flags=re.DOTALL)
        assert name in WITH_A_PAPER or not re.search(r"\bpapers?\b", without), name


def test_a_study_without_a_paper_is_not_measured_by_one(tmp_path):
    own = STUDY.model_copy(update={"paper": None, "published": None, "scale": "smoke"})
    for name, study in (("own", own), ("papers", STUDY)):
        page.render([results(study, **scores())], tmp_path / f"{name}.html")
    mine, theirs = (html.unescape((tmp_path / f"{name}.html").read_text()) for name in ("own", "papers"))
    said = (
        "Choices that the published description leaves open",
        "deviations from what is published",
        "At the published scale",
    )
    assert all(words in theirs and words not in mine for words in said)
    assert "The assumptions of the study at the scale paper. This run has the scale smoke" in mine
    assert "At paper scale" in mine and "crossover run uterus --scale paper" in mine


def test_the_section_of_trainings_is_named_by_what_it_lists():
    failed = pd.DataFrame([{"stage": next(iter(plan(STUDY).stages)), "happened": "the loss was NaN", "advice": ""}])
    zero = replace(results(), scored_zero=["a"])
    assert failures_section(zero).title == "Trainings that ended with a validation DSC of 0"
    assert failures_section(replace(zero, retried={"b": "DSC 0"})).title == (
        "Trainings that were repeated or ended with a validation DSC of 0"
    )
    assert failures_section(results(failed=failed)).title == "Trainings that failed"


def test_trainings_that_find_nothing_are_expected_at_smoke_alone():
    for scale in ("smoke", "demo"):
        of = replace(results(STUDY.model_copy(update={"scale": scale})), scored_zero=["a"], retried={"a": "DSC 0"})
        said_ = failures_in_short(of) + " ".join(failures_section(of).sentences)
        assert said_.count("to be expected after") == (2 if scale == "smoke" else 0)


def test_a_keyboard_reaches_what_scrolls_sideways():
    """axe's rule scrollable-region-focusable: commands and YAML in a narrow window."""
    templates = (ROOT / "crossover").rglob("*.j2")
    blocks = [tag for path in templates for tag in re.findall("<pre[^>]*>", path.read_text())]
    assert blocks and all('tabindex="0"' in tag for tag in blocks)
