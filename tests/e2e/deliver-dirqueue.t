#!/bin/sh
# deliver-dirqueue by hand in shell pipelines: what it answers, what it passes
# on, what is in the queue afterwards, and that a Perl consumer can take it.
build=$(cd "${BUILD:-build}" && pwd) || exit 1
take=$PWD/tests/e2e/lib/dirqueue-take
PATH=$build:$PATH
top=$(mktemp -d) || exit 1
trap 'rm -rf "$top"' EXIT
cd "$top" || exit 1
number=0

# is GOT WANTED NAME
is() {
  number=$((number + 1))
  if [ "$1" = "$2" ]; then
    echo "ok $number - $3"
  else
    echo "not ok $number - $3"
    printf '%s\n' "got:" "$1" "wanted:" "$2" | sed 's/^/# /'
  fi
}

# An empty queue.
fresh() {
  rm -rf q
  mkdir q
}

# The number of files in directory $1, of the queue unless it is named.
files() {
  find "${1-q}" -type f | wc -l
}

# Names of jobs and times as they are in every run.
same() {
  sed -E 's/[0-9]{2}\.[0-9]{20}\.[A-Za-z0-9+_]+\.[0-9]+\.[0-9]{5}/JOB/
    s/[0-9]{2}\.[0-9]{20}\.[A-Za-z0-9+_]+\.[0-9]+\.[0-9]{3}$/DATA/
    s/^time: [0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z$/TIME/
    s,/./[0-9]/,/x/y/,'
}

# sink ARGUMENTS: its output and its log, on the stream on standard input.
sink() {
  deliver-dirqueue "$@" 2>log | same
}

envelope='MAIL FROM:<a@b>
RCPT TO:<user@trap.example>
'
body='BDAT 13 LAST
Subject: hi

'

fresh
is "$(printf '%s' "$envelope$body" | sink q)" 'MAIL FROM:<a@b>
250 2.1.5 ok
XNOTE queued=JOB
250 2.6.0 queued as JOB' 'a message'
is "$(same <log)" "deliver-dirqueue: queued id=JOB dir=$top/q bytes=13" \
  'its log line'
is "$(files)" 2 'two files'
fresh
printf '%s' "$envelope$body" | sink -H host.example -p 7 q >out
is "$("$take" q | same | sed 's/^\(QSTT\|QSTM\): [0-9]*$/\1/')" \
  "QDFN: $top/q/data/x/y/DATA
QDSB: 13
QSTT
QSTM
QSHN: host.example
mail_from: a@b
rcpt_to: user@trap.example
TIME

Subject: hi" 'a Perl consumer takes it'
is "$(files)" 0 'and leaves no file'

fresh
printf '%s' 'XCLIENT ADDR=192.0.2.1 NAME=h.example HELO=helo+20x PROTO=ESMTP LOGIN=who
XNOTE session=1.2.3
XNOTE tls=TLSv1.3
XNOTE ident=other
MAIL FROM:<>
XNOTE score=5
XNOTE ip=forged
XNOTE queued=earlier
RCPT TO:<"a b"@c.example> NOTE=ham NOTE=x
RCPT TO:<@route:d@e.example> NOTE=x
BDAT 0 LAST
MAIL FROM:<second@b>
RCPT TO:<f@g>
BDAT 0 LAST
XCLIENT ADDR=192.0.2.2
MAIL FROM:<third@b>
RCPT TO:<h@i>
BDAT 0 LAST
' | sink q >out
"$take" q | same | sed 1,5d >first
"$take" q | same | sed 1,5d >second
"$take" q | same | sed 1,5d >third
is "$(cat first)" "ip: 192.0.2.1
host: h.example
ident: who
helo: helo x
proto: ESMTP
mail_from: 
rcpt_to: \"a b\"@c.example	d@e.example
note: ham x
session: 1.2.3
TIME
tls: TLSv1.3
score: 5" 'all that is known of a message'
is "$(cat second)" "ip: 192.0.2.1
host: h.example
ident: who
helo: helo x
proto: ESMTP
mail_from: second@b
rcpt_to: f@g
session: 1.2.3
TIME
tls: TLSv1.3" 'the next one has the notes of the session only'
is "$(cat third)" "ip: 192.0.2.2
mail_from: third@b
rcpt_to: h@i
TIME" 'and after XCLIENT, none'
is "$(grep -v queued log)" \
  'deliver-dirqueue: note left out session=1.2.3 key=ip reason="reserved key"' \
  'a note with the key of another line is left out, with a log line'

fresh
printf 'XNOTE ident=fromnote\n%s' "$envelope$body" | sink q >out
is "$("$take" q | grep ident)" 'ident: fromnote' 'ident by a note'

fresh
two='MAIL FROM:<a@b>
RCPT TO:<ham@trap.example> NOTE=ham
RCPT TO:<user@trap.example>
'
is "$(printf '%s' "$two$body" | sink -n ham q)" 'MAIL FROM:<a@b>
250 2.1.5 ok
RCPT TO:<user@trap.example>
BDAT 13
Subject: hi

XNOTE queued=JOB
BDAT 0 LAST' 'with -n, others pass on, and the body with them'
is "$(files)" 2 'its own copy is there'
is "$(printf '%s' "$two$body" | sink -n spam q)" 'MAIL FROM:<a@b>
RCPT TO:<ham@trap.example> NOTE=ham
RCPT TO:<user@trap.example>
BDAT 13
Subject: hi

BDAT 0 LAST' 'with -n and no recipient of its own, all passes on'
is "$(files)" 2 'and nothing is stored'
is "$(printf 'MAIL FROM:<a@b>\nRCPT TO:<ham@c> NOTE=ham\n%s' "$body" |
  sink -n ham q)" 'MAIL FROM:<a@b>
250 2.1.5 ok
XNOTE queued=JOB
250 2.6.0 queued as JOB' 'with -n and no other recipient, it answers'

fresh
mkdir ham
is "$(printf '%s' "$two$body" | deliver-dirqueue -n ham ham 2>hamlog |
  sink q)" 'MAIL FROM:<a@b>
250 2.1.5 ok
250 2.1.5 ok
XNOTE queued=JOB
XNOTE queued=JOB
250 2.6.0 queued as JOB' 'two sinks in a pipe'
is "$(files) $(files ham)" '2 2' 'one job in each'
is "$("$take" ham | grep rcpt_to) $("$take" q | grep rcpt_to)" \
  'rcpt_to: ham@trap.example rcpt_to: user@trap.example' \
  'each with its own recipients'
is "$(printf '%s' "$two$body" | deliver-dirqueue -n ham ham 2>hamlog |
  sink missing)" 'MAIL FROM:<a@b>
250 2.1.5 ok
451 4.3.0 unable to store the message, try again later
XNOTE queued=JOB
250 2.6.0 queued' 'the second sink fails at RCPT: the first still holds'

fresh
is "$(printf '%s' "$two$body" | deliver-dirqueue -c copies 2>copylog |
  sink q | grep -v '^XNOTE')" 'MAIL FROM:<a@b>
451 4.3.0 unable to store the message, try again later
451 4.3.0 unable to store the message, try again later
554 5.5.1 no valid recipients' 'a copy that cannot be stored'
mkdir copies
is "$(printf '%s' "$two$body" | sink -c copies)" 'MAIL FROM:<a@b>
RCPT TO:<ham@trap.example> NOTE=ham
RCPT TO:<user@trap.example>
BDAT 13
Subject: hi

XNOTE queued=JOB
BDAT 0 LAST' '-c passes all on'
is "$("$take" copies | grep rcpt_to)" \
  'rcpt_to: ham@trap.example	user@trap.example' 'and stores a copy'
rm -rf copies && mkdir copies
is "$(printf '%s' "$two$body" | deliver-dirqueue -c -n ham copies 2>copylog |
  sink q | grep -v '^XNOTE')" 'MAIL FROM:<a@b>
250 2.1.5 ok
250 2.1.5 ok
250 2.6.0 queued as JOB' '-c -n'
is "$("$take" copies | grep rcpt_to)" 'rcpt_to: ham@trap.example' \
  'a copy for who has the note'
is "$("$take" q | grep rcpt_to)" \
  'rcpt_to: ham@trap.example	user@trap.example' 'all are passed on'
printf 'MAIL FROM:<a@b>\nRCPT TO:<c@d>\n%s' "$body" |
  sink -c -n ham copies >out
is "$(files copies)" 0 'no copy where nobody has it'
is "$(deliver-dirqueue -c -a '250 ok' q 2>&1 </dev/null)" \
  "$(deliver-dirqueue 2>&1 </dev/null)" '-c has no answer to give'
rm -rf copies copylog

rm -rf ham
is "$(printf '%s' "$two$body" | sink -n ham missing)" 'MAIL FROM:<a@b>
451 4.3.0 unable to store the message, try again later
RCPT TO:<user@trap.example>
BDAT 13
Subject: hi

BDAT 0 LAST' 'the first fails: the others pass on'
is "$(ls)" "$(printf 'first\nhamlog\nlog\nout\nq\nsecond\nthird')" \
  'a missing queue is not made'

fresh
is "$(printf '%s' "$envelope$body" | sink -a '550 5.1.1 no such user' q |
  tail -n 1)" '550 5.1.1 no such user' 'another answer'
is "$(printf '%s' "$envelope$body" | sink -a '!421 4.7.0 bye' q |
  tail -n 1)" '!421 4.7.0 bye' 'an answer that hangs up'
is "$(files)" 4 'both were stored'

fresh
is "$(printf '%sBDAT 5\n12345RSET\n%s' "$envelope" "$envelope$body" |
  sink q)" 'MAIL FROM:<a@b>
250 2.1.5 ok
RSET
MAIL FROM:<a@b>
250 2.1.5 ok
XNOTE queued=JOB
250 2.6.0 queued as JOB' 'RSET in the middle of a body'
is "$(files)" 2 'leaves nothing of it'
printf '%sBDAT 5\n12345' "$envelope" | sink q >out
is "$(files)" 2 'nor does end of file between two pieces'
printf '%sBDAT 5\n123' "$envelope" | sink q >out
is "$(files)" 2 'nor end of file in a piece'
is "$(cat log)" 'deliver-dirqueue: fatal: the stream ends in the middle' \
  'which is logged'

fresh
printf 'a\0b\r\nc\rd\n.\r\n.\n\377' >bytes
{
  printf '%sBDAT 3\n' "$envelope"
  head -c 3 bytes
  printf 'BDAT 0\nBDAT 1\n'
  head -c 4 bytes | tail -c 1
  printf 'BDAT %d LAST\n' "$(($(wc -c <bytes) - 4))"
  tail -c +5 bytes
} | sink q >out
find q/data -type f -exec cat {} + >stored
cmp -s bytes stored
is $? 0 'any bytes in any pieces are stored as they came'

fresh
printf 'MAIL FROM:<a@b>\n' >many
yes 'RCPT TO:<012345678901234567890123456789012345678901234567@trap.example>' |
  head -n 2000 >>many
printf '%s' "$body" >>many
sink q <many >out
is "$(grep -c '^250 2.1.5' out) $(grep -c '^452 4.5.3 too many recip' out)" \
  '1585 415' 'recipients as many as the arena holds'
is "$("$take" q | sed -n 's/^rcpt_to: //p' | tr '\t' '\n' | sort -u | wc -l) \
$(tail -n 1 out | cut -c 1-9)" '1 250 2.6.0' 'and the message is stored'

# usage NAME ARGUMENTS: these are wrong.
usage() {
  name=$1
  shift
  deliver-dirqueue "$@" </dev/null >out 2>log
  is "$? $(cut -c 1-24 log | head -n 1)" '100 deliver-dirqueue: usage:' "$name"
}
usage 'no directory'
usage 'two directories' q q
usage 'unknown option' -x q
usage 'priority too high' -p 100 q
usage 'priority no number' -p 5x q
usage 'negative priority' -p -1 q
usage 'answer without a code' -a 'ok then' q
usage 'a note with a blank' -n 'a b' q
usage 'a cap of zero' -j 0 q
deliver-dirqueue "$(printf 'a\nb')" </dev/null >out 2>log
is "$? $(grep -c fatal log)" '100 1' 'a directory with a LF'
deliver-dirqueue -H '' q </dev/null >out 2>log
is "$? $(grep -c fatal log)" '100 1' 'an empty host name'

fresh
is "$(printf '' | sink q && files)" 0 'nothing in, nothing out'
echo "1..$number"
