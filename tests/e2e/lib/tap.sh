# shellcheck shell=sh
# For tests in sh: TAP, and a folder of the test's own, $work.
set -u
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
count=0
failed=0

# ok NAME COMMAND...: passed if it succeeds; else what it said is shown.
ok() {
  name=$1
  shift
  count=$((count + 1))
  if "$@" >"$work/said" 2>&1; then
    echo "ok $count - $name"
  else
    echo "not ok $count - $name"
    sed 's/^/# /' "$work/said"
    failed=1
  fi
}

# same GOT WANTED, as a command for ok
same() {
  [ "$1" = "$2" ] || {
    printf 'got: %s\nwanted: %s\n' "$1" "$2"
    return 1
  }
}

# Prints the plan; the last thing that a test does.
finish() {
  echo "1..$count"
  exit "$failed"
}
