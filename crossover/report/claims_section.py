"""The paper's findings and their verdicts, for the report: counted, and a table for each verdict."""

from functools import partial

import pandas as pd

from crossover.core.wording import counted
from crossover.report.formats import listed
from crossover.report.prose import statements
from crossover.report.results import Section, StudyResults, TableKind, titled_tables
from crossover.statistics.papers.claims.parts import FAILS, HOLDS, NOT_RUN, OPEN, VERDICTS, effect_text
from crossover.study.schema import Study

TITLE = "Claims: do the paper's findings hold here?"
VERBS = {
    HOLDS: ("holds", "hold"),
    FAILS: ("does not hold", "do not hold"),
    OPEN: ("can't be decided", "can't be decided"),
    NOT_RUN: ("was not run", "were not run"),
}
ENTRIES = {
    HOLDS: "claims_that_hold",
    FAILS: "claims_that_do_not_hold",
    OPEN: "claims_that_are_open",
    NOT_RUN: "claims_not_run",
}


def claims_section(results: StudyResults) -> Section | None:
    """Return the section of the paper's claims; None where the paper has no claims as data."""
    study, claims = results.study, results.frame("claims")
    if claims.empty:
        return None
    sizes = results.frame("sizes", "ours", "theirs")
    other = sizes[sizes["ours"] != sizes["theirs"]]
    sizes_for = [f"{r.ours} for {r.theirs}" for r in other.itertuples()]
    said = [verdicts_sentence(claims), *statements(study, "claims", sizes_for=sizes_for)]
    kinds = {v: TableKind(e, "claims", partial(claims_layout, verdict=v), wraps=True) for v, e in ENTRIES.items()}
    decided, rest = ([kinds[v] for v in verdicts] for verdicts in ((HOLDS, FAILS), (OPEN, NOT_RUN)))
    return Section("claims", TITLE, said, titled_tables(results, decided), titled_tables(results, rest))


def verdicts_sentence(claims: pd.DataFrame) -> str:
    """Say how many of the paper's findings hold, don't hold, can't be told and were not run."""
    counts = {verdict: int((claims["verdict"] == verdict).sum()) for verdict in VERDICTS}
    verdicts = listed([f"{n} {VERBS[v][n != 1]}" for v, n in counts.items()])
    return f"Of {counted(len(claims), 'finding')} of the paper, {verdicts}."


def claims_layout(claims: pd.DataFrame, study: Study, verdict: str) -> pd.DataFrame:
    """Return the claims of one verdict, each with what decided it."""
    own = claims[claims["verdict"] == verdict]
    read_as = [f" Interpreted as: {text}." if isinstance(text, str) and text else "" for text in own["interpretation"]]
    return pd.DataFrame({
        "Finding": [f"“{words}”{text}" for words, text in zip(own["words"], read_as, strict=True)],
        "Where": own["where"].to_list(),
        "Effect (CI)": [effect_text(row) for row in own.to_dict("records")],
        "p": own["p"].to_list(),
        "Published": own["published"].to_list(),
        "Decided by": own["because"].to_list(),
    })  # fmt: skip
