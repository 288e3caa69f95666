#!/usr/bin/env python3
"""Runs gradus_benchmark and torch_benchmark in turn, A B A B ..., and prints a table of both and their ratio.

    cmake --preset release -DGRADUS_BENCHMARK_LIBTORCH=ON && cmake --build build/release
    tests/benchmark/compare.py build/release --threads 1 2 --rounds 3 --markdown table.md

Times are medians of the rounds' medians, in ms per step; "ratio" is gradus's time by libtorch's, so that less is better, and
"quiet" the ratio of the best p10 of all rounds, which other work on the machine disturbs less; "cpu" is that of the CPU time, which it hardly
disturbs, and says something about one thread only (waiting threads spin). libtorch runs at its
best settings: each workload with OpenBLAS's own choice of kernels and with its AVX2 kernels, and where images come in two layouts in both;
"setting" names the fastest. gradus has no settings, and runs with OpenBLAS's own choice. "of limit" is gradus's rate as a share of what the
machine gave in the same run: of a product of 1024 x 1024 matrices (G), or of a sum of two arrays in memory (M). It can be above 1:
an algorithm needs fewer operations than the textbook's, or arrays stay in the cache.
"""
import argparse
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile


def gradus_environment(threads):
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads))
    environment.pop("OPENBLAS_CORETYPE", None)
    return environment


def libtorch_environment(threads, kernels):
    """OpenBLAS's OpenMP build, vectors as wide as the machine's, a malloc that keeps large blocks; OpenBLAS's own choice of kernels, or
    those named."""
    environment = gradus_environment(threads)
    if kernels:
        environment["OPENBLAS_CORETYPE"] = kernels
    openblas = "/usr/lib/x86_64-linux-gnu/openblas-openmp"
    if pathlib.Path(openblas).is_dir():
        environment["LD_LIBRARY_PATH"] = openblas
    if "avx512f" in pathlib.Path("/proc/cpuinfo").read_text():
        environment["ATEN_CPU_CAPABILITY"] = "avx512"
    tunables = {"mmap_threshold": 2**32, "trim_threshold": 2**34, "top_pad": 2**26, "hugetlb": 1}
    environment["GLIBC_TUNABLES"] = ":".join(f"glibc.malloc.{name}={value}" for name, value in tunables.items())
    return environment


class Side:
    """One of the two programs, and its runs so far by (workload and setting, threads)."""

    def __init__(self, program):
        if not program.exists():
            sys.exit(f"{program} is not there; configure with -DGRADUS_BENCHMARK_LIBTORCH=ON and build")
        self.program, self.runs = program, {}
        self.known = subprocess.run([program, "--list"], capture_output=True, text=True, check=True).stdout.split()

    def measure(self, workload, threads, environment, arguments, setting=""):
        with tempfile.NamedTemporaryFile("r", suffix=".json") as file:
            command = [self.program, "--workload", workload, "--threads", threads, "--seconds", arguments.seconds,
                       "--json", file.name]
            subprocess.run([str(part) for part in command], env=environment, check=True,
                           stdout=subprocess.DEVNULL)
            run = json.loads(file.readline())
        self.runs.setdefault((setting or workload, threads), []).append(run)
        if arguments.json:
            with arguments.json.open("a") as file:
                file.write(json.dumps(run) + "\n")

    def median(self, workload, threads, field="median_ms"):
        return statistics.median(run[field] for run in self.runs[workload, threads])

    def least(self, workload, threads, field):
        return min(run[field] for run in self.runs[workload, threads])

    def best(self, workload, threads, field):
        return max(run[field] for run in self.runs[workload, threads])


def share_of_limit(gradus, workload, threads):
    run = gradus.runs[workload, threads][0]
    for field, letter in (("gflops", "G"), ("gbs", "M")):
        if field in run:
            share = gradus.median(workload, threads, field) / gradus.best("limits", threads, field)
            return f"{share:.2f} {letter}"
    return "-"


def rows_of(gradus, libtorch, workload, settings, threads):
    """The row of a workload, and those of its further numbers; with the ratio of the first."""
    best = min(settings, key=lambda setting: libtorch.median(setting, threads))
    ours, theirs = gradus.median(workload, threads), libtorch.median(best, threads)
    fields = ["median_ms"] + [field for field in gradus.runs[workload, threads][0]
                              if field.endswith("ns_per_op") or field == "ms_per_eval"
                              or (field.startswith("fwd") and field.endswith("_ms") and field != "fwdbwd_ms")]
    rows = []
    for field in fields:
        values = gradus.median(workload, threads, field), libtorch.median(best, threads, field)
        cells = [workload if field == "median_ms" else f"{workload}: {field}", str(threads),
                 f"{values[0]:.4g}", f"{values[1]:.4g}", f"{values[0] / values[1]:.2f}"]
        if field == "median_ms":
            both = [(gradus, workload), (libtorch, best)]
            cells += [f"{gradus.least(workload, threads, least) / libtorch.least(best, threads, least):.2f}"
                      for least in ("p10_ms", "cpu_ms")]
            cells += [share_of_limit(gradus, workload, threads),
                      " / ".join(f"{side.median(name, threads, 'peak_rss_mib'):.0f}" for side, name in both),
                      " / ".join(f"{side.median(name, threads, 'startup_ms'):.0f}" for side, name in both),
                      best.removeprefix(workload).removeprefix("_").strip()]
        else:
            cells += [""] * 6
        rows.append("| " + " | ".join(cells) + " |")
    return ours / theirs, rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path, help="the build directory")
    parser.add_argument("--workloads", nargs="*", default=[], help="default: all that both programs have")
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--json", type=pathlib.Path, help="add every run's line to this file")
    parser.add_argument("--markdown", type=pathlib.Path, help="write the table to this file, too")
    arguments = parser.parse_args()

    programs = arguments.build / "tests/benchmark"
    gradus = Side(programs / "gradus_benchmark")
    libtorch = Side(programs / "torch_benchmark")
    workloads = arguments.workloads or [name for name in gradus.known if name in libtorch.known and name != "limits"]
    for name in workloads:
        if name not in gradus.known or name not in libtorch.known:
            sys.exit(f"no workload of both programs is called {name}")

    lines = []

    def show(line):
        lines.append(line)
        print(line, flush=True)

    show("| workload | threads | gradus ms | libtorch ms | ratio | quiet | cpu | of limit | RSS MiB | start ms | setting |")
    show("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|")
    for threads in arguments.threads:
        ratios = []
        for _ in range(3):
            gradus.measure("limits", threads, gradus_environment(threads), arguments)
        for workload in workloads:
            settings = {f"{form} {kernels}": (form, kernels) for form in (workload, workload + "_cl") if form in libtorch.known
                        for kernels in ("", "Haswell")}
            for _ in range(arguments.rounds):
                gradus.measure(workload, threads, gradus_environment(threads), arguments)
                for setting, (form, kernels) in settings.items():
                    libtorch.measure(form, threads, libtorch_environment(threads, kernels), arguments, setting)
            ratio, rows = rows_of(gradus, libtorch, workload, settings, threads)
            ratios.append(ratio)
            for row in rows:
                show(row)
        show(f"| geometric mean of {len(ratios)} | {threads} | | | {math.prod(ratios) ** (1 / len(ratios)):.2f} "
             "| | | | | | |")
        limits = f"{gradus.best('limits', threads, 'gflops'):.0f} GFLOP/s, {gradus.best('limits', threads, 'gbs'):.1f} GB/s"
        show(f"| limits: {limits} | {threads} | | | | | | | | | |")
    if arguments.markdown:
        arguments.markdown.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
