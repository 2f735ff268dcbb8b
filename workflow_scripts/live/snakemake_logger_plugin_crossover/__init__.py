"""Tells `crossover.execution.live` what Snakemake does, by Snakemake's interface of logger plugins.

Each event is a line on standard error that begins with `MARK`, then JSON; messages that a person has to read are text.
Snakemake finds plugins by their module's name, in the folders of `PYTHONPATH`.
"""

import contextlib
import json
import logging
import sys

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from crossover.execution.live import MARK

KEPT = {
    LogEvent.RUN_INFO: ("stats",),
    LogEvent.JOB_INFO: ("jobid", "rule_name", "wildcards"),
    LogEvent.JOB_FINISHED: ("job_id",),
    LogEvent.JOB_ERROR: ("jobid",),
}
"""Events that are told, with what of them."""
UNSAID = (LogEvent.JOB_ERROR, LogEvent.GROUP_ERROR)
"""Events whose text is left out, as without the view: why a job failed is said in a line of its own."""


class LogHandler(LogHandlerBase):
    """Writes events and messages, in place of Snakemake's own handler."""

    writes_to_stream = True
    writes_to_file = False
    has_filter = True
    has_formatter = False
    needs_rulegraph = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record's event, and its text where it is a warning, an error, or that nothing is to be done."""
        event = getattr(record, "event", None)
        if event in KEPT:
            told = {name: getattr(record, name, None) for name in KEPT[event]}
            self._write(MARK + json.dumps({"event": str(event), **told}, default=str))
        said = str(record.msg or "")
        needed = record.levelno >= logging.WARNING or said.startswith("Nothing to be done")
        if needed and event not in UNSAID:
            self._write(self.format(record))

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):  # nobody reads any more
            print(f"{text}\n", end="", file=sys.stderr, flush=True)  # at once: another thread prints too
