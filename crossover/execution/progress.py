"""Progress across the jobs of a run: stages done of all, and about how long the rest takes."""

import time
from collections.abc import Callable
from pathlib import Path

from crossover.core.files import read_json, write_json

FOLDER = Path(".cache/progress")
FAILURES = FOLDER / "failures"
EVERY = 10.0
"""Fewest seconds between two lines on a job's running training."""


def begin(study: str, stages: int, jobs: int) -> None:
    """Note at the start of a run how many stages a study has and how many are trained side by side."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    write_json(FOLDER / f"{study}.json", {"stages": stages, "jobs": jobs})
    (FOLDER / f"{study}.done").write_text("")


def tell(study: str, what: str, seconds: float) -> None:
    """Tell that a stage is done (0 seconds: it was already). Silent where no run was begun."""
    about = FOLDER / f"{study}.json"
    if not about.exists():
        return
    with (FOLDER / f"{study}.done").open("a") as file:
        file.write(f"{seconds:.2f}\n")
    took = [float(t) for t in (FOLDER / f"{study}.done").read_text().split()]
    run = read_json(about)
    print(f"[{time.strftime('%H:%M:%S')}] {study}: {line(took, what, **run)}", flush=True)


class Watched:
    """Tells of trainings' courses, at most every `EVERY` seconds. Silent where no run was begun.

    Args:
        now: a clock, in seconds.
    """

    def __init__(self, study: str, now: Callable[[], float] = time.monotonic) -> None:
        self.study, self._now = study, now
        self._told = now()
        self._first: dict[str, tuple[float, int]] = {}

    def __call__(self, stage: str, step: int, steps: int, loss: float, dsc: float) -> None:
        """A validation: of which stage, after step `step` of `steps`, mean loss and validation DSC."""
        now = self._now()
        begun, first = self._first.setdefault(stage, (now, step))
        if now - self._told < EVERY or not (FOLDER / f"{self.study}.json").exists():
            return
        self._told = now
        text = f"{stage}: step {step} of {steps}, loss {loss:.3g}, validation DSC {dsc:.2f}"
        if first < step < steps:  # by this process's own pace: it may have gone on from a checkpoint
            text += f", about {_about((now - begun) / (step - first) * (steps - step))} left of it"
        print(f"[{time.strftime('%H:%M:%S')}] {self.study}: {text}", flush=True)


def fail(what: str) -> None:
    """Keep what failed, to be told once more when the run ends."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with FAILURES.open("a") as file:
        file.write(what + "\n")


def fail_one(study: str, manifest: Path, name: str, happened: str, advice: str, by_itself: bool) -> None:
    """Tell at once, and keep for the end, that one training failed while its job goes on.

    Args:
        manifest: of its job. by_itself: not for its parent, which is what must be tried again.
    """
    tell(study, f"{name} FAILED: {happened}", 0)
    text = f"{study}: {name} failed: {happened}"
    if by_itself:
        text += f"\n  try: {advice}\n  if the cause lies outside the configuration, as memory does: {again(manifest)}"
    fail(text)


def again(manifest: Path) -> str:
    """Say how to have a job's failed trainings tried once more; its finished ones are kept."""
    return f"the same command with --forcerun {manifest} at its end tries it again and keeps what is done"


def failures() -> str:
    """Return the failures since this was last asked."""
    if not FAILURES.exists():
        return ""
    text = FAILURES.read_text()
    FAILURES.unlink()
    return text


def line(took: list[float], what: str, stages: int, jobs: int) -> str:
    """Return "stage 7 of 37 done, about 3 min left: <what>" from the seconds of the stages so far."""
    trained = [t for t in took if t > 0]
    left = (stages - len(took)) * sum(trained) / max(len(trained), 1) / jobs
    return f"stage {len(took)} of {stages} done, about {_about(left)} of training left: {what}"


def _about(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
