"""A study of the nasopharynx's form, and simulated tables and stage records of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd

from crossover.study.plan import plan
from crossover.study.schema import Study

ORGANS = {
    "brainstem": ("Brain stem", 0.81, 0.88, 0.89),
    "spinal_cord": ("Spinal cord", 0.79, 0.84, 0.86),
    "mandible": ("Mandible", 0.86, 0.89, 0.90),
    "parotid_left": ("Parotid left", 0.82, 0.83, 0.85),
    "parotid_right": ("Parotid right", 0.82, 0.83, 0.85),
    "lens_left": ("Lens left", 0.61, 0.67, 0.71),
    "lens_right": ("Lens right", 0.60, 0.66, 0.71),
    "optic_nerve_left": ("Optic nerve left", 0.63, 0.68, 0.72),
    "optic_nerve_right": ("Optic nerve right", 0.66, 0.69, 0.71),
    "temporal_lobe_left": ("Temporal lobe left", 0.81, 0.88, 0.89),
    "temporal_lobe_right": ("Temporal lobe right", 0.81, 0.87, 0.89),
    "pituitary": ("Pituitary", 0.55, 0.67, 0.70),
}
"""Label, and the DSC of Model_S, Model_T and Model_ST that the simulation aims at."""
LEVELS = ["spp", "conv5b3", "conv5b2", "conv5", "conv4c", "conv4b", "conv4", "conv3", "conv2"]
LAYERS = dict(zip([*LEVELS, ""], [1, 4, 7, 10, 34, 55, 79, 91, 100, 101], strict=True))
"""Level ("" for the whole network) -> its number of re-trained layers."""
SWEPT = ["brainstem", "parotid_left", "lens_left", "pituitary"]
CASES = 10


def chen_study(
    sizes: tuple[int, ...] = (50,),
    organs: int = 12,
    sweep: bool = True,
    levels: Sequence[str] = LEVELS,
) -> Study:
    """Source, target and transfer for each organ, and every level for some of them."""
    names = list(ORGANS)[:organs]
    source, target = {"train": {"source_center": "all"}}, {"train": {"target_center": "n"}}
    strategies = {
        "source": {"label": "Model_S", "chain": [source]},
        "target": {"label": "Model_T", "chain": [target]},
        "transfer": {"label": "Model_ST", "chain": [source, target | {"levels": ["conv5"]}]},
    }
    if sweep:
        swept = [name for name in SWEPT if name in names]
        strategies["sweep"] = {
            "label": "Model_ST", "structures": swept,
            "chain": [source, target | {"levels": [v for v in levels if v != "conv5"]}],
        }  # fmt: skip
        strategies["everything"] = {
            "label": "Model_ST, everything", "structures": swept, "chain": [source, target]
        }  # fmt: skip
    phantom = {"kind": "phantom", "anatomy": "uterus", "patients": 60, "seed": 1}
    return Study.of({
        "study": "nasopharynx", "scale": "demo", "title": "Organs at risk on CT, between centers",
        "question": "Which is best?", "data": "Simulated tables.", "assumptions": [],
        "cohorts": {
            "source_center": {"label": "Source", "role": "source", "source": phantom, "test": CASES},
            "target_center": {"label": "Target", "role": "target", "source": phantom, "test": CASES},
        },
        "structures": {name: {"label": ORGANS[name][0]} for name in names},
        "sizes": list(sizes), "strategies": strategies, "splits": {"seed": 1, "validation": 0.1},
        "network": {"architecture": "resnet101_cascaded", "engine": "torch", "per_structure": True},
        "evaluation": {"threshold": 0.5, "nsd_tolerance_mm": 3.0},
        "preparation": {
            "bias_field": {"method": "none"},
            "slices": {"size": [417, 417], "normalisation": {"method": "window"}},
        },
        "statistics": {"metric": "dsc", "confidence": 0.95, "alpha": 0.05},
        "figures": {"colours": {"source": "#7f7f7f", "target": "#d55e00", "transfer": "#0072b2"},
                    "order": list(strategies), "structures": names},
        "paper": {"authors": "Chen X, Zhu J, et al.", "title": "T", "journal": "J", "year": 2023},
        "published": "nasopharynx",
    })  # fmt: skip


def chen_metrics(study: Study, seed: int = 0) -> pd.DataFrame:
    """Scores with each case's own difficulty; a network has a model of its own for each organ."""
    rng = np.random.default_rng(seed)
    ease = {(c, i): rng.normal(0, 0.02) for c in study.cohorts for i in range(CASES)}
    rows = []
    for model in plan(study).models.values():
        for organ in model.structures:
            for (cohort, i), own in ease.items():
                mean = _expected(model, organ) + (0.02 if cohort == "source_center" else 0)
                dsc = float(np.clip(mean + own + rng.normal(0, 0.02), 0, 1))
                rows.append({
                    "model": model.name, "family": model.family, "strategy": model.strategy,
                    "level": model.level or "", "n_train": model.n_train,
                    "replicate": model.replicate, "fold": model.fold, "cohort": cohort,
                    "case": f"{cohort}_{i:03d}", "structure": organ, "dsc": dsc,
                    "iou": dsc / (2 - dsc), "hd95_mm": 20 * (1 - dsc), "nsd": dsc,
                })  # fmt: skip
    return pd.DataFrame(rows).astype({"fold": "Int64"})


def chen_records(study: Study, extra: bool = True) -> list[dict]:
    """Records of all stages: the more is frozen, the cheaper a step."""
    records = []
    for i, stage in enumerate(plan(study).stages.values()):
        place = ["spp", "conv5b3", "conv5b2", "conv5", *LEVELS[4:], None].index(stage.level)
        steps, cost = 200 + 5 * (i % 4), 0.10 + 0.02 * place + 0.003 * (i % 5)
        parts = {"step": (steps - 1) * cost, "first_step": 1.5, "batch": 0.01 * steps}
        parts |= {"validation": 6.0 - 0.2 * (i % 7), "load": 2.0 if stage.parent else 3.0}
        record = {
            "stage": asdict(stage), "steps": steps, "best_step": 150,
            "parameters": {"total": 42_600_000, "trained": 115_000 + 4_700_000 * place},
            "threads": 1, "device": "CPU", "seconds": sum(parts.values()) + 0.5,
            "cpu_seconds": sum(parts.values()), "gpu_share": 0.0,
        }  # fmt: skip
        records.append(record | ({"seconds_in": parts} if extra else {}))
    return records


def _expected(model, organ: str) -> float:
    _, source, target, transfer = ORGANS[organ]
    known = {"source": source, "target": target, "transfer": transfer}
    if model.strategy in known:
        return known[model.strategy]
    place = LEVELS.index(model.level) if model.level else len(LEVELS)
    return transfer - 0.006 * abs(place - LEVELS.index("conv5")) - 0.02 * (place == 0)
