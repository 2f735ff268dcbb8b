"""Simulated tables of the contract's form, for tests of what comes after learning."""

from __future__ import annotations

import numpy as np
import pandas as pd

SIZES = (4, 8, 16, 32, 64, 96)
CASES = {"cervix": 6, "uterus": 16}
FAMILIES = (
    # strategy, level, sized, DSC with few cases, what all cases add
    ("pretrained", "", False, 0.40, 0.00),
    ("scratch", "", True, 0.30, 0.45),
    ("transfer", "L1", True, 0.55, 0.17),
    ("transfer", "L2", True, 0.50, 0.15),
    ("transfer", "L3", True, 0.46, 0.12),
    ("aggregated", "", True, 0.42, 0.38),
)
FEATURES = ("Energy", "Entropy", "Mean", "Variance")


def simulated_metrics(
    sizes: tuple[int, ...] = SIZES,
    cases: dict[str, int] = CASES,
    folds: int = 3,
    replicates: int = 1,
    structures: tuple[str, ...] = ("tumour",),
    seed: int = 0,
) -> pd.DataFrame:
    """A metrics table with all optional columns: every family, and folds of scratch and TL L1.

    Scores rise with the share of the training data and carry a case's own difficulty, which is the
    same under every model. A case that is missed has no HD95.
    """
    rng = np.random.default_rng(seed)
    ease = {f"{c}-{i:03d}": rng.normal(0, 0.08) for c, n in cases.items() for i in range(n)}
    rows = []
    for model in _models(sizes, folds, replicates):
        fold = model["fold"]
        tested = list(ease) if fold is None else [f"train-{fold}-{i}" for i in range(8)]
        for structure in structures:
            for case in tested:
                cohort = case.rsplit("-", 1)[0] if fold is None else next(reversed(cases))
                rows.append(_row(model, cohort, case, structure, ease.get(case, 0.0), rng))
    table = pd.DataFrame(rows).drop(columns="expected").astype({"fold": "Int64"})
    table.loc[table["dsc"] < 0.02, "hd95_mm"] = np.nan
    return table


def simulated_radiomics(
    sizes: tuple[int, ...] = SIZES,
    cases: dict[str, int] = CASES,
    features: tuple[str, ...] = FEATURES,
    seed: int = 0,
) -> pd.DataFrame:
    """A radiomics table: manual values and each model's, closer with more cases.

    The pretrained model has no prediction (a missing value) for the last case of the last cohort.
    """
    rng = np.random.default_rng(seed)
    names = [(cohort, f"{cohort}-{i:03d}") for cohort, n in cases.items() for i in range(n)]
    place = {"structure": "tumour"}
    truth = {(case, f): rng.normal(100 * k, 20) for _, case in names for k, f in enumerate(features, 1)}
    manual = {"model": "manual", "family": "", "strategy": "", "level": "", "n_train": 0}
    rows = []
    for model in [{**manual, "expected": 1.0}, *_models(sizes, 0, 1)]:
        own = {key: model[key] for key in manual}
        for cohort, case in names:
            for feature in features:
                value = truth[case, feature] + rng.normal(2, 30) * (1 - model["expected"])
                if model["family"] == "pretrained" and case == names[-1][1]:
                    value = np.nan
                where = {"cohort": cohort, "case": case, "feature": feature, "value": value}
                rows.append({**own, **place, **where})
    return pd.DataFrame(rows)


def _models(sizes: tuple[int, ...], folds: int, replicates: int) -> list[dict]:
    models = []
    for strategy, level, sized, start, gain in FAMILIES:
        family = f"{strategy}-{level}" if level else strategy
        for n in sizes if sized else (0,):
            share = np.log(n / sizes[0]) / np.log(sizes[-1] / sizes[0]) if n > sizes[0] else 0.0
            runs = [(r, None) for r in range(replicates)]
            if n == sizes[-1] and family in ("scratch", "transfer-L1"):
                runs += [(0, fold) for fold in range(folds)]
            for replicate, fold in runs:
                parts = [family, f"n{n}" if n else "", f"r{replicate}" if replicate else ""]
                parts += [f"f{fold}" if fold is not None else ""]
                models.append({
                    "model": "-".join(part for part in parts if part),
                    "family": family, "strategy": strategy, "level": level, "n_train": n,
                    "replicate": replicate, "fold": fold, "expected": start + gain * share,
                })  # fmt: skip
    return models


def _row(model: dict, cohort: str, case: str, structure: str, ease: float, rng) -> dict:
    home = 0.3 if model["strategy"] == "pretrained" and cohort == "cervix" else 0.0
    dsc = float(np.clip(model["expected"] + home + ease + rng.normal(0, 0.05), 0.0, 0.99))
    manual = float(rng.lognormal(1.4, 1))
    return {
        **model,
        "cohort": cohort,
        "case": case,
        "structure": structure,
        "dsc": dsc,
        "iou": dsc / (2 - dsc),
        "hd95_mm": 40 * (1 - dsc) + float(rng.uniform(0, 2)),
        "nsd": min(1.0, dsc + 0.05),
        "dsc_structure_slices": min(1.0, dsc + 0.04),
        "iou_structure_slices": dsc / (2 - dsc),
        "volume_manual_ml": manual,
        "volume_predicted_ml": manual * float(rng.uniform(0.5, 1.5)),
    }
