#!/bin/bash
# exercise.sh STUBS SOLUTIONS: the solutions pass every check, each shipped stub fails with a hint.
set -u
failures=0
"$2" || { echo "FAILED: the solutions do not pass"; failures=1; }
count=$("$2" | grep -c "^  solved$")
[ "$count" -gt 0 ] || { echo "FAILED: there are no exercises"; failures=1; }
for number in $(seq 1 "$count"); do
  output=$("$1" "$number")
  [ $? = 1 ] || { echo "FAILED: stub $number does not fail"; failures=1; }
  echo "$output" | grep -q "not done yet. Hint: ...." || { echo "FAILED: stub $number gives no hint: $output"; failures=1; }
done
"$1" 0 2>/dev/null
[ $? = 2 ] || { echo "FAILED: exercise 0 is not refused"; failures=1; }
exit $failures
