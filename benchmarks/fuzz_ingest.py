"""Damaged files against the reader: it must name what is wrong, and neither raise, crash nor hang.

    .venv/bin/python -m benchmarks.fuzz_ingest [--seconds 60] [--seed 0] [--source FOLDER] [--only RUN]

Each run takes some neighbouring slices of a series and the structure objects of its patient, or a mask of each
slice, damages one to three of the files (or an archive of them all), and reads the folder as an ingest does:
headers, examinations, channels, structures. Without --source, phantoms are written first, also compressed.

Runs are made in a process of their own. It counts as a fault when that process takes longer than `WATCHDOG`
seconds (`hung`), dies while headers are read (`crashed`) or grows by more than `MEMORY_MB` (`memory`), when an
exception comes out (`raised`) or a Python warning (`warned`), and when a finding has the code `failed`: an
exception that the reader didn't foresee. A fault is told with its number; `--only` repeats it.

A process that dies while a case is read is none: decoders in C++ abort at some damaged images, which is why an
ingest reads each case in a process of its own, and names it `reader-crashed`, as here.

Exit status: 0 without a fault, else 1.
"""

from __future__ import annotations

import argparse
import functools
import json
import random
import re
import resource
import shutil
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless, RLELossless

from crossover.phantoms.pelvis.patients import write_patient
from crossover.phantoms.pelvis.settings import PhantomSource
from crossover.sources.dicom.examination import read_examination
from crossover.sources.dicom.export_files import list_files
from crossover.sources.dicom.header import STRUCTURES, Instance, read_header
from crossover.sources.dicom.places import of_patient, parted
from crossover.sources.dicom.scan import gather
from crossover.sources.dicom.stacks import Stack, stacks
from crossover.sources.pseudonyms import pseudonym
from crossover.sources.settings import Export, IngestRules, LabelMap, SeriesRule, Structure

KEY = b"a key for fuzzing"
WATCHDOG = 20.0
MEMORY_MB = 1500
MASKS = "masks"
"""Folder of a mask's slices, in some runs."""
SLICES = 6
"""Neighbouring slices that a run reads."""


@dataclass(frozen=True)
class Seed:
    """Whole files that a run starts from."""

    images: list[Path]
    objects: list[Path]
    rules: dict[str, SeriesRule]
    structures: dict[str, Structure]
    masked: bool = False
    """Whether masks can be made of the images."""


# What is there to damage


def seeds(source: Path) -> list[Seed]:
    """Series below a folder, each with the structure objects of its patient; and objects without images."""
    read = map(read_header, list_files(source, KEY)[0])
    patients: dict[str, list[Instance]] = defaultdict(list)
    for header in (r for r in read if isinstance(r, Instance)):
        patients[header.patient].append(header)
    found = []
    for own in patients.values():
        objects = [i for i in own if i.modality in STRUCTURES]
        paths = [Path(i.file.path) for i in objects]
        structures = _structures(objects)
        there = stacks(own)
        for stack in there:
            images = list(dict.fromkeys(Path(i.file.path) for i, _ in stack.planes))
            plain = all(i.pixels.plain and len(i.frames) == 1 for i, _ in stack.planes)
            found.append(Seed(images, paths, _rules(stack), structures, plain))
        if not there:
            found.append(Seed([], paths, _rules(None), structures))
    return found


def _rules(stack: Stack | None) -> dict[str, SeriesRule]:
    """One that the series matches, and one for a map that most have not."""
    if stack is None:
        return {"any": SeriesRule(modality="CT")}
    modality, b_value = stack.instance.modality, stack.frame.diffusion.b_value
    rules = {"any": SeriesRule(modality=modality, b_value=b_value)}
    if "DIFFUSION" in stack.frame.kinds:
        rules["adc"] = SeriesRule(modality=modality, image_type="ADC", computed_from=[0, 1000])
    return rules


def _structures(objects: list[Instance]) -> dict[str, Structure]:
    names = []
    for instance in objects:
        dataset = pydicom.dcmread(instance.file.path, force=True)
        names += [str(r.get("ROIName", "")) for r in dataset.get("StructureSetROISequence") or []]
        names += [str(s.get("SegmentLabel", "")) for s in dataset.get("SegmentSequence") or []]
    return {f"s{k}": Structure(label="S", names=[name]) for k, name in enumerate(names[:3])}


def phantoms(folder: Path) -> None:
    """Two patients, one with RTSTRUCT and one with SEG, and slices of the first compressed."""
    for fraction in (0.0, 1.0):
        source = PhantomSource(anatomy="uterus", patients=2, seed=5, matrix=32, slices=(6, 7), seg_fraction=fraction)
        write_patient(source, int(fraction), folder)
    for k, path in enumerate(sorted(folder.rglob("DWI_b0/*.dcm"))[:12]):
        dataset = pydicom.dcmread(path)
        dataset.compress((RLELossless, JPEGLSLossless)[k // 6], generate_instance_uid=False)
        dataset.SeriesInstanceUID += f".{k // 6}"
        dataset.SOPInstanceUID += ".1"
        dataset.save_as(folder / f"compressed{k:02d}")


# How it is damaged


def flip(data: bytearray, rng: random.Random) -> None:
    reach = len(data) if rng.random() < 0.3 else min(len(data), 6000)
    for _ in range(rng.choice([1, 3, 30])):
        data[rng.randrange(reach)] ^= 1 << rng.randrange(8)


def cut(data: bytearray, rng: random.Random) -> None:
    reach = len(data) if rng.random() < 0.5 else min(len(data), 6000)
    del data[rng.randrange(reach) :]


LENGTHS = (
    0,
    1,
    2,
    0xFE,
    0x7FFF,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFF0,
    0xFFFFFFFE,
    0xFFFFFFFF,
)
HEADER = re.compile(rb"[^\x00]\x00..(A[EST]|CS|D[AST]|F[DL]|IS|L[OT]|O[BDFLW]|PN|S[HLQST]|T[M]|U[ILNST])")


def length(data: bytearray, rng: random.Random) -> None:
    """Set an element's declared length (explicit VR), or four bytes anywhere."""
    there = list(HEADER.finditer(data, 0, 200_000))
    value = rng.choice(LENGTHS)
    if not there or rng.random() < 0.2:
        at, size = rng.randrange(min(len(data), 6000)), 4
    else:
        found = rng.choice(there)
        long = found[1] in (b"OB", b"OW", b"OF", b"OD", b"OL", b"SQ", b"UN", b"UT")
        at, size = found.end() + (2 if long else 0), 4 if long else 2
    data[at : at + size] = (value & (256**size - 1)).to_bytes(size, "little")


def shuffle(data: bytearray, rng: random.Random) -> None:
    """Copy, delete or blank a block."""
    reach = len(data) if rng.random() < 0.5 else min(len(data), 6000)
    size = rng.choice([1, 2, 8, 64, 1000])
    a, b = rng.randrange(reach), rng.randrange(reach)
    block = [data[a : a + size], b"", b"\0" * size, rng.randbytes(size)][rng.randrange(4)]
    data[b : b + rng.choice([0, size])] = block


def nest(data: bytearray, rng: random.Random) -> None:
    """Sequences in sequences, of undefined length, that never end."""
    item = bytes.fromhex("0840 40a7 5351 0000 ffffffff feff00e0 ffffffff".replace(" ", ""))
    at = data.find(b"\x08\x00\x60\x00")
    data[at if at > 0 else len(data) : 0 if at < 0 else at] = item * rng.choice([3, 200, 3000])


VALUES: tuple[bytes, ...] = (
    b"", b"0", b"-1", b"nan", b"inf", b"1e308", b"-1e-308", b"1e999", b"99999999999999999999", b"0\\0\\0",
    b"1\\2", b"a", b"\\\\\\\\", b"\xff\xfe", b"\x1b$B\x1b(J", b"\0\0", b"\xff\xff", b"\1\0", b"\0\x80",
    b"\xff" * 8, b"\0\0\0\0\0\0\xf8\x7f", b"1\\0\\0\\0\\1\\0", b"1e200\\1e200\\1e200", b"1.2." * 20,
    b"1\\" * 5000, b"\xb2\xb2\xb2Y", b"20250231", b"MOSAIC", b"SEG", b"MR", b"CT", b"\xfe\xff\0\xe0\0\0\0\0",
)  # fmt: skip


def values(data: bytearray, rng: random.Random) -> None:
    """Delete elements, exchange their values, or put in odd ones; nested ones too."""
    dataset = pydicom.dcmread(BytesIO(bytes(data)), force=True)
    for _ in range(rng.choice([1, 1, 2, 5])):
        own = rng.choice(list(_nested(dataset)))
        tags = [t for t in own.keys() if t != 0x7FE00010 or rng.random() < 0.1]  # noqa: SIM118
        if tags:
            _change(own, rng.choice(tags), rng)
    out = BytesIO()
    dataset.save_as(out, enforce_file_format=False)
    data[:] = out.getvalue()


def _nested(dataset: Dataset, depth: int = 0) -> Iterator[Dataset]:
    yield dataset
    if depth == 0 and getattr(dataset, "file_meta", None):
        yield dataset.file_meta
    for tag in list(dataset.keys()):
        value = dataset[tag].value if dataset.get_item(tag).VR == "SQ" else []
        for item in value[:3]:
            yield from _nested(item, depth + 1)


def _change(dataset: Dataset, tag: int, rng: random.Random) -> None:
    action = rng.randrange(4)
    element = dataset.get_item(tag)
    if action == 0:
        del dataset[tag]
        return
    if element.VR == "SQ" and rng.random() < 0.7:
        items = list(dataset[tag].value)
        dataset[tag].value = rng.choice([[], items * 2, items[:1] * 50, [Dataset()], items[::-1]])
        return
    value = rng.choice(VALUES)
    if action == 1:
        others = [e for t in dataset.keys() if isinstance(e := dataset.get_item(t), RawDataElement)]  # noqa: SIM118
        value = rng.choice(others).value or b"" if others else value
    little, implicit = True, dataset.original_encoding[0] or False
    vr = element.VR if action < 3 else rng.choice(["SQ", "UN", "LO", "DS", "US", "FD", "OB", "UI"])
    dataset._dict[element.tag] = RawDataElement(
        element.tag, vr, len(value), value + b"\0" * (len(value) % 2), 0, implicit, little
    )


SYNTAXES = [b"1.2.840.10008.1.2" + s for s in (b"", b".1", b".2", b".1.99", b".5", b".4.50", b".4.51", b".4.57")]
SYNTAXES += [b"1.2.840.10008.1.2.4" + s for s in (b".70", b".80", b".81", b".90", b".91", b".201", b".102")]


def syntax(data: bytearray, rng: random.Random) -> None:
    """Say another transfer syntax than that of the data."""
    found = re.search(rb"\x02\x00\x10\x00UI(..)", bytes(data[:2000]), re.DOTALL)
    if found:
        size = int.from_bytes(found[1], "little")
        data[found.end() : found.end() + size] = rng.choice(SYNTAXES).ljust(size, b"\0")[:size]


def pixels(data: bytearray, rng: random.Random) -> None:
    """Damage what is compressed."""
    start = data.find(b"\xe0\x7f\x10\x00")
    if 0 <= start < len(data) - 64:
        for _ in range(rng.choice([1, 10, 200])):
            data[rng.randrange(start + 12, len(data))] = rng.randrange(256)


MUTATIONS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    flip, cut, length, length, shuffle, nest, values, values, values, values, syntax, pixels, pixels,
)  # fmt: skip


def damaged(content: bytes, rng: random.Random) -> bytes:
    data = bytearray(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(rng.choice([1, 1, 1, 2])):
            if data:
                try:
                    rng.choice(MUTATIONS)(data, rng)
                except Exception:  # pydicom can't write everything; then another damage must do
                    flip(data, rng)
    return bytes(data)


def prepare(folder: Path, there: list[Seed], rng: random.Random) -> Seed:
    """Fill the folder for one run; returns what it was made from."""
    seed = rng.choice(there)
    start = rng.randrange(max(1, len(seed.images) - SLICES + 1))
    images, objects = seed.images[start : start + SLICES], list(seed.objects)
    if seed.masked and rng.random() < 0.3:
        _masks(folder, images, rng)
    candidates = rng.choice([images, objects]) or images or objects
    victims = set(rng.sample(candidates, min(len(candidates), rng.choice([1, 1, 2, 3]))))
    every = rng.random() < 0.1
    state = rng.getrandbits(64)
    for k, path in enumerate(images + objects):
        target = folder / f"{k:02d}"
        if every and path in images:  # the same damage to all, so that they still belong together
            target.write_bytes(damaged(path.read_bytes(), random.Random(state)))
        elif path in victims:
            target.write_bytes(damaged(path.read_bytes(), rng))
        else:
            target.symlink_to(path.resolve())
    if rng.random() < 0.05:
        _archive(folder, rng)
    return seed


def _masks(folder: Path, images: list[Path], rng: random.Random) -> None:
    """Write a mask for each slice, under its name; one to three of them damaged."""
    (folder / MASKS).mkdir()
    damage = set(rng.sample(range(len(images)), min(len(images), rng.choice([0, 1, 1, 2, 3]))))
    for k, path in enumerate(images):
        content = mask_of(path)
        out = damaged(content, rng) if k in damage else content
        (folder / MASKS / f"{k:02d}").write_bytes(out)


@functools.cache
def mask_of(image: Path) -> bytes:
    """Return the file with its brighter half as a mask in place of its pixels."""
    dataset = pydicom.dcmread(image, force=True)
    pixels = dataset.pixel_array
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    dataset.PixelRepresentation = 0
    dataset.PixelData = (np.uint8(255) * (pixels > np.median(pixels))).tobytes()
    dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    out = BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


def _archive(folder: Path, rng: random.Random) -> None:
    names = sorted(p for p in folder.iterdir() if p.is_file())
    small = sum(path.stat().st_size for path in names) < 1 << 20
    method = rng.choice([0, 8, 12, 14] if small else [0, 8])
    with zipfile.ZipFile(folder / "all.zip", "w", method) as archive:
        for path in names:
            archive.write(path, path.name)
    for path in names:
        path.unlink()
    data = bytearray((folder / "all.zip").read_bytes())
    for _ in range(rng.choice([0, 1, 4])):
        tail = max(0, len(data) - 1500)
        at = rng.randrange(tail if rng.random() < 0.7 else 0, len(data))
        data[at] = rng.randrange(256)
    (folder / "all.zip").write_bytes(data)


# What the reader says


def read(folder: Path, seed: Seed, scanned: Callable[[], object]) -> list[tuple[str, str]]:
    """Code and text of every finding, as an ingest of the folder tells them; "made" for a good case.

    Args:
        scanned: called when all headers are read and the cases are next.
    """
    slices = "names" if seed.masked and len(seed.images) % 2 else "positions"
    source = Export(label_maps={"mask": LabelMap(file=MASKS, slices=slices)})
    try:
        images, maps = parted(source, (listed := list_files(folder, KEY))[0])
        found, findings = gather(images, listed[1], seed.rules, lambda p: pseudonym(p, KEY))
    except ValueError as error:
        if "contains no file" in str(error):
            return [("nothing", "")]
        raise
    scanned()
    out = [(f.code, f.what) for f in findings]
    patients = {exam.patient_id for exam in found.values()}
    for exam in found.values():
        masks = {n: (of_patient(maps[n], m.file, exam.patient_id, patients), m) for n, m in source.label_maps.items()}
        structures = seed.structures | ({"mask": Structure(label="M")} if maps["mask"] else {})
        rules = IngestRules(series=seed.rules, structures=structures)
        reading = read_examination(exam.instances or [], rules, masks, KEY)
        out += [(f.code, f.what) for f in reading.findings]
        out += [] if reading.failed else [("made", "")]
        json.dumps(reading.facts)
    return out


def run(
    number: int, seed: int, there: list[Seed], root: Path, scanned: Callable[[], object]
) -> tuple[list[tuple[str, str]], float]:
    """One run and the seconds that the reader took; ("raised", traceback) where an exception comes out."""
    folder = root / "run"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    made_from = prepare(folder, there, random.Random(f"{seed}/{number}"))
    start = time.monotonic()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            found = read(folder, made_from, scanned)
        except Exception:
            found = [("raised", traceback.format_exc())]
    # What pydicom warns of quotes the file, and would stand in a log.
    found += [("warned", f"{w.category.__name__} at {w.filename}:{w.lineno}") for w in told]
    return found, time.monotonic() - start


def _serve(pipe: Connection, seed: int, there: list[Seed], root: Path) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (12 << 30, 12 << 30))
    while True:
        number = pipe.recv()
        found, seconds = run(number, seed, there, root, lambda: pipe.send(None))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        pipe.send((found, seconds, peak))


class Reader:
    """The process that reads; a new one after a death."""

    def __init__(self, seed: int, there: list[Seed], root: Path) -> None:
        self.args = (seed, there, root)
        self.seconds = 0.0
        self._start()

    def _start(self) -> None:
        context = get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, *self.args), daemon=True)
        self.process.start()
        theirs.close()
        self.peak = 0
        self.fresh = True

    def stop(self) -> None:
        self.process.kill()
        self.process.join()

    def read(self, number: int) -> list[tuple[str, str]]:
        """Return the findings of a run; ("crashed", ...), ("hung", ...) or ("memory", ...) where it did that."""
        # The watchdog's time is for the damage too, and at first for imports.
        end = time.monotonic() + WATCHDOG + (60 if self.fresh else 0)
        answer, died = None, "crashed"
        self.seconds = WATCHDOG
        self.pipe.send(number)
        try:
            while answer is None and self.pipe.poll(max(0.0, end - time.monotonic())):
                answer = self.pipe.recv()
                died = "reader-crashed"
        except EOFError:
            self.process.join()
            answer = ([(died, f"exit status {self.process.exitcode}")], 0.0, 0)
        found, self.seconds, peak = answer or ([("hung", f"longer than {WATCHDOG:g} s")], 0.0, 0)
        if not peak:
            self.stop()
            self._start()
            return found
        if not self.fresh and peak - self.peak > MEMORY_MB:
            found.append(("memory", f"from {self.peak} to {peak} MB"))
        self.peak, self.fresh = max(peak, self.peak), False
        return found


FAULTS = ("crashed", "hung", "memory", "raised", "warned", "failed")


@dataclass
class Tally:
    """What came of all runs."""

    runs: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    faults: list[tuple[int, str, str]] = field(default_factory=list)
    slowest: tuple[float, int] = (0.0, -1)

    def add(self, number: int, found: list[tuple[str, str]], seconds: float) -> None:
        self.runs += 1
        self.codes.update({code for code, _ in found})
        self.faults += [(number, *one) for one in found if one[0] in FAULTS]
        self.slowest = max(self.slowest, (seconds, number))


def fuzz(source: Path, seconds: float, seed: int, only: int | None = None, most: int = 1 << 40) -> Tally:
    """Run for some seconds, or the one of a number, or `most` of them."""
    tally = Tally()
    there = seeds(source)
    with tempfile.TemporaryDirectory() as root:
        reader = Reader(seed, there, Path(root))
        end = time.monotonic() + seconds
        number = only or 0
        while tally.runs == 0 or (only is None and tally.runs < most and time.monotonic() < end):
            found = reader.read(number)
            tally.add(number, found, reader.seconds)
            if only is not None:
                print(*found, sep="\n")
            number += 1
        reader.stop()
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--source", type=Path, help="folder of real files; phantoms without it")
    parser.add_argument("--only", type=int, help="repeat the run of this number")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        source = given.source or Path(name)
        if given.source is None:
            phantoms(source)
        tally = fuzz(source, given.seconds, given.seed, given.only)
    print(f"{tally.runs} runs of seed {given.seed}; slowest {tally.slowest[0]:.1f} s (run {tally.slowest[1]})")
    for code, count in tally.codes.most_common():
        print(f"  {count:6d} {code}")
    places = Counter((code, what.strip().splitlines()[-1]) for _, code, what in tally.faults)
    for (code, what), count in places.most_common():
        first = next(n for n, c, w in tally.faults if c == code and w.strip().endswith(what))
        print(f"{code}: {count} times, first in run {first}: {what}")
    return 1 if tally.faults else 0


if __name__ == "__main__":
    sys.exit(main())
