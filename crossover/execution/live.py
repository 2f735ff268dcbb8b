"""One view of a run that keeps itself up to date: steps done by kind, what runs on what, time left, last messages.

Snakemake runs beside it as a process of its own, whose events come as lines from the plugin in
`workflow_scripts/live/`, between what jobs print. Where standard output is no terminal, as in logs and CI, or plain
lines are asked for, Snakemake takes this process's place and nothing is drawn.
"""

import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from crossover.core.paths import ROOT
from crossover.core.wording import duration, first_few
from crossover.execution import progress
from crossover.execution.workflow import ENDING

MARK = "\x1eevent "
"""Begins a line that is an event."""
PLAIN = "--plain"
TOLD = re.compile(r"\[\d\d:\d\d:\d\d\] ")
"""Begins what `progress` tells of trainings."""
NOISE = re.compile(r"Using workflow specific profile|.*absl::InitializeLog|.*oneDNN custom operations are on")
"""Begins what Snakemake and TensorFlow say at each start, which tells nobody anything of a run."""
EVERY = 0.5
"""Seconds between two drawings."""
MESSAGES, SHOWN = 5, 4
KINDS = {
    "receive": "data", "cases": "data", "bias_field": "data", "bias_field_part": "data", "slices": "data",
    "splits": "data", "train": "trainings", "selection": "trainings", "predict": "predictions",
    "evaluate": "scores", "metrics": "scores", "radiomics": "scores", "radiomics_manual": "scores",
    "radiomics_table": "scores",
    "values": "report", "report": "report", "all": "report", "studies": "report",
}  # fmt: skip
"""Rule -> its kind; others are tables, figures or statistics."""
ORDER = ("data", "trainings", "predictions", "scores", "statistics", "tables", "figures", "report")


def kind(rule: str) -> str:
    """Return which kind of step a rule is."""
    for prefix, name in (("figure_", "figures"), ("table_", "tables")):
        if rule.startswith(prefix) or rule == name:
            return name
    return KINDS.get(rule, "statistics")


class LiveRun:
    """What is known of a run from its lines."""

    def __init__(self) -> None:
        self.begun, self._since = time.monotonic(), time.time() - 1  # files have a coarser clock
        self.total: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self.running: dict[str, tuple[str, str]] = {}
        """Number of a job -> its rule, and what it is of."""
        self.messages: deque[str] = deque(maxlen=MESSAGES)

    def read(self, line: str) -> str | None:
        """Take in a line; returns what of it a person has to see for good."""
        if line.startswith(MARK):
            self._event(json.loads(line.removeprefix(MARK)))
        elif TOLD.match(line):
            self.messages.append(line)
        elif not NOISE.match(line):
            return line
        return None

    def _event(self, event: dict) -> None:
        job = str(event.get("jobid", event.get("job_id")))
        if event["event"] == "run_info":
            for rule, count in event["stats"].items():
                if rule != "total":
                    self.total[kind(rule)] += count
        elif event["event"] == "job_info":
            self.running[job] = event["rule_name"], " ".join((event["wildcards"] or {}).values())
        elif job in self.running:
            rule, _ = self.running.pop(job)
            self.done[kind(rule)] += event["event"] == "job_finished"

    def drawn(self) -> RenderableType:
        """Return the view."""
        steps = Table.grid(padding=(0, 2))
        for name in (name for name in ORDER if self.total[name]):
            own = [f"{rule} {of}".strip() for rule, of in self.running.values() if kind(rule) == name]
            bar = ProgressBar(self.total[name], self.done[name], width=24)
            steps.add_row(name, bar, f"{self.done[name]} of {self.total[name]}", Text(first_few(own, SHOWN)))
        minutes, seconds = divmod(int(time.monotonic() - self.begun), 60)
        whole = f"{self.done.total()} of {self.total.total()} steps done" if self.total else "reading the studies"
        since = f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d} since the start"
        lines: list[RenderableType] = [Text(f"{whole}, {since}", style="bold"), steps]
        lines += [Text(line) for line in self._trainings()]
        lines += [Text(line, style="dim", no_wrap=True, overflow="ellipsis") for line in self.messages]
        return Group(*lines)

    def _trainings(self) -> list[str]:
        """Return how far trainings of this run are; none before they begin."""
        lines = []
        found = progress.statuses() if self.total["trainings"] else []
        for own in (own for own in found if progress.begun(own.study) >= self._since):
            left = f", about {duration(own.seconds_left)} left" if own.seconds_left else ""
            running = [each for each in own.running if not each.ended]
            lines.append(f"{own.study}: {own.done} of {own.stages} trainings done{left}")
            lines += [f"  {each.stage} on {each.host}: {each.course}" for each in running[:SHOWN]]
        return lines


def run(command: Sequence[str], plain: bool = False) -> int:
    """Run Snakemake with the view, and return its exit status; without the view this process becomes Snakemake.

    Args:
        command: that runs it, `snakemake` or `python -m snakemake` with its arguments.
        plain: whether only lines are printed, on a terminal too.
    """
    console = Console()
    if plain or not sys.stdout.isatty() or console.is_dumb_terminal:
        os.execvp(command[0], list(command))
    places = [str(ROOT), str(ROOT / "workflow_scripts/live"), os.environ.get("PYTHONPATH", "")]
    path = os.pathsep.join(filter(None, places))
    own = next(i for i, word in enumerate(command, 1) if word.endswith("snakemake"))
    child = subprocess.Popen(
        [*command[:own], "--logger", "crossover", *command[own:]], env=os.environ | {"PYTHONPATH": path},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    for name in ENDING:
        if signal.getsignal(name) != signal.SIG_IGN:
            signal.signal(name, lambda number, _: child.send_signal(number))
    _watch(child, console)
    status = child.wait()
    return 128 - status if status < 0 else status


def _watch(child: subprocess.Popen, console: Console) -> None:
    """Draw until the run has ended, and what it printed is read; what it left running may hold its output open."""
    assert child.stdout is not None
    run, source, rest = LiveRun(), child.stdout.fileno(), b""
    with Live(run.drawn(), console=console, auto_refresh=False, transient=True) as live:
        while True:
            ended = child.poll() is not None
            ready, _, _ = select.select([source], [], [], 0 if ended else EVERY)
            part = os.read(source, 1 << 16) if ready else b""
            *lines, rest = (rest + part).split(b"\n")
            said = [run.read(line.decode(errors="replace").rstrip("\r")) for line in lines]
            if shown := [line for line in said if line is not None]:
                live.console.print(Text("\n".join(shown)), soft_wrap=True)
            live.update(run.drawn(), refresh=True)
            if not part and (ended or ready):
                return


if __name__ == "__main__":
    given = [word for word in sys.argv[1:] if word != PLAIN]
    sys.exit(run(given, PLAIN in sys.argv[1:]))
