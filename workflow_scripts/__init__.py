"""One thin entry for each rule: parse, call the library, write."""

import os
import sys

POOLS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
)  # fmt: skip
"""What libraries read when they are imported, so before all else: how many threads they may start."""

if sys.argv[0] == "-m":  # a job, which is being looked for; its arguments are there
    _given = sys.argv.index("--threads") + 1 if "--threads" in sys.argv[:-1] else None
    os.environ.update(dict.fromkeys(POOLS, sys.argv[_given] if _given else "1"))
