"""From how many labelled cases one strategy is ahead of another, for the report."""

from typing import Any

import numpy as np
import pandas as pd

from crossover.analyses.figures import style
from crossover.analyses.figures.learning_curves import shown_pairs
from crossover.report.formats import quoted
from crossover.report.prose import statements
from crossover.report.results import Section, StudyResults, TableKind, titled_tables
from crossover.report.table_layout import across
from crossover.statistics.learning_curves.crossing import (
    CHANGES,
    CROSSES,
    NONE,
    interval_text,
    lacking,
    size_text,
    stays_ahead,
    whole_cases,
)
from crossover.study.families import baseline, families, fine_tuned, main_question
from crossover.study.schema import Study

TITLE = "Crossover: how many labelled cases?"
SPELT = 2
"""Pairs that can't be told, each in a sentence."""
FIRST = 4
"""Crossovers that the first page tells."""
IN_SHORT = {CROSSES: "crosses", CHANGES: "changes", NONE: "none"}


def crossover_section(results: StudyResults) -> Section:
    """Return the section of the crossover, also where there is none to locate: then it says so."""
    study, crossover = results.study, results.frame("crossover")
    if crossover.empty:
        return Section("crossover", TITLE, statements(study, "no_learning_curve"), part="results")
    here = _on_target(crossover, study)
    said = [*_lacking(here, study), *_each(here, study)]
    said += statements(study, "crossover", resampled=crossover["resampled"].iloc[0])
    tables = [TableKind("cases_needed", "cases_needed", cases_needed_layout)]
    details = [
        TableKind("crossovers", "crossover", crossovers_layout),
        TableKind("other_crossovers", "crossover", other_crossovers_layout),
    ]
    figure = "learning_curves" if len(results.frame("learning_curves")) else ""
    shown, closed = (titled_tables(results, kinds) for kinds in (tables, details))
    return Section("crossover", TITLE, said, shown, closed, figure, "results")


def _each(here: pd.DataFrame, study: Study) -> list[str]:
    """Return a sentence for each pair; of more than `SPELT` that can't be told one for all, as the table has them."""
    unclear = here["verdict"].isin([CROSSES, CHANGES, NONE]).eq(False)
    if unclear.sum() <= SPELT:
        return [statement(row, study) for row in here.to_dict("records")]
    said = [statement(row, study) for row in here[~unclear].to_dict("records")]
    return said + statements(study, "crossovers_open", left=int(unclear.sum()), pairs=len(here))


def crossovers_found(results: StudyResults) -> list[str]:
    """Return the first sentences of the main question's crossovers beyond chance, for how sure an answer is."""
    study, asked = results.study, main_question(results.study)
    crossover = results.frame("crossover", "test_set", "verdict", "ahead", "overtakes")
    here = crossover[crossover["test_set"].eq(study.target) & crossover["verdict"].isin([CROSSES, CHANGES])]
    here = here[here["ahead"].isin(asked) & here["overtakes"].isin(asked)]
    said = [statement(row, study) for row in here.to_dict("records")]
    left = len(said) - FIRST
    return said if left <= 0 else said[:FIRST] + statements(study, "crossovers_left", left=left)


def crossover_sentences(results: StudyResults) -> list[str]:
    """Return the sentences about the crossover for the first page.

    Those beyond chance, else what was found of fine-tuning and training from scratch, also against models off the
    shelf; and what can't be told.
    """
    study, crossover = results.study, results.frame("crossover")
    if crossover.empty:
        return statements(study, "no_learning_curve")
    here = _on_target(crossover, study)
    found, none = here[here["verdict"].isin([CROSSES, CHANGES])], here[here["verdict"] == NONE]
    asked = {baseline(study), fine_tuned(study)}
    main = [
        found.empty and ({r.ahead, r.overtakes} == asked or (r.off_the_shelf and r.overtakes in asked))
        for r in here.itertuples()
    ]
    shown = found if len(found) else here[main]
    lacks = _lacking(here, study)
    return lacks + statements(
        study, "crossovers_in_short", found=len(found), lacking=lacks,
        shown=[statement(row, study) for row in shown.to_dict("records")],
        uncrossed=[_of_structure(row, study) + _stays_ahead(row, study) for row in none.to_dict("records")],
        pairs=len(here), left=len(here) - len(found) - len(none),
    )  # fmt: skip


def statement(row: dict[str, Any], study: Study) -> str:
    """Return one pair's crossover in a sentence; where the study has several structures, after the row's."""
    ahead, overtakes = (quoted(style.family_label(study, row[k])) for k in ("ahead", "overtakes"))
    [said] = statements(
        study, "crossover_of_a_pair", verdict=IN_SHORT.get(row["verdict"], "open"), row=row,
        ahead=ahead, overtakes=overtakes, n=size_text(row["n"], row),
        ci=f"{row['confidence']:.0%} CI {interval_text(row)}", stays=_stays_ahead(row, study),
    )  # fmt: skip
    return _of_structure(row, study) + said


def _of_structure(row: dict[str, Any], study: Study) -> str:
    return f"{study.structures[row['structure']].label}: " if len(study.structures) > 1 else ""


def _lacking(rows: pd.DataFrame, study: Study) -> list[str]:
    """Return what all pairs lack before there can be a verdict."""
    lacks = {lacking(row) for row in rows.to_dict("records")}
    return statements(study, "crossover_lacking", lacking=max(lacks, key=len)) if lacks and all(lacks) else []


def _on_target(crossover: pd.DataFrame, study: Study) -> pd.DataFrame:
    return shown_pairs(crossover[crossover["test_set"] == study.target], study)


def _stays_ahead(row: dict[str, Any], study: Study) -> str:
    """Return who is ahead at each size where two curves don't cross; between sizes nothing was measured."""
    return " is ahead of ".join(quoted(style.family_label(study, family)) for family in stays_ahead(row)) + " at each"


def crossovers_layout(crossover: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return the rows of different strategies on the target's test cases."""
    return _pairs(_on_target(crossover, study)).drop(columns="test_set")


def other_crossovers_layout(crossover: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return the other test sets, and levels of one strategy against each other."""
    return _pairs(crossover.drop(index=_on_target(crossover, study).index))


def cases_needed_layout(needed: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return a row for each score (and structure), a column for each family: "13 (8 to 20)"."""
    order = list(families(study))
    rows = needed[needed["test_set"] == study.target]
    rows = rows.sort_values("family", key=lambda names: names.map(order.index), kind="stable")

    def cells(row: Any) -> dict[str, str]:
        n, low, high = (_cases(end, row) for end in (row.n, row.ci_low, row.ci_high))
        between = f" ({low if low == high else f'{low} to {high}'})"
        alone = n == low == high or np.isnan(row.ci_low)  # of one test case there is no interval
        return {style.family_label(study, row.family): n + ("" if alone else between)}

    out = across(rows, ["structure", "target"], cells)
    place = pd.Categorical(out["structure"], list(study.structures), ordered=True)
    out = out.assign(place=place).sort_values(["place", "target"]).drop(columns="place")
    scores = [f"{score:g}" for score in out["target"]]
    return out.assign(target=scores).rename(columns={"target": style.metric_label(study.statistics.metric)})


def _pairs(rows: pd.DataFrame) -> pd.DataFrame:
    records = rows.to_dict("records")
    numbers = {
        "n": [size_text(row["n"], row) for row in records], "CI": [interval_text(row) for row in records],
        "By power laws": ["" if pd.isna(row["n_power"]) else size_text(row["n_power"], row) for row in records],
        "patients": rows["patients"], "Draws of the subsets": rows["replicates"],
    }  # fmt: skip
    return rows[["test_set", "structure", "overtakes", "ahead", "verdict"]].assign(**numbers)


def _cases(n: float, row: Any) -> str:
    if n == 0:
        return f"≤ {row.n_smallest}"
    return f"> {row.n_largest}" if n == np.inf else whole_cases(n)
