"""`DeepLabV3` of segmentation_models_pytorch, see `crossover.networks.deeplabv3`."""

from functools import partial

from crossover.networks.torch import smp

build = partial(smp.build, "DeepLabV3")
