"""DeepLabV3 (Chen et al., "Rethinking atrous convolution for semantic image segmentation", 2017).

It is `DeepLabV3` of segmentation_models_pytorch, with output stride 8 and rates 12, 24 and 36.
"""

from crossover.networks.encoder_decoder import LEVELS, MULTIPLE, PARTS, Settings

__all__ = ["LEVELS", "MULTIPLE", "PARTS", "Settings", "smallest_map"]


def smallest_map(size: tuple[int, int]) -> int:
    """Return 1: a branch of its pyramid batch-normalises an average over the whole slice."""
    return 1
