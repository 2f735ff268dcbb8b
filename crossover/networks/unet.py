"""U-Net (Ronneberger et al., "U-Net: convolutional networks for biomedical image segmentation", MICCAI 2015)
with an encoder that has ImageNet weights: `Unet` of segmentation_models_pytorch."""

from crossover.networks.encoder_decoder import LEVELS, PARTS, SIZE, Settings, smallest_map

__all__ = ["LEVELS", "PARTS", "SIZE", "Settings", "smallest_map"]
