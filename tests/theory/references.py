#!/usr/bin/python3
"""Writes the reference numbers of the tests, by mpmath from the formulas of the activations.

    python3 tests/theory/references.py moments > tests/theory/moments_reference.hpp
    python3 tests/theory/references.py pairs > tests/theory/pairs_reference.hpp

Neither the build nor the tests need it.
"""
import sys

from numpy.polynomial.legendre import leggauss
from mpmath import mp, mpf, quad, sqrt, exp, log, tanh, erf, erfc, pi, expm1, log1p, nstr

mp.dps = 40


def sigmoid(x):
    return 1 / (1 + exp(-x)) if x > 0 else exp(x) / (1 + exp(x))


def softplus(x):
    return x + log1p(exp(-x)) if x > 0 else log1p(exp(x))


def Phi(x):
    return erfc(-x / sqrt(2)) / 2


def phi(x):
    return exp(-x * x / 2) / sqrt(2 * pi)


def sech2(x):
    return 4 * exp(-2 * abs(x)) / (1 + exp(-2 * abs(x))) ** 2


def gelu_tanh(x):
    return x * sigmoid(2 * sqrt(2 / pi) * (x + mpf("0.044715") * x ** 3))


def gelu_tanh_slope(x):
    y = 2 * sqrt(2 / pi) * (x + mpf("0.044715") * x ** 3)
    dy = 2 * sqrt(2 / pi) * (1 + 3 * mpf("0.044715") * x * x)
    s = sigmoid(y)
    return s + x * s * sigmoid(-y) * dy


def mish_slope(x):
    t = tanh(softplus(x))
    return t + x * sigmoid(x) * sech2(softplus(x))


LAMBDA = mpf("1.0507009873554804934")
ALPHA = mpf("1.6732632423543772848")


def torch_softplus(x):
    return x if x > 20 else softplus(x)


ACTIVATIONS = {
    "relu": ([0], lambda x: max(x, mpf(0)), lambda x: mpf(x > 0)),
    "leaky_relu(0.2)": ([0], lambda x: x if x > 0 else mpf(0.2) * x, lambda x: mpf(1) if x > 0 else mpf(0.2)),
    "prelu": ([0], lambda x: x if x > 0 else x / 4, lambda x: mpf(1) if x > 0 else mpf(1) / 4),
    "elu": ([0], lambda x: x if x > 0 else expm1(x), lambda x: mpf(1) if x > 0 else exp(x)),
    "elu(1.5)": ([0], lambda x: x if x > 0 else 3 * expm1(x) / 2, lambda x: mpf(1) if x > 0 else 3 * exp(x) / 2),
    "celu(0.5)": ([0], lambda x: x if x > 0 else expm1(2 * x) / 2, lambda x: mpf(1) if x > 0 else exp(2 * x)),
    "selu": ([0], lambda x: LAMBDA * (x if x > 0 else ALPHA * expm1(x)),
             lambda x: LAMBDA * (mpf(1) if x > 0 else ALPHA * exp(x))),
    "gelu": ([], lambda x: x * Phi(x), lambda x: Phi(x) + x * phi(x)),
    "gelu_tanh": ([], gelu_tanh, gelu_tanh_slope),
    "silu": ([], lambda x: x * sigmoid(x), lambda x: sigmoid(x) * (1 + x * sigmoid(-x))),
    "mish": ([], lambda x: x * tanh(softplus(x)), mish_slope),
    "softplus": ([20], torch_softplus, lambda x: mpf(1) if x > 20 else sigmoid(x)),
    "softsign": ([0], lambda x: x / (1 + abs(x)), lambda x: 1 / (1 + abs(x)) ** 2),
    "tanh": ([], tanh, sech2),
    "sigmoid": ([], sigmoid, lambda x: sigmoid(x) * sigmoid(-x)),
    "hard_swish": ([-3, 3], lambda x: x * min(max(x + 3, mpf(0)), mpf(6)) / 6,
                   lambda x: mpf(0) if x <= -3 else mpf(1) if x >= 3 else x / 3 + mpf(1) / 2),
    "softshrink(0.5)": ([-0.5, 0.5], lambda x: x - mpf(.5) if x > .5 else x + mpf(.5) if x < -.5 else mpf(0),
                        lambda x: mpf(abs(x) > .5)),
    "erf": ([], erf, lambda x: 2 / sqrt(pi) * exp(-x * x)),
}

SETTINGS = [(0, 1e-6), (0, 0.01), (0, 4), (0, 1e4), (0.5, 1e-6), (-0.5, 0.25), (-3, 1), (2, 100), (-40, 400)]


def expectation(h, kinks, mean, variance):
    s = sqrt(mpf(variance))
    cuts = {mpf(z) for z in (-16, -8, -4, -2, 0, 2, 4, 8, 16)}
    for x in list(kinks) + [0, 0.5, -0.5, 2, -2, 6, -6, 15, -15, 30, -30]:
        z = (x - mpf(mean)) / s
        if -16 < z < 16:
            cuts.add(z)
    return quad(lambda z: h(mean + s * z) * phi(z), sorted(cuts), maxdegree=9)


def moments():
    print("#pragma once")
    print("// Written by references.py (mpmath, thirty digits): E f, E f^2, Var f, E f', E f'^2 under N(mean, variance).")
    print("\nstruct MomentsReference {\n  const char* name;\n  double mean, variance;\n"
          "  double f, f2, var, df, df2;\n};\n")
    print("inline const MomentsReference moments_references[] = {")
    for name, (kinks, f, df) in ACTIVATIONS.items():
        for mean, variance in SETTINGS:
            e = [expectation(h, kinks, mean, variance) for h in
                 (f, lambda x: f(x) ** 2, df, lambda x: df(x) ** 2)]
            var = expectation(lambda x: (f(x) - e[0]) ** 2, kinks, mean, variance)
            values = ", ".join(nstr(v, 20, min_fixed=-6, max_fixed=25) for v in (e[0], e[1], var, e[2], e[3]))
            print('    {"%s", %r, %r,\n     %s},' % (name, float(mean), variance, values), flush=True)
    print("};")


PAIRS = [(1, 1, 0.5), (0.3, 2, -0.6)]


def rule(kinks, mean, variance):
    """Nodes and weights for N(mean, variance): 20 Gauss-Legendre points between neighbouring cuts, in x."""
    s, x20, w20 = sqrt(mpf(variance)), *leggauss(20)
    cuts = sorted({(mpf(k) - mean) / s for k in kinks} | {mpf(z) for z in
                  (-10, -7, -5, -4, -3, -2.25, -1.5, -0.75, 0, 0.75, 1.5, 2.25, 3, 4, 5, 7, 10)})
    for a, b in zip(cuts, cuts[1:]):
        if -10 <= a and b <= 10:
            for x, w in zip(x20, w20):
                z = (a + b) / 2 + (b - a) / 2 * mpf(x)
                yield mean + s * z, (b - a) / 2 * mpf(w) * phi(z)


def pair(h, kinks, xx, yy, xy):
    slope, rest = mpf(xy) / mpf(xx), mpf(yy) - mpf(xy) ** 2 / mpf(xx)
    return sum(w * h(u) * sum(v * h(x) for x, v in rule(kinks, slope * u, rest)) for u, w in rule(kinks, 0, xx))


def pairs():
    mp.dps = 17
    print("#pragma once")
    print("// Written by references.py (nested quadrature): E f(u) f(v) and E f'(u) f'(v) for a Gaussian pair.")
    print("\nstruct PairsReference {\n  const char* name;\n  double xx, yy, xy;\n  double values, slopes;\n};\n")
    print("inline const PairsReference pairs_references[] = {")
    for name in ("elu", "selu", "silu", "tanh", "mish", "hard_swish", "softsign", "gelu", "relu"):
        kinks, f, df = ACTIVATIONS[name]
        for xx, yy, xy in PAIRS:
            values = ", ".join(nstr(pair(h, kinks, xx, yy, xy), 16) for h in (f, df))
            print('    {"%s", %r, %r, %r, %s},' % (name, float(xx), float(yy), xy, values), flush=True)
    print("};")


{"moments": moments, "pairs": pairs}[sys.argv[1]]()
