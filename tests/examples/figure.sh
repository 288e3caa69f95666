#!/bin/bash
# Whether a program reaches a figure: a whole run, and then one of its results against the least that it must be, or the most.
# figure.sh RESULT BOUND PROGRAM [ARGUMENTS...]. BOUND: "72" or ">=72", "<=1.5". An argument DATASETS/... stands for a file of the data sets; without them it is skipped.
set -u
result=$1
case $2 in
  [\<\>]*) bound=$2 ;;
  *) bound=">=$2" ;;
esac
program=$3
shift 3
datasets=${GRADUS_DATASETS:-$GRADUS_TEST_DATASETS}
arguments=()
for argument in "$@"; do
  case $argument in
    DATASETS/*)
      argument=$datasets/${argument#DATASETS/}
      [ -e "$argument" ] || { echo "skipped: $argument is not there"; exit 77; } ;;
  esac
  arguments+=("$argument")
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$program" "${arguments[@]}" --out "$work/run" || exit 1
value=$(sed -n '/"results"/,$p' "$work/run/run.json" | grep -F "\"$result\":" | sed 's/.*: *//; s/,$//')
if awk "BEGIN { exit !(\"$value\" != \"\" && \"$value\" + 0 $bound) }"; then
  echo "$result is ${value}, $bound is expected"
else
  echo "FAILED: $result is \"${value}\", $bound is expected"
  exit 1
fi
