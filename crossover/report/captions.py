"""Captions of the figures, with the numbers of this run."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from crossover.analyses.figures import style
from crossover.analyses.figures.gallery import levels_of
from crossover.analyses.figures.learning_curves import shown_pairs
from crossover.analyses.figures.organs import shown_rows
from crossover.analyses.figures.subgroups import STRONG
from crossover.analyses.figures.sweep import swept, swept_rows
from crossover.statistics.crossing import CROSSES
from crossover.statistics.resampling import PATIENTS, REPLICATES, ROUGHNESS
from crossover.statistics.scales import method
from crossover.study.families import (
    baseline,
    compared,
    families,
    fine_tuned,
    main_question,
    main_rows,
    references,
)
from crossover.study.plan import plan
from crossover.study.schema import Study

Frames = dict[str, pd.DataFrame]
RESAMPLED = {
    REPLICATES: "other patients and other trainings",
    ROUGHNESS: "other patients and, judged by how far the means stray from smooth curves, other trainings",
    PATIENTS: "other patients, not for other trainings",
}


def caption(figure: str, frames: Frames, study: Study) -> tuple[str, str]:
    """(title, text) of a figure by its name; a figure unknown here gets its name as title."""
    known: dict[str, tuple[str, Callable[[Frames, Study], str]]] = {
        "flow": ("Flow of patients", _flow),
        "performance": ("Performance by number of labelled target patients", _performance),
        "learning_curves": ("Learning curves and crossover", _learning_curves),
        "overlays": ("Contours on one case", _overlays),
        "subgroups": ("Performance on each test set", _subgroups),
        "reliability": ("Reliability of radiomics features", _reliability),
        "organs": ("Performance by structure", _organs),
        "sweep": ("Performance and cost by number of re-trained layers", _sweep),
        "times": ("Training time", _times),
        "scheme": ("Chains of trainings", _scheme),
        "grid": ("Validation of every network", _grid),
        "gains": ("What other cohorts first add to the target's own patients", _gains),
        "examples": ("One case of each target", _examples),
        "training_curves": ("Course of every training", _training_curves),
    }
    title, text = known.get(figure, (figure.replace("_", " ").capitalize(), lambda *_: ""))
    return title, text(frames, study)


def _flow(frames: Frames, study: Study) -> str:
    rows = frames["splits"]
    rows = rows[rows["replicate"] == rows["replicate"].min()]
    total = rows.drop_duplicates(["cohort", "patient"])
    train, test = ((total["part"] == part).sum() for part in ("train", "test"))
    return (
        f"{len(total)} patients of {len(study.cohorts)} cohorts: {train} for training, {test} for "
        f"testing. Each subset of {_target(study)} contains the smaller ones. Validating patients "
        "choose the epoch and are not trained on; no test patient does either."
    )


def _performance(frames: Frames, study: Study) -> str:
    cases = _cases(frames, study)
    text = (
        f"Points and bars: mean and standard deviation of {_metric(study)} over {_counted(cases, study)}, by number "
        f"of {_target(study)} training patients. Each light point is a case."
    )
    lines = " and ".join(style.family_label(study, f) for f in references(study))
    text += _replicates(frames, study)
    return f"{text} Dotted: the mean of {lines}, trained on none of them." if lines else text


def _learning_curves(frames: Frames, study: Study) -> str:
    structure = next(iter(study.structures))
    curves, pairs = (
        t[(t["test_set"] == study.target) & (t["structure"] == structure)]
        for t in (frames["learning_curves"], frames["crossover"])
    )
    confidence = f"{study.statistics.confidence:.0%}"
    trainings = int(curves["replicates"].min())
    several = f"{trainings} trainings" if trainings > 1 else "one training"
    text = (
        f"Left: mean {_metric(study)} of {int(curves['patients'].max())} {_target(study)} test cases by "
        f"number of {_target(study)} training patients; each point is a training, {several} of each "
        f"family and size. Lines: monotone fits; bands: their {confidence} bootstrap intervals for "
        f"{RESAMPLED[curves['resampled'].iloc[0]]}; since all families are tested on the same patients, "
        "bands that overlap may still differ. Right: the n from which one family stays ahead of another, "
        f"with its {confidence} interval; filled: both sides of the crossover are beyond chance; hollow: "
        "they are not; arrow: beyond the sizes."
    )
    found = shown_pairs(pairs[pairs["verdict"] == CROSSES], study)
    told = [
        f"{style.family_label(study, r.overtakes)} over {style.family_label(study, r.ahead)} at "
        f"n = {r.n:.0f}" for r in found.itertuples()
    ]  # fmt: skip
    return f"{text} {'; '.join(told) or 'No crossover is beyond chance'}."


def _overlays(frames: Frames, study: Study) -> str:
    # these read images, for which the base has no package
    from crossover.analyses.figures.overlays import judge
    from crossover.analyses.figures.planes import BAR_MM

    chosen = study.overlays
    sized = [f for f in chosen.strategies if families(study)[f].sized]
    asked = sized[-1], max(chosen.sizes)
    if "metrics" in frames:
        rows = main_rows(frames["metrics"], study)
        asked = judge(rows[rows["cohort"] == study.target], study) or asked
    under = f"under {style.family_label(study, asked[0])} at n = {asked[1]}"
    shown = len(study.overlaid)
    each, mean, whole = "The", "", "the case's whole volume"
    if shown > 1:
        each, mean = "For each structure the", f", as a mean over the {shown} structures,"
        whole = "the structure in the case's whole volume"
    return (
        f"{each} slice with the largest manual area of one {_target(study)} test case "
        f"({chosen.channel}), not picked by eye: the case of median DSC{mean} {under}. Solid red: "
        f"manual; dashed blue: predicted; number: the DSC of {whole}; bar: {BAR_MM:.0f} mm."
    )


def _subgroups(frames: Frames, study: Study) -> str:
    names = [style.family_label(study, f) for f in compared(study)]
    text = (
        f"Points and bars: mean {_metric(study)} with its {study.statistics.confidence:.0%} confidence interval "
        f"({_method(study)}) on each test set, of {_counted(_cases(frames, study), study)}. Below: "
        "Tukey's honestly significant difference"
    )
    if references(study):
        against = " and ".join(style.family_label(study, f) for f in references(study))
        text += f"; * against {against} (band: its confidence interval)"
    if len(names) > 1:
        text += f"; # between {', '.join(names[:-1])} and {names[-1]}"
    text += f"; one mark p < {study.statistics.alpha:g}, two p < {STRONG:g}.{_replicates(frames, study)}"
    if _of_paper(frames, study):
        text += (
            f" Hollow: the means of {_of_paper(frames, study)}, of that paper's patients and at its "
            "corresponding training size."
        )
    return text


def _reliability(frames: Frames, study: Study) -> str:
    if study.radiomics is None:
        return ""
    icc, radiomics = frames["icc"], study.radiomics
    here = icc.loc[icc["test_set"] == study.target, "cases"]
    cases = int(here.max()) if len(here) else 0
    return (
        f"Points and bars: {radiomics.icc} with {study.statistics.confidence:.0%} confidence intervals of "
        f"{icc['feature'].nunique()} first-order features ({radiomics.channel}) between manual and "
        f"automatic contours of up to {cases} {_target(study)} test cases. Dashed: 0.5, 0.75 and "
        "0.9, the bounds of moderate, good and excellent reliability of Koo and Li (2016)."
    )


def _organs(frames: Frames, study: Study) -> str:
    rows = shown_rows(frames["metrics"], study)
    cases = len(rows.drop_duplicates(["cohort", "case"]))
    confidence, names = f"{study.statistics.confidence:.0%}", main_question(study)
    sized = " and ".join(style.family_label(study, f) for f in names if f not in references(study))
    text = (
        f"Points and bars: mean {_metric(study)} with its {confidence} confidence interval "
        f"({_method(study)}) over {cases} {_target(study)} test cases, each a light point; {sized} "
        f"trained on {study.sizes[-1]} "
        f"{_target(study)} patients. Right: {style.family_label(study, fine_tuned(study))} minus each other "
        f"model on the same cases, the mean difference with its {confidence} confidence interval "
        "(paired t) and the exact p of Wilcoxon's signed-rank test, uncorrected; grey where it is "
        f"{study.statistics.alpha:g} or more.{_replicates(frames, study)}"
    )
    if len(study.structures) > 1:
        text += f" Mean: of each case's {len(study.structures)} structures."
    if _of_paper(frames, study):
        text += f" Bars: the means of {_of_paper(frames, study)}, of that paper's patients."
    return text


def _sweep(frames: Frames, study: Study) -> str:
    target = frames["metrics"][frames["metrics"]["cohort"] == study.target]
    rows = swept_rows(target, study, dict.fromkeys(levels_of(study)))
    structures = swept(rows, study)
    cases = len(rows.drop_duplicates(["cohort", "case"]))
    named = ", ".join(study.structures[s].label for s in structures)
    text = (
        f"Left: mean {_metric(study)} of {cases} {_target(study)} test cases for each structure "
        f"({named}) by how much of the network is re-trained on {study.sizes[-1]} {_target(study)} "
        "patients, the least at the left, and the mean of each case's structures with its "
        f"{study.statistics.confidence:.0%} confidence interval over cases "
        f"({_method(study)}).{_replicates(frames, study)} "
        "Right: seconds for one training step"
    )
    return f"{text}{_machine(frames)}. Dotted: models that don't fine-tune."


def _times(frames: Frames, study: Study) -> str:
    text = (
        f"Left: time of a training, mean over the networks of each model{_networks(frames, study)}, and seconds "
        f"of one step{_machine(frames)}. Right: what fine-tuning saves against training from scratch, by its "
        "cause; left of 0 it cost more. Cheaper steps: no gradient and no update in the frozen "
        "layers."
    )
    if baseline(study) not in (None, fine_tuned(study)):
        text += " The training of the weights that fine-tuning starts from is not counted."
    return text


def _scheme(frames: Frames, study: Study) -> str:
    shown = plan(study)
    stages = sum(not stage.cell for stage in shown.stages.values())
    several = f" {study.splits.k_fold.k} folds" if study.folded else "all of its kind"
    text = (
        f"A box is a training on a cohort's training patients, in the cohort's colour, from the weights at "
        f"its left; a beginning that chains share is trained once. ×: how many trainings it stands for "
        f"({several.strip()}); {stages} in all"
    )
    if shown.selection:
        text += ", beside those that choose the network"
    return f"{text}. Every model is tested on the test patients of every cohort."


def _grid(frames: Frames, study: Study) -> str:
    cells = frames["cross_validation"]
    cohorts = " and ".join(study.cohorts[c].label for c in study.selected_on)
    text = (
        f"Mean ± SD over {cells['fold'].nunique()} folds of the validation DSC in per cent, trained on "
        f"{cohorts}: the bluer, the higher. Frame: the network selected for every chain."
    )
    counts = cells.groupby(["architecture", "encoder"])["fold"].nunique()
    if (counts < cells["fold"].nunique()).any():
        text += " Grey: a training of it failed, so that it was not chosen from."
    began = cells["initial"].dropna()
    if (began != study.network.initial.weights).any():
        asked = style.weights_label(study.network.initial.weights)
        text += f" †: began with random weights, since {asked}'s were not at hand."
    return text


def _gains(frames: Frames, study: Study) -> str:
    confidence = f"{study.statistics.confidence:.0%}"
    return (
        f"Mean difference in {_metric(study)} from the baseline of each target (grey bar: its mean), on the "
        f"same test cases ({_of_targets(frames, study)}), each case's score being its mean over the "
        "folds' models. Thick: the "
        f"{confidence} interval for other patients; thin: for other patients and other trainings. Hollow: "
        "between the two models of the best validation fold, as the paper reports. Right: the sources' field "
        "strengths."
    )


def _examples(frames: Frames, study: Study) -> str:
    from crossover.analyses.figures.planes import BAR_MM

    method = study.preparation.bias_field.method
    corrected = "after N4 correction; " if method != "none" else ""
    return (
        f"The slice with the largest manual area ({study.channels[0]}) of each target's test case of median "
        f"score under its best chain, not picked by eye. Left: as acquired, with the manual mask; {corrected}"
        "then the masks of the baseline and of the chain with the highest mean (named below it), each by its "
        f"model of the best validation fold. Number: the case's {_metric(study)}; bar: {BAR_MM:.0f} mm."
    )


def _replicates(frames: Frames, study: Study) -> str:
    """What is averaged, and what the small marks are; "" where there is one replicate."""
    of = study.splits.replicates
    if of.count < 2:
        return ""
    what = [
        f"{n} {name}" for n, name in ((of.draws, "draws"), (of.trainings, "trainings")) if n > 1
    ]
    return (
        f" A case's value is its mean over the replicates; small points: {of.count} replicates "
        f"({' of '.join(what[::-1])}), the mean of each."
    )


def _training_curves(frames: Frames, study: Study) -> str:
    text = (
        "Above: DSC on the validating patients at each check; below: the mean loss since the one before. A line is "
        "a training, its point the step whose weights were kept"
    )
    failed, planned = len(frames.get("failed", ())), len(plan(study).stages)
    text += f"; {planned - failed} trainings"
    return f"{text}. {failed} failed and have no line." if failed else f"{text}."


def _machine(frames: Frames) -> str:
    """ " (cpu, 1 thread)" of the trainings, where they agree."""
    times = frames.get("training_time", pd.DataFrame(columns=["device", "threads"]))
    kinds = times[["device", "threads"]].drop_duplicates()
    if len(kinds) != 1:
        return ""
    device, threads = kinds.iloc[0]
    return f" ({device}, {int(threads)} thread{'s' if threads > 1 else ''})"


def _networks(frames: Frames, study: Study) -> str:
    """ " (12 each)", " (1 to 12)": at the largest size."""
    times = frames.get("training_time", pd.DataFrame())
    if times.empty:
        return ""
    rows = times[
        times["n_train"].isin([0, study.sizes[-1]]) & times["family"].isin(main_question(study))
    ]
    counts = rows.groupby("family")["stage"].nunique()
    if counts.empty:
        return ""
    each = f"{counts.max()} each" if counts.nunique() == 1 else f"{counts.min()} to {counts.max()}"
    return f" ({each})"


def _of_targets(frames: Frames, study: Study) -> str:
    """ "Site A 6, Site B 6"."""
    counts = frames["gains"].groupby("target", sort=False)["cases"].max()
    return ", ".join(f"{style.test_set_label(study, name)} {n}" for name, n in counts.items())


def _of_paper(frames: Frames, study: Study) -> str:
    """ "Chen et al. 2023" where its numbers are shown."""
    if not study.paper or not len(frames.get("published", ())):
        return ""
    return f"{study.paper.authors.split(' ')[0]} et al. {study.paper.year}"


def _target(study: Study) -> str:
    return style.test_set_label(study, study.target)


def _metric(study: Study) -> str:
    return style.metric_label(study.statistics.metric)


def _method(study: Study) -> str:
    return method(study.statistics.metric)


def _cases(frames: Frames, study: Study) -> dict[str, int]:
    rows = frames["metrics"]
    rows = rows[rows["fold"].isna()]
    counts = rows.drop_duplicates(["cohort", "case"]).groupby("cohort").size()
    return {cohort: int(counts.get(cohort, 0)) for cohort in study.cohorts}


def _counted(cases: dict[str, int], study: Study) -> str:
    parts = ", ".join(f"{style.test_set_label(study, c)} {n}" for c, n in cases.items())
    return f"{sum(cases.values())} test cases ({parts})"
