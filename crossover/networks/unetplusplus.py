"""U-Net++, as `UnetPlusPlus` of segmentation_models_pytorch has it.

Zhou et al., "UNet++: a nested U-Net architecture for medical image segmentation", DLMIA 2018. With efficientnet-b3,
Touijer's choice, one channel and one structure it has 13,624,073 parameters.
"""

from crossover.networks.encoder_decoder import LEVELS, MULTIPLE, PARTS, Settings, smallest_map

__all__ = ["LEVELS", "MULTIPLE", "PARTS", "Settings", "smallest_map"]
