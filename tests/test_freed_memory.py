"""Memory that is freed is used again, without the system filling it with zeros once more."""

import ctypes
import subprocess
import sys

import pytest

MAPPED = """
from resource import RUSAGE_SELF, getrusage
from crossover.training.freed_memory import keep_freed_memory
for wanted in {wanted}:
    keep_freed_memory(wanted)
faults = []
for _ in range(2):
    before = getrusage(RUSAGE_SELF).ru_minflt
    bytearray(200_000_000)[::4096] = b"1" * -(-200_000_000 // 4096)
    faults.append(getrusage(RUSAGE_SELF).ru_minflt - before)
print(*faults)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"), reason="needs the GNU C library")
@pytest.mark.parametrize("wanted, kept", [([True], True), ([False], False), ([True, False], False)])
def test_freed_memory_is_kept_where_it_is_wanted(wanted, kept):
    code = MAPPED.format(wanted=wanted)
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    first, second = map(int, out.split())
    assert second < (0.01 if kept else 2) * first and (kept or second > 0.5 * first)
