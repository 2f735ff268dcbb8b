"""Patients divided into test, training with its nested subsets, validation and folds; one table.

The order of a cohort's patients is that of a seeded hash of their names: a patient who joins later
moves nobody past anybody. All of a patient's cases go together, always.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import pandas as pd

from crossover.core.file_names import WRITTEN_ALIKE
from crossover.core.wording import counted, first_few
from crossover.core.written_tables import read_written
from crossover.study.plan import Model, Stage
from crossover.study.sections import Splits
from crossover.study.suggested import test_and_sizes

SHOWN = 5
"""The number of patients that a message names."""
COLUMNS = ["cohort", "patient", "case", "part", "replicate", "rank", "validation", "fold"]


class SplitError(ValueError):
    """The cohorts can't be split as the study asks, all findings at once."""


def split(
    cases: pd.DataFrame,
    tests: dict[str, float],
    settings: Splits,
    needed: dict[str, int],
    images: pd.DataFrame,
    structures: Sequence[str] = (),
    alike: Mapping[str, str] = MappingProxyType({}),
) -> pd.DataFrame:
    """Split every cohort of a study.

    Args:
        cases: columns cohort, patient, case.
        tests: cohort -> patients held out for testing, a fraction below 1, else a count.
        settings: how patients are divided, and how often.
        needed: cohort -> fewest training patients that its study can do with.
        images: columns cohort, case, channel and image, a digest of the image's values.
        structures: that are predicted, a file each.
        alike: patient -> what the identifier has in common with others that may be the same person's; "" where that
            isn't known.

    Returns:
        One row for each case (and replicate, for training cases) with the `COLUMNS`: `part` is "test" or
            "train"; the subset of n patients is `rank < n`; `validation` marks those who choose the weights
            when all are trained on (nobody where the folds take turns in it); `fold` counts from 0. Rank,
            validation and fold are missing for test cases.

    Raises:
        SplitError: for a patient (by an identifier written in any way) or an image in two cohorts, too few patients,
            or a size beyond the training set, or cases whose files would have one name.
    """
    findings = [*_findings(cases, tests, needed, structures, alike), *_copies(images)]
    if findings:
        raise SplitError("\n".join(findings))
    rows = []
    for cohort, test in tests.items():
        own = cases[cases.cohort == cohort]
        by_patient = own.groupby("patient").case.apply(sorted).to_dict()
        tested, others = divided(by_patient, test, settings.seed, cohort)
        for patient in tested:
            rows += [(cohort, patient, c, "test", 0, None, None, None) for c in by_patient[patient]]
        rows += _training_rows(others, by_patient, cohort, settings)
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.astype({"rank": "Int64", "fold": "Int64", "validation": "boolean"})


def divided(patients: Iterable[str], test: float, seed: int, cohort: str) -> tuple[list[str], list[str]]:
    """Return the patients of a cohort who are tested on, and the others."""
    ordered = _order(patients, seed, cohort, "test")
    n = tested_patients(test, len(ordered))
    return ordered[:n], ordered[n:]


def _training_rows(
    patients: Iterable[str], by_patient: Mapping[str, Iterable[str]], cohort: str, settings: Splits
) -> list[tuple]:
    k = settings.k_fold.k
    folds = {p: i % k for i, p in enumerate(_order(patients, settings.seed, cohort, "fold"))}
    rows = []
    for replicate in range(settings.replicates.count):
        draw = settings.replicates.draw(replicate)
        ranked = _order(patients, settings.seed, cohort, f"rank{draw}")
        share = settings.validation
        if share == "fold":
            ranked = _dealt(ranked, folds)
        held = set() if share == "fold" else set(validation_patients(ranked, share))
        for rank, p in enumerate(ranked):
            rows += [(cohort, p, c, "train", replicate, rank, p in held, folds[p]) for c in by_patient[p]]
    return rows


def _dealt(ranked: list[str], folds: Mapping[str, int]) -> list[str]:
    """Return patients in an order in which the folds take turns, so that each subset has some of every fold."""
    seen: Counter[int] = Counter()
    turns = {}
    for patient in ranked:
        turns[patient] = seen[folds[patient]]
        seen[folds[patient]] += 1
    return sorted(ranked, key=turns.__getitem__)


def validation_patients(ranked: list[str], share: float) -> list[str]:
    """Return a share of an ordered list, evenly spaced from the second on: at least one of two or more.

    Of n patients they are 1 + floor((n - 2) * share); every k-th where the share is 1/k. Prefixes of the list have
    prefixes of the result, so validation sets nest as the subsets do.
    """
    exact = Fraction(share).limit_denominator(10_000)  # 0.1 as it is written, and 0.3333333 as a third
    return [p for i, p in enumerate(ranked) if i and (i - 1) * exact // 1 > (i - 2) * exact // 1]


def read_splits(path: Path) -> pd.DataFrame:
    """Read the table that `split` made; names stay text ("007" and "NA" are names)."""
    return read_written(path)


def stage_cases(splits: pd.DataFrame, stage: Stage, share: float | Literal["fold"]) -> pd.DataFrame:
    """Return the cases that a stage uses: columns cohort, case, use ("train" or "validation").

    Args:
        splits: of `split`. stage: the training.
        share: of the patients, who validate; "fold": those of the stage's fold.

    Raises:
        SplitError: the stage asks for more patients than the cohort has for training.
    """
    parts = []
    for cohort, n in stage.train:
        own = splits[(splits.cohort == cohort) & (splits.part == "train") & (splits.replicate == stage.replicate)]
        if stage.fold_cohort == cohort:
            own = own[own.fold != stage.fold]
        ranked = list(dict.fromkeys(own.sort_values("rank").patient))
        if n is not None and n > len(ranked) and stage.fold_cohort != cohort:
            raise SplitError(
                f"stage {stage.name} needs {n} training patients of cohort {cohort}, which has "
                f"{len(ranked)}: change `sizes`, or hold fewer out for testing (cohorts.{cohort}.test)"
            )
        ranked = ranked[:n]
        own = own[own.patient.isin(ranked)]
        if share == "fold":
            held = own.fold == stage.fold
        else:
            held = own.patient.isin(validation_patients(ranked, share))
        parts.append(own.assign(use=held.map({True: "validation", False: "train"})))
    return pd.concat(parts)[["cohort", "case", "use"]].sort_values(["cohort", "case"])


def evaluation_cases(splits: pd.DataFrame, model: Model) -> pd.DataFrame:
    """Return the cases that a model is evaluated on: the test sets, or the fold left out; cohort and case."""
    if model.fold_cohort is None:
        own = splits[splits.part == "test"]
    else:
        own = splits[
            (splits.cohort == model.fold_cohort) & (splits.fold == model.fold) & (splits.replicate == model.replicate)
        ]
    return own[["cohort", "case"]].sort_values(["cohort", "case"])


def _order(patients: Iterable[str], seed: int, cohort: str, purpose: str) -> list[str]:
    def key(patient: str) -> str:
        return hashlib.sha256(f"{seed}/{cohort}/{purpose}/{patient}".encode()).hexdigest()

    return sorted(patients, key=key)


def tested_patients(test: float, patients: int) -> int:
    """Return how many of a cohort's patients are tested on, which `test` gives as a share or as their number."""
    return round(test * patients) if test < 1 else int(test)


def _findings(
    cases: pd.DataFrame, tests: dict[str, float], needed: dict[str, int], structures: Sequence[str],
    alike: Mapping[str, str],
) -> list[str]:  # fmt: skip
    patients = {cohort: own.patient for cohort, own in cases.groupby("cohort")}
    findings = [*shared(patients), *alike_in_cohorts(patients, alike)]
    findings += _of_one_name(cases, structures)
    for cohort, test in tests.items():
        findings += too_few(cohort, cases[cases.cohort == cohort].patient.nunique(), test, needed[cohort])
    return findings


def _of_one_name(cases: pd.DataFrame, structures: Sequence[str]) -> list[str]:
    """Return messages about cases some of whose predictions would be in one file.

    They are "b_1" of cohort "site" and "1" of "site_b"; and, of a kidney and a left_kidney, "1_left" and "1" of one.
    """
    of: dict[str, list[tuple[str, str]]] = {}
    for cohort, case in zip(cases.cohort, cases.case, strict=True):
        for ending in structures or [""]:
            of.setdefault("_".join(filter(None, (cohort, case, ending))), []).append((cohort, case))
    one_name = {tuple(held): name for name, held in of.items() if len(held) > 1}
    return [
        f"case {' and case '.join(f'{case} of cohort {cohort}' for cohort, case in held)}: their files would have one "
        f"name, {name}: rename a {'structure' if len({cohort for cohort, _ in held}) == 1 else 'cohort'}"
        for held, name in one_name.items()
    ]


PREFIX_REMEDY = (
    "If two hospitals use the same numbers for different people, write `prefix: b-` below `source:` of one of these "
    "cohorts in the study's file"
)


def shared(patients: Mapping[str, Iterable[str]]) -> list[str]:
    """Return messages about patients (cohort -> its patients) who are in several cohorts, with what to do."""
    of: dict[str, list[str]] = {}
    for cohort in sorted(patients):
        for patient in set(patients[cohort]):
            of.setdefault(patient, []).append(cohort)
    together: dict[str, list[str]] = {}
    for patient in sorted(of):
        if len(of[patient]) > 1:
            together.setdefault(", ".join(of[patient]), []).append(patient)
    return [
        f"cohorts {where}: {counted(len(names), 'name')} occur{'s' * (len(names) == 1)} in "
        f"{'both' if where.count(',') == 1 else 'each of these'} cohorts ({first_few(names, SHOWN)}): patients never "
        f"cross a split. {PREFIX_REMEDY}; if they are the same people, leave each in one cohort only"
        for where, names in together.items()
    ]


def alike_in_cohorts(patients: Mapping[str, Iterable[str]], alike: Mapping[str, str]) -> list[str]:
    """Return messages about patients of several cohorts whose identifiers are written alike, with what to do.

    Args:
        patients: cohort -> its patients.
        alike: patient -> what the identifier has in common with others that may be the same person's; "" where that
            isn't known.
    """
    of: dict[str, dict[str, set[str]]] = {}
    for cohort in sorted(patients):
        for patient in set(patients[cohort]):
            if written := alike.get(patient):
                of.setdefault(written, {}).setdefault(patient, set()).add(cohort)
    together: dict[str, list[str]] = {}
    for own in of.values():
        cohorts = sorted(set().union(*own.values()))
        if len(own) > 1 and len(cohorts) > 1:
            together.setdefault(", ".join(cohorts), []).append(" and ".join(sorted(own)))
    return [
        f"cohorts {where}: the identifiers of {counted(len(pairs), 'patient')} {WRITTEN_ALIKE} ("
        f"{first_few(sorted(pairs), SHOWN)}): one person would be trained on and tested. If they "
        f"are the same people, leave each in one cohort only. {PREFIX_REMEDY}"
        for where, pairs in together.items()
    ]


def too_few(cohort: str, patients: int, test: float, needed: int) -> list[str]:
    """Return messages about what a cohort has too few patients for, with values that would do.

    Args:
        cohort: its name. patients: how many it has.
        test: patients held out for testing, a fraction below 1, else a count.
        needed: fewest training patients that the study can do with.
    """
    n_test = min(tested_patients(test, patients), patients)
    train, findings = patients - n_test, []
    if test > 0 and not n_test:
        findings.append(f"cohort {cohort}: no test patient of {patients} (cohorts.{cohort}.test: {test:g})")
    if train < needed:
        findings.append(
            f"cohort {cohort}: {patients} patients leave {train} for training after the test set of {n_test}; "
            f"{needed} are needed (cohorts.{cohort}.test, sizes); {_would_do(patients, needed)}"
        )
    elif test > patients:
        findings.append(f"cohort {cohort}: {counted(patients, 'patient')} of {test:g} to test (cohorts.{cohort}.test)")
    return findings


def _would_do(patients: int, needed: int) -> str:
    try:
        test, sizes = test_and_sizes(patients)
    except ValueError as error:
        return str(error)
    either = f"test: {patients - needed}, or " if patients - needed >= 2 else ""
    return f"these values would work: {either}test: {test} with sizes: {sizes}"


def _copies(images: pd.DataFrame) -> list[str]:
    """Return messages about images that stand in several cohorts.

    Those of one cohort were reported when its cases were made.
    """
    findings: dict[str, str] = {}
    for _, own in images.groupby("image", sort=False):
        if own.cohort.nunique() == 1:
            continue
        held = own.drop_duplicates(["cohort", "case"]).sort_values(["cohort", "case"])
        where = " and ".join(f"case {c.case} of cohort {c.cohort}" for c in held.itertuples())
        channels = ", ".join(sorted(set(own.channel)))
        findings[where] = ", ".join(filter(None, [findings.get(where), channels]))
    return [
        f"same-image: {where} hold the same image ({channels}): one patient under two names would be "
        "trained on and tested. Leave the case out of all cohorts but one"
        for where, channels in findings.items()
    ]
