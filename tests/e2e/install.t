#!/bin/sh
# make install: exactly the files it should, where DESTDIR and PREFIX say; the
# control files that it brings say the defaults that the program has.
# shellcheck disable=SC2016,SC2317 # commands for ok
. tests/e2e/lib/tap.sh
build=${BUILD:-build}

programs=$(grep -l '^main(' edge/*.c smtpd/*.c filters/*.c deliver/*.c | sed 's,.*/,,; s,\.c,,')

# Under umask 077, so that the modes are install's own.
install_to() {
  (umask 077 && make -s "$@" install)
}

# mode and path of each file
listing() {
  (cd "$1" && find . ! -type d -printf '%m %P\n' | LC_ALL=C sort -k 2)
}

wanted() {
  {
    for program in $programs; do
      echo "755 $1/bin/$program"
    done
    for page in */*.[1578]; do
      echo "644 $1/share/man/man${page##*.}/${page##*/}"
    done
    find -L run -mindepth 2 -type f | while read -r file; do
      mode=644
      [ "${file##*/}" != run ] || mode=755
      echo "$mode $1/share/trapline/$file"
    done
  } | LC_ALL=C sort -k 2
}

set -- "O=$build"
# The flags of the build under test, or make would find all out of date.
case $build in */asan) set -- SANITIZE=1 "O=$build" ;; esac
unset MAKEFLAGS MAKELEVEL SANITIZE O DESTDIR PREFIX

ok "make" make -s "$@"
ok "make install" install_to "$@" DESTDIR="$work/stage" PREFIX=/opt/trapline
wanted opt/trapline >"$work/wanted"
listing "$work/stage" >"$work/got"
ok "exactly these files, with these modes" diff -u "$work/wanted" "$work/got"
ok "again, over what is there" \
  install_to "$@" DESTDIR="$work/stage" PREFIX=/opt/trapline
listing "$work/stage" >"$work/got"
ok "the same files" diff -u "$work/wanted" "$work/got"

ok "PREFIX alone" install_to "$@" PREFIX="$work/prefix"
wanted "${work#/}/prefix" | sed "s, ${work#/}/prefix/, ," >"$work/wanted"
listing "$work/prefix" >"$work/got"
ok "exactly these files below it" diff -u "$work/wanted" "$work/got"
ok "a usual PREFIX is /usr/local" \
  sh -c 'make -n "$@" DESTDIR=/x install | grep -q " /x/usr/local "' sh "$@"

for program in $programs; do
  ok "$program has a page" sh -c 'ls "$@"' sh \
    ./*/"$program".[18]
done

# run/trap/control against smtpd/config.c
sed -n 's/^ *{"\([a-z]*\)", [^,]*, [^,]*, \([0-9]*\), &.*/\1 \2/p' \
  smtpd/config.c >"$work/defaults"
ok "the program's defaults are found" test "$(wc -l <"$work/defaults")" -ge 9
while read -r name value; do
  ok "control/$name is the default, $value" \
    sh -c 'head -n 1 "$1" | grep -qx "$2"' sh "run/trap/control/$name" "$value"
done <"$work/defaults"
ok "every number of control/ is one of the program's" \
  sh -c 'cd run/trap/control && for file in *; do
    case $file in pipeline | pool | rcptcheck | personas | tls | evidence) continue ;; esac
    grep -q "^$file " "$1" || { echo "$file"; exit 1; }
  done' sh "$work/defaults"

finish
