"""Keras 3 on TensorFlow: one traced step for each fine-tune level, shared by the stages of a job."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from crossover.core.configuration import ConfigError
from crossover.networks import Declared, builder, declared
from crossover.study.sections import Network, Recipe
from crossover.training.engines import Arrays, check_fit

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Drop what native code writes to the standard error meanwhile; Python's own errors are raised as ever."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


with _silent_stderr():  # TensorFlow's library writes some lines whatever TF_CPP_MIN_LOG_LEVEL is
    import keras
    import tensorflow as tf
    from keras import ops

TRACED = ("loss", "optimiser", "momentum", "weight_decay", "layer_decay", "activations")
"""What of a recipe a traced step has in it; the learning rate is told at each step."""
PREDICT_BATCH = 32
"""Of the slices predicted at once."""


def create(network: Network, shape: tuple[int, int, int], structures: int, threads: int) -> KerasEngine:
    """Return the engine for networks of this shape; see `crossover.training.engines.create`."""
    gpus = tf.config.list_physical_devices("GPU")
    if tf.config.threading.get_intra_op_parallelism_threads() != threads:  # once a process
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    if not gpus:  # graph optimisation takes seconds a trace and gains nothing on a CPU at these sizes
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    tf.config.experimental.enable_tensor_float_32_execution(network.device.precision == "tf32")
    if gpus and network.device.deterministic:  # for the process: it can't be taken back
        tf.config.experimental.enable_op_determinism()
    return KerasEngine(network, shape, structures, _name(gpus[0]) if gpus else "CPU")


def _name(gpu: tf.config.PhysicalDevice) -> str:
    return tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")


class KerasEngine:
    """See `crossover.training.engines.Engine`."""

    def __init__(self, network: Network, shape: tuple[int, int, int], structures: int, device: str) -> None:
        self.versions = {"tensorflow": tf.__version__, "keras": keras.__version__}
        self.device, self.at_once = device, PREDICT_BATCH
        self._architecture = declared(network.architecture)
        build = builder(network.architecture, "keras")
        policy = "mixed_bfloat16" if network.device.precision == "bfloat16" else "float32"

        def in_precision() -> keras.Model:
            with dtype_policy(policy):
                return build(*shape, structures, **network.settings)

        self._build, self._jit = in_precision, network.device.compile
        self._model = self._build()
        check_built(self._architecture, self._model)
        self._steps: dict[tuple, _Step] = {}
        self._now: _Step  # from `start` on
        self._forward = tf.function(
            lambda x: _probabilities(self._model(x, training=False)),
            input_signature=[tf.TensorSpec((None, *shape), tf.float32)],
            autograph=False,
        )

    def start(self, recipe: Recipe, seed: int, weights: Arrays | None, level: str | None) -> None:
        if weights is None:
            # Keras draws the seed of each layer from Python's generator. keras.utils.set_random_seed sets TensorFlow's
            # besides, which nothing here draws from, and thereby discards every kernel that was made: a second a start.
            random.seed(seed)
            weights = _arrays(v for v in self._build().variables if not _is_random_state(v))
            if recipe.initial_bias is not None:
                *_, last = (layer for layer in self._model.layers if isinstance(layer, keras.layers.Conv2D))
                (name,) = _named([last.bias])
                weights[name] = np.full_like(weights[name], recipe.initial_bias)
        self.load(weights)
        for i, state in enumerate(filter(_is_random_state, self._model.variables)):
            state.assign(np.random.SeedSequence([seed, i]).generate_state(2))
        freeze(self._model, self._architecture, level)
        kind = tuple(getattr(recipe, name) for name in TRACED) + (level,)
        if kind not in self._steps:
            rates = self._architecture.rates(recipe.layer_decay)
            self._steps[kind] = _Step(self._model, recipe, self._jit, rates)
        self._now = self._steps[kind]
        self._now.reset()

    def begin_from(self, weights: Arrays) -> None:
        own = _named(v for v in self._model.variables if not _is_random_state(v))
        if unknown := sorted(set(weights) - set(own)):
            raise ValueError(f"the network has no array {unknown[0]}, which the given weights contain")
        _set({name: own[name] for name in weights}, weights)

    def fixed(self) -> bool:
        return self._now.trunk is not None and not self._now.batch_statistics

    def frozen(self) -> Arrays:
        layers = [layer for layer in self._model.layers if not layer.trainable]
        return _arrays(v for layer in layers for v in layer.variables)

    def features(self, images: np.ndarray) -> list[tf.Tensor]:
        images = tf.constant(images)
        return self._now.trunk(images) if self._now.trunk else [images]

    def arrays(self, features: list[tf.Tensor]) -> list[np.ndarray]:
        kept = [tf.cast(f, tf.float16) for f in features] if self._now.half else features
        bits = (tf.bitcast(f, tf.int16) if f.dtype == tf.bfloat16 else f for f in kept)
        return [f.numpy() for f in bits]  # bfloat16 is unknown to NumPy

    def kept(self, arrays: list[np.ndarray]) -> list[tf.Tensor]:
        """Return the kept features as float16 or as the features' own type."""
        kinds = [spec.dtype for spec in self._now.specs]
        turn = tf.cast if self._now.half else tf.bitcast
        return [turn(tf.constant(a), kind) for a, kind in zip(arrays, kinds, strict=True)]

    def same_layout(self, one: list[tf.Tensor], other: list[tf.Tensor]) -> bool:
        return True  # TensorFlow has one

    def step(self, features: list[tf.Tensor], masks: np.ndarray, learning_rate: float) -> tf.Tensor:
        self._now.optimiser.learning_rate.assign(learning_rate)
        return self._now.run(features, tf.constant(masks))

    def validate(self, features: list[tf.Tensor]) -> np.ndarray:
        forward = self._now.forward if self._now.trunk else self._forward
        return forward(*features).numpy()

    def predict(self, images: np.ndarray) -> np.ndarray:
        starts = range(0, len(images), self.at_once)
        parts = (tf.constant(images[i : i + self.at_once]) for i in starts)
        return np.concatenate([self._forward(part).numpy() for part in parts])

    def load(self, weights: Arrays) -> None:
        _assign([v for v in self._model.variables if not _is_random_state(v)], weights)

    def weights(self) -> Arrays:
        return _arrays(v for v in self._model.variables if not _is_random_state(v))

    def state(self) -> Arrays:
        return _arrays(self._model.variables) | self._now.state()

    def restore(self, state: Arrays) -> None:
        _assign(self._model.variables, state)
        self._now.restore(state)

    def parameters(self) -> dict[str, int]:
        trained = sum(int(np.prod(v.shape)) for v in self._model.trainable_variables)
        return {"total": self._model.count_params(), "trained": trained}


class _Step:
    """What is traced for a level, that at which the model is frozen when it is made; by XLA with `jit`."""

    def __init__(self, model: keras.Model, recipe: Recipe, jit: bool, rates: dict[str, float]) -> None:
        """`rates`: part -> its learning rate, as a share of the step's."""
        trained = model.trainable_variables
        self.optimiser = _optimiser(recipe, [rates[_part(v.path)] for v in trained])
        self.optimiser.build(trained)
        trunk, tail, self.specs, self.batch_statistics = split(model)
        self.half = recipe.activations == "float16"
        loss_of = LOSSES[recipe.loss]

        def features(images: Any) -> list[Any]:
            assert trunk is not None, "it is traced only where something is frozen"
            kept = trunk(images)
            return [tf.cast(tf.cast(f, tf.float16), f.dtype) for f in kept] if self.half else kept

        def step(features: Any, masks: Any) -> Any:
            with tf.GradientTape() as tape:
                loss = loss_of(masks, tf.cast(tail(features, training=True), tf.float32))
            gradients = tape.gradient(loss, trained)
            if recipe.weight_decay:
                gradients = [g + recipe.weight_decay * v for g, v in zip(gradients, trained)]
            self.optimiser.apply(gradients, trained)
            return loss

        anyone = [tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)]
        self.trunk = trunk and tf.function(features, input_signature=anyone, autograph=False)
        self.run = tf.function(step, autograph=False, jit_compile=jit or None)
        self.forward = tf.function(
            lambda *features: _probabilities(tail(list(features), training=False)),
            input_signature=self.specs,
            autograph=False,
        )
        self._fresh = self.state()

    def reset(self) -> None:
        self.restore(self._fresh)

    def state(self) -> Arrays:
        return {name: ops.convert_to_numpy(v) for name, v in self._variables().items()}

    def restore(self, state: Arrays) -> None:
        _set(self._variables(), state)

    def _variables(self) -> dict:
        """Return variables by name, without the optimiser's name, since Keras numbers optimisers by process."""
        return {f"optimiser/{v.path.split('/', 1)[1]}": v for v in self.optimiser.variables}


@contextmanager
def dtype_policy(name: str) -> Iterator[None]:
    """Let what is built inside compute by this policy of Keras."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _probabilities(logits: Any) -> Any:
    return ops.sigmoid(ops.cast(logits, "float32"))


def _optimiser(recipe: Recipe, rates: list[float]) -> keras.optimizers.Optimizer:
    """`rates`: of each trained variable."""
    if recipe.optimiser == "sgd":
        optimiser = Sgd(recipe.learning_rate, recipe.momentum)
    else:
        optimiser = Adam(recipe.learning_rate)
    optimiser.rates = rates
    return optimiser


class Sgd(keras.optimizers.SGD):
    """Keras' own, with a rate of each variable's."""

    rates: list[float]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        rate = self.rates[self._get_variable_index(variable)]
        super().update_step(gradient, variable, learning_rate * rate)


class Adam(keras.optimizers.Adam):
    """Keras' own, with a rate of each variable's, in one operation where Keras has thirty.

    Half of the operations of a small network's step were these.
    """

    rates: list[float]

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        step = ops.cast(self.iterations + 1, "float32")
        self._powers = [ops.power(beta, step) for beta in (self.beta_1, self.beta_2)]
        super().apply(grads, trainable_variables)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        i = self._get_variable_index(variable)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[i].value.handle,
            v=self._velocities[i].value.handle,
            beta1_power=self._powers[0],
            beta2_power=self._powers[1],
            lr=learning_rate * self.rates[i],
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )


def check_built(architecture: Declared, model: keras.Model) -> None:
    """Check that a network is built as it is declared.

    Raises:
        ConfigError: it has several outputs; a layer with weights belongs to no part, or is frozen in itself; or one
            takes what a layer of a later part makes, so that no level can freeze it without the other.
    """
    place = f"crossover/networks/keras/{architecture.name}.py"
    findings = []
    if len(model.outputs) != 1:
        findings.append(f"{place}: build returns a model with {len(model.outputs)} outputs instead of one, the logits")
    latest: dict[int, int] = {}  # operation -> of what it follows from the latest part, by its place among PARTS
    for layer in model.layers:
        # Keras tells what a layer follows, and which operation made a tensor, by these names alone
        tensors = [tensor for node in layer._inbound_nodes[:1] for tensor in node.input_tensors]
        before = max((latest.get(id(tensor._keras_history.operation), 0) for tensor in tensors), default=0)
        part, latest[id(layer)] = _part(layer.name), before
        if part in architecture.parts:
            latest[id(layer)] = own = architecture.parts.index(part)
            if before > own:
                later = architecture.parts[before]
                findings.append(
                    f"{place}: layer {layer.name} uses the output of part {later}, which comes after {part} in PARTS"
                )
        elif layer.weights:
            named = ", ".join(f"{name}_…" for name in architecture.parts)
            findings.append(f"{place}: layer {layer.name} has weights and belongs to no part: name it {named}")
        if not layer.trainable:
            findings.append(f"{place}: layer {layer.name} has trainable=False: remove it, since levels freeze parts")
    if findings:
        raise ConfigError("\n".join(findings))


def freeze(model: keras.Model, architecture: Declared, level: str | None) -> None:
    """Freeze all layers of the parts before a level; None trains everything."""
    frozen = architecture.frozen(level)
    for layer in model.layers:
        layer.trainable = _part(layer.name) not in frozen


def _part(name: str) -> str:
    """Return the part of a layer, or of a layer's variable: what stands before the first `_` of its name."""
    return name.split("_")[0]


class Halves(NamedTuple):
    """A model cut where its frozen layers end; `tail(trunk(x))` is `model(x)`.

    Attributes:
        trunk: images -> the list of what crosses the cut; None where nothing is frozen. It has no training
            behaviour: no dropout, and batch normalisation in inference mode, or with batch statistics where
            the network declares that.
        specs: shape and type of what crosses the cut.
    """

    trunk: Callable | None
    tail: Callable
    specs: list[tf.TensorSpec]
    batch_statistics: bool


def split(model: keras.Model) -> Halves:
    """Cut a model where its frozen layers end."""
    frozen = {id(layer) for layer in model.layers if not layer.trainable}
    if not frozen:
        whole = [tf.TensorSpec(model.input_shape, tf.float32)]
        return Halves(None, lambda x, training: model(x[0], training=training), whole, False)
    cut: list = []
    for layer in model.layers:
        if id(layer) in frozen:
            continue
        # no public names, see `check_built`
        for tensor in layer._inbound_nodes[0].input_tensors:  # later nodes are of other models
            made_by = tensor._keras_history.operation
            if id(made_by) in frozen and all(tensor is not t for t in cut):
                cut.append(tensor)
    trunk, tail = keras.Model(model.inputs[0], cut), keras.Model(cut, model.outputs[0])
    batch = any(getattr(layer, "frozen", "inference") == "batch" for layer in trunk.layers)
    return Halves(
        lambda x: trunk(x, training=batch),
        lambda x, training: tail(x, training=training),
        [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in cut],
        batch,
    )


def _bce(masks: Any, logits: Any) -> Any:
    return ops.mean(ops.binary_crossentropy(masks, logits, from_logits=True))


def _dice(masks: Any, logits: Any) -> Any:
    """1 - soft Dice over the whole batch of each structure that the batch shows, averaged.

    Why of those alone, and without smoothing: see `crossover.training.engines.torch`.
    """
    p, axes = ops.sigmoid(logits), (0, 1, 2)
    drawn = ops.sum(masks, axes)
    dice = 2 * ops.sum(p * masks, axes) / ops.maximum(ops.sum(p, axes) + drawn, 1)  # 1 or more where it is shown
    shown = ops.cast(drawn > 0, dice.dtype)
    return ops.sum(shown * (1 - dice)) / ops.maximum(ops.sum(shown), 1)


LOSSES = {"bce": _bce, "dice": _dice, "dice_bce": lambda m, x: _bce(m, x) + _dice(m, x)}


def _is_random_state(variable: Any) -> bool:
    return "seed_generator" in variable.path


def _named(variables: Iterable[Any]) -> dict[str, Any]:
    """Variables by path; random states by their order, since Keras numbers those by process."""
    variables = list(variables)
    random = [v for v in variables if _is_random_state(v)]
    named = {v.path: v for v in variables if not _is_random_state(v)}
    return named | {f"random_state_{i}": v for i, v in enumerate(random)}


def _arrays(variables: Iterable[Any]) -> Arrays:
    return {name: ops.convert_to_numpy(v) for name, v in _named(variables).items()}


def _assign(variables: Iterable[Any], arrays: Arrays) -> None:
    _set(_named(variables), arrays)


def _set(named: dict, arrays: Arrays) -> None:
    """Set variables by name."""
    check_fit({name: tuple(v.shape) for name, v in named.items()}, arrays)
    for name, v in named.items():
        v.assign(arrays[name])
