"""What a run was: numbers of stages, parameters, times, versions, and what its trainings really began with.

All of it is from the stages' records, never from the configuration.
"""

from typing import Any

import pandas as pd

from crossover.analyses.figures import style
from crossover.core.wording import counted
from crossover.report.prose import statements
from crossover.statistics.scores.missing import absent_notes
from crossover.study.schema import Study

INITIAL = ["encoder", "selection", "asked", "weights", "where", "stages"]


def run_facts(records: list[dict[str, Any]]) -> dict[str, Any]:
    """Return facts of stages, by their records."""
    if not records:
        return {}
    levels = [(_trained(r["stage"]), r["parameters"]["trained"]) for r in records]
    # of the network that the study's models have, not of one that was only tried
    first = next((r for r in records if not r["stage"].get("cell") and not r["stage"].get("network")), records[0])
    own = [r for r in records if "same_as" not in r]
    copied, began = len(records) - len(own), _began_with(initial_weights(records))
    return {
        "stages": len(records),
        **_network(first),
        **({"of_them_copied_from_equal_ones": copied} if copied else {}),
        "parameters": first["parameters"]["total"],
        "parameters_trained": dict(levels),
        **({"began_with": began} if began else {}),
        "steps": sum(r["steps"] for r in own),
        "training_s": sum(r["seconds"] for r in own),
        "threads": ", ".join(sorted({str(r["threads"]) for r in records})),
        "device": ", ".join(sorted({r["device"] for r in records})),
        **_other_networks(records),
        "versions": {name: version for r in reversed([first, *records]) for name, version in r["versions"].items()},
    }


def _trained(stage: dict[str, Any]) -> str:
    """Return what a stage trains: a level, of which network of the study where it isn't the study's own."""
    level, network = stage["level"] or "whole network", stage.get("network")
    return f"{network}: {level}" if network else level


def _other_networks(records: list[dict[str, Any]]) -> dict[str, int]:
    """Return the parameters of the networks that strategies have in place of the study's own."""
    named = {r["stage"]["network"]: r["parameters"]["total"] for r in records if r["stage"].get("network")}
    return {f"parameters_of_{name}": total for name, total in named.items()}


def initial_weights(records: list[dict[str, Any]]) -> pd.DataFrame:
    """Return what the stages without a parent began with, with the columns `INITIAL`.

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


def notices(initial: pd.DataFrame, study: Study) -> list[str]:
    """Return what a reader has to know before any number: weights that were asked for and were not available.

    Args:
        initial: of `initial_weights`; empty gives no notice.
    """
    out: list[str] = []
    other = initial[initial["weights"] != initial["asked"]] if len(initial) else initial
    for (asked, weights), rows in other.groupby(["asked", "weights"], sort=False) if len(other) else []:
        had = initial[(initial["asked"] == asked) & (initial["weights"] == asked)]
        chosen_elsewhere = had["selection"] & ~had["encoder"].isin(rows["encoder"])
        out += statements(
            study, "initial_weights_missing",
            asked=style.weights_label(asked), weights=style.weights_label(weights), trainings=rows["stages"].sum(),
            encoders=[style.encoder_label(name) for name in dict.fromkeys(rows["encoder"])],
            none_had=had.empty, unequal_choice=chosen_elsewhere.any() and rows["selection"].any(),
            chains=not rows["selection"].all(), chains_had=not had["selection"].all(),
        )  # fmt: skip
    return out


def without_structures(metrics: pd.DataFrame, study: Study) -> list[str]:
    """Return a sentence for each structure that test cases lack: how many, and which models predicted it there."""
    if metrics.empty or "structure" not in metrics:
        return []
    labels = {name: about.label for name, about in study.structures.items()}
    called = {f: style.family_label(study, f) for f in metrics["family"].unique()}
    named = metrics.assign(structure=metrics["structure"].map(labels), family=metrics["family"].map(called))
    return [f"{text}." for text in absent_notes(named, [study.statistics.metric])]


def _began_with(initial: pd.DataFrame) -> dict[str, str]:
    """Return "ImageNet (package x 1.0)" -> "24 trainings"."""
    names = [style.weights_label(r.weights) + (f" ({r.where})" if r.where else "") for r in initial.itertuples()]
    stages = initial.assign(name=names).groupby("name", sort=False)["stages"].sum()
    return {name: counted(count, "training") for name, count in stages.items()}


def _network(record: dict[str, Any]) -> dict[str, str]:
    """Return the network of the study's models, with its settings and, where it plans itself, its plan."""
    network = dict(record.get("network", {}))
    if not network:
        return {}
    settings = dict(network.get("settings") or network.get("trainer") or {})
    encoder = settings.pop("encoder", None)
    name = style.architecture_label(network["architecture"])
    settings |= {key: value for key, value in record.get("plan", {}).items() if key not in ("of", "network")}
    listed = "; ".join(f"{key.replace('_', ' ')} {_plain(value)}" for key, value in settings.items())
    return {
        "network": f"{name} with {style.encoder_label(encoder)}" if encoder else name,
        "network_settings": "; ".join(filter(None, [f"engine {network['engine']}", listed])),
    }


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
