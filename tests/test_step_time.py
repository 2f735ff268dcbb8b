"""What a step's measurement tells of a network that does not fit."""

import numpy as np
import pytest

from crossover.core.configuration import ConfigError
from crossover.training.step_time import _check_output


class Engine:
    def __init__(self, answer):
        self._answer = answer

    def predict(self, images: np.ndarray) -> np.ndarray:
        if isinstance(self._answer, Exception):
            raise self._answer
        return np.zeros(self._answer)


@pytest.mark.parametrize("answer, told", [
    ((1, 8, 8, 2), ""),
    ((1, 4, 4, 2), r"own returns \(1, 4, 4, 2\) of an image, in place of \(1, 8, 8, 2\)"),
    ((1, 8, 8, 1), r"own returns \(1, 8, 8, 1\)"),
    (AttributeError("'tuple' object has no attribute 'float'"), "own fails on images of .*AttributeError: 'tuple'"),
])  # fmt: skip
def test_a_network_that_returns_no_map_for_each_structure_is_named(answer, told):
    images = np.zeros((2, 8, 8, 1), "float32")
    if not told:
        _check_output(Engine(answer), "own", images, 2)
        return
    with pytest.raises(ConfigError, match=told):
        _check_output(Engine(answer), "own", images, 2)
