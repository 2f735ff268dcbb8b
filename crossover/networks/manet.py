"""MA-Net, as `MAnet` of segmentation_models_pytorch has it.

Fan et al., "MA-Net: a multi-scale attention network for liver and tumor segmentation", IEEE Access 2020.
"""

from crossover.networks.encoder_decoder import LEVELS, MULTIPLE, PARTS, Settings, smallest_map

__all__ = ["LEVELS", "MULTIPLE", "PARTS", "Settings", "smallest_map"]
