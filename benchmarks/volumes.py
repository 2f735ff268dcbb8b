"""Memory and seconds of training 3D networks, and of predicting a volume with them.

Each in a process of its own: three drawn cases of 128 x 128 x 128 voxels of 2 mm (two to train on, one to validate on),
two structures, two steps, a validation and a checkpoint, as any training has them.

    .venv/bin/python -m benchmarks.volumes [--threads 2] [--size 96 96 96] [--batch 2] [segresnet dynunet residual_unet]

`kept` is what a step keeps from its forward to its backward pass, weights included, with nothing computed twice; where
that is more than 5 GB without a GPU, blocks are computed twice (benchmarks/results/performance.md). `peak` is the
process's largest resident memory (`ru_maxrss`). `step` is the second step's seconds, `volume` those of the validation.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk

from crossover.core import incremental
from crossover.imaging.volumes import write_case
from crossover.networks import architectures
from crossover.networks.torch.recomputed import kept_bytes, recompute
from crossover.study.plan import Stage
from crossover.study.sections import Augmentation, Recipe
from crossover.training import backends
from crossover.training import stage as course

SHAPE = (128, 128, 128)
STEPS = 2
STRUCTURES = ("ball", "shell")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", default=architectures(3))
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--size", type=int, nargs=3, default=(96, 96, 96))
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--settings", default="{}", help="of the network, as JSON")
    parser.add_argument("--level", help="from which the network is trained")
    parser.add_argument("--one", action="store_true", help="in this process")
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measured(args)))
        return
    rows = []
    options = ["--threads", str(args.threads), "--batch", str(args.batch), "--settings", args.settings]
    options += ["--level", args.level] if args.level else []
    options += ["--size", *map(str, args.size)]
    for name in args.networks:
        words = [sys.executable, "-m", "benchmarks.volumes", "--one", name, *options]
        done = subprocess.run(words, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            print(f"{name}: failed or was killed ({done.returncode})")
            continue
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        print(json.dumps(rows[-1]), flush=True)
    print(f"{date.today()}, {platform.machine()}, {os.cpu_count()} cores, {args.threads} threads")
    print(pd.DataFrame(rows).to_markdown(index=False))


def draw(number: int) -> tuple[sitk.Image, dict[str, sitk.Image]]:
    rng = np.random.default_rng(number)
    middle = np.array(SHAPE) / 2 + rng.integers(-10, 10, 3)
    z, y, x = (places - m for places, m in zip(np.ogrid[tuple(slice(n) for n in SHAPE)], middle, strict=True))
    away = np.sqrt(z**2 + y**2 + x**2)
    masks = {"ball": away < 20, "shell": (away > 25) & (away < 32)}
    values = rng.normal(0, 20, SHAPE) + 150 * masks["ball"] - 150 * masks["shell"]
    return image(values.astype(np.float32)), {name: image(mask.astype(np.uint8)) for name, mask in masks.items()}


def image(values: np.ndarray) -> sitk.Image:
    out = sitk.GetImageFromArray(values)
    out.SetSpacing((2.0, 2.0, 2.0))
    return out


def cases(folder: Path) -> tuple[dict[str, Path], pd.DataFrame]:
    manifest = folder / "cases/c/manifest.json"

    def make(name: str, out: Path) -> dict:
        drawn, masks = draw(int(name))
        write_case(out, {"ct": drawn}, masks)
        return {}

    incremental.update(manifest, {str(n): "drawn" for n in range(3)}, make)
    rows = [("c", f"p{n}", str(n), "train", 0, n, False, 0) for n in range(3)]
    names = ["cohort", "patient", "case", "part", "replicate", "rank", "validation", "fold"]
    return {"c": manifest}, pd.DataFrame(rows, columns=names)


def measured(args: argparse.Namespace) -> dict:
    (name,) = args.networks
    recipe = Recipe(
        loss="dice_bce", optimiser="adam", learning_rate=0.001, batch=2, epochs=1, steps=(STEPS, STEPS), validations=1,
        augmentation=Augmentation(), background_slices=1, seed=1,
    ).model_copy(update={"batch": args.batch})  # fmt: skip
    settings = {
        "network": {
            "backend": "patches", "architecture": name, "engine": "torch", "settings": json.loads(args.settings),
            "patches": {"size": args.size, "spacing_mm": [2.0, 2.0, 2.0], "batch": args.batch},
        },
        "recipe": recipe.model_dump(mode="json"), "validation": 0.34, "channels": ["ct"],
        "normalisation": {"method": "window", "window": [-200, 200]},
    }  # fmt: skip
    course.CHECKPOINT_SECONDS = 0
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        manifests, splits = cases(folder)
        out, cache = folder / "out", folder / "cache"
        job = backends.Job(settings, {}, manifests, {}, splits, args.threads, out=out, cache=cache)
        trainer = backends.part(job, "training").stages(job)
        (out / "it").mkdir(parents=True)
        stage = Stage("it", (("c", None),), None, args.level, STRUCTURES, initial="random")
        facts = trainer.make(stage, "key", out / "it")
        engine = trainer.engine(len(STRUCTURES))
        recompute(engine._model, ())
        engine._to_train()
        kept = kept_bytes(engine._model, (args.batch, 1, *args.size))
    spent = facts["seconds_in"]
    return {
        "network": name, "parameters": facts["parameters"]["total"], "trained": facts["parameters"]["trained"],
        "patch": " x ".join(map(str, args.size)), "batch": args.batch, "kept_gb": round(kept / 1e9, 2),
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9, 2),
        "step_s": round(spent["step"], 1), "volume_s": round(spent["first_validation"], 1),
    }  # fmt: skip


if __name__ == "__main__":
    main()
