#!/bin/sh
# What holds of trap-smtpd with stages of its own holds with one pipeline of a
# pool, which all sessions of a trap share.
# shellcheck disable=SC2317 # commands for ok
. tests/e2e/lib/tap.sh

passes() {
  POOLED=1 "tests/e2e/$1.t" >"$work/$1" 2>&1 && return
  grep -A 9 '^not ok' "$work/$1" || tail "$work/$1"
  return 1
}

for name in smtp-transcripts smtp-body smtp-pipelining smtp-disconnect \
  clients load corpus evidence; do
  ok "$name.t passes" passes $name
done

finish
