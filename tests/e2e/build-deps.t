#!/bin/sh
# run/deps, with a dpkg, an apt-get, a sudo and an id that only say what they
# were asked: nothing is installed here.
# shellcheck disable=SC2016,SC2317 # commands for ok
. tests/e2e/lib/tap.sh
bin=$work/bin
mkdir "$bin"

# fake NAME: a command of this name that does what standard input says.
fake() {
  {
    echo '#!/bin/sh'
    cat
  } >"$bin/$1"
  chmod 755 "$bin/$1"
}

for command in sh cat sed env mktemp rm; do
  ln -s "$(command -v "$command")" "$bin/$command"
done
fake dpkg-query <<'END'
for package; do
  case $package in
  -*) ;;
  skalibs-dev) echo "config-files $package" ;;
  libc6-dev | libpcre2-dev | libssl-dev | libc-ares-dev | libspf2-dev)
    echo "installed $package"
    ;;
  esac
done
exit 1
END
fake apt-get <<'END'
echo "apt-get $*" >>"$ASKED"
echo "apt says this"
case " $* " in
*" update "*) : >"$ASKED.updated" ;;
*" -s "*) [ -e "$ASKED.updated" ] || [ "$LISTS" ] ;;
*) [ "$WORKS" ] ;;
esac
END
fake id <<'END'
echo "$USER_ID"
END
fake sudo <<'END'
echo "sudo $*" >>"$ASKED"
[ "$SUDO" ] || exit 1
[ "$1" != -n ] || shift
exec "$@"
END

# deps USER_ID SUDO LISTS WORKS GROUP...: its exit code, its words, and what
# the others were asked.
deps() {
  rm -f "$work/asked" "$work/asked.updated"
  : >"$work/asked"
  env -i PATH="$bin" ASKED="$work/asked" USER_ID="$1" SUDO="$2" LISTS="$3" \
    WORKS="$4" run/deps "$5" >"$work/words" 2>&1
  code=$?
}

asked() {
  sed 's/ -q -y -o [^ ]* -o [^ ]*//; s/env DEB[^ ]*/env .../' "$work/asked"
}

says() {
  grep -q -- "$1" "$work/words" || {
    cat "$work/words"
    return 1
  }
}

for command in cc make true; do
  ln -s /bin/true "$bin/$command"
done
missing=skalibs-dev
install="apt-get install --no-install-recommends --no-remove"

deps 0 '' 1 1 build
ok "root: exit 0" same "$code" 0
ok "root: what was removed but for its settings is installed" \
  same "$(asked)" "$install -s $missing
$install $missing"
ok "root: one line says what" \
  same "$(cat "$work/words")" "deps: installing Debian packages: $missing"

deps 0 '' '' 1 build
ok "no list of packages: it is got first" \
  same "$(asked)" "$install -s $missing
apt-get update
$install $missing"

deps 0 '' 1 '' build
ok "apt fails: exit 111" same "$code" 111
ok "apt fails: its words are shown" says "apt says this"
ok "apt fails: once more, with a new list" \
  same "$(asked)" "$install -s $missing
$install $missing
apt-get update
$install $missing"

deps 1000 '' 1 1 build
ok "no root, no sudo: exit 100" same "$code" 100
ok "no root, no sudo: the packages are named" \
  says "apt-get install --no-install-recommends $missing\$"
ok "no root, no sudo: nothing is tried" same "$(asked)" "sudo -n true"

deps 1000 1 1 1 build
ok "sudo: exit 0" same "$code" 0
ok "sudo: apt-get by sudo" \
  sh -c 'grep -q "^sudo env DEBIAN_FRONTEND=noninteractive apt-get" "$1"' sh \
  "$work/asked"

rm "$bin/cc"
deps 1000 '' 1 1 build
ok "a command that is missing: its package is" says "missing: gcc $missing\$"
deps 0 '' 1 1 nonsense
ok "an unknown group: exit 100" same "$code" 100

ok "on this machine nothing is missing for the tests" \
  same "$(run/deps build run check 2>&1)" ""
finish
