"""Settings without what may identify people: what a record of a result may tell."""

from typing import Any

from crossover.core.files import digest
from crossover.sources.pseudonyms import coded
from crossover.sources.settings import PHANTOM_KINDS

PRIVATE = ("file", "reader", "by_patient")
"""Keys of settings whose values may have people's names: paths and patterns, who drew a structure, patients."""


def without_places(settings: Any) -> Any:
    """Replace each source of real data in settings by its kind and a digest, and values of `PRIVATE` by digests.

    Folders and files may be named after people. A digest anyone could make would confirm a guess at a name: these are
    made with the secret, but that of a source whose identifiers are public.
    """
    if isinstance(settings, list):
        return [without_places(value) for value in settings]
    if not isinstance(settings, dict):
        return settings
    return {key: _told(key, value) for key, value in settings.items()}


def _told(key: str, value: Any) -> Any:
    if key == "source" and _is_real(value):
        return {"kind": value["kind"], "digest": digest(value) if _is_public(value) else coded(value)}
    if key in PRIVATE and value:
        return coded(value)
    return without_places(value)


def _is_public(source: dict) -> bool:
    return source.get("identifiers") == "public"


def _is_real(source: Any) -> bool:
    """Return whether this is a cohort's source other than a phantom; a strategy may be called source too."""
    return isinstance(source, dict) and source.get("kind", "phantom") not in PHANTOM_KINDS
