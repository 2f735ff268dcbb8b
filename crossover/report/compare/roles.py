"""Which column of a table of scores is what: said by the person, else guessed from its name, and told."""

import re
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from crossover.core.cells import numbers
from crossover.statistics.scores.metrics_table import METRICS, TableError
from crossover.statistics.scores.scales import AMBIGUOUS, DIAGONAL, KNOWN, MANUAL, known_as, plain

UNUSED = "columns not used"
"""How the note begins that names the columns that were taken for nothing."""
ROLES = {
    "model": ("model", "method", "algorithm", "strategy"),
    "case": ("case", "case_id", "subject", "subject_id", "patient", "patient_id"),
    "patient": ("patient", "patient_id"),
    "structure": ("structure", "organ", "label", "class", "roi"),
    "cohort": ("cohort", "test_set", "site", "center", "centre", "dataset"),
    "n_train": ("n_train", "n", "training_cases", "training_size", "train_size", "labelled_cases", "labeled_cases"),
    "replicate": ("replicate", "seed", "run"),
    "draw": ("draw",),
    "fold": ("fold",),
    "level": ("level",),
    "family": ("family",),
    "strategy": ("strategy",),
    DIAGONAL: (DIAGONAL, "image_diagonal_mm"),
    MANUAL: (MANUAL,),
}
"""What describes a row -> names by which a column is taken for it, the more likely first."""
_HINTS = {
    "n": "column {0} is not taken for the number of training cases: say --column n_train={0} if it is",
}
_HINTS |= dict.fromkeys(
    AMBIGUOUS,
    "{0} may be the largest distance or a percentile: say --column hd_mm={0} or "
    "--column hd95_mm={0} to have it compared",
)
_PREFIXES = re.compile(r"^(val|valid|validation|test|mean)[_ -]+", re.IGNORECASE)


class Said:
    """What a person says of columns and metrics.

    Args:
        columns: "role=name" each; an empty name says that no column has the role.
        metrics: those to compare by, in order; all that are known where there are none.

    Raises:
        TableError: no such role.
    """

    def __init__(self, columns: Iterable[str] = (), metrics: Sequence[str] = ()) -> None:
        self.metrics = list(dict.fromkeys(map(known_as, metrics)))
        self.columns: dict[str, list[str]] = {}
        findings = []
        for text in columns:
            role, equals, name = (part.strip() for part in text.partition("="))
            if not equals:
                findings.append(f"--column {text!r}: write ROLE=NAME, as structure=organ")
            elif role not in (*ROLES, *METRICS, *self.metrics):
                roles = ", ".join((*ROLES, *METRICS))
                findings.append(f"--column {text!r}: no role {role!r}; there are {roles}")
            self.columns.setdefault(role, []).append(name)
        if findings:
            raise TableError("\n".join(findings))

    def metric(self, name: str) -> str:
        """Return the metric of a tool's name for it, "" for none that is known or asked for."""
        for role, names in self.columns.items():
            if name in names:
                return role if role not in ROLES else ""
        if name in self.metrics:
            return name
        found = known_as(name) if known_as(name) in KNOWN else ""
        if not found and (rest := _PREFIXES.sub("", name)) != name:
            return self.metric(rest)
        return "" if self.nowhere(found) else found

    def nowhere(self, role: str) -> bool:
        """Return whether the person says that no column has this role."""
        return "" in self.columns.get(role, [])


def assign(
    table: pd.DataFrame, said: Said, named: bool = False
) -> tuple[pd.DataFrame, dict[str, str], list[str], list[str]]:
    """Return the columns that have a role, by its name; role -> column; what was taken for what; and what is unclear.

    Several columns that may have one role: the one named as the role; else the one that tells rows apart which
    the others don't. A guess that the rows speak against isn't made: a level has one value in a model, and a case
    has several structures where there are several. Of `named` files a column of strategies is not one of models.
    """
    taken: dict[str, str] = {}  # role -> column
    findings: list[str] = []
    for role, names in said.columns.items():
        if column := next((name for name in names if name in table), None):
            taken[role] = column
    for role, found in _candidates(table, said, taken, named).items():
        columns = [c for c in found if c not in taken.values()]  # a patient may be the case
        if not columns:
            continue
        exact = [c for c in columns if c.lower() == role]
        chosen = exact[0] if exact else _finest(table[columns], role in ROLES)
        if chosen:
            taken[role] = chosen
        else:
            listed = " and ".join(map(repr, columns))
            findings.append(f"{listed} may each be the {role}: say which, as --column {role}={columns[0]}")
    notes = _doubtful(table, taken, said)
    unused = [str(c) for c in table if c not in taken.values()]
    said_so = {c for names in said.columns.values() for c in names}
    as_named = [c for r, c in taken.items() if c.lower() == r and c not in said_so]
    guesses = [f"{c} is {r}" for r, c in taken.items() if c.lower() != r and c not in said_so]
    text = "; ".join(", ".join(part) for part in (as_named, guesses) if part)
    notes = [f"columns by their names: {text}" if text else "", *notes]
    notes.append(f"{UNUSED}: {', '.join(unused)}" if unused else "")
    notes += [hint(c) for c in unused]
    out = table[list(taken.values())].set_axis(list(taken), axis=1)
    return out, taken, [note for note in notes if note], findings


def hint(name: str) -> str:
    """Return what to say where a column or metric of this name is one of several things; "" for no such name."""
    return _HINTS.get(plain(_PREFIXES.sub("", name)), "").format(name)


def _candidates(table: pd.DataFrame, said: Said, taken: Mapping[str, str], named: bool) -> Mapping[str, list[str]]:
    out: dict[str, list[str]] = {}
    free = {plain(column): column for column in table if column not in taken.values()}
    for role, names in ROLES.items():
        if role not in taken and not said.nowhere(role):
            own = [name for name in names if not (named and (role, name) == ("model", "strategy"))]
            out[role] = [free[key] for key in map(plain, own) if key in free]
    for column in free.values():
        if (metric := said.metric(column)) and metric not in taken:
            out.setdefault(metric, []).append(column)
    return {role: columns for role, columns in out.items() if columns}


def _finest(columns: pd.DataFrame, names: bool) -> str | None:
    """Return the first column whose value tells those of all others (of scores: is theirs); None for none."""
    for column in columns:
        if names and not columns.drop_duplicates()[column].duplicated().any():
            return str(column)
    same = columns.eq(columns.iloc[:, 0], axis=0).all(axis=None)
    return str(columns.columns[0]) if same else None


def _doubtful(table: pd.DataFrame, taken: dict[str, str], said: Said) -> list[str]:
    """Remove guesses that contradict the rows, in place, and add a note of each."""
    notes = []
    against = {
        "level": (["model"], lambda values: values.max() > 1, "has several values in one model"),
        "structure": (["model", "case", "cohort"], lambda values: values.max() == 1,
                      "has one value for each case, and several in all"),
    }  # fmt: skip
    if _guessed("replicate", "run", taken, said) and not table[taken["replicate"]].str.fullmatch(r"\d+").all():
        notes.append(
            f"column {taken.pop('replicate')} has other values than whole numbers: not taken for the replicate"
        )
    if _guessed("n_train", "n", taken, said):
        by = [table[taken[place]] for place in ("model", "case", "cohort", "structure") if place in taken]
        if not by or table.groupby(by)[taken["n_train"]].nunique().max() < 2:
            del taken["n_train"]  # as of slices or voxels: sizes give a model's case several scores
    for role, (places, wrong, why) in against.items():
        column = taken.get(role)
        by = [table[taken[place]] for place in places if place in taken]
        guessed = column and role not in said.columns and column.lower() != "structure"
        if guessed and by and table[column].nunique() > 1 and wrong(table.groupby(by)[column].nunique()):
            del taken[role]
            notes.append(f"column {column} {why}: not taken for the {role}; say --column {role}={column} if it is")
    return notes


def _guessed(role: str, name: str, taken: dict[str, str], said: Said) -> bool:
    """Return whether a column was taken for a role since it has this one of the role's names."""
    return role in taken and role not in said.columns and plain(taken[role]) == name


def may_be_models(table: pd.DataFrame, said: Said) -> list[str]:
    """Return the columns without a role, of text, that have several values for a case: one may name the models."""
    _, taken, *_ = assign(table, said)
    if "case" not in taken:
        return []
    free = [column for column in table if column not in taken.values() and numbers(table[column])[1]]
    cases = table.groupby(taken["case"])
    return [str(column) for column in free if cases[column].nunique().median() > 1]


_SUMMARIES = {"mean", "average", "avg", "median", "all", "total", "overall", "sd", "std", "se", "min", "max"}


def wide(columns: Iterable[str], said: Said) -> dict[str, tuple[str, str]]:
    """Return the columns that are a metric of a structure by their names, as "Dice_liver": (metric, structure) of each.

    None where a column is a metric by itself or the structure, where there is one structure alone, or where metrics are
    of different structures: what the columns mean is then not clear.
    """
    columns = list(columns)
    structure = [c for c in columns if plain(c) in map(plain, ROLES["structure"])]
    if structure or "structure" in said.columns or any(said.metric(c) for c in columns):
        return {}
    found = {}
    for column in columns:
        for end in reversed([match.start() for match in re.finditer(r"[_ -]", column)]):
            metric, of = said.metric(column[:end]), column[end:].strip("_ -")
            if metric and of and plain(of) not in _SUMMARIES:
                found[column] = metric, of
                break
    structures: dict[str, list[str]] = {}
    for metric, of in found.values():
        structures.setdefault(metric, []).append(of)
    same = {tuple(sorted(own)) for own in structures.values()}
    return found if len(same) == 1 and len(set(min(same))) == len(min(same)) > 1 else {}
