# Trapline. GNU make; "make" builds into build/. README and INSTALL say the rest.
VERSION = 0.1
PREFIX = /usr/local
SHARE = $(abspath $(DESTDIR)$(PREFIX))/share/trapline/run
O = build

smtpd_programs = trap-smtpd trap-pool
filters_programs = rcptcheck rcptcheck-compile received-line
deliver_programs = deliver-dirqueue
folders = smtpd filters deliver lib
programs = $(foreach f,$(folders),$($f_programs))

# Libraries beside skalibs that a program needs.
LIBS_rcptcheck = -lpcre2-8
LIBS_rcptcheck-compile = -lpcre2-8

CC_LINE := $(shell head -n 1 conf-cc)
LD_LINE := $(shell head -n 1 conf-ld)
ALL_CPPFLAGS = -I. -D_GNU_SOURCE -DVERSION='"$(VERSION)"' $(CPPFLAGS)

SANITIZERS = -fsanitize=address,undefined -fno-sanitize-recover=all
ifdef SANITIZE
O = build/asan
override CFLAGS += -U_FORTIFY_SOURCE -fno-omit-frame-pointer $(SANITIZERS)
endif

archives = $(patsubst %,$O/%.a,$(folders))
units = $(filter-out %/tap,$(patsubst %.c,$O/%,$(wildcard tests/unit/*.c)))
pages = $(wildcard $(foreach n,1 5 7 8,$(folders:=/*.$n) run/*.$n))

all: $(addprefix $O/,$(programs))

# Every .c of a folder that is no program goes into the folder's archive. A
# program links its own folder's archive and lib's, and no other.
modules = $(filter-out $(patsubst %,$1/%.c,$($1_programs)),$(wildcard $1/*.c))
define folder_rules
$O/$1.a: $(patsubst %.c,$O/obj/%.o,$(call modules,$1))
	rm -f $$@ && ar rcs $$@ $$^
$(foreach p,$($1_programs),$(eval $O/$p: $O/obj/$1/$p.o $O/$1.a $O/lib.a))
endef
$(foreach f,$(folders),$(eval $(call folder_rules,$f)))

link = $(LD_LINE) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o %.a,$^)
$(addprefix $O/,$(programs)): conf-ld
	$(link) $(LIBS_$(@F)) -lskarnet $(LIBS)
$(units): $O/tests/unit/%: $O/obj/tests/unit/%.o $O/obj/tests/unit/tap.o \
  $(archives) conf-ld
	@mkdir -p $(@D)
	$(link) -lpcre2-8 -lskarnet $(LIBS)
$O/obj/%.o: %.c conf-cc
	@mkdir -p $(@D)
	$(CC_LINE) $(ALL_CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<
.SECONDARY:
-include $(wildcard $O/obj/*/*.d $O/obj/tests/unit/*.d)

# Real mail and a load client for the tests, fetched once for all builds.
fetched = build/fetched
$(fetched)/%: tests/lib/fetch-%
	tests/lib/fetch-$* $@
$O/corpus $O/postfix: $O/%: | $(fetched)/%
	@mkdir -p $O && ln -sfn $(abspath $(fetched)/$*) $@

DEPS = build run check
deps:
	run/deps $(DEPS)
units: $(units)
demo:
	run/deps build run
	$(MAKE) all
	BUILD=$O run/demo
check:
	run/deps build run check
	$(MAKE) all units $O/corpus $O/postfix
	BUILD=$O PYTHONDONTWRITEBYTECODE=1 \
	  LSAN_OPTIONS=suppressions=$(abspath tests/lib/lsan.supp):print_suppressions=0 \
	  prove -j2 --exec '' $(units) $(wildcard tests/e2e/*.t)
lint:
	run/deps build lint
	tests/lint
fuzz:
	run/deps build fuzz
	O=$O tests/fuzz/run
install: all
	install -d $(DESTDIR)$(PREFIX)/bin
	install $(addprefix $O/,$(programs)) $(DESTDIR)$(PREFIX)/bin
	for page in $(pages); do install -D -m 644 $$page \
	  $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/} || exit; done
	cd run && for file in $$(find */ -type f); do mode=644; \
	  [ ! -x $$file ] || mode=755; \
	  install -D -m $$mode $$file $(SHARE)/$$file || exit; done
clean:
	rm -rf $O
.PHONY: all units deps demo check lint fuzz install clean
.DELETE_ON_ERROR:
