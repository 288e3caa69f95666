#!/bin/bash
# index.sh LABS_INDEX: the pages it makes of results that are written here, and what it says of numbers that are missing or have changed.
set -u
index=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failures=0
fail() { echo "FAILED: $1"; failures=1; }
mkdir -p "$folder/results/mine" "$folder/docs"

# results QUICK SKIPPED: a lab with one claim.
results() {
  cat >"$folder/results/mine/claims.json" <<END
{"lab": "mine", "title": "Mine", "question": "?", "quick": $1, "seconds": 1, "confirmed": true, "skipped": $2, "claims": [
  {"id": "E1", "statement": "It is so.", "verdict": "holds", "correct": "It is.", "confirmed": true, "figure": "", "checks": [
    {"quantity": "a, b: c", "predicted": 2, "measured": 1.5, "uncertainty": 0.25, "holds": true},
    {"quantity": "d", "predicted": null, "measured": 3, "uncertainty": null, "holds": true},
    {"quantity": "e, points (± half of the 95 % interval)", "predicted": null, "measured": 0.3, "uncertainty": 0.2, "holds": true},
    {"quantity": "f", "predicted": null, "measured": null, "uncertainty": null, "holds": true}]}]}
END
}
# page TEXT: the template. run: makes the pages.
page() { printf '%s\n' "# Which?" "" "$1" >"$folder/docs/choosing.in.md"; }
run() { output=$("$index" --results "$folder/results" --docs "$folder/docs" 2>&1); }
# refused WORDS: the last run failed and said so, and left the page as it was.
refused() {
  [ "$status" != 0 ] || fail "exit code 0 for: $1"
  echo "$output" | grep -qF "$1" || fail "\"$1\" is not in: $output"
  grep -q "^before$" "$folder/docs/choosing.md" || fail "choosing.md was written in spite of: $1"
}

results false '[]'
page 'A {{mine: a, b: c}}, {{predicted mine: a, b: c}}, {{mine: d}}, {{above mine: a, b: c}}, {{below mine: a, b: c --- d}}, {{full above mine: e, points (± half of the 95 % interval)}}, {{side mine: d}}, {{side mine: a, b: c --- d}}; [mine](mine.md), [all](index.md).

| x | y |
|---|---|
| [mine](mine.md) | {{mine: d}} |

- one
  and on'
run || fail "the page is not made: $output"
grep -qF 'A 1.50 ± 0.25, 2, 3, 1.50 ± 0.25, -1.50 ± 0.25, 0.30 ± 0.20, ahead, behind; [mine](mine.md), [all](index.md).' "$folder/docs/choosing.md" ||
  fail "choosing.md is $(cat "$folder/docs/choosing.md")"
grep -qF '| [mine](mine.md) | 3 |' "$folder/docs/choosing.md" || fail "a table is not filled"
for words in 'href="mine/report.html"' 'href="index.html"' '<td>mine</td>' '<li>one and on</li>'; do
  grep -qF "$words" "$folder/results/choosing.html" || fail "choosing.html has no $words: $(cat "$folder/results/choosing.html")"
done
"$index" --results "$folder/results" --check "$folder/docs" >/dev/null || fail "--check does not accept what was written"
echo "More {{mine: d}}." >>"$folder/docs/choosing.in.md"
"$index" --results "$folder/results" --check "$folder/docs" | grep -q "not made of choosing.in.md" || fail "--check does not notice a new sentence"

echo before >"$folder/docs/choosing.md"
expect_refused() { page "$1"; run; status=$?; refused "$2"; }
expect_refused 'A {{mine: g}}.' 'mine: there is no number "g"'
expect_refused 'A {{mine: f}}.' 'mine: there is no number "f"'
expect_refused 'A {{predicted mine: d}}.' 'mine: there is no number "d"'
expect_refused 'A {{yours: d}}.' 'yours: there is no number "d"'
expect_refused 'A {{full mine: g}}.' 'mine: there is no number "g"'
expect_refused 'A {{below mine: d}}.' 'the text says "below" of mine: d, but it is 3: above'
expect_refused 'A {{open mine: e, points (± half of the 95 % interval)}}.' 'but it is 0.30 ± 0.20: above'
expect_refused 'A {{mine}}.' 'has no "LAB: QUANTITY"'
expect_refused 'A {{beyond mine: d}}.' 'begins with no lab'
expect_refused 'A {{mine: d.' 'is not closed'

# A lab that left something out: the page stays what it was, and that is no mistake. Numbers of quick runs are not judged.
results false '["skipped: MNIST"]'
page 'A {{mine: g}}.'
run || fail "a number that is missing for lack of data is taken for a mistake: $output"
echo "$output" | grep -q "stays what it was" || fail "nothing is said of it: $output"
grep -q "^before$" "$folder/docs/choosing.md" || fail "the page was written all the same"
results true '[]'
page 'A {{full below mine: g}}, {{below mine: d}}.'
cp "$folder/docs/choosing.in.md" "$folder/docs/choosing.md"
sed -i 's/{{[^}]*}}/1/g' "$folder/docs/choosing.md"
"$index" --results "$folder/results" --check "$folder/docs" >/dev/null || fail "--check judges a quick run"
exit $failures
