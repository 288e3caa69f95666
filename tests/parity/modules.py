#!/usr/bin/env python3
"""Writes what PyTorch makes of layers and models, and of their gradients.

    python3 tests/parity/modules.py layers > tests/nn/modules.inc
    python3 tests/parity/modules.py models > tests/models/modules.inc

float64. With the state's names sorted, tensor k, counted from 1, has elements 0.6 sin(1 + 2.3 k + 0.9 i + 0.37 (i mod 7)); running
variances have their absolute values plus 0.5. The input is 1.5 sin(1 + 0.9 i + 0.37 (i mod 7)), the gradient of the output
cos(0.2 + 0.8 i). A row holds a name, the names of the state, and three numbers for each of: the output in training, the gradients of the
input and of the parameters (sorted), the buffers after it (sorted), the output in eval mode. The numbers are the sums of the elements
times cos(0.5 + j + 1.1 i) for j = 0, 1, 2. tests/parity/modules.hpp computes the same. Written with PyTorch 1.13.
"""
import math
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)


def numbers(k, shape):
    i = torch.arange(math.prod(shape), dtype=torch.float64)
    return (1.5 * torch.sin(1 + 2.3 * k + 0.9 * i + 0.37 * (i % 7))).reshape(shape)


def sketch(x):
    i = torch.arange(x.numel(), dtype=torch.float64)
    return [float((x.detach().reshape(-1) * torch.cos(0.5 + j + 1.1 * i)).sum()) for j in range(3)]


def case(name, module, shape):
    state = module.state_dict()
    for k, key in enumerate(sorted(state)):
        if state[key].dtype != torch.float64:
            continue
        state[key] = 0.4 * numbers(k + 1, state[key].shape)
        if key.endswith("running_var"):
            state[key] = state[key].abs() + 0.5
    module.load_state_dict(state)
    x = numbers(0, shape).requires_grad_()
    y = module(x)
    i = torch.arange(y.numel(), dtype=torch.float64)
    parameters = [p for _, p in sorted(module.named_parameters())]
    grads = torch.autograd.grad(y, [x] + parameters, torch.cos(0.2 + 0.8 * i).reshape(y.shape))
    buffers = [b for _, b in sorted(module.named_buffers()) if b.dtype == torch.float64]
    row = sum((sketch(t) for t in [y, *grads, *buffers]), [])
    module.eval()
    row += sketch(module(x))
    names = ", ".join('"%s"' % key for key in sorted(state))
    print('{"%s", {%s}, {%s}},' % (name, names, ", ".join(repr(v) for v in row)))


class RMSNorm(nn.Module):
    """PyTorch has it from 2.4; this is its definition."""

    def __init__(self, shape, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(shape))
        self.eps = eps

    def forward(self, x):
        axes = tuple(range(-self.weight.dim(), 0))
        return x * torch.rsqrt(x.square().mean(axes, keepdim=True) + self.eps) * self.weight


class PreActBlock(nn.Module):
    def __init__(self, channels, out, stride, act):
        super().__init__()
        self.bn1, self.bn2 = nn.BatchNorm2d(channels), nn.BatchNorm2d(out)
        self.conv1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.act = act
        if channels != out or stride != 1:
            self.shortcut = nn.Conv2d(channels, out, 1, stride, bias=False)

    def forward(self, x):
        a = self.act(self.bn1(x))
        shortcut = self.shortcut(a) if hasattr(self, "shortcut") else x
        return self.conv2(self.act(self.bn2(self.conv1(a)))) + shortcut


class PostActBlock(nn.Module):
    def __init__(self, channels, out, stride, act):
        super().__init__()
        self.bn1, self.bn2 = nn.BatchNorm2d(out), nn.BatchNorm2d(out)
        self.conv1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.act = act
        if channels != out or stride != 1:
            self.shortcut = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        shortcut = self.shortcut(x) if hasattr(self, "shortcut") else x
        return self.act(self.bn2(self.conv2(self.act(self.bn1(self.conv1(x))))) + shortcut)


def layers():
    case("Linear", nn.Linear(5, 3), (2, 4, 5))
    case("Linear without bias", nn.Linear(7, 2, bias=False), (3, 7))
    case("Conv2d", nn.Conv2d(3, 4, 3), (2, 3, 7, 6))
    case("Conv2d stride", nn.Conv2d(3, 5, (3, 2), stride=(2, 3), padding=(1, 0)), (2, 3, 8, 9))
    case("Conv2d dilation, groups", nn.Conv2d(4, 6, 3, padding=2, dilation=2, groups=2, bias=False), (2, 4, 6, 7))
    case("Conv2d 1x1", nn.Conv2d(5, 4, 1, stride=2), (2, 5, 7, 6))
    case("Conv2d wide", nn.Conv2d(13, 14, 3, padding=1), (3, 13, 30, 29))
    case("MaxPool2d", nn.MaxPool2d(2), (2, 3, 6, 9))
    case("MaxPool2d overlapping", nn.MaxPool2d((3, 2), stride=(2, 1), padding=(1, 1)), (2, 3, 7, 8))
    case("BatchNorm1d", nn.BatchNorm1d(4), (6, 4))
    case("BatchNorm1d of sequences", nn.BatchNorm1d(3, eps=0.1, momentum=0.3), (4, 3, 5))
    case("BatchNorm2d", nn.BatchNorm2d(3), (4, 3, 2, 5))
    case("BatchNorm2d without affine", nn.BatchNorm2d(3, affine=False), (2, 3, 4, 3))
    case("BatchNorm2d without running statistics", nn.BatchNorm2d(3, track_running_stats=False), (2, 3, 4, 3))
    case("PReLU", nn.PReLU(), (3, 4))
    case("PReLU of channels", nn.PReLU(3), (2, 3, 4))
    case("Conv1d", nn.Conv1d(3, 4, 3), (2, 3, 11))
    case("Conv1d stride, groups", nn.Conv1d(4, 6, 5, stride=2, padding=2, groups=2, bias=False), (3, 4, 12))
    case("Conv1d dilation", nn.Conv1d(2, 3, 3, padding=3, dilation=3), (2, 2, 7))
    case("ConvTranspose2d", nn.ConvTranspose2d(3, 4, 3), (2, 3, 4, 5))
    case("ConvTranspose2d stride", nn.ConvTranspose2d(3, 2, 3, stride=2, padding=1, output_padding=1), (2, 3, 4, 5))
    case("ConvTranspose2d groups", nn.ConvTranspose2d(4, 6, (2, 3), stride=(3, 2), padding=(0, 1), output_padding=(2, 0), groups=2,
                                                      bias=False), (2, 4, 3, 4))
    case("ConvTranspose2d dilation", nn.ConvTranspose2d(2, 3, 3, stride=2, padding=2, output_padding=2, dilation=3), (2, 2, 4, 3))
    case("GroupNorm", nn.GroupNorm(3, 6), (2, 6, 4, 5))
    case("GroupNorm of one group", nn.GroupNorm(1, 4, eps=0.1), (3, 4, 7))
    case("GroupNorm of channels", nn.GroupNorm(4, 4, affine=False), (3, 4, 5))
    case("LayerNorm", nn.LayerNorm(7), (3, 4, 7))
    case("RMSNorm", RMSNorm((7,), sys.float_info.epsilon), (3, 4, 7))
    case("RMSNorm of two axes", RMSNorm((4, 7), 0.1), (3, 4, 7))
    case("AvgPool2d", nn.AvgPool2d(3, stride=2, padding=1), (2, 3, 7, 8))
    case("AvgPool2d inside", nn.AvgPool2d((3, 2), stride=(2, 1), padding=1, count_include_pad=False), (2, 3, 7, 8))
    case("AdaptiveAvgPool2d", nn.AdaptiveAvgPool2d((3, 5)), (2, 3, 7, 8))
    case("WeightNorm Linear", nn.utils.weight_norm(nn.Linear(5, 3)), (4, 5))
    case("WeightNorm Conv1d", nn.utils.weight_norm(nn.Conv1d(2, 3, 3, padding=1)), (2, 2, 7))
    case("WeightNorm Conv2d", nn.utils.weight_norm(nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2, bias=False)), (2, 4, 5, 6))
    case("SpectralNorm Linear", nn.utils.spectral_norm(nn.Linear(5, 3)), (4, 5))
    case("SpectralNorm Conv1d", nn.utils.spectral_norm(nn.Conv1d(2, 3, 3, dilation=2, bias=False)), (2, 2, 7))
    case("SpectralNorm Conv2d", nn.utils.spectral_norm(nn.Conv2d(3, 4, 3, padding=1), n_power_iterations=3), (2, 3, 5, 6))
    for act_name, act in [("relu", torch.relu), ("elu", F.elu), ("gelu", F.gelu)]:
        for block in [PreActBlock, PostActBlock]:
            name = block.__name__ + " " + act_name
            case(name, block(3, 3, 1, act), (3, 3, 5, 6))
            case(name + " wider", block(3, 4, 1, act), (3, 3, 5, 6))
            case(name + " stride", block(4, 6, 2, act), (3, 4, 5, 6))


def models():
    def preact_resnet(channels, classes, widths, blocks, act_module):
        act = act_module()
        net = [nn.Conv2d(channels, widths[0], 3, padding=1, bias=False)]
        before = widths[0]
        for stage, width in enumerate(widths):
            for block in range(blocks):
                net.append(PreActBlock(before, width, 2 if stage > 0 and block == 0 else 1, act.forward))
                before = width
        pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        return nn.Sequential(*net, nn.BatchNorm2d(before), act_module(), pool, nn.Linear(before, classes))

    case("preact_resnet", preact_resnet(1, 5, [3, 4, 5], 1, nn.ReLU), (4, 1, 8, 8))
    case("preact_resnet elu", preact_resnet(2, 3, [3, 4], 2, nn.ELU), (4, 2, 5, 7))


print("// Written by tests/parity/modules.py with PyTorch 1.13")
{"layers": layers, "models": models}[sys.argv[1]]()
