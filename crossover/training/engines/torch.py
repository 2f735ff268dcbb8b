"""PyTorch: the frozen trunk runs without gradient, the optimiser holds what is trained and no more."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from importlib.metadata import version
from math import prod
from typing import Any

import numpy as np

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # or CUDA's products don't repeat

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from crossover.core.configuration import ConfigError
from crossover.networks import Declared, builder, declared
from crossover.networks.torch.layers import frozen_mode
from crossover.networks.torch.pointwise import leave_to_onednn
from crossover.networks.torch.recomputed import CONVOLUTIONS, enough_blocks, kept_bytes, recompute
from crossover.networks.torch.replay import Replayed
from crossover.study.sections import Device, Network, Recipe
from crossover.training.engines import Arrays, check_fit
from crossover.training.freed_memory import keep_freed_memory

PREDICT_PIXELS = 2**20
"""Of the slices, or voxels of the patches, predicted at once."""

KEPT_BYTES = 3_000_000_000
"""Of a step on a processor, from its forward to its backward pass: above, blocks are recomputed, as few as bring it
below. The gradient, the optimiser's two moments and the best weights so far count as well, so that the published
networks train within 8 GB."""

ROOM_BYTES = 10_000_000_000
"""Of a step without recomputed blocks: above, freed memory is not kept for the next step, since what lies unused
between larger blocks would take the training beyond 8 GB."""

COPIES = 4
"""Of the weights: the gradient, Adam's two moments and the best weights so far."""


def create(network: Network, shape: tuple[int, ...], structures: int, threads: int) -> TorchEngine:
    """Return the engine for networks of this shape; see `crossover.training.engines.create`."""
    torch.set_num_threads(threads)
    _numerics(network.device)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return TorchEngine(network, shape, structures, device)


def check_built(architecture: Declared, model: nn.Module) -> None:
    """Check that a network is built as it is declared.

    Raises:
        ConfigError: its parts have other names or another order than PARTS, since levels freeze the first of them; a
            weight is no float32 number, stands in two parts or is frozen in itself; or its last convolution has no
            bias.
    """
    place = f"crossover/networks/torch/{architecture.name}.py"
    findings, children = [], [name for name, _ in model.named_children()]
    if children != list(architecture.parts):
        findings.append(
            f"{place}: build returns the parts {', '.join(children)}, but PARTS are {', '.join(architecture.parts)}"
        )
    if empty := [name for name, part in model.named_children() if not any(True for _ in part.parameters())]:
        findings.append(
            f"{place}: the part {empty[0]} has no weights, so that a level could freeze nothing: make it one part with "
            "its neighbour"
        )
    if others := [name for name, weight in model.state_dict().items() if not weight.is_floating_point()]:
        findings.append(
            f"{place}: {others[0]} is not a floating-point tensor; if it is a normalisation's counter of batches, set "
            "num_batches_tracked to None"
        )
    seen: dict[int, str] = {}
    for name, weight in model.named_parameters(remove_duplicate=False):
        first = seen.setdefault(id(weight), name)
        if first.split(".")[0] != name.split(".")[0]:
            findings.append(f"{place}: {first} and {name} are one weight in two parts, so no level can freeze only one")
        if not weight.requires_grad:
            findings.append(
                f"{place}: {name} has requires_grad=False: levels freeze parts, and a constant must be a buffer"
            )
    if _last_bias(model) is None:
        built = [name for name, module in model.named_modules() if isinstance(module, CONVOLUTIONS)]
        last = f"{built[-1]}, the last convolution, has no bias" if built else "there is no convolution with a bias"
        findings.append(
            f"{place}: {last}, which recipe.initial_probability sets; transposed convolutions are none of these"
        )
    if findings:
        raise ConfigError("\n".join(findings))


def _last_bias(model: nn.Module) -> Tensor | None:
    """Return the bias of the convolution that was added last; None where there is no such."""
    return next((m.bias for m in reversed(list(model.modules())) if isinstance(m, CONVOLUTIONS)), None)


def _numerics(settings: Device) -> None:
    """Set up the process so that the same network on the same device repeats to the last bit."""
    torch.use_deterministic_algorithms(settings.deterministic)
    # PyTorch makes two of these settings as it is imported, so that type checkers don't know them
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # made at import
    # To try out every algorithm took up to 39 s and 72 GB on an H100, of which other trainings have a share.
    torch.backends.cudnn.benchmark = False
    products = "tf32" if settings.precision == "tf32" else "ieee"
    torch.backends.cuda.matmul.fp32_precision = products
    torch.backends.cudnn.conv.fp32_precision = products  # type: ignore[attr-defined]  # made at import


class TorchEngine:
    """See `crossover.training.engines.Engine`."""

    def __init__(
        self,
        network: Network,
        shape: tuple[int, ...],
        structures: int,
        device: torch.device,
    ) -> None:
        cuda = device.type == "cuda"
        self.versions = {"torch": str(torch.__version__)}
        if cuda:
            of_cuda = {
                "cuda": str(torch.version.cuda),
                "cudnn": str(torch.backends.cudnn.version()),
            }
            self.versions |= of_cuda
        self.device = torch.cuda.get_device_name(device) if cuda else "CPU"
        self._architecture = declared(network.architecture)
        build = builder(network.architecture, "torch")
        if self._architecture.dimensions == 3:
            self.versions["monai"] = version("monai")  # whose networks they are
        self._build = lambda: build(*shape, structures, **network.settings)
        self._structures = structures
        self._settings, self._device = network.device, device
        last = torch.channels_last if len(shape) == 3 else torch.channels_last_3d
        self._format = last if network.device.channels_last else torch.contiguous_format
        self._model = self._build().to(device, memory_format=self._format)
        check_built(self._architecture, self._model)
        if not cuda and torch.get_num_threads() == 1:
            leave_to_onednn(self._model)
        self._halves: dict[str | None, tuple] = {}
        self._spared: dict[tuple[int, str | None], tuple[bool, list[nn.Module]]] = {}
        self._mode = ""
        self._shape = (shape[-1], *shape[:-1])
        self.at_once = max(1, PREDICT_PIXELS // prod(shape[:-1]))

    def start(self, recipe: Recipe, seed: int, weights: Arrays | None, level: str | None) -> None:
        frozen = self._architecture.frozen(level)
        if weights is None:
            torch.manual_seed(seed)
            self._model.load_state_dict(self._build().state_dict())
            if recipe.initial_bias is not None:
                bias = _last_bias(self._model)
                assert bias is not None, "else `check_built` refuses the network"
                maps = max(1, len(bias) // self._structures)  # two: background and structure, whose difference has it
                nn.init.constant_(bias[maps - 1 :: maps], recipe.initial_bias)
        else:
            self.load(weights)
        for name, part in self._model.named_children():
            part.requires_grad_(name not in frozen)
        self._frozen, self._seed, self._steps, self._mode = frozen, seed, 0, ""
        self._spare_memory(recipe.batch, level)
        self._half = recipe.activations == "float16"
        if level not in self._halves:
            halves = self._model[: len(frozen)], self._model[len(frozen) :]
            self._halves[level] = tuple(self._compiled(half) for half in halves)
        self._trunk, self._tail = self._halves[level]
        self._loss = LOSSES[recipe.loss]
        self._model.zero_grad()
        rates = self._architecture.rates(recipe.layer_decay)
        self._optimiser = _optimiser(recipe, self._trained(), rates)
        on_gpu = self._device.type == "cuda"
        self._given = Replayed(self._through_trunk, recipe.batch) if on_gpu else self._through_trunk
        self._learn = Replayed(self._gradients, recipe.batch) if on_gpu else self._gradients

    def _spare_memory(self, batch: int, level: str | None) -> None:
        """Recompute blocks where a step would keep too much; never where the step is recorded or compiled."""
        if self._device.type != "cpu" or self._settings.compile:
            return
        if (step := (batch, level)) not in self._spared:
            self._to_train()
            shape, limit = (batch, *self._shape), KEPT_BYTES - COPIES * sum(w.nbytes for w in self._trained().values())
            recompute(self._model, ())
            kept = kept_bytes(self._model, shape)
            chosen = enough_blocks(self._model, shape, limit) if kept > limit else []
            self._spared[step] = kept <= ROOM_BYTES, chosen
        room, chosen = self._spared[step]
        keep_freed_memory(room)
        recompute(self._model, chosen)

    def begin_from(self, weights: Arrays) -> None:
        parts = {name.split(".")[0] for name in weights}
        own = {n: v for n, v in self._model.state_dict().items() if n.split(".")[0] in parts}
        if unknown := sorted(set(weights) - set(own)):
            raise ValueError(f"the network has no array {unknown[0]}, which the given weights contain")
        _set(own, weights)

    def fixed(self) -> bool:
        batch = any(getattr(m, "frozen", "") == "batch" for m in self._frozen_modules())
        return bool(self._frozen) and not batch

    def frozen(self) -> Arrays:
        return {n: v for n, v in self.weights().items() if n.split(".")[0] in self._frozen}

    def features(self, images: np.ndarray) -> list[Tensor]:
        self._to_train()
        given = [self._tensor(images)]
        features = self._given(given) if self._frozen else given
        self._kinds = [(f.dtype, _is_channels_last(f)) for f in features]
        return features

    def _through_trunk(self, images: list[Tensor]) -> list[Tensor]:
        with torch.no_grad(), self._autocast():
            features = self._trunk(*images)
        features = [features] if isinstance(features, Tensor) else list(features)
        return [f.half().to(f.dtype) for f in features] if self._half else features

    def arrays(self, features: list[Tensor]) -> list[np.ndarray]:
        out = []
        for tensor in features:
            if _is_channels_last(tensor):
                tensor = tensor.permute(0, 2, 3, 1)
            tensor = tensor.half() if self._half else tensor
            bits = tensor.dtype if tensor.dtype != torch.bfloat16 else torch.int16  # unknown to NumPy
            out.append(tensor.view(bits).numpy(force=True))
        return out

    def kept(self, arrays: list[np.ndarray]) -> list[Tensor]:
        out = []
        for array, (dtype, channels_last) in zip(arrays, self._kinds, strict=True):
            tensor = torch.from_numpy(array).to(self._device)
            tensor = tensor.to(dtype) if self._half else tensor.view(dtype)
            out.append(tensor.permute(0, 3, 1, 2) if channels_last else tensor)
        return out

    def same_layout(self, one: list[Tensor], other: list[Tensor]) -> bool:
        return all(a.stride() == b.stride() for a, b in zip(one, other, strict=True))

    def step(self, features: list[Tensor], masks: np.ndarray, learning_rate: float) -> Tensor:
        self._to_train()
        # dropout follows from seed and step alone, as the batches do
        torch.manual_seed(int(np.random.SeedSequence([self._seed, self._steps]).generate_state(1)[0]))
        (loss,) = self._learn([self._tensor(masks), *features])
        for group in self._optimiser.param_groups:
            group["lr"] = learning_rate * group["rate"]
        self._optimiser.step()
        self._steps += 1
        return loss

    def _gradients(self, given: list[Tensor]) -> list[Tensor]:
        """Set the gradients of what is trained; given masks, then features. Returns the loss alone."""
        masks, *features = given
        with self._autocast():
            logits = self._through_tail(features)
        if not isinstance(logits, Tensor):
            raise TypeError(
                f"in training, too, a network must return one tensor of logits, not a {type(logits).__name__}"
            )
        loss = self._loss(masks, logits.float())
        self._model.zero_grad()
        loss.backward()
        return [loss.detach()]

    def _through_tail(self, features: list[Tensor]) -> Tensor:
        return self._tail(features[0] if len(features) == 1 else features)

    @torch.no_grad()
    def validate(self, features: list[Tensor]) -> np.ndarray:
        self._to_predict()
        with self._autocast():
            logits = self._through_tail(features)
        return _array(logits.float().sigmoid().movedim(1, -1))

    @torch.no_grad()
    def predict(self, images: np.ndarray) -> np.ndarray:
        self._to_predict()
        out = []
        for i in range(0, len(images), self.at_once):
            with self._autocast():
                logits = self._model(self._tensor(images[i : i + self.at_once]))
            out.append(_array(logits.float().sigmoid().movedim(1, -1)))
        return np.concatenate(out)

    def _to_train(self) -> None:
        """Into the mode of a step, once: to tell every layer takes milliseconds."""
        if self._mode != "train":
            for name, part in self._model.named_children():
                frozen_mode(part) if name in self._frozen else part.train()
            self._mode = "train"

    def _to_predict(self) -> None:
        if self._mode != "predict":
            self._model.eval()
            self._mode = "predict"

    def _frozen_modules(self) -> Iterator[nn.Module]:
        return (m for name in self._frozen for m in getattr(self._model, name).modules())

    def load(self, weights: Arrays) -> None:
        _set(self._model.state_dict(), weights)

    def weights(self) -> Arrays:
        return {name: _array(v) for name, v in self._model.state_dict().items()}

    def state(self) -> Arrays:
        slots = {
            f"{slot}/{name}": _array(value)
            for name, weight in self._trained().items()
            for slot, value in self._optimiser.state[weight].items()
            if slot != "step"  # Adam's; the engine's own
        }
        return self.weights() | slots | {"seed_and_steps": np.array([self._seed, self._steps])}

    def restore(self, state: Arrays) -> None:
        self.load(state)
        self._seed, self._steps = map(int, state["seed_and_steps"])
        slots = [name.split("/", 1) for name in state if "/" in name]
        trained = self._trained()
        for slot, name in slots:
            own = self._optimiser.state[trained[name]]
            own[slot] = torch.zeros_like(trained[name], requires_grad=False)
            own[slot].copy_(torch.from_numpy(state[f"{slot}/{name}"]))
            own["step"] = torch.tensor(float(self._steps), device=self._device)

    def parameters(self) -> dict[str, int]:
        return {
            "total": sum(v.numel() for v in self._model.state_dict().values()),
            "trained": sum(v.numel() for v in self._trained().values()),
        }

    def _trained(self) -> dict[str, nn.Parameter]:
        return {name: p for name, p in self._model.named_parameters() if p.requires_grad}

    def _compiled(self, half: nn.Sequential) -> Callable[..., Any]:
        """Compile a module unless it is empty, since compiling nothing stops all further compiling of Sequential."""
        return torch.compile(half) if self._settings.compile and len(half) else half

    def _tensor(self, images: np.ndarray) -> Tensor:
        """Channels last -> channels after the first axis, on the device."""
        tensor = torch.from_numpy(images)
        if self._device.type == "cuda":  # or the copy waits for all that the GPU was told before
            tensor = tensor.pin_memory().to(self._device, non_blocking=True)
        return tensor.movedim(-1, 1).contiguous(memory_format=self._format)

    def _autocast(self) -> torch.autocast:
        wanted = self._settings.precision == "bfloat16"
        return torch.autocast(self._device.type, torch.bfloat16, enabled=wanted)


class Sgd(torch.optim.Optimizer):
    """Stochastic gradient descent in Caffe's and Keras' form.

    The velocity holds the learning rate, so that a change of the rate is felt as the velocity turns over; PyTorch's own
    applies it at once.
    """

    def __init__(self, groups: list[dict], lr: float, momentum: float, weight_decay: float) -> None:
        super().__init__(groups, {"lr": lr})
        self.momentum, self.weight_decay = momentum, weight_decay

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # without a closure, as we call it
        for group in self.param_groups:
            self._step(group["params"], group["lr"])

    def _step(self, given: list[nn.Parameter], rate: float) -> None:
        weights: list[Tensor] = [weight for weight in given if weight.grad is not None]
        for weight in weights:
            if not self.state[weight]:
                self.state[weight]["velocity"] = torch.zeros_like(weight)
        velocities = [self.state[weight]["velocity"] for weight in weights]
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        # PyTorch's own optimisers are made of these, which have no public name: on a GPU, one call for all weights
        # instead of one for each. Tensor by tensor the bits are the same.
        torch._foreach_add_(gradients, weights, alpha=self.weight_decay)
        torch._foreach_mul_(velocities, self.momentum)
        torch._foreach_add_(velocities, gradients, alpha=-rate)
        torch._foreach_add_(weights, velocities)


def _optimiser(recipe: Recipe, weights: dict[str, nn.Parameter], rates: dict[str, float]) -> torch.optim.Optimizer:
    """`weights`: by name. `rates`: part -> its learning rate, as a share of the step's."""
    of_rate: dict[float, list[nn.Parameter]] = {}
    for name, weight in weights.items():
        of_rate.setdefault(rates[name.split(".")[0]], []).append(weight)
    groups = [{"params": own, "rate": rate} for rate, own in of_rate.items()]
    if recipe.optimiser == "sgd":
        return Sgd(groups, recipe.learning_rate, recipe.momentum, recipe.weight_decay)
    return torch.optim.Adam(
        groups, recipe.learning_rate, eps=1e-7, weight_decay=recipe.weight_decay,  # Keras' epsilon
        fused=True,
    )  # fmt: skip


def _bce(masks: Tensor, logits: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, masks)


def _dice(masks: Tensor, logits: Tensor) -> Tensor:
    """1 - soft Dice over the whole batch of each structure that the batch shows, averaged.

    A structure that the batch does not show has no overlap to gain. Nothing is added to numerator and denominator: a
    pixel added to both, as is common, rewards an empty prediction. Of a structure of a thousandth of the pixels, of
    which a training begins to predict as much, that reward is larger than the overlap's, and it may never be found.
    """
    p, axes = logits.sigmoid(), (0, *range(2, logits.dim()))
    drawn = masks.sum(axes)
    dice = 2 * (p * masks).sum(axes) / (p.sum(axes) + drawn).clamp(min=1)  # 1 or more where the structure is shown
    shown = (drawn > 0).to(dice.dtype)
    return (shown * (1 - dice)).sum() / shown.sum().clamp(min=1)


LOSSES = {"bce": _bce, "dice": _dice, "dice_bce": lambda m, x: _bce(m, x) + _dice(m, x)}


def _set(own: dict[str, Tensor], weights: Arrays) -> None:
    check_fit({name: tuple(value.shape) for name, value in own.items()}, weights)
    for name, value in own.items():
        value.copy_(torch.tensor(weights[name]))


def _is_channels_last(tensor: Tensor) -> bool:
    """Whether it lies so in memory, and not as by default: kernels differ, and so may the last bit."""
    by_default = tensor.is_contiguous()
    return tensor.dim() == 4 and not by_default and tensor.is_contiguous(memory_format=torch.channels_last)


def _array(tensor: Tensor) -> np.ndarray:
    """Return a copy in C order."""
    return np.array(tensor.numpy(force=True), order="C")
