#!/bin/bash
# Whether a program reaches its figures: a whole run, and then some of its results against the least that each must be, or the most.
# figure.sh RESULT BOUND [RESULT BOUND...] -- PROGRAM [ARGUMENTS...]. BOUND: "72" or ">=72", "<=1.5". An argument DATASETS/... stands for a
# file of the data sets; without them it is skipped.
set -u
results=()
bounds=()
while [ "$1" != -- ]; do
  results+=("$1")
  case $2 in
    [\<\>]*) bounds+=("$2") ;;
    *) bounds+=(">=$2") ;;
  esac
  shift 2
done
program=$2
shift 2
. "$(dirname "$0")/common.sh"
read_arguments "$@"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$program" "${arguments[@]}" --out "$work/run" || exit 1
for i in "${!results[@]}"; do
  result=${results[$i]} bound=${bounds[$i]}
  value=$(sed -n '/"results"/,$p' "$work/run/run.json" | grep -F "\"$result\":" | sed 's/.*: *//; s/,$//')
  # A result that is not finite is null in the file.
  if awk "BEGIN { exit !(\"$value\" ~ /^-?[0-9]/ && \"$value\" + 0 $bound) }"; then
    echo "$result is ${value}, $bound is expected"
  else
    echo "FAILED: $result is \"${value}\", $bound is expected"
    failures=$((failures + 1))
  fi
done
exit $((failures > 0))
