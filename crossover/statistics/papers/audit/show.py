"""The audit on the terminal, and for machines."""

import re
from difflib import SequenceMatcher
from itertools import combinations
from typing import Any

import pandas as pd
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from crossover.core.wording import counted, first_few
from crossover.statistics.papers.audit.false_claims import LIKELY, claim_text, no_claims, untold_claims
from crossover.statistics.papers.audit.lookup import pair_text
from crossover.statistics.papers.audit.orderings import CHECK as ORDERING
from crossover.statistics.papers.audit.paired_t import CHECK as PAIRED_T
from crossover.statistics.papers.audit.verdicts import DEPENDS, FOLLOWS, NOT, UNCHECKED, off_text, span
from crossover.statistics.papers.published import Published

COUNTED = {
    FOLLOWS: ("follows", "follow"),
    DEPENDS: ("depends on interpretation", "depend on interpretation"),
    NOT: ("doesn't follow", "don't follow"),
    UNCHECKED: ("can't be checked", "can't be checked"),
}
"""A verdict -> words for one check and for several."""
MOST_NAMED = 3
MORE_DECIMALS = 2
"""The number of decimals that recomputed numbers are shown with beyond those of the printed one."""
SPELT_ALIKE = 0.9
"""The similarity (`difflib`'s ratio) of two names above which one may be a typing error."""
NOT_IN_IT = "The chance of training again, and of a choice among several comparisons, is not in these probabilities."


def show(published: Published, table: pd.DataFrame, claims: pd.DataFrame, console: Console) -> None:
    """Print a line of counts, then what does not follow, entry by entry.

    What depends on interpretation, what follows with a remark on the correlation that it takes, what can't be
    checked and why, what no check finds, and which claims of superiority may be false (`false_claims.false_claims`)
    come after it.

    Rows of one check with the same interpretation for the same printed number are one entry, and so are many of one
    place with the same interpretation, and those that can't be checked for one reason.
    """
    counts = ", ".join(f"{n} {COUNTED[verdict][n != 1]}" for verdict, n in verdicts(table).items())
    console.print(Text(f"{published.study} ({published.citation}): {counted(len(table), 'check')}: {counts}", "bold"))
    _list("Names that are almost the same", _spelt_alike(published), console)
    wrong = table[table["verdict"] == NOT]
    alone = wrong[wrong["group"] == ""]
    together = [_group(own) for _, own in wrong[wrong["group"] != ""].groupby("group", sort=False)]
    _list("Doesn't follow", [*together, *(_entry(own) for _, own in alone.groupby(alone.index))], console)
    of_interpretations = table[table["verdict"] == DEPENDS].groupby(["check", "interpretation", "where"], sort=False)
    _list("Depends on interpretation", [entry for _, own in of_interpretations for entry in _under(own)], console)
    needing = table[(table["verdict"] == FOLLOWS) & (table["check"] == PAIRED_T) & (table["note"] != "")]
    heading = "Follows, but needs scores of the two models that correlate"
    _list(heading, _needing(needing.sort_values("note", ascending=False)), console)
    why = table[table["verdict"] == UNCHECKED].groupby("note", sort=False)
    _list("Can't be checked", [_unchecked(str(note), own) for note, own in why], console)
    by_reading = [Text(f"{said.about}: {said.what}") for said in published.contradictions]
    _list("Found by reading the paper; no check can detect it", by_reading, console)
    heading = "Claims of superiority that may be false by the chance of the cases"
    _list(heading, _claims(claims, published), console)
    console.print(Padding(Text("`--json` prints every check with its numbers."), (1, 0, 1, 2)))


def _spelt_alike(published: Published) -> list[Text]:
    """Return a line for each two models whose names differ by a typing error's letters."""
    families = sorted({value.model.family for value in published.values})
    return [
        Text(f"{a} and {b} count as two models; if one of them is a typing error, correct it.")
        for a, b in combinations(families, 2)
        if re.sub(r"[^0-9+]", "", a) == re.sub(r"[^0-9+]", "", b) and SequenceMatcher(None, a, b).ratio() >= SPELT_ALIKE
    ]


def _list(heading: str, entries: list[Text], console: Console) -> None:
    """Print entries below their heading; nothing without any."""
    if entries:
        console.print(Padding(Text(heading, "underline"), (1, 0, 0, 2)))
    for entry in entries:
        console.print(Padding(entry, (0, 0, 0, 4)))


def _needing(most_first: pd.DataFrame) -> list[Text]:
    """Return the p values that need the largest correlations, and how many need smaller ones."""
    named = [_entry(most_first.iloc[[k]]) for k in range(min(MOST_NAMED, len(most_first)))]
    rest = len(most_first) - len(named)
    return [
        *named,
        *([Text(f"{rest} more {'need' if rest > 1 else 'needs'} no larger correlation.")] * bool(rest)),
    ]


def _under(own: pd.DataFrame) -> list[Text]:
    """Return what follows under one interpretation at one place: a line for each printed number, or one for many."""
    single = [alike for _, alike in own.groupby("printed", sort=False)]
    if len(single) <= MOST_NAMED:
        return [_entry(alike) for alike in single]
    first = own.iloc[0]
    text = Text(f"{len(own)}: {first_few(list(dict.fromkeys(own['about'])), MOST_NAMED, '; ')}", "bold")
    text.append(f" ({first['where']}): they follow only under this interpretation: ", "not bold")
    text.append(f"{first['interpretation']}.", "not bold italic")
    return [text]


def _unchecked(why: str, own: pd.DataFrame) -> Text:
    """Return what can't be checked for one reason, and the reason."""
    names = list(dict.fromkeys(own["about"]))
    text = Text(f"{len(own)}: " if len(own) > 1 else "", "bold")
    text.append(first_few(names, MOST_NAMED, "; "))
    where = list(dict.fromkeys(own["where"]))
    text.append(f" ({first_few(where, MOST_NAMED, '; ')}): {why}.", "not bold")
    return text


def _claims(claims: pd.DataFrame, published: Published) -> list[Text]:
    """Return how many claims may be false, each that is with more than `LIKELY`, and what is in none of these."""
    doubtful = claims[claims["probability"] > LIKELY]
    verb = "is" if len(doubtful) == 1 else "are"
    said = f"{len(doubtful)} of {counted(len(claims), 'claim')} {verb} false with a probability above {LIKELY:.0%}. "
    said += NOT_IN_IT
    out = [Text(said)] if len(claims) else []
    out += [_claim(row) for _, row in doubtful.iterrows()]
    if untold := untold_claims(published):
        named = first_few(untold, MOST_NAMED, "; ")
        what = f"{counted(len(untold), 'claim')} can't be judged, since no spread over cases or no number of cases is "
        out.append(Text(f"{what}printed: {named}."))
    if without := no_claims(published):
        named = first_few([pair_text(test) for test in without], MOST_NAMED, "; ")
        verb = "shows" if len(without) == 1 else "show"
        what = f"{counted(len(without), 'tested comparison')} {verb} no difference, as p is not below the threshold"
        out.append(Text(f"{what}: {named}."))
    return out


def _claim(row: pd.Series) -> Text:
    of = ", ".join(str(row[x]) for x in ("structure", "test_set", "metric") if pd.notna(row[x]))
    text = Text(f"{claim_text(row)}, {of}", "bold")
    text.append(
        f" ({row['where']}): the paper prints {row['printed']} of {row['cases']:.0f} cases. The claim is false with a "
        f"probability of {row['probability']:.2f} if the scores of the two models have a correlation of "
        f"{row['correlation']:.2f} ({row['correlation_of']})",
        "not bold",
    )
    # With little correlation the difference varies most, and the probability is nearest to a half.
    ends = [row["highest"], row["lowest"]] if row["probability"] <= 0.5 else [row["lowest"], row["highest"]]
    at = [f"{p:.2f} at {r:.2f}" for p, r in zip(ends, (row["correlation_low"], row["correlation_high"]))]
    if row["correlation_high"] - row["correlation_low"] >= 0.01:  # else both are printed alike
        text.append(f", {at[0]} and {at[1]}", "not bold")
    text.append(".", "not bold")
    return text


def verdicts(table: pd.DataFrame) -> dict[str, int]:
    """Return the number of rows of each verdict."""
    return {verdict: int((table["verdict"] == verdict).sum()) for verdict in COUNTED}


def for_machines(published: Published, table: pd.DataFrame, claims: pd.DataFrame) -> dict[str, Any]:
    """Return all rows and claims as plain values; numbers that one doesn't have are None."""
    rows, claimed = (frame.astype(object).where(frame.notna(), None) for frame in (table, claims))
    return {
        "study": published.study,
        "citation": published.citation,
        "verdicts": verdicts(table),
        "findings": rows.drop(columns="study").to_dict("records"),
        "claims": claimed.drop(columns="study").to_dict("records"),
        "claims_untold": untold_claims(published),
        "tested_without_a_claim": [pair_text(test) for test in no_claims(published)],
    }


def _entry(own: pd.DataFrame) -> Text:
    """Return one finding, or several of one kind and one printed number, in sentences."""
    first, names = own.iloc[0], list(dict.fromkeys(own["about"]))
    ordered = first["check"] == ORDERING and first["printed"] in ("higher", "better")
    text = Text(first_few(names, MOST_NAMED, "; "), "bold")
    text.append(f" ({first['where']}): the paper {'says' if ordered else 'prints'} {first['printed']}", "not bold")
    if len(names) == 1:
        text.append(_source(first, ordered), "not bold")
    text.append(".", "not bold")
    if first["verdict"] == NOT and pd.notna(first["off_by"]):
        off = off_text(first["off_by"])
        text.append(f" It is {off} the other way." if ordered else f" It is off by {off}.", "not bold")
    if first["interpretation"]:
        only = f"{'It follows' if len(names) == 1 else 'They follow'} only under this interpretation"
        text.append(f" {'The nearest interpretation is' if first['verdict'] == NOT else only}: ", "not bold")
        text.append(f"{first['interpretation']}.", "not bold italic")
    if first["note"] and len(names) == 1:
        text.append(f" {first['note'][0].upper()}{first['note'][1:]}.", "not bold dim")
    return text


def _group(own: pd.DataFrame) -> Text:
    """Return findings that share numbers as one: at least one number is wrong, and nothing tells which."""
    numbers = first_few(own["group"].iloc[0].split("; "), MOST_NAMED, "; ")
    text = Text(f"{len(own)} checks share {numbers}", "bold")
    text.append(". One wrong number may be behind all of them, this one or another; they don't show which:", "not bold")
    for _, one in own.groupby(own.index):
        text.append("\n  - ").append_text(_entry(one))
    return text


def _source(row: pd.Series, ordered: bool) -> str:
    """Return what a printed number is compared with, and what that gives; of an ordering the two are the same."""
    source = f", compared with {row['follows_from']}" if row["follows_from"] else ""
    anything = span(row["low"], row["high"]) == "0 to 1"
    if pd.isna(row["low"]) or ordered or anything:
        return source
    gives = span(row["low"], row["high"], _decimals(row["printed"]) + MORE_DECIMALS)
    return f"{source}, {'which gives' if source else 'where recomputing gives'} {gives}"


def _decimals(printed: str) -> int:
    """Return the most decimals of the numbers in a text."""
    return max((len(found) for found in re.findall(r"\d\.(\d+)", printed)), default=0)
