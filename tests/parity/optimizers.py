#!/usr/bin/env python3
"""Writes tests/optim/optimizers.inc: what PyTorch's optimisers make of a small problem, for every option.

    python3 tests/parity/optimizers.py > tests/optim/optimizers.inc

Two float64 parameters of 5 and 3 numbers take 12 steps; the second has no gradient in steps 2, 5, 8, 11 (counted from 0).
The row of a case holds the 8 numbers after the first and after the last step. Written with PyTorch 1.13.
"""
import itertools
import math

import torch

OPTIONS = {
    "SGD": [
        dict(lr=0.1),
        dict(lr=0.1, weight_decay=0.05),
        dict(lr=0.1, maximize=True),
        dict(lr=0.1, weight_decay=0.05, maximize=True),
        dict(lr=0.0, momentum=0.9),
    ] + [
        dict(lr=0.05, momentum=0.9, dampening=d, weight_decay=w, nesterov=n, maximize=m)
        for d, w, n, m in itertools.product([0.0, 0.3], [0.0, 0.05], [False, True], [False, True])
        if not (n and d)
    ],
    "Adam": [
        dict(lr=0.1, betas=b, eps=e, weight_decay=w, amsgrad=a, maximize=m)
        for b, e, w, a, m in itertools.product([(0.9, 0.999), (0.5, 0.7)], [1e-8, 0.1], [0.0, 0.1], [False, True], [False, True])
    ] + [dict(), dict(betas=(0.0, 0.0))],
    "RMSprop": [
        dict(lr=0.05, alpha=a, eps=e, weight_decay=w, momentum=mu, centered=c, maximize=m)
        for a, e, w, mu, c, m in itertools.product([0.99, 0.6], [1e-8, 0.1], [0.0, 0.1], [0.0, 0.9], [False, True], [False, True])
    ] + [dict()],
    "Adagrad": [
        dict(lr=0.1, lr_decay=d, weight_decay=w, initial_accumulator_value=i, eps=e, maximize=m)
        for d, w, i, e, m in itertools.product([0.0, 0.2], [0.0, 0.1], [0.0, 0.5], [1e-10, 0.1], [False, True])
    ] + [dict()],
}
OPTIONS["AdamW"] = OPTIONS["Adam"]
OPTIONS["Lion"] = [
    dict(lr=0.05, betas=b, weight_decay=w, maximize=m)
    for b, w, m in itertools.product([(0.9, 0.99), (0.5, 0.7), (0.0, 0.9)], [0.0, 0.1], [False, True])
] + [dict()]


class Lion(torch.optim.Optimizer):
    """PyTorch has none; this is algorithm 2 of Chen et al., "Symbolic Discovery of Optimization Algorithms" (2023)."""

    def __init__(self, params, lr=1e-4, betas=(0.9, 0.99), weight_decay=0.0, maximize=False):
        super().__init__(params, dict(lr=lr, betas=betas, weight_decay=weight_decay, maximize=maximize))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                g = -p.grad if group["maximize"] else p.grad
                m = self.state[p].get("m", torch.zeros_like(p))
                c = torch.lerp(g, m, beta1)
                p -= group["lr"] * (torch.sign(c) + group["weight_decay"] * p)
                self.state[p]["m"] = torch.lerp(g, m, beta2)


def gradient(p, step, offset):
    """A quadratic bowl that wobbles: 0.7 (p - target) + 0.4 sin(1 + step + 2 i)."""
    i = torch.arange(p.numel(), dtype=torch.float64) + offset
    wobble = torch.tensor([math.sin(1 + step + 2 * float(k)) for k in i], dtype=torch.float64)
    return 0.7 * (p.detach() - (0.25 * i - 0.5)) + 0.4 * wobble


def run(kind, options):
    first = torch.tensor([1.0, -2.0, 0.5, 3.0, -0.25], dtype=torch.float64, requires_grad=True)
    second = torch.tensor([-1.5, 0.75, 2.5], dtype=torch.float64, requires_grad=True)
    optimizer = (Lion if kind == "Lion" else getattr(torch.optim, kind))([first, second], **({"lr": 1e-3} if kind == "SGD" else {}) | options)
    shown = []
    for step in range(12):
        first.grad = gradient(first, step, 0)
        second.grad = None if step % 3 == 2 else gradient(second, step, 5)
        optimizer.step()
        if step in (0, 11):
            shown += first.tolist() + second.tolist()
    return shown


def written(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return "{" + ", ".join(map(written, value)) + "}"
    return repr(value)


if __name__ == "__main__":
    print("// Written by tests/parity/optimizers.py with PyTorch", torch.__version__.rsplit(".", 1)[0])
    for kind, cases in OPTIONS.items():
        for options in cases:
            given = ", ".join(f".{name} = {written(value)}" for name, value in options.items())
            print(f"PARITY({kind}, ({kind}Options{{{given}}}),\n       {', '.join(map(repr, run(kind, options)))})")
