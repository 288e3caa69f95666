"""Numbers that tests/nn/sketch.hpp makes as well, and few numbers that tell of many."""
import math

import torch


def numbers(k, shape, scale):
    i = torch.arange(math.prod(shape), dtype=torch.float64)
    return (scale * torch.sin(1 + 2.3 * k + 0.9 * i + 0.37 * (i % 7))).reshape(shape)


def sketch(x):
    i = torch.arange(x.numel(), dtype=torch.float64)
    return [float((x.detach().reshape(-1) * torch.cos(0.5 + j + 1.1 * i)).sum()) for j in range(3)]


def upstream(x):
    return torch.cos(0.2 + 0.8 * torch.arange(x.numel(), dtype=torch.float64)).reshape(x.shape)
