"""Every figure and the report from simulated tables of the published and of a smaller shape."""

from __future__ import annotations

import html
import logging
import re
import warnings
from itertools import combinations
from itertools import pairwise as pairwise_of
from pathlib import Path
from urllib.parse import unquote

import matplotlib
import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from crossover.analyses.figures import (
    flow,
    learning_curves,
    organs,
    overlays,
    performance,
    reliability,
    style,
    subgroups,
)
from crossover.analyses.figures.anatomy import view
from crossover.analyses.registry import caption
from crossover.report.answers import from_scores
from crossover.report.page import StudyResults, render
from crossover.statistics.differences.repeated import pairwise
from crossover.study.config import load_study
from crossover.study.families import baseline, compared, families, references
from crossover.study.plan import plan
from crossover.study.schema import Study
from crossover.study.sections import Figures, Replicates
from tests import drawn
from tests.chen_tables import ORGANS, chen_metrics, chen_study
from tests.drawn import assert_readable, texts

METRICS = ["dsc", "iou", "hd95_mm", "nsd", "dsc_structure_slices", "iou_structure_slices"]
TEST_CASES = [7, 9, 5]


def reduced(study: Study) -> Study:
    """Another study: two cohorts, one strategy fewer, no levels, three sizes, names of its own."""
    values = study.model_dump(mode="json")
    source, target = [dict(c) for c in values["cohorts"].values()]
    values["cohorts"] = {
        "center_a": source | {"label": "Center A"},
        "center_b": target | {"label": "Center B"},
    }
    values["sizes"] = [4, 12, 40]
    values["strategies"] = {
        "first": {"label": "Center A only", "chain": [{"train": {"center_a": "all"}}]},
        "tuned": {
            "label": "A then B",
            "chain": [{"train": {"center_a": "all"}}, {"train": {"center_b": "n"}}],
        },
        "alone": {"label": "Center B only", "chain": [{"train": {"center_b": "n"}}]},
    }
    values["splits"]["k_fold"]["of"] = ["alone"]
    values["figures"] = {
        "colours": {"tuned": "#0072b2"},
        "overlays": {
            "channels": ["b1000", "adc"],
            "strategies": ["first", "tuned"],
            "sizes": [4, 40],
        },
    }
    values |= {"published": None, "paper": None, "title": "A fourth study"}
    return Study.model_validate(values)


@pytest.fixture(scope="module", params=["published", "reduced"])
def study(request) -> Study:
    whole = load_study("uterus", "paper")
    return whole if request.param == "published" else reduced(whole)


def simulated_metrics(study: Study) -> pd.DataFrame:
    rng, rows = np.random.default_rng(1), []
    structure = next(iter(study.structures))
    for i, model in enumerate(plan(study).models.values()):
        for cohort, cases in zip(study.cohorts, TEST_CASES, strict=False):
            mean = 0.35 + 0.06 * np.log2(model.n_train + 1) + 0.01 * (i % 5)
            for case in range(cases):
                dsc = float(np.clip(rng.normal(min(mean, 0.85), 0.12), 0, 1))
                values = dict.fromkeys(METRICS, dsc) | {"hd95_mm": 30 * (1 - dsc)}
                rows.append(
                    {"model": model.name, "family": model.family, "strategy": model.strategy,
                     "level": model.level, "n_train": model.n_train, "replicate": model.replicate,
                     "fold": model.fold, "cohort": cohort, "case": f"{cohort}_{case:03d}",
                     "structure": structure, "volume_manual_ml": 5.0,
                     "volume_predicted_ml": 5 * dsc, **values}
                )  # fmt: skip
    return pd.DataFrame(rows)


KEYS = ["structure", "model", "family", "strategy", "level", "n_train"]


def by_test_set(metrics: pd.DataFrame, study: Study):
    for test_set in style.test_sets(study):
        here = metrics if test_set == "all" else metrics[metrics["cohort"] == test_set]
        yield test_set, here


def simulated_summary(metrics: pd.DataFrame, study: Study) -> pd.DataFrame:
    out = []
    for test_set, here in by_test_set(metrics, study):
        for metric in METRICS:
            grouped = here.groupby(KEYS, dropna=False, sort=False)[metric]
            table = grouped.agg(cases="count", mean="mean", sd="std", median="median").reset_index()
            half = 1.96 * table["sd"] / np.sqrt(table["cases"])
            table = table.assign(replicates=1, sd_replicates=np.nan)
            table = table.assign(ci_low=table["mean"] - half, ci_high=table["mean"] + half)
            out.append(table.assign(test_set=test_set, metric=metric))
    return pd.concat(out, ignore_index=True)


def simulated_tests(metrics: pd.DataFrame, study: Study) -> tuple[pd.DataFrame, pd.DataFrame]:
    anova, tukey, rng = [], [], np.random.default_rng(2)
    structure = next(iter(study.structures))
    models = [m for m in plan(study).models.values() if m.fold is None]
    for test_set in style.test_sets(study):
        for n in study.sizes:
            group = [m.name for m in models if m.n_train in (0, n)]
            about = {"test_set": test_set, "structure": structure, "n_train": n,
                     "question": f"models at n={n}"}  # fmt: skip
            anova.append(about | {"groups": len(group), "F": 7.1, "df_between": len(group) - 1,
                                  "df_within": 80, "p": 0.0004, "eta_squared": 0.2})  # fmt: skip
            for a, b in combinations(group, 2):
                p = float(rng.choice([0.0002, 0.02, 0.4]))
                tukey.append(about | {"a": a, "b": b, "difference": 0.1, "ci_low": 0.01,
                                      "ci_high": 0.2, "p": p, "significant": p < 0.05})  # fmt: skip
    return pd.DataFrame(anova), pd.DataFrame(tukey)


def simulated_icc(study: Study) -> pd.DataFrame:
    rng, rows = np.random.default_rng(3), []
    for test_set in style.test_sets(study):
        for m in plan(study).models.values():
            for feature in study.radiomics.features:
                icc = float(np.clip(0.4 + 0.06 * np.log2(m.n_train + 1) + rng.normal(0, 0.05), 0, 0.97))
                rows.append({"test_set": test_set, "structure": next(iter(study.structures)),
                             "model": m.name, "family": m.family, "strategy": m.strategy,
                             "level": m.level, "n_train": m.n_train, "feature": feature,
                             "cases": 21, "cases_without_prediction": 0, "icc": icc, "ci_low": icc - 0.2,
                             "ci_high": icc + 0.6 * (1 - icc)})  # fmt: skip
    return pd.DataFrame(rows)


def simulated_splits(study: Study) -> pd.DataFrame:
    rows = []
    for cohort, test in zip(study.cohorts, TEST_CASES, strict=False):
        for i in range(study.sizes[-1] + test):
            training = i < study.sizes[-1]
            name = f"{cohort}_{i:03d}"
            rows.append({"cohort": cohort, "patient": name, "case": name, "replicate": 0,
                         "part": "train" if training else "test", "rank": i if training else np.nan,
                         "validation": training and i % 10 == 1,
                         "fold": i % 5 if training else np.nan})  # fmt: skip
    return pd.DataFrame(rows)


def simulated_published(study: Study) -> pd.DataFrame:
    rows = [
        {"test_set": test_set, "structure": None, "family": family, "n_train": n, "published_n_train": 2 * n,
         "metric": "dsc", "mean": 0.5 + 0.001 * n, "ci_low": 0.45, "ci_high": 0.6}
        for test_set in style.test_sets(study)
        for family in compared(study) + references(study)
        for n in (study.sizes[::2] if family not in references(study) else [0])
    ]  # fmt: skip
    return pd.DataFrame(rows)


def write_volumes(study: Study, metrics: pd.DataFrame, folder: Path) -> tuple[Path, Path]:
    """A sagittal volume for each target test case, with balls that the models miss a bit."""
    cases, predictions = folder / "cases", folder / "predictions"
    k, j, i = np.mgrid[0:6, 0:48, 0:40]
    rng = np.random.default_rng(4)

    def write(array: np.ndarray, path: Path) -> None:
        image = sitk.GetImageFromArray(array)
        image.SetSpacing((3.0, 3.0, 5.0))
        image.SetDirection((0, 0, 1, 1, 0, 0, 0, -1, 0))
        path.parent.mkdir(parents=True, exist_ok=True)
        sitk.WriteImage(image, str(path))

    balls = {
        structure: ((i - 18) ** 2 + (j - 22) ** 2 + 4 * (k - middle) ** 2) < 70 - 15 * number
        for structure, (number, middle) in zip(study.structures, enumerate((3, 1, 4, 2, 3)))
    }
    target = metrics[metrics["cohort"] == study.target]
    for case in target["case"].unique():
        inside = sum(balls.values())
        noise = rng.normal(100, 8, inside.shape) + 60 * inside + 40 * (j > 30)
        for channel in study.figures.overlays.channels:
            write(noise.astype("float32"), cases / study.target / case / f"image_{channel}.nii.gz")
        for structure, ball in balls.items():
            path = cases / study.target / case / f"structure_{structure}.nii.gz"
            write(ball.astype("uint8"), path)
    shown = study.figures.overlays
    overlaid = target[target["family"].isin(shown.strategies) & target["n_train"].isin([0, *shown.sizes])]
    written: dict[tuple, Path] = {}
    for row in overlaid.drop_duplicates(["model", "case", "structure"]).itertuples():
        path = predictions / row.model / f"{study.target}_{row.case}_{row.structure}.nii.gz"
        shift = (row.structure, *rng.integers(-4, 5, 2))
        if shift in written:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.hardlink_to(written[shift])
        else:
            write(np.roll(balls[row.structure], shift[1:], axis=(1, 2)).astype("uint8"), path)
            written[shift] = path
    return cases, predictions


@pytest.fixture(scope="module")
def frames(study: Study) -> dict[str, pd.DataFrame]:
    metrics = simulated_metrics(study)
    anova, tukey = simulated_tests(metrics, study)
    return {
        "metrics": metrics, "summary": simulated_summary(metrics, study), "anova": anova,
        "tukey": tukey, "icc": simulated_icc(study), "splits": simulated_splits(study),
        "published": simulated_published(study), "pairwise": pairwise(metrics, "dsc", 0.05, "independent", tukey),
    }  # fmt: skip


@pytest.fixture(scope="module")
def figures(study: Study, frames: dict[str, pd.DataFrame], tmp_path_factory) -> dict:
    structure = next(iter(study.structures))
    cases, predictions = write_volumes(study, frames["metrics"], tmp_path_factory.mktemp("volumes"))
    return {
        "flow": flow.draw(frames["splits"], study),
        "performance": performance.draw(frames["metrics"], study, structure),
        "overlays": overlays.draw(frames["metrics"], study, cases, predictions),
        "subgroups": subgroups.draw(
            frames["summary"],
            frames["tukey"],
            study,
            structure,
            frames["metrics"],
            frames["published"],
        ),
        "reliability": reliability.draw(frames["icc"], study, study.target, structure),
    }


def simulated_stability(study: Study) -> pd.DataFrame:
    structure = next(iter(study.structures))
    return pd.DataFrame(
        [{"family": f, "structure": structure, "cohort": study.target, "test": "one-way", "fold": k,
          "mean": 0.6 + 0.01 * k, "sd": 0.1, "cases": 8, "F": 0.31, "p": 0.74}
         for f in study.splits.k_fold.of for k in range(study.splits.k_fold.k)]
    )  # fmt: skip


@pytest.fixture(scope="module")
def report(study: Study, frames: dict, figures: dict, tmp_path_factory) -> str:
    tmp_path = tmp_path_factory.mktemp("report")
    paths = {}
    for name, figure in figures.items():
        with drawn.only("svg", *(["png"] if name == "overlays" else [])):  # images are shown as PNG
            paths[name] = style.save(figure, tmp_path / name)[0]
    frames = frames | {"stability": simulated_stability(study)}
    facts = {"stages": 31, "wall_time_s": 4000.0, "versions": {"keras": "3.15", "numpy": "2.4"}}
    render([StudyResults(study, frames, paths, facts)], tmp_path / "report.html")
    return (tmp_path / "report.html").read_text()


@pytest.mark.slow
def test_no_text_is_too_small_or_cut(figures):
    for name, figure in figures.items():
        assert_readable(name, figure, 6, apart=False)


@pytest.mark.slow
def test_bars_are_the_intervals_of_the_table_and_end_with_the_scale(figures, frames, study):
    chosen = study.figures.overlays
    rows = frames["icc"]
    rows = rows[(rows["test_set"] == study.target) & (rows["n_train"] == chosen.sizes[0])]
    rows = rows[rows["family"].isin([f for f in chosen.strategies if families(study)[f].sized])]
    bars = [line.get_xdata() for line in figures["reliability"].axes[0].lines]
    bars = sorted((low, high) for low, high in (bar for bar in bars if len(bar) == 2) if low < high)
    assert np.allclose(bars, sorted(zip(rows["ci_low"], rows["ci_high"])))
    reached = np.concatenate([line.get_ydata() for line in figures["performance"].axes[0].lines])
    assert np.nanmin(reached) >= 0 and np.nanmax(reached) <= 1


def test_the_caption_of_the_icc_says_how_many_cases_it_leaves_out(frames, study):
    icc = frames["icc"]
    assert "left out" not in caption("reliability", {"icc": icc}, study)[1]
    chosen = study.figures.overlays
    drawn = [name for name in chosen.strategies if families(study)[name].sized]
    shown = icc["family"].isin(drawn) & (icc["n_train"] == chosen.sizes[0])
    lacking = icc.assign(cases_without_prediction=np.where(shown, 3, np.where(icc["n_train"] == 0, 9, 0)))
    text = caption("reliability", {"icc": lacking}, study)[1]
    assert "up to 3 cases" in text and f"n = {chosen.sizes[0]})" in text
    again = lacking.assign(model=lacking["model"] + "-r1")
    assert "the first is shown" in caption("reliability", {"icc": pd.concat([lacking, again])}, study)[1]


def drawn_colour(handle) -> tuple[float, float, float]:
    """Of a line, or of the collection that stands for an error bar in a legend."""
    colour = np.atleast_1d(handle.get_color())
    return to_rgb(colour[0] if len(colour) else colour)


def test_a_family_has_one_colour_in_every_figure(figures, study):
    """Legend entries with a family's label carry that family's colour, wherever they are."""
    names = {style.family_label(study, f): f for f in families(study)}
    seen = set()
    for figure in figures.values():
        for legend in figure.legends:
            for handle, text in zip(legend.legend_handles, legend.get_texts(), strict=True):
                if text.get_text() in names:
                    family = names[text.get_text()]
                    assert drawn_colour(handle) == to_rgb(style.family_colour(study, family))
                    seen.add(family)
    assert seen == set(families(study))


def test_families_differ_by_colour_and_by_marker(study):
    for look in (style.family_colour, style.family_marker):
        assert len({look(study, f) for f in families(study)}) == len(families(study))


def test_families_are_read_from_the_chains_not_from_names(study):
    small = "alone" in study.strategies
    assert references(study) == (["first"] if small else ["pretrained"])
    assert baseline(study) == ("alone" if small else "scratch")
    expected = ["tuned", "alone"] if small else ["scratch", "transfer-L1", "aggregated"]
    assert compared(study) == expected


def test_a_name_with_signs_of_mathematics_is_drawn_as_it_is(tmp_path):
    """Such a name ended the figure with an error, and others were set as formulae."""
    figure = style.styled(style.figure_of_text)(r"A_$\foo$ $x_1$")
    with drawn.only("png"):
        assert style.save(figure, tmp_path / "named")[0].exists()
    assert not any(text.get_parse_math() for text in texts(figure))


@pytest.mark.slow
def test_saving_twice_gives_the_same_bytes(repeated, tmp_path):
    study, metrics = repeated
    structure = next(iter(study.structures))
    with drawn.only("svg", "png"):
        for name in ("a", "b"):
            style.save(performance.draw(metrics, study, structure), tmp_path / name)
    for suffix in (".svg", ".png"):
        first, second = (tmp_path / f"{name}{suffix}" for name in "ab")
        assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("parts", [1, 2])
def test_the_last_bits_of_a_layout_change_no_file(parts: int, tmp_path):
    for name, last_bits in (("a", 0.0), ("b", 3e-16)):
        figure = Figure(figsize=(3, 2))
        part = figure if parts == 1 else figure.subfigures(1, parts)[0]
        if parts > 1:
            part.bbox_relative.set_points(part.bbox_relative.get_points() + last_bits)
        part.add_axes((0.2 + last_bits, 0.2, 0.7, 0.6)).plot([1, 2], [0.3, 0.4])
        style.save(figure, tmp_path / name)
    for suffix in style.UNTIMED:
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


def test_drawing_leaves_the_callers_style_alone(study, frames):
    before = dict(matplotlib.rcParams)
    flow.draw(frames["splits"], study)
    assert dict(matplotlib.rcParams) == before


def test_flow_counts_what_the_split_has(figures, study):
    written = " ".join(t.get_text() for t in texts(figures["flow"]))
    for n in study.sizes:
        assert f"n = {n} (" in written
    assert f"{TEST_CASES[0]} + {TEST_CASES[1]} = {TEST_CASES[0] + TEST_CASES[1]}" in written


def test_the_flows_caption_says_who_was_left_out_and_why(frames, study):
    whys = {"a": "no structure cord", "b": "no structure cord", "c": "channel t2 (series-missing)"}
    rows = [(study.target, patient, why) for patient, why in whys.items()]
    left = pd.DataFrame(rows, columns=["cohort", "patient", "why"])
    total = frames["splits"].loc[frames["splits"].cohort == study.target, "patient"].nunique() + 3
    said = caption("flow", {**frames, "left_out": left}, study)[1]
    label = study.cohorts[study.target].label
    why = "no structure cord, 2 patients; channel t2 (series-missing), 1 patient"
    assert said.endswith(f"3 of {total} patients of {label} are left out: {why}.")
    assert "left out" not in caption("flow", {**frames, "left_out": left[:0]}, study)[1]


@pytest.mark.parametrize("copies", [1, 20])
def test_long_labels_stay_in_their_box_or_are_the_smallest_that_are_read(copies):
    study = reduced(load_study("uterus", "paper"))
    other = next(cohort for name, cohort in study.cohorts.items() if name != study.target)
    long = other.model_copy(update={"label": 6 * "A hospital's long name "})
    more = {f"other{k}": long for k in range(copies)}
    splits = simulated_splits(study)
    figure = flow.draw(splits, study.model_copy(update={"cohorts": {**study.cohorts, **more}}))
    (axes,) = figure.axes
    labels = [text for text in axes.texts if text.get_text() == long.label]
    assert len(labels) == copies
    for text in labels:
        (left, _), (right, _) = axes.transData.inverted().transform(text.get_window_extent().get_points())
        columns = len(study.cohorts) + copies + 1
        width = (style.PAGE_MM - 4 - (columns - 1) * flow.GAP) / columns
        assert right - left <= width or text.get_fontsize() <= flow.SMALLEST


def test_overlay_case_is_the_median_of_the_last_sized_family(study, frames):
    rows = frames["metrics"]
    rows = rows[(rows["cohort"] == study.target) & rows["fold"].isna()]
    case = overlays.chosen_case(rows, study)
    family = study.figures.overlays.strategies[-1]
    own = rows[(rows["family"] == family) & (rows["n_train"] == max(study.figures.overlays.sizes))]
    assert own.set_index("case")["dsc"][case] == own["dsc"].median()  # an odd number of cases


def overlaid(organs: int, sizes: list[int], **more) -> Study:
    """A study with a network for each structure, without the sweep."""
    study = chen_study((5, 20, 50), organs, sweep=False)
    chosen = {"channels": ["ct"], "strategies": ["source", "target", "transfer-conv5"]}
    figures = Figures(order=study.figures.order, overlays=chosen | {"sizes": sizes} | more)
    return study.model_copy(update={"figures": figures})


def drawn_overlays(study: Study, folder: Path) -> Figure:
    metrics = chen_metrics(study)
    return overlays.draw(metrics, study, *write_volumes(study, metrics, folder))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("organs", "sizes", "more"),
    [(4, [50], {}), (4, [5, 50], {}), (2, [5, 20, 50], {"strategies": ["target", "transfer-conv5"]}),
     (4, [20], {"structures": ["parotid_left", "brainstem"]})],
)  # fmt: skip
def test_overlays_have_a_row_for_each_structure_and_size(organs, sizes, more, tmp_path):
    study = overlaid(organs, sizes, **more)
    figure, metrics = drawn_overlays(study, tmp_path), chen_metrics(study)
    assert study.overlaid == more.get("structures", sorted(list(ORGANS)[:organs]))
    width, height = figure.get_size_inches() * 25.4
    assert width <= style.PAGE_MM + 0.1 and height <= 240.1
    labels = [axes.get_ylabel().replace("\n", " ") for axes in figure.axes]
    written = " ".join(labels)
    for structure in study.overlaid:
        assert written.count(study.structures[structure].label) == 1
    for n in sizes:
        expected = len(study.overlaid) if len(sizes) > 1 else 0
        assert len(re.findall(rf"n = {n}\b", written)) == expected
    assert figure.legends[0].get_title().get_text().endswith(f", n = {sizes[0]}") == (len(sizes) == 1)
    case = overlays.chosen_case(metrics[metrics["cohort"] == study.target], study)
    expected = {
        f"{row.dsc:.2f}"
        for row in metrics[(metrics["cohort"] == study.target) & (metrics["case"] == case)].itertuples()
        if row.structure in study.overlaid
        and row.family in study.figures.overlays.strategies
        and row.n_train in (0, *sizes)
    }
    found = {t.get_text() for t in texts(figure)}
    assert expected == {text for text in found if re.fullmatch(r"[01]\.\d\d", text)}
    assert_readable("overlays", figure, 6, apart=False)


def test_the_overlay_case_is_the_median_of_the_means_over_the_structures_shown():
    study = overlaid(4, [20], structures=["mandible", "brainstem"])
    scores = {"a": (0.9, 0.1, 0.0), "b": (0.4, 0.5, 1.0), "c": (0.2, 0.2, 0.9)}
    rows = pd.DataFrame(
        [{"family": family, "n_train": n, "case": case, "structure": structure, "dsc": dsc + shift}
         for case, values in scores.items()
         for structure, dsc in zip(("brainstem", "mandible", "spinal_cord"), values, strict=True)
         for family, n, shift in (("transfer-conv5", 20, 0.0), ("target", 20, -dsc))]
    )  # fmt: skip
    assert overlays.chosen_case(rows, study) == "b"


def test_many_structures_are_not_all_overlaid_unless_named():
    assert len(overlaid(12, [50]).overlaid) == 4
    assert overlaid(12, [50], structures=list(ORGANS)[:5]).overlaid == list(ORGANS)[:5]


def test_the_overlays_caption_says_what_the_median_is_of(study):
    _, several = caption("overlays", {}, overlaid(4, [50]))
    assert "For each structure the slice" in several and "a mean over the 4 structures" in several
    _, one = caption("overlays", {}, study)
    assert one.startswith("The slice") and "structures" not in one


@pytest.mark.parametrize(("p", "marks"), [(0.0009, "##"), (0.04, "#"), (0.05, ""), (np.nan, "")])
def test_marks(p, marks):
    assert subgroups.significance_mark(p, "#", 0.05) == marks


def test_tukey_pairs_are_found_in_either_order(frames):
    row = frames["tukey"].iloc[0]
    here = frames["tukey"].iloc[:1]
    assert subgroups.tukey_p(here, row["a"], row["b"]) == subgroups.tukey_p(here, row["b"], row["a"])
    assert np.isnan(subgroups.tukey_p(here, row["a"], "nothing"))


AXES = {
    "L": (1, 0, 0),
    "R": (-1, 0, 0),
    "P": (0, 1, 0),
    "A": (0, -1, 0),
    "S": (0, 0, 1),
    "I": (0, 0, -1),
}


@pytest.mark.parametrize("code", ["LPS", "RAS", "PIL", "PSR", "IPL", "ASR", "LIP", "SRA"])
def test_slices_are_hung_by_direction_cosines(code):
    """What is at the patient's superior or anterior end comes out on top, whatever the axes."""
    image = sitk.Image([5, 6, 3], sitk.sitkUInt8)
    image.SetSpacing((1.0, 2.0, 4.0))
    image.SetDirection(np.array([AXES[c] for c in code]).T.ravel().tolist())
    across = set(code[2])
    top, left = ("A", "R") if across & set("SI") else ("S", "A") if across & set("LR") else ("S", "R")
    hung = view(image)
    assert hung.letters == (left, top)
    for side, edge in ((top, (0, slice(None))), (left, (slice(None), 0))):
        plane = np.zeros((6, 5))  # j, i
        axis = next(i for i, c in enumerate(code[:2]) if AXES[c][0:3] in (AXES[side], tuple(-v for v in AXES[side])))
        end = -1 if code[axis] == side else 0
        plane[(slice(None), end) if axis == 0 else (end, slice(None))] = 1
        assert hung.turn(plane)[edge].all()
    shape = np.array(hung.turn(np.zeros((6, 5))).shape)
    assert sorted(shape * hung.spacing) == [5, 12]


@pytest.mark.slow
def test_report_is_self_contained(report):
    embedded = re.findall(r'src="data:([^"]*)"', report)
    page = re.sub(r'src="data:[^"]*"', "", report)
    outside = [x for x in linked(page) if not x.startswith(("#", "https://doi.org/"))]
    assert not outside
    assert not re.findall(r"@import|url\(|<link|<iframe|fetch\(|XMLHttpRequest", page)
    drawn = [unquote(x) for x in embedded if x.startswith("image/svg+xml,")]
    assert drawn and all(x.startswith(("image/svg+xml,", "image/png;base64,")) for x in embedded)
    for svg in drawn:
        assert not [x for x in linked(svg) if not x.startswith("#")]
        assert not re.findall(r"@import|url\((?!#)|<image|<script", svg)
    assert len(embedded) == len(set(embedded)) and len(report) < 1_500_000


def linked(text: str) -> list[str]:
    return re.findall(r"""(?:src|href)=["']([^"']*)""", text)


@pytest.mark.slow
def test_report_names_the_data_and_every_assumption(report, study):
    text = html.unescape(report).replace("<code>", "`").replace("</code>", "`")
    assert f'<div class="banner">{study.data}</div>' in text
    for assumption in study.assumptions:
        assert assumption.about in text and assumption.choice in text and assumption.reason in text
    assert study.question in text and "1 h 06 min" in text
    assert all(f"Figure {i}." in text for i in range(1, 6))


def test_findings_follow_the_tables(study, frames):
    """With large p no difference is claimed; with small p the higher mean is named."""
    structure, scratch = next(iter(study.structures)), baseline(study)
    other = next(f for f in compared(study) if f != scratch)
    summary = frames["summary"].copy()
    summary.loc[summary["family"] == other, "mean"] = 0.9
    summary.loc[summary["family"] == scratch, "mean"] = 0.2
    label = style.family_label(study, other)
    for p, words in ((0.5, "not shown to differ"), (0.0001, "a higher mean")):
        tests = frames["pairwise"].assign(p=p)
        answer = from_scores(summary, tests, study, structure)
        said = [s for s in answer.sentences if label in s]
        assert words in said[0] and str(study.sizes[-1]) in said[0]
        best = [row[answer.summary.head.index("Highest mean")] for row in answer.summary.rows]
        assert best == [label] * len(study.sizes)
    shelf = references(study)[0]
    summary.loc[summary["family"] == shelf, "mean"] = 0.95
    answer = from_scores(summary, tests, study, structure)
    best = [row[answer.summary.head.index("Highest mean")] for row in answer.summary.rows]
    assert best == [style.family_label(study, shelf)] * len(study.sizes)
    distances = summary[summary["metric"] == "dsc"].assign(metric="hd95_mm")
    distances.loc[distances["family"] == scratch, "mean"] = 0.01
    answer = from_scores(distances, tests, of_distances(study), structure)
    best = [row[answer.summary.head.index("Lowest mean")] for row in answer.summary.rows]
    assert best == [style.family_label(study, scratch)] * len(study.sizes)


def test_a_sentence_beside_the_answer_rests_on_the_tests_behind_the_answer(study, frames):
    """It was Tukey's test, which takes the cases of two models for different ones: the two contradicted each other."""
    structure = next(iter(study.structures))
    for p, words in ((0.001, "mean DSC than"), (0.3, "was not shown to differ from"), (np.nan, None)):
        tests = frames["pairwise"].assign(p=p)
        told = from_scores(frames["summary"], tests, study, structure).sentences
        told = [text for text in told if "each size tested separately" in text]
        assert all(words in text and "p <" not in text for text in told) and bool(told) == (words is not None)


def test_where_all_means_are_equal_none_is_the_highest(study, frames):
    structure, other = next(iter(study.structures)), compared(study)[1]
    summary = frames["summary"].assign(mean=0.0)
    level = from_scores(summary, frames["pairwise"], study, structure).summary
    at = level.head.index("Highest mean")
    assert {row[at] for row in level.rows} == {"all equal"}
    summary.loc[summary["family"].isin([other, baseline(study)]), "mean"] = 0.5
    two = from_scores(summary, frames["pairwise"], study, structure).summary
    assert all(
        {*row[at].split(", ")} == {style.family_label(study, f) for f in (other, baseline(study))} for row in two.rows
    )


def of_distances(study: Study) -> Study:
    """The study, by HD95."""
    how = study.statistics.model_copy(update={"metric": "hd95_mm"})
    return study.model_copy(update={"statistics": how})


def test_the_axis_of_a_distance_begins_at_0_and_holds_all_values(repeated):
    study, metrics = of_distances(repeated[0]), repeated[1]
    far = 1 + 3.0 * metrics["cohort"].eq(list(study.cohorts)[-1])
    metrics = metrics.assign(hd95_mm=40 * far * (1 - metrics["dsc"]))
    structure = next(iter(study.structures))
    figure = performance.draw(metrics, study, structure)
    low, high = figure.axes[0].get_ylim()
    assert low == 0 and high > max(c.get_offsets()[:, 1].max() for c in figure.axes[0].collections) > 1
    summary = simulated_summary(metrics[metrics["replicate"] == 0], study)
    figure = subgroups.draw(summary, simulated_tests(metrics, study)[1], study, structure, metrics)
    curves = figure.axes[::2]
    assert len({axes.get_ylim() for axes in curves}) == 1, "panels whose labels stand at the first alone"
    drawn = summary[(summary["metric"] == "hd95_mm") & summary["family"].isin(compared(study))]
    assert curves[0].get_ylim()[0] == 0 and curves[0].get_ylim()[1] >= drawn["mean"].max()


# ---- replicates


def drawn_points(axes) -> list[tuple[float, float]]:
    """The marks that have a replicate's size."""
    lines = [line for line in axes.lines if line.get_markersize() == 2]
    return [point for line in lines for point in zip(line.get_xdata(), line.get_ydata())]


@pytest.fixture(scope="module")
def repeated() -> tuple[Study, pd.DataFrame]:
    """Three replicates, the first far above the others."""
    whole = reduced(load_study("uterus", "paper"))
    splits = whole.splits.model_copy(update={"replicates": Replicates(draws=1, trainings=3)})
    study = whole.model_copy(update={"splits": splits})
    metrics = simulated_metrics(study)
    metrics["dsc"] = (metrics["dsc"] * 0.8).where(metrics["replicate"] > 0, metrics["dsc"])
    return study, metrics


def test_each_replicates_mean_is_drawn_beside_the_mean_of_all(repeated):
    study, metrics = repeated
    structure = next(iter(study.structures))
    figure = performance.draw(metrics, study, structure)
    unfolded = metrics[metrics["fold"].isna()]
    means = unfolded.groupby(["family", "n_train", "replicate"])["dsc"].mean()
    points = drawn_points(figure.axes[0])
    assert sorted(y for _, y in points) == pytest.approx(sorted(means))
    marks = [y for line in figure.axes[0].lines if line.get_markersize() == 4.6 for y in line.get_ydata()]
    marks = [y for y in marks if np.isfinite(y)]
    assert sorted(marks) == pytest.approx(sorted(means.groupby(level=[0, 1]).mean()))
    _, text = caption("performance", {"metrics": metrics}, study)
    assert "small points: the mean of each of 3 replicates (3 trainings)" in text
    one = Replicates()
    alone = study.model_copy(update={"splits": study.splits.model_copy(update={"replicates": one})})
    assert "replicates" not in caption("performance", {"metrics": metrics}, alone)[1]


def test_subgroups_show_the_replicates_of_each_test_set(repeated):
    study, metrics = repeated
    structure = next(iter(study.structures))
    first = metrics[metrics["replicate"] == 0]
    summary, (_, tukey) = simulated_summary(first, study), simulated_tests(metrics, study)
    figure = subgroups.draw(summary, tukey, study, structure, metrics)
    cohort = next(iter(study.cohorts))
    own = metrics[(metrics["cohort"] == cohort) & metrics["fold"].isna()]
    own = own[own["family"].isin(compared(study)) & own["n_train"].isin(study.sizes)]
    means = own.groupby(["family", "n_train", "replicate"])["dsc"].mean()
    assert sorted(y for _, y in drawn_points(figure.axes[0])) == pytest.approx(sorted(means))


MANY = 12


@pytest.fixture(scope="module")
def crowded() -> Study:
    """Twelve strategies with sizes, none with a colour of its own."""
    study = load_study("uterus", "paper")
    known = {name: s for name, s in study.strategies.items() if not s.sized}
    model = study.strategies[families(study)[baseline(study)].strategy]
    known |= {f"m{i}": model.model_copy(update={"label": f"Method {i}"}) for i in range(MANY)}
    figures = study.figures.model_copy(update={"colours": {}})
    return study.model_copy(update={"strategies": known, "figures": figures, "sizes": [4, 16, 64]})


def test_marks_of_many_families_stand_at_their_own_size_and_inside_the_axes(crowded):
    """They stood beside the next size, and outside."""
    metrics = simulated_metrics(crowded)
    summary, (_, tukey) = simulated_summary(metrics, crowded), simulated_tests(metrics, crowded)
    structure = next(iter(crowded.structures))
    figure = subgroups.draw(summary, tukey, crowded, structure, metrics)
    lines = [line for line in figure.axes[0].lines if len(line.get_xdata()) == len(crowded.sizes)]
    assert len(lines) == MANY
    for line in lines:
        assert list(np.asarray(line.get_xdata()).round()) == [0, 1, 2] and line.get_xdata()[0] > -0.5
    assert len({line.get_xdata()[0].round(6) for line in lines}) == MANY
    pairs = [label.get_text() for label in figure.axes[1].get_yticklabels()]
    assert len(pairs) == 2 * MANY - 1 and "Method 0 vs Method 1" in pairs and "Method 1 vs Method 2" not in pairs
    text = caption("subgroups", {"metrics": metrics, "summary": summary}, crowded)[1]
    assert "# between Method 0 and each of the others" in text

    fitted = simulated_points(metrics, crowded)
    with warnings.catch_warnings(action="ignore"):  # there is no pair to draw
        axes = learning_curves.draw(metrics, fitted, NO_CROSSOVER, crowded, structure).axes[0]
    low, high = axes.get_xlim()
    points = [x for c in axes.collections if isinstance(c, PathCollection) for x in c.get_offsets()[:, 0]]
    assert len(points) == MANY * len(crowded.sizes) and low < min(points) < max(points) < high


def test_where_two_models_were_not_compared_no_mark_stands(study, frames):
    """It was the mark of two that are not shown to differ."""
    structure = next(iter(study.structures))
    tukey = frames["tukey"]
    figures = [
        subgroups.draw(frames["summary"], table, study, structure, frames["metrics"])
        for table in (tukey.assign(p=0.4), tukey[tukey["n_train"] != study.sizes[0]].assign(p=0.4))
    ]
    marks = [sum(t.get_text() == "–" for axes in figure.axes for t in axes.texts) for figure in figures]
    sizes = len(study.sizes)
    assert marks[0] > 0 and marks[1] * sizes == marks[0] * (sizes - 1)


def test_no_two_of_many_families_look_alike(crowded):
    looks = [(style.family_colour(crowded, f), style.family_marker(crowded, f)) for f in families(crowded)]
    assert len({colour for colour, _ in looks}) == len(looks) and "h" not in {marker for _, marker in looks}


@pytest.mark.parametrize("label", ["Method", "A method with a name that is as long as such names are"])
def test_the_p_of_many_models_stand_apart(crowded, label):
    few = 3 if label != "Method" else MANY
    names = [f for f in families(crowded) if not f.startswith("m") or int(f[1:]) < few]
    strategies = {
        name: s.model_copy(update={"label": s.label.replace("Method", label)})
        for name, s in crowded.strategies.items() if name in {families(crowded)[f].strategy for f in names}
    }  # fmt: skip
    study = crowded.model_copy(update={"strategies": strategies})
    metrics = simulated_metrics(study)
    structure = next(iter(study.structures))
    tuned = organs.fine_tuned(study)
    pairs = pd.DataFrame([
        {"test_set": study.target, "structure": structure, "n_train": study.sizes[-1], "family_a": tuned,
         "family_b": other, "difference": 0.1, "ci_low": 0.0, "ci_high": 0.2, "p": 0.2}
        for other in organs.main_question(study) if other != tuned
    ])  # fmt: skip
    figure = organs.draw(metrics, pairs, study)
    told = [t for t in texts(figure) if t.get_text().startswith("p = ")]
    boxes = sorted((t.get_window_extent() for t in told), key=lambda box: box.y0)
    assert len(boxes) > 1 and all(below.y1 < above.y0 + 1 for below, above in pairwise_of(boxes))


def simulated_points(metrics: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Means as learning curves, without intervals."""
    rows = metrics[metrics["cohort"].eq(study.target) & (metrics["n_train"] > 0)]
    rows = rows.groupby(["family", "n_train", "structure"], as_index=False)["dsc"].mean()
    return rows.assign(test_set=study.target, fitted_monotone=rows["dsc"], fit_low=np.nan, fit_high=np.nan)


NO_CROSSOVER = pd.DataFrame(columns=["test_set", "structure", "ahead", "overtakes"])


def test_a_cohort_without_test_cases_has_no_panel_and_is_not_counted(repeated):
    study, metrics = repeated
    structure, target = next(iter(study.structures)), study.target
    own = metrics[metrics["cohort"] == target]
    summary, (_, tukey) = simulated_summary(own, study), simulated_tests(own, study)
    figure = subgroups.draw(summary[summary["test_set"] == target], tukey, study, structure, own)
    titles = [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")]
    assert len(titles) == 1 and titles[0].startswith(study.cohorts[target].label)
    cases = own["case"].nunique()
    shown = performance.draw(own, study, structure).axes[0].get_title(loc="left")
    assert shown == f"All test sets ({cases}: {study.cohorts[target].label} {cases})"


def test_a_legend_has_the_columns_that_its_figure_has_room_for():
    def columns(names: list[str], most: int) -> int:
        figure = style.new_figure(60)
        legend = style.legend_below(figure, [Line2D([], [], label=name) for name in names], most)
        figure.draw_without_rendering()
        places = [text.get_window_extent() for text in legend.get_texts()]
        assert all(figure.bbox.x0 <= place.x0 < place.x1 <= figure.bbox.x1 for place in places)
        return len({round(place.x0) for place in places})

    assert 1 < columns([f"a strategy of which the name is long, {i}" for i in range(7)], 7) < 7
    assert columns(["short"] * 7, 5) == 5


def test_a_font_of_other_letters_without_bold_ones_is_not_told_of():
    """matplotlib's warning stood before each answer of `crossover compare`."""
    style.theme()
    logger = logging.getLogger("matplotlib.font_manager")
    told = [logging.makeLogRecord({"msg": "findfont: Failed to find font weight %s for %s", "args": ("bold", "Droid")}),
            logging.makeLogRecord({"msg": "findfont: Font family %s not found.", "args": ("Droid",)})]  # fmt: skip
    assert [bool(logger.filter(record)) for record in told] == [False, True]
