"""Image rules side by side: the same results with any number of processes, and no more of them than have work."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from crossover.evaluation.metrics import score_models
from crossover.evaluation.radiomics_table import radiomics_rows
from crossover.imaging.volumes import image_path, prediction_path, structure_path, write
from crossover.sources.folder_state import SEEN, KnownDigests
from crossover.study.plan import Model

MODEL = Model("m", "m", "m", None, 0, 0, None, None, "m", ("a",))


@pytest.fixture
def scored(tmp_path: Path):
    import pandas as pd

    rng = np.random.default_rng(0)
    cases, predictions = tmp_path / "cases", tmp_path / "predictions"
    names = [f"p{i}" for i in range(6)]
    for name in names:
        (cases / "c" / name).mkdir(parents=True)
        image = rng.normal(100, 20, (4, 12, 12)).astype(np.float32)
        write(sitk.GetImageFromArray(image), image_path(cases / "c" / name, "adc"))
        for path in (
            structure_path(cases / "c" / name, "a"),
            prediction_path(predictions, "m", "c", name, "a"),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            write(sitk.GetImageFromArray((rng.random((4, 12, 12)) > 0.6).astype(np.uint8)), path)
    splits = pd.DataFrame({"cohort": "c", "patient": names, "case": names, "part": "test"})
    return splits, cases, predictions


def test_scores_and_radiomics_are_the_same_with_any_number_of_processes(scored):
    splits, cases, predictions = scored
    features = {"channel": "adc", "features": ["Mean", "Entropy"], "bin_width": 25}
    for rows in (
        lambda n: score_models([MODEL], splits, cases, predictions, {"a": 1.0}, 2, n),
        lambda n: radiomics_rows([MODEL], splits, ["a"], cases, predictions, features, n),
    ):
        one, two = rows(1), rows(2)
        assert len(one) >= 6 and repr(one) == repr(two), "to the last bit, in the same order"


def test_received_files_are_read_once_and_what_is_gone_is_left_to_be_told(tmp_path, monkeypatch):
    from crossover.sources import folder_state

    files = [tmp_path / name for name in ("a", "b", "gone")]
    for file in files[:2]:
        file.write_text(file.name)
    read = []
    own = folder_state.file_digest
    monkeypatch.setattr(folder_state, "file_digest", lambda path: read.append(path.name) or own(path))
    seen = KnownDigests(tmp_path / SEEN, tmp_path, b"key", workers=2)
    seen.ahead(files)
    assert sorted(read) == ["a", "b"]
    assert seen.digest(files[0]) == {"sha256": own(files[0]), "bytes": 1}
    assert sorted(read) == ["a", "b"], "known by now"
    with pytest.raises(FileNotFoundError):
        seen.digest(files[2])
