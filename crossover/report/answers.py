"""What the tables of a study say of its question: facts from the tables, sentences from `prose.j2`."""

from collections.abc import Iterator
from types import MappingProxyType

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from crossover.analyses.analysis import Frames
from crossover.analyses.figures import style
from crossover.analyses.figures.captions import best_run, interval_scope, number_of
from crossover.report.best_by_size import AnswerTable, Cell
from crossover.report.chain_tables import NOT_SUPPORTED, SUPPORTED, judged, kinds_layout, of_attribute, of_metric
from crossover.report.formats import interval, number, p_value, points, quoted
from crossover.report.prose import statements
from crossover.report.results import Answer, StudyResults
from crossover.report.score_tables import strategy_label
from crossover.report.table_layout import table
from crossover.statistics.differences.paired import holm
from crossover.statistics.scores.metrics_table import POOLED
from crossover.statistics.scores.scales import direction
from crossover.study.chains import (
    ALL_DATA,
    BASELINE,
    CONTROL,
    COUNTED,
    ONE_SOURCE,
    THRICE,
    TWICE,
    TWO_SOURCES,
)
from crossover.study.families import (
    baseline,
    families,
    main_question,
    main_rows,
    pairs_of,
    references,
)
from crossover.study.schema import Study

TESTS = {
    "p": "means",
    "p_holm": "means, Holm",
    "p_wilcoxon_asymptotic": "signed rank, asymptotic",
    "p_wilcoxon_exact": "signed rank, exact",
    "p_westfall_young": "Westfall-Young",
}
KINDS = {
    (
        ONE_SOURCE,
        TWICE,
    ): "One source before the target instead of as many trainings on the target alone",
    (
        TWO_SOURCES,
        THRICE,
    ): "Two sources before the target instead of as many trainings on the target alone",
    (TWO_SOURCES, ONE_SOURCE): "Two sources instead of one",
    (ALL_DATA, BASELINE): "All data together instead of the target's alone",
    (ALL_DATA, ONE_SOURCE): "All data together instead of one source before the target",
}
OF_CONTROL = (CONTROL, BASELINE)
CI = ("ci_low", "ci_high", "ci_wide_low", "ci_wide_high")
BETTER, WORSE = style.OKABE_ITO[:2]


def answers(results: StudyResults) -> Iterator[Answer]:
    """Return what each kind of comparison that the study has says: of scores, of pairs on the same cases, of chains."""
    study, frames = results.study, results.frames
    if {"summary", "pairwise"} <= frames.keys():
        for structure in study.structures:
            yield from_scores(frames["summary"], frames["pairwise"], study, structure)
    structures = results.frame("structures")
    if "paired" in frames and len(structures):
        yield from_pairs(structures, frames["paired"], results.frame("training_time_saved"), study, frames)
    if {"chains", "gains", "contrasts"} <= frames.keys() and len(frames["chains"]):
        yield from_chains(results)


def from_scores(summary: pd.DataFrame, pairwise: pd.DataFrame, study: Study, structure: str) -> Answer:
    """Compare each strategy with training from scratch at each size, by the tests behind the answer; and references.

    The table has for each size the families with the best mean on the target's test cases, and the p of the first.

    Args:
        pairwise: of `differences.repeated.pairwise`.
    """
    metric, scratch = study.statistics.metric, baseline(study)
    best_mean = "Highest mean" if direction(metric) > 0 else "Lowest mean"
    rows = main_rows(summary, study)
    rows = rows[rows["metric"].eq(metric) & rows["structure"].eq(structure)]
    here = rows[rows["test_set"] == study.target].set_index(["family", "n_train"])
    tests = pairwise[pairwise["test_set"].eq(study.target) & pairwise["structure"].eq(structure)]
    p_of = {(row.n_train, frozenset((row.family_a, row.family_b))): row.p for row in tests.itertuples()}

    asked = [f for f in main_question(study) if families(study)[f].sized]
    sides: dict[str, dict[str, list[int]]] = {}
    lines = []
    for n in study.sizes:
        at = here.index.get_level_values("n_train")
        sized = here[at == n].droplevel("n_train")
        if sized.empty:
            continue
        every = here[(at == n) | (at == 0)].droplevel("n_train")
        best, score = (direction(metric) * every["mean"]).idxmax(), style.metric_label(metric)
        equal = [style.family_label(study, f) for f in every.index[every["mean"].eq(every.at[best, "mean"])]]
        none = len(equal) == len(every) > 1
        line = {"n": str(n), best_mean: "all equal" if none else ", ".join(equal)}
        line[f"{score} (CI)"] = _mean(every.loc[best])
        if scratch is not None and scratch in sized.index:
            label = style.family_label(study, scratch)
            line[f"{label}, {score} (CI)"] = _mean(sized.loc[scratch])
            line[f"p against {label}"] = "" if none else p_value(p_of.get((n, frozenset((best, scratch)))))
            for family in sized.index.intersection(asked).difference([scratch]):
                p = p_of.get((n, frozenset((family, scratch))), np.nan)
                higher = sized.at[family, "mean"] > sized.at[scratch, "mean"]
                side = "level" if p >= study.statistics.alpha else "higher" if higher else "lower"
                if pd.notna(p):  # of one test case there is no test
                    sides.setdefault(family, {}).setdefault(side, []).append(n)
        lines.append(line)
    said = statements(
        study, "against_scratch", structure=study.structures[structure].label,
        scratch=scratch and quoted(style.family_label(study, scratch)),
        compared=[(quoted(style.family_label(study, f)), sides[f]) for f in asked if f in sides],
        at_home=list(_at_home(rows, study)), scope=interval_scope(rows),
    )  # fmt: skip
    label = study.structures[structure].label
    return Answer(label, said, table(pd.DataFrame(lines).fillna(""), study))


def from_pairs(
    structures: pd.DataFrame,
    paired: pd.DataFrame,
    savings: pd.DataFrame,
    study: Study,
    frames: Frames = MappingProxyType({}),
) -> Answer:
    """Compare the main question's models in pairs on the same cases, at the largest size; tell the time saved.

    Args:
        structures: of `analyses.tables.structures`.
        frames: of which `metrics` tell whether patients have several cases.

    The table has for each pair and size in how many structures the first is better, and how many p < alpha; of
    one structure its difference and p values instead of the counts.
    """
    largest, single = study.sizes[-1], len(study.structures) == 1
    models = structures[structures["kind"].eq("model") & structures["n_train"].eq(largest)]
    models = models[models["structure"].eq(POOLED) | single]
    tested = number_of(structures.groupby("structure")["cases"].max(), frames, study)
    tests = structures[structures["kind"].eq("comparison") & structures["structure"].ne(POOLED)]

    def labels(*families: str) -> list[str]:
        return [strategy_label(study, family) for family in families]

    pairs, lines, sign = [], [], direction(study.statistics.metric)
    better_mean = "Higher mean" if sign > 0 else "Lower mean"
    for a, b in pairs_of(study):
        for n, own in tests[tests["a"].eq(a) & tests["b"].eq(b)].groupby("n_train", sort=False):
            found, (first, *_) = _tests(own, study), own.to_dict("records")
            difference = interval(first["difference"], first["ci_low"], first["ci_high"])
            if n == largest:
                ours = [f"{found[t]} ({t})" for t in TESTS.values() if found[t]]
                pairs.append((*map(quoted, labels(a, b)), own, difference, ours))
            line = {"n": str(n), "Models": " vs. ".join(labels(a, b))}
            line |= {"Difference (CI)": difference} if single else {
                "Structures": str(len(own)), better_mean: str((sign * own["difference"] > 0).sum())
            }  # fmt: skip
            of = "p" if single else f"p < {study.statistics.alpha:g}"
            lines.append(line | {f"{of}, {test}": text for test, text in found.items()})
    means = [f"{number(r.mean)} for {quoted(style.family_label(study, r.a))}" for r in models.itertuples()]
    said = statements(study, "pairs_of_models", means=means, tested=tested, pairs=pairs)
    frame = pd.DataFrame(lines).fillna("")
    if len(study.sizes) == 1 and lines:
        frame = frame.drop(columns="n")
    return Answer("", said + _time_saved(savings, study), table(frame, study))


def from_chains(results: StudyResults) -> Answer:
    """Compare chains with their targets' baselines; the table compares kinds of chains with each other."""
    study = results.study
    scores, gains, contrasts, attributes = (
        of_metric(results.frame(name, "metric"), study) for name in ("chains", "gains", "contrasts", "attributes")
    )
    overall = {pair: _overall(contrasts, *pair, study) for pair in (*KINDS, OF_CONTROL)}
    said = statements(
        study, "chains", scores=scores, baselines=scores[scores["kind"] == BASELINE], all_gains=gains,
        gains=judged(gains[gains["kind"].isin(COUNTED[1:])]),
        kinds=[(text + row.where, row) for pair, text in KINDS.items() for row in overall[pair].itertuples()],
    )  # fmt: skip
    if len(overall[OF_CONTROL]):
        asked, validation = study.network.initial.weights, results.frame("validation")
        baselines = gains.loc[gains["kind"] == CONTROL, "baseline"]
        began = validation.loc[validation["family"].isin(baselines), "initial"].dropna()
        said += statements(
            study, "control", rows=overall[OF_CONTROL], weights=style.weights_label(asked),
            spoiled=began.ne(asked).any(),
        )  # fmt: skip
    said += statements(study, "best_fold", scores=scores, gains=gains, best_run=best_run(study))
    for attribute in study.attributes if len(attributes) else ():
        own = of_attribute(attributes, attribute.name)
        pooled = own["target"] == POOLED
        whole = own[pooled] if pooled.any() else own
        if len(whole) == 1 and is_numeric_dtype(own["a_value"]):  # one of several pairs is no answer
            row = judged(whole).iloc[0]
            name = attribute.label[:1].lower() + attribute.label[1:]
            facts = {"row": row, "pairs": own[~pooled], "about": attribute, "name": name}
            said += statements(study, "attribute_of_the_source", **facts)
    return Answer("", said, table(kinds_layout(contrasts, study), study))


def chains_in_short(results: StudyResults) -> list[str]:
    """Return which kinds of chains are better than what they stand against, which are worse, which can't be told.

    What does not remain after Holm's correction over these comparisons is called a hint.
    """
    sides: dict[str, list[str]] = {"better": [], "worse": [], "open": []}
    for row in _of_kinds(results).itertuples():
        side = {SUPPORTED: "better", NOT_SUPPORTED: "worse"}.get(row.verdict, "open")
        hint = "" if row.left or side == "open" else " (a hint)"
        sides[side].append(row.said[:1].lower() + row.said[1:] + row.where + hint)
    return statements(results.study, "answer_of_chains", **sides) if any(sides.values()) else []


def chains_rest_on(results: StudyResults) -> list[str]:
    """Say how many of the differences behind the answer remain after Holm's correction."""
    rows = _of_kinds(results)
    found = rows[rows["verdict"].isin([SUPPORTED, NOT_SUPPORTED])] if len(rows) else rows
    if found.empty:
        return []
    return statements(results.study, "chains_rest_on", found=len(found), left=found["left"].sum(), tests=len(rows))


def _of_kinds(results: StudyResults) -> pd.DataFrame:
    """Return the comparisons of kinds behind the answer, `said` in words, and whether they are `left` by Holm's."""
    study = results.study
    contrasts = of_metric(results.frame("contrasts", "metric", "a", "b", "target"), study)
    if contrasts.empty:
        return contrasts
    own = [_overall(contrasts, *pair, study).assign(said=text) for pair, text in KINDS.items()]
    rows = pd.concat(own, ignore_index=True)
    return rows.assign(left=holm(rows["p"].to_numpy(float)) < study.statistics.alpha)


def chains_picture(results: StudyResults) -> AnswerTable | None:
    """Return the differences of kinds of chains, a row for each and a column for each target; None without any."""
    study = results.study
    contrasts = judged(of_metric(results.frame("contrasts", "metric", "folds", "difference", *CI), study))
    targets = [name for name in (*study.cohorts, POOLED) if name in set(contrasts.get("target", ()))]
    rows = []
    for (a, b), text in KINDS.items() if targets else ():
        own = contrasts[contrasts["a"].eq(a) & contrasts["b"].eq(b)].set_index("target")
        if len(own):
            rows.append((text, [_difference(own.loc[t]) if t in own.index else Cell("–", 1) for t in targets]))
    title, note = statements(study, "answer_picture_of_chains")
    heads = [style.test_set_label(study, name) for name in targets]
    return AnswerTable(title, "", heads, rows, note) if rows else None


def _difference(row: pd.Series) -> Cell:
    colour = {SUPPORTED: BETTER, NOT_SUPPORTED: WORSE}.get(row.verdict, "")
    return Cell(points(row.difference, row.metric), 1, colour, style.readable_on(colour) if colour else "")


def _at_home(rows: pd.DataFrame, study: Study) -> Iterator[tuple[str, str, str]]:
    """Return the families without sizes: label, means on the cohorts that they were trained on, mean on the target."""
    for family in references(study):
        home = families(study)[family].cohorts
        own = rows[rows["family"] == family].set_index("test_set")
        if study.target not in home and {study.target, *home} <= set(own.index):
            at_home = [f"{_mean(own.loc[c])} on {style.test_set_label(study, c)}" for c in home]
            here = _mean(own.loc[study.target])
            yield quoted(style.family_label(study, family)), " and ".join(at_home), here


def _mean(row: pd.Series) -> str:
    return interval(row["mean"], row["ci_low"], row["ci_high"])


def _tests(own: pd.DataFrame, study: Study) -> dict[str, str]:
    """Test -> its p of the only structure, or in how many structures p < alpha; the paper's where it has them."""
    tests = TESTS | ({"published_p": "published"} if own["published_p"].notna().any() else {})
    if len(study.structures) == 1:
        return {test: p_value(own[p].iloc[0]) for p, test in tests.items()}
    return {test: str((own[p] < study.statistics.alpha).sum()) for p, test in tests.items()}


def _time_saved(savings: pd.DataFrame, study: Study) -> list[str]:
    """Return what fine-tuning saved against training from scratch, and by what, at the largest size.

    Of several replicates it is their mean.
    """
    scratch, several = baseline(study), len(study.structures) > 1
    if scratch is None or savings.empty:
        return []
    rows = _over_replicates(savings[savings["n_train"].eq(study.sizes[-1])])
    whole = POOLED if several else next(iter(study.structures))
    saved = []
    for family in main_question(study):
        own = rows[rows["family"] == family]
        single = own.loc[own["structure"] != POOLED, "saved_percent"]
        for row in own[own["structure"] == whole].to_dict("records"):
            ends = [single.min(), single.max()] if len(single) > 1 else []
            saved.append(row | {"label": strategy_label(study, family), "by_structure": ends})
    return statements(study, "time_saved", saved=saved, scratch=strategy_label(study, scratch))


def _over_replicates(savings: pd.DataFrame) -> pd.DataFrame:
    """Return the mean of the replicates of each family and structure, with shares of the mean times."""
    how = dict.fromkeys(("saved_s", "seconds_scratch", "cheaper_steps_s", "cpu_saved_percent"), "mean")
    how |= {"alike": "all", "undisturbed": "all", "replicate": "nunique"}
    out = savings.groupby(["family", "structure"], sort=False, as_index=False).agg(how)
    share = 100 * out["cheaper_steps_s"] / out["saved_s"].where(out["saved_s"] != 0)
    saved = 100 * out["saved_s"] / out["seconds_scratch"]
    return out.assign(saved_percent=saved, cheaper_steps_percent=share, anything_else_percent=100 - share)


def _overall(contrasts: pd.DataFrame, a: str, b: str, study: Study) -> pd.DataFrame:
    """Return the row over all targets, else each target's, which the column `where` names if there are several."""
    rows = contrasts[(contrasts["a"] == a) & (contrasts["b"] == b)]
    pooled = rows[rows["target"] == POOLED]
    labels = {name: f" on {c.label}" for name, c in study.cohorts.items() if c.role == "target"}
    labels = labels if len(labels) > 1 else {}
    rows = judged(pooled if len(pooled) else rows)
    return rows.assign(where=rows["target"].map(labels).fillna("").astype(str))
