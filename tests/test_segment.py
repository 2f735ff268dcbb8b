"""`crossover segment` and `crossover weights`: what is refused, before any work, and how it is told."""

import pytest
from typer.testing import CliRunner

from crossover.cli import app

SEGMENT = ["--study", "prostate", "--scale", "smoke"]


def said(*arguments: str) -> str:
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == 2
    return done.output


@pytest.mark.parametrize(
    "model, words",
    [
        ("b_a-f9", ["no model 'b_a-f9'", "none trained yet"]),
        ("b_a-f0", ["not trained", "make reproduce STUDIES=prostate SCALE=smoke"]),
    ],
)
def test_a_model_that_is_not_there_is_told_with_what_to_do(tmp_path, model, words):
    text = said(
        "segment", str(tmp_path), str(tmp_path / "out"), *SEGMENT, "--model", model,
        "--results", str(tmp_path),
    )  # fmt: skip
    assert all(word in text for word in words)
    assert not (tmp_path / "out").exists()


def test_an_unknown_study_or_scale_is_told_with_those_there_are(tmp_path):
    places = [str(tmp_path), str(tmp_path / "out")]
    text = said("segment", *places, "--study", "prostat", "--model", "a-f0")
    assert "prostate" in text
    text = said("segment", *places, "--study", "prostate", "--scale", "huge", "--model", "a-f0")
    assert "smoke, demo, paper" in text


def test_an_encoder_without_weights_is_told_with_those_that_have_some():
    text = said("weights", "efficientnet-b9")
    assert "efficientnet-b3" in text and "resnet50" in text
