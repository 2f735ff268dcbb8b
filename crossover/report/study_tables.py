"""Which tables a study's page has, whatever the study compares: each stands where the run has what it shows."""

from functools import partial

from crossover.report import chain_tables as chains
from crossover.report import score_tables as scores
from crossover.report.results import StudyResults, TableKind, TitledTable, titled_tables


def open_tables(results: StudyResults) -> list[TitledTable]:
    """Those that stand open."""
    return titled_tables(results, [
        TableKind("patients", "patients", scores.patients_layout),
        TableKind("patients_of_the_paper", "table1_published", lambda printed, _: printed),
        TableKind("cohorts", "cohorts", chains.cohorts_layout),
        TableKind("scores", "scores", scores.scores_layout),
        TableKind("structures", "structures", scores.models_layout),
        TableKind("differences", "structures", scores.p_values_layout),
        TableKind("training_time", "training_time_saved", scores.times_layout),
        TableKind("prediction_time", "prediction_time", scores.prediction_time_layout),
        TableKind("networks", "networks", chains.networks_layout),
        *(TableKind("sources", "sources", chains.sources_layout, m) for m in chains.scored(results.study)),
        TableKind("stated_gains", "gains", lambda *_: chains.stated_gains(results)),
        TableKind("stability", "" if "chains" in results.frames else "stability", scores.folds_layout),
    ])  # fmt: skip


def details(results: StudyResults) -> list[TitledTable]:
    """The long ones that open on a click."""
    metric = results.study.statistics.metric
    chained = "chains" in results.frames
    metrics = list(dict.fromkeys([metric, "dsc"]))
    whole_volumes = [m for m in metrics if m not in chains.scored(results.study)]
    return titled_tables(results, [
        TableKind("missing", "missing", scores.missing_layout),
        TableKind("failures", "summary", scores.failures_layout, "dsc"),
        TableKind("ranking", "ranking", scores.ranking_layout, metric),
        TableKind("anova", "anova", lambda rows, _: rows.drop(columns="n_train")),
        TableKind("tukey", "tukey", lambda rows, _: rows.drop(columns="n_train")),
        TableKind("paired_comparisons", "paired", scores.comparisons_layout),
        *(TableKind("sources", "sources", chains.sources_layout, m) for m in whole_volumes),
        *(TableKind("gains", "gains", chains.gains_layout, m) for m in metrics),
        *(TableKind("attribute", "attributes", partial(chains.attribute_layout, a), metric, about=a)
          for a in results.study.attributes),
        TableKind("every_cohort", "summary" if chained else "", chains.every_cohort_layout),
        TableKind("validation", "validation", chains.validation_layout),
        TableKind("stability", "stability" if chained else "", chains.own_folds_layout),
    ])  # fmt: skip
