"""Tables of patients, scores, tests on the same cases, training times and folds, as text."""

from collections.abc import Callable
from typing import Any

import pandas as pd

from crossover.analyses.figures import style
from crossover.report.formats import duration, interval, number, p_value, rank, share, spread, whole
from crossover.report.table_layout import across
from crossover.statistics.differences.ranking import all_equal
from crossover.statistics.papers.published import Published
from crossover.statistics.scores.metrics_table import POOLED
from crossover.study.families import baseline, families, fine_tuned, in_study_order
from crossover.study.schema import Study


def table_one_published(published: Published) -> pd.DataFrame:
    """Return the paper's Table 1 in the layout of `patients_layout`; empty where it has none."""
    printed = published.table_one
    parts = ("training", "testing")
    rows: list[dict[str, str]] = []
    for measured in printed.continuous if printed else []:
        cells = {part: "{:.2f} ({:.2f})".format(*getattr(measured, part)) for part in parts}
        rows.append({"Variable": measured.variable, **cells, "p value": p_value(measured.p)})
    for counted in printed.categorical if printed else []:
        rows.append({"Variable": counted.variable, "p value": p_value(counted.p)})
        for name, counts in counted.categories.items():
            cells = {part: "{:.0f} ({:.1f})".format(*getattr(counts, part)) for part in parts}
            rows.append({"Variable": f"  {name}", **cells})
    return pd.DataFrame(rows, columns=["Variable", *parts, "p value"]).fillna("")


def patients_layout(patients: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return the text of `scores.table_one.table_one`: Variable, one column for each part, p value.

    A continuous variable is one row, "52.14 (11.15)"; a categorical one is a row with its p value
    and one for each category, "207 (80.9)".
    """
    lines: dict[tuple[str, str], dict[str, str]] = {}
    for row in patients.to_dict("records"):
        name, category = row["variable"], "" if pd.isna(row["category"]) else row["category"]
        head = {"Variable": str(name).replace("_", " ").capitalize(), "p value": p_value(row["p"])}
        lines.setdefault((name, ""), head)
        line = lines.setdefault((name, category), {"Variable": f"  {category}"})
        counted = f"{row['count']:.0f} ({row['percent']:.1f})"
        line[row["part"]] = counted if category else f"{row['mean']:.2f} ({row['sd']:.2f})"
    columns = ["Variable", *patients["part"].unique(), "p value"]
    return pd.DataFrame(list(lines.values()), columns=columns).fillna("")


def scores_layout(scores: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return the text of `analyses.tables.scores`: a row for each structure, model and training data.

    For each test set "Uterus (n = 64)" with "0.62 (0.58, 0.66)", and beside it "Uterus, published"; where
    there are several replicates, "Uterus, SD of 3 replicates".
    """
    sets = scores.groupby("test_set_label")
    cases, replicates = sets["cases"].max(), sets["replicates"].max()

    def cells(row: Any) -> dict[str, str]:
        label = row.test_set_label
        theirs = (row.published_mean, row.published_ci_low, row.published_ci_high)
        line = {f"{label} (n = {cases[label]:.0f})": interval(row.mean, row.ci_low, row.ci_high),
                f"{label}, published": interval(*theirs)}  # fmt: skip
        several = f"{label}, SD of {replicates[label]:.0f} replicates"
        return line | ({several: number(row.sd_replicates)} if replicates[label] > 1 else {})

    out = across(scores, ["structure", "model_label", "training"], cells)
    return out.rename(columns={"training": "Training data"})


def models_layout(structures: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return the scores of `analyses.tables.structures`: structures down, models across, ours and the paper's.

    "0.89 ± 0.02"; where there are several replicates "; replicates ± 0.01" after it, the SD of their means.
    """

    def cells(row: Any) -> dict[str, str]:
        among = f"; replicates ± {number(row.sd_replicates)}" if row.replicates > 1 else ""
        head, theirs = (
            style.family_label(study, row.a),
            spread(row.published_mean, row.published_sd),
        )
        return {head: spread(row.mean, row.sd) + among, f"{head}, published": theirs}

    return _by_structure(structures, "model", cells)


def p_values_layout(structures: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return the tests of `analyses.tables.structures` as "0.005 (0.002)": the asymptotic and the exact p."""

    def cells(row: Any) -> dict[str, str]:
        head, ours = versus(study, row.a, row.b), p_value(row.p_wilcoxon_asymptotic)
        exact = f" ({p_value(row.p_wilcoxon_exact)})" if ours else ""
        return {head: ours + exact, f"{head}, published": p_value(row.published_p)}

    return _by_structure(structures, "comparison", cells)


def comparisons_layout(paired: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return the columns of `differences.paired.paired` that the report shows, on the target's test cases."""
    rows = paired[paired["test_set"] == study.target].rename(columns={"statistic": "W"})
    names = ["n_train", "structure", "family_a", "family_b", "cases", "difference", "ci_low", "ci_high", "p",
             "about", "p_holm", "W", "p_wilcoxon_asymptotic", "p_wilcoxon_exact", "p_t", "rank_biserial", "cohen_dz",
             "p_westfall_young"]  # fmt: skip
    return rows[names if rows["n_train"].nunique() > 1 else names[1:]]


def times_layout(savings: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return as text `scores.training_time.savings` for the main fine-tuned family, at the largest size.

    Columns: Structure, the time from scratch and fine-tuned, what was saved, by cheaper steps and by
    anything else, and the time of the weights that fine-tuning starts from. Empty without savings.
    """
    family, scratch = fine_tuned(study), baseline(study)
    if scratch is None:
        return pd.DataFrame()
    rows = savings[(savings["family"] == family) & (savings["n_train"] == study.sizes[-1])]
    rows = rows[rows["replicate"] == 0].set_index("structure", drop=False)
    rows = rows.loc[[s for s in [*study.structures, POOLED] if s in rows.index]]
    of = len(study.structures)
    saved = rows["saved_percent"] > 0  # what nothing was saved of has no shares
    together = {count: f"{count} of {of} together" for count in range(1, of)} | {of: "All together"}
    return pd.DataFrame({
        "Structure": [together[r.structures] if r.structure == POOLED else study.structures[r.structure].label
                      for r in rows.itertuples()],
        strategy_label(study, scratch): rows["seconds_scratch"].map(duration),
        strategy_label(study, family): rows["seconds"].map(duration),
        "Saved": rows["saved_percent"].map(share),
        "of it by cheaper steps": rows["cheaper_steps_percent"].where(saved).map(share),
        "by anything else": rows["anything_else_percent"].where(saved).map(share),
        "Started from, not counted": rows["source_s"].map(duration),
    })  # fmt: skip


def prediction_time_layout(times: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return as text `analyses.tables.prediction_time`, a row for each model."""
    return pd.DataFrame(
        {
            "Model": [style.family_label(study, family) for family in times["family"]],
            "Trained": times["models"].map(whole),
            "Slices": times["slices"].map(whole),
            "Seconds a slice": [number(s, 3) for s in times["seconds_per_slice"]],
            "Fastest": [number(s, 3) for s in times["fastest"]],
            "Slowest": [number(s, 3) for s in times["slowest"]],
        }
    )


def folds_layout(stability: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return the folds of a family side by side, mean (SD), with F and p over them.

    With the cohort where several are tested on.
    """
    keys = ["family", "structure", "cohort"]

    def cells(row: Any) -> dict[str, str]:
        about = f" ({number(row.sd)})" if pd.notna(row.sd) else ""
        return {f"Fold {int(row.fold) + 1}": number(row.mean) + about}

    out, first = across(stability, keys, cells), stability.drop_duplicates(keys)
    out = out.assign(F=first["F"].to_numpy(), p=first["p"].to_numpy())
    return out if stability["cohort"].nunique() > 1 else out.drop(columns="cohort")


def missing_layout(missing: pd.DataFrame, _: Study) -> pd.DataFrame:
    """Return the models that lack predictions, with the names of the cases."""
    return missing[missing["missing"] > 0].rename(columns={"named": "which"})


def failures_layout(summary: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return the share of failed predictions of each model on each test set; no rows where nothing failed."""
    if "failures" not in summary or not summary["failures"].gt(0).any():
        return summary.iloc[:0]
    sized = summary["n_train"].nunique() > 1

    def cells(row: Any) -> dict[str, str]:
        return {f"n = {row.n_train}" if sized and row.n_train else "Failed": share(100 * row.failures)}

    rows = summary[(summary["test_set"] != POOLED) & summary["failures"].notna()]
    rows = rows[rows.groupby(["test_set", "structure", "family"])["failures"].transform("max") > 0]
    return across(rows, ["test_set", "structure", "family"], cells)


def ranking_layout(ranking: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return the ranks on each test set of the models of the largest size and of those without one, the best first."""
    rows = ranking[ranking["n_train"] == ranking["n_train"].max()]
    rows = rows[rows["test_set"] != POOLED].sort_values("rank", kind="stable")
    rows = in_study_order(rows, study)
    tied = all_equal(rows)
    ends = rows[["tau", "tau_low", "tau_high"]].itertuples(index=False)
    return pd.DataFrame({
        "test_set": rows["test_set"], "structure": rows["structure"], "family": rows["family"],
        "Rank": [rank(row, equal) for row, equal in zip(rows.itertuples(), tied, strict=True)],
        "First": ["" if equal else share(100 * first) for first, equal in zip(rows["first"], tied, strict=True)],
        "Kendall's tau": [interval(*row) for row in ends],
    })  # fmt: skip


def versus(study: Study, a: str, b: str) -> str:
    """Return "ST vs. T": the main question has one level of each strategy."""
    return f"{strategy_label(study, a)} vs. {strategy_label(study, b)}"


def strategy_label(study: Study, family: str) -> str:
    """Return the label of a family's strategy, without its level."""
    return study.strategies[families(study)[family].strategy].label


def _by_structure(structures: pd.DataFrame, kind: str, cells: Callable[[Any], dict[str, str]]) -> pd.DataFrame:
    out = across(structures[structures["kind"] == kind], ["n_train", "structure"], cells)
    return out.drop(columns="n_train") if structures["n_train"].nunique() < 2 else out
