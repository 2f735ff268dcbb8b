"""Two small trainings one after the other with all threads, against side by side with the threads divided.

    python -m benchmarks.side_by_side [--study uterus] [--scale smoke] [--steps 100] [--repeats 3]

A training is a process of its own with the study's network, size, batch and augmentation at that scale, on made-up
slices; it starts, builds and traces before the clock does. Threads are those of a job: of BLAS, OpenMP and the engine.
What the smaller number of seconds says is how `execution.threads` should be set for such a study here.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from statistics import median
from time import perf_counter

TRAININGS = 2


def train(study_name: str, scale: str, steps: int, threads: int) -> None:
    """In a process of its own: get ready, say so, wait for a line, train, say how many threads there were."""
    import numpy as np

    from crossover.study.config import load_study
    from crossover.training import engines
    from crossover.training.augmentation import augmenter
    from crossover.training.batches import Batches, SliceSet

    study = load_study(study_name, scale)
    recipe, shape = study.recipe, (*study.preparation.slices.size, len(study.channels))
    structures = 1 if study.network.per_structure else len(study.structures)
    network = study.network.cell(*study.selection.cells[0]) if study.selection else study.network
    rng = np.random.default_rng(0)
    masks = np.zeros((24, *shape[:2], structures), np.uint8)
    masks[:, 20:40, 20:40] = 1
    images = rng.normal(size=(24, *shape)).astype("float32")
    slices = SliceSet(images, masks, np.arange(24) // 8, np.ones((24, structures), bool))
    versions = augmenter(recipe.augmentation, shape[:2])
    batches = Batches(slices, versions, recipe.batch, recipe.background_slices, 1)
    engine = engines.create(network, shape, structures, threads)
    engine.start(recipe, 1, None, None)
    engines.whole_step(engine, *batches[0], recipe.learning_rate)
    print("ready", flush=True)
    sys.stdin.readline()
    for step in range(1, steps + 1):
        engines.whole_step(engine, *batches[step], recipe.learning_rate)
    with open("/proc/self/status") as file:
        there = next(line.split()[1] for line in file if line.startswith("Threads"))
    print(f"trained {there}", flush=True)


class Training:
    """A process that is ready to train."""

    def __init__(self, args: argparse.Namespace, threads: int) -> None:
        from workflow_scripts import POOLS

        command = [sys.executable, "-m", "benchmarks.side_by_side", "--threads", str(threads)]
        command += ["--study", args.study, "--scale", args.scale, "--steps", str(args.steps)]
        environment = {**os.environ, **dict.fromkeys(POOLS, str(threads))}
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            command, env=environment, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout.readline() == "ready\n", "the training did not start"

    def begin(self) -> None:
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def end(self) -> int:
        """How many threads the process had."""
        told = self._process.stdout.readline().split()
        self._process.communicate()
        return int(told[1])


def one_after_the_other(args: argparse.Namespace, cores: int) -> tuple[float, int]:
    trainings = [Training(args, cores) for _ in range(TRAININGS)]
    start, there = perf_counter(), []
    for training in trainings:
        training.begin()
        there.append(training.end())
    return perf_counter() - start, max(there)


def side_by_side(args: argparse.Namespace, cores: int) -> tuple[float, int]:
    trainings = [Training(args, max(1, cores // TRAININGS)) for _ in range(TRAININGS)]
    start = perf_counter()
    for training in trainings:
        training.begin()
    there = [training.end() for training in trainings]
    return perf_counter() - start, max(there)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", default="uterus")
    parser.add_argument("--scale", default="smoke")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.threads:
        train(args.study, args.scale, args.steps, args.threads)
        return
    cores = len(os.sched_getaffinity(0))
    taken = [(one_after_the_other(args, cores), side_by_side(args, cores)) for _ in range(args.repeats)]
    after, beside = (median(t[i][0] for t in taken) for i in (0, 1))
    print(f"{TRAININGS} trainings of {args.study} ({args.scale}), {args.steps} steps each, {cores} cores; "
          f"median of {args.repeats}")  # fmt: skip
    print(f"one after the other, {cores} threads: {after:.2f} s ({taken[0][0][1]} threads in a process)")  # fmt: skip
    print(f"side by side, {max(1, cores // TRAININGS)} each: {beside:.2f} s ({taken[0][1][1]} threads in a process)")
    print(f"side by side is {after / beside:.2f} times as fast")


if __name__ == "__main__":
    main()
