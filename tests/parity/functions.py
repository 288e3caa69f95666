#!/usr/bin/env python3
"""Writes tests/nn/functions.inc: what PyTorch makes of the functions of nn, and of their gradients.

    python3 tests/parity/functions.py > tests/nn/functions.inc

Element i of input k is 1.5 sin(1 + 2.3 k + 0.9 i + 0.37 (i mod 7)), float64; label i is (3 i + 1) mod classes. The gradient of the
output has elements cos(0.2 + 0.8 i). A row holds a name and, for the output and then for the gradient of each input, three numbers:
the sums of its elements times cos(0.5 + j + 1.1 i) for j = 0, 1, 2. tests/nn/parity.cpp computes the same. Written with PyTorch 1.13.
"""
import math

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)


def numbers(k, shape):
    i = torch.arange(math.prod(shape), dtype=torch.float64)
    return (1.5 * torch.sin(1 + 2.3 * k + 0.9 * i + 0.37 * (i % 7))).reshape(shape)


def labels(shape, classes):
    return ((3 * torch.arange(math.prod(shape)) + 1) % classes).reshape(shape)


def sketch(x):
    i = torch.arange(x.numel(), dtype=torch.float64)
    return [float((x.reshape(-1) * torch.cos(0.5 + j + 1.1 * i)).sum()) for j in range(3)]


def case(name, shapes, function):
    inputs = [numbers(k, shape).requires_grad_() for k, shape in enumerate(shapes)]
    y = function(*inputs)
    i = torch.arange(y.numel(), dtype=torch.float64)
    grads = torch.autograd.grad(y, inputs, torch.cos(0.2 + 0.8 * i).reshape(y.shape))
    row = sum((sketch(t.detach()) for t in [y, *grads]), [])
    print('{"%s", {%s}},' % (name, ", ".join(repr(v) for v in row)))


print("// Written by tests/parity/functions.py with PyTorch 1.13")
case("linear", [(2, 5, 3), (4, 3), (4,)], F.linear)
case("linear without bias", [(7, 3), (4, 3)], F.linear)

case("conv2d", [(2, 3, 7, 6), (4, 3, 3, 3), (4,)], F.conv2d)
case("conv2d padding", [(2, 3, 7, 6), (4, 3, 3, 3), (4,)], lambda x, w, b: F.conv2d(x, w, b, padding=1))
case("conv2d stride, groups", [(2, 6, 15, 17), (4, 3, 3, 5)],
     lambda x, w: F.conv2d(x, w, stride=(2, 1), padding=(1, 2), groups=2))
case("conv2d dilation", [(1, 2, 9, 8), (3, 2, 3, 2), (3,)], lambda x, w, b: F.conv2d(x, w, b, padding=2, dilation=(2, 3)))
case("conv2d 1x1", [(3, 5, 4, 4), (7, 5, 1, 1), (7,)], F.conv2d)
case("conv2d depthwise", [(2, 4, 6, 6), (4, 1, 3, 3)], lambda x, w: F.conv2d(x, w, padding=1, groups=4))

case("max_pool2d", [(2, 3, 6, 8)], lambda x: F.max_pool2d(x, 2))
case("max_pool2d overlapping", [(2, 2, 7, 9)], lambda x: F.max_pool2d(x, (3, 2), (2, 1), (1, 1)))
case("avg_pool2d", [(2, 3, 6, 8)], lambda x: F.avg_pool2d(x, 2))
case("avg_pool2d padding", [(2, 2, 7, 9)], lambda x: F.avg_pool2d(x, (3, 2), (2, 1), (1, 1)))
case("avg_pool2d inside", [(2, 2, 7, 9)], lambda x: F.avg_pool2d(x, (3, 2), (2, 1), (1, 1), count_include_pad=False))
case("adaptive_avg_pool2d", [(2, 2, 7, 9)], lambda x: F.adaptive_avg_pool2d(x, (3, 5)))

case("layer_norm", [(4, 3, 5), (5,), (5,)], lambda x, w, b: F.layer_norm(x, (5,), w, b))
case("layer_norm of two axes", [(4, 3, 5)], lambda x: F.layer_norm(x, (3, 5), eps=0.1))
case("group_norm", [(3, 6, 4), (6,), (6,)], lambda x, w, b: F.group_norm(x, 3, w, b))


def batch_norm(x, w, b):
    mean, var = torch.full((3,), 0.5), torch.full((3,), 2.0)
    y = F.batch_norm(x, mean, var, w, b, training=True, momentum=0.2)
    return torch.cat([y.reshape(-1), mean, var])


case("batch_norm training", [(4, 3, 2, 5), (3,), (3,)], batch_norm)
case("batch_norm training of vectors", [(6, 3), (3,), (3,)], batch_norm)
case("batch_norm eval", [(4, 3, 2, 5), (3,), (3,)],
     lambda x, w, b: F.batch_norm(x, torch.tensor([0.5, -1, 2]), torch.tensor([1, 0.25, 4]), w, b))

weight = torch.tensor([0.5, 2, 0, 1, 3])
for reduction in ["mean", "sum", "none"]:
    case("cross_entropy " + reduction, [(7, 5)], lambda x: F.cross_entropy(x, labels((7,), 5), reduction=reduction))
    case("cross_entropy weighted " + reduction, [(7, 5)],
         lambda x: F.cross_entropy(x, labels((7,), 5), weight, ignore_index=1, reduction=reduction, label_smoothing=0.1))
    case("cross_entropy of images " + reduction, [(2, 5, 3, 4)],
         lambda x: F.cross_entropy(x, labels((2, 3, 4), 5), ignore_index=2, reduction=reduction, label_smoothing=0.3))
    case("nll_loss " + reduction, [(7, 5)], lambda x: F.nll_loss(x, labels((7,), 5), weight, ignore_index=3, reduction=reduction))
    case("soft_cross_entropy " + reduction, [(4, 5, 3), (4, 5, 3)],
         lambda x, y: F.cross_entropy(x, torch.softmax(y, 1), reduction=reduction))
    case("mse_loss " + reduction, [(4, 5), (4, 5)], lambda x, y: F.mse_loss(x, y, reduction=reduction))
    case("l1_loss " + reduction, [(4, 5), (4, 5)], lambda x, y: F.l1_loss(x, y, reduction=reduction))
    case("huber_loss " + reduction, [(4, 5), (4, 5)], lambda x, y: F.huber_loss(x, y, reduction=reduction, delta=0.7))
    case("smooth_l1_loss " + reduction, [(4, 5), (4, 5)], lambda x, y: F.smooth_l1_loss(x, y, reduction=reduction, beta=0.7))
    # PyTorch 1.13 has no derivative for the targets of the binary losses with weights.
    case("bce_with_logits " + reduction, [(4, 5)],
         lambda x: F.binary_cross_entropy_with_logits(x, torch.sigmoid(numbers(5, (4, 5))), reduction=reduction))
    case("bce_with_logits weighted " + reduction, [(4, 5)],
         lambda x: F.binary_cross_entropy_with_logits(x, torch.sigmoid(numbers(5, (4, 5))), torch.exp(numbers(6, (4, 1))),
                                                      reduction=reduction, pos_weight=torch.exp(numbers(7, (5,)))))
    case("binary_cross_entropy " + reduction, [(4, 5)],
         lambda x: F.binary_cross_entropy(torch.sigmoid(x), torch.sigmoid(numbers(5, (4, 5))), torch.exp(numbers(6, (5,))),
                                          reduction=reduction))
for reduction in ["mean", "sum", "none", "batchmean"]:
    case("kl_div " + reduction, [(4, 5)],
         lambda x: F.kl_div(torch.log_softmax(x, 1), torch.softmax(numbers(5, (4, 5)), 1), reduction=reduction))
    case("kl_div of logarithms " + reduction, [(4, 5), (4, 5)],
         lambda x, y: F.kl_div(torch.log_softmax(x, 1), torch.log_softmax(y, 1), reduction=reduction, log_target=True))


def distillation(x, y, t, reduction):
    terms = F.kl_div(torch.log_softmax(x / t, 1), torch.log_softmax(y / t, 1), reduction="none", log_target=True).sum(1) * t * t
    return {"mean": terms.mean(), "sum": terms.sum(), "none": terms}[reduction]


def focal(x, y, gamma, weight, reduction):
    """The definition; PyTorch has none."""
    p = torch.softmax(x, 1).gather(1, y[:, None])[:, 0]
    losses = -weight[y] * (1 - p) ** gamma * torch.log(p)
    return {"mean": losses.mean(), "sum": losses.sum(), "none": losses}[reduction]


def sigmoid_focal(x, y, gamma, alpha, reduction):
    p = torch.sigmoid(x)
    losses = -alpha * y * (1 - p) ** gamma * torch.log(p) - (1 - alpha) * (1 - y) * p**gamma * torch.log(1 - p)
    return {"mean": losses.mean(), "sum": losses.sum(), "none": losses}[reduction]


signs = 2.0 * (torch.arange(4) % 2) - 1
for reduction in ["mean", "sum", "none"]:
    case("distillation_loss " + reduction, [(4, 5, 3), (4, 5, 3)], lambda x, y: distillation(x, y, 3.0, reduction))
    case("distillation_loss mixed " + reduction, [(7, 5), (7, 5)],
         lambda x, y: 0.3 * distillation(x, y, 4.0, reduction) + 0.7 * F.cross_entropy(x, labels((7,), 5), reduction=reduction))
    case("focal_loss " + reduction, [(7, 5)], lambda x: focal(x, labels((7,), 5), 2.0, weight, reduction))
    case("focal_loss of half " + reduction, [(7, 5)], lambda x: focal(x, labels((7,), 5), 0.5, torch.ones(5), reduction))
    case("sigmoid_focal_loss " + reduction, [(4, 5)],
         lambda x: sigmoid_focal(x, labels((4, 5), 2).double(), 2.0, 0.25, reduction))
    case("cosine_embedding_loss " + reduction, [(4, 5), (4, 5)],
         lambda x, y: F.cosine_embedding_loss(x, y, signs, margin=-0.3, reduction=reduction))
    case("gaussian_nll_loss " + reduction, [(4, 5), (4, 5), (4, 5)],
         lambda x, y, v: F.gaussian_nll_loss(x, y, v.square(), eps=0.3, reduction=reduction))
    case("gaussian_nll_loss full " + reduction, [(4, 5), (4, 5), (4,)],
         lambda x, y, v: F.gaussian_nll_loss(x, y, torch.exp(v), full=True, reduction=reduction))
case("cosine_similarity", [(4, 5, 3), (4, 5, 3)], F.cosine_similarity)
case("cosine_similarity broadcast", [(4, 1, 3), (2, 3)], lambda x, y: F.cosine_similarity(x, y, -1))
