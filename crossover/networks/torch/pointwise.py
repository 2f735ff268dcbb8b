"""Convolutions with kernels of one pixel, computed by oneDNN in a single thread too.

PyTorch leaves convolutions on a processor to oneDNN, except those with 1 x 1 kernels of fewer than 16 images in a
single thread (`use_mkldnn` in aten/src/ATen/native/Convolution.cpp): for these it calls MKL's matrix product, which
takes up to twice as long on processors that are not Intel's. Dilated convolutions are not excepted, and there is
nothing to dilate in a kernel of one pixel: oneDNN runs the same kernel with and without.
"""

from torch import nn


def leave_to_onednn(network: nn.Module) -> None:
    """Set the dilation of 1 x 1 convolutions to 2, in place; what they compute is the same but for rounding."""
    for part in network.modules():
        if isinstance(part, nn.Conv2d) and part.kernel_size == (1, 1):
            part.dilation = (2, 2)
