"""Which source files a network is made by."""

from __future__ import annotations

from crossover.networks import declared


def network_files(architecture: str, engine: str) -> tuple[str, ...]:
    """Return the files of a network and its engine: imported by name, so no closure finds them."""
    folder = f"crossover/networks/{engine}"
    declaration = f"crossover/networks/{architecture}.py"
    builder = f"{folder}/{architecture}.py"
    files = (declaration, builder, f"crossover/training/engines/{engine}.py")
    with_encoder = "encoder" in declared(architecture).settings.model_fields
    return (*files, f"{folder}/imagenet.py") if with_encoder else files
