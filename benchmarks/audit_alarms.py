"""Does the audit keep silent about papers whose numbers follow, and does it find what is altered?

    python -m benchmarks.audit_alarms [--papers 60]     # 10 minutes of a core; tables: benchmarks/results/audit.md

Made papers (`benchmarks.made_papers`): scores of three models are drawn, and all that a paper prints is computed from
them and rounded: tables, averages, pooled test sets, p values, gains, a table of patients. Smaller ones
(`benchmarks.made_kinds`) leave open what papers usually do. An alarm is a paper with a finding that does not follow.
Then one number of each paper is altered, and it is found where the audit has more findings that do not follow than
before; "told" counts papers in which it has only more that follow under an interpretation or can't be checked.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pandas as pd

from benchmarks.made_kinds import kinds
from benchmarks.made_papers import Maker, Parts, Rng, Style, styles
from crossover.statistics.papers.audit import audit
from crossover.statistics.papers.audit.verdicts import DEPENDS, NOT, UNCHECKED
from crossover.statistics.papers.printed_number import Printed
from crossover.statistics.papers.published import Published

OPEN = (DEPENDS, UNCHECKED)
Plant = Callable[[Parts, Rng], None]


def main() -> None:
    """Print both tables; exit with 1 where a consistent paper has an alarm."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--papers", type=int, default=60, help="of each variant")
    papers = parser.parse_args().papers
    alarms, power = of_variants(papers), of_errors(papers)
    for table in (alarms, power):
        print(table.to_markdown(index=False), end="\n\n")
    if alarms["papers with an alarm"].any():
        sys.exit("the audit has false alarms")


def of_variants(papers: int) -> pd.DataFrame:
    """Return a row for each variant: how many consistent papers have an alarm, and of which checks."""
    rows = []
    drawn = {name: (lambda rng, draw=draw: _paper(draw, rng)) for name, draw in styles().items()} | kinds()
    for k, (name, draw) in enumerate(drawn.items()):
        found = [failed(draw(np.random.default_rng((k, seed)))) for seed in range(papers)]
        checks = Counter(check for one in found for check in {c for c, _ in one})
        rows.append({"variant": name, "papers": papers, "papers with an alarm": sum(map(bool, found)),
                     "of checks": ", ".join(checks) or "none"})  # fmt: skip
    return pd.DataFrame(rows)


def _paper(draw: Callable[[Rng], Style], rng: Rng) -> Parts:
    """Return a consistent paper of a style, whose SDs are over n - 1 or over n."""
    return Maker(replace(draw(rng), freedom=int(rng.integers(2))), rng).parts()


def made(draw: Callable[[Rng], Style], seed: int, variant: int = 0) -> Parts:
    """Return a consistent paper."""
    rng = np.random.default_rng((variant, seed))
    return Maker(draw(rng), rng).parts()


def failed(parts: Parts) -> list[tuple[str, str]]:
    """Check and subject of what does not follow."""
    return [(check, about) for verdict, check, about in _found(parts) if verdict == NOT]


def _found(parts: Parts) -> list[tuple[str, str, str]]:
    return [(f.verdict, f.check, f.about) for f in audit(Published.model_validate(parts))]


def of_errors(papers: int) -> pd.DataFrame:
    """Return a row for each kind of error: in how many papers it is found, and by which checks."""
    rows = []
    for k, (name, (draw, plant)) in enumerate(errors().items()):
        found, told, checks = 0, 0, Counter()
        for seed in range(papers):
            parts = made(draw, seed, 100 + k)
            altered = deepcopy(parts)
            plant(altered, np.random.default_rng(seed))
            more = Counter(_found(altered)) - Counter(_found(parts))
            wrong = {check for verdict, check, _ in more if verdict == NOT}
            found += bool(wrong)
            told += not wrong and any(verdict in OPEN for verdict, *_ in more)
            checks.update(wrong)
        named = ", ".join(f"{check} {n}" for check, n in checks.most_common())
        rows.append({"error": name, "papers": papers, "found in": found, "told in": told, "by": named})
    return pd.DataFrame(rows)


def errors() -> dict[str, tuple[Callable[[Rng], Style], Plant]]:
    """Kind of error -> the papers it is put into, and how."""
    pooled = lambda rng: Style(cohorts=(20, 45))  # noqa: E731
    several = lambda rng: Style(structures=5)  # noqa: E731
    few = lambda rng: Style(test="wilcoxon", cohorts=(10,))  # noqa: E731
    plain, per_cent = (lambda rng: Style(averages="cases")), (lambda rng: Style(unit=100, decimals=1))
    distance = lambda rng: Style(metrics=("hd95_mm",), decimals=1)  # noqa: E731
    intervals = lambda rng: Style(spread="ci")  # noqa: E731
    return {
        "a mean of a table moved by 8 units (repeated in the abstract)": (plain, _mean(0, 8)),
        "a pooled mean moved by 8 units": (pooled, _mean(2, 8)),
        "an average over structures moved by 8 units": (several, _mean(5, 8)),
        "a pooled SD half as large again": (pooled, _sd(2, 1.5)),
        "an SD of an average over structures three times as large": (several, _sd(5, 3)),
        "an SD that scores can't have (0.7)": (plain, _impossible("0.700")),
        "the same in per cent (70.0)": (per_cent, _impossible("70.0")),
        "an SD that distances can't have (8 times the mean)": (distance, _impossible(None)),
        "a DSC above 1": (plain, _above_one),
        "an IoU 0.03 below that of the mean Dice": (plain, _iou(-0.03)),
        "an IoU 0.2 above that of the mean Dice": (plain, _iou(0.2)),
        "p values of age and sex swapped": (plain, _swapped),
        "p of a signed-rank test of 10 cases drawn at random": (few, _random_p),
        "p of a paired t test 0.9, where it is below 0.01": (plain, _large_p),
        "two models of an ordering exchanged": (plain, _exchanged),
        "a count of patients one too large": (plain, _count),
        "a total one too large": (plain, _total),
        "a gain 8 units too large": (plain, _gain),
        "a difference of two models 8 units too large": (plain, _difference),
        "an SD of differences three times as large": (plain, _sd_of_differences),
        "an interval of a difference half as wide": (intervals, _interval),
    }  # fmt: skip


def _moved(number: Printed, units: float) -> Printed:
    return Printed(f"{number + units * 10.0**-number.decimals:.{number.decimals}f}")


def _mean(row: int, units: int) -> Plant:
    def plant(parts: Parts, rng: Rng) -> None:
        value = parts["values"][row]
        value["mean"] = _moved(value["mean"], units * rng.choice((-1, 1)))

    return plant


def _sd(row: int, factor: float) -> Plant:
    def plant(parts: Parts, rng: Rng) -> None:
        value = parts["values"][row]
        value["sd"] = Printed(f"{value['sd'] * factor:.{value['sd'].decimals}f}")

    return plant


def _impossible(sd: str | None) -> Plant:
    def plant(parts: Parts, rng: Rng) -> None:
        value = parts["values"][0]
        value["sd"] = Printed(sd or f"{8 * value['mean']:.1f}")

    return plant


def _above_one(parts: Parts, rng: Rng) -> None:
    value = parts["values"][1]
    value["mean"] = Printed(f"{value['mean'] + 1:.3f}")


def _iou(away: float) -> Plant:
    def plant(parts: Parts, rng: Rng) -> None:
        dice, iou = parts["values"][0], parts["values"][3]
        iou["mean"] = Printed(f"{dice['mean'] / (2 - dice['mean']) + away:.3f}")

    return plant


def _swapped(parts: Parts, rng: Rng) -> None:
    age, sex = parts["table_one"]["continuous"][0], parts["table_one"]["categorical"][0]
    for key in ("p", "p_below"):
        age[key], sex[key] = sex.get(key, False), age.get(key, False)


def _random_p(parts: Parts, rng: Rng) -> None:
    parts["paired"][0] |= {"p": Printed(f"{rng.uniform(0.001, 0.2):.3f}"), "p_below": False}


def _large_p(parts: Parts, rng: Rng) -> None:
    smallest = min(parts["paired"], key=lambda t: t["p"])
    smallest |= {"p": Printed("0.900"), "p_below": False}


def _exchanged(parts: Parts, rng: Rng) -> None:
    said = parts["orderings"][0]
    said["higher"], said["lower"] = said["lower"], said["higher"]


def _count(parts: Parts, rng: Rng) -> None:
    row = parts["table_one"]["categorical"][0]["categories"]["women"]
    row["testing"] = (row["testing"][0] + 1, row["testing"][1])


def _total(parts: Parts, rng: Rng) -> None:
    parts["facts"][2]["value"] += 1


def _gain(parts: Parts, rng: Rng) -> None:
    gain = parts["gains"][0]
    gain["gain"] = _moved(gain["gain"], 8)


def _difference(parts: Parts, rng: Rng) -> None:
    said = parts["differences"][0]
    said["difference"] = _moved(said["difference"], 8)


def _sd_of_differences(parts: Parts, rng: Rng) -> None:
    said = parts["differences"][0]
    said["sd"] = Printed(f"{said['sd'] * 3:.{said['sd'].decimals}f}")


def _interval(parts: Parts, rng: Rng) -> None:
    said = parts["differences"][0]
    low, high = said["ci"]
    quarter = (high - low) / 4
    said["ci"] = tuple(Printed(f"{end:.{low.decimals}f}") for end in (low + quarter, high - quarter))


if __name__ == "__main__":
    main()
