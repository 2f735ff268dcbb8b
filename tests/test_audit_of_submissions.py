"""The audit of a file that a reviewer typed: what is wrong in it is named, and what can't be checked is counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from scipy import stats
from typer.testing import CliRunner

from crossover.cli.app import app
from crossover.core.configuration import ConfigError
from crossover.statistics.papers.audit import audit
from crossover.statistics.papers.audit.averages import averages
from crossover.statistics.papers.audit.cut_off import WAY
from crossover.statistics.papers.audit.false_claims import false_claims, no_claims, untold_claims
from crossover.statistics.papers.audit.gains import gains
from crossover.statistics.papers.audit.orderings import orderings
from crossover.statistics.papers.audit.paired_t import paired_t, rarity
from crossover.statistics.papers.audit.paired_tests import paired_tests
from crossover.statistics.papers.audit.places import same_numbers
from crossover.statistics.papers.audit.pooling import pooled
from crossover.statistics.papers.audit.spread import spread
from crossover.statistics.papers.audit.units import in_one_unit
from crossover.statistics.papers.audit.verdicts import DEPENDS, FOLLOWS, NOT, UNCHECKED, AuditRow, off_text, span
from crossover.statistics.papers.paper_names import names_in
from crossover.statistics.papers.printed import Percentage
from crossover.statistics.papers.printed_number import Printed
from crossover.statistics.papers.published import load_published
from tests.printed_papers import only, paper, value

SETS = {"t": {"cases": 24, "where": "Methods"}}
SIZES = [5, 10, 20, 40]


def model(family: str, n: int = 0) -> dict[str, Any]:
    return {"family": family, "n_train": n}


def row(family: str, mean: str, sd: str, n: int = 0, **more: Any) -> dict[str, Any]:
    return value(family, Printed(mean), n=n, sd=Printed(sd), **{"sd_of": "cases"} | more)


def pair(a: dict, b: dict, p: str, **more: Any) -> dict[str, Any]:
    said = {"a": a, "b": b, "test_set": "t", "metric": "dsc", "p": Printed(p), "test": "t", "where": "Results"}
    return said | more


def ordered(first: str, second: str, metric: str = "dsc", n: int = 5, words: tuple = ("better", "worse")) -> dict:
    sides = dict(zip(words, ([first], [second])))
    return {"metric": metric, "test_set": "t", "n_train": [n], "where": "Abstract"} | sides


def scores(n: int = 5, metric: str = "dsc") -> list[dict]:
    return [row("tuned", "0.80", "0.10", n, metric=metric), row("scratch", "0.70", "0.10", n, metric=metric)]


def plain_file(folder: Path, **parts: Any) -> Path:
    """A file of plain numbers."""
    values = [
        {"model": model(f, n), "test_set": "t", "metric": "dsc", "mean": 0.8, "sd": 0.1, "where": "T"}
        for f in ("tuned", "scratch")
        for n in SIZES
    ]
    whole = {"study": "x", "citation": "X", "sizes": SIZES, "test_sets": SETS, "values": values} | parts
    path = folder / "submission.yaml"
    path.write_text(yaml.safe_dump(whole))
    return path


# ---- what is wrong in the file


def test_every_wrong_name_is_a_finding_with_its_place_and_what_there_is_instead(tmp_path):
    a, b = model("tuned", 5), model("scratch", 5)
    test = {"a": a, "b": b, "test_set": "t", "metric": "dsc", "p": 0.5, "test": "t", "where": "R"}
    path = plain_file(
        tmp_path,
        paired=[
            test | {"a": model("tunned", 5)},
            test | {"test_set": "tst", "structure": "liver"},
            test | {"metric": "hd96", "test": "wilcox", "b": model("scratch", 15)},
            test | {"metric": "Hausdorff"},
        ],
        orderings=[ordered("tuned", "scrach") | {"test_set": "tst"}],
        gains=[{"families": ["tuned"], "over": "scratch", "metric": "dsc", "test_set": "t", "gain": 0.1, "where": "A"}],
        percentages=[{"about": "x", "count": 1, "of": 8, "percent": "12.5 percent", "where": "R"}],
    )
    with pytest.raises(ConfigError) as error:
        load_published(str(path))
    found = [line.removeprefix(f"{path}: ") for line in str(error.value).splitlines()]
    models = "there are: scratch, tuned (or declared in without_scores)"
    assert len(found) == 10
    assert sorted(found) == sorted([
        f"paired.entry 1.a.family: no model 'tunned'; {models}",
        "paired.entry 2.test_set: no test set 'tst'; there are: t",
        *(line for line in found if line.startswith("paired.entry 3.metric: no metric 'hd96'; known are: dsc, iou,")),
        *(line for line in found if line.startswith("paired.entry 3.test: Input should be 't', 'anova', 'wilcoxon'")),
        "paired.entry 3.b.n_train: no size 15; there are: 0, 5, 10, 20, 40 (0 where models have none)",
        "paired.entry 4.metric: 'Hausdorff' may be hd_mm or hd95_mm: write the one that is meant",
        f"orderings.entry 1.worse.entry 1: no model 'scrach'; {models}",
        "orderings.entry 1.test_set: no test set 'tst'; there are: t",
        "gains.entry 1: n_train is required: scores of tuned are printed at the sizes [5, 10, 20, 40]; of an average "
        "over sizes give all of them in brackets",
        "percentages.entry 1.percent: a number is needed, not '12.5 percent'",
    ])  # fmt: skip


def test_a_structure_is_one_of_those_with_scores(tmp_path):
    values = [row_ | {"structure": "liver"} for row_ in yaml.safe_load(plain_file(tmp_path).read_text())["values"]]
    test = {"a": model("tuned", 5), "b": model("scratch", 5), "test_set": "t", "metric": "dsc", "p": 0.5, "where": "R"}
    path = plain_file(tmp_path, values=values, paired=[test | {"structure": "lver"}])
    with pytest.raises(ConfigError, match=r"paired\.entry 1\.structure: no structure 'lver'; there are: liver"):
        load_published(str(path))
    assert load_published(str(plain_file(tmp_path, paired=[test | {"structure": "liver"}], without_scores=["lver"])))


def test_what_is_wrong_at_many_places_is_one_finding(tmp_path):
    values = yaml.safe_load(plain_file(tmp_path).read_text())["values"]
    path = plain_file(tmp_path, values=[v | {"metric": "hd96"} for v in values])
    with pytest.raises(ConfigError) as error:
        load_published(str(path))
    (line,) = str(error.value).splitlines()
    assert "values.entry 1.metric and 7 more: no metric 'hd96'" in line and "other_metrics: {hd96: higher}" in line


def test_models_without_scores_and_other_metrics_are_declared(tmp_path):
    values = yaml.safe_load(plain_file(tmp_path).read_text())["values"]
    said = ordered("tuned", "external", "auc")
    declared = {"without_scores": ["external"], "other_metrics": {"auc": "lower"}}
    path = plain_file(tmp_path, values=[v | {"metric": "auc"} for v in values], orderings=[said], **declared)
    found = load_published(str(path))
    assert (found.better("auc"), found.better("dsc"), found.better("volume_error_percent")) == (
        "lower", "higher", "neither",
    )  # fmt: skip
    assert only(orderings(found), "tuned better than external").verdict == UNCHECKED


def test_the_confidence_is_needed_where_an_interval_is_printed_only(tmp_path):
    values = yaml.safe_load(plain_file(tmp_path).read_text())["values"]
    assert load_published(str(plain_file(tmp_path))).confidence is None
    path = plain_file(tmp_path, values=[values[0] | {"ci": [0.7, 0.9]}])
    with pytest.raises(ConfigError, match=r"confidence is required because T has a ci; write 0.95 for 95% intervals"):
        load_published(str(path))


def test_a_statement_that_names_what_is_not_printed_is_told_with_its_place(tmp_path):
    said = {"about": "s", "relation": "whole", "where": "A"}
    wrong = [said | {"left": "share * 24"}, said | {"left": 'score("Dice", "tunned", 5, "t")'}]
    run = CliRunner().invoke(app, ["audit", str(plain_file(tmp_path, statements=wrong))])
    assert run.exit_code == 2
    assert "submission.yaml: statements.entry 1.left: share * 24: no fact has the key 'share'" in run.output
    assert (
        "statements.entry 2.left" in run.output and "no mean of tunned at n = 5, t, dsc; there are: tuned" in run.output
    )


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("left: cases(t)", 't is a name without quotes; names in functions need quotes, as in score("dsc", "A", 10'),
        ("left: score(dsc, fine-tuned, 5, t)", "names in functions need quotes"),
        ("left: score(U-Net 3D)", "it is not an expression; names in functions need quotes"),
        ("left: 'cases()'", "arguments of another kind or number; names in functions need quotes"),
    ],
)
def test_an_expression_that_fails_says_what_to_write(tmp_path, line, told):
    path = plain_file(tmp_path)
    path.write_text(path.read_text() + f"statements:\n- about: s\n  relation: whole\n  where: A\n  {line}\n")
    text = " ".join(CliRunner().invoke(app, ["audit", str(path)]).output.split())
    assert told in text and "audit.md" not in text


@pytest.mark.parametrize("cut", ["score(dsc, tuned, 5, t)", 'score("dsc", "tuned", 5, "t")', "mean(a, b)"])
def test_an_expression_that_yaml_cuts_at_its_commas_is_no_decimal_comma(tmp_path, cut):
    path = plain_file(tmp_path)
    path.write_text(
        path.read_text() + f"statements:\n- {{about: s, relation: equals, where: A, left: '1', right: {{x: {cut}}}}}\n"
    )
    text = " ".join(CliRunner().invoke(app, ["audit", str(path)]).output.split())
    assert "n braces" in text and "put the whole of" in text and "single quotes" in text and "a point" not in text


def test_one_name_where_a_list_is_due_is_told_with_brackets(tmp_path):
    path = plain_file(tmp_path, orderings=[ordered("tuned", "scratch") | {"better": "tuned"}])
    text = " ".join(CliRunner().invoke(app, ["audit", str(path)]).output.split())
    assert "orderings.entry 1.better: write a list in brackets, such as [tuned]" in text


@pytest.mark.parametrize(
    ("low", "high", "decimals", "text"),
    [
        (0.060511, 0.54231, 5, "0.06051 to 0.5423"),
        (8.99234, 9.29612, 2, "8.99 to 9.30"),
        (0.000012345, 0.5423, 3, "1e-05 to 0.542"),
        (198.0, 198.0, 2, "198"),
        (0.0, 0.25, 2, "0 to 0.25"),
    ],
)
def test_recomputed_numbers_have_few_decimals_more_than_printed_ones(low, high, decimals, text):
    assert span(low, high, decimals) == text


def test_a_missing_paper_is_told_with_the_names_that_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plain_file(tmp_path)
    other = " ".join(CliRunner().invoke(app, ["audit", "nosuch.yaml"]).output.split())
    assert "nosuch.yaml does not exist; its folder has: submission.yaml; the papers" in other
    bare = " ".join(CliRunner().invoke(app, ["audit", "submission"]).output.split())
    assert "no paper 'submission'" in bare and "named with its ending: submission.yaml" in bare


def test_a_paper_is_no_table_of_scores_to_plan_by(tmp_path):
    run = CliRunner().invoke(app, ["design", str(plain_file(tmp_path))])
    text = " ".join(run.output.split())
    assert run.exit_code == 2 and "no scores" in text and "--sd" in text and "--mean" in text and "column" not in text


def test_a_percentage_may_have_its_sign():
    said = {"about": "x", "count": 3, "of": 24, "where": "R"}
    assert Percentage.model_validate(said | {"percent": "13.5%"}).percent.text == "13.5"
    (found,) = audit(paper(percentages=[said | {"percent": "12.5%"}]))
    assert found.verdict == FOLLOWS


# ---- metrics by their usual names


@pytest.mark.parametrize("name", ["hd95", "HD95", "Hausdorff distance 95", "hd95_mm"])
def test_a_metric_has_the_names_that_compare_takes(name):
    values = [row("a", "6.7", "51", metric=name), row("b", "26.0", "20.7", metric=name)]
    found = paper(values=values, orderings=[ordered("a", "b", name, 0)], test_sets=SETS)
    assert only(spread(found), "SD of a, t, hd95_mm").verdict == NOT
    assert [f.verdict for f in orderings(found)] == [FOLLOWS]
    (claim,) = false_claims(found).itertuples()
    assert claim.better == "a" and claim.probability < 0.1


def test_a_dice_score_is_a_dsc():
    found = paper(values=[row("a", "0.80", "0.70", metric="Dice")], test_sets=SETS)
    assert only(spread(found), "SD of a, t, dsc").verdict == NOT


# ---- better and worse, higher and lower


def test_better_models_have_the_lower_distances_and_higher_ones_the_higher():
    values = [row("a", "13.8", "7.9", metric="hd95_mm"), row("b", "26.0", "20.7", metric="hd95_mm")]
    said = [ordered("a", "b", "hd95_mm", 0), ordered("a", "b", "hd95_mm", 0, ("higher", "lower"))]
    found = orderings(paper(values=values, orderings=said, test_sets=SETS))
    assert [(f.about, f.verdict) for f in found] == [
        ("a better than b, t, hd95_mm", FOLLOWS),
        ("a above b, t, hd95_mm", NOT),
    ]
    assert "write `better` and `worse`" in found[1].note


@pytest.mark.parametrize("words", [("better", "lower"), ("better",), ()])
def test_an_ordering_has_one_pair_of_sides(words):
    with pytest.raises(ValueError, match="give either both better and worse, or both higher and lower"):
        paper(orderings=[ordered("a", "b", words=words)])


# ---- nothing is dropped


def test_a_gain_is_checked_at_its_size():
    values = [*scores(5), row("tuned", "0.90", "0.10", 10), row("scratch", "0.88", "0.10", 10)]
    said = {"families": ["tuned"], "over": "scratch", "metric": "dsc", "test_set": "t", "where": "A"}
    stated = [said | {"n_train": n, "gain": Printed("0.10")} for n in (5, 10, 20)]
    found = gains(paper(values=values, gains=stated, test_sets=SETS, sizes=SIZES))
    assert [(f.about, f.verdict) for f in found] == [
        ("Gain of tuned over scratch at n = 5, t, dsc", DEPENDS),  # as a difference
        ("Gain of tuned over scratch at n = 10, t, dsc", NOT),
        ("Gain of tuned over scratch at n = 20, t, dsc", UNCHECKED),
    ]
    assert found[2].note == "exactly one score of tuned, scratch is needed there, and none or several are printed"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"test": "wilcoxon"}, "for 24 cases the signed-rank test can give nearly every p"),
        ({"test": "other"}, "the p of the test (other) needs more than is printed"),
        ({"metric": "nsd"}, "no mean of tuned at n = 5, t, nsd is printed"),
        ({"b": model("scratch", 10)}, "no mean of scratch at n = 10, t, dsc is printed"),
        ({"b": model("external")}, "no SD, standard error or interval of external, t, dsc is printed"),
        ({"test_set": "u"}, "the number of cases of tuned at n = 5, u, dsc isn't printed"),
    ],
)
def test_a_p_that_cannot_be_checked_says_why(change, why):
    values = [*scores(), value("external", Printed("0.60")), *(v | {"test_set": "u"} for v in scores())]
    said = pair(model("tuned", 5), model("scratch", 5), "0.001") | change
    found = paper(values=values, paired=[said], test_sets=SETS, sizes=SIZES)
    (row_,) = [*paired_t(found), *paired_tests(found)]
    assert (row_.verdict, row_.note) == (UNCHECKED, why)


@pytest.mark.parametrize(
    ("gain", "more", "interpretation"),
    [
        ("0.15", {}, "the difference of the scores"),
        ("15.0", {"unit": "%"}, "the difference of the scores"),
        ("27.3", {"unit": "%"}, "the difference relative to the subtracted score"),
        ("32.1", {"unit": "%"}, "the mean of the sizes' differences relative to the subtracted score"),
        ("20.0", {"unit": "%"}, None),
    ],
)
def test_a_gain_may_be_averaged_over_sizes(gain, more, interpretation):
    values = [row(f, m, "0.10", n) for f, n, m in (
        ("tuned", 5, "0.60"), ("scratch", 5, "0.40"), ("tuned", 10, "0.80"), ("scratch", 10, "0.70"),
    )]  # fmt: skip
    said = {
        "families": ["tuned"],
        "over": "scratch",
        "metric": "dsc",
        "test_set": "t",
        "where": "A",
        "n_train": [5, 10],
    }
    digits = {v["mean"]: Printed(f"{v['mean']:.4f}") for v in values}
    values = [v | {"mean": digits[v["mean"]]} for v in values]
    printed = paper(values=values, gains=[said | more | {"gain": Printed(gain)}], test_sets=SETS, sizes=SIZES)
    (found,) = gains(printed)
    mean = (0.2 / 0.4 + 0.1 / 0.7) / 2
    assert f"is {100 * mean:.3f}" in found.note or "unit" not in more
    if interpretation is None:
        assert found.verdict == NOT
    else:
        assert found.verdict == DEPENDS and interpretation in found.interpretation
    assert found.about == "Gain of tuned over scratch, t, dsc, averaged over n = 5, 10"
    assert printed.gains_table()["recomputed"].tolist() == [pytest.approx(0.15)]
    (missing,) = gains(paper(values=values[1:], gains=[said | {"gain": Printed("0.1")}], test_sets=SETS, sizes=SIZES))
    assert "exactly one score of tuned at n = 5 is needed" in missing.note


def test_a_gain_of_a_distance_in_per_cent_is_relative():
    values = [row(f, m, "9.0", metric="hd95_mm") for f, m in (("a", "22.9"), ("b", "31.8"))]
    said = {"families": ["a"], "over": "b", "metric": "hd95_mm", "test_set": "t", "where": "A", "unit": "%"}
    (found,) = gains(paper(values=values, gains=[said | {"gain": Printed("28")}], test_sets=SETS))
    assert found.verdict == FOLLOWS
    assert found.note == "The difference relative to the subtracted score is 27.99"


def test_an_ordering_with_a_model_that_has_no_size_is_checked():
    values = [row("tuned", "0.80", "0.10", 10), row("shelf", "0.69", "0.13")]
    found = orderings(paper(values=values, orderings=[ordered("tuned", "shelf", n=10)], sizes=SIZES, test_sets=SETS))
    assert [f.verdict for f in found] == [FOLLOWS]


def test_what_cannot_be_checked_stands_in_the_text_with_its_reason(tmp_path):
    a, b = model("tuned", 5), model("scratch", 5)
    test = {"a": a, "b": b, "test_set": "t", "metric": "dsc", "p": 0.5, "where": "R", "test": "wilcoxon"}
    run = CliRunner().invoke(app, ["audit", str(plain_file(tmp_path, paired=[test]))])
    text = " ".join(run.output.split())
    assert "1 can't be checked" in text and "--json" in text
    assert "p of tuned against scratch at n = 5, t, dsc (R): for 24 cases the signed-rank test can give nearly" in text


def test_a_p_that_follows_tells_people_which_correlation_it_needs(tmp_path):
    values = [{"model": model(f), "test_set": "t", "metric": "dsc", "mean": m, "sd": 0.14, "where": "T"}
              for f, m in (("a", 0.66), ("b", 0.71))]  # fmt: skip
    test = {"a": model("a"), "b": model("b"), "test_set": "t", "metric": "dsc", "p": 0.03, "where": "R", "test": "t"}
    run = CliRunner().invoke(app, ["audit", str(plain_file(tmp_path, values=values, paired=[test]))])
    assert "The p needs scores of the two models that correlate with" in " ".join(run.output.split())


def test_a_p_that_takes_an_unusual_correlation_says_which_and_what_usual_ones_give():
    values = [row("a", "0.85", "0.08"), row("b", "0.84", "0.09")]
    (found,) = paired_t(paper(values=values, paired=[pair(model("a"), model("b"), "0.0001")], test_sets=SETS))
    assert found.interpretation.startswith("scores of the two models that correlate with 0.97 or more (where the true ")
    assert found.note == "The p recomputed is that of a correlation of -0.41 to 0.90"
    assert found.low > 0.0001 and found.high == 1


@pytest.mark.parametrize("cases", [10, 24, 100])
def test_a_p_that_takes_an_implausible_correlation_says_how_rare_it_is(cases):
    """Where the true correlation is 0.9, so many cases of a normal distribution show one like it that often."""
    rng = np.random.default_rng(0)
    drawn = rng.multivariate_normal([0, 0], [[1, 0.9], [0.9, 1]], (4000, cases))
    shown = [np.corrcoef(one.T)[0, 1] for one in drawn]
    least = float(np.quantile(shown, 0.98))
    told = float(rarity(least, cases).rpartition("of ")[2].rstrip(")"))
    assert told == pytest.approx(0.02, abs=0.008)
    assert rarity(1.0, cases).endswith(f"{cases} cases show this with a probability below 0.001)")
    assert rarity(0.9, cases) == rarity(1.0, 3) == ""


def test_a_p_below_a_threshold_is_never_checked_against_the_threshold_itself():
    values = [row("a", "0.851", "0.08", 5), row("b", "0.850", "0.09", 5)]
    said = ordered("a", "b") | {"p_below": Printed("0.05")}
    test = pair(model("a", 5), model("b", 5), "0.05", p_below=True)
    one = paper(values=values, paired=[test], orderings=[said], test_sets=SETS, sizes=SIZES)
    found = [f for f in (*paired_t(one), *orderings(one)) if f.verdict == DEPENDS]
    assert [f.check for f in found] == ["paired t test", "p and spread"]
    for f in found:
        assert f.low > 0.05 and "below 0.001" in f.interpretation


@pytest.mark.parametrize(("correlation", "verdict"), [(-0.3, FOLLOWS), (-0.6, DEPENDS)])
def test_scores_of_few_cases_may_correlate_negatively_by_chance(correlation, verdict):
    sd = np.sqrt(2 * 0.1**2 * (1 - correlation))
    p = 2 * stats.t.sf(0.05 * np.sqrt(24) / sd, 23)
    values = [row("a", "0.8500", "0.1000"), row("b", "0.8000", "0.1000")]
    (found,) = paired_t(paper(values=values, paired=[pair(model("a"), model("b"), f"{p:.6f}")], test_sets=SETS))
    assert found.verdict == verdict


# ---- one finding of one check


def test_another_finding_of_a_paper_that_cuts_off_does_not_change_what_follows_as_rounded():
    """A wrong p, right ones of the same models, and a share that only follows if it was cut off."""
    values = [*scores(5), *scores(10), *scores(20)]
    pairs = [pair(model("tuned", n), model("scratch", n), p) for n, p in ((5, "0.900"), (10, "0.002"), (20, "0.003"))]
    parts = {"values": values, "paired": pairs, "test_sets": SETS, "sizes": SIZES}
    share = {"about": "share", "key": "better", "value": 70, "unit": "%", "where": "A"}
    said = {"about": "patients", "left": "better * 24 / 100", "relation": "whole", "where": "A"}
    alone = audit(paper(**parts))
    both = audit(paper(**parts, facts=[share], statements=[said]))
    (statement,) = [f for f in both if f.about == "patients"]
    assert (statement.verdict, statement.interpretation) == (DEPENDS, WAY)
    assert [f for f in both if f.about != "patients"] == alone
    assert [f.verdict for f in alone if f.check == "paired t test"] == [NOT, FOLLOWS, FOLLOWS]


def test_paired_tests_are_told_apart_by_size_metric_and_structure():
    values = [*scores(5), *scores(10), *scores(5, "nsd"), row("tuned", "0.8", "0.1", 5, structure="s"),
              row("scratch", "0.7", "0.1", 5, structure="s")]  # fmt: skip
    a, b = model("tuned", 5), model("scratch", 5)
    pairs = [
        pair(a, b, "0.01"), pair(a, b, "0.01", metric="nsd"), pair(a, b, "0.01", structure="s"),
        pair(model("tuned", 10), model("scratch", 10), "0.01"), pair(a, model("scratch", 10), "0.01"),
    ]  # fmt: skip
    found = paired_t(paper(values=values, paired=pairs, test_sets=SETS, sizes=SIZES))
    assert [f.about for f in found] == [
        "p of tuned against scratch at n = 5, t, dsc",
        "p of tuned against scratch at n = 5, t, nsd",
        "p of tuned against scratch at n = 5, s, t, dsc",
        "p of tuned against scratch at n = 10, t, dsc",
        "p of tuned at n = 5 against scratch at n = 10, t, dsc",
    ]


def test_findings_that_share_a_number_are_one_group_that_names_it(tmp_path):
    values = [row("a", "0.80", "0.70"), row("b", "0.70", "0.10")]
    pairs = [pair(model("a"), model("b"), "0.001")]
    found = audit(paper(values=values, paired=pairs, test_sets=SETS))
    wrong = [f for f in found if f.verdict == NOT]
    assert [f.check for f in wrong] == ["interval and spread", "paired t test"]
    assert {f.group for f in wrong} == {"mean 0.80 of a, t, dsc; SD 0.70 of a, t, dsc"}


def test_a_slip_in_one_number_is_one_finding_for_people(tmp_path):
    """The pooled mean, and the difference of two models, both contradict the altered mean of a part."""
    parts = {s: {"cases": 20, "where": "M"} for s in ("one", "two")}
    sets = parts | {"all": {"cases": 40, "pools": ["one", "two"], "where": "M"}}
    values = [{"model": model(f), "test_set": s, "metric": "dsc", "mean": m, "where": "T"}
              for f, of in (("a", (0.897, 0.863, 0.871)), ("b", (0.851, 0.843, 0.847)))
              for s, m in zip(("one", "two", "all"), of)]  # fmt: skip
    said = {"a": model("a"), "b": model("b"), "test_set": "one", "metric": "dsc", "difference": 0.028, "where": "R"}
    path = plain_file(tmp_path, sizes=[], test_sets=sets, values=values, differences=[said])
    text = " ".join(CliRunner().invoke(app, ["audit", str(path)]).stdout.split())
    assert "3 checks share mean 0.897 of a, one, dsc. One wrong number may be behind all of them" in text


def test_a_slip_in_a_t_accuses_all_that_stands_beside_it_as_one_group():
    said = {"a": model("a"), "b": model("b"), "test_set": "t", "metric": "dsc", "where": "R", "test": "t"}
    said |= {"difference": Printed("0.016"), "ci": (Printed("0.004"), Printed("0.028")), "t": Printed("3.77"),
             "df": 27, "p": Printed("0.010")}  # fmt: skip
    found = audit(paper(differences=[said], test_sets={"t": {"cases": 28, "where": "M"}}, without_scores=["a", "b"]))
    wrong = [f for f in found if f.verdict == NOT]
    assert len(wrong) == 2 and {f.group for f in wrong} != {""}
    assert "t of the difference, a against b" in wrong[0].group


def test_findings_are_one_group_only_where_both_use_the_number():
    """No other mean makes a standard error that of an SD, nor an SD another difference of means."""
    said = {"a": model("a"), "b": model("b"), "test_set": "t", "metric": "dsc", "where": "R"}

    def groups(said: dict, **of_a: Any) -> list[str]:
        values = [row("a", "0.84", "0.10", **of_a), row("b", "0.70", "0.10")]
        found = audit(paper(values=values, differences=[said | {"difference": Printed("0.40")}], test_sets=SETS))
        return [f.group for f in found if f.verdict == NOT]

    errors = {"sd": Printed("0.10"), "se": Printed("0.050")}
    assert groups(said | errors, se=Printed("0.05")) == ["", "", ""]
    assert groups(said | {"sd": Printed("0.70")}) == ["", ""]


def test_sds_that_may_be_of_folds_are_no_cause_to_call_a_p_wrong():
    """The scores of cases vary more than the means of folds, so that p is larger than these allow."""
    pairs = [pair(model("a"), model("b"), "0.300")]

    def verdict(**more) -> tuple:
        values = [row("a", "0.80", "0.01", **more), row("b", "0.78", "0.01", **more)]
        found = only(audit(paper(values=values, paired=pairs, test_sets=SETS)), "p of a against b")
        return found.verdict, "folds" in found.interpretation

    assert (verdict(sd_of=None), verdict()) == ((DEPENDS, True), (NOT, False))


def test_p_of_one_pair_may_be_of_two_tests_where_only_one_is_named():
    def verdict(test: str | None) -> str:
        pairs = [
            pair(model("a"), model("b"), p, test=t, where=t or "text")
            for p, t in (("0.030", "wilcoxon"), ("0.020", test))
        ]
        return only(same_numbers(paper(paired=pairs, without_scores=["a", "b"], test_sets=SETS)), "p of").verdict

    assert (verdict(None), verdict("wilcoxon")) == (DEPENDS, NOT)


# ---- in another unit, or more precise, elsewhere


def both_units(table: str, abstract: str, **more: Any) -> list:
    values = [value(f, Printed(m)) for f, m in (("a", table), ("b", table), ("c", table))]
    return audit(paper(values=[*values, value("a", Printed(abstract), where="Abstract", **more)], test_sets=SETS))


@pytest.mark.parametrize(("table", "abstract"), [("84.4", "0.84"), ("0.844", "84.4"), ("84.4", "0.8")])
def test_a_score_in_per_cent_in_the_table_and_as_a_fraction_in_the_abstract(table, abstract):
    found = both_units(table, abstract)
    assert {row.verdict for row in found} == {FOLLOWS, DEPENDS}
    assert [row.about for row in found if row.verdict == DEPENDS] == ["Unit of the mean of a, t, dsc"]


def in_two_units(scores: tuple, sds: tuple, difference: str, sd: str) -> dict[str, AuditRow]:
    """Findings of a difference, its SD, a gain and a sentence in the unit of test set t, not of most scores."""
    more = [value(f, Printed(m), "v") for f, m in zip("abc", scores[0])]
    values = [row(f, m, s) for f, m, s in zip("ab", scores[1], sds)]
    both = {"metric": "dsc", "test_set": "t", "where": "R"}
    said = both | {"a": model("a"), "b": model("b"), "difference": Printed(difference), "sd": Printed(sd)}
    gain = both | {"families": ["a"], "over": "b", "gain": Printed(difference)}
    sentence = {"about": "A gains", "left": difference, "relation": "equals", "where": "R",
                "right": {"x": 'score("dsc", "a", 0, "t") - score("dsc", "b", 0, "t")'}}  # fmt: skip
    sets = SETS | {"v": {"where": "M"}}
    of = paper(values=[*more, *values], differences=[said], gains=[gain], statements=[sentence], test_sets=sets)
    names = ("Difference", "SD of the differences", "Gain", "A gains")
    return {name: only(audit(of), name) for name in names}


@pytest.mark.parametrize(
    ("scores", "sds", "right", "wrong"),
    [
        ((("84.4", "81.2", "70.2"), ("0.844", "0.812")), ("0.051", "0.061"), ("0.032", "0.030"), ("0.052", "0.300")),
        ((("0.844", "0.812", "0.702"), ("83.9", "81.2")), ("5.1", "6.1"), ("2.7", "3.0"), ("4.7", "30.0")),
    ],
)
def test_what_follows_from_scores_is_in_either_of_a_papers_units(scores, sds, right, wrong):
    assert NOT not in {found.verdict for found in in_two_units(scores, sds, *right).values()}
    found = in_two_units(scores, sds, *wrong)
    assert {name for name, row in found.items() if row.verdict == NOT} >= {"Difference", "SD of the differences"}
    assert found["A gains"].verdict == NOT


def test_a_converted_number_stands_as_it_is_printed():
    found = both_units("84.4", "0.8")
    assert {row.printed for row in found if row.about == "Mean of a, t, dsc"} == {"0.8"}


def test_a_claim_of_superiority_is_in_one_unit():
    """76.4% in a table of fractions isn't better than 0.80."""
    values = [row("a", "76.4", "8.2"), row("b", "0.800", "0.080"), row("c", "0.780", "0.080")]
    said = ordered("b", "a", n=0)
    (claim,) = false_claims(paper(values=values, orderings=[said], test_sets=SETS)).itertuples()
    assert claim.probability < 0.5


def test_a_fraction_that_the_table_contradicts_is_found():
    assert NOT in {row.verdict for row in both_units("84.4", "0.86")}


def test_a_mean_is_taken_where_it_is_most_precise():
    """The abstract's 0.84 tells less of a gain of 3.9% than the table's 0.842."""
    said = {"metric": "dsc", "test_set": "t", "families": ["a"], "over": "b", "gain": Printed("3.9"), "unit": "%"}
    values = [value("a", Printed("0.84"), where="Abstract"), value("a", Printed("0.842")), value("b", Printed("0.813"))]
    assert gains(paper(values=values, gains=[said | {"where": "Abstract"}]))[0].verdict == NOT


@pytest.mark.parametrize("number", ["76.4", "7.64", "1.764", "-0.3", "0", "1e6"])
def test_no_misprint_of_a_score_stops_the_audit(number):
    """A Dice above 2 has no IoU: D / (2 - D)."""
    values = [row("a", number, "0.082"), row("b", "0.80", "0.08"), row("a", "0.640", "0.09", metric="iou"),
              row("b", "0.68", "0.09", metric="iou")]  # fmt: skip
    found = audit(paper(values=values, test_sets=SETS, paired=[pair(model("a"), model("b"), "0.03")]))
    assert found and ("76.4" in number or number == "0" or NOT in {row.verdict for row in found})


# ---- corrected p values, and several of one pair


def test_a_p_that_is_corrected_may_be_larger_than_that_of_the_test():
    values = [row("a", "87.2", "6.0"), row("b", "86.9", "3.5")]
    a, b = model("a"), model("b")
    parts = {"values": values, "test_sets": SETS, "orderings": [ordered("a", "b", n=0)]}
    printed_so = paper(**parts, paired=[pair(a, b, "1.000")])
    (found,) = paired_t(printed_so)
    assert found.verdict == NOT and "write `corrected: true`" in found.note
    corrected = paper(**parts, paired=[pair(a, b, "1.000", corrected=True)])
    (found,) = paired_t(corrected)
    assert found.verdict == FOLLOWS
    (claim,) = false_claims(corrected).itertuples()
    assert claim.correlation_of == "assumed"  # a corrected p doesn't tell the correlation


def test_a_corrected_p_is_still_too_small_where_no_correlation_gives_it():
    values = [row("a", "0.800", "0.100"), row("b", "0.799", "0.020")]
    (found,) = paired_t(
        paper(values=values, test_sets=SETS, paired=[pair(model("a"), model("b"), "0.001", corrected=True)])
    )
    assert found.verdict == NOT and "corrected" not in found.note


@pytest.mark.parametrize(("p", "verdict"), [("0.020", FOLLOWS), ("0.40", DEPENDS), ("0.004", NOT)])
def test_a_corrected_p_is_at_least_that_of_the_test_and_as_many_times_as_there_are_tests(p, verdict):
    pairs = [pair(model("a"), model("b"), "0.010", test="wilcoxon")]
    pairs += [pair(model("a"), model("b"), p, test="wilcoxon", corrected=True),
              pair(model("a"), model("c"), "0.5", test="wilcoxon", corrected=True)]  # fmt: skip
    found = only(paired_tests(paper(paired=pairs, test_sets=SETS, without_scores=["a", "b", "c"])), "Corrected p")
    assert found.verdict == verdict and ("for 38 tests or more" in found.interpretation) == (p == "0.40")


def test_a_corrected_p_of_ranks_need_not_be_one_that_the_cases_give():
    said = pair(model("a"), model("b"), "0.019", test="wilcoxon", corrected=True)
    sets = {"t": {"cases": 9, "where": "M"}}
    (found,) = paired_tests(
        paper(values=[row("a", "0.8", "0.1"), row("b", "0.7", "0.1")], test_sets=sets, paired=[said])
    )
    assert found.verdict == UNCHECKED and "corrected for several comparisons" in found.note


@pytest.mark.parametrize(
    ("more", "verdicts"),
    [
        ({}, [NOT]),
        ({"test": None}, [DEPENDS]),  # it may be of the named test, or of another
        ({"test": "wilcoxon"}, []),
        ({"corrected": True}, []),
        ({"p": Printed("0.05"), "p_below": True}, [FOLLOWS]),
        ({"p": Printed("0.001"), "p_below": True}, [NOT]),
        ({"a": model("b"), "b": model("a"), "p": Printed("0.0030")}, [FOLLOWS]),
    ],
)
def test_two_p_values_of_a_pair_are_the_same_where_their_test_and_correction_are(more, verdicts):
    pairs = [pair(model("a"), model("b"), "0.003"), pair(model("a"), model("b"), "0.040") | more]
    found = same_numbers(paper(values=[row("a", "0.8", "0.1"), row("b", "0.7", "0.1")], paired=pairs, test_sets=SETS))
    assert [f.verdict for f in found] == verdicts


def test_a_test_is_named_in_letters_of_any_case_and_a_p_below_a_number_has_a_key(tmp_path):
    a, b = model("tuned", 5), model("scratch", 5)
    test = {"a": a, "b": b, "test_set": "t", "metric": "dsc", "p": 0.5, "where": "R", "test": "Wilcoxon"}
    assert load_published(str(plain_file(tmp_path, paired=[test]))).paired[0].test == "wilcoxon"
    with pytest.raises(ConfigError, match=r"paired\.entry 1\.p: a number is needed, not '<0.001'; .*p_below: true"):
        load_published(str(plain_file(tmp_path, paired=[test | {"p": "<0.001"}])))


# ---- units and scales


def test_a_fraction_among_per_cent_is_told():
    values = [row("a", "87.2", "6.0"), row("b", "86.9", "0.035"), row("c", "0.872", "0.060"), row("d", "85.1", "0.4")]
    found = [f for f in in_one_unit(paper(values=values, test_sets=SETS))[1]]
    assert [(f.about, f.verdict, f.interpretation, f.note) for f in found] == [
        ("Unit of the SD of b, t, dsc", DEPENDS, "0.035%", "If it is a fraction, it stands for 3.5%"),
        ("Unit of the mean of c, t, dsc", DEPENDS, "a fraction", "It then stands for 87.2%"),
    ]


def test_quartiles_are_on_the_metrics_scale():
    iqr = (Printed("-1.2"), Printed("9.1"))
    one = value("a", Printed("4.6"), metric="hd95_mm", statistic="median", iqr=iqr)
    assert only(spread(paper(values=[one], test_sets=SETS)), "Quartile of a").verdict == NOT


def test_volumetric_similarity_may_be_signed():
    """SimpleITK's is from -2 to 2."""
    verdicts = {}
    for mean in ("-0.07", "-2.40"):
        found = paper(values=[row("a", mean, "0.09", metric="Volumetric similarity")], test_sets=SETS)
        verdicts[mean] = {row.verdict for row in spread(found)}
    assert verdicts["-0.07"] == {FOLLOWS} and NOT in verdicts["-2.40"]


@pytest.mark.parametrize(("sd", "verdict"), [("0.3", NOT), ("2.1", UNCHECKED), ("6.0", UNCHECKED), ("6.2", NOT)])
def test_an_sd_of_averages_is_between_half_the_difference_and_the_mean_of_two_sds(sd, verdict):
    rows_ = [row("a", "80.0", s, structure=name) for s, name in (("8.2", "one"), ("3.9", "two"))]
    whole = row("a", "80.0", sd, structure="all", sd_of="averages")
    assert only(averages(paper(values=[*rows_, whole], test_sets=SETS)), "SD of a, all").verdict == verdict


# ---- SD, standard error and interval of one mean


def test_an_sd_over_n_beside_a_standard_error_is_an_interpretation():
    x = np.random.default_rng(0).beta(8, 2, 9)
    se = Printed(f"{x.std(ddof=1) / 3:.4f}")
    sets = {"t": {"cases": 9, "where": "M"}}
    found = spread(paper(values=[row("a", "0.8", f"{x.std():.4f}", se=se)], test_sets=sets))
    error = only(found, "Standard error of a")
    assert (error.verdict, error.interpretation) == (DEPENDS, "an SD over n")


@pytest.mark.parametrize("n", [5, 9, 30])
def test_bootstrap_intervals_of_few_cases_are_no_alarm(n):
    rng = np.random.default_rng(n)
    for _ in range(20):
        x = rng.beta(8, 2, n)
        low, high = np.percentile(rng.choice(x, (4000, n)).mean(1), [2.5, 97.5])
        one = row("a", f"{x.mean():.3f}", f"{x.std(ddof=1):.3f}", ci=[Printed(f"{low:.3f}"), Printed(f"{high:.3f}")])
        found = spread(paper(values=[one], test_sets={"t": {"cases": n, "where": "M"}}))
        assert only(found, "Width of the interval").verdict != NOT


def test_sd_standard_error_and_interval_of_a_mean_go_together():
    se = 0.13 / np.sqrt(24)
    t, normal = stats.t.ppf(0.975, 23) * se, stats.norm.ppf(0.975) * se
    about = {
        FOLLOWS: (t, normal), DEPENDS: (0.93 * normal, 1.07 * t), NOT: (0.01, 0.1),
    }  # fmt: skip
    for verdict, widths in about.items():
        for half in widths:
            ci = [Printed(f"{0.69 - half:.4f}"), Printed(f"{0.69 + half:.4f}")]
            printed = paper(values=[row("a", "0.6900", "0.1300", ci=ci)], test_sets=SETS)
            assert only(spread(printed), "Width of the interval").verdict == verdict
            one = value("a", Printed("0.6900"), se=Printed(f"{se:.5f}"), ci=ci)
            assert only(spread(paper(values=[one], test_sets=SETS)), "Width of the interval").verdict == verdict


def test_true_intervals_and_standard_errors_follow_however_they_are_rounded():
    rng = np.random.default_rng(0)
    for _ in range(100):
        n, decimals = int(rng.integers(5, 60)), int(rng.integers(1, 5))
        x = rng.beta(8, 2, n)
        mean, se = x.mean(), x.std(ddof=1) / np.sqrt(n)
        half = se * (stats.norm.ppf(0.975) if rng.random() < 0.5 else stats.t.ppf(0.975, n - 1))
        m, sd, error, low, high = (
            Printed(f"{v:.{decimals}f}") for v in (mean, x.std(ddof=1), se, mean - half, mean + half)
        )
        one = value("a", m, sd=sd, se=error, ci=[low, high])
        found = spread(paper(values=[one], test_sets={"t": {"cases": n, "where": "T"}}))
        assert all(f.verdict == FOLLOWS for f in found if f.about.startswith(("Width", "Standard")))


@pytest.mark.parametrize(("se", "verdict"), [("0.027", FOLLOWS), ("0.005", NOT), ("0.13", NOT)])
def test_a_standard_error_is_the_sd_over_the_root_of_the_cases(se, verdict):
    printed = paper(values=[row("a", "0.69", "0.13", se=Printed(se))], test_sets=SETS)
    assert only(spread(printed), "Standard error of a").verdict == verdict


def test_an_sd_of_runs_does_not_tell_a_standard_error():
    printed = paper(values=[row("a", "0.69", "0.13", se=Printed("0.005"), sd_of="runs")], test_sets=SETS)
    assert only(spread(printed), "SD, standard error and interval").verdict == UNCHECKED


# ---- claims of superiority


@pytest.mark.parametrize("p", ["0.20", "0.30", "0.40"])
def test_the_p_of_a_paired_t_test_tells_the_probability_of_a_false_claim(p):
    values = [row("a", "0.8200", "0.1000"), row("b", "0.8000", "0.1100")]
    parts = {"values": values, "orderings": [ordered("a", "b", n=0)], "test_sets": SETS}
    (claim,) = false_claims(paper(**parts, paired=[pair(model("b"), model("a"), p)])).itertuples()
    assert claim.probability == pytest.approx(float(p) / 2)
    assert claim.lowest == pytest.approx(float(p) / 2 - 0.0025) and claim.highest == pytest.approx(
        float(p) / 2 + 0.0025
    )
    assert claim.correlation_of == f"implied by p = {p}"
    sd = np.sqrt(0.1**2 + 0.11**2 - 2 * claim.correlation * 0.1 * 0.11)
    assert 2 * stats.t.sf(0.02 * np.sqrt(24) / sd, 23) == pytest.approx(float(p))
    assert claim.correlation_low < claim.correlation < claim.correlation_high
    (assumed,) = false_claims(paper(**parts)).itertuples()
    assert assumed.correlation_of == "assumed"


def test_a_difference_that_is_not_significant_is_no_claim():
    values = [row("tuned", "0.80", "0.10", 20), row("scratch", "0.81", "0.10", 40)]
    a, b = model("tuned", 20), model("scratch", 40)
    found = paper(values=values, paired=[pair(a, b, "0.62")], test_sets=SETS, sizes=SIZES)
    assert false_claims(found).empty and len(no_claims(found)) == 1
    (claim,) = false_claims(
        paper(values=values, paired=[pair(a, b, "0.04", test="other")], test_sets=SETS, sizes=SIZES)
    ).itertuples()
    assert (claim.better, claim.better_n_train, claim.worse, claim.worse_n_train) == ("scratch", 40, "tuned", 20)
    large = paper(values=values, paired=[pair(a, b, "0.04")], alpha=Printed("0.01"), sizes=SIZES, test_sets=SETS)
    assert false_claims(large).empty


def test_a_claim_without_a_spread_is_named():
    values = [value("a", Printed("0.80")), value("b", Printed("0.70"))]
    found = paper(values=values, orderings=[ordered("a", "b", n=0)], test_sets=SETS)
    assert false_claims(found).empty and untold_claims(found) == ["a better than b, t, dsc"]


# ---- words


def test_the_p_values_that_need_the_largest_correlations_are_named(tmp_path):
    values = [{"model": model(f, n), "test_set": "t", "metric": "dsc", "mean": m, "sd": 0.14, "where": "T"}
              for n in SIZES for f, m in (("tuned", 0.66), ("scratch", 0.71))]  # fmt: skip
    pairs = [{"a": model("tuned", n), "b": model("scratch", n), "test_set": "t", "metric": "dsc", "p": p, "where": "R",
              "test": "t"} for n, p in zip(SIZES, (0.03, 0.09, 0.01, 0.05))]  # fmt: skip
    text = CliRunner().invoke(app, ["audit", str(plain_file(tmp_path, values=values, paired=pairs))]).output
    text = " ".join(text.split())
    at = [text.index(f"p of tuned against scratch at n = {n}, t, dsc (R; T)") for n in (20, 5, 40)]
    assert at == sorted(at) and "n = 10, t, dsc (R; T)" not in text
    assert "1 more needs no larger correlation" in text


def test_many_numbers_of_a_table_under_one_reading_are_one_entry(tmp_path):
    printed = [(n, m, [round(m - 0.056, 3), round(m + 0.03, 3)]) for n, m in zip(SIZES, (0.805, 0.81, 0.82, 0.84))]
    values = [{"model": model("tuned", n), "test_set": "t", "metric": "dsc", "mean": m, "ci": ci, "where": "T"}
              for n, m, ci in printed]  # fmt: skip
    text = CliRunner().invoke(app, ["audit", str(plain_file(tmp_path, values=values, confidence=0.95))]).output
    text = " ".join(text.split())
    assert "4: Interval of tuned at n = 5, t, dsc about its mean; " in text
    assert text.count("an asymmetric interval") == 1


@pytest.mark.parametrize(
    ("off", "text"),
    [(12.1, "12 beyond rounding"), (0.000493, "0.00049 beyond rounding"), (161.0, "161"), (1.0, "1")],
)
def test_how_far_a_number_is_off_has_the_digits_that_tell_something(off, text):
    assert off_text(off) == text


def test_counts_of_checks_are_sentences_and_ranges_run_forwards(tmp_path):
    values = [{"model": model(f), "test_set": "t", "metric": "dsc", "mean": m, "sd": s, "where": "T"}
              for f, m, s in (("a", 0.7, 0.1), ("b", 0.71, 0.9))]  # fmt: skip
    path = plain_file(tmp_path, values=values, orderings=[ordered("a", "b", n=0)])
    text = " ".join(CliRunner().invoke(app, ["audit", str(path)]).output.split())
    assert "2 follow, 0 depend on interpretation, 1 doesn't follow, 0 can't be checked" in text
    limit = "at most what 24 scores from 0 to 1 can have, whose mean is rounded to this, which"
    assert f"the paper prints 0.9, compared with {limit}" in text
    (claim,) = false_claims(load_published(str(path))).itertuples()
    assert claim.probability > 0.5
    assert f", {claim.lowest:.2f} at 0.50 and {claim.highest:.2f} at 0.90" in text


def test_an_sd_that_only_an_impossible_mean_rules_out_says_so(tmp_path):
    values = [{"model": model(f), "test_set": "t", "metric": "dsc", "mean": m, "sd": 0.075, "where": "T"}
              for f, m in (("a", 1.08), ("b", 0.8), ("c", 0.9))]  # fmt: skip
    rows = audit(load_published(str(plain_file(tmp_path, values=values))))
    (sd,) = (row for row in rows if row.about.startswith("SD of a"))
    assert sd.verdict == NOT and sd.group.startswith("mean 1.08 of a, t, dsc")


def test_a_pooled_mean_without_all_parts_is_counted():
    sets = {"all": {"cases": 9, "where": "M", "pools": ["t", "u"]}} | {s: {"cases": 4, "where": "M"} for s in "tu"}
    values = [value("a", Printed("0.80"), test_set=s) for s in ("all", "t")]
    (found,) = pooled(paper(values=values, test_sets=sets))
    assert (found.verdict, found.note) == (UNCHECKED, "not all parts of the pooled test set are printed")
    assert pooled(paper(values=values[:1], test_sets=sets)) == []  # nothing that could be checked is printed


@pytest.mark.parametrize("junk", [3, "x", [1], [None], {"a": 1}])
def test_names_are_read_from_a_file_of_any_shape(junk):
    keys = ("values", "icc", "test_sets", "sizes", "other_metrics", "without_scores")
    assert names_in(dict.fromkeys(keys, junk)) is not None
    assert names_in({"values": [{"model": junk, "structure": junk, "test_set": junk, "metric": junk}]}) is not None


@pytest.mark.parametrize(
    "written, told",
    [
        ("[0.88, 0.80]", "values.entry 1.ci: write the lower end first: [0.8, 0.88]"),
        ("0.80 to 0.88", "values.entry 1.ci: write two numbers in brackets, such as [0.80, 0.88], not '0.80 to 0.88'"),
        ("[0,80, 0,88]", "values.entry 1.ci: write two numbers with decimal points, such as [0.80, 0.88]; there are 4"),
    ],
)
def test_an_interval_is_two_numbers_in_order(tmp_path, written, told):
    values = [{"model": model("tuned", 5), "test_set": "t", "metric": "dsc", "mean": 0.8, "ci": "HERE", "where": "T"}]
    path = plain_file(tmp_path, values=values)
    path.write_text(path.read_text().replace("HERE", written))
    assert told in " ".join(CliRunner().invoke(app, ["audit", str(path)]).output.split())


def test_a_decimal_comma_in_braces_is_told_with_its_line(tmp_path):
    path = tmp_path / "submission.yaml"
    path.write_text("study: x\nvalues:\n  - {metric: dsc, mean: 0,84, where: T}\n")
    told = " ".join(CliRunner().invoke(app, ["audit", str(path)]).output.split())
    assert "84 is a key without a value: write decimals with a point, not with a comma" in told and "line 3" in told


@pytest.mark.parametrize("other, named", [("Propsed", True), ("Proposed 2", False), ("Proposed+", False)])
def test_models_whose_names_are_almost_the_same_are_named(tmp_path, other, named):
    values = [
        {"model": model(f, 5), "test_set": "t", "metric": "dsc", "mean": 0.8, "sd": 0.1, "where": "T"}
        for f in ("Proposed", other)
    ]
    text = CliRunner().invoke(app, ["audit", str(plain_file(tmp_path, values=values))]).output
    assert ("count as two models" in text) == named
