"""Progress across the jobs of a run: stages done of all, and about how long the rest takes."""

from __future__ import annotations

import time
from pathlib import Path

from crossover.provenance import read_json, write_json

FOLDER = Path(".cache/progress")
FAILURES = FOLDER / "failures"


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


def fail(what: str) -> None:
    """Keep what failed, to be told once more when the run ends."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with FAILURES.open("a") as file:
        file.write(what + "\n")


def failures() -> str:
    """What failed since this was last asked."""
    if not FAILURES.exists():
        return ""
    text = FAILURES.read_text()
    FAILURES.unlink()
    return text


def line(took: list[float], what: str, stages: int, jobs: int) -> str:
    """ "stage 7 of 37 done, about 3 min left: <what>" from the seconds of the stages so far."""
    trained = [t for t in took if t > 0]
    left = (stages - len(took)) * sum(trained) / max(len(trained), 1) / jobs
    about = f"{left / 60:.0f} min" if left >= 90 else f"{left:.0f} s"
    return f"stage {len(took)} of {stages} done, about {about} of training left: {what}"
