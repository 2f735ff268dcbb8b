"""The command that measures a GPU, in its small form on the processor."""

import os
import sys
from pathlib import Path

import pandas as pd
import pytest

from benchmarks import gpu, gpu_measures, memory, step_times
from benchmarks.gpu_measures import Subject
from crossover.study.config import load_study
from crossover.training.devices import gpus
from crossover.training.step_time import Measured

TORCH = gpu.SMALL[-1]


def test_every_subject_is_a_study_s_network():
    for subject in [*gpu.PAPER, *gpu.SMALL, *gpu.SHARING]:
        study, network = subject.settings(precision="tf32")
        assert (study.study, network.device.precision) == (subject.study, "tf32")
        assert network.architecture == subject.architecture
        assert network.engine == subject.engine == study.network.engine
    measured = {s.study for s in gpu.PAPER if s.engine == "torch"}
    assert measured == {"uterus", "nasopharynx", "prostate"}


@pytest.mark.slow
def test_what_cannot_be_measured_is_a_row_that_says_why():
    wrong = Subject("uterus", "smoke", "torch", "resnet101_cascaded", "no_encoder")
    row = gpu_measures.step_row(wrong, 1)
    assert row["error"] and "step ms" not in row
    died = list(gpu.Work([os.abort]).rows())
    assert died == [{"error": "the process ended"}]


def test_a_section_that_is_not_there_is_told(capsys):
    with pytest.raises(SystemExit):
        gpu.main(["step"])
    assert "no section step; there are steps, compiled" in capsys.readouterr().err


def test_tensorflow_is_not_asked_for_its_memory_before_it_has_its_settings(monkeypatch):
    """It takes no number of threads, and no growth of memory, once it has looked at a GPU."""
    monkeypatch.setattr(gpu_measures, "gpus", lambda: ("0",))
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    assert gpu_measures.memory("keras", reset=True) is None
    with pytest.raises(ImportError):
        gpu_measures.memory("keras")


def test_step_times_are_written_as_they_are_measured(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(step_times, "measured", lambda *given: Measured(0.12345, 0.9))
    out = tmp_path / "times.csv"
    monkeypatch.setattr(sys, "argv", ["step_times", "uterus", "--threads", "1", "--out", str(out)])
    step_times.main()
    assert set(pd.read_csv(out)["seconds"]) == {0.123}


def test_rows_of_a_gpu_stand_beside_those_of_a_processor(tmp_path: Path):
    file = tmp_path / "times.csv"
    of_cpu = {"study": "uterus", "encoder": "", "seconds": 1.0, "device": "CPU"}
    for device, seconds in (("CPU", 1.0), ("A", 0.2), ("B", 0.1)):
        step_times.write(file, [{**of_cpu, "seconds": seconds, "device": device}])
    assert pd.read_csv(file)["seconds"].tolist() == [1.0, 0.1]
    row = {**TORCH.row, "level": "L1", "step ms": 12.5, "device": "A"}
    made = gpu_measures.time_row(row)
    assert list(made) == list(pd.read_csv("config/step_times.csv").columns)
    assert (made["architecture"], made["seconds"]) == (TORCH.architecture, 0.0125)


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.skipif(bool(gpus()), reason="the small form is that of a machine without a GPU")
def test_the_small_form_measures_and_tells(tmp_path: Path, capsys):
    out, sections = tmp_path / "rows.csv", ["repeats"]
    gpu.main(["--only", "torch", "--out", str(out), *sections])
    rows = pd.read_csv(out)
    assert set(rows["section"]) == set(sections) and "error" not in rows
    assert rows[["twice", "resumed"]].all(axis=None)
    assert load_study("uterus", "smoke").network.architecture in capsys.readouterr().out


def test_measured_memory_takes_the_place_of_that_of_the_same_network(tmp_path: Path):
    row = {"study": "a", "scale": "paper", "architecture": "unet", "encoder": "", "parameters": 3, "machine": "x86_64"}
    for encoder, peak in (("", 1.0), ("resnet18", 2.0), ("", 3.0)):
        memory.write(tmp_path / "memory.csv", pd.DataFrame([{**row, "encoder": encoder, "peak_gb": peak, "slices": 4}]))
    made = pd.read_csv(tmp_path / "memory.csv", keep_default_na=False)
    assert list(zip(made["encoder"], made["peak_gb"])) == [("resnet18", 2.0), ("", 3.0)]
    assert list(made) == list(pd.read_csv("config/memory.csv").columns)
