"""What a dataset's own JSON says of it: nnU-Net's and the Decathlon's dataset.json, MONAI's datalists."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MOST_BYTES = 50_000_000
PARTS = ("training", "validation", "testing", "test")
"""The parts of a datalist, as MONAI and the Decathlon call them."""


@dataclass
class Described:
    """What is written in the file."""

    form: str = "a folder of volumes"
    channels: dict[int, str] = field(default_factory=dict)
    """Number of a channel -> its name."""
    labels: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """Structure -> its values in a label map, several of a region of nnU-Net's; without the background."""
    parts: dict[str, list[list[str]]] = field(default_factory=dict)
    """Part of the list ("training") -> the files of each of its cases, below the folder; empty where it lists none."""

    @property
    def cases(self) -> list[list[str]]:
        """The files of each case of all parts."""
        return [case for part in self.parts.values() for case in part]

    @property
    def listed(self) -> list[str]:
        """All files that the list names."""
        return list(dict.fromkeys(file for case in self.cases for file in case))


def described(root: Path) -> Described:
    """Read the folder's dataset.json, or the first JSON file in it that lists cases."""
    for path in sorted(root.glob("*.json"), key=lambda p: (p.name != "dataset.json", p.name)):
        values = _read(path)
        if not isinstance(values, dict):
            continue
        parts = _parts(values, root)
        if path.name == "dataset.json" and "labels" in values:
            nnunet = "channel_names" in values or "file_ending" in values or any(root.glob("imagesTr/*_0000.*"))
            form = "an nnU-Net dataset" if nnunet else "a dataset of the Decathlon's form"
            channels = values.get("channel_names") or values.get("modality") or {}
            return Described(form, _numbered(channels), _labels(values["labels"]), {} if nnunet else parts)
        if parts:
            channels = _numbered(values.get("modality") or {})
            return Described("a MONAI datalist", channels, _labels(values.get("labels") or {}), parts)
    return Described()


def datasets_below(root: Path) -> list[str]:
    """Return the folders directly below that have a dataset.json; none where the folder has one itself."""
    name = "dataset.json"
    return [] if (root / name).is_file() else sorted(p.parent.name for p in root.glob(f"*/{name}"))


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text()) if path.stat().st_size <= MOST_BYTES else None
    except (OSError, ValueError):
        return None


def _numbered(names: Any) -> dict[int, str]:
    pairs = names.items() if isinstance(names, dict) else enumerate(names) if isinstance(names, list) else ()
    return {int(k): str(v) for k, v in pairs if str(k).isdigit()}


def _labels(labels: Any) -> dict[str, tuple[int, ...]]:
    """Return name -> values, of either form: {"gland": 1, "whole": [1, 2]} or {"1": "gland"}."""
    found = {}
    for key, value in labels.items() if isinstance(labels, dict) else ():
        numbers, name = (key, value) if str(key).isdigit() else (value, key)
        numbers = numbers if isinstance(numbers, list) else [numbers]
        if all(str(number).isdigit() for number in numbers):
            found[str(name)] = tuple(number for number in map(int, numbers) if number)
    return {name: values for name, values in found.items() if values}


def _parts(values: dict, root: Path) -> dict[str, list[list[str]]]:
    """Return part -> the files of each of its cases that are there, relative to the folder; no part without any.

    Of other parts than the training one only cases with a label count: without it, they are there to be segmented.
    """
    found = {}
    for name in PARTS:
        listed = values.get(name)
        items = [case for case in listed if isinstance(case, dict)] if isinstance(listed, list) else []
        cases = [_files(case, root) for case in items if name == PARTS[0] or case.get("label")]
        if there := [files for files in cases if files]:
            found[name] = there
    return found


def _files(case: dict, root: Path) -> list[str]:
    """Return the files of a case that are there, relative to the folder."""
    paths = [str(each) for file in case.values() for each in (file if isinstance(file, list) else [file])]
    plain = [path.removeprefix("./").removeprefix(f"{root.resolve().as_posix()}/") for path in paths]
    return [path for path in plain if not path.startswith("/") and (root / path).is_file()]
