# Trapline. GNU make; "make" builds into build/. README and INSTALL say the rest.
VERSION = 0.1
PREFIX = /usr/local
O = build
folders = edge smtpd filters deliver lib
# What has a page of section 1 or 8 beside it is a program.
$(foreach f,$(folders),$(eval $f_programs := $(basename $(notdir $(wildcard $f/*.[18])))))
programs = $(foreach f,$(folders),$($f_programs))

# Libraries beside skalibs.
$(foreach p,deliver-smtp trap-tlsd trap-replay,$(eval LIBS_$p = -lssl -lcrypto))
$(foreach p,cleanup rcptcheck rcptcheck-compile,$(eval LIBS_$p = -lpcre2-8))
$(foreach p,dnsnote resolvable,$(eval LIBS_$p = -lcares))
LIBS_spf = -lspf2 -lcares
# Linked static, to start in a fifth of the time, where conf-* say plain cc.
statics = trap-smtpd trap-tcpserver trap-pool received-line deliver-dirqueue \
  $(filter-out trap-tlsd dnsnote,$(edge_programs))
unstatic = filters/rule% filters/spf% edge/tls% lib/smtp% lib/dns%
fetched = build/fetched
static = $(fetched)/static
CC_LINE := $(shell head -n 1 conf-cc)
LD_LINE := $(shell head -n 1 conf-ld)
ifneq ($(firstword $(CC_LINE))$(firstword $(LD_LINE)),cccc)
statics =
endif
ALL_CPPFLAGS = -I. -D_GNU_SOURCE -DVERSION='"$(VERSION)"' $(CPPFLAGS)

ifdef SANITIZE
O = build/asan
statics =
override CFLAGS += -U_FORTIFY_SOURCE -fno-omit-frame-pointer \
  -fsanitize=address,undefined -fno-sanitize-recover=all
endif

units = $(filter-out %/tap,$(patsubst %.c,$O/%,$(wildcard tests/unit/*.c)))
all: $(addprefix $O/,$(programs))

# Every .c of a folder that is no program goes into the folder's archive. A
# program links its own folder's archive and lib's, and no other.
modules = $(filter-out $(patsubst %,$1/%.c,$($1_programs)),$(wildcard $1/*.c))
define folder_rules
$O/obj/$1.a: $(patsubst %.c,$O/obj/%.o,$(modules))
$O/static/$1.a: $(patsubst %.c,$O/static/%.o,$(filter-out $(unstatic),$(modules)))
$(foreach p,$($1_programs),$(eval $O/$p: $(patsubst \
  %,$O/$(if $(filter $p,$(statics)),static,obj)/%,$1/$p.o $1.a lib.a)))
endef
$(foreach f,$(folders),$(eval $(call folder_rules,$f)))
%.a:
	rm -f $@ && ar rcs $@ $^
link = mkdir -p $(@D) && $(LD_LINE) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o %.a,$^)
$(addprefix $O/,$(statics)): LD_LINE := \
  $$(cat $(static)/ld) $(wordlist 2,99,$(LD_LINE))
$(addprefix $O/,$(programs)): conf-ld
	$(link) $(LIBS_$(@F)) -lskarnet $(LIBS)
$(units): $O/tests/unit/%: $O/obj/tests/unit/%.o $O/obj/tests/unit/tap.o \
  $(patsubst %,$O/obj/%.a,$(folders)) conf-ld
	$(link) -lpcre2-8 -lssl -lcrypto -lcares -lskarnet $(LIBS)
compile = $(ALL_CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<
$O/obj/%.o: %.c conf-cc
	mkdir -p $(@D) && $(CC_LINE) $(compile)
$O/static/%.o: %.c conf-cc | $(static)
	mkdir -p $(@D) && $$(cat $(static)/cc) $(wordlist 2,99,$(CC_LINE)) $(compile)
.SECONDARY .DELETE_ON_ERROR:
-include $(wildcard $O/obj/*/*.d $O/static/*/*.d $O/obj/tests/unit/*.d)

# What static programs link to, and the tests' real mail and load client:
# fetched once for all builds.
vpath fetch-% run tests/lib
$(fetched)/%: fetch-%
	$< $@
$O/corpus $O/postfix: $O/%: | $(fetched)/%
	ln -sfn $(abspath $(fetched)/$*) $@

DEPS = build run check
deps: $(static)
	run/deps $(DEPS)
units: $(units)
demo:
	run/deps build run
	$(MAKE) all
	BUILD=$O run/demo
check:
	run/deps build run check
	$(MAKE) all units $(static) $O/corpus $O/postfix
	tests/run $O $(units)
lint:
	run/deps build lint
	tests/lint
fuzz:
	run/deps build fuzz
	O=$O tests/fuzz/run
bench bench-quick bench-queue:
	run/deps build run bench && $(MAKE) all && \
	  BUILD=$O tests/bench/$(if $(filter %queue,$@),queue,bench $(@:bench%=%))
install: all
	run/install $O $(DESTDIR)$(PREFIX) $(programs)
clean:
	rm -rf $O
.PHONY: all deps units demo check lint fuzz bench bench-quick bench-queue install clean
