"""U-Net with an encoder that has ImageNet weights, as `Unet` of segmentation_models_pytorch has it.

Ronneberger et al., "U-Net: convolutional networks for biomedical image segmentation", MICCAI 2015.
"""

from crossover.networks.encoder_decoder import LEVELS, MULTIPLE, PARTS, Settings, smallest_map

__all__ = ["LEVELS", "MULTIPLE", "PARTS", "Settings", "smallest_map"]
