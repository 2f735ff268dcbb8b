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
    labels: dict[int, str] = field(default_factory=dict)
    """Value of a label map -> its name, without the background."""
    listed: list[str] = field(default_factory=list)
    """Files that the list names, below the folder; empty where it lists none."""


def described(root: Path) -> Described:
    """Read the folder's dataset.json, or the only JSON file in it that lists a training set."""
    for path in sorted(root.glob("*.json"), key=lambda p: (p.name != "dataset.json", p.name)):
        values = _read(path)
        if not isinstance(values, dict):
            continue
        listed = _listed(values, root)
        if path.name == "dataset.json" and "labels" in values:
            nnunet = "channel_names" in values or "file_ending" in values or any(root.glob("imagesTr/*_0000.*"))
            form = "an nnU-Net dataset" if nnunet else "a dataset of the Decathlon's form"
            channels = values.get("channel_names") or values.get("modality") or {}
            return Described(form, _numbered(channels), _labels(values["labels"]), [] if nnunet else listed)
        if listed:
            channels = _numbered(values.get("modality") or {})
            return Described("a MONAI datalist", channels, _labels(values.get("labels") or {}), listed)
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


def _labels(labels: Any) -> dict[int, str]:
    """Return value -> name, of either form: {"gland": 1} or {"1": "gland"}; regions of several labels are left out."""
    if not isinstance(labels, dict):
        return {}
    pairs = [(v, k) if isinstance(v, int) else (k, v) for k, v in labels.items() if not isinstance(v, list)]
    numbers = {int(value): str(name) for value, name in pairs if str(value).isdigit()}
    return {value: name for value, name in numbers.items() if value}


def _listed(values: dict, root: Path) -> list[str]:
    """Return the images and labels of a list's training part that are there, relative to the folder."""
    cases = values.get("training")
    found = []
    for case in cases if isinstance(cases, list) else []:
        files = case.values() if isinstance(case, dict) else []
        for file in files:
            found += [str(each) for each in (file if isinstance(file, list) else [file])]
    plain = (file.removeprefix("./") for file in found)
    return [file for file in dict.fromkeys(plain) if not file.startswith("/") and (root / file).is_file()]
