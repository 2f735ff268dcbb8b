"""`config/claims/<study>.yaml`, and its verdicts on the files of a run."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import pandas as pd

from crossover.core.configuration import ConfigError, read_yaml, validate
from crossover.statistics.papers.claims.statements import Claims
from crossover.statistics.papers.published import corresponding, load_published
from crossover.study.chains import longer
from crossover.study.schema import Study

TABLES = (
    "metrics.csv", "radiomics.csv", "statistics/training_time_saved.csv",
    "statistics/cross_validation.csv", "statistics/crossover.csv",
)  # fmt: skip
"""What claims are judged by, under results/<study>/; none but the first has to be there."""


def read_claims(study: str, folder: Path = Path("config")) -> Claims:
    """Read the claims about a study.

    Raises:
        ConfigError: there is no such file, or keys and values are wrong; the message has all of them with
            their places.
    """
    path = folder / "claims" / f"{study}.yaml"
    claims = validate(Claims, read_yaml(path), path)
    if claims.study != study:
        raise ConfigError(f"{path}: study: must be the file's name {study!r}, not {claims.study!r}")
    return claims


def judge_claims(study: Study, files: Iterable[Path], folder: Path = Path("config")) -> pd.DataFrame:
    """Return the verdicts on a study's claims, with the columns `verdicts.COLUMNS`.

    Args:
        study: its name, published numbers, sizes, strategies, confidence, policy on missing predictions and
        radiomics are read, and `recipe.steps`.
        files: those there are of `TABLES`; known by their names.
        folder: where the configuration lies.

    Raises:
        ConfigError: the files of claims or of published numbers are wrong.
        TableError: a table is not what it has to be.
    """
    from crossover.statistics.estimates.agreement import Form, read_radiomics
    from crossover.statistics.papers.claims.verdicts import evaluate_claims
    from crossover.statistics.scores.missing import read_completed

    scores = partial(read_completed, policy=study.statistics.missing)
    readers: dict[str, Callable[[Path], pd.DataFrame]] = {
        "metrics": scores,
        "radiomics": read_radiomics,
    }
    tables = {path.stem: readers.get(path.stem, pd.read_csv)(path) for path in files}
    sizes = {n: n for n in study.sizes}
    if study.published:
        published = load_published(study.published, folder)
        tables["published"] = published.table()
        ours = corresponding(study.sizes, published)
        sizes = {theirs: n for n, theirs in ours.items() if theirs}
    claims = read_claims(study.study, folder).claims
    icc: Form = study.radiomics.icc if study.radiomics else "ICC(A,1)"
    confidence = study.statistics.confidence
    return evaluate_claims(claims, tables, confidence, sizes, icc, longer(study))
