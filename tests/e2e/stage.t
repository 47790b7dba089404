#!/bin/sh
# Stages by hand, in shell pipelines: trapline-stream(7), rule by rule.
build=$(cd "${BUILD:-build}" && pwd) || exit 111
PATH=$build:$PATH
unset TRAPLINE_CONTROL
base=$(mktemp -d "${TMPDIR:-/tmp}/trapline-stage.XXXXXX") || exit 111
trap 'rm -rf "$base"' EXIT
trap 'exit 111' HUP INT TERM
cd "$base" || exit 111
mkdir control q r
echo mx.trap.example >control/me
cat >control/rcptcheck <<'RULES'
old@trap.example   DENY 5.1.1 User not found.
later@trap.example DENYSOFT Try again
ham@trap.example   OK [note=ham]
bye@trap.example   DENY_DISCONNECT
@trap.example      OK
RULES
: >none
number=0
failed=0

# is NAME GOT WANTED
is() {
  number=$((number + 1))
  if [ "$2" = "$3" ]; then
    echo "ok $number - $1"
    return
  fi
  failed=1
  echo "not ok $number - $1"
  printf '%s\n' "$2" | sed 's/^/#    got: /'
  printf '%s\n' "$3" | sed 's/^/# wanted: /'
}

# What comes out, job names made alike, NUL and CR made visible.
plain() {
  LC_ALL=C tr '\000\r' '~^' |
    sed -E 's/50\.[0-9]{20}\.[A-Za-z0-9+_-]+(\.[0-9]+)*/JOB/g'
}

# pipe INPUT PIPELINE: its output; logs are in ./log.
pipe() {
  # shellcheck disable=SC2059
  printf "$1" | sh -c "$2" 2>log | plain
}

# Names of files in a queue, jobs and pieces of them.
files() {
  find "$1" -type f | wc -l | tr -d ' '
}

empty() {
  is "... $1 holds nothing" "$(files "$1")" 0
}

clean() {
  rm -rf q r
  mkdir q r
}

data() {
  find "$1/data" -type f -exec cat {} + | plain
}

mail='MAIL FROM:<a@b>\nRCPT TO:<u@trap.example>\n'
all='rcptcheck | received-line | deliver-dirqueue q'

test_example() {
  is "the example of the design" "$(pipe 'MAIL FROM:<a@b>
RCPT TO:<user@trap.example>
RCPT TO:<old@trap.example>
BDAT 13 LAST
Subject: hi

' "$all")" 'MAIL FROM:<a@b>
250 2.1.5 ok
550 5.1.1 User not found.
XNOTE queued=JOB
250 2.6.0 queued as JOB'
  is "... two files make a job" "$(files q)" 2
  is "... its data" "$(data q | sed '1s/; .*/; DATE/; 1s,/[0-9.]*),/V),')" \
    'Received: from unknown (unknown [unknown]) by mx.trap.example (trapline/V) with unknown ident=unknown MAIL_FROM=<a@b> RCPT_TO=<user@trap.example>; DATE
Subject: hi'
  clean
}

test_passing() {
  for stage in "rcptcheck -f none" "deliver-dirqueue -n none q"; do
    is "$stage passes on what it does not answer" "$(pipe \
      'XCLIENT ADDR=192.0.2.1\nXNOTE k=v\nmail from:<a@b> SIZE=9\nRCPT TO:<c@d> NOTE=x\nBDAT 2\na\n250 ok\nNOOP x\nBDAT 0 LAST\nRSET\n!550 no\n' \
      "$stage")" 'XCLIENT ADDR=192.0.2.1
XNOTE k=v
mail from:<a@b> SIZE=9
RCPT TO:<c@d> NOTE=x
BDAT 2
a
250 ok
NOOP x
BDAT 0 LAST
RSET
!550 no'
  done
  empty q
  is "any byte passes through a body" "$(pipe \
    "${mail}"'BDAT 22 LAST\nRSET\n\000\r\r\n.\n\r\n.\r\n\377MAIL\n' \
    'rcptcheck | deliver-dirqueue q' | tail -n 1)" '250 2.6.0 queued as JOB'
  is "... as it came" "$(data q)" "$(printf \
    'RSET\n\000\r\r\n.\n\r\n.\r\n\377MAIL\n' | plain)"
  clean
}

test_routing() {
  sinks='rcptcheck | deliver-dirqueue -n ham q | deliver-dirqueue r'
  is "two sinks, a recipient for each" "$(pipe \
    'MAIL FROM:<>\nRCPT TO:<ham@trap.example>\nRCPT TO:<u@trap.example>\nRCPT TO:<later@trap.example>\nRCPT TO:<bye@trap.example>\nBDAT 2\na\nBDAT 2 LAST\nb\n' \
    "$sinks")" 'MAIL FROM:<>
250 2.1.5 ok
250 2.1.5 ok
450 4.2.1 Try again
!550 5.1.1 User unknown
XNOTE queued=JOB
XNOTE queued=JOB
250 2.6.0 queued as JOB'
  is "... the same message in both" "$(data q)$(data r)" 'a
ba
b'
  clean
  is "one sink takes all: the other sees no body" "$(pipe \
    'MAIL FROM:<>\nRCPT TO:<ham@trap.example>\nBDAT 2 LAST\na\n' "$sinks")" \
    'MAIL FROM:<>
250 2.1.5 ok
XNOTE queued=JOB
250 2.6.0 queued as JOB'
  empty r
  clean
  is "a sink has it, the stage behind refuses the rest" "$(pipe \
    'MAIL FROM:<>\nRCPT TO:<h@b> NOTE=x\nRCPT TO:<old@trap.example>\nBDAT 2 LAST\na\n' \
    'deliver-dirqueue -n x q | rcptcheck')" 'MAIL FROM:<>
250 2.1.5 ok
550 5.1.1 User not found.
XNOTE queued=JOB
250 2.6.0 queued'
  is "all refused" "$(pipe \
    'MAIL FROM:<>\nRCPT TO:<old@trap.example>\nBDAT 2\na\nBDAT 0 LAST\nRSET\n' \
    "$all")" 'MAIL FROM:<>
550 5.1.1 User not found.
554 5.5.1 no valid recipients
RSET'
  rmdir r
  is "the second sink fails at once" "$(pipe \
    'MAIL FROM:<>\nRCPT TO:<u@trap.example>\nBDAT 2 LAST\na\n' \
    'deliver-dirqueue r')" 'MAIL FROM:<>
451 4.3.0 unable to store the message, try again later
554 5.5.1 no valid recipients'
  clean
}

test_forgetting() {
  is "RSET in mid-body, then a message" "$(pipe \
    "${mail}BDAT 2\na\nRSET\n${mail}BDAT 2 LAST\nb\n" \
    'deliver-dirqueue q')" 'MAIL FROM:<a@b>
250 2.1.5 ok
RSET
MAIL FROM:<a@b>
250 2.1.5 ok
XNOTE queued=JOB
250 2.6.0 queued as JOB'
  is "... only that is there" "$(data q) $(files q)" 'b 2'
  clean
  is "MAIL after MAIL" "$(pipe "${mail}MAIL FROM:<c@d>\nBDAT 2 LAST\na\n" \
    'deliver-dirqueue q; echo $?')" 'MAIL FROM:<a@b>
250 2.1.5 ok
MAIL FROM:<c@d>
111'
  empty q
  is "XCLIENT forgets the transaction" "$(pipe \
    "${mail}XCLIENT ADDR=192.0.2.1\nRCPT TO:<a@b>\n" \
    'deliver-dirqueue q; echo $?')" 'MAIL FROM:<a@b>
250 2.1.5 ok
XCLIENT ADDR=192.0.2.1
111'
  empty q
  is "an end between two pieces" "$(pipe "${mail}BDAT 2\na\n" \
    'deliver-dirqueue q; echo $?')" 'MAIL FROM:<a@b>
250 2.1.5 ok
0'
  is "... leaves no file" "$(files q)" 0
}

test_notes() {
  pipe "XCLIENT ADDR=192.0.2.1 HELO=one\nXNOTE session=1.2.3\nXNOTE k=first\n${mail}XNOTE t=1\nBDAT 0 LAST\nXCLIENT ADDR=IPV6:2001:db8::1\nXNOTE session=4.5.6\n${mail}BDAT 1\naXNOTE t=2+20x\nBDAT 0 LAST\n" \
    'rcptcheck | received-line | deliver-dirqueue q' >/dev/null
  for value in 192.0.2.1 one 1.2.3 first 2001:db8::1 4.5.6 '2 x'; do
    text=$(echo "$value" | sed 's/\./[.]/g')
    is "one job has $value" \
      "$(grep -rlE "[:=] ?$text\$" q/queue | wc -l | tr -d ' ')" 1
  done
  is "the session's id is in the log" \
    "$(grep -c 'deliver-dirqueue: queued session=[14]\.[25]\.[36] ' log)" 2
  clean
}

# breaks NAME BEFORE LINE LOG: each stage ends with 111, logs, delivers nothing.
breaks() {
  for stage in rcptcheck received-line 'deliver-dirqueue q'; do
    # shellcheck disable=SC2059
    printf "$2$3\nRSET\n" >in
    # shellcheck disable=SC2086
    $stage <in >out 2>log
    is "$1, $stage" "$? $(plain <log | grep fatal)" \
      "111 ${stage%% *}: fatal: $4"
    is "... nothing behind it comes out" "$(grep -ac RSET out)" 0
    is "... no file is left" "$(files q)" 0
  done
}

test_out_of_order() {
  order='command out of order line='
  breaks 'RCPT without MAIL' '' 'RCPT TO:<a@b>' "$order\"RCPT TO:<a@b>\""
  breaks 'RCPT after RSET' "${mail}RSE\n" 'RCPT FROM:<>' \
    'malformed RCPT line="RCPT FROM:<>"'
  breaks 'BDAT without MAIL' '' 'BDAT 1 LAST' "$order\"BDAT 1 LAST\""
  breaks 'BDAT without RCPT' 'MAIL FROM:<>\n' 'BDAT 1' "$order\"BDAT 1\""
  for line in 'MAIL FROM:<>' 'RCPT TO:<c@d>' 'XCLIENT ADDR=192.0.2.1'; do
    breaks "$line in mid-body" "${mail}BDAT 1\nx" "$line" "$order\"$line\""
  done
}

test_malformed() {
  for line in 'MAIL FROM' 'MAIL FROM:<a@b' 'RCPT TO:<>' 'RCPT TO:<a@b> ==' \
    'BDAT x' 'BDAT 1 FIRST' 'BDAT 1000000000000000000' 'XNOTE K=v' 'XNOTE k=+' \
    'XCLIENT ADDR=localhost' 'XCLIENT x'; do
    breaks "malformed" "$mail" "$line" "malformed ${line%% *} line=\"$line\""
  done
  middle='the stream ends in the middle'
  for end in 'BDAT 99 LAST\nabc' 'BDAT 99\nabc' 'BDAT 1 LAST\n' 'RCP'; do
    for stage in rcptcheck received-line 'deliver-dirqueue q'; do
      # shellcheck disable=SC2059
      printf "$mail$end" >in
      # shellcheck disable=SC2086
      $stage <in >out 2>log
      is "cut short, $stage" "$? $(cat log)" \
        "111 ${stage%% *}: fatal: $middle"
      is "... no file is left" "$(files q)" 0
    done
  done
}

# A line of so many bytes with its LF.
long_line() {
  printf 'X%*s\n' $(($1 - 2)) ''
}

test_line_limit() {
  for stage in rcptcheck received-line 'deliver-dirqueue q'; do
    for bytes in 8191 8192; do
      long_line $bytes >in
      $stage <in >out 2>log
      is "a line of $bytes bytes, $stage" "$? $(cmp in out && echo same)" \
        '0 same'
    done
    long_line 8193 >in
    $stage <in >out 2>log
    is "a line of 8193 bytes, $stage" "$? $(cat log) $(wc -c <out)" \
      "111 ${stage%% *}: fatal: line too long in the stream 0"
  done
}

# Input that comes byte by byte gives what it gives in one piece.
test_split() {
  # shellcheck disable=SC2059
  printf "XNOTE session=s\n${mail}RCPT TO:<old@trap.example>\nBDAT 3\na\nbBDAT 4 LAST\nRSETRSET\n" >in
  sh -c "$all" <in 2>/dev/null | plain >out
  perl -e '$| = 1; $/ = \1; print while <STDIN>' <in |
    sh -c "$all" 2>/dev/null | plain >pieces
  is "byte by byte" "$(cat pieces)" "$(cat out)"
  is "... and so is the message" \
    "$(find q/data -type f -exec sed 1d {} \; | plain)" 'a
bRSETa
bRSET'
  clean
}

test_dead_stage() {
  # A reader that is surely gone: the pipe is broken before the first write.
  mkfifo fifo
  (exec 3<fifo) &
  reader=$!
  exec 4>fifo
  wait "$reader"
  # shellcheck disable=SC2059
  printf "$mail" | received-line >&4 2>log
  is "nobody reads: 111" "$? $(cat log)" \
    '111 received-line: fatal: unable to write the stream error="Broken pipe"'
  exec 4>&-
}

test_example
test_passing
test_routing
test_forgetting
test_notes
test_out_of_order
test_malformed
test_line_limit
test_split
test_dead_stage
echo "1..$number"
exit $failed
