"""`UnetPlusPlus` of segmentation_models_pytorch, see `crossover.networks.unetplusplus`."""

from functools import partial

from crossover.networks.torch import smp

build = partial(smp.build, "UnetPlusPlus")
