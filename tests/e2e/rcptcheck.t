#!/bin/sh
# rcptcheck by hand in shell pipelines: what each kind of rule does to a
# recipient, what it says and logs, what -t prints, and what bad rules do.
build=$(cd "${BUILD:-build}" && pwd) || exit 1
PATH=$build:$PATH
top=$(mktemp -d) || exit 1
trap 'rm -rf "$top"' EXIT
cd "$top" || exit 1
mkdir control
unset TRAPLINE_CONTROL
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

# The command's standard output, and its exit code on a line of its own.
# Standard error goes to the file log.
run() {
  "$@" 2>log
  echo "exit $?"
}

cat >control/rcptcheck <<'END'
# the rules of the tests

ham@trap.example OK [note=ham]
old@trap.example DENY User not found.
busy@trap.example DENYSOFT
moved@trap.example DENY 5.1.6 Moved [note=x] away
wait@trap.example DENYSOFT 4.3.2 Not now
evil@trap.example DENY_DISCONNECT Go away
slow@trap.example DENYSOFT_DISCONNECT 4.7.0 Later
/^(any|some)one\d*@/ DECLINED [note=a] [note=b]
  /with blank/ DENY No blanks
@.lab.trap.example OK [note=lab]
@trap.example OK
END

session='XNOTE session=1700000000.000001.42
MAIL FROM:<a@b>
'
is "$(
  run rcptcheck <<END
${session}RCPT TO:<ham@trap.example>
RCPT TO:<Old@Trap.Example>
RCPT TO:<busy@trap.example>
RCPT TO:<moved@trap.example.>
rcpt to: wait@trap.example NOTIFY=NEVER
RCPT TO:<evil@trap.example>
RCPT TO:<slow@trap.example>
RCPT TO:<anyone17@other.example> NOTIFY=NEVER
RCPT TO:<"with blank"@other.example>
RCPT TO:<@route.example:"o\ld"@trap.example>
RCPT TO:<x@lab.trap.example>
RCPT TO:<x@a.LAB.trap.example>
RCPT TO:<x@trap.example> CHECKED
RCPT TO:<old@trap.example> CHECKED NOTE=first
RCPT TO:<x@trap.example>
RCPT TO:<x@sub.trap.example>
RCPT TO:<old@trap.example.org>
BDAT 5
abcd
BDAT 0 LAST
END
)" "${session}RCPT TO:<ham@trap.example> CHECKED NOTE=ham
550 5.1.1 User not found.
450 4.2.1 Mailbox temporarily unavailable
550 5.1.6 Moved away
450 4.3.2 Not now
!550 5.1.1 Go away
!450 4.7.0 Later
RCPT TO:<anyone17@other.example> NOTIFY=NEVER NOTE=a NOTE=b
550 5.1.1 No blanks
550 5.1.1 User not found.
RCPT TO:<x@lab.trap.example> CHECKED NOTE=lab
RCPT TO:<x@a.LAB.trap.example> CHECKED NOTE=lab
RCPT TO:<x@trap.example> CHECKED
RCPT TO:<old@trap.example> CHECKED NOTE=first
RCPT TO:<x@trap.example> CHECKED
RCPT TO:<x@sub.trap.example>
RCPT TO:<old@trap.example.org>
BDAT 5
abcd
BDAT 0 LAST
exit 0" "each recipient gets what the first rule that matches says"

id='session=1700000000.000001.42'
is "$(cat log)" \
  "rcptcheck: refused $id rule=control/rcptcheck:4 code=DENY rcpt=Old@Trap.Example
rcptcheck: refused $id rule=control/rcptcheck:5 code=DENYSOFT rcpt=busy@trap.example
rcptcheck: refused $id rule=control/rcptcheck:6 code=DENY rcpt=moved@trap.example.
rcptcheck: refused $id rule=control/rcptcheck:7 code=DENYSOFT rcpt=wait@trap.example
rcptcheck: refused $id rule=control/rcptcheck:8 code=DENY_DISCONNECT rcpt=evil@trap.example
rcptcheck: refused $id rule=control/rcptcheck:9 code=DENYSOFT_DISCONNECT rcpt=slow@trap.example
rcptcheck: refused $id rule=control/rcptcheck:11 code=DENY rcpt=\"\\x22with blank\\x22@other.example\"
rcptcheck: refused $id rule=control/rcptcheck:4 code=DENY rcpt=\\x22o\\x5cld\\x22@trap.example" \
  "each refusal is a log line with session, rule, code and recipient"

is "$(
  printf 'MAIL FROM:<>\nRCPT TO:<old@trap.example>\nBDAT 2 LAST\nx\n' |
    run rcptcheck | sed 's/^554 .*/554/'
)" "MAIL FROM:<>
550 5.1.1 User not found.
554
exit 0" "a message without a recipient goes no further"

is "$(
  run rcptcheck -t HAM@trap.example '<x@A.lab.trap.example>' anyone1 \
    anyone1@x '"with blank"@x' q@q
)" "HAM@trap.example: control/rcptcheck:3: ham@trap.example OK [note=ham]
<x@A.lab.trap.example>: control/rcptcheck:12: @.lab.trap.example OK [note=lab]
anyone1: no rule matches
anyone1@x: control/rcptcheck:10: /^(any|some)one\\d*@/ DECLINED [note=a] [note=b]
\"with blank\"@x: control/rcptcheck:11: /with blank/ DENY No blanks
q@q: no rule matches
exit 0" "-t says which rule decides"
is "$(cat log)" "" "-t has nothing to log"
is "$(run rcptcheck -t ham@trap.example 'a b' '' '<>'; cat log)" \
  'ham@trap.example: control/rcptcheck:3: ham@trap.example OK [note=ham]
exit 100
rcptcheck: no address text="a b"
rcptcheck: no address text=""
rcptcheck: no address text=<>' "-t names what is no address"

# Two checks in one pipeline: what one has accepted the next leaves alone.
printf '%s\n' '@trap.example DENY second' '/^anyone/ OK [note=c]' >second
is "$(
  printf 'MAIL FROM:<>\nRCPT TO:<%s>\nRCPT TO:<%s>\nRCPT TO:<%s>\n' \
    ham@trap.example anyone@x.example old@trap.example |
    rcptcheck 2>log | run rcptcheck -f second
)" "MAIL FROM:<>
RCPT TO:<ham@trap.example> CHECKED NOTE=ham
RCPT TO:<anyone@x.example> NOTE=a NOTE=b CHECKED NOTE=c
550 5.1.1 User not found.
exit 0" "OK marks for later checks, DECLINED does not"

mkdir other
echo 'a@b DENY' >other/rcptcheck
is "$(TRAPLINE_CONTROL=other run rcptcheck -t a@b)" \
  "a@b: other/rcptcheck:1: a@b DENY
exit 0" "TRAPLINE_CONTROL names the control directory"

long=$(printf '%5000s' '' | tr ' ' x)
cat >bad <<END
ham@x
@x Ok
@x ok
/a(/ OK
/a OK
@ OK
/a/ OK [note=a b]
/a/ OK $long
<> OK
@good.example OK
END
is "$(run rcptcheck -f bad -t a@x a@good.example; cat log)" \
  "a@x: no rule matches
a@good.example: bad:10: @good.example OK
exit 0
rcptcheck: bad rule rule=bad:1 problem=\"no CODE\"
rcptcheck: bad rule rule=bad:2 problem=\"unknown CODE: want OK, DENY, DENYSOFT, DENY_DISCONNECT, DENYSOFT_DISCONNECT or DECLINED, in capitals\"
rcptcheck: bad rule rule=bad:3 problem=\"unknown CODE: want OK, DENY, DENYSOFT, DENY_DISCONNECT, DENYSOFT_DISCONNECT or DECLINED, in capitals\"
rcptcheck: bad rule rule=bad:4 problem=\"missing closing parenthesis at offset 2\"
rcptcheck: bad rule rule=bad:5 problem=\"regex does not end: no / followed by a blank\"
rcptcheck: bad rule rule=bad:6 problem=\"no domain after @\"
rcptcheck: bad rule rule=bad:7 problem=\"bad note: want [note=NAME], NAME 1 to 32 of A-Za-z0-9._-\"
rcptcheck: bad rule rule=bad:8 problem=\"line too long\"
rcptcheck: bad rule rule=bad:9 problem=\"PATTERN is no address, @domain or /regex/\"" \
  "bad rules are named, the others work"

is "$(printf 'MAIL FROM:<>\n' | run rcptcheck -f bad; wc -l <log)" \
  "MAIL FROM:<>
exit 0
9" "... by a stage too"
{
  cat bad
  echo a@x
  echo a@x
  echo a@x
} >worse
is "$(printf 'MAIL FROM:<>\n' | run rcptcheck -f worse; tail -n +10 log)" \
  "MAIL FROM:<>
exit 0
rcptcheck: bad rule rule=worse:11 problem=\"no CODE\"
rcptcheck: more bad rules file=worse problem=\"2 more; rcptcheck-compile names them\"" \
  "of many, ten are"

echo '# nothing' >empty
is "$(printf 'MAIL FROM:<>\nRCPT TO:<a@b>\n' | run rcptcheck -f empty; cat log)" \
  'MAIL FROM:<>
RCPT TO:<a@b>
exit 0
rcptcheck: no rules file=empty problem="every recipient passes"' \
  "a file without rules is told"

is "$(run rcptcheck -f missing </dev/null; cat log)" \
  "exit 111
rcptcheck: fatal: unable to read rules from missing: No such file or directory" \
  "a missing file is fatal"
is "$(run rcptcheck -f . </dev/null; cat log)" \
  "exit 111
rcptcheck: fatal: unable to read rules from .: Invalid argument" \
  "so is a directory"
usage='exit 100
rcptcheck: usage: rcptcheck [-f file] [-t address ...]'
is "$(run rcptcheck -t; cat log)" "$usage" "-t wants an address"
is "$(run rcptcheck -f; cat log)" "$usage" "-f wants a file"
is "$(run rcptcheck a@b; cat log)" "$usage" "no argument without -t"
is "$(run rcptcheck -x; cat log)" "$usage" "no other option"

# Regexes that would run for ever, and an address for each.
cat >evil <<'END'
/^(a+)+$/ DENY evil
/^(a|aa)+$/ DENY evil
/^(.*)*x$/ DENY evil
/^(?:(?:a|b)*)*c$/ DENY evil
/^(([a-z])+.)+[A-Z]([a-z])+$/ DENY evil
/^(?:(?R)|a)$/ DENY evil
@b OK
END
as=$(printf '%800s' '' | tr ' ' a)
is "$(printf 'MAIL FROM:<>\nRCPT TO:<%s@b>\n' "$as" |
  timeout 60 rcptcheck -f evil 2>log)" "MAIL FROM:<>
RCPT TO:<$as@b> CHECKED" "no regex hangs the session"
is "$(sed -n 's/ rcpt=aaa.*//
  s/^rcptcheck: regex gave up rule=evil:1 problem="match limit"$/found/p' log)" \
  "found" "a limit that was passed is logged"

echo "1..$number"
