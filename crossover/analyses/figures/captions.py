"""Parts of captions that figures share; each takes the tables of a run by name."""

import pandas as pd

from crossover.analyses.analysis import Frames
from crossover.analyses.figures import style
from crossover.core.wording import counted
from crossover.statistics.estimates.chance import METHODS
from crossover.statistics.scores import missing, scales
from crossover.statistics.scores.patients import averaged_over, patients_of
from crossover.study.families import replicates_of
from crossover.study.schema import Study


def target(study: Study) -> str:
    """Return the label of the target cohort."""
    return style.test_set_label(study, study.target)


def metric(study: Study) -> str:
    """Return the label of the study's metric."""
    return style.metric_label(study.statistics.metric)


def metric_with(study: Study, drawn: str) -> str:
    """Return the label of the study's metric with what is drawn of it, in one pair of brackets: "HD95 (mm; mean)"."""
    label = metric(study)
    return f"{label[:-1]}; {drawn})" if label.endswith(")") else f"{label} ({drawn})"


def metric_of_differences(study: Study) -> str:
    """Return the label of the study's metric in an axis of differences: their unit in a second line, if it lacks it."""
    as_shown = scales.shown(study.statistics.metric)
    return metric(study) + (f"\n({as_shown.of_differences})" if as_shown.per_cent else "")


def better(study: Study) -> str:
    """Return a sentence that differences below 0 are for the better; "" where those above 0 are."""
    return "" if scales.direction(study.statistics.metric) > 0 else " Below 0 is better."


def interval_method(study: Study) -> str:
    """Return words for how confidence intervals of the study's metric are computed."""
    return scales.method(study.statistics.metric)


def interval_scope(tests: pd.DataFrame) -> str:
    """Return what the intervals of `differences.paired` and its kin hold for: other patients, or other trainings too.

    Args:
        tests: a table with the column `about`, which says this of each row.
    """
    about = set(tests.get("about", pd.Series(dtype=str)).dropna()) - {""}
    if about == {METHODS}:
        return "for other patients and other trainings"
    trained = "other patients alone, so of these trained models"
    return f"for {trained}" if METHODS not in about else f"for other trainings too, or for {trained}"


def unit(frames: Frames) -> str:
    """Return what is counted of test sets: "test patient" where a patient has several cases, else "test case"."""
    metrics = frames.get("metrics")
    known = metrics is not None and {"cohort", "case"} <= set(metrics)
    return "test patient" if known and averaged_over(metrics) is not None else "test case"


def number_of(counts: pd.Series, frames: Frames, study: Study) -> str:
    """Return words for a number of test cases: "12 test cases (Tumour 3)", where only 3 of them have a tumour.

    Args:
        counts: of each structure.
    """
    own = {name: int(counts[name]) for name in study.structures if name in counts}
    most = max(own.values(), default=0)
    fewer = ", ".join(f"{study.structures[name].label} {n}" for name, n in own.items() if n < most)
    return counted(most, unit(frames)) + (f" ({fewer})" if fewer else "")


def scored(rows: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return the cohort, structure and patient of rows of `missing.without_absent` that have a score."""
    of = [metric for metric in dict.fromkeys((study.statistics.metric, "dsc")) if metric in rows]
    rows = rows.assign(patient=patients_of(rows))[rows[of].notna().any(axis=1)]
    return rows[["cohort", "structure", "patient"]].drop_duplicates()


def counts_of(rows: pd.DataFrame, study: Study) -> pd.Series:
    """Return the number of patients of each structure with a score, of rows of `missing.without_absent`."""
    return scored(rows, study).groupby("structure").size()


def scope_of_means(frames: Frames, study: Study) -> str:
    """Return what the intervals of means in `summary` hold for (`interval_scope`)."""
    rows = frames.get("summary", pd.DataFrame(columns=["metric"]))
    return interval_scope(rows[rows["metric"] == study.statistics.metric])


def left_out(frames: Frames, study: Study) -> list[str]:
    """Return a sentence for each cohort of which patients were left out: how many, and why."""
    left, splits, out = frames.get("left_out"), frames.get("splits"), []
    if left is None or splits is None:
        return []
    for cohort, rows in left.groupby("cohort", sort=False):
        total = splits.loc[splits["cohort"] == cohort, "patient"].nunique() + len(rows)
        reasons = rows["why"].value_counts()
        counts = [f", {counted(n, 'patient')}" if len(reasons) > 1 else "" for n in reasons]
        why = "; ".join(reason + count for reason, count in zip(reasons.index, counts, strict=True))
        verb = "is" if len(rows) == 1 else "are"
        out.append(f"{len(rows)} of {total} patients of {study.cohorts[cohort].label} {verb} left out: {why}.")
    return out


def warned(frames: Frames, study: Study) -> list[str]:
    """Return a sentence for each cohort of how many of its cases are used although their ingest warns, and of what."""
    rows, out = frames.get("warned"), list[str]()
    if rows is None:
        return out
    for cohort, own in rows.groupby("cohort", sort=False):
        codes = ", ".join(f"{code} ({n})" for code, n in own["code"].value_counts().sort_index().items())
        some, label = own["case"].nunique(), study.cohorts[cohort].label
        used = f"{counted(some, 'case')} of {label} {'is' if some == 1 else 'are'} used with a warning: {codes}."
        out.append(f"{used} data/cases/{cohort}/ingest.txt names {'it' if some == 1 else 'them'}.")
    return out


def test_cases_text(frames: Frames, study: Study) -> str:
    """Return words for the number of test cases: "80 test cases (Cervix 16, Uterus 64; Tumour: Cervix 10, Uterus 60)".

    A structure that some of them lack has numbers of its own.
    """
    rows = scored(missing.without_absent(replicates_of(frames["metrics"], study)), study)
    each = rows.groupby("structure").apply(_by_cohort, study, include_groups=False)
    whole = _by_cohort(rows.drop_duplicates(["cohort", "patient"]), study)
    own = [f"{study.structures[s].label}: {each[s]}" for s in study.structures if s in each and each[s] != whole]
    count = counted(len(rows.drop_duplicates(["cohort", "patient"])), unit(frames))
    return f"{count} ({'; '.join([whole, *own])})"


def _by_cohort(rows: pd.DataFrame, study: Study) -> str:
    counts = rows.groupby("cohort").size()
    return ", ".join(f"{style.test_set_label(study, c)} {counts[c]}" for c in study.cohorts if c in counts)


def endless(frames: Frames, study: Study) -> str:
    """Return a sentence that counts the scores that no figure shows, infinite distances; "" where there are none."""
    count = missing.endless(replicates_of(frames["metrics"], study), study.statistics.metric)
    verb = "is" if count == 1 else "are"
    return (
        f" {counted(count, 'infinite value')}, caused by empty masks, {verb} not included in points and means."
        if count
        else ""
    )


def replicates(frames: Frames, study: Study) -> str:
    """Return a sentence that says what is averaged and what the small marks are; "" where there is one replicate."""
    of, folds = study.splits.replicates, study.splits.k_fold.k if study.folded else 1
    if of.count * folds < 2:
        return ""
    named = ((of.draws, "draws"), (of.trainings, "trainings"), (folds, "folds"))
    what = [f"{n} {name}" for n, name in named if n > 1]
    return (
        f" A case's value is its mean over the replicates; small points: the mean of each of "
        f"{of.count * folds} replicates ({' of '.join(what[::-1])})."
    )


def best_run(study: Study) -> str:
    """Return words for the model of a family that validated best: "validation fold, which the paper reports"."""
    which = "validation fold" if study.folded else "validation score"
    return f"{which}, which the paper reports" if study.paper else which


def machine(frames: Frames) -> str:
    """Return the device of the trainings, as " (cpu, 1 thread)"; "" where they differ or none is known."""
    times = frames.get("training_time", pd.DataFrame(columns=["device", "threads"]))
    kinds = times[["device", "threads"]].drop_duplicates()
    if len(kinds) != 1:
        return ""
    device, threads = kinds.iloc[0]
    return f" ({device}, {int(threads)} thread{'s' if threads > 1 else ''})"


def citation(frames: Frames, study: Study) -> str:
    """Return a short citation, as "Chen et al. 2023", where the paper's numbers are shown, else ""."""
    if not study.paper or not len(frames.get("published", ())):
        return ""
    return f"{study.paper.authors.split(' ')[0]} et al. {study.paper.year}"
