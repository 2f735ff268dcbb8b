"""One thin entry for each rule: parse, call the library, write."""

import os
import sys

POOLS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
)  # fmt: skip
"""What libraries read when they are imported, so before all else: how many threads they may start."""

IN_PROCESSES = {"receive", "cases", "bias_field", "slices", "evaluate", "radiomics"}
"""Entries whose threads are processes of one thread each."""

if sys.argv[0] == "-m":  # a job, which is being looked for; its arguments are there
    _given = sys.argv.index("--threads") + 1 if "--threads" in sys.argv[:-1] else None
    _threads = sys.argv[_given] if _given else "1"
    _name = sys.orig_argv[sys.orig_argv.index("-m") + 1]
    _processes = _name.removeprefix("workflow_scripts.") in IN_PROCESSES
    os.environ.update(dict.fromkeys(POOLS, "1" if _processes else _threads))
