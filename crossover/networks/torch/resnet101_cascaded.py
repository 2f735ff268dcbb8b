"""ResNet-101 with cascaded atrous convolution and spatial pyramid pooling for PyTorch.

See `crossover.networks.resnet101_cascaded`.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from crossover.networks.resnet101_cascaded import STRIDE, Settings
from crossover.networks.torch.layers import ConvNorm

EPSILON = 1e-5
"""Of batch normalisation, as in Caffe's ResNet-101."""


class Bottleneck(nn.Module):
    """A bottleneck: convolutions of 1x1, 3x3 and 1x1, and a shortcut.

    The stride is the first convolution's, as in He et al. and by the sizes in Chen's Table 1 (53, 53, 53 in Conv3).
    """

    def __init__(self, s: Settings, inputs: int, width: int, stride: int, rate: int) -> None:
        super().__init__()
        inner, outputs = s.channels(width), s.channels(4 * width)
        self.conv1 = ConvNorm(s, inputs, inner, stride=stride, epsilon=EPSILON)
        self.conv2 = ConvNorm(s, inner, inner, 3, rate=rate, epsilon=EPSILON)
        self.conv3 = ConvNorm(s, inner, outputs, relu=False, epsilon=EPSILON)
        self.shortcut = (
            nn.Identity()
            if inputs == outputs and stride == 1
            else ConvNorm(s, inputs, outputs, stride=stride, relu=False, epsilon=EPSILON)
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv3(self.conv2(self.conv1(x))) + self.shortcut(x), inplace=True)


class Pyramid(nn.Module):
    """Sum of a 1x1 and three dilated 3x3 convolutions, enlarged to `padded` with aligned corners and cut to `size`.

    As published there are two maps for each structure, background and structure. The logit of a
    structure is their difference: its sigmoid is the softmax of the two.
    """

    def __init__(self, s: Settings, structures: int, padded: list[int], size: tuple[int, int]) -> None:
        super().__init__()
        inputs = s.channels(2048)
        self.conv = nn.Conv2d(inputs, 2 * structures, 1)
        self.dilated = nn.ModuleList(
            nn.Conv2d(inputs, 2 * structures, 3, padding=rate, dilation=rate) for rate in s.spp_rates
        )
        self.padded, self.size = padded, size

    def forward(self, x: Tensor) -> Tensor:
        maps = self.conv(x) + sum(conv(x) for conv in self.dilated)
        maps = F.interpolate(maps, self.padded, mode="bilinear", align_corners=True)
        maps = maps[..., : self.size[0], : self.size[1]]
        background, structure = maps.unflatten(1, (-1, 2)).unbind(2)
        return structure - background


def build(height: int, width_px: int, channels: int, structures: int = 1, **settings: Any) -> nn.Sequential:
    """Build the network: (n, channels, height, width_px) images -> (n, structures, height, width_px) logits.

    Its children are the declared parts. Weights begin as He et al. 2015 give them, those of the
    pyramid with SD 0.01 as in DeepLab.

    Args:
        height, width_px: input size in pixels; within, it is padded to multiples of 8 plus 1.
        settings: see `crossover.networks.resnet101_cascaded.Settings`.
    """
    s = Settings(**settings)
    first = s.channels(64)
    conv1 = ConvNorm(s, channels, first, 7, 2, epsilon=EPSILON)
    padded = [-(-(n - 1) // STRIDE) * STRIDE + 1 for n in (height, width_px)]
    begin: OrderedDict[str, nn.Module] = OrderedDict()
    if padded != [height, width_px]:
        begin["pad"] = nn.ReplicationPad2d((0, padded[1] - width_px, 0, padded[0] - height))
    begin |= {"0": conv1, "1": nn.MaxPool2d(3, 2, 1)}  # these names are in the files of weights
    parts: OrderedDict[str, nn.Module] = OrderedDict(conv1=nn.Sequential(begin))
    kinds = {  # width, stride of the first block, rate
        "conv2": (64, 1, 1),
        "conv3": (128, 2, 1),
        "conv4": (256, 1, s.conv4_rate),
        **{f"conv5b{i}": (512, 1, rate) for i, rate in enumerate(s.conv5_rates, start=1)},
    }
    inputs = first
    for part, blocks in s.blocks_of.items():
        width, stride, rate = kinds[part.rstrip("abc")]
        outputs = s.channels(4 * width)
        parts[part] = nn.Sequential(
            *(Bottleneck(s, outputs if i else inputs, width, 1 if i else stride, rate) for i in range(blocks))
        )
        inputs = outputs
    pyramid = parts["spp"] = Pyramid(s, structures, padded, (height, width_px))
    network = nn.Sequential(parts)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    for conv in (pyramid.conv, *pyramid.dilated):
        nn.init.normal_(conv.weight, std=0.01)
        nn.init.zeros_(conv.bias)
    return network
