"""The disk and memory that a run needs, for people and for machines."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console

from crossover.core.paths import folder_of
from crossover.core.terminal import Table
from crossover.execution.cohort_size import amount
from crossover.execution.requirements import Memory, Need, disk_in_short, gigabytes, memory_in_short
from crossover.execution.workflow import Workflow


def show_needs(disk: list[Need], memory: list[Memory], workflow: Workflow, console: Console) -> None:
    """Print what a run needs of the disk and of memory, by study, and what was assumed."""
    console.print(_disk(disk))
    console.print(disk_in_short(disk))
    console.print(_memory(memory))
    for line in (*memory_in_short(memory, workflow.cores), *assumed(workflow)):
        console.print(line)


def _disk(disk: list[Need]) -> Table:
    table = Table("study", "files", "in all", "there", "to be written", title="Disk",
                  title_justify="left")  # fmt: skip
    for need in disk:
        missing = "unknown" if need.expected is None else gigabytes(need.missing)
        table.add_row(need.study, need.what, gigabytes(need.expected), gigabytes(need.there), missing)
    return table


def _memory(memory: list[Memory]) -> Table:
    table = Table("study", "one training", "side by side", "together", title="Memory",
                  title_justify="left")  # fmt: skip
    for own in memory:
        each, total = gigabytes(own.training), gigabytes(own.all)
        table.add_row(own.study, each, str(own.beside), total)
    return table


def assumed(workflow: Workflow) -> Iterable[str]:
    """Yield what the numbers rest on where it was not counted, a line each."""
    cohorts = [(study, name) for study in workflow.studies.values() for name in study.cohorts]
    real = [(study, name) for study, name in cohorts if amount(study, name) is None]
    received_names = [name for study, name in real if amount(study, name, received=folder_of(name))]
    if received_names:
        yield f"The slices and patients of {', '.join(received_names)} follow from the sizes of the files received."
    if unknown := [name for _, name in real if name not in received_names]:
        yield f"Patients of {', '.join(unknown)} are not counted, since their folder is not known (--data)."
    yield "Files of each kind take as many bytes for a voxel as those of the phantoms did."
    yield "Memory was measured with the published batch on processors (docs/performance.md), without that of a GPU."
    yield "Cached activations (activations_gb) take room that the disk has left, and are not counted."


def for_machines(disk: list[Need], memory: list[Memory]) -> dict[str, Any]:
    """Return the same as plain values, in bytes."""
    return {
        "disk": [
            {"study": n.study, "files": n.what, "bytes": n.expected, "there": n.there, "missing": n.missing}
            for n in disk
        ],
        "memory": [
            {"study": m.study, "training": m.training, "side_by_side": m.beside, "together": m.all}
            for m in memory
        ],
    }  # fmt: skip
