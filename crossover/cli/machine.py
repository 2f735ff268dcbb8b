"""Commands about this machine: weights that are downloaded to it, and the cache of activations."""

from typing import Annotated

import typer

from crossover.cli.clone import in_workflow_folder
from crossover.cli.shared import stop


def weights(
    encoders: Annotated[list[str], typer.Argument(help="Names of encoders, such as efficientnet-b3.")],
) -> None:
    """Download the ImageNet weights of encoders, at the revision that studies use, to the Hugging Face cache."""
    from crossover.networks.hub import fetch

    for encoder in encoders:
        try:
            typer.echo(f"{encoder}: {fetch(encoder)}")
        except (ValueError, OSError) as caught:
            stop(f"{encoder}: {caught}")


@in_workflow_folder
def clear_cache() -> None:
    """Delete the cached activations of frozen parts that no training is using; a later run computes them again."""
    from crossover.training.cache import Cache

    typer.echo(f"{Cache(0).clear() / 1e9:.2f} GB removed")
