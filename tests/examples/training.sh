#!/bin/bash
# A program train_* as a user meets it: a quick run, the same again, one that was killed and goes on, and bad input.
# training.sh PROGRAM [ARGUMENTS of a quick run...]. An argument DATASETS/... stands for a file of the data sets; without them it is skipped.
set -u
program=$1
name=$(basename "$program")
shift
. "$(dirname "$0")/common.sh"
read_arguments "$@"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
run() { "$program" --quick "${arguments[@]}" "$@"; }
# The results of run.json but for times.
results() { sed -n '/"results"/,$p' "$1/run.json" | grep -v seconds; }

run --threads 1 --out "$work/a" >"$work/log" 2>&1
check $? 0 "exit code of a quick run ($(tail -n 1 "$work/log"))"
for file in run.json report.html; do
  [ -s "$work/a/$file" ] || { echo "FAILED: $file is missing or empty"; failures=$((failures + 1)); }
done
ls "$work/a/figures/"*.svg "$work/a/figures/"*.png >/dev/null || failures=$((failures + 1))
[ "$(results "$work/a" | wc -l)" -gt 2 ] || { echo "FAILED: run.json has no results"; failures=$((failures + 1)); }

# --- started again, it finds everything done; on two threads, and after kills, the numbers are the same
run --threads 1 --out "$work/a2" >/dev/null 2>&1
check "$(results "$work/a2")" "$(results "$work/a")" "the same numbers in another run"
run --threads 1 --out "$work/a" >/dev/null 2>&1
check $? 0 "exit code of a repeated run"
check "$(results "$work/a2")" "$(results "$work/a")" "a repeated run changes nothing"
run --threads 2 --out "$work/b" >/dev/null 2>&1
check "$(results "$work/b")" "$(results "$work/a")" "the same numbers on one and on two threads"
killed=0
for attempt in $(seq 1 40); do
  # Longer each time: a busy machine must get through one run some day.
  timeout --signal=KILL "$(awk "BEGIN { print 0.15 * $attempt * $attempt }")" "$program" --quick "${arguments[@]}" --threads 1 --out "$work/killed" >/dev/null 2>&1
  code=$?
  [ $code = 137 ] || break
  killed=$((killed + 1))
done
check $code 0 "a killed run ends at last (after $killed kills)"
check "$(results "$work/killed")" "$(results "$work/a")" "$killed kills change no number"

# --- bad input: one line on stderr, exit code 2, nothing written
refuses() {
  local words=$1
  shift
  refused_as "$words" "$program" --quick "${arguments[@]}" --out "$work/never" "$@"
}
refuses "gleu" --activation gleu
"$program" --help >"$work/help"
for count in epochs steps; do
  if grep -q -- "--$count" "$work/help"; then refuses "0 $count" --$count 0; fi
done
grep -qE -- "--(epochs|steps)" "$work/help"
check $? 0 "the length of training is an option"
refuses "--no-such" --no-such
refuses "--lr" --lr -1
"$program" --quick "${arguments[@]}" --lr 0.0123 --out "$work/a" >/dev/null 2>"$work/err"
check $? 2 "exit code for a folder of other settings"
check "$(results "$work/a2")" "$(results "$work/a")" "a folder of other settings is left alone"
[ $failures = 0 ] && echo "$name: all checks passed"
exit $((failures > 0))
