# What the tests of programs share. To be sourced.

# Leaves the arguments in the array `arguments`. DATASETS/... stands for a file of the data sets; without it the test is skipped.
datasets=${GRADUS_DATASETS:-${GRADUS_TEST_DATASETS:-}}
read_arguments() {
  arguments=()
  local argument
  for argument in "$@"; do
    case $argument in
      DATASETS/*)
        argument=$datasets/${argument#DATASETS/}
        [ -e "$argument" ] || { echo "skipped: $argument is not there"; exit 77; } ;;
    esac
    arguments+=("$argument")
  done
}

failures=0
check() {
  if [ "$1" != "$2" ]; then
    echo "FAILED: $3: expected \"$2\", got \"$1\""
    failures=$((failures + 1))
  fi
}

# refused_as WORDS PROGRAM ARGUMENTS...: one line on stderr with these words, exit code 2, and nothing written to the folder $work/never,
# which the arguments name with --out.
refused_as() {
  local words=$1
  shift
  "$@" >/dev/null 2>"$work/err"
  check $? 2 "exit code of: $*"
  check "$(wc -l <"$work/err")" 1 "lines on stderr of: $* ($(cat "$work/err"))"
  grep -qF -- "$words" "$work/err" || { echo "FAILED: $*: \"$words\" is not in: $(cat "$work/err")"; failures=$((failures + 1)); }
  [ ! -e "$work/never" ] || { echo "FAILED: $*: something was written"; failures=$((failures + 1)); rm -rf "$work/never"; }
}
