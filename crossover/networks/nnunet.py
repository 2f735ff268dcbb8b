"""The networks that nnU-Net plans: `PlainConvUNet` and `ResidualEncoderUNet` of dynamic-network-architectures.

They are built and trained by the backend nnunet alone (`crossover.training.backends.nnunet`), so that no engine builds
them. Their parts are those that these classes declare: the stages of the encoder by nnU-Net's own numbers, `stage0`
with the stem of a residual encoder, the last stage, which is the bottleneck, the decoder with its transposed
convolutions, and the segmentation layers. How many stages there are follows from the plan: a network of six has
`stage0` to `stage4` and the bottleneck, and nothing from `stage5` on.
"""

from __future__ import annotations

from crossover import networks

STAGES = tuple(f"stage{i}" for i in range(9))
"""Before the bottleneck, at most: nnU-Net's largest 2D plans have ten in all."""
BOTTLENECK, DECODER, HEAD = "bottleneck", "decoder", "head"
PARTS = (*STAGES, BOTTLENECK, DECODER, HEAD)

LEVELS = {part: part for part in PARTS[1:]}
"""All before the part is frozen: `decoder` freezes the encoder with its bottleneck, `head` all but the segmentation
layers."""


class Settings(networks.Settings):
    """None: nnU-Net plans the network."""


def parts_of(stages: int) -> tuple[str, ...]:
    """Return the parts of a network whose encoder has so many stages, from input to output.

    Raises:
        ValueError: for more stages than are known here.
    """
    if not 1 <= stages <= len(STAGES) + 1:
        raise ValueError(f"the encoder has {stages} stages; at most {len(STAGES) + 1} can be named as parts")
    return (*STAGES[: stages - 1], BOTTLENECK, DECODER, HEAD)
