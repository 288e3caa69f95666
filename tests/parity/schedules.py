#!/usr/bin/env python3
"""Writes tests/optim/schedules.inc: the learning rates (and momenta) of PyTorch's schedules.

    python3 tests/parity/schedules.py > tests/optim/schedules.inc

A row holds the rates of steps 0, 1, 2, ... from a base of 0.7; of OneCycleLR the momenta follow. Written with PyTorch 1.13.
"""
import itertools
import math
import warnings

import torch
from torch.optim import lr_scheduler as lrs

STEPS = 25
warnings.filterwarnings("ignore")


def written(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"Anneal::{value}"
    if isinstance(value, list):
        return "{" + ", ".join(map(written, value)) + "}"
    return repr(value)


def options_of(kind, options):
    return f"{kind}Options{{" + ", ".join(f".{name} = {written(value)}" for name, value in options.items()) + "}"


def run(make, steps=STEPS, metrics=None):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.7, momentum=0.9)
    schedule = make(optimizer)
    rates, momenta = [], []
    for step in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        momenta.append(optimizer.param_groups[0]["momentum"])
        if step + 1 < steps:
            optimizer.step()
            schedule.step(*([] if metrics is None else [metrics[step]]))
    return rates, momenta


def row(macro, options, values):
    print(f"{macro}(({options}),\n  {', '.join(map(repr, values))})")


CASES = [
    ("ConstantLR", dict()), ("ConstantLR", dict(factor=0.25, total_iters=7)),
    ("LinearLR", dict()), ("LinearLR", dict(start_factor=0.1, end_factor=0.8, total_iters=9)),
    ("PolynomialLR", dict()), ("PolynomialLR", dict(total_iters=11, power=2.5)),
    ("StepLR", dict(step_size=4)), ("StepLR", dict(step_size=1, gamma=0.9)),
    ("MultiStepLR", dict(milestones=[3, 3, 9, 17], gamma=0.5)), ("MultiStepLR", dict(milestones=[])),
    ("ExponentialLR", dict(gamma=0.8)),
    ("CosineAnnealingLR", dict(T_max=9)), ("CosineAnnealingLR", dict(T_max=30, eta_min=0.01)), ("CosineAnnealingLR", dict(T_max=1)),
    ("CosineAnnealingWarmRestarts", dict(T_0=4)), ("CosineAnnealingWarmRestarts", dict(T_0=3, T_mult=2, eta_min=0.01)),
]

if __name__ == "__main__":
    print("// Written by tests/parity/schedules.py with PyTorch", torch.__version__.rsplit(".", 1)[0])
    for kind, options in CASES:
        row("SCHEDULE", options_of(kind, options), run(lambda o: getattr(lrs, kind)(o, **options))[0])

    for warmup, total, low in [(0, 12, 0.0), (5, 20, 0.01)]:
        def warmup_cosine(o):
            cosine = lrs.CosineAnnealingLR(o, T_max=total - warmup, eta_min=low)
            if warmup == 0:
                return cosine
            rise = lrs.LinearLR(o, start_factor=1 / (warmup + 1), total_iters=warmup)
            return lrs.SequentialLR(o, [rise, cosine], [warmup])
        rates = run(warmup_cosine, total + 1)[0]
        row("SCHEDULE", options_of("WarmupCosine", dict(warmup_steps=warmup, total_steps=total, eta_min=low)), rates + [low] * 3)

    row("SCHEDULE", "SequentialLROptions{.schedules = {LinearLROptions{.total_iters = 4}, ConstantLROptions{.factor = 0.5, "
        ".total_iters = 3}, CosineAnnealingLROptions{.T_max = 8}}, .milestones = {4, 10}}",
        run(lambda o: lrs.SequentialLR(o, [lrs.LinearLR(o, total_iters=4), lrs.ConstantLR(o, factor=0.5, total_iters=3),
                                           lrs.CosineAnnealingLR(o, T_max=8)], [4, 10]))[0])
    row("SCHEDULE", "LambdaLROptions{.factor = [](Index step) { return 1 / (1.0 + double(step)); }}",
        run(lambda o: lrs.LambdaLR(o, lambda step: 1 / (1 + step)))[0])

    for strategy, three, pct in itertools.product(["cos", "linear"], [False, True], [0.3, 0.45]):
        options = dict(max_lr=2.0, total_steps=STEPS, pct_start=pct, anneal_strategy=strategy, base_momentum=0.8, max_momentum=0.97,
                       div_factor=10.0, final_div_factor=100.0, three_phase=three)
        rates, momenta = run(lambda o: lrs.OneCycleLR(o, **options))
        row("ONE_CYCLE", options_of("OneCycleLR", options), rates + momenta)
    rates, momenta = run(lambda o: lrs.OneCycleLR(o, max_lr=0.1, total_steps=STEPS, cycle_momentum=False))
    row("ONE_CYCLE", options_of("OneCycleLR", dict(max_lr=0.1, total_steps=STEPS, cycle_momentum=False)), rates + momenta)

    # A metric that falls, stalls, falls a little and stalls again.
    metrics = [1 / (1 + min(step, 6)) + 0.01 * math.sin(step) + (0.05 if step > 15 else 0) for step in range(60)]
    for maximize, relative, options in itertools.product(
            [False, True], [False, True],
            [dict(factor=0.5, patience=2), dict(factor=0.1, patience=0, cooldown=3, min_lr=0.001), dict(factor=0.3, patience=4, threshold=0.05)]):
        signed = [2 - m for m in metrics] if maximize else metrics
        given = options | dict(mode="max" if maximize else "min", threshold_mode="rel" if relative else "abs")
        ours = dict(maximize=maximize, factor=options["factor"], patience=options["patience"]) \
            | {k: v for k, v in options.items() if k == "threshold"} | dict(relative=relative) \
            | {k: v for k, v in options.items() if k in ("cooldown", "min_lr")}
        rates = run(lambda o: lrs.ReduceLROnPlateau(o, **given), len(metrics), signed)[0]
        row("PLATEAU", options_of("ReduceLROnPlateau", ours), rates)
