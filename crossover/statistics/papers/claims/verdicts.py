"""Every claim's verdict, computed from the tables of a run."""

import math
from collections.abc import Iterable, Mapping

import pandas as pd

from crossover.core.wording import counted, first_few
from crossover.statistics.estimates.agreement import Form
from crossover.statistics.estimates.chance import MODELS
from crossover.statistics.papers.claims import feature_parts, from_statistics, score_parts
from crossover.statistics.papers.claims.parts import (
    FAILS,
    HOLDS,
    NOT_RUN,
    OPEN,
    Interval,
    JudgedEffect,
    Missing,
    decisive,
    sides,
    verdict,
)
from crossover.statistics.papers.claims.run_scores import RunScores
from crossover.statistics.papers.claims.statements import (
    ICC,
    Above,
    Below,
    BestNetwork,
    Better,
    Claim,
    Crossover,
    Majority,
    NoDifference,
    Rises,
    Statement,
    Testable,
    Time,
    Untested,
    Within,
)
from crossover.statistics.scores.scales import KNOWN

COLUMNS = [
    "id", "words", "where", "kind", "verdict", "effect", "ci_low", "ci_high", "p", "published",
    "because", "measure", "interpretation", "parts", "confidence",
]  # fmt: skip
_NAMED = 3  # how many parts are named before "and ... more"

Frames = Mapping[str, pd.DataFrame]


def evaluate_claims(
    claims: Iterable[Claim],
    tables: Frames,
    confidence: float,
    sizes: Mapping[int, int],
    icc: Form = "ICC(A,1)",
    controls: score_parts.Controls = score_parts.NO_CONTROLS,
) -> pd.DataFrame:
    """Judge claims by a run's tables, with the columns `COLUMNS`.

    Args:
        tables: those there are of `metrics` (read by `missing.read_completed`), `radiomics`,
            `training_time_saved`, `cross_validation`, `crossover`, and `published` (`Published.table`). A claim
            whose table, model, size or metric is missing is *not run*.
        confidence: of the intervals that decide (see `claims.parts`).
        sizes: the paper's training size -> ours.
        icc: the form of the ICC.
        controls: what chains are compared with beside what is shorter.

    Returns:
        One row for each claim. `effect, ci_low, ci_high, p` and the published effect are those of the part that
        decides: of all that have to hold the least clear one; `parts` says of how many. `measure` says what
        the effect is. `because` names what failed, what is undecided or what is missing.
    """
    known = dict(tables)
    if "metrics" in known:
        known["scores"] = RunScores(known["metrics"], known.get("published"), sizes)
    rows = [_row(claim, known, confidence, sizes, icc, controls) for claim in claims]
    return pd.DataFrame(rows, columns=COLUMNS)


def _row(
    claim: Claim, tables: Mapping, confidence: float, sizes: Mapping[int, int], icc: Form,
    controls: score_parts.Controls,
) -> dict:  # fmt: skip
    statement = claim.statement
    row = claim.model_dump(include={"id", "words", "where", "interpretation", "published"})
    row |= {"kind": statement.kind, "measure": measure(statement), "confidence": confidence}
    nothing = dict.fromkeys(("effect", "ci_low", "ci_high", "p"), math.nan) | {"parts": 0}
    if isinstance(statement, Untested):
        return row | nothing | {"verdict": NOT_RUN, "because": statement.because}
    try:
        parts, region = _parts(statement, tables, sizes, icc, controls)
        if not parts:
            raise Missing("the tables have no scores that the claim is about")
    except Missing as missing:
        return row | nothing | {"verdict": NOT_RUN, "because": str(missing)}
    least = statement.at_least if isinstance(statement, Majority) else None
    if least and least > len(parts):
        because = f"the tables have {counted(len(parts), 'part')}, and the claim is about {least} or more"
        return row | nothing | {"verdict": NOT_RUN, "because": because}
    shown = decisive(parts, region, confidence, least)
    found = verdict(parts, region, confidence, least)
    because = _because(found, parts, region, confidence, shown, least)
    if found != OPEN and any(part.about == MODELS for part in parts):
        because = f"it {found} of these trained models; another training of each is needed ({because})"
        found = OPEN
    without_control = score_parts.missing_controls(statement, tables.get("scores"), controls)
    if found == HOLDS and without_control:
        found, because = OPEN, f"{_longer(without_control)} ({because})"
    low, high = shown.shown_interval or shown.interval(confidence)
    return row | {
        "verdict": found,
        "effect": shown.effect,
        "ci_low": low,
        "ci_high": high,
        "p": shown.p,
        "published": _published(parts, statement, claim.published),
        "because": because,
        "parts": len(parts),
    }


def _longer(pairs: list[tuple[str, str]]) -> str:
    named = first_few([f"{a} than {b}" for a, b in dict.fromkeys(pairs)], _NAMED)
    return (
        f"trained longer: {named}; this alone may make them better, so a control is needed that trains as often on the "
        "target's patients"
    )


def _parts(
    statement: Testable, tables: Mapping, sizes: Mapping[int, int], icc: Form, controls: score_parts.Controls
) -> tuple[list[JudgedEffect], Interval]:  # fmt: skip
    def table(name: str) -> pd.DataFrame:
        if name not in tables:
            raise Missing(f"the results have no table {name}")
        return tables[name]

    found: Iterable[JudgedEffect]
    if isinstance(statement, Crossover):
        return from_statistics.crossovers(statement, table("crossover"), sizes)
    if isinstance(statement, Time):
        found = from_statistics.time(statement, table("training_time_saved"), sizes)
    elif isinstance(statement, BestNetwork):
        found = from_statistics.best_network(statement, table("cross_validation"))
    elif isinstance(statement, Rises):
        found = score_parts.rises(statement, table("scores"))
    elif isinstance(statement, Better) and statement.metric == ICC:
        found = feature_parts.icc_differences(statement, table("radiomics"), icc, sizes)
    elif isinstance(statement, Above | Below | Within) and statement.metric == ICC:
        found = feature_parts.icc_values(statement, table("radiomics"), icc, sizes)
    elif isinstance(statement, Above | Below | Within):
        found = score_parts.values(statement, table("scores"))
    else:
        found = score_parts.differences(statement, table("scores"), controls)
    return list(found), statement.region


def measure(statement: Statement) -> str:
    """Return words for what a claim's effect is: "difference of DSC", "ICC", "% of training time"."""
    if isinstance(statement, Untested):
        return ""
    if isinstance(statement, Time):
        return "% of training time saved"
    if isinstance(statement, BestNetwork):
        return "difference of validation DSC"
    if isinstance(statement, Crossover):
        return "n at the crossover"
    name = statement.metric.removesuffix("_structure_slices")
    label = KNOWN[name].label if name in KNOWN else name.upper()
    compared = isinstance(statement, Better | Majority | NoDifference | Rises)
    return f"difference of {label}" if compared else label if name == ICC else f"mean {label}"


def _published(parts: list[JudgedEffect], statement: Statement, text: str) -> str:
    """Return the paper's effects, from the smallest to the largest that it prints, and what else it says."""
    known = [part.published for part in parts if not math.isnan(part.published)]
    if not known:
        return text
    signed = "difference" in measure(statement)
    digits = 3 if signed and max(map(abs, known)) < 0.1 else 2
    ends = [f"{v:{'+' if signed else ''}.{digits}f}" for v in (min(known), max(known))]
    found = " to ".join(dict.fromkeys(ends))
    if 1 < len(parts) != len(known):
        found += f" ({len(known)} of {len(parts)} printed)"
    return f"{found}; {text}" if text else found


def _because(
    found: str,
    parts: list[JudgedEffect],
    region: Interval,
    confidence: float,
    shown: JudgedEffect,
    least: int | None,
) -> str:
    """Return which parts decided, by their own intervals."""
    n = len(parts)
    if n == 1:
        few = math.isnan(parts[0].interval(confidence)[0])
        return "no interval: too few cases, or all have the same score" if few else parts[0].name
    inside, outside = sides(parts, region, confidence)
    wanted = f"at least {least} of {n}" if least else f"all {n}"
    text = f"{len(inside)} of {n} parts hold and {len(outside)} fail, each by its own interval; required: {wanted}"
    if found == HOLDS:
        return f"{text}; least clear: {shown.name}"
    word, named = ("failing", outside) if found == FAILS else ("not holding", [p for p in parts if p not in inside])
    return f"{text}; {word}: {first_few([part.name for part in named], _NAMED, '; ')}"
