"""Which tables a study's page has, whatever the study compares: each stands where the run has what it shows.

A table that is shown as its analysis writes it has its title, text and place in that analysis' module. Listed here are
those of which a page shows something else: chosen rows or columns, text in other cells, or several tables of one frame.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from crossover.analyses import registry
from crossover.analyses.analysis import Part
from crossover.analyses.figures import captions
from crossover.report import chain_tables as chains
from crossover.report import score_tables as scores
from crossover.report.results import StudyResults, TableKind, TitledTable, titled_tables
from crossover.report.table_layout import table


def of_page(results: StudyResults) -> dict[str, list[TitledTable]]:
    """Return the tables of each part of a study's page: those listed below, then those that analyses declare."""
    listed: dict[Part, list[TitledTable]] = {
        "results": of_results(results), "paper": of_paper(results), "appendix": of_appendix(results),
    }  # fmt: skip
    return {part: [*own, *_declared(results, part)] for part, own in listed.items()}


def of_results(results: StudyResults) -> list[TitledTable]:
    """Return the tables that answer the study's question, beside the paper's numbers."""
    counts = results.frame("structures", "structure", "cases").groupby("structure")["cases"].max()
    tested = captions.number_of(counts, results.frames, results.study)
    scope = captions.scope_of_means(results.frames, results.study)
    return titled_tables(results, [
        TableKind("scores", "scores", scores.scores_layout, about=scope),
        TableKind("structures", "structures", scores.models_layout, about=tested),
        TableKind("sources", "sources", chains.sources_layout, results.study.statistics.metric),
    ])  # fmt: skip


def of_paper(results: StudyResults) -> list[TitledTable]:
    """Return the tables that hold what the paper states against this run."""
    stated = results.frame("published_gains", "metric")["metric"].tolist()
    return titled_tables(results, [
        TableKind("stated_gains", "gains", lambda *_: chains.stated_gains(results), about=stated),
    ])  # fmt: skip


def of_appendix(results: StudyResults) -> list[TitledTable]:
    """Return the tables of the appendix: who was trained and tested, times, networks, and tests in full."""
    metric = results.study.statistics.metric
    chained = "chains" in results.frames
    metrics = list(dict.fromkeys([metric, "dsc"]))
    other_scores = dict.fromkeys(m for m in [*chains.scored(results.study), *metrics] if m != metric)
    return titled_tables(results, [
        TableKind("patients", "patients", scores.patients_layout),
        TableKind("patients_of_the_paper", "table1_published", lambda printed, _: printed),
        TableKind("cohorts", "cohorts", chains.cohorts_layout),
        TableKind("networks", "networks", chains.networks_layout),
        TableKind("training_time", "training_time_saved", scores.times_layout),
        TableKind("prediction_time", "prediction_time", scores.prediction_time_layout),
        TableKind("stability", "" if chained else "stability", scores.folds_layout),
        TableKind("missing", "missing", scores.missing_layout),
        TableKind("failures", "summary", scores.failures_layout, "dsc"),
        TableKind("ranking", "ranking", scores.ranking_layout, metric),
        TableKind("differences", "structures", scores.p_values_layout),
        TableKind("anova", "anova", lambda rows, _: rows.drop(columns="n_train")),
        TableKind("tukey", "tukey", lambda rows, _: rows.drop(columns="n_train")),
        TableKind("paired_comparisons", "paired", scores.comparisons_layout),
        *(TableKind("sources", "sources", chains.sources_layout, m) for m in other_scores),
        *(TableKind("gains", "gains", chains.gains_layout, m) for m in metrics),
        *(TableKind("attribute", "attributes", partial(chains.attribute_layout, a), metric, about=a)
          for a in results.study.attributes),
        TableKind("every_cohort", "summary" if chained else "", chains.every_cohort_layout),
        TableKind("validation", "validation", chains.validation_layout),
        TableKind("stability", "stability" if chained else "", chains.own_folds_layout),
    ])  # fmt: skip


def _declared(results: StudyResults, part: Part) -> Iterator[TitledTable]:
    """Yield the tables that analyses place in this part by a title, in the order that they declare."""
    study = results.study
    for analysis in registry.of_study(study, "statistics", "tables"):
        said, name = analysis.declared, Path(analysis.outputs[0]).stem
        place = "appendix" if said.part == "paper" and study.paper is None else said.part
        if said.title and place == part and len(rows := results.frame(name)):
            note = analysis.module().caption(results.frames, study)
            yield TitledTable(said.title, note, table(rows, study), name)
