"""Whether files of claims name what their studies and papers have: found before anything runs."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from crossover.core.configuration import ConfigError
from crossover.statistics.papers.claims.statements import (
    ICC,
    BestNetwork,
    Better,
    Crossover,
    Majority,
    NoDifference,
    OnTestSet,
    Statement,
    Time,
    Untested,
)
from crossover.statistics.papers.claims.verdict_files import read_claims
from crossover.statistics.papers.published import load_published
from crossover.statistics.scores.metrics_table import POOLED
from crossover.study.plan import plan
from crossover.study.schema import Study


def check_claims(studies: Mapping[str, Study], folder: Path = Path("config")) -> None:
    """Check the claims about every study that has such a file.

    Raises:
        ConfigError: every wrong key and value, and every family, cohort, structure, metric or size that the study
            or its paper hasn't, each with the file, the claim and what is valid.
    """
    findings: list[str] = []
    for name, study in studies.items():
        if (folder / "claims" / f"{name}.yaml").exists():
            try:
                findings += _findings(study, folder)
            except ConfigError as error:
                findings.append(str(error))
    if findings:
        raise ConfigError("\n".join(findings))


def _findings(study: Study, folder: Path) -> Iterator[str]:
    path = folder / "claims" / f"{study.study}.yaml"
    sizes = load_published(study.published, folder).sizes if study.published else study.sizes
    families = list(plan(study).families())
    for claim in read_claims(study.study, folder).claims:
        for found in _unknown(claim.statement, study, families, sizes):
            yield f"{path}: claims.{claim.id}: {found}"


def _unknown(statement: Statement, study: Study, families: list[str], sizes: list[int]) -> Iterator[str]:
    if isinstance(statement, Untested):
        return
    if isinstance(statement, BestNetwork):
        # which networks there are depends on the scale: where one isn't tried, the claim is not run
        if study.selection is None:
            yield "best_network: the study has no `selection` of a network"
        return
    yield from _missing("family", _families(statement), families)
    yield from _missing("size", statement.sizes, sizes)
    if isinstance(statement, Time):
        return
    yield from _missing("test set", _test_sets(statement), [*study.cohorts, POOLED])
    pooled = [] if isinstance(statement, Crossover) else [POOLED]
    yield from _missing("structure", statement.structures, [*study.structures, *pooled])
    if statement.metric == ICC and study.radiomics is None:
        yield "metric: the study has no `radiomics`, so there is no ICC"


def _families(statement: OnTestSet | Time) -> list[str]:
    if isinstance(statement, Better | Majority | NoDifference):
        return [family for of in statement.pairs for family in (*of.a, *of.b)]
    if isinstance(statement, Crossover):
        return [statement.ahead, statement.overtakes]
    if isinstance(statement, Time):
        return [statement.family, statement.over]
    return statement.families


def _test_sets(statement: OnTestSet) -> list[str]:
    if isinstance(statement, Better | Majority | NoDifference):
        return [of.test_set for of in statement.pairs]
    return [statement.test_set]


def _missing(what: str, named: Iterable, known: Iterable) -> Iterator[str]:
    known = list(known)
    for name in dict.fromkeys(n for n in named if n not in known):
        yield f"the study has no {what} {name!r}; it has {', '.join(map(str, known)) or 'none'}"
