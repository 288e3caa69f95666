#!/bin/bash
# What including gradus costs a program: the compiler's own seconds (user + system, which a busy machine does not change much) for
# files that include some headers and do nothing else, and the headers that bring the most lines.
#
#   tests/benchmark/compile_time.sh build/release
set -euo pipefail
shopt -s nullglob
build=${1:?usage: compile_time.sh BUILD_DIRECTORY}
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags=(-std=c++20 -O2 -march=native -DXTENSOR_USE_XSIMD -I "$root/framework" -I "$build/include")

seconds() {
  local best=999 took
  for _ in 1 2 3; do
    took=$({ TIMEFORMAT='%U %S'; time "${CXX:-g++}" "${flags[@]}" -c "$1" -o "$work/out.o"; } 2>&1 | awk '{print $1 + $2}')
    best=$(awk -v a="$took" -v b="$best" 'BEGIN {print (a < b) ? a : b}')
  done
  echo "$best"
}

measure() {
  local name=$1
  shift
  { for header in "$@"; do echo "#include \"$header\""; done; echo 'int main() {}'; } >"$work/$name.cpp"
  printf '%-60s %5.2f s %8d lines\n' "$name" "$(seconds "$work/$name.cpp")" \
    "$("${CXX:-g++}" "${flags[@]}" -E -P "$work/$name.cpp" | wc -l)"
}

measure nothing
typical=(gradus/tensor.hpp gradus/optim.hpp)
if [ -f "$root/framework/gradus/nn.hpp" ]; then
  typical+=(gradus/nn.hpp)
else
  for header in activation linear conv loss layer_norm sequential; do typical+=("gradus/nn/$header.hpp"); done
fi
measure tensor_nn_optim "${typical[@]}"
if [ -f "$root/framework/gradus/gradus.hpp" ]; then measure umbrella gradus/gradus.hpp; fi
for header in "$root"/framework/gradus/{tensor,autograd,ops,nn,optim,data,train,activations,core}/*.hpp; do
  header=${header#"$root/framework/"}
  measure "$(tr '/.' '__' <<<"${header#gradus/}")" "$header"
done | sort -k2,2 -n -r | head -n "${HEADERS:-20}"
