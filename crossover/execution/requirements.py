"""The disk and the memory that a run will need, before anything runs.

What a file takes follows from how many patients, slices and pixels there are (see `crossover.execution.cohort_size`)
and from
what files of that kind took where they were measured: 2026, on the phantoms of the three studies at both scales.
Parameters of networks and the memory of a training are those of `config/memory.csv`, measured by
`benchmarks/memory.py`.
"""

import math
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from crossover.core.files import read_json_or_none
from crossover.core.incremental import RECORD
from crossover.core.paths import ROOT, folder_of
from crossover.execution.cohort_size import Amount, amount
from crossover.execution.estimate import total_of
from crossover.execution.workflow import GraphJob
from crossover.sources.settings import Phantom, ProstateSource
from crossover.study import backends
from crossover.study.plan import Model, Plan
from crossover.study.schema import Study

MEMORY = ROOT / "config/memory.csv"
BLOCK = 4096
"""The bytes of a block of the disk; a file takes whole ones."""
SLICE_BYTES = 8000
"""The bytes of headers and contours, for each slice of a phantom as DICOM."""
VOXEL_BYTES = {"raw": 2.0, "image": 1.35, "corrected": 3.65, "mask": 0.005, "predicted": 0.01}
"""The bytes of a voxel, as measured; images are compressed, and corrected ones are float32 whose last bits do not
compress."""
JOB_BYTES = {"figure": 1_000_000, "report": 6_000_000}
"""The bytes of other jobs, with their provenance record, their log and Snakemake's record."""
OTHER_BYTES = 150_000
RECORD_BYTES = 3 * BLOCK
"""The bytes of an item: its record, and what stands of it in manifests and provenance records."""
KINDS = {
    "receive": "raw data", "cases": "cases", "bias_field": "corrected images", "slices": "slices",
    "train": "weights", "predict": "predictions",
}  # fmt: skip
OTHER = "tables and figures"
CHECKPOINTS = "checkpoints, while training"
COPIES = 8
"""The most copies of a network's weights in the checkpoint of a training and the one that takes its place: the
weights, Adam's two moments and the best weights."""


class Need(NamedTuple):
    """Bytes of one kind of files of a study."""

    study: str
    what: str
    expected: float | None
    """The bytes when all is made; None where they aren't known."""
    there: float
    folder: Path

    @property
    def missing(self) -> float:
        """The bytes that are yet to be written; 0 where the expected number isn't known."""
        return max(0.0, (self.expected or 0.0) - self.there)


class Memory(NamedTuple):
    """Bytes of memory that a study's trainings need; None where none like them was measured."""

    study: str
    training: float | None
    beside: int
    """The number of trainings side by side."""

    @property
    def all(self) -> float | None:
        """The bytes of trainings that run at the same time; None where they are not known."""
        return None if self.training is None else self.training * self.beside


def disk(jobs: Iterable[GraphJob], studies: Mapping[str, Study], plans: Mapping[str, Plan], cores: int) -> list[Need]:
    """Return the bytes that the needed jobs will write, and how much of them is there."""
    cohorts = {c: name for name, study in studies.items() for c in study.cohorts}
    found: dict[tuple[str, str], list[Need]] = {}
    trained = set()
    weights = {name: weight_bytes(study) for name, study in studies.items()}
    for job in (job for job in jobs if job.needed):
        name = job.wildcards.get("study") or cohorts.get(job.wildcards.get("cohort", ""), "all")
        what = KINDS.get(job.rule, OTHER)
        folders = _folders(job, plans.get(name))
        own_plan = studies.get(name), plans.get(name)
        expected = output_bytes(job.rule, job.wildcards, *own_plan, weights.get(name))
        there = sum(_held(folder) for folder in folders)
        own = Need(name, what, expected, there, job.outputs[0].parent)
        found.setdefault((name, what), []).append(own)
        trained |= {name} if job.rule == "train" else set()
    for name in sorted(trained):
        each = weights[name]
        beside = side_by_side(studies[name], plans[name], cores)
        bytes_ = None if each is None else each * COPIES * beside
        cache = Path(".cache/training") / name
        found[name, CHECKPOINTS] = [Need(name, CHECKPOINTS, bytes_, _held(cache), cache)]
    order = [*KINDS.values(), CHECKPOINTS, OTHER]
    places = sorted(found, key=lambda k: ([*studies, "all"].index(k[0]), order.index(k[1])))
    return [_sum(found[place]) for place in places]


def _sum(needs: list[Need]) -> Need:
    total = total_of(need.expected for need in needs)
    return needs[0]._replace(expected=total, there=sum(need.there for need in needs))


def memory(studies: Mapping[str, Study], plans: Mapping[str, Plan], cores: int) -> list[Memory]:
    """Return the memory that the trainings of each study need, in bytes."""
    return [Memory(name, peak_bytes(study), side_by_side(study, plans[name], cores)) for name, study in studies.items()]


def side_by_side(study: Study, plan: Plan, cores: int) -> int:
    """Return the largest number of trainings that run at once on this number of cores."""
    return max(1, min(cores // study.execution.threads, len(plan.batches)))


def _shortages(needs: Iterable[Need]) -> list[str]:
    """Return a message for each disk that can't hold what is missing on it."""
    of_disk: dict[int, list[Need]] = {}
    for need in needs:
        at = _existing(need.folder)
        of_disk.setdefault(at.stat().st_dev, []).append(need)
    out = []
    for own in of_disk.values():
        at = _existing(own[0].folder)
        free, wanted = shutil.disk_usage(at).free, sum(need.missing for need in own)
        if wanted > free:
            largest = sorted(own, key=lambda need: -need.missing)[:3]
            most = ", ".join(f"{n.what} of {n.study} {gigabytes(n.missing)}" for n in largest)
            out.append(
                f"the run will write about {gigabytes(wanted)} more, and the disk of {at.resolve()} has "
                f"{gigabytes(free)} free; most of it: {most}"
            )
    return out


def refusal(needs: Iterable[Need]) -> str | None:
    """Return why a run can't be begun, and what to do; None where the disk holds it."""
    if not (found := _shortages(needs)):
        return None
    return "\n".join(found) + (
        "\nMake room, link data/ or results/ to a larger disk, or run fewer studies or a smaller scale. "
        "These are estimates: with disk_check: false in config/config.yaml the run begins all the same"
    )


def disk_in_short(needs: Iterable[Need]) -> str:
    """Return how much is yet to be written, and how much room there is here."""
    wanted = sum(need.missing for need in needs)
    free = gigabytes(shutil.disk_usage(".").free)
    return f"Disk: the run will write about {gigabytes(wanted)} more, and {free} are free here."


def memory_in_short(needs: Iterable[Memory], cores: int) -> list[str]:
    """Return how much memory the trainings need and how much there is; no line where the first isn't known."""
    known = [own.all for own in needs if own.all is not None]  # trainings of all studies share the cores
    has = gigabytes(machine_memory())
    needed = gigabytes(max(known, default=None))
    return [f"Memory: trainings on {cores} cores need about {needed}; this machine has {has}."] if known else []


def gigabytes(bytes_: float | None) -> str:
    """Return a number of bytes as text in MB or GB."""
    if bytes_ is None:
        return "unknown"
    return f"{bytes_ / 1e9:,.1f} GB" if bytes_ >= 1e8 else f"{bytes_ / 1e6:,.1f} MB"


def machine_memory() -> int:
    """Return the bytes of memory of this machine."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def output_bytes(
    rule: str, wildcards: Mapping[str, str], study: Study | None, plan: Plan | None, weights: float | None
) -> float | None:
    """Return the bytes that a job's outputs take; None where that isn't known.

    Args:
        rule, wildcards: of the job.
        study, plan: whose job it is; None where it is of all studies.
        weights: bytes of the weights of a stage of this study, as `weight_bytes` returns them.
    """
    if study is None or plan is None or rule not in KINDS:
        return JOB_BYTES.get(rule.partition("_")[0], OTHER_BYTES)
    if rule == "train":
        stages = plan.batches[wildcards["batch"]].stages
        return None if weights is None else len(stages) * (weights + RECORD_BYTES + BLOCK)
    if rule == "predict":
        groups = plan.groups[wildcards["group"]]
        of_models = [_masks(model, study) for model in groups]
        return total_of(of_models)
    cohort = wildcards["cohort"]
    held = amount(study, cohort, received=folder_of(cohort))
    if held is None:
        return 0.0 if rule == "receive" else None
    return _OF_COHORT[rule](study, cohort, held) + held.patients * RECORD_BYTES


def _raw(study: Study, cohort: str, held: Amount) -> float:
    """Return the bytes of a cohort's raw data that a run writes; real patients stay where they are."""
    source = study.cohorts[cohort].source
    if not isinstance(source, Phantom):
        return 0.0
    masks_too = isinstance(source, ProstateSource) and source.site == "C"
    images = len(study.channels) + masks_too
    each = held.pixels * VOXEL_BYTES["raw"] * images + SLICE_BYTES
    return held.patients * held.slices * each


def _cases(study: Study, cohort: str, held: Amount) -> float:
    voxels = held.voxels / held.patients
    images = len(study.channels) * _blocks(voxels * VOXEL_BYTES["image"])
    masks = len(study.structures) * _blocks(voxels * VOXEL_BYTES["mask"])
    return held.patients * (images + masks + BLOCK)


def _corrected(study: Study, cohort: str, held: Amount) -> float:
    channels = len(study.preparation.bias_field.apply_to)
    return held.voxels * VOXEL_BYTES["corrected"] * channels


def _slices(study: Study, cohort: str, held: Amount) -> float:
    rows, columns = study.preparation.slices.size
    own = held.slices * rows
    masks = len(study.structures) * _blocks(own * math.ceil(columns / 8))
    return held.patients * (_blocks(own * columns * 4 * len(study.channels)) + masks)


_OF_COHORT = {"receive": _raw, "cases": _cases, "bias_field": _corrected, "slices": _slices}


def _masks(model: Model, study: Study) -> float | None:
    """Return the bytes of a model's predictions, on the test sets of all cohorts or on a fold."""
    total = 0.0
    for name, cohort in study.cohorts.items():
        held = amount(study, name, received=folder_of(name))
        if held is None:
            return None
        tested = cohort.test * held.patients if cohort.test < 1 else cohort.test
        if model.fold_cohort is not None:
            left = (held.patients - tested) / study.splits.k_fold.k
            tested = left if name == model.fold_cohort else 0
        each = _blocks(held.slices * held.pixels * VOXEL_BYTES["predicted"])
        total += tested * len(model.structures) * each
    return total + RECORD_BYTES


def _blocks(bytes_: float) -> float:
    return math.ceil(bytes_ / BLOCK) * BLOCK


def _rows(study: Study) -> pd.DataFrame:
    """Return what was measured of the study's networks at its scale.

    Else of the same networks as published, or of those at the study's scale in other studies.
    """
    table = pd.read_csv(MEMORY, dtype={"encoder": str}).fillna({"encoder": ""})
    names = pd.Series(list(zip(table["architecture"], table["encoder"])), table.index)
    like = table[names.isin(study.networks)]
    own = like[(like["study"] == study.study) & (like["scale"] == study.scale)]
    published = like[like["scale"] == "paper"]
    return next((rows for rows in (own, published) if len(rows)), like[like["scale"] == study.scale])


def peak_bytes(study: Study) -> float | None:
    """Return the memory of a study's largest training in bytes.

    None where a network that may be trained was not measured.
    """
    if any(
        backends.backend_of(network).reads != "slices" for network in [study.network, *study.other_networks.values()]
    ):
        return None  # it follows from a plan, or from patches of any size
    peaks = _rows(study)["peak_gb"]
    return float(peaks.max()) * 1e9 if peaks.notna().all() and len(peaks) else None


def weight_bytes(study: Study) -> float | None:
    """Return the bytes of a stage's weights: as trained, or as measured; the mean where a network is to be selected."""
    trained = [record["parameters"]["total"] for record in _trained(Path("results") / study.study / "stages")]
    own = trained or _rows(study)["parameters"].tolist()
    return 4 * sum(own) / len(own) if own else None


def _trained(stages: Path) -> Iterator[dict]:
    for path in sorted(stages.glob(f"*/{RECORD}"))[:20]:
        record = read_json_or_none(path) or {}
        if "parameters" in record:
            yield record


def _folders(job: GraphJob, plan: Plan | None) -> list[Path]:
    """Return where a job's items lie; the outputs themselves, where it has none."""
    out = job.outputs[0]
    if plan and job.rule == "train":
        return [out.parent / stage.name for stage in plan.batches[job.wildcards["batch"]].stages]
    if plan and job.rule == "predict":
        return [out.parent / model.name for model in plan.groups[job.wildcards["group"]]]
    return [out.parent] if job.rule in KINDS else job.outputs


def _held(path: Path) -> float:
    """Return the bytes of the disk that a file or a folder takes."""
    if not path.is_dir():
        return path.stat().st_blocks * 512 if path.exists() else 0
    return sum(os.stat(Path(folder, file)).st_blocks * 512 for folder, _, files in os.walk(path) for file in files)


def _existing(path: Path) -> Path:
    return next(p for p in (path, *path.absolute().parents) if p.exists())
