"""`config/claims/<study>.yaml`, read and checked against the study that it is about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from crossover.claims.statements import (
    ICC,
    BestNetwork,
    Better,
    Claims,
    Crossover,
    Majority,
    NoDifference,
    Statement,
    Time,
    Untested,
)
from crossover.config import ConfigError, read_yaml, validate
from crossover.plan import plan
from crossover.published import corresponding, load_published
from crossover.study import Study

POOLED = "all"


def claims_path(study: str, folder: Path = Path("config")) -> Path:
    return folder / "claims" / f"{study}.yaml"


def load_claims(study: Study, folder: Path = Path("config")) -> Claims:
    """Read the claims about a study.

    Raises:
        ConfigError: no such file; else every wrong key, value, and name of a family, cohort, structure, network
            or size that the study or its paper hasn't, each with the file, the claim and what is valid.
    """
    path = claims_path(study.study, folder)
    claims = validate(Claims, read_yaml(path), path)
    findings = [f"{path}: study: {claims.study!r} is not {study.study!r}"]
    findings = findings if claims.study != study.study else []
    sizes = load_published(study.published, folder).sizes if study.published else []
    for claim in claims.claims:
        place = f"{path}: claims.{claim.id}"
        findings += [f"{place}: {f}" for f in _unknown(claim.statement, study, sizes)]
    if findings:
        raise ConfigError("\n".join(findings))
    return claims


def sizes_here(study: Study, folder: Path = Path("config")) -> dict[int, int]:
    """The paper's training size -> this scale's."""
    if not study.published:
        return {n: n for n in study.sizes}
    ours = corresponding(study.sizes, load_published(study.published, folder))
    return {theirs: n for n, theirs in ours.items() if theirs}


def _unknown(statement: Statement, study: Study, sizes: list[int]) -> Iterator[str]:
    if isinstance(statement, Untested):
        return
    if isinstance(statement, BestNetwork):
        yield from _unknown_network(statement, study)
        return
    families = plan(study).families()
    yield from _missing("family", _families(statement), families)
    yield from _missing("size", [*statement.sizes], sizes)
    if isinstance(statement, Time):
        return
    yield from _missing("test set", _test_sets(statement), [*study.cohorts, POOLED])
    pooled = [] if isinstance(statement, Crossover) else [POOLED]
    yield from _missing("structure", statement.structures, [*study.structures, *pooled])
    if statement.metric == ICC and study.radiomics is None:
        yield "metric: the study has no radiomics, so no ICC"


def _unknown_network(statement: BestNetwork, study: Study) -> Iterator[str]:
    # a scale may try fewer networks: the claim is then not run there, which is no mistake
    if study.selection is None:
        yield "best_network: the study selects no network"


def _families(statement: Statement) -> list[str]:
    if isinstance(statement, Better | Majority | NoDifference):
        return [family for of in statement.pairs for family in (*of.a, *of.b)]
    if isinstance(statement, Crossover):
        return [statement.ahead, statement.overtakes]
    if isinstance(statement, Time):
        return [statement.family, statement.over]
    return statement.families


def _test_sets(statement: Statement) -> list[str]:
    if isinstance(statement, Better | Majority | NoDifference):
        return [of.test_set for of in statement.pairs]
    return [statement.test_set]


def _missing(what: str, named: Iterable, known: Iterable) -> Iterator[str]:
    known = list(known)
    for name in dict.fromkeys(n for n in named if n not in known):
        yield f"no {what} {name!r}; there are {', '.join(map(str, known)) or 'none'}"
