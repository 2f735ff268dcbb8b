"""A study of the prostate's form, and simulated tables and stage records of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk

from crossover.study.chains import Chain, chains
from crossover.study.plan import Model, plan
from crossover.study.schema import Study

SITES = {
    "north": ("North", 30, 3.0, "surface"),
    "east": ("East", 30, 1.5, "endorectal"),
    "south": ("South", 19, 3.0, "none"),
}
"""Cohort -> label, patients, tesla, coil."""
TESTED = {"north": 6, "east": 6, "south": 4}
ARCHITECTURES = ["unet", "unetplusplus", "manet", "deeplabv3"]
ENCODERS = ["efficientnet-b0", "efficientnet-b3", "resnet18", "resnet34"]
KINDS = {
    "baseline": 0.80,
    "one source": 0.85,
    "two sources": 0.86,
    "all data": 0.84,
    "control": 0.72,
    "trained twice": 0.82,
    "trained three times": 0.83,
}
"""Mean DSC that the simulation aims at."""


def strategies(sites: tuple[str, ...], most: int = 3) -> dict[str, dict]:
    """Every chain of up to so many of the sites, all of them together, and each from random weights."""
    label = {site: SITES.get(site, (site.title(),))[0] for site in sites}
    out = {}
    for length in range(1, most + 1):
        for order in permutations(sites, length):
            steps = [{"train": {site: "all"}} for site in order]
            out["_".join(order)] = {"label": " → ".join(label[s] for s in order), "chain": steps}
    out["together"] = {"label": "All", "chain": [{"train": dict.fromkeys(sites, "all")}]}
    for site in sites:
        step = {"train": {site: "all"}, "initial": "random"}
        out[f"blank_{site}"] = {"label": f"{label[site]}, random", "chain": [step]}
    return out


def chain_study(sites: Mapping[str, tuple] = SITES, folds: int = 5, most: int = 3, **changes: object) -> Study:
    """Chains over all sites; every stage is trained for each fold."""
    phantom = {"kind": "phantom", "anatomy": "uterus", "patients": 30, "seed": 1}
    named = strategies(tuple(sites), most)
    return Study.of({
        "study": "prostate", "scale": "demo", "title": "Prostate, over a chain of sites",
        "question": "Does another site help?", "data": "Simulated tables.", "assumptions": [],
        "attributes": [{"name": "field_strength", "label": "Field strength", "unit": "T"},
                       {"name": "coil", "label": "Coil"}],
        "cohorts": {
            name: {"label": label, "role": "target", "source": phantom, "test": 0.2,
                   "attributes": {"coil": coil} | ({"field_strength": tesla} if tesla else {})}
            for name, (label, _, tesla, coil) in sites.items()
        },
        "channels": ["t2"], "structures": {"prostate": {"label": "Prostate"}},
        "preparation": {
            "bias_field": {"method": "n4", "estimate_on": "t2", "apply_to": ["t2"]},
            "slices": {"size": [64, 64], "normalisation": {"method": "training"},
                       "smallest_mask_px": 20},
        },
        "sizes": [], "strategies": named,
        "splits": {"seed": 1, "validation": "fold", "k_fold": {"k": folds}},
        "network": {"architecture": "selected", "engine": "torch",
                    "initial": {"weights": "imagenet", "otherwise": "random"}},
        "selection": {"train": {next(iter(sites)): "all"}, "architectures": ARCHITECTURES,
                      "encoders": ENCODERS},
        "evaluation": {"threshold": 0.5, "nsd_tolerance_mm": 2.0},
        "statistics": {"metric": "dsc_structure_slices", "confidence": 0.95, "alpha": 0.05},
        "figures": {"order": list(named)}, "execution": {},
        "paper": {"authors": "Touijer L, et al.", "title": "T", "journal": "J", "year": 2023},
        "published": None, **changes,
    })  # fmt: skip


def chain_metrics(
    study: Study,
    means: Mapping[str, float] = KINDS,
    families: Mapping[str, float] | None = None,
    noise: float = 0.02,
    tested: Mapping[str, int] = TESTED,
    seed: int = 0,
) -> pd.DataFrame:
    """A metrics table: each case's own difficulty, each model's own luck, and a mean by kind of chain.

    Args:
        families: family -> its mean, instead of its kind's.
        noise: SD of the luck of model and case; 0 gives every case its family's mean and its own ease.
    """
    rng = np.random.default_rng(seed)
    ease = {(c, i): rng.normal(0, 0.03) for c in study.cohorts for i in range(tested[c])}
    known = {chain.family: chain for chain in chains(study)}
    rows = []
    for model in plan(study).models.values():
        luck = rng.normal(0, noise)
        mean = _mean(known[model.family], means, families or {})
        for (cohort, i), own in ease.items():
            away = 0.0 if cohort in known[model.family].targets else 0.15
            dsc = mean - away + own + luck + rng.normal(0, noise)
            rows.append(_row(model, cohort, i, float(np.clip(dsc, 0, 1))))
    return pd.DataFrame(rows).astype({"fold": "Int64"})


def chain_records(
    study: Study,
    scores: Mapping[tuple[str, str], float] | None = None,
    missing: tuple[str, ...] = (),
    seed: int = 0,
) -> list[dict]:
    """Records of all stages, with a validation DSC each.

    Args:
        scores: cell -> its mean validation DSC.
        missing: encoders without ImageNet weights, whose trainings begin with random ones.
    """
    rng = np.random.default_rng(seed)
    records = []
    for i, stage in enumerate(plan(study).stages.values()):
        architecture, encoder = stage.cell or ("unetplusplus", "efficientnet-b3")
        mean = (scores or {}).get((architecture, encoder), 0.85)
        records.append({
            "stage": asdict(stage), "steps": 400, "best_step": 300 + i % 3, "seconds": 60.0 + i % 7,
            "best_validation_dsc": float(mean + rng.normal(0, 0.015)),
            "initial": _initial(stage, encoder in missing), "threads": 1, "device": "CPU",
            "network": {"architecture": architecture, "engine": "torch", "settings": {"encoder": encoder}},
            "parameters": {"total": 13_624_073, "trained": 13_624_073}, "versions": {"torch": "2.13"},
        })  # fmt: skip
    return records


def chain_splits(study: Study, sites: Mapping[str, tuple] = SITES) -> pd.DataFrame:
    """A split: the sites' patients, a fifth of them for testing."""
    rows = []
    for cohort, (_, patients, *_) in sites.items():
        for i in range(patients):
            testing = i < round(0.2 * patients)
            name = f"{cohort}-{i:03d}"
            rows.append({"cohort": cohort, "patient": name, "case": name, "replicate": 0,
                         "part": "test" if testing else "train", "rank": np.nan if testing else i,
                         "validation": False,
                         "fold": np.nan if testing else i % study.splits.k_fold.k})  # fmt: skip
    return pd.DataFrame(rows)


def _mean(chain: Chain, means: Mapping[str, float], families: Mapping[str, float]) -> float:
    return families.get(chain.family, means.get(chain.kind, 0.85))


def _initial(stage, missing: bool) -> dict | None:
    if stage.initial is None:
        return None
    if stage.initial == "imagenet" and missing:
        return {"weights": "random", "instead_of": "imagenet", "because": "nowhere"}
    if stage.initial == "imagenet":
        return {"weights": "imagenet", "from": "a package", "sha256": "0" * 64}
    return {"weights": stage.initial}


def _row(model: Model, cohort: str, case: int, dsc: float) -> dict:
    whole = max(0.0, dsc - 0.05)
    return {
        "model": model.name, "family": model.family, "strategy": model.strategy,
        "level": model.level or "", "n_train": model.n_train, "replicate": model.replicate,
        "fold": model.fold, "cohort": cohort, "case": f"{cohort}-{case:03d}",
        "structure": "prostate", "dsc": whole, "iou": whole / (2 - whole),
        "hd95_mm": 20 * (1 - dsc), "nsd": dsc, "dsc_structure_slices": dsc,
        "iou_structure_slices": dsc / (2 - dsc),
        "volume_manual_ml": 30.0, "volume_predicted_ml": 30.0 * dsc,
    }  # fmt: skip


def write_pictures(study: Study, metrics: pd.DataFrame, folder: Path) -> tuple[Path, Path, Path]:
    """An axial volume for each test case, its corrected one, and every model's ball, a bit beside it.

    Returns:
        The folders of cases, of corrected images and of predictions.
    """
    cases, corrected, predictions = (folder / n for n in ("cases", "corrected", "predictions"))
    rng = np.random.default_rng(5)
    k, j, i = np.mgrid[0:5, 0:60, 0:64]

    def write(array: np.ndarray, path: Path) -> None:
        image = sitk.GetImageFromArray(array)
        image.SetSpacing((1.5, 1.5, 4.0))
        path.parent.mkdir(parents=True, exist_ok=True)
        sitk.WriteImage(image, str(path))

    def ball(shift: float = 0.0) -> np.ndarray:
        return ((i - 30 - shift) ** 2 + (j - 32) ** 2 + 6 * (k - 2) ** 2 < 150).astype("uint8")

    for row in metrics.drop_duplicates(["cohort", "case"]).itertuples():
        image = rng.normal(80, 9, i.shape) + 60 * ball() + 30 * (j > 45)
        case = f"{row.cohort}/{row.case}"
        write(image.astype("float32"), corrected / case / "image_t2.nii.gz")
        biased = image * (1.6 - i / 64)
        write(biased.astype("float32"), cases / case / "image_t2.nii.gz")
        write(ball(), cases / case / "structure_prostate.nii.gz")
    for row in metrics.itertuples():
        name = f"{row.cohort}_{row.case}_prostate.nii.gz"
        write(ball(rng.normal(0, 3)), predictions / row.model / name)
    return cases, corrected, predictions
