"""The download of an encoder's ImageNet weights, which only a user asks for: a run never downloads."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import hf_hub_download

from crossover.networks.imagenet import HUB_FILE, REVISIONS, hub_cache, repository


def fetch(encoder: str) -> Path:
    """Download an encoder's weights into the hub's cache, where `imagenet.find` finds them.

    Returns:
        The file there; at once where it is there already.

    Raises:
        ValueError: for an encoder without any.
        OSError: the hub can't be reached (after half a minute's retries), or HF_HUB_OFFLINE is set.
    """
    if encoder not in REVISIONS:
        raise ValueError(f"no encoder {encoder!r}; there are {', '.join(REVISIONS)}")
    return Path(hf_hub_download(repository(encoder), HUB_FILE, revision=REVISIONS[encoder], cache_dir=hub_cache()))
