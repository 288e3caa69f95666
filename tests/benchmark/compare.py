#!/usr/bin/env python3
"""Runs gradus_benchmark and torch_benchmark in turn, A B A B ..., and prints a table of both and their ratio.

    cmake --preset release -DGRADUS_BENCHMARK_LIBTORCH=ON && cmake --build build/release
    tests/benchmark/compare.py build/release --threads 2 --rounds 3

Each cell is the median of the rounds' medians; "quiet" is the ratio of the rounds' best p10, which other work on the machine
disturbs less. libtorch runs at its best settings; those of the other side are the defaults.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile


def libtorch_environment(threads):
    """OpenBLAS's OpenMP build, vector kernels as wide as the machine's, and a malloc that keeps large blocks."""
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads))
    openblas = "/usr/lib/x86_64-linux-gnu/openblas-openmp"
    if pathlib.Path(openblas).is_dir():
        environment["LD_LIBRARY_PATH"] = openblas
    if "avx512f" in pathlib.Path("/proc/cpuinfo").read_text():
        environment["ATEN_CPU_CAPABILITY"] = "avx512"
    tunables = {"mmap_threshold": 2**32, "trim_threshold": 2**34, "top_pad": 2**26, "hugetlb": 1}
    environment["GLIBC_TUNABLES"] = ":".join(f"glibc.malloc.{name}={value}" for name, value in tunables.items())
    return environment


def measure(program, environment, workload, threads, seconds):
    with tempfile.NamedTemporaryFile("r", suffix=".json") as file:
        command = [program, "--workload", workload, "--threads", threads, "--seconds", seconds, "--json", file.name]
        subprocess.run([str(part) for part in command], env=environment, check=True, stdout=subprocess.DEVNULL)
        return json.loads(file.readline())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path, help="the build directory")
    parser.add_argument("--workloads", nargs="*", default=[], help="default: all that both programs have")
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--json", type=pathlib.Path, help="keep every run's line in this file")
    arguments = parser.parse_args()

    programs = [arguments.build / "tests/benchmark" / name for name in ("gradus_benchmark", "torch_benchmark")]
    for program in programs:
        if not program.exists():
            sys.exit(f"{program} is not there; configure with -DGRADUS_BENCHMARK_LIBTORCH=ON and build")
    known = [subprocess.run([program, "--list"], capture_output=True, text=True, check=True).stdout.split()
             for program in programs]
    workloads = arguments.workloads or [name for name in known[0] if name in known[1]]

    print("| workload | threads | gradus ms | libtorch ms | libtorch / gradus | quiet | RSS MiB | start ms |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    for workload in workloads:
        for threads in arguments.threads:
            environments = [dict(os.environ, OMP_NUM_THREADS=str(threads)), libtorch_environment(threads)]
            runs = [[], []]
            for _ in range(arguments.rounds):
                for side in (0, 1):
                    run = measure(programs[side], environments[side], workload, threads, arguments.seconds)
                    runs[side].append(run)
                    if arguments.json:
                        with arguments.json.open("a") as file:
                            file.write(json.dumps(run) + "\n")

            def median(side, field):
                return statistics.median(run[field] for run in runs[side])

            def quiet(side):
                return min(run["p10_ms"] for run in runs[side])

            ours, theirs = median(0, "median_ms"), median(1, "median_ms")
            print(f"| {workload} | {threads} | {ours:.4g} | {theirs:.4g} | {theirs / ours:.2f} "
                  f"| {quiet(1) / quiet(0):.2f} "
                  f"| {median(0, 'peak_rss_mib'):.0f} / {median(1, 'peak_rss_mib'):.0f} "
                  f"| {median(0, 'startup_ms'):.0f} / {median(1, 'startup_ms'):.0f} |", flush=True)
            for field in runs[0][0]:
                if field.endswith("ns_per_op") or (field.startswith("fwd") and field.endswith("_ms")):
                    print(f"| {workload}: {field} | {threads} | {median(0, field):.4g} | {median(1, field):.4g} "
                          f"| {median(1, field) / median(0, field):.2f} | | | |", flush=True)


if __name__ == "__main__":
    main()
