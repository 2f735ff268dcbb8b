"""Do studies succeed as often as they were planned to, and do extrapolated intervals hold the truth?

    python -m benchmarks.planning [--simulations 300] [--quick] [--part PART]...

* differences: pilots of two methods are drawn (patients SD 0.10, residual SD 0.06, half its variance tied to case and
  model, between-run SD as said), each is planned from for an assurance of 80% with the fewest of 3, 5, 10, 20 or 50
  trainings that suffice (of pilots with one training: with one, and 12 trainings of other models), and studies of that
  plan are drawn from the same truth. `succeed`: p < 0.05 and the right sign; meant are 75 to 85%.
* found: the same for the difference that the pilot finds, whose truth is drawn evenly from -0.1 to 0.1. Plans of ten
  cases or fewer are left out, since the smallest studies have more than the assurance asked for.
* curves: how often the interval at twice the largest n holds the true curve, and that of the gain; by kind of curve.
* assured: pilots that can't tell whether two curves cross; the assurance that a new study of 64 cases and five draws of
  the subsets would tell, and how often such studies do (`succeed`). The second curve is shifted evenly, by 0.15 at
  most, so that true curves are as likely at one distance as at another, which a plan takes them to be; and by 0.04 at
  most, where all true curves cross.
* distances: the same of distances in mm, whose differences between patients multiply and are skewed.
* crossings: such pilots are planned from, for the fewest of 3, 5 or 10 draws; shifts by 0.15 at most. `planned for` is
  the mean assurance of the plans.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pandas as pd

from benchmarks.chance import OTHERS_DF, PATIENTS, RESIDUAL
from crossover.statistics.estimates.chance import Effect, Spread, effect
from crossover.statistics.estimates.resampling import Panel, Resampled, resample
from crossover.statistics.learning_curves.crossing import OPEN, crossover
from crossover.statistics.learning_curves.extrapolation import FARTHEST, Curve
from crossover.statistics.study_planning.assurance import draw_components, fewest_cases, pilot_of
from crossover.statistics.study_planning.planned_crossing import cases_that_settle, crossing_pilot, share_settled
from tests.simulated import CROSSING, SCRATCH, TRANSFER, Design, logistic, power, simulated_panel, skewed_distances

ASSURANCE, ALPHA, CONFIDENCE = 0.8, 0.05, 0.95
BAND = (0.75, 0.85)
COVERED = 0.90
"""A promise is `kept` where a rate isn't below the band, or this, by more than chance; more is only waste."""
TRAININGS = (3, 5, 10, 20, 50)
DRAWS, TENTH, WIDE, NARROW = (3, 5, 10), 10, 0.15, 0.04
"""Draws of the subsets that crossovers are planned for, of a tenth of the pilots; how far true curves are shifted."""
FIXED = Design(patients=64, replicates=5)
"""The study of which the assurance is compared with how often it succeeds."""
STUDIES = 5
"""Studies drawn of each plan."""
PILOTS = [
    # cases, trainings, between-run SD, share of the residual tied to case and model, difference
    (16, 2, 0.02, 0.5, 0.05), (16, 3, 0.0, 0.5, 0.05), (16, 3, 0.01, 0.5, 0.05), (16, 3, 0.02, 0.5, 0.05),
    (16, 3, 0.04, 0.5, 0.05), (16, 5, 0.02, 0.5, 0.05), (64, 3, 0.01, 0.5, 0.03), (64, 3, 0.02, 0.5, 0.03),
    (64, 3, 0.02, 0.0, 0.03), (64, 3, 0.02, 1.0, 0.03), (64, 5, 0.02, 0.5, 0.03), (16, 1, 0.01, 0.5, 0.08),
    (64, 1, 0.01, 1.0, 0.05),
]  # fmt: skip
CURVES: dict[str, Callable] = {
    "power law, c = 0.2": power(0.90, 0.70, 0.2),
    "power law, c = 0.5": power(0.85, 1.39, 0.5),
    "power law, c = 0.9": power(0.72, 0.50, 0.9),
    "flat": lambda n: 0.70 + 0 * n,
    "straight over log n": lambda n: 0.40 + 0.05 * np.log2(n / 5),
    "saturating exponential, 60": lambda n: 0.8 - 0.5 * np.exp(-n / 60),
    "saturating exponential, 200": lambda n: 0.8 - 0.5 * np.exp(-n / 200),
    "S over log n, steepest at 8": logistic(0.80, 0.8, 3.0),
    "S, steepest at 64": logistic(0.80, 0.8, 6.0),
    "S, steepest at the largest n, 256": logistic(0.80, 0.8, 8.0),
    "S, steepest beyond, at 512": logistic(0.80, 0.8, 9.0),
}
FORESEEN = len(CURVES) - 1
"""The kinds whose gains don't become greater beyond the largest n."""
DESIGNS = {
    "64 patients, 1 training": Design(),
    "16 patients, 2 trainings": Design(patients=16, replicates=2),
    "64 patients, 3 trainings": Design(replicates=3),
}


def main() -> None:
    """Print the tables; exit with 1 where a promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulations", type=int, default=300, help="pilots of each setting")
    parser.add_argument("--quick", action="store_true", help="few pilots, few settings")
    parser.add_argument("--part", action="append", choices=PARTS, help="by default all")
    asked = parser.parse_args()
    wrong = []
    for part in asked.part or PARTS:
        rows = PARTS[part](40 if asked.quick else asked.simulations, asked.quick)
        found = pd.DataFrame(rows)
        print(f"\n{part}\n\n{found.to_markdown(index=False, floatfmt='.3f')}", flush=True)
        wrong += [part] if "kept" in found and not found["kept"].all() else []
    if wrong:
        sys.exit(f"a promise is not kept: {', '.join(wrong)}")


def differences(simulations: int, quick: bool) -> Iterator[dict]:
    """Yield a row for each setting of `PILOTS`."""
    for cases, trainings, spread, tied, difference in PILOTS[3:4] if quick else PILOTS:
        rng = np.random.default_rng([cases, trainings, round(1000 * spread), round(10 * tied)])
        setting = {"cases": cases, "trainings": trainings, "between-run SD": spread}
        setting |= {"tied": tied, "difference": difference}
        yield setting | _planned(rng, simulations, setting, difference)


def found(simulations: int, quick: bool) -> Iterator[dict]:
    """Yield the same where the pilot's own difference is to be settled."""
    for cases, trainings in [(16, 3)] if quick else [(16, 3), (64, 3), (64, 5)]:
        rng = np.random.default_rng([cases, trainings])
        setting = {"cases": cases, "trainings": trainings, "between-run SD": 0.01, "tied": 0.5}
        yield setting | _planned(rng, simulations, setting, None)


def _planned(rng: np.random.Generator, simulations: int, setting: dict, asked: float | None) -> dict:
    """Of one setting; where no difference is asked about, its truth is drawn and the pilot's is planned for."""
    plans, succeeded = [], []
    cases, trainings, *world = (setting[k] for k in ("cases", "trainings", "between-run SD", "tied"))
    for _ in range(simulations):
        difference = asked or rng.uniform(-0.1, 0.1)
        pilot = pilot_of(*_study(rng, cases, trainings, difference, *world))
        components = draw_components(pilot, asked)
        plan = _plan(pilot, components, (1,) if trainings == 1 else TRAININGS)
        if plan and (asked or plan[1] > 10):
            plans.append(plan)
            judged = [_judged(rng, plan, difference, world) for _ in range(STUDIES)]
            right = [e.p() < ALPHA and e.estimate * difference > 0 for e in judged]
            succeeded.append(np.mean(right))
    rate, error = np.mean(succeeded), np.std(succeeded) / np.sqrt(len(succeeded))
    return {
        "planned": len(plans) / simulations,
        "trainings, median": np.median([t for t, _ in plans]),
        "cases, median": np.median([n for _, n in plans]),
        "succeed": rate,
        "SE": error,
        "kept": bool(rate >= BAND[0] - 3 * error),
    }


def _plan(pilot, components, trainings: tuple[int, ...]) -> tuple[int, int] | None:
    for count in trainings:
        if cases := fewest_cases(pilot, components, count, ASSURANCE, ALPHA):
            return count, cases
    return None


def _study(
    rng: np.random.Generator, n: int, trainings: int, difference: float, spread: float, tied: float
) -> tuple[list[np.ndarray], np.ndarray, Spread | None]:
    """Two models' scores, the cohort of each case, and what other models tell of trainings."""
    own = rng.normal(0, RESIDUAL * np.sqrt(tied), (2, n, 1))
    rest = rng.normal(0, RESIDUAL * np.sqrt(1 - tied), (2, n, trainings))
    scores = rng.normal(0, PATIENTS, (1, n, 1)) + own + rng.normal(0, spread, (2, 1, trainings)) + rest
    scores[0] += difference
    known = None
    if trainings == 1:
        luck = rng.normal(0, np.hypot(spread, RESIDUAL * np.sqrt((1 - tied) / n)), OTHERS_DF)
        known = Spread(float((luck**2).mean()), OTHERS_DF)
    return list(scores), np.zeros(n), known


def _judged(rng: np.random.Generator, plan: tuple[int, int], difference: float, world: list) -> Effect:
    trainings, cases = plan
    scores, strata, known = _study(rng, cases, trainings, difference, *world)
    return effect(scores, [1, -1], strata, known)


def curves(simulations: int, quick: bool) -> Iterator[dict]:
    """Yield a row for each design and kind of curve."""
    kinds = list(CURVES.items())[1:6:4] if quick else list(CURVES.items())
    for name, design in list(DESIGNS.items())[: 1 if quick else None]:
        for place, (kind, curve) in enumerate(kinds):
            largest = design.sizes[-1]
            value, before = (float(curve(np.array(float(n)))) for n in (FARTHEST * largest, largest))
            hits, refused = [], 0
            for seed in range(simulations // 2):
                panel = simulated_panel({"a": curve, "b": curve}, design, seed)
                made = Curve(resample(panel, 400, seed), 0)
                if made.refused:
                    refused += 1
                    continue
                to = made.continued(FARTHEST * largest, CONFIDENCE)
                held = to.low <= value <= to.high
                gained = to.gain_low - 1e-9 <= value - before <= to.gain_high + 1e-9
                hits.append((held, gained, to.high - to.low, to.gain_high))
            share = np.mean(hits, axis=0)
            error = np.sqrt(COVERED * (1 - COVERED) / len(hits))
            fine = min(share[:2]) >= COVERED - 3 * error or (not quick and place >= FORESEEN)
            yield {
                "design": name, "curve": kind, "true gain": value - before, 
                "not continued": refused / (simulations // 2),
                "covered": share[0], "gain covered": share[1], "width": share[2], "gain at most": share[3],
                "kept": bool(fine),
            }  # fmt: skip


def assured(simulations: int, quick: bool, made: Callable[..., Panel] = simulated_panel) -> Iterator[dict]:
    """Yield a row for each pair of curves and range of shifts; pilots of 32 patients and two draws of the subsets."""
    for most in (WIDE, NARROW):
        for name in list(CROSSING)[: 1 if quick else None]:
            promised, succeeded = [], []
            for seed, true, (panel, means) in _open_pilots(name, most, simulations // 5, made):
                pilot = crossing_pilot(panel, means, (0, 1))
                promised.append(share_settled(pilot, FIXED.patients, FIXED.replicates, CONFIDENCE, ALPHA, studies=50))
                succeeded.append(np.mean([_told(true, FIXED, STUDIES * seed + s, made) for s in range(STUDIES)]))
            error = np.std(np.subtract(succeeded, promised)) / np.sqrt(len(promised))
            yield {
                "curves": name, "shifted by up to": most, "pilots": len(promised),
                "assured": np.mean(promised), "succeed": np.mean(succeeded), "SE": error,
            }  # fmt: skip


def crossings(simulations: int, quick: bool) -> Iterator[dict]:
    """Yield a row for each pair of curves; pilots of 32 patients and two draws of the subsets."""
    for name in list(CROSSING)[: 1 if quick else None]:
        plans, succeeded, opened = [], [], 0
        for seed, true, (panel, means) in _open_pilots(name, WIDE, simulations // TENTH):
            opened += 1
            pilot = crossing_pilot(panel, means, (0, 1))
            tried = ((d, *cases_that_settle(pilot, d, ASSURANCE, CONFIDENCE, ALPHA)) for d in DRAWS)
            plan = next((own for own in tried if own[2] >= ASSURANCE), None)
            if plan is None:
                continue
            plans.append(plan)
            planned = Design(patients=plan[1], replicates=plan[0])
            succeeded += [_told(true, planned, STUDIES * seed + study) for study in range(STUDIES)]
        yield {
            "curves": name, "can't tell": opened, "of these planned": len(plans) / max(opened, 1),
            "draws, median": np.median([d for d, *_ in plans]),
            "cases, median": np.median([n for _, n, _ in plans]), "planned for": np.mean([a for *_, a in plans]),
            "succeed": np.mean(succeeded), "studies": len(succeeded),
        }  # fmt: skip


def _open_pilots(
    name: str, most: float, pilots: int, made: Callable[..., Panel] = simulated_panel
) -> Iterator[tuple[int, dict, tuple[Panel, Resampled]]]:
    """(seed, true curves, pilot) of those pilots that can't tell whether the two cross."""
    pair = CROSSING[name]
    for seed in range(pilots):
        shift = np.random.default_rng(seed).uniform(-most, most)
        true = {TRANSFER: pair[TRANSFER], SCRATCH: lambda n, by=shift: pair[SCRATCH](n) + by}
        panel = made(true, Design(patients=32, replicates=2), seed)
        means = resample(panel, 400, seed)
        if crossover(panel, means, (0, 1), CONFIDENCE, ALPHA)["verdict"] == OPEN:
            yield seed, true, (panel, means)


def _told(true: dict, design: Design, seed: int, made: Callable[..., Panel] = simulated_panel) -> bool:
    """Whether a study tells whether the two cross."""
    panel = made(true, design, 10_000 + seed)
    return crossover(panel, resample(panel, 400, seed), (0, 1), CONFIDENCE, ALPHA)["verdict"] != OPEN


PARTS = {
    "differences": differences, "found": found, "curves": curves, "assured": assured,
    "distances": partial(assured, made=skewed_distances), "crossings": crossings,
}  # fmt: skip


if __name__ == "__main__":
    main()
