"""From how many labelled cases one strategy is ahead of another, for the report."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from crossover.analyses.figures import style
from crossover.analyses.figures.learning_curves import shown_pairs
from crossover.report.layout import Table, table
from crossover.report.parts import Part, StudyResults, Titled, counted, listed
from crossover.statistics.crossing import CROSSES, NONE, number
from crossover.statistics.crossing import bounds as interval_of
from crossover.statistics.resampling import PATIENTS, REPLICATES, ROUGHNESS
from crossover.study.families import baseline, families, fine_tuned
from crossover.study.schema import Study

TITLE = "Crossover: how many labelled cases?"
HOW = (
    "n is where the difference of two monotone fits to the means turns its sign for good, on a straight line over "
    "log2 n between the sizes; nothing is extrapolated, so that an interval may end below the smallest or beyond the "
    "largest size. Assumed: no family gets worse with more cases, test patients are a sample of those asked about, "
    "and {luck}. Each pair is judged for itself, at {alpha:g}."
)
LUCK = {
    REPLICATES: "the trainings of each size are a sample of all that could be",
    ROUGHNESS: "how much a mean hangs on its one training is what the means stray from smooth curves",
    PATIENTS: "another training of the same size would give the same means, for nothing here tells otherwise",
}
NEEDED = (
    "Labelled cases from which the monotone fit stays at or above a value, with {confidence} interval for the same "
    "resamples; ≤ and >: at the smallest size already, and not at the largest."
)


def crossover_part(results: StudyResults) -> Part:
    """Also where there is nothing to locate: then it says so."""
    study = results.study
    crossover = results.frames.get("crossover", pd.DataFrame())
    if crossover.empty:
        return Part("crossover", TITLE, [nothing(study)])
    curves = results.frames.get("learning_curves", pd.DataFrame())
    here = shown_pairs(crossover[crossover["test_set"] == study.target], study)
    resampled = str(crossover["resampled"].iloc[0])
    how = HOW.format(luck=LUCK[resampled], alpha=study.statistics.alpha)
    rest = crossover.drop(index=here.index)
    return Part(
        "crossover",
        TITLE,
        [*(statement(row, study) for row in here.to_dict("records")), how],
        list(_tables(results, here)),
        [Titled(f"Other test sets and pairs ({len(rest)} rows)", "As above.",
                _pairs(rest, study, where=True), "crossover")] if len(rest) else [],
        "learning_curves" if len(curves) else "",
    )  # fmt: skip


def nothing(study: Study) -> str:
    """Why there is no crossover to locate."""
    if len(study.sizes) > 1:
        return "There is no table of learning curves, so that no crossover can be located."
    sizes = f"one training size, n = {study.sizes[0]}" if study.sizes else "no training sizes"
    return (
        f"This study has {sizes}: there is no learning curve, and its results can't tell from how many cases on "
        "one strategy overtakes another."
    )


def crossover_sentences(results: StudyResults) -> list[str]:
    """The crossover for the first page: those beyond chance, else of fine-tuning and training from scratch what
    was found; and what can't be told."""
    study = results.study
    crossover = results.frames.get("crossover", pd.DataFrame())
    if crossover.empty:
        return [nothing(study)]
    here = shown_pairs(crossover[crossover["test_set"] == study.target], study)
    found = here[here["verdict"] == CROSSES]
    out = [statement(row, study) for row in found.to_dict("records")]
    if found.empty:
        asked = {baseline(study), fine_tuned(study)}
        of_them = [{r["ahead"], r["overtakes"]} == asked for r in here.to_dict("records")]
        out.append("No crossover is beyond chance.")
        out += [statement(row, study) for row in here[of_them].to_dict("records")]
    none = here[here["verdict"] == NONE]
    if len(none):
        pairs = listed([_ahead(r, study) for r in none.to_dict("records")])
        out.append(f"There is none within the sizes of these pairs: {pairs}.")
    left = here[~here["verdict"].isin([CROSSES, NONE])]
    if len(left):
        of = "all" if len(left) == len(here) > 1 else f"{len(left)} of"
        out.append(f"For {of} {counted(len(here), 'pair')} of strategies these results can't tell.")
    return out


def statement(row: dict, study: Study) -> str:
    """One pair in a sentence."""
    ahead, overtakes = (style.family_label(study, row[k]) for k in ("ahead", "overtakes"))
    bounds = f"{row['confidence']:.0%} CI {interval_of(row)}"
    if row["verdict"] == CROSSES:
        return (
            f"{overtakes} overtakes {ahead} at n = {number(row['n'], row)} labelled cases ({bounds}); below, "
            f"{ahead} is ahead."
        )
    if row["verdict"] == NONE:
        sizes = f"from n = {row['n_smallest']} to {row['n_largest']}"
        return f"No crossover {sizes}: {_ahead(row, study)} (n: {bounds})."
    if np.isnan(row["n"]):
        return (
            f"Whether {overtakes} overtakes {ahead} can't be told: their means are the same here."
        )
    return f"Whether {overtakes} overtakes {ahead} can't be told: the estimate is {number(row['n'], row)} ({bounds})."


def _ahead(row: dict, study: Study) -> str:
    """Who stays ahead where two curves don't cross."""
    first, second = ("ahead", "overtakes") if row["ci_low"] == np.inf else ("overtakes", "ahead")
    return f"{style.family_label(study, row[first])} stays ahead of {style.family_label(study, row[second])}"


def _tables(results: StudyResults, here: pd.DataFrame) -> Iterator[Titled]:
    study = results.study
    note = (
        "The first gains on the second as n grows; n: from which it stays ahead. By power laws: the same of two "
        "fitted power laws, without an interval, for comparison."
    )
    where = style.test_set_label(study, study.target)
    yield Titled(f"Crossovers on {where} test cases", note, _pairs(here, study), "crossover")
    needed = results.frames.get("cases_needed", pd.DataFrame())
    needed = needed[needed["test_set"] == study.target] if len(needed) else needed
    if len(needed):
        note = NEEDED.format(confidence=f"{needed['confidence'].iloc[0]:.0%}")
        title = f"Cases needed for a {style.metric_label(study.statistics.metric)}"
        yield Titled(title, note, _needed(needed, study), "cases_needed")


def _pairs(rows: pd.DataFrame, study: Study, where: bool = False) -> Table:
    several = len(study.structures) > 1
    out = []
    for row in rows.to_dict("records"):
        pair = {"Overtakes": style.family_label(study, row["overtakes"]),
                "Was ahead": style.family_label(study, row["ahead"])}  # fmt: skip
        place = {"Test set": style.test_set_label(study, row["test_set"])} if where else {}
        place |= {"Structure": study.structures[row["structure"]].label} if several else {}
        by_power = "" if pd.isna(row["n_power"]) else number(row["n_power"], row)
        numbers = {"n": number(row["n"], row), "CI": interval_of(row), "By power laws": by_power,
                   "Patients": str(int(row["patients"])), "Trainings of each": str(int(row["replicates"]))}  # fmt: skip
        out.append(place | pair | {"Verdict": row["verdict"]} | numbers)
    frame = pd.DataFrame(out).fillna("")
    return table(frame.loc[:, [(frame[c] != "").any() for c in frame]], study)


def _needed(rows: pd.DataFrame, study: Study) -> Table:
    """A row for each DSC (and structure), a column for each family: "13 (8 to 20)"."""
    several = len(study.structures) > 1
    out: dict[tuple, dict[str, str]] = {}
    order = {name: i for i, name in enumerate(families(study))}
    for row in sorted(rows.to_dict("records"), key=lambda r: order[r["family"]]):
        key = (row["structure"], row["target"])
        place = {"Structure": study.structures[row["structure"]].label} if several else {}
        cells = out.setdefault(
            key, place | {style.metric_label(row["metric"]): f"{row['target']:g}"}
        )
        cases = _cases(row["n"], row)
        low, high = _cases(row["ci_low"], row), _cases(row["ci_high"], row)
        between = "" if low == high == cases else f" ({low if low == high else f'{low} to {high}'})"
        cells[style.family_label(study, row["family"])] = cases + between
    frame = pd.DataFrame([out[key] for key in sorted(out)]).fillna("")
    return table(frame, study)


def _cases(n: float, row: dict) -> str:
    """Cases are whole: 12.3 of them are 13."""
    if n == 0:
        return f"≤ {row['n_smallest']}"
    return f"> {row['n_largest']}" if n == np.inf else f"{np.ceil(n):.0f}"
