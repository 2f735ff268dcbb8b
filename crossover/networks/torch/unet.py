"""`Unet` of segmentation_models_pytorch, see `crossover.networks.unet`."""

from functools import partial

from crossover.networks.torch import smp

build = partial(smp.build, "Unet")
