"""A training in a process of its own that is killed at steps drawn at random and started again.

    python -m tests.killed KIND [--kills 10] [--seed 0]

KIND as in test_engines. Prints whether weights, history and metrics are those of a training left alone.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np

STEPS = 15
PROCESSES = multiprocessing.get_context("forkserver")
"""Each begins with what `preloaded` names imported, and nothing computed."""


def preloaded(kind: str) -> list[str]:
    """What the server of processes imports, for the first kind that is asked for: TensorFlow only for Keras."""
    keras = ["crossover.training.engines.keras"] if kind == "keras" else []
    # PyTorch first: its build for CUDA crashes where it imports Triton after TensorFlow
    return ["torch._dynamo", "crossover.training.engines.torch", *keras, "hypothesis", "pytest"]


def train(kind: str, folder: Path, steps: Connection) -> None:
    """In this process, a word to the other end before each step; the result is written to the folder."""
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    from safetensors.numpy import save_file
    from test_activations import SHORT, batches, slices
    from test_engines import levels, small_engine

    from crossover.training import stage
    from crossover.training.cache import Cache
    from crossover.training.clock import Clock
    from crossover.training.inputs import Validation, inputs

    stage.CHECKPOINT_SECONDS, stage.CHECKPOINT_SHARE = 0, 1e9  # at each step
    recipe = SHORT.model_copy(update={"steps": (STEPS, STEPS), "validations": 3})
    engine = small_engine(kind)
    step = engine.step

    def told(*given):
        steps.send("step")
        return step(*given)

    engine.step = told
    engine.start(recipe, 1, None, levels(engine)[0])
    made, held, cache = (
        batches(recipe, slices()),
        slices(1, first=90),
        Cache(10**9, folder / "kept"),
    )
    with inputs(engine, made, STEPS, cache, "part") as given:
        validation = Validation(engine, held.images, np.arange(len(held.images)), cache, "part")

        def validate() -> np.ndarray:
            return stage.validation_dsc(validation.predict(), held, "volumes")

        done = stage.train(engine, given, validate, recipe, folder / "checkpoint", Clock())
        validation.close()
    save_file(done.weights, folder / "weights.safetensors")
    facts = {"history": done.history, "best": [done.best_step, done.best_dsc]}
    (folder / "history.json").write_text(json.dumps(facts))


def start(kind: str, folder: Path) -> tuple[BaseProcess, Iterator[str]]:
    """A process that trains, and a word for each step that it begins."""
    folder.mkdir(exist_ok=True)
    PROCESSES.set_forkserver_preload(preloaded(kind))  # without effect once the server runs
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = PROCESSES.Process(target=train, args=(kind, folder, theirs))
    process.start()
    theirs.close()
    return process, _words(ours)


def _words(told: Connection) -> Iterator[str]:
    with suppress(EOFError):
        while True:
            yield told.recv()


def killed(kind: str, folder: Path, kills: int, seed: int) -> list[int]:
    """Kill a training with SIGKILL so many times, then let it end; returns the steps that each got to do."""
    rng = random.Random(seed)
    got = []
    for _ in range(kills):
        process, steps = start(kind, folder)
        wanted = rng.randint(1, max(1, STEPS // kills))
        got.append(sum(1 for _ in zip(steps, range(wanted))))
        process.kill()
        process.join()
    process, steps = start(kind, folder)
    got.append(sum(1 for _ in steps))
    process.join()
    assert process.exitcode == 0
    return got


def same(one: Path, other: Path) -> bool:
    from safetensors.numpy import load_file

    weights = [load_file(folder / "weights.safetensors") for folder in (one, other)]
    texts = {(folder / "history.json").read_text() for folder in (one, other)}
    return len(texts) == 1 and all(np.array_equal(weights[0][n], weights[1][n]) for n in weights[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        killed(given.kind, folder / "alone", 0, 0)
        got = killed(given.kind, folder / "killed", given.kills, given.seed)
        alike = same(folder / "alone", folder / "killed")
    print(f"{given.kind}: steps begun in each attempt {got}; {'identical' if alike else 'DIFFERENT'}")


if __name__ == "__main__":
    main()
