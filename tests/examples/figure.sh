#!/bin/bash
# Whether a program reaches a figure: a whole run, and then one of its results against the least that it must be.
# figure.sh RESULT LEAST PROGRAM [ARGUMENTS...]. An argument DATASETS/... stands for a file of the data sets; without them it is skipped.
set -u
result=$1
least=$2
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
if awk "BEGIN { exit !(\"$value\" != \"\" && \"$value\" + 0 >= $least) }"; then
  echo "$result is ${value}, at least $least is expected"
else
  echo "FAILED: $result is \"${value}\", at least $least is expected"
  exit 1
fi
