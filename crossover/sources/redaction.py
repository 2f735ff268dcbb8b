"""Settings without what may identify people: what a record of a result may tell."""

from typing import Any

from crossover.core.files import digest
from crossover.sources.settings import PHANTOM_KINDS


def without_places(settings: Any) -> Any:
    """Replace each source of real data in settings by its kind and a digest.

    Its folders may be named after people.
    """
    if isinstance(settings, list):
        return [without_places(value) for value in settings]
    if not isinstance(settings, dict):
        return settings
    return {
        key: {"kind": value["kind"], "digest": digest(value)}
        if key == "source" and _is_real(value)
        else without_places(value)
        for key, value in settings.items()
    }


def _is_real(source: Any) -> bool:
    """Return whether this is a cohort's source other than a phantom; a strategy may be called source too."""
    return isinstance(source, dict) and source.get("kind", "phantom") not in PHANTOM_KINDS
