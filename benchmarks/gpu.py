"""Everything that a GPU changes, measured on the one that is here, in one command.

    .venv/bin/python -m benchmarks.gpu [--out gpu.csv] [--times config/step_times.csv] [--small] [section ...]

Sections:

- `steps`: training steps of whole networks at the paper's size and batch: float32, tf32 and bfloat16, channels
  last, determinism on and off; milliseconds, memory, the share of the time in which the GPU computes;
- `compiled`: the same by torch.compile or XLA;
- `plain`: the loop that the papers' authors would have written, on the same device;
- `repeats`: whether bits repeat: twice, after a resume, replayed and kernel by kernel;
- `kept`: stages with the frozen part's activations computed, and kept (`benchmarks.frozen_activations`);
- `shares`: 1, 2, 4 and 8 small trainings at once;
- `predicts`: prediction;
- `levels`: a step of every network and level that the studies train, batches made beside it: rows for `--times`,
  by which `crossover plan` tells the hours.

Each network is measured in processes of its own, one at a time; networks are compiled side by side. Steps are
begun one after the other and waited for in blocks of `--steps`, as a training does; a time is the median of five
blocks.
An engine whose framework is not here, or sees no GPU where there is one, is left out with a line that says so.
Without a GPU, or with --small, the smoke networks are measured, on the processor if there is no other.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from benchmarks import gpu_measures as measures
from benchmarks.gpu_measures import Row, Subject
from benchmarks.step_times import kinds, write
from crossover.study.config import load_study
from crossover.training.devices import gpus

DEEPLAB, RESNET = "deeplabv3plus_xception", "resnet101_cascaded"
PAPER = [
    Subject("uterus", "paper", "keras", DEEPLAB),
    Subject("uterus", "paper", "torch", DEEPLAB),
    Subject("nasopharynx", "paper", "torch", RESNET),
    Subject("prostate", "paper", "torch", "unet", "efficientnet-b0"),
    Subject("prostate", "paper", "torch", "unetplusplus", "efficientnet-b3"),
    Subject("prostate", "paper", "torch", "unetplusplus", "resnet50"),
]
SMALL = [
    Subject("uterus", "smoke", "keras", DEEPLAB),
    Subject("uterus", "smoke", "torch", DEEPLAB),
]
SHARING = [
    Subject("uterus", "demo", "torch", DEEPLAB),
    Subject("nasopharynx", "demo", "torch", RESNET),
    Subject("uterus", "paper", "torch", DEEPLAB),
]
LAST = {"torch": {"channels_last": True}, "keras": {}}
"""TensorFlow has no other layout."""
KEPT = ("uterus", "nasopharynx")
CONTEXT = multiprocessing.get_context("spawn")


def variants(engine: str, small: bool) -> Iterator[Row]:
    """Yield settings of `network.device`, not compiled."""
    layouts = ({}, LAST[engine]) if LAST[engine] and not small else ({},)
    for precision in ("float32", "bfloat16") if small else ("float32", "tf32", "bfloat16"):
        for layout in layouts:
            yield {"precision": precision, **layout}
        if not small:
            yield {"precision": precision, "deterministic": False, **layouts[-1]}


class Work:
    """Functions in a process of its own, one after the other, that give a row or several."""

    def __init__(self, functions: list[Callable[[], Row | list[Row]]]) -> None:
        self._pipe, end = CONTEXT.Pipe()
        self._process = CONTEXT.Process(target=_serve, args=(end, functions), daemon=True)
        self._process.start()
        end.close()

    def rows(self) -> Iterator[Row]:
        """As they are made; of a process that died, a last one that says so."""
        try:
            while (row := self._pipe.recv()) is not None:
                yield row
        except EOFError:
            yield {"error": "the process ended"}
        self._process.join()


def _serve(pipe, functions: list[Callable[[], Row | list[Row]]]) -> None:
    for function in functions:
        try:
            made = function()
        except Exception as error:  # what can't be made is a result too
            about = f"{function.args}: {type(error).__name__}: {error}"
            made = {"error": about[:400]}
        for row in made if isinstance(made, list) else [made]:
            pipe.send(row)
    pipe.send(None)


def one_by_one(section: str, works: list[list[Callable[[], Row | list[Row]]]]) -> list[Row]:
    rows = []
    for functions in works:
        for row in Work(functions).rows():
            rows.append({"section": section, **row})
            print(section, *(f"{k}={v}" for k, v in row.items()), flush=True)
    return rows


def processes(subject: Subject, functions: list[Callable[[], Row]]) -> list[list[Callable[[], Row]]]:
    """Which functions share a process: with TensorFlow none, since determinism can't be switched off again."""
    return [[f] for f in functions] if subject.engine == "keras" else [functions]


def steps(subjects: list[Subject], args: argparse.Namespace) -> list[Row]:
    works = []
    for s in subjects:
        own = variants(s.engine, args.small)
        works += processes(s, [partial(measures.step_row, s, args.steps, **v) for v in own])
    return one_by_one("steps", works)


def compiled(subjects: list[Subject], args: argparse.Namespace) -> list[Row]:
    """First compiled side by side, which takes minutes and fills the compilers' caches, then timed one by one."""
    jobs = []
    for s in subjects:
        precise = {"precision": "float32" if args.small else "tf32", "compile": True}
        fast = {"precision": "bfloat16", "compile": True, "deterministic": False, **LAST[s.engine]}
        for v in (precise,) if args.small else (precise, fast):
            jobs.append([partial(measures.step_row, s, args.steps, **v)])
    first = [Work(job) for job in jobs] if not args.small else []
    cold = [next(work.rows()).get("first s") for work in first]
    rows = one_by_one("compiled", jobs)
    for row, seconds in zip(rows, cold):
        row["compiling side by side s"] = seconds
    return rows


def plain(subjects: list[Subject], args: argparse.Namespace) -> list[Row]:
    works = []
    for s in subjects:  # settings are the process's: one each
        for precision in ("default", "float32") if gpus() else ("default",):
            works.append([partial(measures.plain_row, s, args.steps, precision)])
    return one_by_one("plain", works)


def repeats(subjects: list[Subject], args: argparse.Namespace) -> list[Row]:
    chosen = [{"precision": "float32"}, {"precision": "float32", "deterministic": False}]
    chosen = chosen[:1] if args.small else [*chosen, {"precision": "bfloat16", "channels_last": True}]
    works, count = [], 1 if args.small else 4
    for s in subjects:
        own = [v for v in chosen if s.engine == "torch" or "channels_last" not in v]
        works += processes(s, [partial(measures.repeats, s, count, **v) for v in own])
    return one_by_one("repeats", works)


def kept(subjects: list[Subject], args: argparse.Namespace) -> list[Row]:
    chosen = {s.study: s for s in subjects if s.study in KEPT}  # the last engine of each
    works = [[partial(measures.kept_rows, s, args.slices)] for s in chosen.values()]
    return one_by_one("kept", works)


def shares(subjects: list[Subject], args: argparse.Namespace) -> list[Row]:
    rows = []
    counts = [1, 2] if args.small else [1, 2, 4, 8]
    chosen = subjects[-1:] if args.small else SHARING
    for subject in chosen:
        with tempfile.TemporaryDirectory() as locks:
            for row in measures.shares(subject, counts, 4 * args.steps, CONTEXT, Path(locks)):
                rows.append({"section": "shares", **row})
                print("shares", *(f"{k}={v}" for k, v in row.items()), flush=True)
    return rows


def predicts(subjects: list[Subject], args: argparse.Namespace) -> list[Row]:
    works = []
    for s in subjects:
        own = [{"precision": p} for p in ("float32", "tf32")][: 1 if args.small else 2]
        own += [{"precision": "bfloat16", **LAST[s.engine]}]
        works += processes(s, [partial(measures.predicts, s, 2, **v) for v in own])
    return one_by_one("predicts", works)


def levels(subjects: list[Subject], args: argparse.Namespace) -> list[Row]:
    """Of every kind of stage that the subjects' studies have, by the study's own engine if that is at hand."""
    works = []
    own_last = sorted(subjects, key=lambda s: s.engine == load_study(s.study, s.scale).network.engine)
    for s in {s.study: s for s in own_last}.values():
        each = []
        for network, level, _ in kinds(load_study(s.study, s.scale)):
            encoder = str(network.settings.get("encoder", ""))
            own = s._replace(architecture=network.architecture, encoder=encoder)
            each.append(partial(measures.level_row, own, level, args.steps))
        works.append(each)
    return one_by_one("levels", works)


def at_hand(subjects: list[Subject]) -> list[Subject]:
    """Those whose framework is here, and sees the GPU if there is one."""
    missing = {}
    for engine, framework in {"keras": "tensorflow", "torch": "torch"}.items():
        if not find_spec(framework):
            missing[engine] = f"no {framework} is here"
        elif gpus() and not next(Work([partial(sees_gpu, engine)]).rows()).get("gpus"):
            missing[engine] = f"{framework} sees no GPU"
    for engine, why in missing.items():
        print(f"{engine} is not measured: {why}")
    return [s for s in subjects if s.engine not in missing]


def sees_gpu(engine: str) -> Row:
    if engine == "keras":
        import tensorflow

        return {"gpus": len(tensorflow.config.list_physical_devices("GPU"))}
    import torch

    return {"gpus": torch.cuda.device_count()}


SECTIONS = {
    "steps": steps, "compiled": compiled, "plain": plain, "repeats": repeats, "kept": kept,
    "shares": shares, "predicts": predicts, "levels": levels,
}  # fmt: skip


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("sections", nargs="*", default=list(SECTIONS))
    parser.add_argument("--out", type=Path, help="a CSV of all rows")
    parser.add_argument("--times", type=Path, help="step times, where rows of this GPU are put")
    parser.add_argument("--small", action="store_true", default=not gpus())
    parser.add_argument("--only", nargs="+", help="engines, studies, architectures or encoders")
    parser.add_argument("--steps", type=int, default=10 if gpus() else 1)
    parser.add_argument("--slices", type=int, default=8 if gpus() else 2, help="of section kept")
    args = parser.parse_args(words)
    if unknown := set(args.sections) - set(SECTIONS):
        parser.error(f"no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    subjects = at_hand(SMALL if args.small else PAPER)
    subjects = [s for s in subjects if not args.only or set(args.only) & set(s)]
    rows = []
    for section in args.sections:
        rows += SECTIONS[section](subjects, args)
        table = pd.DataFrame([row for row in rows if row["section"] == section])
        if args.out:  # after each section, since a run may be stopped
            pd.DataFrame(rows).to_csv(args.out, index=False)
        if args.times and section == "levels" and not args.small:
            made = [row for row in rows if row["section"] == "levels" and "error" not in row]
            if made:
                write(args.times, [measures.time_row(row) for row in made])
        print(f"\n{section}\n{table.dropna(axis=1, how='all').to_markdown(index=False)}\n", flush=True)


if __name__ == "__main__":
    main()
