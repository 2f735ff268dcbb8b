"""Scores of several files as one table with the columns that they lack: what is filled in is said."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from crossover.core.wording import counted, first_few
from crossover.report.compare.formats import expanded, read_scores
from crossover.report.compare.names import matched
from crossover.report.compare.roles import ROLES, UNUSED, Said
from crossover.statistics.scores.metrics_table import (
    METRICS,
    ONLY_STRUCTURE,
    POOLED,
    SIZES,
    WITHOUT_TRAINING,
    TableError,
    check_metrics,
    tested,
)
from crossover.study.config import SCALES, scale_of

DEFAULTS = {
    "level": "", "n_train": 0, "replicate": 0, "fold": None, "cohort": "test", "structure": ONLY_STRUCTURE,
}  # fmt: skip
_SAID = {
    "n_train": "no column n_train: models have no training sizes",
    "cohort": "no column cohort: all cases are one test set, 'test'",
    "structure": "no column structure: every case has one, 'structure'",
}
_NEEDED = ("model", "case")
_REPEATED = "more than one row"
_SHAPE = (
    "a table has one row for each model, case and structure, and a column for each metric; one with a column for each "
    "model or structure has to be turned into such rows first (as by pandas.melt, or in Excel by Unpivot Columns)"
)
_TRAINING_NAME = (
    r"^(?P<model>.+?)(?:(?:-n|[-_, ]+\(?n ?= ?)(?P<n_train>\d+)\)?)?(?:-r(?P<replicate>\d+))?"
    r"(?(n_train)(?:-s(?P<seed>\d+))?)(?:-f(?P<fold>\d+))?$"
)
_TAG = r"(?:^|[-_. ])[nrsf]?\d+(?=$|[-_. ])"
_TRAININGS = ["level", "n_train", "replicate", "fold"]
_KEY = ["model", "level", "n_train", "replicate", "fold", "cohort", "case", "structure"]


def _of_scale(file: Path) -> list[str]:
    """Say of scores of one of Crossover's own studies that they mean nothing, where its scale only shows that it runs.

    The file params.json beside them has the scale.
    """
    smoke = SCALES[0]
    return [f"scores at the scale {smoke}, which mean nothing"] if scale_of(file.parent) == smoke else []


def read_all(
    sources: Sequence[str], said: Said, structures: Mapping[str, str] | None = None
) -> tuple[pd.DataFrame, list[str]]:
    """Read files as `formats.read_scores` does, put them together and complete them.

    Args:
        structures: a structure's name in the files -> the name to give it.

    Returns:
        A table as of `metrics_table.check_metrics`, where distances may be infinite; and what was
        understood and filled in, a sentence each.

    Raises:
        TableError: all that is wrong with all files.
    """
    sources = [file for source in sources for file in expanded(source)]
    tables: dict[str, pd.DataFrame] = {}
    called: set[str] = set()
    of_files: dict[str, list[str]] = {}
    findings: list[str] = []
    for source in sources:
        try:
            scores = read_scores(source, said)
        except TableError as error:
            findings.append(str(error))
            continue
        tables[source] = scores.rows
        called |= scores.called
        file = source.partition("=")[2] or source
        for note in [*_of_scale(Path(file)), *scores.notes]:
            of_files.setdefault(note, []).append(file)
        findings += scores.findings
        if not scores.findings or len(scores.rows):
            findings += [f"{source}: {finding}" for finding in _lacking(scores.rows, said)]
    findings += _never(tables.values(), called, said, structures or {})
    if findings:
        findings += _each(tables, sources, said)
        raise TableError("\n".join(dict.fromkeys(findings)))
    renamed = [_renamed(table, structures or {}) for table in tables.values()]
    notes = [f"{first_few(files, 3)}: {note}" for note, files in of_files.items()]
    notes += _divided_among_files(tables.values())
    whole, named = _from_names(pd.concat(renamed, ignore_index=True), said)
    whole, filled = _filled(whole)
    whole, names = matched(_joined(whole), "family" if "family" in whole else "model")
    place = f"{sources[0]}: " if len(tables) == 1 else ""
    try:
        whole, more = _complete(whole, said)
    except TableError as error:
        unused = "; ".join(note for note in of_files if note.startswith(UNUSED))
        lines = [place + line + _advice(line, unused) for line in str(error).splitlines()]
        raise TableError("\n".join(lines)) from None
    return whole, [*notes, *named, *filled, *names, *more]


def _divided_among_files(tables: Iterable[pd.DataFrame]) -> list[str]:
    """Return a note of each model of which several files have different cases, as those of folds have."""
    cases: dict[str, list[set[str]]] = {}
    for table in tables:
        if {"model", "case"} <= set(table) and {"fold", "replicate", "draw", "n_train"}.isdisjoint(table):
            for model, own in table.groupby("model", sort=False):
                cases.setdefault(str(model), []).append(set(own["case"]))
    return [
        f"{model}: {len(files)} files with different cases count as one training, as the folds of a cross-validation do"
        for model, files in cases.items()
        if len(files) > 1 and len(set.union(*files)) == sum(map(len, files))
    ]


def metrics_in(table: pd.DataFrame, said: Said) -> list[str]:
    """Return the metrics of a table: those that are known, and those asked for."""
    return [m for m in dict.fromkeys((*METRICS, *said.metrics)) if m in table]


def _advice(finding: str, unused: str) -> str:
    if not finding.startswith(_REPEATED):
        return ""
    return (f"; {unused}" if unused else "") + (
        "; say which column tells them apart, as --column replicate=NAME (or fold, structure, cohort; n_train, the "
        "number of training cases, which a column n or size may hold), or of "
        "files of one training each, by their names: scratch-n5-r1=PATH is the second training of scratch on 5 cases"
    )


def _each(tables: Mapping[str, pd.DataFrame], sources: Sequence[str], said: Said) -> Iterable[str]:
    """Return what else is wrong with each file by itself."""
    for source, table in tables.items():
        if table.empty:
            continue
        try:
            _complete(_filled(table)[0], said)
        except TableError as error:
            lines = str(error).splitlines()
            known = {*_NEEDED} <= {*table}  # else rows seem repeated only because a column of theirs isn't known
            yield from (f"{source}: {line}" for line in lines if known or not line.startswith(_REPEATED))


def _lacking(table: pd.DataFrame, said: Said) -> list[str]:
    found = []
    if "case" not in table:
        others = ", ".join(name for name in ROLES["case"] if name != "case")
        found.append(f"no column case (nor {others}); say which is it, as --column case=NAME")
    if not metrics_in(table, said):
        found.append(f"no column of a metric; known are {', '.join(METRICS)}; {_SHAPE}")
    if not len(table):
        found.append("the table has no rows")
    return found


def _never(tables: Iterable[pd.DataFrame], called: set[str], said: Said, structures: Mapping[str, str]) -> list[str]:
    """Return what the person named and no file has."""
    there = {column for table in tables for column in table}
    found = [
        f"no file has a metric {m}; there are {', '.join(m for m in METRICS if m in there) or 'none'}"
        for m in said.metrics
        if m not in there
    ]
    for role, names in said.columns.items():
        for name in set(names) - called - {""}:
            found.append(f"--column {role}={name}: no file has a column of this name")
    of_files = {name for table in tables if "structure" in table for name in table["structure"]}
    for old in structures:
        if old not in of_files:
            listed = ", ".join(sorted(of_files)) or "none"
            found.append(f"--structure {structures[old]}={old}: no file has a structure {old}; there are {listed}")
    return found


def _renamed(table: pd.DataFrame, structures: Mapping[str, str]) -> pd.DataFrame:
    if "structure" not in table:
        return table
    return table.assign(structure=table["structure"].replace(dict(structures)))


def _from_names(table: pd.DataFrame, said: Said) -> tuple[pd.DataFrame, list[str]]:
    """Take size, replicate and fold from the ends of models' names, where no column has them.

    They are written as in "tuned-n5-r1"; the size also as in "tuned n=5" or "tuned (n = 5)".

    A summary.json has one training's scores, of which only its NAME=PATH can tell these. Rows with a family of their
    own, as a study's, stay as they are.
    """
    if "model" not in table:
        return table, []
    of_study = table["family"].notna() if "family" in table else pd.Series(False, table.index)
    parts = table["model"].where(~of_study).astype("string").str.extract(_TRAINING_NAME)
    parts = _with_draws(parts) if parts["seed"].notna().any() else parts
    roles = [
        role for role in ("n_train", "replicate", "draw", "fold") if role in parts
        and not said.nowhere(role) and (parts[role].notna() & _blank(table, role)).any()
    ]  # fmt: skip
    ends = parts[parts[roles].notna().any(axis=1)]
    if not roles or ends.empty:
        return table, _tagged_elsewhere(table["model"][~of_study], said)
    new = {role: parts[role].astype("Int64") for role in roles}
    new |= {role: table[role].combine_first(own) for role, own in new.items() if role in table}
    bases = table["model"].mask(table.index.isin(ends.index), parts["model"])
    first = ends.iloc[0]
    told = ", ".join(f"{role} {first[role]}" for role in roles if pd.notna(first[role]))
    undo = " ".join(f"--column {role}=" for role in roles)
    example = table.loc[ends.index[0], "model"]
    note = f"models' names tell their trainings: {example} is {first['model']}, {told}; if they don't: {undo}"
    named = {"family": table["family"].fillna(bases)} if "family" in table else {"model": bases}
    return table.assign(**named, **new), [note, *_tagged_elsewhere(bases[~of_study], said)]


def _with_draws(parts: pd.DataFrame) -> pd.DataFrame:
    """Return the parts of names with seeds, which are trainings on the same cases: what -r counts is their draw."""
    seeded = parts["seed"].notna()
    draw = parts["replicate"].fillna("0").where(parts["replicate"].notna() | seeded)
    seed = pd.to_numeric(parts["seed"])
    numbered = (pd.to_numeric(draw) * (seed.max() + 1) + seed).astype("Int64").astype("string")  # on over the draws
    return parts.assign(draw=draw, replicate=parts["replicate"].mask(seeded, numbered))


def _tagged_elsewhere(models: pd.Series, said: Said) -> list[str]:
    """Return a note where models' names differ only by what looks like sizes and trainings, written in another way."""
    names = pd.Series(models.dropna().unique(), dtype="string")
    bases = names.str.replace(_TAG, "", regex=True)
    same = bases.duplicated(keep=False) & (bases != names)
    if not same.any() or said.nowhere("n_train") or said.nowhere("replicate"):
        return []
    name, base = names[same].iloc[0], bases[same].iloc[0].strip("-_. ")
    found = (tag.strip("-_. ") for tag in re.findall(_TAG, name))
    tags = "".join(f"-n{tag}" if tag.isdecimal() else f"-{tag}" for tag in found)  # a number alone may be a size
    return [
        f"models' names such as {name} stay apart; if they tell sizes (n), trainings (r) and folds (f) of one model, "
        f"write these at the end, as {base}{tags}"
    ]


def _blank(table: pd.DataFrame, column: str) -> pd.Series:
    return table[column].isna() if column in table else pd.Series(True, table.index)


def _filled(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return the table with each column of `DEFAULTS`, filled in by its default where a file lacks it, and notes.

    Raises:
        TableError: a model has a number of training cases in some rows and none in others.
    """
    notes = [text for column, text in _SAID.items() if column not in table]
    if {"replicate", "n_train"} <= set(table) and "draw" not in table:
        notes.append(
            "no column draw: each training of a size is taken for one on training cases of its own; if "
            "some share theirs, say so by such a column, or of files by names as scratch-n5-s0, scratch-n5-s1"
        )
    if "draw" in table and "replicate" not in table:
        table = table.assign(replicate=table["draw"])
    for column in {"family", "strategy"} & set(table):
        table = table.assign(**{column: table[column].fillna(table.get("model"))})
    if "n_train" in table and "model" in table:
        name = "family" if "family" in table else "model"
        blank = table["n_train"].isna() & table[name].isin(table.loc[table["n_train"] > 0, name])
        if blank.any():
            models = first_few([*table.loc[blank, name].unique()], 5)
            raise TableError(
                f"n_train: blank in {counted(int(blank.sum()), 'row')} of {models}, which other rows give a number of "
                "training cases: write it in these too, or 0 for none"
            )
    for column, value in DEFAULTS.items():
        if column not in table:
            table = table.assign(**{column: value})
        elif value is not None:
            table = table.assign(**{column: table[column].fillna(value)})
    return table, notes


def _joined(table: pd.DataFrame) -> pd.DataFrame:
    """Join rows of one model, case and structure with different metrics into one.

    Rows with two values of one metric stay apart, to be told.
    """
    keys = [c for c in table if c in ROLES and c not in SIZES]  # one file may know the sizes, and another not
    again = table.duplicated(keys, keep=False)
    if not again.any():
        return table
    groups = table[again].groupby(keys, sort=False, dropna=False)
    double = (groups.transform("count").drop(columns=[*SIZES], errors="ignore") > 1).any(axis=1)
    parts = table[again][~double].groupby(keys, sort=False, dropna=False).first().reset_index()
    return pd.concat([table[~again], table[again][double], parts], ignore_index=True)


def _complete(table: pd.DataFrame, said: Said) -> tuple[pd.DataFrame, list[str]]:
    notes = []
    # to tell all else that is wrong where these are missing
    table = table.assign(**{
        column: [f"row {i + 2}" for i in range(len(table))] if column == "case" else "model"
        for column in _NEEDED if column not in table
    })  # fmt: skip
    if (table["structure"] == POOLED).any() and table["structure"].nunique() > 1:
        raise TableError(
            "structure: 'all' is the name of all structures together; leave these rows out, or give the "
            "structure another name, as --structure whole=all"
        )
    if (table["structure"] == POOLED).all():
        table = table.assign(structure=DEFAULTS["structure"])
        notes.append(f"the only structure, '{POOLED}', is called '{DEFAULTS['structure']}' here")
    several = table.groupby("model")[_TRAININGS].nunique(dropna=False).max(axis=1) > 1
    if "family" not in table:
        table = _with_trainings(table)
    if several.any():
        notes.append("a model with several n_train, replicates, folds or levels is a family of such")
    whole = check_metrics(table, _KEY, infinite=True)
    folded = whole.drop(tested(whole).index)
    if len(folded):
        of = first_few([*folded["family"].unique()], 5)
        notes.append(
            f"{counted(len(folded), 'row')} of {of} with a fold left out, since there are rows of the same model "
            "without one, and those of folds may be of training cases; to compare them, give them another model's name"
        )
    whole = _undivided(tested(whole))
    untrained = sorted({name for name in whole["family"] if name.endswith(WITHOUT_TRAINING)})
    if untrained:
        own = "is a model of its own" if len(untrained) == 1 else "are models of their own"
        notes.append(f"with n_train 0 a model has learned from none of the cases: {', '.join(untrained)} {own}")
    return whole, notes


def _undivided(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table in which folds that divide a model's cases among them, as in a cross-validation, are one training.

    Raises:
        TableError: a few cases are in several folds.
    """
    keys = [table[c] for c in ("family", "n_train", "replicate")]
    case = [*keys, *(table[c] for c in ("cohort", "structure", "case"))]
    again = table["fold"].notna() & (table.groupby(case)["fold"].transform("nunique") > 1)
    share = again.groupby([*keys, table["cohort"]]).transform("mean")  # 1 where all folds are tested on all cases
    divided = (table.groupby(keys)["fold"].transform("nunique") > 1) & (share.groupby(keys).transform("max") < 0.5)
    if (doubled := divided & again).any():
        listed = first_few([f"{r.family}/{r.case}" for r in table[doubled].drop_duplicates("case").itertuples()], 5)
        raise TableError(
            f"fold: {listed}: in several folds, though the model's folds divide the cases: keep one row of each, that "
            "of the fold that was not trained on it"
        )
    model = table["model"].str.replace(r"-f\d+$", "", regex=True)
    return table.assign(fold=table["fold"].mask(divided), model=table["model"].mask(divided, model))


def without_value(table: pd.DataFrame, said: Said, told: pd.DataFrame) -> list[str]:
    """Return notes that count the missing and infinite scores of each metric by model.

    Args:
        told: rows of cases without the structure (`missing.absent`), of which another note tells.
    """
    notes = []
    place = ["cohort", "structure", "case"]
    table = table[~pd.MultiIndex.from_frame(table[place]).isin(pd.MultiIndex.from_frame(told[place]))]
    for metric in said.metrics or metrics_in(table, said):
        missing, infinite = table[metric].isna(), np.isinf(table[metric])
        has = table["family"].isin(table.loc[~missing, "family"])  # else the model has no such metric at all
        for which, text in (
            (missing & has, "no value (as where neither mask has the structure): left out"),
            (infinite, "infinite, as where one of the two masks is empty: the worst of all in ranks and medians, and "
                       "there is no mean; to have one, give the column diagonal_mm, or write what a failure counts as"),
        ):  # fmt: skip
            if which.any():
                own = table[which]
                counts = ", ".join(f"{n} of {m}" for m, n in own.groupby("family", sort=False).size().items())
                listed = first_few([f"{r.model}/{r.case}/{r.structure}" for r in own.itertuples()], 5)
                notes.append(f"{metric}: {counts} ({listed}): {text}")
    return notes


def _with_trainings(table: pd.DataFrame) -> pd.DataFrame:
    """Give each training a name: the model is what the others are the same for, the family."""
    names = table["model"].astype(str)
    levels = table["level"].fillna("").astype(str)
    family = names + ("-" + levels).where(levels != "", "")
    model = family.copy()
    for column, letter in (("n_train", "n"), ("replicate", "r"), ("fold", "f")):
        values = table[column].astype("string").fillna("")
        first = values == "" if column == "fold" else values.isin(["", "0"])
        if column == "replicate":  # tables name the means over trainings by the first, whatever it is counted from
            own = pd.to_numeric(table[column], errors="coerce")
            first |= own == own.groupby(model).transform("min")
        model += ("-" + letter + values).where(~first, "")
    return table.assign(model=model, family=family, strategy=names)
