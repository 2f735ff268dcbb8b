"""What a run was: numbers of stages, parameters, times, versions, from the stages' manifests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from crossover.provenance import read_json


def run_facts(stages: Path) -> dict[str, Any]:
    """Facts of the stages that the manifests in a folder list.

    Args:
        stages: results/<study>/stages.
    """
    records = {
        name: record
        for manifest in sorted(stages.glob("*.json"))
        for name, record in read_json(manifest)["items"].items()
    }
    if not records:
        return {}
    trained: dict[str, int] = {"parameters": 0}
    for record in records.values():
        level = record["stage"]["level"] or "whole network"
        trained[level] = record["parameters"]["trained"]
    first = next(iter(records.values()))
    del trained["parameters"]
    return {
        "stages": len(records),
        "parameters": first["parameters"]["total"],
        "parameters_trained": trained,
        "steps": sum(r["steps"] for r in records.values()),
        "training_s": sum(r["seconds"] for r in records.values()),
        "threads": ", ".join(sorted({str(r["threads"]) for r in records.values()})),
        "device": ", ".join(sorted({r["device"] for r in records.values()})),
        "versions": first["versions"],
    }
