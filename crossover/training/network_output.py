"""What a network returns: logits of each structure, of the image's size and told by the image alone.

All of it is tried by `crossover check`; each training tries the map's shape and numbers before its first step.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from crossover.core.configuration import ConfigError
from crossover.study.sections import Recipe
from crossover.training import engines

_RARE, _UNSATURATED, _BATCH_TOLERANCE, _ROUNDED = 1e-6, 8.0, 0.02, 1e-3
"""An initial probability; the largest logit of which a probability in float32 tells enough; a probability; a logit."""


def check_output(
    engine: engines.Engine, architecture: str, images: np.ndarray, structures: int, recipe: Recipe
) -> None:
    """Check what a network returns in inference mode.

    Args:
        images: (n, pixels, channels), float32.
        structures: number of channels of the masks.

    Raises:
        ConfigError: what `check_map` refuses; it returns another map each time, one that depends on the batch's other
            images, or probabilities; or its maps don't follow the bias of its last convolution, and the recipe has an
            initial probability.
    """
    one = images[:1]
    with named(architecture, images):
        engine.start(recipe.model_copy(update={"initial_probability": 0.5}), 0, None, None)
    first, again = (check_map(engine, architecture, one, structures) for _ in range(2))
    with named(architecture, images):
        beside = engine.predict(np.concatenate([one, 5 * one + 3]))[:1]
        engine.start(recipe.model_copy(update={"initial_probability": _RARE}), 0, None, None)
        lowered = engine.predict(one)
    _check_repeats(architecture, first, again, beside)
    _check_logits(architecture, first, lowered, recipe)


def check_map(engine: engines.Engine, architecture: str, image: np.ndarray, structures: int) -> np.ndarray:
    """Return the probabilities of one image, (1, pixels, structures), by the present weights.

    Args:
        image: (1, pixels, channels), float32.
        structures: number of channels of the masks.

    Raises:
        ConfigError: the network fails, or returns another shape than that of the masks, or no numbers.
    """
    with named(architecture, image):
        found = engine.predict(image)
    size = image.shape[1:-1]
    if found.shape != (wanted := (1, *size, structures)):
        mend = (
            f"its last part must enlarge them to the image's size, or MULTIPLE in crossover/networks/{architecture}.py "
            "must name the sizes that it returns unchanged"
            if found.shape[1:-1] != size
            else "its last convolution must have as many maps as `build` is told by `structures`"
        )
        axes = "images, pixels along each axis, structures"
        raise _refused(architecture, f"maps of {found.shape} for one image, not {wanted} ({axes}): {mend}")
    if np.isnan(found).any():
        raise _refused(
            architecture, "values that are no numbers (NaN): it divides by 0, or its initial weights are too large"
        )
    return found


def _check_repeats(architecture: str, first: np.ndarray, again: np.ndarray, beside: np.ndarray) -> None:
    """Check that the map of an image is the same each time, and the same `beside` another image in the batch."""
    if not np.array_equal(first, again):
        raise _refused(
            architecture,
            "a different map for the same image each time: outside training, nothing in it may be random",
        )
    if not np.allclose(beside, first, atol=_BATCH_TOLERANCE):
        raise _refused(
            architecture,
            "a map that depends on the other images of the batch: outside training, a normalisation must use running "
            "statistics, or those of the image alone",
        )


def _check_logits(architecture: str, first: np.ndarray, lowered: np.ndarray, recipe: Recipe) -> None:
    """Check that the maps are logits, and `lowered` as far as the last convolution's bias is."""
    before, after = _logits(first), _logits(lowered)
    both = np.stack([before, after])
    if both.min() >= -_ROUNDED and both.max() <= 1 + _ROUNDED:
        raise _refused(architecture, "numbers between 0 and 1: it must return logits, without sigmoid or softmax")
    moved = (after - before - _logits(np.array(_RARE)))[np.abs(before) < _UNSATURATED]
    if recipe.initial_probability is not None and np.abs(moved).max(initial=0) > 1:
        raise _refused(
            architecture,
            "maps that do not follow the bias of its last convolution, which recipe.initial_probability sets: build "
            "the convolution of the logits last, after those of auxiliary heads, or set "
            "recipe.initial_probability: null",
        )


def _refused(architecture: str, returned: str) -> ConfigError:
    return ConfigError(f"network.architecture: {architecture} returns {returned}")


def _logits(probabilities: np.ndarray) -> np.ndarray:
    p = np.clip(probabilities.astype(float), 1e-12, 1 - 1e-12)
    return np.log(p / (1 - p))


@contextmanager
def named(architecture: str, images: np.ndarray) -> Iterator[None]:
    """Say of an error that a network raises which network it is, and on what."""
    try:
        yield
    except (RuntimeError, TypeError, ValueError, AttributeError, KeyError, IndexError) as error:
        if isinstance(error, ConfigError):
            raise
        place = f"images of {images.shape[1:-1]} pixels and {images.shape[-1]} channels"
        remedy = (
            f". If the network needs other sizes, MULTIPLE in crossover/networks/{architecture}.py must say which"
            if re.search(r"\b(sizes?|shapes?)\b", str(error), re.IGNORECASE) and "channels" not in str(error)
            else ""
        )
        raise ConfigError(
            f"network.architecture: {architecture} fails on {place}: {type(error).__name__}: {error}{remedy}"
        ) from error
