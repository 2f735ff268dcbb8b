"""A training's course for TensorBoard: `logs/tensorboard/<study>/<stage>/`, loss and validation DSC by step.

The event files are written with TensorBoard's own records and nothing of TensorFlow, whose import would cost
each job seconds.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any


class Curves:
    """Writes what a training tells of its validations.

    A training that goes on after a stop goes on in the same file: what comes after the point where it went
    on is no longer shown. One made from anything else (another key) begins a new file.

    Args:
        folder: with a folder for each stage.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: dict[str, Path] = {}
        self._begun: set[str] = set()

    def begin(self, stage: str, key: str) -> None:
        """Remove the curves of other keys, since a stage is about to be trained from `key`."""
        folder = self.folder / stage
        own = folder / f"events.out.tfevents.{key[:16]}"
        for old in set(folder.glob("events.out.tfevents.*")) - {own}:
            old.unlink()
        self._files[stage] = own
        self._begun.discard(stage)

    def add(self, stage: str, step: int, steps: int, loss: float, dsc: float) -> None:
        """Add one validation of a stage that was begun."""
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.compat.proto.summary_pb2 import Summary

        events = []
        if not self._files[stage].exists():
            events.append(Event(wall_time=time.time(), file_version="brain.Event:2"))
        if stage not in self._begun:  # what this process repeats is shown once
            start = SessionLog(status=SessionLog.START)
            events.append(Event(wall_time=time.time(), step=step, session_log=start))
            self._begun.add(stage)
        values = [
            Summary.Value(tag=tag, simple_value=value) for tag, value in (("loss", loss), ("validation_dsc", dsc))
        ]
        events.append(Event(wall_time=time.time(), step=step, summary=Summary(value=values)))
        _append(self._files[stage], events)


def _append(file: Path, events: list[Any]) -> None:
    from tensorboard.summary.writer.record_writer import RecordWriter

    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("ab") as opened:  # one write at the end: a kill leaves no half of a record
        writer = RecordWriter(opened)
        for event in events:
            writer.write(event.SerializeToString())
