"""What a dataset's own JSON says of it: nnU-Net's and the Decathlon's dataset.json, MONAI's datalists."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MOST_BYTES = 50_000_000


@dataclass
class Described:
    """What is written in the file."""

    form: str = "a folder of volumes"
    channels: dict[int, str] = field(default_factory=dict)
    """Number of a channel -> its name."""
    labels: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """Structure -> its values in a label map, several of a region of nnU-Net's; without the background."""
    cases: list[list[str]] = field(default_factory=list)
    """The files of each case that the list names, below the folder; empty where it lists none."""

    @property
    def listed(self) -> list[str]:
        """All files that the list names."""
        return list(dict.fromkeys(file for case in self.cases for file in case))


def described(root: Path) -> Described:
    """Read the folder's dataset.json, or the only JSON file in it that lists a training set."""
    for path in sorted(root.glob("*.json"), key=lambda p: (p.name != "dataset.json", p.name)):
        values = _read(path)
        if not isinstance(values, dict):
            continue
        cases = _cases(values, root)
        if path.name == "dataset.json" and "labels" in values:
            nnunet = "channel_names" in values or "file_ending" in values or any(root.glob("imagesTr/*_0000.*"))
            form = "an nnU-Net dataset" if nnunet else "a dataset of the Decathlon's form"
            channels = values.get("channel_names") or values.get("modality") or {}
            return Described(form, _numbered(channels), _labels(values["labels"]), [] if nnunet else cases)
        if cases:
            channels = _numbered(values.get("modality") or {})
            return Described("a MONAI datalist", channels, _labels(values.get("labels") or {}), cases)
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


def _cases(values: dict, root: Path) -> list[list[str]]:
    """Return the files of each case of a list's training part that are there, relative to the folder."""
    cases = values.get("training")
    found = []
    for case in cases if isinstance(cases, list) else []:
        files = case.values() if isinstance(case, dict) else []
        paths = [str(each) for file in files for each in (file if isinstance(file, list) else [file])]
        plain = [path.removeprefix("./").removeprefix(f"{root.resolve().as_posix()}/") for path in paths]
        found.append([path for path in plain if not path.startswith("/") and (root / path).is_file()])
    return [files for files in found if files]
