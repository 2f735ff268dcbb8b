"""Commands that lead from a folder of images to a study of one's own: inspect, new, check and run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from crossover.cli.shared import CORES, Json, Workers, stop_on, stop_where_not_writable

if TYPE_CHECKING:
    from crossover.sources.inspection.inventory import Inventory

MOST_LEFT_OUT = 10
"""Patients left out whom the terminal lists; the page and --json have all."""


def inspect(
    export: Annotated[Path, typer.Argument(help="Folder, archive or DICOMDIR with images.")],
    page: Annotated[Path | None, typer.Option(help="Also write a page with a picture of each kind of image.")] = None,
    as_json: Json = False,
    workers: Workers = CORES,
) -> None:
    """Show what a folder of images holds, and which rules would take most of its patients.

    A DICOM export in any layout, a tree of NIfTI, NRRD or MetaImage files, an nnU-Net or Decathlon dataset, a MONAI
    datalist. What is shown quotes the files and may tell who somebody is. Exit status: 0; 2 where nothing is there that
    can be read.
    """
    from crossover.sources.inspection import folder_of
    from crossover.sources.inspection import inspect as inspected

    with stop_on(ValueError):
        found = inspected(folder_of(export), workers)
    if as_json:
        typer.echo(json.dumps(found.for_machines(), indent=1))
    else:
        _show(found, Console())
    if page:
        from crossover.report.inspection_page import inspection_page

        with stop_where_not_writable(page):
            page.write_text(inspection_page(found, export.name or str(export)))
        typer.echo(f"page: {page}", err=as_json)


def _show(found: Inventory, console: Console) -> None:
    from crossover.report.inspection_page import pasted

    console.print(f"{found.form}: {len(found.cases)} patients", highlight=False)
    images = Table("image", "what it is", "patients", "voxels", "mm")
    for kind in found.channels:
        several = f" ({kind.several} with several)" if kind.several else ""
        about = "\n".join([kind.about, *(kind.quoted[:2] if found.dicom else [])])
        images.add_row(kind.name, escape(about), f"{kind.patients}{several}", kind.size, kind.spacing_mm)
    console.print(images)
    structures = Table("structure", "as the files call it", "patients", "median ml")
    for s in found.structures:
        called = ", ".join(map(str, s.names)) + (f"; alike: {', '.join(s.alike)}" if s.alike else "")
        ml = "" if s.median_ml is None else f"{s.median_ml:.3g}"
        structures.add_row(s.name, escape(called), str(found.having(s.name)), ml)
    console.print(structures if found.structures else "no structure: no RTSTRUCT, SEG or label map")
    console.print("To paste under series:" if found.dicom else "To paste under a cohort's channels:")
    for kind in found.channels:
        console.print(f"  {pasted(kind.name, kind.rule)}", highlight=False, markup=False, soft_wrap=True)
    for column, values in found.columns.items():
        told = ", ".join(f"{value} ({len(patients)})" for value, patients in values.items())
        console.print(f"{column}: {told}", highlight=False, markup=False)
    for what in found.odd:
        console.print(f"look: {what}", highlight=False, markup=False)
    _show_proposal(found, console)


def _show_proposal(found: Inventory, console: Console) -> None:
    chosen = [*found.proposed_channels(), *found.proposed_structures()]
    left = found.left_out(chosen)
    taken = len(found.cases) - len(left)
    console.print(f"With {', '.join(chosen)}: {taken} of {len(found.cases)} patients.", highlight=False)
    for patient, why in list(left.items())[:MOST_LEFT_OUT]:
        console.print(f"  left out: {patient}: {why[:300]}", highlight=False, markup=False)
    if len(left) > MOST_LEFT_OUT:
        console.print(f"  and {len(left) - MOST_LEFT_OUT} others: --page or --json has all", highlight=False)
