"""Convolutions with kernels of one pixel in a single thread: the same numbers, by another library."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from crossover.networks.torch.pointwise import leave_to_onednn


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    narrow = nn.Conv2d(64, 16, 1, bias=False)
    strided = nn.Conv2d(16, 32, 1, stride=2)
    depthwise = nn.Conv2d(32, 32, 1, groups=32)
    return nn.Sequential(nn.Conv2d(1, 64, 3, padding=1), narrow, nn.ReLU(), strided, depthwise, nn.Conv2d(32, 2, 1))


def learned(network: nn.Module) -> tuple[list[torch.Tensor], set[str]]:
    """Output and gradients of a batch of two, and the operations that computed them."""
    images = torch.randn((2, 1, 32, 32), generator=torch.Generator().manual_seed(1))
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        output = network(images)
        output.square().sum().backward()
    return [output, *(p.grad for p in network.parameters())], {event.key for event in seen.key_averages()}


def test_they_compute_the_same(network: nn.Module):
    other = copy.deepcopy(network)
    leave_to_onednn(other)
    for one, two in zip(learned(network)[0], learned(other)[0], strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-4)
    assert [part.dilation for part in other if isinstance(part, nn.Conv2d)] == [(1, 1), *[(2, 2)] * 4]


def test_none_is_left_to_the_slow_kernel(network: nn.Module):
    """Where this fails on a new PyTorch, look whether the module is still needed."""
    slow = {name for name in learned(network)[1] if "_slow_conv2d" in name}
    if not torch.backends.mkldnn.is_available():
        pytest.skip("this PyTorch has no oneDNN")
    assert slow, "PyTorch leaves them to oneDNN by itself"
    leave_to_onednn(network)
    network.zero_grad()
    assert not {name for name in learned(network)[1] if "_slow_conv2d" in name}
