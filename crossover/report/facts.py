"""What a run was: numbers of stages, parameters, times, versions, from the stages' manifests."""

from __future__ import annotations

from typing import Any

import pandas as pd

from crossover.analyses.figures import style
from crossover.report.initialisation import summary

INITIAL = ["encoder", "selection", "asked", "weights", "where", "stages"]


def run_facts(records: list[dict[str, Any]]) -> dict[str, Any]:
    """Facts of stages, by their records."""
    if not records:
        return {}
    trained: dict[str, int] = {"parameters": 0}
    for record in records:
        level = record["stage"]["level"] or "whole network"
        trained[level] = record["parameters"]["trained"]
    # of the network that the study's models have, not of one that was only tried
    first = next((r for r in records if not r["stage"].get("cell")), records[0])
    del trained["parameters"]
    facts = {"stages": len(records), **_network(first)}
    copied = sum("same_as" in record for record in records)
    facts |= {"of_them_copied_from_equal_ones": copied} if copied else {}
    begun = summary(initial_weights(records))
    return facts | {
        "parameters": first["parameters"]["total"],
        "parameters_trained": trained,
        **({"began_with": begun} if begun else {}),
        "steps": sum(r["steps"] for r in records if "same_as" not in r),
        "training_s": sum(r["seconds"] for r in records if "same_as" not in r),
        "threads": ", ".join(sorted({str(r["threads"]) for r in records})),
        "device": ", ".join(sorted({r["device"] for r in records})),
        "versions": first["versions"],
    }


def initial_weights(records: list[dict[str, Any]]) -> pd.DataFrame:
    """What the stages without a parent began with, with the columns `INITIAL`.

    Returns:
        One row for each encoder, use (`selection`: tried in the choice of the network), kind of weights
        asked for and kind had: where they are from, and how many stages began so. Empty for records that
        don't say.
    """
    rows = []
    for record in records:
        about = record.get("initial")
        if about:
            asked = about.get("instead_of") or about["weights"]
            encoder = str(record.get("network", {}).get("settings", {}).get("encoder", ""))
            selection = bool(record["stage"].get("cell"))
            rows.append((encoder, selection, asked, about["weights"], about.get("from", "")))
    table = pd.DataFrame(rows, columns=INITIAL[:-1])
    return table.groupby(INITIAL[:-1], sort=False).size().rename("stages").reset_index()


def _network(record: dict[str, Any]) -> dict[str, str]:
    """Which network a selection chose."""
    network = record.get("network", {})
    encoder = network.get("settings", {}).get("encoder")
    if not encoder:
        return {}
    name = style.architecture_label(network["architecture"])
    return {"network": f"{name} with {style.encoder_label(encoder)}"}
