#!/bin/bash
# The main job as a user meets it: a quick run, the same numbers again, going on after an interruption, and bad input.
# compare_activations.sh PROGRAM [DATASETS]
set -u
program=$1
GRADUS_TEST_DATASETS=${2:-}
. "$(dirname "$0")/common.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# All numbers but the seconds.
numbers() { cut -d, -f1-10 "$1/results.csv"; }

# --- a quick run writes the whole folder
"$program" --quick --threads 1 --out "$work/a" >"$work/log" 2>&1
check $? 0 "exit code of a quick run ($(tail -n 1 "$work/log"))"
for file in results.csv layers.csv runs.csv sweep.csv summary.json run.json report.html figures/comparison_mlp.svg figures/comparison_mlp.png \
  figures/loss_cnn.svg figures/dead_units_cnn.png; do
  [ -s "$work/a/$file" ] || { echo "FAILED: $file is missing or empty"; failures=$((failures + 1)); }
done
check "$(head -n 1 "$work/a/results.csv")" "data,model,activation,seed,epoch,lr,train_loss,val_loss,val_accuracy,test_accuracy,seconds" "header of results.csv"
check "$(wc -l <"$work/a/results.csv")" $((1 + 2 * 3 * 2 * 3)) "rows of results.csv: 2 models, 3 activations, 2 seeds, 3 epochs"
grep -q "<html" "$work/a/report.html" && ! grep -qE '(src|href)="https?://' "$work/a/report.html"
check $? 0 "the report needs no network"

# --- the same numbers again, also on two threads
"$program" --quick --threads 2 --out "$work/b" >/dev/null 2>&1
check $? 0 "exit code of the second run"
check "$(numbers "$work/b" | md5sum)" "$(numbers "$work/a" | md5sum)" "the same numbers on one and on two threads"

# --- started again, it goes on: nothing is left to do, then one more seed
"$program" --quick --threads 1 --out "$work/a" >"$work/log" 2>&1
check $? 0 "exit code of a repeated run"
grep -q "12 runs are finished already" "$work/log"
check $? 0 "a repeated run finds what is finished"
check "$(numbers "$work/b" | md5sum)" "$(numbers "$work/a" | md5sum)" "a repeated run changes nothing"

# --- interrupted and continued: the numbers of a run that went through
settings=(--model mlp --activations relu,gelu --seeds 4 --epochs 40 --lr 0.003 --threads 1)
"$program" "${settings[@]}" --out "$work/whole" >/dev/null 2>&1
check $? 0 "exit code of a whole run"
interrupted=0
for attempt in $(seq 1 60); do
  # Longer each time: a busy machine must get through one run some day.
  timeout --signal=INT "$(awk "BEGIN { print 0.2 + 0.15 * $attempt }")" "$program" "${settings[@]}" --out "$work/parts" >/dev/null 2>&1
  code=$?
  [ $code = 0 ] && break
  interrupted=$((interrupted + 1))
done
check $code 0 "an interrupted run ends at last (after $interrupted interruptions)"
[ "$interrupted" -gt 0 ] || echo "note: the machine was too fast to be interrupted"
check "$(numbers "$work/parts" | sort | md5sum)" "$(numbers "$work/whole" | sort | md5sum)" "interruptions change no number"

# --- bad input: one line on stderr, exit code 2, nothing written
printf '1,2,a\n3,b\n' >"$work/ragged.csv"
printf 'x,y\n' >"$work/header_only.csv"
for i in $(seq 1 60); do echo "$i.5,$i.25"; done >"$work/measurements.csv"
mkdir "$work/broken" "$work/foreign"
echo hello >"$work/foreign/file"
printf '\x00\x00\x08\x03\x00\x00' | tee "$work/broken/train-images-idx3-ubyte" >"$work/broken/train-labels-idx1-ubyte"
refuses() {
  local words=$1
  shift
  refused_as "$words" "$program" --out "$work/never" "$@"
}
refuses "/nowhere" --data mnist --root /nowhere
refuses "--root" --data mnist
refuses "is cut short" --data mnist --root "$work/broken"
refuses "gleu" --activations relu,gleu
refuses "elu is named twice" --activations elu,elu
refuses "line 2" --data "$work/ragged.csv"
refuses "header_only" --data "$work/header_only.csv"
refuses "measurements.csv" --data "$work/measurements.csv"
refuses "none.csv" --data "$work/none.csv"
refuses "0 seeds" --seeds 0
refuses "0 epochs" --epochs 0
refuses "--batch-size" --batch-size 0
refuses "5000" --batch-size 5000
refuses "\"fast\"" --lr fast
refuses "lbfgs" --optimizer lbfgs
refuses "resnet" --model resnet
refuses "imagenet" --data imagenet
refuses "--no-such" --no-such
"$program" --quick --out "$work/foreign" >/dev/null 2>"$work/err"
check $? 2 "exit code for a folder with other files"
check "$(ls "$work/foreign")" "file" "a folder with other files is left alone"
"$program" --quick --epochs 2 --out "$work/a" >/dev/null 2>"$work/err"
check $? 2 "exit code for a folder with other settings"

# --- a run that diverges is reported, and stops no other
"$program" --model mlp --activations relu,elu --seeds 1 --epochs 2 --optimizer sgd --lr 1e8 --init he --out "$work/diverged" >"$work/log" 2>&1
check $? 0 "exit code when runs diverge"
check "$(grep -c ',diverged,' "$work/diverged/runs.csv")" 2 "diverged runs in runs.csv"
grep -q "Runs that diverged" "$work/diverged/report.html"
check $? 0 "the report names diverged runs"

# --- real data, where it is there
if [ -n "$datasets" ] && [ -d "$datasets/mnist" ]; then
  "$program" --quick --data mnist --root "$datasets/mnist" --model mlp --activations relu --out "$work/mnist" >"$work/log" 2>&1
  check $? 0 "MNIST ($(tail -n 1 "$work/log"))"
  "$program" --quick --data "$datasets/tabular/iris.csv" --batch-size 16 --activations relu --out "$work/iris" >"$work/log" 2>&1
  check $? 0 "a CSV file ($(tail -n 1 "$work/log"))"
else
  echo "skipped: real data, which is not at \"$datasets\""
fi
[ $failures = 0 ] && echo "all checks passed"
exit $((failures > 0))
