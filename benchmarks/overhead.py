"""The share of a run's core-seconds in start-up: processes and imports, networks, Snakemake itself; the rest is work.

    python -m benchmarks.overhead [folder]                      reads a finished run
    python -m benchmarks.overhead --run smoke uterus [--cores 2]     makes a fresh one first, in a temporary copy

All cores are counted from Snakemake's first to its last second. *Start and imports*: a job's process up to
its work, and import statements inside it. *Networks*: building them, and what the first step of a
training and its first validation take more than the others (they trace). *Snakemake*: its own start and end, the
end of jobs, and cores that stand idle while a job is ready. *Waiting*: cores that stand idle
since no job is ready. Prints a table as Markdown.
"""

from __future__ import annotations

import argparse
import itertools
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from time import perf_counter

import pandas as pd

from crossover.core.files import read_json
from crossover.core.provenance import SUFFIX
from tests.dry_runs import copy_workflow

KINDS = ["start and imports", "networks", "work", "Snakemake", "waiting"]


@dataclass(frozen=True)
class Job:
    """Times in seconds since the epoch."""

    study: str
    rule: str
    threads: int
    begun: float
    """When its process began; it ended with its work."""
    ended: float
    spent: dict[str, float]
    """Of the first three `KINDS`, seconds of the job's whole time."""
    inputs: frozenset[str]
    outputs: frozenset[str]


@dataclass(frozen=True)
class Run:
    begun: float
    ended: float
    cores: int


def jobs(root: Path) -> Iterator[Job]:
    """Yield all jobs whose provenance records are there."""
    owners = {p.parent.name: p.parts[-3] for p in root.glob("data/slices/*/*/manifest.json")}
    for path in sorted(path for part in ("data", "results") for path in root.glob(f"{part}/**/*{SUFFIX}")):
        record = read_json(path)
        outputs = sorted(record["outputs"])
        # of a job's several records the first output's counts
        if record.get("starting") is None or path.name != Path(outputs[0]).stem + SUFFIX:
            continue
        begun = datetime.fromisoformat(record["begun"]).timestamp()
        study = _study(Path(outputs[0]).parts, owners)
        yield Job(
            study, Path(record["code"]["entries"][0]).stem, record["threads"],
            begun - record["starting"], begun + record["seconds"],
            _spent(record, outputs, root), frozenset(record["inputs"]), frozenset(outputs),
        )  # fmt: skip


def _study(parts: tuple[str, ...], owners: dict[str, str]) -> str:
    """Of an output; a cohort's belongs to the study that has it, the report to all."""
    if parts[0] == "results":
        return parts[1] if len(parts) > 2 else "all studies"
    return next((owners[part] for part in reversed(parts) if part in owners), "all studies")


def _spent(record: dict, outputs: list[str], root: Path) -> dict[str, float]:
    importing = record["importing"]
    records = [read_json(root / f)["items"] for f in outputs if "/stages/" in f]
    stages = [r for of in records for r in of.values() if "same_as" not in r]
    folder = root / Path(outputs[0]).parent
    networks = sum(_networks(stage, folder) for stage in stages)
    if stages and not any("build" in s["seconds_in"] for s in stages):  # what isn't told apart
        first = stages[0]
        networks += max(0.0, first["seconds"] - sum(first["seconds_in"].values()) - importing)
    networks += max(0.0, record["seconds_in"].get("create", importing) - importing)
    work = max(0.0, record["seconds"] - importing - networks)
    return dict(zip(KINDS, (record["starting"] + importing, networks, work), strict=False))


def _networks(stage: dict, stages: Path) -> float:
    """Return the seconds of building a network, and what the first step and validation take more than others."""
    spent = stage["seconds_in"]
    history = stages / stage["stage"]["name"] / "history.csv"
    checks = len(history.read_text().splitlines()) - 1 if history.exists() else 1
    traced = 0.0
    for what, times in (("step", stage["steps"]), ("validation", checks)):
        usual = spent.get(what, 0.0) / max(times - 1, 1)
        traced += max(0.0, spent.get(f"first_{what}", usual) - usual)
    return spent.get("build", 0.0) + traced


def runs(root: Path) -> Iterator[Run]:
    """Of Snakemake, from its logs: they begin when it has imported itself."""
    for path in sorted(root.glob(".snakemake/log/*.snakemake.log")):
        text = path.read_text()
        took = re.search(r"Elapsed time: (?:(\d+) days?, )?(\d+):(\d+):([\d.]+)", text)
        cores = re.search(r"Provided cores: (\d+)", text)
        if took and cores:
            begun = datetime.strptime(path.name.split(".snakemake")[0], "%Y-%m-%dT%H%M%S.%f")
            days, hours, minutes, seconds = (float(part or 0) for part in took.groups())
            length = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
            yield Run(begun.timestamp(), (begun + length).timestamp(), int(cores[1]))


def idle(run: Run, done: list[Job]) -> tuple[float, float]:
    """Core-seconds in which a job was ready, or none had begun or was left; and in which none was."""
    made = {output: job for job in done for output in job.outputs}
    ready = {id(job): max([run.begun, *(made[f].ended for f in job.inputs if f in made)]) for job in done}
    first, last = min(job.begun for job in done), max(job.ended for job in done)
    times = sorted({run.begun, run.ended, *(t for j in done for t in (j.begun, j.ended, ready[id(j)]))})  # fmt: skip
    of_snakemake = waiting = 0.0
    for start, end in itertools.pairwise(t for t in times if run.begun <= t <= run.ended):
        busy = sum(job.threads for job in done if job.begun <= start < job.ended)
        could = sum(job.threads for job in done if ready[id(job)] <= start < job.begun)
        free = max(0, run.cores - busy)
        outside = end <= first or start >= last
        owed = free if outside else min(free, could)
        of_snakemake += owed * (end - start)
        waiting += (free - owed) * (end - start)
    return of_snakemake, waiting


def overhead(root: Path, before: float = 0.0) -> pd.DataFrame:
    """Core-seconds of each of the `KINDS` by study; idle cores are shared out by the studies' jobs.

    Args:
        before: seconds of Snakemake's process outside its log, counted on all cores.

    Raises:
        ValueError: no finished run with its logs and provenance records is there.
    """
    known, rows = list(jobs(root)), []
    for run in runs(root):
        done = [job for job in known if run.begun <= job.begun <= run.ended]
        if not done:
            continue
        of_snakemake, waiting = idle(run, done)
        of_snakemake += before * run.cores
        total = sum(job.threads * sum(job.spent.values()) for job in done)
        for job in done:
            share = job.threads * sum(job.spent.values()) / total
            about = {"study": job.study, "rule": job.rule, "jobs": 1}
            spent = {kind: job.threads * seconds for kind, seconds in job.spent.items()}
            rows.append({**about, **spent, "Snakemake": share * of_snakemake, "waiting": share * waiting})  # fmt: skip
    if not rows:
        raise ValueError(f"{root}: no finished run with its logs and provenance records")
    return pd.DataFrame(rows)


def table(rows: pd.DataFrame, by: str) -> str:
    """As Markdown: core-seconds and shares; overhead is all but work and waiting."""
    sums = rows.groupby(by)[["jobs", *KINDS]].sum()
    sums.loc["all"] = sums.sum()
    lines = [f"| {by} | jobs | core-seconds | " + " | ".join(KINDS) + " | overhead |"]
    lines.append("|---" * (len(KINDS) + 4) + "|")
    for name, own in sums.iterrows():
        total = own[KINDS].sum()
        shares = [f"{own[kind] / total:.0%}" for kind in KINDS]
        over = own[["start and imports", "networks", "Snakemake"]].sum() / total
        lines.append(f"| {name} | {own['jobs']:.0f} | {total:.0f} | {' | '.join(shares)} | {over:.0%} |")
    return "\n".join(lines)


def fresh(folder: Path, scale: str, studies: str, cores: int) -> float:
    """Run the workflow in a copy; seconds of Snakemake's process that its log doesn't count."""
    copy_workflow(folder)
    command = [sys.executable, "-m", "snakemake", "--cores", str(cores), "--config"]
    start = perf_counter()
    done = subprocess.run([*command, f"studies={studies}", f"scale={scale}"], cwd=folder)
    taken = perf_counter() - start
    if done.returncode:
        raise SystemExit("the run failed")
    return taken - sum(run.ended - run.begun for run in runs(folder))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=Path())
    parser.add_argument("--run", nargs=2, metavar=("SCALE", "STUDIES"))
    parser.add_argument("--cores", type=int, default=2)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder, before = args.folder, 0.0
        if args.run:
            folder = Path(temporary)
            before = fresh(folder, *args.run, args.cores)
        rows = overhead(folder, before)
        print(f"\n{table(rows, 'study')}\n\n{table(rows, 'rule')}")


if __name__ == "__main__":
    main()
