"""`MAnet` of segmentation_models_pytorch, see `crossover.networks.manet`."""

from functools import partial

from crossover.networks.torch import smp

build = partial(smp.build, "MAnet")
