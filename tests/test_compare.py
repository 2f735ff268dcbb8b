"""Scores that any tool made, compared."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from typer.testing import CliRunner

from crossover.cli import app
from crossover.compare.complete import read_all
from crossover.compare.formats import read_scores
from crossover.statistics.metrics_table import TableError
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
            value = (
                float("nan")
                if (i, label) == (len(scores) - 1, labels[-1]) and len(labels) > 1
                else dice
            )
            metrics[label] = {"Dice": value, "IoU": value / (2 - value), "FN": 1, "FP": 1, "TN": 9, "TP": 2,
                              "n_pred": 3, "n_ref": 3}  # fmt: skip
        file = f"labelsTr/case_{i:03d}.nii.gz"
        cases.append(
            {"metrics": metrics, "prediction_file": f"/p/{file}", "reference_file": f"/r/{file}"}
        )
    path.write_text(json.dumps({"foreground_mean": {}, "mean": {}, "metric_per_case": cases}))
    return path


def run(*arguments: object):
    return CliRunner().invoke(app, ["compare", *map(str, arguments)])


def test_three_columns_are_enough(tmp_path):
    out = tmp_path / "out"
    found = run(by_hand(tmp_path), "--out", out)
    assert found.exit_code == 0, found.output
    pairs = pd.read_csv(out / "pairs.csv").query("test_set == 'test'")
    (row,) = pairs.to_dict("records")
    d = np.subtract(B, A)
    low, high = stats.t.interval(0.95, 5, d.mean(), stats.sem(d))
    assert (row["a"], row["b"], row["cases"]) == ("tuned", "base", 6)
    assert [row["difference"], row["ci_low"], row["ci_high"]] == pytest.approx(
        [d.mean(), low, high]
    )
    assert row["p_wilcoxon_exact"] == pytest.approx(
        2 * 2 / 2**6
    )  # one case lower, by the smallest rank
    summary = pd.read_csv(out / "summary.csv").query("test_set == 'test'").set_index("model")
    assert summary.loc["base", "mean"] == pytest.approx(np.mean(A))
    for said in ("no column structure", "no column cohort", "no column n_train"):
        assert said in found.output and said in (out / "index.html").read_text()


def test_the_page_shows_all_and_needs_nothing_from_elsewhere(tmp_path):
    out = tmp_path / "out"
    table = simulated_metrics(sizes=(2, 8), folds=0, structures=("gland", "duct"))
    table.to_csv(tmp_path / "m.csv", index=False)
    assert run(tmp_path / "m.csv", "--out", out).exit_code == 0
    page = Linked()
    page.feed((out / "index.html").read_text())
    assert page.links and all((out / link).is_file() for link in page.links)
    pictures = {Path(link).name for link in page.links if link.endswith(".svg")}
    assert pictures == {
        "scores-cervix.svg",
        "scores-uterus.svg",
        "sizes-gland.svg",
        "sizes-duct.svg",
    }
    assert {p.name for p in (out / "figures").glob("*.svg")} == pictures
    assert "+" in page.text and "transfer-L1-n8" in page.text


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


def test_nnunets_summary_is_read(tmp_path):
    labels = ("1", "(1, 2)")
    a = nnunet(tmp_path / "a.json", A, labels)
    b = nnunet(tmp_path / "b.json", B, labels)
    table, notes = read_all([f"base={a}", f"tuned={b}"], "dsc")
    assert len(table) == 2 * (2 * 6 - 1) and any("neither mask" in note for note in notes)
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
    table, _ = read_all([f"x={first}", f"x={second}", f"y={other}"], "dsc")
    assert table.groupby("model")["case"].nunique().to_dict() == {"x": 5, "y": 3}


def test_monais_raw_scores_are_read(tmp_path):
    dice, iou = tmp_path / "val_mean_dice_raw.csv", tmp_path / "val_mean_iou_raw.csv"
    # the second metric's header has the mean twice in MONAI 1.x
    for path, head in (
        (dice, "filename,liver,spleen,mean"),
        (iou, "filename,liver,spleen,mean,mean"),
    ):
        path.write_text(
            f"{head}\n/d/a/img.nii.gz,0.9000,nan,0.9000\n/d/b/img.nii.gz,0.8000,0.7000,0.7500\n"
        )
    table, notes = read_all([f"Net={dice}", f"Net={iou}"], "dsc")
    assert table["case"].unique().tolist() == [
        "/d/a/img.nii.gz",
        "/d/b/img.nii.gz",
    ]  # told apart by folder
    assert table[["dsc", "iou"]].notna().all(axis=None) and len(table) == 3
    assert any("background" in note for note in notes)
    with pytest.raises(TableError, match="tells no metric"):
        read_scores(f"Net={dice.rename(tmp_path / 'hausdorff_raw.csv')}")


def test_other_names_of_columns_and_trainings_of_a_model(tmp_path):
    rows = ["Method,Patient,Organ,Dice,n,seed,age"]
    rows += [
        f"{m},007,liver,{0.5 + n / 100 + s / 1000},{n},{s},40"
        for m in ("U", "V") for n in (5, 10) for s in (0, 1)
    ]  # fmt: skip
    path = by_hand(tmp_path, "\n".join(rows))
    table, notes = read_all([str(path)], "dsc")
    assert sorted(table["model"].unique()) == [
        "U-n10", "U-n10-r1", "U-n5", "U-n5-r1", "V-n10", "V-n10-r1", "V-n5", "V-n5-r1"
    ]  # fmt: skip
    assert set(table["family"]) == {"U", "V"} and set(table["case"]) == {"007"}
    said = " ".join(notes)
    assert "Method is model" in said and "Dice is dsc" in said and "ignored: age" in said


@pytest.mark.parametrize(
    ("text", "findings"),
    [
        ("model,dsc\na,1.5\nb,x\n", ["no column case", "dsc: not a number", "from 0 to 1 in 1 rows"]),
        ("model,case,dsc\na,1,0.5\na,1,0.6\n,2,0.5\n", ["more than one row", "model: empty in 1 rows"]),
        ("model,case,iou\na,1,0.5\n", ["no column dsc; it has iou"]),
        ("name,who\na,1\n", ["no column model", "no column case", "no column dsc; known are"]),
        ("model,case,dsc\na,1,0.5\na,2,0.5\n", ["one model: there is nothing to compare it with"]),
        ("model,case,dsc\na,1,0.5\nb,2,0.5\n", ["no two models have a case in common"]),
        ("model,case,structure,dsc\na,1,all,0.5\na,1,liver,0.5\n", ["'all' is the name of all structures"]),
        ("model,case,cohort,dsc\na,1,all,0.5\nb,1,all,0.5\n", ["'all' is the name of all cohorts"]),
        ("", ["the table is empty"]),
        ("model,case,dsc\n", ["the table has no rows"]),
    ],
)  # fmt: skip
def test_all_that_is_wrong_is_told_at_once_and_nothing_is_written(tmp_path, text, findings):
    out = tmp_path / "out"
    found = run(by_hand(tmp_path, text), "--out", out)
    assert found.exit_code == 2 and not out.exists()
    assert not [finding for finding in findings if finding not in found.output], found.output


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
    for finding in ("a.json: the model has no name", "v1.json: no metric_per_case", "broken.json: neither",
                    "half.json: metric_per_case[2]: no 'reference_file'", "none.csv: there is no such file"):  # fmt: skip
        assert finding in found.output
    assert "no metric 'assd'; there are dsc" in run(good, "--metric", "assd").output
