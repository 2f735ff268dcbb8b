"""Scores that any tool made, compared."""

from __future__ import annotations

import json
import re
import shlex
import warnings
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from typer.testing import CliRunner

from crossover.analyses.figures import style
from crossover.cli.app import app
from crossover.report.compare import answers as answers_module
from crossover.report.compare import run as run_module
from crossover.report.compare.answers import answers
from crossover.report.compare.complete import read_all
from crossover.report.compare.figures import figures
from crossover.report.compare.formats import read_scores
from crossover.report.compare.roles import Said
from crossover.report.compare.run import comparison, comparisons
from crossover.report.compare.scope import explained
from crossover.statistics.estimates.chance import MODELS
from crossover.statistics.scores.metrics_table import ALL_SETS_NAME, TableError
from tests import drawn
from tests.tables import simulated_metrics

A = [0.70, 0.72, 0.75, 0.80, 0.66, 0.71]
B = [0.74, 0.75, 0.77, 0.83, 0.70, 0.70]


def by_hand(folder: Path, text: str | None = None) -> Path:
    path = folder / "scores.csv"
    rows = [f"base,p{i},{a}\ntuned,p{i},{b}" for i, (a, b) in enumerate(zip(A, B, strict=True))]
    path.write_text(text if text is not None else "\n".join(["model,case,dsc", *rows, ""]))
    return path


def nnunet(path: Path, scores: list[float], labels: tuple[str, ...] = ("1",)) -> Path:
    """As nnU-Net 2 writes it; the last case has the last label in neither mask."""
    cases = []
    for i, dice in enumerate(scores):
        metrics = {}
        for label in labels:
            value = float("nan") if (i, label) == (len(scores) - 1, labels[-1]) and len(labels) > 1 else dice
            metrics[label] = {"Dice": value, "IoU": value / (2 - value), "FN": 1, "FP": 1, "TN": 9, "TP": 2,
                              "n_pred": 3, "n_ref": 3}  # fmt: skip
        file = f"labelsTr/case_{i:03d}.nii.gz"
        cases.append({"metrics": metrics, "prediction_file": f"/p/{file}", "reference_file": f"/r/{file}"})
    path.write_text(json.dumps({"foreground_mean": {}, "mean": {}, "metric_per_case": cases}))
    return path


@pytest.fixture
def only_svg() -> Iterator[None]:
    """Of each figure the file that the page shows."""
    with drawn.only("svg"):
        yield


def run(*arguments: object):
    return CliRunner().invoke(app, ["compare", *map(str, arguments)])


def test_three_columns_are_enough(tmp_path, only_svg):
    out = tmp_path / "out"
    found = run(by_hand(tmp_path), "--out", out)
    assert found.exit_code == 0, found.output
    pairs = pd.read_csv(out / "pairs.csv").query("test_set == 'test'")
    (row,) = pairs.to_dict("records")
    d = np.subtract(B, A)
    low, high = stats.t.interval(0.95, 5, d.mean(), stats.sem(d))
    assert (row["a"], row["b"], row["cases"]) == ("tuned", "base", 6)
    assert [row["difference"], row["ci_low"], row["ci_high"]] == pytest.approx([d.mean(), low, high])
    assert row["p_wilcoxon_exact"] == pytest.approx(2 * 2 / 2**6)  # one case lower, by the smallest rank
    summary = pd.read_csv(out / "summary.csv").query("test_set == 'test'").set_index("model")
    assert summary.loc["base", "mean"] == pytest.approx(np.mean(A))
    for said in ("no column structure", "no column cohort", "no column n_train"):
        assert said in found.output and said in (out / "index.html").read_text()


def told_of(folder: Path, rows: list[str], *more: str, metric: str = "dsc") -> str:
    path = by_hand(folder, "\n".join([f"model,case,structure,{metric}", *rows, ""]))
    found = comparison([str(path)], [], [], [], *more)
    return "\n".join(answers(found))


def test_the_terminal_says_which_model_is_better_or_that_it_cannot_be_told(tmp_path):
    base = [f"base,p{i},liver,{a}" for i, a in enumerate(A)]
    higher = [f"tuned,p{i},liver,{a + 0.1 + i / 1000}" for i, a in enumerate(A)]
    alike = [f"tuned,p{i},liver,{a + 0.1 * (-1) ** i}" for i, a in enumerate(A)]
    assert "tuned minus base +0.1" in told_of(tmp_path, base + higher)
    assert "6 cases: tuned is better (these trained models only)" in told_of(tmp_path, base + higher)
    assert "which is better can't be told" in told_of(tmp_path, base + alike)
    assert "6 cases: base is better" in told_of(tmp_path, base + higher, metric="hd95_mm")


def test_the_terminal_counts_the_differences_by_every_other_metric(tmp_path):
    rows = ["model,case,structure,dsc,nsd"]
    rows += [f"{m},p{i},{s},{a},{a + (m == 'tuned') * (s == 'liver') * (0.1 + i / 1000)}"
             for m in ("base", "tuned") for s in ("liver", "spleen") for i, a in enumerate(A)]  # fmt: skip
    lines = answers(comparison([str(by_hand(tmp_path, "\n".join([*rows, ""])))]))
    assert [line for line in lines if line.startswith("nsd")] == [
        "nsd, of 3 differences: tuned is better in 2, 1 can't be told"  # the average of both structures too
    ]


def test_a_missing_prediction_is_told_once_and_not_as_a_name_that_found_no_match(tmp_path):
    rows = [f"{m},p{i},{a}" for m, scores in (("base", A), ("tuned", B[:5])) for i, a in enumerate(scores)]
    found = comparison([str(by_hand(tmp_path, "\n".join(["model,case,dsc", *rows, ""])))])
    assert [note for note in found.notes if "p5" in note] == [
        "missing predictions of tuned: 1 of structure (p5): counted as the worst value"
    ]


def test_of_several_tests_the_terminal_calls_none_better_that_holm_does_not(tmp_path):
    gains = {"liver": [0.04, 0.05, 0.02, 0.03, 0.04, -0.02], "spleen": [0.01, -0.01] * 3, "aorta": [0.01, -0.02] * 3}
    rows = [f"{m},p{i},{s},{a + d * (m == 'tuned')}" for m in ("base", "tuned")
            for s, own in gains.items() for i, (a, d) in enumerate(zip(A, own, strict=True))]  # fmt: skip
    (liver,) = [line for line in told_of(tmp_path, rows).splitlines() if "dsc, test, liver" in line]
    assert "can't be told after the correction for several tests" in liver


def test_the_terminal_says_what_a_missing_prediction_counts_as_and_how_to_leave_it_out(tmp_path):
    rows = [f"{m},p{i},liver,{a}" for m, scores in (("base", A), ("tuned", B[:5])) for i, a in enumerate(scores)]
    assert "--missing exclude" in told_of(tmp_path, rows)
    assert "--missing exclude" not in told_of(tmp_path, rows, "exclude")


def of_failures(folder: Path) -> Path:
    """tuned is better by 0.03, but has no prediction of p3; base does not find the spleen of p7."""
    rng = np.random.default_rng(1)
    base, gains = 0.7 + 0.05 * rng.standard_normal((2, 12)), 0.03 + 0.01 * rng.standard_normal((2, 12))
    base[1, 7], gains[1, 7] = 0, 0.6
    rows = [
        (model, f"p{i}", structure, score)
        for s, structure in enumerate(("liver", "spleen"))
        for i in range(12)
        for model, score in (("base", base[s, i]), ("tuned", base[s, i] + gains[s, i]))
        if (model, i) != ("tuned", 3)
    ]
    path = folder / "failures.csv"
    pd.DataFrame(rows, columns=["model", "case", "structure", "dsc"]).to_csv(path, index=False)
    return path


def test_an_answer_names_the_failed_cases_and_says_what_it_is_without_them(tmp_path):
    lines = answers(comparison([str(of_failures(tmp_path))]))
    liver, spleen = (next(line for line in lines if f", {structure}: " in line) for structure in ("liver", "spleen"))
    assert "11 cases: tuned is better" in liver.partition("Without the failed case: +0.0")[2]
    assert "which is better can't be told" in liver.partition("Without")[0]
    assert "10 cases: tuned is better" in spleen.partition("Without the failed cases: ")[2]
    (named,) = [line for line in lines if line.startswith("test, spleen: without the failed cases, ")]
    assert "base in p7 (score 0); tuned in p3 (no prediction): no other verdict changes" in named
    (plan,) = [line for line in lines if "would tell" in line]
    assert "matters to you; it counts the failed cases, and a note has the plan without): " in plan


def test_differences_without_the_same_failed_cases_are_compared_once_on_their_own_test_set(tmp_path, monkeypatch):
    rows = [
        f"{model},{site},{site}{i},{0 if (model, i) == ('base', 3) else score + 0.01 * i + 0.02 * (site == 'B')}"
        for site in "AB"
        for model, score in (("base", 0.6), ("tuned", 0.65), ("other", 0.7))
        for i in range(8)
    ]
    found, made = comparison([str(by_hand(tmp_path, "\n".join(["model,cohort,case,dsc", *rows, ""])))]), []

    def counted(table, *given):
        made.append(sorted(table["cohort"].unique()))
        return comparisons(table, *given)

    monkeypatch.setattr("crossover.report.compare.answers.comparisons", counted)
    said = answers(found)
    same = [line for line in said if line.endswith("without the failed case, base in A3 (score 0): no verdict changes")]
    assert [line.partition(":")[0] for line in same] == ["A, structure"]
    (other,) = [line for line in said if "Without the failed cases: " in line]
    assert "16 cases: other is better" in other and "14 cases: no interval" in other
    assert made == [["A"], ["B"], ["A", "B"]]


def test_answers_can_be_of_one_test_set_and_begin_with_the_largest_n(tmp_path):
    rows = [
        f"{model},{site},{site}{i},{n},{score + 0.01 * i + 0.02 * (i % 3) * (model == 'b')}"
        for site in "AB" for n in (4, 8) for model, score in (("a", 0.6), ("b", 0.65)) for i in range(8)
    ]  # fmt: skip
    found = comparison([str(by_hand(tmp_path, "\n".join(["model,cohort,case,n_train,dsc", *rows, ""])))])
    shown = [line.partition(": ")[0] for line in answers(found, "B") if "b minus a" in line]
    assert shown == ["dsc, B, structure, n = 8", "dsc, B, structure, n = 4"]
    for name in ("all", ALL_SETS_NAME):
        shown = [line.partition(": ")[0] for line in answers(found, name) if "b minus a" in line]
        assert shown == [f"dsc, {ALL_SETS_NAME}, structure, n = {n}" for n in (8, 4)]
    with pytest.raises(TableError, match="--test-set: there is no test set C; the test sets are A, B and all"):
        answers(found, "C")


def test_without_failed_cases_all_tests_are_one_family_as_where_missing_predictions_are_left_out(tmp_path):
    """Holm's p took the other structures' tests with their failures: 3 times the p, where it is 2 times."""
    rng = np.random.default_rng(3)
    base, noise = 0.6 + 0.02 * rng.standard_normal((3, 14)), rng.standard_normal((3, 14))
    gains = np.array([0.05, 0.02, 0.03])[:, None] + np.array([0.01, 0.028, 0.04])[:, None] * noise
    rows = [f"{model},p{i},s{s},{score}" for s in range(3) for i in range(14)
            for model, score in (("base", base[s, i]), ("tuned", base[s, i] + gains[s, i]))
            if (model, i) != ("tuned", 3)]  # fmt: skip
    excluded = told_of(tmp_path, rows, "exclude").splitlines()
    found = comparison([str(by_hand(tmp_path, "\n".join(["model,case,structure,dsc", *rows, ""])))])
    again = answers_module._WithoutFailed(found, "dsc")
    for s in range(3):
        left_out = next(line for line in excluded if f", s{s}: " in line)
        row, *_ = found.pairs["dsc"].query(f"structure == 's{s}'").itertuples()
        without = answers_module._found(again.compared(row), "dsc")
        assert re.search(r"Holm (< )?0\.\d+", without)[0] == re.search(r"Holm (< )?0\.\d+", left_out)[0]


def test_one_sentence_says_why_the_signed_rank_test_has_another_verdict(tmp_path):
    lines = answers(comparison([str(of_failures(tmp_path))]))
    said = [line for line in lines if "By the signed-rank test they differ (11 cases higher, 1 lower" in line]
    assert said and all("a few large differences can dominate the mean" in line for line in said)
    assert "signed-rank" not in told_of(
        tmp_path, [f"{m},p{i},liver,0.{6 + i}{m == 'b':d}" for m in "ab" for i in range(3)]
    )


@pytest.mark.parametrize("p_mean, p_ranks, why", [
    (0.044, 0.06, "both p are near 0.05, on either side of it"),
    (0.001, 0.2, "a few large differences can dominate the mean"),
])  # fmt: skip
def test_two_tests_that_part_at_their_level_alone_are_given_no_other_reason(p_mean, p_ranks, why):
    # fmt: off
    row = SimpleNamespace(tests=2, p=p_mean, p_holm=p_mean, p_holm_asymptotic=p_ranks, ci_low=0.01, ci_high=0.03,
                          difference=0.02, family_a="a", family_b="b", about=MODELS, higher=19, lower=10)
    # fmt: on
    (said,) = answers_module._ranks_say(row, "dsc")
    assert said.startswith("By the signed-rank test which is better can't be told") and said.endswith(why)


def test_a_plan_says_on_how_many_failed_cases_its_sd_rests(tmp_path):
    planned = CliRunner().invoke(app, ["design", str(of_failures(tmp_path)), "--difference", "0.03"])
    told = " ".join(planned.output.split())
    (said,) = re.findall(r"liver: the SD of the difference between cases, (\S+), rests on 1 failed case, tuned in p3 "
                         r"\(no prediction\); without the failed case, the SD is (\S+), and the plan is (\d+) "
                         r"test cases", told)  # fmt: skip
    assert float(said[0]) > 10 * float(said[1]) and int(said[2]) < 10
    assert "use the plan with the failed cases if as many cases will fail" in told
    mean = told.partition("mean over the structures: the SD of")[2].partition("without")[0]
    assert "base in p7 (score 0 in spleen); tuned in p3 (no prediction in liver, spleen)" in mean


def test_scores_of_a_model_with_no_training_case_are_no_part_of_its_curve(tmp_path):
    """They were averaged into its scores at all sizes, and a crossover was found where there is none."""
    rng = np.random.default_rng(0)
    means = {("tuned", 0): 0.3, ("tuned", 5): 0.65, ("tuned", 20): 0.74, ("tuned", 80): 0.78,
             ("scratch", 5): 0.35, ("scratch", 20): 0.66, ("scratch", 80): 0.75}  # fmt: skip
    rows = [f"{m},{n},{r},c{c},{score}" for (m, n), mean in means.items() for r in range(3)
            for c, score in enumerate(rng.normal(mean + rng.normal(0, 0.01), 0.05, 20).clip(0, 1))]  # fmt: skip
    whole = comparison([str(by_hand(tmp_path, "\n".join(["model,n_train,replicate,case,dsc", *rows, ""])))])
    sized = [row for row in rows if ",0," not in row.removeprefix("scratch").removeprefix("tuned")[:3]]
    alone = comparison([str(by_hand(tmp_path, "\n".join(["model,n_train,replicate,case,dsc", *sized, ""])))])
    pair = whole.crossover[~whole.crossover["off_the_shelf"]]
    text = "statement"  # it has the number of tests, which are more with the third model
    pd.testing.assert_frame_equal(pair.reset_index(drop=True).drop(columns=text), alone.crossover.drop(columns=text))
    assert "tuned (n = 0)" in set(whole.pairs["dsc"]["family_b"]) | set(whole.pairs["dsc"]["family_a"])
    assert any("tuned (n = 0) is a model of its own" in note for note in whole.notes)


def test_rows_of_folds_beside_those_of_the_whole_model_are_left_out_and_said_to_be(tmp_path):
    rows = [f"{m},{fold},p{i},{a}" for m, own in (("base", A), ("tuned", B)) for fold in ("", 0, 1)
            for i, a in enumerate(own)]  # fmt: skip
    found = comparison([str(by_hand(tmp_path, "\n".join(["model,fold,case,dsc", *rows, ""])))])
    (note,) = [note for note in found.notes if "with a fold" in note]
    assert note.startswith("24 rows of base, tuned with a fold left out")
    assert set(found.summary["replicates"]) == {1}


def of_two_structures(folder: Path, *metrics: str) -> Path:
    """Base, tuned and other on the liver and spleen; "other" lacks the second metric."""
    scores = {"base": A, "tuned": B, "other": [b - 0.01 * (i % 2) for i, b in enumerate(B)]}
    rows = [f"{m},p{i},{s},{a},{'' if m == 'base' else 10 * a + i}" for m, own in scores.items()
            for s in ("liver", "spleen") for i, a in enumerate(own)]  # fmt: skip
    return by_hand(folder, "\n".join(["model,case,structure,dsc,hd95_mm", *rows, ""]))


def test_page_terminal_and_figure_have_one_name_for_the_mean_and_no_empty_table_is_named(tmp_path, only_svg):
    out = tmp_path / "out"
    out.mkdir()
    (out / "crossover.csv").write_text("of a comparison before this one")
    told = run(of_two_structures(tmp_path), "--metric", "dsc", "--out", out).output
    page = Linked()
    page.feed((out / "index.html").read_text())
    drawn_text = (out / "figures/scores-dsc-test.svg").read_text()
    for text in (told, page.text, drawn_text):
        assert re.search(r"mean over the\s*structures|Mean over the", text)
        assert not re.search(r"\b(test, all|average over)\b", text)
    assert "6 tests on test: the pairs of 3 models on 2 structures" in page.text
    assert "crossover.csv" not in told and not (out / "crossover.csv").exists()


def test_a_difference_that_cannot_be_told_names_the_command_that_plans_for_it(tmp_path):
    path = of_two_structures(tmp_path)
    lines = answers(comparison([str(path)], ["dsc"], ["cohort="], missing="exclude"))
    (line,) = [line for line in lines if "would tell" in line]
    words = shlex.split(line.split(": ", 1)[1])
    planned = CliRunner().invoke(app, words[1:])
    assert planned.exit_code == 0 and "settle a difference of 0.03 between" in planned.output
    assert {"--column=cohort=", "--missing=exclude", "--metric"} <= set(words)
    rows = path.read_text().splitlines()
    two = [f"{rows[0]},cohort", *(f"{row},{site}" for row in rows[1:] for site in ("here", "there"))]
    assert any("--test-set here" in line for line in answers(comparison([str(by_hand(tmp_path, "\n".join(two)))])))
    decided = [f"{m},p{i},{a + (m == 'tuned') * (0.1 + i / 500)}" for m in ("base", "tuned") for i, a in enumerate(A)]
    sure = answers(comparison([str(by_hand(tmp_path, "\n".join(["model,case,dsc", *decided, ""])))]))
    assert not any("would tell" in line for line in sure)


def test_the_call_that_plans_can_be_pasted_and_has_files_and_structures_as_given(tmp_path, monkeypatch):
    for model, scores in (("base", A), ("tuned", [*B[:4], 0.5, 0.6])):
        for fold in range(3):
            path = tmp_path / model / f"fold_{fold}" / "summary.json"
            path.parent.mkdir(parents=True)
            summary = json.loads(nnunet(path, scores).read_text())
            summary["metric_per_case"] = summary["metric_per_case"][2 * fold : 2 * fold + 2]
            path.write_text(json.dumps(summary))
    monkeypatch.chdir(tmp_path)
    folds = [f"{model}={model}/fold_[012]/summary.json" for model in ("base", "tuned")]
    found = comparison(folds, structures=["liver=label 1"])
    monkeypatch.setattr("sys.argv", [".venv/bin/crossover"])
    (line,) = [line for line in answers(found) if "would tell" in line]
    assert line.endswith(
        ": .venv/bin/crossover design 'base=base/fold_[012]/summary.json' 'tuned=tuned/fold_[012]/summary.json' "
        "'--structure=liver=label 1' --metric dsc --model tuned --model base --difference 0.03"
    )
    planned = CliRunner().invoke(app, shlex.split(line.split(": ", 1)[1])[1:])
    assert planned.exit_code == 0 and "liver: " in planned.output


def test_of_undecided_pairs_the_one_at_the_largest_size_with_the_smallest_p_is_planned_for(tmp_path):
    rng = np.random.default_rng(1)
    rows = [f"{m},{n},p{i},{(0.6 + 0.01 * i + gain + 0.03 * rng.standard_normal()):.4f}"
            for n in (5, 10) for m, gain in (("a", 0), ("b", 0.001), ("c", 0.012)) for i in range(8)]  # fmt: skip
    found = comparison([str(by_hand(tmp_path, "\n".join(["model,n_train,case,dsc", *rows, ""])))])
    here = found.pairs["dsc"].query("test_set == 'test' and n_train == 10")
    least = here.loc[here["p"].idxmin()]
    (line,) = [line for line in answers(found) if "would tell" in line]
    assert f"--model {least['family_a']} --model {least['family_b']} --size 10 " in line
    assert "(of 6 differences that can't be told the one at the largest n, 10, of structure with the smallest p" in line


def test_each_case_has_a_row_and_the_page_shows_who_gains_most(tmp_path, only_svg):
    out = tmp_path / "out"
    assert run(of_failures(tmp_path), "--out", out).exit_code == 0
    cases = pd.read_csv(out / "cases.csv")
    assert len(cases) == 24 and (cases["difference"] - (cases["score_a"] - cases["score_b"])).abs().max() < 1e-12
    most = cases.loc[cases["difference"].idxmax()]
    assert tuple(most[["family_a", "family_b", "case", "structure", "score_b"]]) == ("tuned", "base", "p7", "spleen", 0)
    page = (out / "index.html").read_text()
    listed = page.partition("who gains and who loses")[2].partition("</table>")[0]
    assert listed.count("<tr>") == 1 + 5 + 2 and listed.index("<td>p7</td>") < listed.index("<td>p3</td>")
    pairs = pd.read_csv(out / "pairs.csv")
    assert set(pairs["verdict"]) == {"which is better can't be told"}
    assert not (out / "ranking.csv").exists()  # of two models, it says no more than their difference
    picture = (out / "figures" / "scores-dsc-test.svg").read_text()
    assert picture.count("better →") == 2 and "12 cases" in picture


def test_a_model_has_one_colour_on_a_page_and_the_caption_says_whose_colour_a_difference_has(tmp_path):
    found = comparison([str(of_two_structures(tmp_path))])
    colours = {}
    for metric in ("dsc", "hd95_mm"):
        ((_, caption, figure),) = figures(found.table, found.pairs[metric], found.crossover, metric, 0.95)
        assert "in the colour of the model that is subtracted" in caption
        legend = figure.legends[0]
        colours[metric] = {t.get_text(): h.get_color() for t, h in zip(legend.get_texts(), legend.legend_handles)}
    assert set(colours["hd95_mm"]) == {"tuned", "other"}
    assert colours["hd95_mm"].items() <= colours["dsc"].items()


@pytest.mark.slow
def test_the_page_shows_all_and_needs_nothing_from_elsewhere(tmp_path):
    out = tmp_path / "out"
    table = simulated_metrics(sizes=(2, 8), folds=0, structures=("gland", "duct"))
    table = table[table["family"].isin(["pretrained", "scratch", "transfer-L1"])]
    table.to_csv(tmp_path / "m.csv", index=False)
    assert run(tmp_path / "m.csv", "--metric", "dsc", "--out", out).exit_code == 0
    page = Linked()
    page.feed((out / "index.html").read_text())
    assert page.links and all((out / link).is_file() for link in page.links)
    pictures = {Path(link).name for link in page.links if link.endswith(".svg")}
    assert pictures == {
        "curves-dsc-cervix.svg",
        "curves-dsc-uterus.svg",
        "scores-dsc-cervix.svg",
        "scores-dsc-uterus.svg",
        "sizes-dsc-gland.svg",
        "sizes-dsc-duct.svg",
    }
    assert {p.name for p in (out / "figures").glob("*.svg")} == pictures
    assert "+" in page.text and "transfer-L1 minus" in page.text


class Linked(HTMLParser):
    """What a page refers to, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list) -> None:
        assert tag not in ("script", "link")
        self.links |= {v for name, v in attrs if name in ("href", "src")}

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.slow
def test_nnunets_summary_is_read(tmp_path, only_svg):
    labels = ("1", "(1, 2)")
    a = nnunet(tmp_path / "a.json", A, labels)
    b = nnunet(tmp_path / "b.json", B, labels)
    table, _ = read_all([f"base={a}", f"tuned={b}"], Said())
    assert table["dsc"].count() == 2 * (2 * 6 - 1)
    found = comparison([f"base={a}", f"tuned={b}"])
    assert any("neither mask" in note for note in found.notes) and not found.missing["missing"].any()
    assert table["structure"].unique().tolist() == ["label 1", "label (1, 2)"]
    assert table["case"].tolist()[:2] == ["case_000", "case_000"]
    own = table.query("model == 'tuned' and structure == 'label 1'")
    assert own["dsc"].tolist() == pytest.approx(B)
    assert own["iou"].tolist() == pytest.approx([b / (2 - b) for b in B])
    out = tmp_path / "out"
    assert run(f"base={a}", f"tuned={b}", "--metric", "iou", "--out", out).exit_code == 0
    pairs = pd.read_csv(out / "pairs.csv").query("test_set == 'test'")
    assert pairs["structure"].tolist() == ["label 1", "label (1, 2)", "all"]
    assert pairs["cases"].tolist() == [6, 5, 6]


def test_a_models_folds_are_put_together(tmp_path):
    first = nnunet(tmp_path / "0.json", A[:3])
    second = nnunet(tmp_path / "1.json", A[:2])
    content = json.loads(second.read_text())
    for i, case in enumerate(content["metric_per_case"]):
        case["reference_file"] = f"/r/other_{i}.nii.gz"
    second.write_text(json.dumps(content))
    other = nnunet(tmp_path / "b.json", B[:3])
    table, notes = read_all([f"x={first}", f"x={second}", f"y={other}"], Said())
    assert table.groupby("model")["case"].nunique().to_dict() == {"x": 5, "y": 3}
    assert [note.partition(" count as one training")[0] for note in notes if "cross-validation" in note] == [
        "x: 2 files with different cases"
    ]


def test_monais_raw_scores_are_read(tmp_path):
    dice, iou = tmp_path / "val_mean_dice_raw.csv", tmp_path / "val_mean_iou_raw.csv"
    # the second metric's header has the mean twice in MONAI 1.x
    for path, head in (
        (dice, "filename,liver,spleen,mean"),
        (iou, "filename,liver,spleen,mean,mean"),
    ):
        path.write_text(f"{head}\n/d/a/img.nii.gz,0.9000,nan,0.9000\n/d/b/img.nii.gz,0.8000,0.7000,0.7500\n")
    table, notes = read_all([f"Net={dice}", f"Net={iou}"], Said())
    assert table["case"].unique().tolist() == [
        "/d/a/img.nii.gz",
        "/d/b/img.nii.gz",
    ]  # told apart by folder
    assert table[["dsc", "iou"]].notna().all(axis=1).sum() == 3 == table["dsc"].count()
    assert any("background" in note for note in notes)
    said = read_scores(f"Net={dice.rename(tmp_path / 'hausdorff_raw.csv')}", Said()).findings
    assert "tells no metric" in said[0] and "--column hd95_mm=hausdorff" in said[0]


def test_other_names_of_columns_and_trainings_of_a_model(tmp_path):
    rows = ["Method,Patient,Organ,Dice,n,seed,age"]
    rows += [
        f"{m},007,liver,{0.5 + n / 100 + s / 1000},{n},{s},40"
        for m in ("U", "V") for n in (5, 10) for s in (0, 1)
    ]  # fmt: skip
    path = by_hand(tmp_path, "\n".join(rows))
    table, notes = read_all([str(path)], Said(["n_train=n"]))
    assert sorted(table["model"].unique()) == [
        "U-n10", "U-n10-r1", "U-n5", "U-n5-r1", "V-n10", "V-n10-r1", "V-n5", "V-n5-r1"
    ]  # fmt: skip
    assert set(table["family"]) == {"U", "V"} and set(table["case"]) == {"007"}
    said = " ".join(notes)
    assert "Method is model" in said and "Dice is dsc" in said and "not used: age" in said


@pytest.mark.parametrize(
    ("text", "findings"),
    [
        ("model,dsc\na,1.5\nb,x\n", ["no column case", "dsc: not a number: row 3 ('x')", "from 0 to 1 in 1 rows"]),
        ("model,case,dsc\na,1,0.5\na,1,0.6\n,2,0.5\n", ["more than one row", "model: empty in row 4"]),
        ("name,who\na,1\n", ["no column model", "no column case", "no column of a metric; known are"]),
        ("model,case,dsc\na,1,0.5\na,2,0.5\n", ["one model, a: there is nothing to compare it with"]),
        ("model,case,dsc\na,1,0.5\nb,2,0.5\n", ["no two models have a case and structure in common",
        "only under a: 1; only under b: 2"]),
        ("model,case,structure,dsc\na,1,all,0.5\na,1,liver,0.5\n", ["'all' is the name of all structures"]),
        ("model,case,cohort,dsc\na,1,all,0.5\nb,1,all,0.5\n", ["'all' is the name of all cohorts"]),
        ("", ["the table is empty"]),
        ("model,case,dsc\n", ["the table has no rows"]),
        ("model,case,dsc\na,1,70.5\nb,1,81\n", ["from 0 to 1 in 2 rows", "are they per cent?"]),
        ("model,case,dsc\na,1,inf\nb,1,0.5\n", ["dsc: infinite in 1 rows (a/1/structure)"]),
        ("model,case,hd95\na,1,-inf\nb,1,0.5\n", ["hd95_mm: infinite in 1 rows (a/1/structure)"]),
        ("model,case,dice,dice_score\na,1,0.5,0.6\nb,1,0.5,0.5\n", ["'dice' and 'dice_score' may each be the dsc"]),
        ("model,case,site,center,dsc\na,1,x,u,0.5\na,2,x,v,0.5\nb,3,y,u,0.5\n", ["--column cohort=site"]),
        ("model,case,dsc\na,001,0.5\na,01,0.5\nb,1,0.5\n", ["which of these are the same?", "a: 001, 01; b: 1"]),
    ],
)  # fmt: skip
def test_all_that_is_wrong_is_told_at_once_and_nothing_is_written(tmp_path, text, findings):
    out = tmp_path / "out"
    found = run(by_hand(tmp_path, text), "--out", out)
    assert found.exit_code == 2 and not out.exists()
    assert not [finding for finding in findings if finding not in found.output], found.output


def test_a_folder_is_told_by_which_files_or_pattern_it_is_read(tmp_path):
    for i in range(2):
        fold = tmp_path / "model" / f"fold_{i}" / "validation"
        fold.mkdir(parents=True)
        nnunet(fold / "summary.json", A)
    error = refused([f"base={tmp_path}/model", f"tuned={nnunet(tmp_path / 'b.json', B)}"])
    assert error.endswith(f"a folder, not a file: give {tmp_path}/model/fold_*/validation/summary.json")


def test_wrong_files_are_all_named(tmp_path):
    good = nnunet(tmp_path / "a.json", A)
    (tmp_path / "v1.json").write_text('{"results": {}}')
    (tmp_path / "broken.json").write_text("{")
    cases = json.loads(good.read_text())
    del cases["metric_per_case"][2]["reference_file"]
    (tmp_path / "half.json").write_text(json.dumps(cases))
    found = run(good, f"x={tmp_path}/v1.json", f"y={tmp_path}/broken.json", f"z={tmp_path}/half.json",
                f"w={tmp_path}/none.csv", "--out", tmp_path / "out")  # fmt: skip
    assert found.exit_code == 2
    for finding in ("a.json: the model has no name", "v1.json: this is not a summary.json",
                    "broken.json: this is not JSON",
                    "half.json: metric_per_case[2]: it has no 'reference_file'",
                    "none.csv: there is no such file"):  # fmt: skip
        assert finding in found.output
    assert "a.json: model: empty" not in found.output
    good = by_hand(tmp_path)
    asked = run(good, "--metric", "assd", "--column", "case=pid", "--structure", "liver=1")
    for finding in ("no file has a metric assd_mm; there are dsc",
                    "--column case=pid: no file has a column of this name",
                    "no file has a structure 1"):  # fmt: skip
        assert finding in asked.output
    assert "no role 'organ'; there are model, case" in run(good, "--column", "organ=x").output


# ---- what people call things


def scores(*rows: str, head: str = "model,case,dsc") -> str:
    """A table in which model b is 0.1 better than a in each of the rows (what stands between model and score)."""
    lines = [f"{m},{row},{0.5 + i / 100 + k / 10}" for k, m in enumerate("ab") for i, row in enumerate(rows)]
    return "\n".join([head, *lines, ""])


def compared(files: object, **how: list[str]) -> tuple[pd.DataFrame, str]:
    """The pairs of all test sets by themselves, and what was told."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = comparison([str(f) for f in (files if isinstance(files, list) else [files])], **how)
    pairs = pd.concat([own.assign(metric=metric) for metric, own in found.pairs.items()])
    return pairs.query("test_set != 'all'"), "\n".join(found.notes)


def refused(files: object, **how: list[str]) -> str:
    with pytest.raises(TableError) as error:
        compared(files, **how)
    return str(error.value)


@pytest.mark.parametrize(
    ("a", "b", "shown"),
    [
        (["p 1", "p 2"], ["P 1", "P 2"], "'P 1' is taken for 'p 1'"),
        (["01", "02", "10"], ["1", "2", "10"], "'1' is taken for '01'"),
        (["p_01", "p_02"], ["P-1", "p 2"], "'P-1' is taken for 'p_01'"),
        (["c1", "c2"], ["/r/c1.nii.gz", "d\\c2.nrrd"], "'/r/c1.nii.gz' is taken for 'c1'"),
    ],
)
def test_names_that_can_mean_one_thing_only_are_matched_and_told(tmp_path, a, b, shown):
    (tmp_path / "a.csv").write_text("case,dsc\n" + "".join(f"{c},0.5\n" for c in a))
    (tmp_path / "b.csv").write_text("case,dsc\n" + "".join(f"{c},0.{i + 6}\n" for i, c in enumerate(b)))
    pairs, told = compared([f"a={tmp_path}/a.csv", f"b={tmp_path}/b.csv"])
    assert pairs["cases"].tolist() == [len(a)] and shown in told
    assert "only under" not in told


def test_blanks_around_names_are_no_other_names(tmp_path):
    path = by_hand(tmp_path, scores("p1", "p2").replace("b,p2,", "b,p2 ,"))
    pairs, told = compared(path)
    assert pairs["cases"].tolist() == [2] and "blanks around the text removed: row 5" in told


def test_cases_and_structures_of_one_model_only_are_named_with_what_was_tried(tmp_path):
    text = scores("p1,liver", "p2,liver", head="model,case,structure,dsc")
    text += "a,p9,liver,0.5\nb,p8,liver,0.5\nb,p1,spleen,0.5\n"
    pairs, told = compared(by_hand(tmp_path, text))
    assert set(pairs["cases"]) == {4}
    excluded, _ = compared(by_hand(tmp_path, text), missing="exclude")
    assert set(excluded["cases"]) == {2}
    assert "cases only under a: p9; only under b: p8; tried to match them without upper and lower case" in told
    assert "structures only under b: spleen" in told


@pytest.mark.parametrize(
    ("classes", "told"),
    [
        (("class0", "class1", "class2"), "'class1' is taken for 'label 1'"),
        (
            ("background", "liver", "spleen"),
            "structures only under nn: label 1, label 2; only under monai: background",
        ),
        # two classes without the background, or one with it? The numbers don't say
        (
            ("class0", "class1"),
            "structures only under nn: label 1, label 2; only under monai: class0, class1",
        ),
    ],
)
def test_structures_by_number_are_matched_where_their_numbers_say_so(tmp_path, classes, told):
    nn = nnunet(tmp_path / "nn.json", A, ("1", "2"))
    monai = tmp_path / "mean_dice_raw.csv"
    rows = [f"/x/case_{i:03d}.nii.gz" + f",{b}" * len(classes) + ",0.5" for i, b in enumerate(B)]
    monai.write_text("\n".join([",".join(("filename", *classes, "mean")), *rows, ""]))
    both = [f"nn={nn}", f"monai={monai}"]
    assert told in (compared(both)[1] if classes[-1] == "class2" else refused(both))
    if classes[-1] == "spleen":
        pairs, _ = compared([f"nn={nn}", f"monai={monai}"], structures=["liver=label 1"])
        assert set(pairs["structure"]) == {"liver", "all"} and set(pairs["cases"]) == {6}


# ---- which column is what


def test_a_column_n_is_no_training_size_unless_said_so(tmp_path):
    path = by_hand(tmp_path, scores("p1,4000", "p2,5000", head="model,case,n,dsc"))
    pairs, told = compared(path)
    assert pairs["n_train"].tolist() == [0] and "say --column n_train=n if it is" in told
    pairs, _ = compared(by_hand(tmp_path, scores("p1,5", "p2,6", head="model,case,n,dsc")), columns=["n_train=n"])
    assert set(pairs["n_train"]) == {5, 6}


def test_a_column_n_that_tells_a_cases_scores_apart_is_the_training_size(tmp_path):
    path = by_hand(tmp_path, scores("p1,5", "p2,5", "p1,10", "p2,10", head="model,case,N,dsc"))
    pairs, told = compared(path)
    assert pairs["n_train"].tolist() == [5, 10] and "N is n_train" in told


def test_columns_of_a_metric_and_structure_each_are_read_as_rows_of_structures(tmp_path):
    """As people write them: several models, sizes and runs in a table, and a column for each structure."""
    rows = [
        f"p{i},{m},{n},{r},0.{6 + i}{m == 'b':d}{r},0.{3 + i}{r}{n % 7}"
        for i in range(3) for m in "ab" for n in (5, 10) for r in (1, 2)
    ]  # fmt: skip
    path = by_hand(tmp_path, "\n".join(["Subject,Method,N,run,Dice_liver,Dice_tumor", *rows, ""]))
    table, notes = read_all([str(path)], Said())
    assert set(table["structure"]) == {"liver", "tumor"} and len(table) == 48
    assert set(table["n_train"]) == {5, 10} and set(table["replicate"]) == {1, 2}
    assert any("Dice_liver is dsc of liver, Dice_tumor is dsc of tumor" in note for note in notes)


@pytest.mark.parametrize("head, told", [("strategy", "strategy is model"), ("arm", "")])
def test_a_table_whose_models_stand_in_another_column_is_not_told_to_make_models_of_structures(tmp_path, head, told):
    rows = [f"p{i},{m},0.{6 + i}{m == 'b':d},0.{3 + i}" for i in range(3) for m in "ab"]
    path = by_hand(tmp_path, "\n".join([f"case_id,{head},dice_kidney,dice_cyst", *rows, ""]))
    if told:
        table, notes = read_all([str(path)], Said())
        assert set(table["structure"]) == {"kidney", "cyst"} and set(table["model"]) == {"a", "b"}
        assert any(told in note for note in notes)
        return
    (line,) = refused(path).splitlines()
    assert line.endswith("arm has 2 values for each case: if these are the models, say --column model=arm")
    assert "kidney" in {*compared(path, columns=["model=arm"])[0]["structure"]}


def test_a_files_name_goes_before_its_column_of_strategies(tmp_path):
    (tmp_path / "a.csv").write_text("case,strategy,dsc\np1,scratch,0.5\np2,scratch,0.6\n")
    table, _ = read_all([f"base-n5={tmp_path}/a.csv"], Said())
    assert set(table["model"]) == {"base-n5"} and set(table["n_train"]) == {5}


@pytest.mark.parametrize("head, melted", [
    ("subject,Dice_a,Dice_b", 'id_vars=[\'subject\'], value_vars=[\'Dice_a\', \'Dice_b\'], var_name="model"'),
    ("subject,model,liver,tumor", 'value_vars=[\'liver\', \'tumor\'], var_name="structure"'),
])  # fmt: skip
def test_wide_columns_that_can_mean_several_things_come_with_the_line_that_makes_rows_of_them(tmp_path, head, melted):
    row = ["p1", *(["a"] if "model" in head else []), "0.5", "0.6"]
    with pytest.raises(TableError) as error:
        read_all([str(by_hand(tmp_path, f"{head}\n{','.join(row)}\n"))], Said())
    assert melted in str(error.value)


def test_a_level_of_cases_is_no_level_of_models_unless_said_so(tmp_path):
    path = by_hand(tmp_path, scores("p1,T12", "p2,L1", head="model,case,level,dsc"))
    pairs, told = compared(path)
    assert pairs["a"].tolist() == ["b"] and "say --column level=level if it is" in told
    pairs, _ = compared(path, columns=["structure=level"])
    assert set(pairs["structure"]) == {"T12", "L1", "all"}


def test_a_label_of_cases_is_no_structure_unless_said_so(tmp_path):
    path = by_hand(tmp_path, scores("p1,benign", "p2,malign", "p3,benign", head="model,case,label,dsc"))
    pairs, told = compared(path)
    assert pairs["cases"].tolist() == [3] and "say --column structure=label if it is" in told
    pairs, _ = compared(path, columns=["structure=label"])
    assert dict(zip(pairs["structure"], pairs["cases"], strict=True)) == {
        "benign": 2,
        "malign": 1,
        "all": 3,
    }


def test_of_several_columns_for_one_thing_the_finest_is_taken_and_the_rest_named(tmp_path):
    head = "model,dataset,site,case,label,organ,dsc"
    rows = [f"trial,{s},p{i},{k},{o}" for s in "NS" for i in (1, 2) for k, o in ((1, "liver"), (2, "spleen"))]
    path = by_hand(tmp_path, scores(*rows, head=head))
    pairs, told = compared(path)
    assert set(pairs["test_set"]) == {"N", "S"} and set(pairs["structure"]) == {
        "liver",
        "spleen",
        "all",
    }
    assert "organ is structure, site is cohort" in told and "not used: dataset, label" in told
    pairs, _ = compared(path, columns=["structure=label"])
    assert set(pairs["structure"]) == {"1", "2", "all"}
    assert "more than one row" in refused(path, columns=["cohort=dataset"])


def test_a_person_says_which_column_is_the_metric_and_which_is_none(tmp_path):
    path = by_hand(tmp_path, scores("p1,0", "p2,1", head="model,case,fold,mine"))
    assert "no column of a metric" in refused(path)
    pairs, told = compared(path, columns=["dsc=mine", "fold="])
    assert set(pairs["metric"]) == {"dsc"} and "not used: fold" in told
    pairs, told = compared(path, metrics=["mine"])
    assert set(pairs["metric"]) == {"mine"} and "mine is no metric that is known" in told


# ---- metrics


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("Dice", "dsc"), ("mean_dice", "dsc"), ("Dice Similarity Coefficient", "dsc"), ("DSC", "dsc"),
        ("Generalized_Dice", "generalized_dice"), ("Jaccard index", "iou"), ("IoU", "iou"), ("val_mean_iou", "iou"),
        ("HD95 (mm)", "hd95_mm"), ("hausdorff_distance_95", "hd95_mm"), ("95% HD", "hd95_mm"),
        ("Hausdorff Distance", ""), ("Surface Dice", "nsd"), ("NSD", "nsd"), ("ASSD", "assd_mm"),
        ("Avg. Symmetric Surface Distance", "assd_mm"), ("Recall", "sensitivity"), ("dice_loss", ""),
        ("age", ""), ("mean", ""), ("Dice1", ""),
    ],
)  # fmt: skip
def test_metrics_by_the_names_that_tools_give_them(name, metric):
    assert Said().metric(name) == metric


def test_metrics_side_by_side_by_default_or_those_asked_for(tmp_path):
    text = "model,case,dice,hd95,age\n"
    text += "".join(f"{m},p{i},0.{i + k},{9 - i - k},{i}\n" for k, m in enumerate("ab") for i in range(3, 6))
    path = by_hand(tmp_path, text)
    pairs, _ = compared(path)
    assert pairs["metric"].tolist() == ["dsc", "hd95_mm"] and pairs["difference"].tolist() == pytest.approx([0.1, -1])
    pairs, _ = compared(path, metrics=["HD95", "dsc"])
    assert pairs["metric"].tolist() == ["hd95_mm", "dsc"]


def test_a_metric_that_one_model_lacks_is_told_and_the_others_compared(tmp_path):
    path = by_hand(tmp_path, "model,case,dsc,iou\na,1,0.5,0.4\na,2,0.6,0.5\nb,1,0.7,\nb,2,0.8,\n")
    pairs, told = compared(path)
    assert pairs["metric"].tolist() == ["dsc"] and "iou: b without" in told
    found = run(path, "--metric", "dsc", "--metric", "iou", "--out", tmp_path / "none")
    assert found.exit_code == 2 and "iou: no two models" in found.output and not (tmp_path / "none").exists()


def test_files_of_one_model_with_different_metrics_stand_side_by_side(tmp_path):
    sources = []
    for k, model in enumerate("ab"):
        for metric, value in (("dice", 0.8), ("iou", 0.7)):
            path = tmp_path / model / f"mean_{metric}_raw.csv"
            path.parent.mkdir(exist_ok=True)
            rows = [f"/d/img_{i}.nii.gz,{value - i / 50 + k / 10},0.5" for i in range(3)]
            path.write_text("\n".join(["filename,liver,mean", *rows, ""]))
            sources.append(f"{model}={path}")
    pairs, _ = compared(sources)
    assert pairs["metric"].tolist() == ["dsc", "iou"] and pairs["cases"].tolist() == [3, 3]


def test_infinite_distances_are_the_worst_and_missing_ones_left_out(tmp_path):
    """An infinite distance: one mask is empty. None: both are."""
    a, b = [4.0, 5.0, np.inf, np.nan, 6.0, np.inf], [3.5, 4.4, 5.5, np.nan, 5.3, np.inf]
    rows = [f"{m},p{i},{v}" for m, values in (("a", a), ("b", b)) for i, v in enumerate(values)]
    path = by_hand(tmp_path, "\n".join(["model,case,hd95_mm", *rows, ""]))
    pairs, told = compared(path)
    (row,) = pairs.to_dict("records")
    assert (row["cases"], row["higher"], row["lower"]) == (5, 0, 4)
    assert row["p_wilcoxon_exact"] == pytest.approx(2 / 2**4)  # -0.5, -0.6, -0.7 and -inf; one tie
    assert np.isnan(row["difference"]) and np.isnan(row["ci_low"]) and np.isnan(row["p_t"])
    assert row["median_difference"] == pytest.approx(-0.6)
    assert "2 of a, 1 of b (a/p2/structure, a/p5/structure, b/p5/structure): infinite" in told
    assert "1 of a, 1 of b (a/p3/structure, b/p3/structure): no value" in told
    summary = comparison([str(path)]).summary.query("test_set == 'test'")
    assert summary["median"].tolist() == [6.0, 5.3] and summary["mean"].isna().all()
    assert summary["ci_low"].isna().all()


# ---- files


@pytest.mark.parametrize(
    ("encode", "told"),
    [
        (lambda t: t.replace(",", ";").replace(".", ",").encode(), "semicolons"),
        (lambda t: t.replace(",", "\t").encode("utf-16"), "columns"),
        (lambda t: b"\xef\xbb\xbf" + t.encode(), "columns"),
        (lambda t: t.replace("base", "f\u00fcr").encode("cp1252"), "Windows-1252"),
    ],
)
def test_tables_in_other_encodings_and_with_other_separators(tmp_path, encode, told):
    path = by_hand(tmp_path)
    path.write_bytes(encode(path.read_text()))
    pairs, output = compared(path)
    assert pairs["difference"].tolist() == pytest.approx([np.subtract(B, A).mean()]) and told in output


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_summaries_in_other_encodings(tmp_path, encoding):
    path = nnunet(tmp_path / "a.json", A)
    path.write_text(path.read_text(), encoding=encoding)
    read = read_scores(f"x={path}", Said())
    assert read.rows["dsc"].tolist() == pytest.approx(A) and not read.findings


def test_nnunet_1s_summary_is_read_without_its_background(tmp_path):
    cases = [
        {"0": {"Dice": 0.99}, "1": {"Dice": a, "Jaccard": a / (2 - a), "Hausdorff Distance 95": 3.0 + i,
         "Hausdorff Distance": 9.0 + i, "Accuracy": 1.0}, "2": {"Dice": None if i else float("nan")},
         "reference": f"/r/c{i}.nii.gz", "test": f"/p/c{i}.nii.gz"}
        for i, a in enumerate(A)
    ]  # fmt: skip
    path = tmp_path / "v1.json"
    path.write_text(json.dumps({"author": "x", "results": {"all": cases, "mean": {}}, "task": "T"}))
    read = read_scores(f"x={path}", Said())
    own = read.rows.query("structure == 'label 1'")
    assert own["dsc"].tolist() == pytest.approx(A) and own["case"].tolist()[0] == "c0"
    assert own["hd95_mm"].tolist() == [3.0 + i for i in range(6)] and own["hd_mm"].iloc[0] == 9
    assert set(read.rows["structure"]) == {"label 1", "label 2"} and "background" in read.notes[-1]
    assert read.rows.query("structure == 'label 2'")["dsc"].isna().all()
    cases[1]["1"]["Dice"] = "high"
    path.write_text(json.dumps({"results": {"all": cases}}))
    assert "results.all[1]: Dice is not a number: 'high'" in read_scores(f"x={path}", Said()).findings[0]


def test_monais_tabs_and_names_that_are_no_known_metric(tmp_path):
    text = "filename\tliver\tmean\n" + "".join(f"/d/{i}.nii\t{b}\t0.5\n" for i, b in enumerate(B))
    path = tmp_path / "val_mean_dice_raw.csv"
    path.write_text(text)
    read = read_scores(f"x={path}", Said())
    assert read.rows["dsc"].tolist() == pytest.approx(B) and not read.findings
    loss = path.rename(tmp_path / "val_dice_loss_raw.csv")
    assert "--metric val_dice_loss" in read_scores(f"x={loss}", Said()).findings[0]
    assert "val_dice_loss" in read_scores(f"x={loss}", Said((), ["val_dice_loss"])).rows
    assert "iou" in read_scores(f"x={loss}", Said(["iou=val_dice_loss"])).rows


@pytest.mark.slow
def test_the_page_has_a_section_for_each_metric_and_draws_what_is_finite(tmp_path, only_svg):
    text = "model,case,dsc,hd95\na,1,0.5,inf\na,2,0.6,4\na,3,0.7,5\nb,1,0.7,9\nb,2,0.8,3\nb,3,0.9,2\n"
    out = tmp_path / "out"
    found = run(by_hand(tmp_path, text), "--out", out)
    assert found.exit_code == 0 and "Warning" not in found.output
    page = (out / "index.html").read_text()
    for said in ("DSC: differences", "HD95 (mm): scores", "lower is better", "t on the logit scale",
                 "t on the log scale",
                 "1 infinite values", "<td>none</td>"):  # fmt: skip
        assert said in page
    assert pd.read_csv(out / "pairs.csv").columns[0] == "metric"


def of_sizes(folder: Path, trainings: int) -> list[str]:
    """NAME=PATH of a summary for each training of two models at three sizes, whose curves cross between 10 and 40."""
    rng = np.random.default_rng(4)
    patients = rng.normal(0, 0.05, 12)
    out = []
    for model, means in {"scratch": (0.5, 0.7, 0.9), "tuned": (0.7, 0.75, 0.78)}.items():
        for n, mean in zip((5, 10, 40), means):
            for r in range(trainings):
                scores = (mean + patients + rng.normal(0, 0.01, 12)).clip(0, 1).round(4).tolist()
                path = nnunet(folder / f"{model}-{n}-{r}.json", scores)
                out.append(f"{model}-n{n}{f'-r{r}' if trainings > 1 else ''}={path}")
    return out


def test_a_summarys_name_tells_the_size_and_training_and_so_where_curves_cross(tmp_path, only_svg):
    found = run(*of_sizes(tmp_path, 2), "--metric", "dsc", "--out", tmp_path / "out")
    assert found.exit_code == 0, found.output
    assert "scratch-n5-r0 is scratch, n_train 5, replicate 0" in found.output
    pairs = pd.read_csv(tmp_path / "out/pairs.csv").query("structure == 'label 1' and test_set == 'test'")
    assert list(pairs["n_train"]) == [5, 10, 40] and set(pairs["about"]) == {"methods"}
    (row,) = pd.read_csv(tmp_path / "out/crossover.csv").query("test_set == 'test'").to_dict("records")
    assert (row["verdict"], row["ahead"], row["overtakes"]) == ("crosses", "tuned", "scratch")
    assert 10 < row["n"] < 40 and row["replicates"] == 2
    page = (tmp_path / "out/index.html").read_text()
    answer = f"dsc, test, label 1: scratch overtakes tuned at n = {np.ceil(row['n']):.0f} (95% CI 10 to 40)"
    assert answer in found.output and answer in page
    assert page.index(answer) < page.index("What was read")


def of_sizes_and_structures(folder: Path) -> Path:
    """Two models at three sizes, two trainings each, whose curves cross; p0 and p1 have no spleen."""
    rng = np.random.default_rng(4)
    patients, rows = rng.normal(0, 0.05, 12), []
    for model, means in {"scratch": (0.5, 0.7, 0.9), "tuned": (0.7, 0.75, 0.78)}.items():
        for (n, mean), r in product(zip((5, 10, 40), means), range(2)):
            for structure, (i, patient) in product(("liver", "spleen"), enumerate(patients)):
                score = np.clip(mean + patient + rng.normal(0, 0.01), 0, 1)
                rows += [f"{model},{n},{r},p{i},{structure},{score:.4f}"] * (structure == "liver" or i > 1)
    return by_hand(folder, "\n".join(["model,n_train,replicate,case,structure,dsc", *rows, ""]))


def test_the_mean_over_the_structures_has_its_scores_its_curves_and_its_crossover(tmp_path):
    found = comparison([str(of_sizes_and_structures(tmp_path))])
    assert list(found.crossover["structure"].unique()) == ["all", "liver", "spleen"]
    assert answers(found)[0].startswith("dsc, test, mean over the structures: scratch overtakes tuned at n = ")
    (_, _, curves), (_, _, scores), *_ = figures(found.table, found.pairs["dsc"], found.crossover, "dsc", 0.95)
    titles = [part.get_suptitle() for part in curves.subfigs]
    assert titles == ["liver", "spleen", "Mean over the structures"]
    heights = [y for points in scores.axes[0].collections for _, y in np.ma.filled(points.get_offsets(), np.nan)]
    assert sum(1.5 < y < 2.5 for y in heights) >= 2 * 12, "each case of both models in the row of the mean"


def test_a_crossover_that_the_corrected_differences_do_not_tell_is_called_a_hint(tmp_path):
    found = comparison([str(of_sizes_and_structures(tmp_path))])
    (row,) = found.crossover.query("test_set == 'test' and structure == 'liver'").to_dict("records")
    assert row["statement"].startswith("scratch overtakes tuned at n = ")
    pairs = found.pairs["dsc"]
    untold = pairs.assign(p_holm=pairs["p_holm"].where(pairs["n_train"] == 10, 0.2))
    said = run_module._hint(row, untold)
    assert said.startswith("hint: scratch overtakes tuned at n = ")
    tests = pairs["tests"].max()
    end = f", but after correction for {tests} tests the difference is not significant at "
    assert said.endswith(f"{end}n = 5 and 40")
    assert run_module._hint(row, pairs.assign(p_holm=0.2)).endswith(f"{end}any of the 3 sizes")
    (sure,) = [line for line in answers(found) if "not corrected" in line]
    assert "not corrected for the 3 pairs of curves" in sure and "end at sizes that were trained" in sure


def test_figures_have_p_in_the_colour_of_the_verdict_and_one_title_that_names_structure_or_size(tmp_path):
    found = comparison([str(of_sizes_and_structures(tmp_path))])
    pairs = found.pairs["dsc"].assign(p_holm=0.2)
    assert (pairs.loc[pairs["n_train"] == 40, "p"] < 0.05).all()
    _, (_, caption, scores), (_, _, sizes), _ = figures(found.table, pairs, found.crossover, "dsc", 0.95)
    printed = [text for text in scores.axes[1].texts if text.get_text().startswith("p ")]
    assert len(printed) == 3 and {text.get_color() for text in printed} == {style.MUTED}
    assert "grey where after it which is better can't be told" in caption
    assert "the table's interval counts them too" in caption
    assert scores.axes[0].get_title(loc="left") == "Scores, n = 40"
    axes = sizes.axes[0]
    assert axes.get_title(loc="left") == "liver: All test sets (12: test 12)" and not axes.get_title()
    low, high = found.table["dsc"].min(), found.table["dsc"].max()
    assert low - 0.13 < axes.get_ylim()[0] < low and high < axes.get_ylim()[1] < high + 0.13


def by_distance(folder: Path, infinite: str = "") -> Path:
    """The models of `of_sizes` by DSC and by a distance that mirrors it, 30 mm for 0; infinite for one case."""
    table = comparison(of_sizes(folder, 2), ["dsc"]).table
    table["hd95_mm"] = (30 * (1 - table["dsc"])).mask(table["case"] == infinite, np.inf)
    columns = ["model", "family", "n_train", "replicate", "case", "structure", "dsc", "hd95_mm"]
    table[columns].to_csv(folder / "mm.csv", index=False)
    return folder / "mm.csv"


@pytest.mark.slow
def test_pairs_that_have_no_row_beside_the_curves_are_counted_below_them(tmp_path, monkeypatch):
    monkeypatch.setattr("crossover.analyses.figures.learning_curves.MOST_PAIRS", 0)
    found = comparison([str(by_distance(tmp_path))], ["dsc"])
    drawn = figures(found.table, found.pairs["dsc"], found.crossover, "dsc", 0.95)
    text = next(text for name, text, _ in drawn if name.startswith("curves-dsc"))
    assert text.endswith(" are shown; the table has all.") and " Of 1 pairs those with " in text


@pytest.mark.slow
def test_curves_cross_by_a_distance_where_they_do_by_the_score_that_it_mirrors(tmp_path, only_svg):
    path = by_distance(tmp_path)
    told = {metric: comparison([str(path)], [metric]) for metric in ("dsc", "hd95_mm")}
    dsc, mm = (found.crossover for found in told.values())
    assert set(mm["metric"]) == {"hd95_mm"} and (mm["verdict"] == "crosses").any()
    pd.testing.assert_frame_equal(mm.assign(metric="dsc"), dsc, check_exact=False)
    said = [next(line for line in answers(found) if "overtakes" in line) for found in told.values()]
    assert said[0].replace("dsc", "hd95_mm") == said[1]
    drawn = {name: figure for name, _, figure in figures(told["hd95_mm"].table, told["hd95_mm"].pairs["hd95_mm"], mm,
                                                         "hd95_mm", 0.95)}  # fmt: skip
    assert {"curves-hd95_mm-test", "sizes-hd95_mm-label 1"} <= set(drawn)
    left = drawn["curves-hd95_mm-test"].axes[0]
    assert left.get_ylabel() == "HD95 (mm)" and left.get_ylim()[1] > 10
    assert set(comparison([str(path)]).crossover["metric"]) == {"dsc"}, "the first metric"


def test_by_infinite_distances_no_curves_cross_and_the_next_metric_is_taken(tmp_path):
    case = comparison(of_sizes(tmp_path, 2), ["dsc"]).table["case"].iloc[0]
    path = by_distance(tmp_path, case)
    for asked, by in ((["hd95_mm"], set()), (["hd95_mm", "dsc"], {"dsc"})):
        found = comparison([str(path)], asked)
        assert set(found.crossover["metric"]) == by
        assert any(note.startswith("hd95_mm: no learning curves and no crossover by it") for note in found.notes)


def test_seeds_in_names_are_trainings_of_one_draw_and_settle_no_crossover(tmp_path):
    seeds = [source.replace("-r", "-s", 1) for source in of_sizes(tmp_path, 2)]
    found = comparison(seeds, ["dsc"])
    assert set(found.table["draw"]) == {0} and set(found.table["replicate"]) == {0, 1}
    assert set(found.crossover["verdict"]) == {"can't tell"}


def test_seeds_of_several_draws_are_numbered_on(tmp_path):
    names = ("r0-s0", "r0-s1", "r1-s0", "r1-s1")
    of = {"a": A, "b": B}
    sources = [f"{m}-n5-{name}={nnunet(tmp_path / f'{m}{name}.json', of[m])}" for m in of for name in names]
    table = comparison(sources, ["dsc"]).table
    assert list(table.groupby(["draw", "replicate"], sort=False).groups) == [(0, 0), (0, 1), (1, 2), (1, 3)]


def test_means_over_trainings_that_are_counted_from_one_bear_no_trainings_number(tmp_path):
    rows = [f"{m},{r},p{i},0.{5 + i}{r}" for m in "ab" for r in (1, 2) for i in range(3)]
    path = by_hand(tmp_path, "\n".join(["model,replicate,case,dsc", *rows, ""]))
    found = comparison([str(path)])
    assert set(found.summary["model"]) == {"a", "b"} and set(found.summary["replicates"]) == {2}
    assert set(found.table["model"]) == {"a", "a-r2", "b", "b-r2"}


def test_one_training_a_size_leaves_the_crossover_open_and_says_what_is_missing(tmp_path, only_svg):
    found = comparison(of_sizes(tmp_path, 1), ["dsc"])
    (said,) = [line for line in answers(found) if "overtakes" in line]
    assert "can't tell whether scratch overtakes tuned" in said and "a second draw of the labelled cases" in said


def test_names_that_end_like_a_size_stay_as_they_are_where_the_person_says_so(tmp_path):
    a, b = (nnunet(tmp_path / f"{i}.json", scores) for i, scores in enumerate((A, B)))
    with pytest.raises(TableError, match=r"one model, unet: .* it has n_train 5, 10, and models are compared at the"):
        comparison([f"unet-n5={a}", f"unet-n10={b}"])
    found = comparison([f"unet-n5={a}", f"unet-n10={b}"], columns=["n_train="])
    assert set(found.table["family"]) == {"unet-n5", "unet-n10"} and set(found.table["n_train"]) == {0}


@pytest.mark.parametrize("names, written", [
    (["unet_n5_r0", "unet_n5_r1"], "unet-n5-r0"),
    (["n5-unet-r0", "n10-unet-r0"], "unet-n5"),
    (["scratch_5", "scratch_20"], "scratch-n5"),
    (["unet_a", "unet_b"], ""),
])  # fmt: skip
def test_sizes_and_trainings_elsewhere_in_names_are_told_how_to_be_written(tmp_path, names, written):
    sources = [
        f"{name}={nnunet(tmp_path / f'{i}.json', scores)}" for i, (name, scores) in enumerate(zip(names, (A, B)))
    ]
    found = [note for note in comparison(sources).notes if "stay apart" in note]
    assert [note.rpartition(" as ")[2] for note in found] == ([written] if written else [])
    assert not [note for note in comparison(sources, columns=["n_train="]).notes if "stay apart" in note]


def test_rows_are_not_called_repeated_where_it_is_the_model_that_is_not_known(tmp_path):
    path = by_hand(tmp_path, "modell,patient,dice\na,p1,0.5\nb,p1,0.6\n")
    with pytest.raises(TableError) as error:
        comparison([str(path)])
    (line,) = str(error.value).splitlines()
    assert "no column model" in line


def test_a_table_with_a_column_for_each_model_is_told_what_shape_is_read(tmp_path):
    path = by_hand(tmp_path, "patient,unet dice n5,unet dice n10\np1,0.5,0.6\n")
    with pytest.raises(TableError, match=r"one row for each model, case and structure.*Unpivot Columns"):
        comparison([str(path)])


def test_networks_whose_names_end_like_a_training_are_told_how_to_be_kept_apart(tmp_path):
    sources = [f"resnet-r{depth}={nnunet(tmp_path / f'{depth}.json', s)}" for depth, s in ((50, A), (101, B))]
    with pytest.raises(TableError, match=r"one model, resnet: .* trainings 50, 101; .* --column replicate=$"):
        comparison(sources)
    assert set(comparison(sources, columns=["replicate="]).table["family"]) == {"resnet-r50", "resnet-r101"}


def test_a_size_in_a_column_goes_before_one_in_a_name(tmp_path):
    text = "model,case,dsc,n_train\n" + "".join(f"{m}-n7,p{i},0.{5 + i},9\n" for m in "ab" for i in range(3))
    table, notes = read_all([str(by_hand(tmp_path, text))], Said())
    assert set(table["n_train"]) == {9} and not any("models' names tell" in note for note in notes)


@pytest.mark.parametrize("names, refused", [
    (lambda i: f"case_{i:03d}_ft" if i < 2 else f"case_{i:03d}", "2 names of a and b differ by '_ft' alone"),
    (lambda i: f"ft_case_{i:03d}", "6 names of a and b differ by 'ft_' alone"),
    (lambda i: f"case_{i:03d}" if i else "case_0000", ""),
    (lambda i: f"case_{i:03d}" if i else "other", ""),
])  # fmt: skip
def test_cases_whose_names_differ_by_one_affix_are_not_taken_for_missing_ones(tmp_path, names, refused):
    rows = [f"{m},{name},0.{5 + i}" for i in range(6) for m, name in (("a", f"case_{i:03d}"), ("b", names(i)))]
    path = by_hand(tmp_path, "\n".join(["model,case,dsc", *rows, ""]))
    if not refused:
        comparison([str(path)])
        return
    with pytest.raises(TableError, match=refused):
        comparison([str(path)])


def test_a_structure_that_is_in_no_reference_and_was_predicted_counts_as_a_false_positive(tmp_path):
    """nnU-Net scores it with 0, also where all models predict it, and says by n_ref that it isn't there."""
    labels = ("1", "2")
    sources = [nnunet(tmp_path / f"{i}.json", scores, labels) for i, scores in enumerate((A, B))]
    for path, cases in zip(sources, [(4,), (4, 5)], strict=True):
        summary = json.loads(path.read_text())
        for case in (4, 5):
            summary["metric_per_case"][case]["metrics"]["2"]["n_ref"] = 0
        for case in cases:
            summary["metric_per_case"][case]["metrics"]["2"] |= {"Dice": 0.0, "IoU": 0.0}
        path.write_text(json.dumps(summary))
    found = comparison([f"{model}={path}" for model, path in zip("ab", sources, strict=True)])
    (note,) = [n for n in found.notes if "case_004" in n]
    assert note == (
        "label 2: 2 cases without it in the reference, left out of dsc, iou for all models; false positives there: "
        "a 1 (case_004), b 2 (case_004, case_005)"
    )
    assert found.pairs["dsc"].set_index("structure").loc["label 2", "cases"].unique().tolist() == [4]
    assert found.missing[["structure", "cases"]].values.tolist() == [["label 1", 6]] * 2 + [["label 2", 4]] * 2


def test_folds_that_are_tested_on_the_same_cases_are_said_to_be_of_one_pool(tmp_path):
    rng = np.random.default_rng(4)
    scores = rng.normal(0.8, 0.05, (12, 1, 1)) + rng.normal(0, 0.01, (12, 2, 3))
    rows = [(m, k, f"p{i}", scores[i, j, k]) for j, m in enumerate("ab") for k in range(3) for i in range(12)]
    path = tmp_path / "scores.csv"
    pd.DataFrame(rows, columns=["model", "fold", "case", "dsc"]).to_csv(path, index=False)
    found = comparison([str(path)])
    [pair] = found.pairs["dsc"].query("test_set != 'all'").itertuples()
    assert (pair.about, pair.trainings, pair.scope) == ("methods", 3, "folds of one pool of training cases")
    assert "(folds of one pool of training cases)" in answers(found)[0]
    [said] = explained(found.pairs["dsc"])
    assert "Nadeau and Bengio" in said


def test_an_answer_says_where_the_variation_of_a_model_is_taken_from_the_other(tmp_path):
    rng = np.random.default_rng(4)
    rows = [(m, k, f"p{i}", rng.uniform(0.7, 0.9)) for m, runs in (("a", 3), ("b", 1)) for k in range(runs)
            for i in range(12)]  # fmt: skip
    path = tmp_path / "scores.csv"
    pd.DataFrame(rows, columns=["model", "replicate", "case", "dsc"]).to_csv(path, index=False)
    found = comparison([str(path)])
    assert "(b counts as trained once: how much its trainings vary is taken from a's)" in answers(found)[0]
    assert len(explained(found.pairs["dsc"])) == 1


def test_seeds_are_trainings_on_the_same_cases_and_settle_no_crossover(tmp_path):
    rng = np.random.default_rng(4)
    patients, rows = rng.normal(0, 0.05, 12), []
    for model, means in {"scratch": (0.5, 0.7, 0.9), "tuned": (0.7, 0.75, 0.78)}.items():
        for n, mean in zip((5, 10, 40), means):
            for seed in (1, 2):
                scores = (mean + patients + rng.normal(0, 0.01, 12)).clip(0, 1)
                rows += [(model, n, seed, f"p{i}", score) for i, score in enumerate(scores)]
    path = tmp_path / "scores.csv"
    pd.DataFrame(rows, columns=["model", "n_train", "seed", "case", "dsc"]).to_csv(path, index=False)
    verdicts = {
        column: comparison([str(path)], columns=[column] if column else []).crossover["verdict"].unique().tolist()
        for column in ("", "draw=seed")
    }
    assert verdicts == {"": ["can't tell"], "draw=seed": ["crosses"]}
    for column, limit in (("", "these training cases only"), ("draw=seed", "")):
        found = comparison([str(path)], columns=[column] if column else [])
        assert set(found.pairs["dsc"]["scope"]) == {limit}
        said = [line for line in answers(found) if "scratch" in line and line.startswith("dsc, test, structure, n")]
        assert len(said) == 3 and all(("(these training cases only)" in line) == bool(limit) for line in said)
        assert bool(explained(found.pairs["dsc"])) == bool(limit)


def test_a_summary_beside_a_studys_table_has_its_size_from_its_name(tmp_path):
    """The study's models have families of their own, whatever their names end in."""
    rows = [("own-n5", "own", 5, f"case_{i:03d}", a) for i, a in enumerate(A)]
    path = tmp_path / "metrics.csv"
    table = pd.DataFrame(rows, columns=["model", "family", "n_train", "case", "dsc"]).assign(structure="label 1")
    table.to_csv(path, index=False)
    found = comparison([str(path), f"other-n5={nnunet(tmp_path / 'b.json', B)}"], ["dsc"])
    assert set(found.table["family"]) == {"own", "other"} and set(found.table["n_train"]) == {5}
    assert list(found.pairs["dsc"]["n_train"].unique()) == [5]


def test_rows_that_repeat_are_told_with_the_columns_that_were_not_used(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("model,case,region,dsc\na,1,core,0.5\na,1,edema,0.6\n")
    assert "columns not used: region; say which column tells them apart" in refused(path)


def test_scores_of_a_run_that_only_shows_that_everything_runs_are_said_to_mean_nothing(tmp_path):
    file = by_hand(tmp_path, "model,case,dsc\n" + "".join(f"{m},p{i},0.{i + 1}\n" for m in "ab" for i in range(5)))
    notes = []
    for scale in ("smoke", "demo"):
        (tmp_path / "params.json").write_text(f'{{"scale": "{scale}"}}')
        notes.append([note for note in comparison([str(file)]).notes if "mean nothing" in note])
    assert notes == [[f"{file}: scores at the scale smoke, which mean nothing"], []]


@pytest.mark.parametrize("end", ["-n{}", " n={}", " (n = {})", ", n={}", "_n={}", "-n{}-r0"])
def test_the_size_at_the_end_of_a_models_name_is_its_number_of_training_cases(tmp_path, end):
    """As the columns of a wide table are called."""
    names = {f"{model}{end.format(n)}": 0.1 * k for k, (model, n) in enumerate(product("ab", (5, 10)))}
    rows = "".join(f'"{name}",p{i},{score + 0.01 * i:.2f}\n' for name, score in names.items() for i in range(5))
    table = comparison([str(by_hand(tmp_path, f"model,case,dsc\n{rows}"))]).table
    assert {*zip(table["family"], table["n_train"])} == {("a", 5), ("a", 10), ("b", 5), ("b", 10)}
