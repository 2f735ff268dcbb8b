"""The page of `crossover inspect`: what a folder holds, with a picture of each kind of image."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import SimpleITK as sitk
import yaml
from jinja2 import Environment, PackageLoader
from matplotlib.image import imsave

from crossover.core.wording import counted
from crossover.sources.inspection.inventory import WINDOW, Inventory

AIR = -500
"""HU below which there is air: no other image than CT has such values in most of its background."""
SHOWN = 0.05
"""The share of the body's pixels that a window has to show as greys."""


def inspection_page(inventory: Inventory, title: str) -> str:
    """Return the page as HTML in one file; reads the example of each kind of image."""
    chosen = inventory.proposed
    left = inventory.left_out(chosen)
    pictures = {kind.name: _picture(kind.example) for kind in inventory.channels}
    page = Environment(loader=PackageLoader(__package__, ""), autoescape=True).get_template("inspection.html.j2")
    return page.render(
        title=title,
        form=inventory.form[0].upper() + inventory.form[1:],
        inventory=inventory,
        pictures=pictures,
        chosen=chosen,
        left=left,
        taken=inventory.taken(chosen),
        pasted=pasted,
        counted=counted,
    )


def pasted(name: str, rule: Any) -> str:
    """Return a rule as it is pasted into a study's file: a line of YAML."""
    dumped = yaml.safe_dump([rule], default_flow_style=True, sort_keys=False, width=10_000, allow_unicode=True)
    return f"{name}: {dumped.strip()[1:-1]}"


def _picture(example: Callable[[], sitk.Image] | None) -> str:
    """Return the middle slice along the last axis as a PNG in a data URL, its pixels as high as they are wide in mm.

    It is shown as radiologists see it: the patient's left to the right, the back below or to the right, the feet below.
    """
    try:
        image = example() if example else None
    except Exception:  # a damaged or exotic file has no picture; an ingest says what is wrong with it
        image = None
    if image is None:
        return ""
    values = sitk.GetArrayFromImage(sitk.Flip(image, _backwards(image)))
    values = values[values.shape[0] // 2].astype(float)
    low, high = _window(image, values)
    column_mm, row_mm = image.GetSpacing()[:2]
    rows = np.linspace(0, values.shape[0] - 1, max(1, round(values.shape[0] * row_mm / column_mm))).round().astype(int)
    buffer = io.BytesIO()
    imsave(buffer, values[rows], cmap="gray", vmin=low, vmax=max(high, low + 1e-6), format="png")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _window(image: sitk.Image, values: np.ndarray) -> tuple[float, float]:
    """Return the values of a slice that are shown black and white: those of the image's window, if it names one.

    Else they are percentiles of the values, of CT within the body alone, since air and blank parts are most of a slice.
    A window in which hardly any of the slice lies is none: it is that of other values, as of a map in another unit.
    """
    body = values[values > AIR] if np.nanmin(values) < AIR else values
    body = body if body.size >= values.size / 100 else values
    if all(image.HasMetaDataKey(tag) for tag in WINDOW):
        center, width = (float(image.GetMetaData(tag)) for tag in WINDOW)
        low, high = center - width / 2, center + width / 2
        if np.mean((body > low) & (body < high)) > SHOWN:
            return low, high
    low, high = np.nanpercentile(body, (1, 99.5))
    return low, high


def _backwards(image: sitk.Image) -> list[bool]:
    """Return which of an image's axes run to the patient's right, front or head."""
    axes = np.array(image.GetDirection()).reshape(3, 3).T  # a row for each axis, to the left, to the back, to the head
    main = axes[range(3), np.abs(axes).argmax(axis=1)] * np.array([1, 1, -1])[np.abs(axes).argmax(axis=1)]
    return [bool(step < 0) for step in main]
