#!/usr/bin/env python3
"""Writes tests/nn/transformer.inc: what PyTorch's layers of the Transformer make of given numbers, and their gradients.

    python3 tests/parity/transformer.py > tests/nn/transformer.inc

Element i of parameter k, in the order of names, is 0.4 sin(1 + 2.3 k + 0.9 i + 0.37 (i mod 7)), float64; of input k the same
with k + 40 and 1.5 for 0.4; token i is (3 i + 1) mod 7. Dropout is off. A row holds a name, the names of the parameters and the
numbers of tests/parity/sketch.py: for the output and the gradients of all inputs, then parameters, the sums of elements times
cos(0.5 + j + 1.1 i) for j = 0, 1, 2; the gradient of the output has elements cos(0.2 + 0.8 i).
tests/nn/parity_transformer.cpp computes the same.
"""
import torch
from torch import nn

from sketch import numbers, sketch, upstream

torch.set_default_dtype(torch.float64)


def case(name, module, shapes, function):
    parameters = sorted(module.named_parameters())
    with torch.no_grad():
        for k, (_, parameter) in enumerate(parameters):
            parameter.copy_(numbers(k, parameter.shape, 0.4))
    inputs = [numbers(40 + k, shape, 1.5).requires_grad_() for k, shape in enumerate(shapes)]
    y = function(module, *inputs)
    wanted = inputs + [parameter for _, parameter in parameters]
    grads = torch.autograd.grad(y, wanted, upstream(y))
    row = sum((sketch(t.detach()) for t in [y, *grads]), [])
    print('{"%s",\n {%s},\n {%s}},' % (name, ", ".join('"%s"' % n for n, _ in parameters), ",\n  ".join(repr(v) for v in row)))


def causal(length):
    return torch.ones(length, length, dtype=torch.bool).triu(1)


padding = torch.tensor([[False, False, False, True, True], [False, True, False, False, False], [False] * 5])
tokens = ((3 * torch.arange(20) + 1) % 7).reshape(4, 5)

print("// Written by tests/parity/transformer.py with PyTorch", torch.__version__.rsplit(".", 1)[0])
case("embedding", nn.Embedding(7, 3), [], lambda m: m(tokens))
case("embedding with padding", nn.Embedding(7, 3, padding_idx=-5), [], lambda m: m(tokens))


def attention(heads, bias=True):
    return nn.MultiheadAttention(8, heads, bias=bias, batch_first=True)


case("attention", attention(2), [(3, 5, 8)], lambda m, x: m(x, x, x)[0])
case("attention without bias", attention(4, False), [(3, 5, 8)], lambda m, x: m(x, x, x)[0])
case("attention causal", attention(2), [(3, 5, 8)], lambda m, x: m(x, x, x, attn_mask=causal(5))[0])
case("attention with padding", attention(8), [(3, 5, 8)], lambda m, x: m(x, x, x, key_padding_mask=padding)[0])
case("attention causal with padding", attention(1), [(3, 5, 8)],
     lambda m, x: m(x, x, x, key_padding_mask=padding, attn_mask=causal(5))[0])
case("attention to others", attention(2), [(3, 4, 8), (3, 5, 8), (3, 5, 8)],
     lambda m, q, k, v: m(q, k, v, key_padding_mask=padding)[0])


def block(norm_first, activation):
    return nn.TransformerEncoderLayer(8, 2, 12, 0.0, activation, 1e-4, batch_first=True, norm_first=norm_first)


for norm_first in [True, False]:
    name = "block, norm " + ("first" if norm_first else "last")
    case(name, block(norm_first, "gelu"), [(3, 5, 8)], lambda m, x: m(x))
    case(name + ", causal, relu", block(norm_first, "relu"), [(3, 5, 8)], lambda m, x: m(x, src_mask=causal(5)))
    case(name + ", with padding", block(norm_first, "gelu"), [(3, 5, 8)], lambda m, x: m(x, src_key_padding_mask=padding))


def stacked(kind, norm_first):
    layer = (nn.TransformerEncoderLayer if kind is nn.TransformerEncoder else nn.TransformerDecoderLayer)(
        8, 2, 12, 0.0, "gelu", 1e-4, batch_first=True, norm_first=norm_first)
    return kind(layer, 2, nn.LayerNorm(8, 1e-4) if norm_first else None)


for norm_first in [True, False]:
    name = "norm " + ("first" if norm_first else "last")
    case("encoder, " + name, stacked(nn.TransformerEncoder, norm_first), [(3, 5, 8)],
         lambda m, x: m(x, causal(5), src_key_padding_mask=padding))
    case("decoder, " + name, stacked(nn.TransformerDecoder, norm_first), [(3, 4, 8), (3, 5, 8)],
         lambda m, x, y: m(x, y, tgt_mask=causal(4), memory_key_padding_mask=padding))
