#!/usr/bin/env python3
"""Writes tests/optim/lbfgs.inc: the way of PyTorch's LBFGS over three functions.

    python3 tests/parity/lbfgs.py > tests/optim/lbfgs.inc

float64, two parameters of 3 and 2 numbers, p = (a, b). A row holds a function, options, the number of calls of step, and then for each
call: the loss at its start, the 5 numbers after it, and the number of evaluations so far. tests/optim/lbfgs.cpp has the same functions.
Written with PyTorch 1.13.
"""
import torch


def rosenbrock(p):
    return sum(100 * (p[i + 1] - p[i] ** 2) ** 2 + (1 - p[i]) ** 2 for i in range(4))


def quartic(p):
    i = torch.arange(1, 6, dtype=torch.float64)
    return (i * (p - 0.3 * i) ** 4).sum() + 0.5 * (p.sum() - 1) ** 2


def waves(p):
    i = torch.arange(1, 6, dtype=torch.float64)
    return (torch.cos(i * p) + 0.1 * i * p**2).sum() + torch.exp(0.5 * p[0] - p[4])


def run(function, options, calls):
    a = torch.tensor([-1.2, 1.0, 0.5], dtype=torch.float64, requires_grad=True)
    b = torch.tensor([-0.7, 1.5], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([a, b], **options)

    def closure():
        optimizer.zero_grad()
        loss = function(torch.cat([a, b]))
        loss.backward()
        return loss

    row = []
    for _ in range(calls):
        row.append(float(optimizer.step(closure)))
        row += a.tolist() + b.tolist() + [optimizer.state[a]["func_evals"]]
    return row


print("// Written by tests/parity/lbfgs.py with PyTorch 1.13")
for function in [rosenbrock, quartic, waves]:
    for search in ["strong_wolfe", None]:
        for options in [dict(), dict(lr=0.1, max_iter=7), dict(max_iter=5, history_size=2), dict(max_iter=30, max_eval=9),
                        dict(max_iter=40, tolerance_grad=1e-2), dict(max_iter=40, tolerance_change=1e-3)]:
            if search is None and function is not waves:
                options = {"max_iter": 6} | options | {"lr": 0.02}
            order = ["lr", "max_iter", "max_eval", "tolerance_grad", "tolerance_change", "history_size"]
            given = "".join(f".{name} = {options[name]!r}, " for name in order if name in options)
            given += f".line_search = LineSearch::{search or 'none'}"
            row = run(function, options | {"line_search_fn": search}, 4)
            print(f"LBFGS_PARITY({function.__name__}, (LBFGSOptions{{{given}}}),\n             {', '.join(map(repr, row))})")
