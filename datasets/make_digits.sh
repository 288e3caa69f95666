#!/bin/sh
# Makes digits.txt, the form in which the library carries the 8x8 digits, from the test set of the UCI repository:
#   sh make_digits.sh optdigits.tes > digits.txt
# optdigits.tes comes from https://archive.ics.uci.edu/dataset/80 and is checked before anything is written.
set -eu

if [ $# -ne 1 ] || [ ! -f "$1" ]; then
  echo "usage: $0 optdigits.tes > digits.txt" >&2
  exit 2
fi
expected=6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8
if ! echo "$expected  $1" | sha256sum -c - >/dev/null 2>&1; then
  echo "$0: $1 is not the published optdigits.tes (its SHA-256 is not $expected)" >&2
  exit 1
fi

cat <<'HEADER'
# Optical Recognition of Handwritten Digits, the test set: 1797 images of 8x8 by 13 writers.
# E. Alpaydin, C. Kaynak (1998), UCI Machine Learning Repository, https://doi.org/10.24432/C50P49
# Licence: CC BY 4.0, https://creativecommons.org/licenses/by/4.0/ . Changes: the notation; the numbers are as published.
# One line per image: the digit, then its 64 pixels row by row as letters, a = 0 ... q = 16 dark cells of the 4x4 in the scan.
HEADER
awk -F, '
  NF != 65 { print "line " NR " has " NF " fields, 65 are expected" > "/dev/stderr"; exit 1 }
  { line = int($65); for (i = 1; i <= 64; ++i) line = line substr("abcdefghijklmnopq", $i + 1, 1); print line }
' "$1"
