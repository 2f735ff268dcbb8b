"""The picture of a segmented case: which slices it shows, and that an empty mask has one too."""

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

from crossover.analyses.figures import montage


@given(st.lists(st.booleans(), min_size=1, max_size=90))
def test_all_marked_slices_and_a_neighbour_are_shown_thinned_where_there_are_many(marked):
    shown = montage.slices(np.array(marked))
    assert shown == sorted(set(shown)) and len(shown) <= montage.MOST
    assert shown[0] >= 0 and shown[-1] < len(marked)
    found = [k for k, m in enumerate(marked) if m]
    if found:
        assert shown[0] == max(found[0] - 1, 0)
        assert shown[-1] == min(found[-1] + 1, len(marked) - 1)
        if found[-1] - found[0] + 3 <= montage.MOST:
            assert set(found) <= set(shown)


@pytest.mark.parametrize("manual", [True, False])
@pytest.mark.parametrize("empty", [True, False])
def test_a_cell_for_each_slice(manual: bool, empty: bool):
    image = sitk.GetImageFromArray(np.random.default_rng(0).random((6, 20, 24), np.float32))
    mask = np.zeros((6, 20, 24), bool)
    mask[2:4, 5:12, 8:15] = not empty
    figure = montage.draw(image, mask, mask if manual else None)
    assert len(figure.axes) == (6 if empty else 4)
    assert len(figure.legends[0].get_texts()) == 1 + manual
