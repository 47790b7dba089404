#!/bin/sh
# make: what is built anew after which change, and with which flags. Each build
# is in a folder of its own, of a copy of the sources; make -n shows the rest.
# shellcheck disable=SC2016,SC2317 # commands for ok
. tests/e2e/lib/tap.sh

# What make would do: how many compilations, links and archives.
plan() {
  make -n "$@" >"$work/plan" || return
  echo "$(grep -c -- ' -MMD ' "$work/plan") compiled," \
    "$(grep -c -- ' -lskarnet' "$work/plan") linked"
}

# says PATTERN MAKE-ARGUMENTS...: every line of the plan that compiles has it.
compiles_with() {
  pattern=$1
  shift
  make -n "$@" | grep -- ' -MMD ' >"$work/plan"
  [ -s "$work/plan" ] && ! grep -v -- "$pattern" "$work/plan"
}

unset MAKEFLAGS MAKELEVEL SANITIZE O CFLAGS CPPFLAGS LDFLAGS
tree=$work/tree
mkdir "$tree"
mkdir -p "$tree/build/fetched"
cp -R Makefile conf-cc conf-ld lib edge smtpd filters deliver run tests "$tree"
# What static programs link to, if this build has it already.
[ ! -d build/fetched/static ] ||
  cp -R build/fetched/static "$tree/build/fetched"
cd "$tree" || exit 111
out=$work/out
whole=$(plan O="$out")

ok "a build into a folder of its own" make -s -j2 O="$out"
# shellcheck disable=SC2046 # a list of names
set -- $(grep -l '^main(' edge/*.c smtpd/*.c filters/*.c deliver/*.c | sed 's,.*/,,; s,\.c,,')
programs=$#
for program; do
  ok "$program is there" test -x "$out/$program"
done
ok "the folder of the sources stays as it is" \
  same "$(find build -path build/fetched -prune -o -type f -print)" ""
ok "what starts for each connection is linked static, what has other libraries \
is not" sh -c '! ldd "$1/trap-smtpd" && ldd "$1/rcptcheck" | grep -q pcre2' \
  sh "$out"
ok "then there is nothing to do" make -q O="$out"
sources=$(find lib edge smtpd filters deliver -name '*.c' | wc -l)
ok "each source was compiled" test "${whole%% *}" -ge "$sources"

touch conf-cc
ok "conf-cc changed: all is compiled and linked" \
  same "$(plan O="$out")" "$whole"
touch -r Makefile conf-cc
touch conf-ld
ok "conf-ld changed: all is linked, nothing compiled" \
  same "$(plan O="$out")" "0 compiled, $programs linked"
touch -r Makefile conf-ld
touch lib/exitcode.h
ok "a header changed: who includes it is compiled, others are not" \
  sh -c 'n=$1; [ "${n%% *}" -gt 1 ] && [ "${n%% *}" -lt "$2" ]' sh \
  "$(plan O="$out")" "$sources"
touch -r Makefile lib/exitcode.h
ok "back to nothing to do" make -q O="$out"

printf 'int module_new(void);\nint\nmodule_new(void)\n{\n  return 0;\n}\n' \
  >lib/new.c
ok "a new module is a new file, for static programs, too" \
  same "$(plan O="$out")" "2 compiled, $programs linked"
rm lib/new.c

printf 'other-cc -flag\n\nOnly the first line is read.\n' >conf-cc
printf 'other-ld -lflag\nnot this\n' >conf-ld
ok "the first line of conf-cc compiles" \
  compiles_with '&& other-cc -flag -I\. ' O="$out"
ok "the first line of conf-ld links" \
  sh -c 'make -n O="$1" | grep -c "&& other-ld -lflag" | grep -qx "$2"' sh \
  "$out" "$programs"
ok "CFLAGS and CPPFLAGS come after it" \
  compiles_with '&& other-cc -flag .* -DMINE .*-O0' \
  CPPFLAGS=-DMINE CFLAGS=-O0 O="$out"
ok "LDFLAGS come after it, too" \
  sh -c 'make -n O="$1" LDFLAGS=-mine | grep -q "&& other-ld -lflag .*-mine"' \
  sh "$out"
ok "SANITIZE=1 builds into build/asan, also with CFLAGS given" \
  compiles_with '-O0 .*-fsanitize=address,undefined .*-o build/asan/' \
  SANITIZE=1 CFLAGS=-O0
ok "the Makefile is under 100 lines" \
  test "$(wc -l <Makefile)" -lt 100
ok "make clean" make -s O="$out" clean
ok "leaves nothing" test ! -e "$out"

finish
