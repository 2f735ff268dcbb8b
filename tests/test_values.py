"""Every number under one name, and as a macro."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossover.analyses.registry import names_of_rows
from crossover.report.values import latex, rounded, scores, values

SUMMARY = pd.DataFrame(
    {
        "metric": ["dsc", "dsc", "iou"], "test_set": "uterus", "structure": "tumour",
        "model": ["scratch-n5", "pretrained", "pretrained"], "family": ["scratch", "pretrained", "pretrained"],
        "n_train": [5, 0, 0], "cases": [4, 4, 4], "mean": [0.25, 0.5, 0.4], "sd": [0.1, None, 0.2],
    }
)  # fmt: skip


def test_values_are_named_by_study_table_row_and_column():
    named = values({"summary": SUMMARY}, "uterus")
    assert named["uterus/summary/dsc/uterus/tumour/scratch-n5/mean"] == 0.25
    assert named["uterus/summary/dsc/uterus/tumour/scratch-n5/n_train"] == 5
    assert "uterus/summary/dsc/uterus/tumour/pretrained/sd" not in named, "a missing value has no name"
    assert len(named) == 3 * 4 - 1


def test_two_rows_of_one_name_are_refused():
    with pytest.raises(ValueError, match="no names for the rows of unknown"):
        values({"unknown": SUMMARY}, "uterus")
    with pytest.raises(ValueError, match="uterus/summary/dsc/uterus/tumour/scratch-n5"):
        values({"summary": pd.concat([SUMMARY, SUMMARY])}, "uterus")


def test_scores_are_means_by_test_set_and_family():
    assert scores(SUMMARY, "dsc") == {"uterus": {"scratch-n5": 0.25, "pretrained": 0.5}}


def test_macros_carry_the_names_of_the_values():
    text = latex({"u/summary/dsc/mean": 0.123456, "u/p": 1.25e-7})
    assert "\\crossover@set{u/summary/dsc/mean}{0.1235}" in text
    assert "\\crossover@set{u/p}{0.0000001250}" in text
    assert text.count("\\makeatletter") == text.count("\\makeatother") == 1


@given(st.floats(1e-9, 1e9) | st.floats(-1e9, -1e-9) | st.integers(-1000, 1000))
def test_rounding_keeps_four_digits_and_the_sign(value):
    text = rounded(value)
    assert "e" not in text
    assert float(text) == pytest.approx(value, rel=6e-4)


def test_keys_name_columns_once():
    assert all(len(set(columns)) == len(columns) for columns in names_of_rows().values())
