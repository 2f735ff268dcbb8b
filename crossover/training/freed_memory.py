"""Memory that a step frees is kept for the next one, instead of being given back to the system and asked for again."""

from __future__ import annotations

import ctypes

TRIM_THRESHOLD, MMAP_THRESHOLD, MMAP_MAX = -1, -3, -4
"""`M_TRIM_THRESHOLD`, `M_MMAP_THRESHOLD` and `M_MMAP_MAX` of the C library's malloc.h."""
LARGEST = 1 << 25
"""The size of blocks (bytes) from which the C library at last maps each of them from the system."""


def keep_freed_memory(wanted: bool = True) -> None:
    """Let this process's allocator reuse what it freed, or not; without the GNU C library, change nothing.

    By default each block above 32 MB is mapped from the system and unmapped when it is freed. A training step frees
    gigabytes, all of whose pages the system must fill with zeros again in the next step: for a batch of 16 slices of
    320 x 320 that was 40% of a step's time (docs/performance.md). See mallopt(3).
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "gnu_get_libc_version"):
        library.mallopt(MMAP_THRESHOLD, LARGEST)
        library.mallopt(MMAP_MAX, 0 if wanted else 65536)
        library.mallopt(TRIM_THRESHOLD, -1 if wanted else 2 * LARGEST)
