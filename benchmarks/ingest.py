"""Cases a second and peak memory of an ingest, beside two plain readers of the same files.

    .venv/bin/python -m benchmarks.ingest [--source FOLDER --rules RULES] [--patients 20] [--runs 5]

Without --source, phantoms are written first (DWI at two b-values, ADC map, contour; 256 x 256). Each reader
is run as a process of its own, all of them in turn in each round, and writes gzipped NIfTI:

- `crossover`: as `crossover ingest`, with all checks, structures and the report.
- `simpleitk`: ImageSeriesReader (GDCM) on each series, WriteImage. No checks, no structures.
- `dcm2niix`: as installed from the registry, `-z y`.

Then one patient is added to the folder, and a second ingest timed: it reads that patient only.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BIN = Path(sys.executable).parent
PLAIN = """
import sys, pathlib, SimpleITK as sitk
out = pathlib.Path(sys.argv[2]); n = 0
for folder in sorted({p.parent for p in pathlib.Path(sys.argv[1]).rglob("*") if p.is_file()}):
    for series in sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder)):
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder), series))
        try:
            image = reader.Execute()
        except RuntimeError:
            continue  # a structure object
        sitk.WriteImage(image, str(out / f"{n}.nii.gz"), useCompression=True, compressionLevel=1); n += 1
"""


def commands(source: Path, rules: Path) -> dict[str, list[str]]:
    return {
        "crossover": [str(BIN / "crossover"), "ingest", str(source), "OUT", "--rules", str(rules)],
        "simpleitk": [sys.executable, "-c", PLAIN, str(source), "OUT"],
        "dcm2niix": [str(BIN / "dcm2niix"), "-z", "y", "-d", "9", "-f", "%i_%s", "-o", "OUT", str(source)],
    }  # fmt: skip


def timed(command: list[str], out: Path) -> tuple[float, float]:
    """Seconds, and peak memory in MB of the largest process."""
    out.mkdir(parents=True, exist_ok=True)
    command = [str(out) if part == "OUT" else part for part in command]
    start = time.perf_counter()
    pid = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).pid
    _, status, usage = os.wait4(pid, 0)
    if os.waitstatus_to_exitcode(status) not in (0, 1):
        raise SystemExit(f"{command[0]} failed: {os.waitstatus_to_exitcode(status)}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def phantoms(folder: Path, first: int, count: int) -> None:
    # In a process of its own: a child's peak memory is never told below its parent's.
    code = f"""
from pathlib import Path
from crossover.phantoms.pelvis.patients import PhantomSource, write_patient
source = PhantomSource(anatomy="uterus", patients={first + count}, seed=1, matrix=256, slices=(20, 20))
for index in range({first}, {first + count}):
    write_patient(source, index, Path({str(folder)!r}))
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def rules_of_uterus(path: Path) -> Path:
    path.write_text(
        "series:\n  b0: {modality: MR, b_value: 0}\n  b1000: {modality: MR, b_value: 1000}\n"
        "  adc: {modality: MR, image_type: ADC}\nstructures:\n  tumour: {label: Tumour}\n"
    )
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=Path)
    parser.add_argument("--rules", type=Path)
    parser.add_argument("--patients", type=int, default=20)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    os.environ.setdefault("CROSSOVER_SECRET", "a benchmark's secret")
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        source, rules = given.source, given.rules
        if source is None:
            source, rules = work / "export", rules_of_uterus(work / "rules.yaml")
            phantoms(source, 0, given.patients)
        compare(commands(source, rules), work, given.runs)
        if given.source is None:
            add_one(source, rules, work, given.patients)


def compare(calls: dict[str, list[str]], work: Path, runs: int) -> None:
    took: dict[str, list[float]] = {name: [] for name in calls}
    memory: dict[str, float] = {}
    for run in range(runs):
        for name, command in calls.items():
            out = work / f"{name}{run}"
            seconds, peak = timed(command, out)
            took[name].append(seconds)
            memory[name] = max(peak, memory.get(name, 0))
            if name == "crossover":
                cases = len(list(out.glob("*/case.json")))
            shutil.rmtree(out)
    print(f"{cases} cases, {runs} rounds; ratios of medians to dcm2niix's")
    base = statistics.median(took["dcm2niix"])
    for name, seconds in took.items():
        middle = statistics.median(seconds)
        print(
            f"{name:10s} {middle:7.2f} s (min {min(seconds):.2f}, max {max(seconds):.2f})"
            f"  {cases / middle:6.1f} cases/s  x{middle / base:.2f}  {memory[name]:5.0f} MB"
        )


def add_one(source: Path, rules: Path, work: Path, patients: int) -> None:
    """Print what one more patient costs."""
    command, out = commands(source, rules)["crossover"], work / "again"
    first, _ = timed(command, out)
    nothing, _ = timed(command, out)
    phantoms(source, patients, 1)
    one, _ = timed(command, out)
    print(f"first ingest {first:.2f} s, again with nothing new {nothing:.2f} s, with one patient more {one:.2f} s")


if __name__ == "__main__":
    main()
