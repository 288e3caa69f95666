#!/usr/bin/env python3
"""Writes tests/nn/recurrent.inc: what PyTorch's recurrent layers make of given numbers, and their gradients.

    python3 tests/parity/recurrent.py > tests/nn/recurrent.inc

Element i of parameter k, in the order of names, is 0.4 sin(1 + 2.3 k + 0.9 i + 0.37 (i mod 7)), float64; of input k (x, then the
states) the same with k + 40 and 1.5 for 0.4. A row holds a name, the names of the parameters and the numbers of
tests/parity/sketch.py: for each result (output, then states), then for the gradients of all inputs, then parameters, the sums of
elements times cos(0.5 + j + 1.1 i) for j = 0, 1, 2; the gradient of each result has elements cos(0.2 + 0.8 i).
tests/nn/parity_recurrent.cpp computes the same.
"""
import torch
from torch import nn

from sketch import numbers, sketch, upstream

torch.set_default_dtype(torch.float64)


def flat(results):
    return [t for r in results for t in flat(r)] if isinstance(results, (tuple, list)) else [results]


def case(name, module, shapes):
    parameters = sorted(module.named_parameters())
    with torch.no_grad():
        for k, (_, parameter) in enumerate(parameters):
            parameter.copy_(numbers(k, parameter.shape, 0.4))
    inputs = [numbers(40 + k, shape, 1.5).requires_grad_() for k, shape in enumerate(shapes)]
    if len(inputs) == 3:
        results = module(inputs[0], (inputs[1], inputs[2]))
    else:
        results = module(*inputs)
    results = flat(results)
    wanted = inputs + [parameter for _, parameter in parameters]
    grads = torch.autograd.grad(results, wanted, [upstream(r.detach()) for r in results])
    row = sum((sketch(t.detach()) for t in [*results, *grads]), [])
    print('{"%s",\n {%s},\n {%s}},' % (name, ", ".join('"%s"' % n for n, _ in parameters), ",\n  ".join(repr(v) for v in row)))


print("// Written by tests/parity/recurrent.py with PyTorch", torch.__version__.rsplit(".", 1)[0])
kinds = [("tanh", nn.RNN, nn.RNNCell, {"nonlinearity": "tanh"}), ("relu", nn.RNN, nn.RNNCell, {"nonlinearity": "relu"}),
         ("gru", nn.GRU, nn.GRUCell, {}), ("lstm", nn.LSTM, nn.LSTMCell, {})]
for name, layers, cell, options in kinds:
    states = 2 if name == "lstm" else 1
    for bias in [True, False]:
        suffix = "" if bias else ", no bias"
        case(name + " cell" + suffix, cell(4, 5, bias=bias, **options), [(3, 4)] + [(3, 5)] * states)
    case(name + " cell from zeros", cell(4, 5, **options), [(3, 4)])
    for depth in [1, 2]:
        for batch_first in [False, True]:
            for length in [1, 7]:
                x = (3, length, 4) if batch_first else (length, 3, 4)
                case("%s, %d layers, length %d%s" % (name, depth, length, ", batch first" if batch_first else ""),
                     layers(4, 5, depth, batch_first=batch_first, **options), [x] + [(depth, 3, 5)] * states)
    case(name + " from zeros, one sample, no bias", layers(4, 5, 2, bias=False, **options), [(6, 1, 4)])
    for depth, batch_first in [(1, False), (2, False), (2, True)]:
        case("%s, both ways, %d layers%s" % (name, depth, ", batch first" if batch_first else ""),
             layers(4, 5, depth, batch_first=batch_first, bidirectional=True, **options),
             [(3, 6, 4) if batch_first else (6, 3, 4)] + [(2 * depth, 3, 5)] * states)
    case(name + " from zeros, both ways, no bias", layers(4, 5, 2, bias=False, bidirectional=True, **options), [(6, 1, 4)])
