# Trapline. "make" builds into build/; README says the rest.
VERSION = 0.1
PREFIX = /usr/local
O = build

smtpd_programs = trap-smtpd
filters_programs = rcptcheck rcptcheck-compile received-line
deliver_programs = deliver-dirqueue
folders = lib smtpd filters deliver
programs = $(foreach f,$(folders),$($f_programs))

# Libraries beside skalibs that a program needs.
LIBS_rcptcheck = -lpcre2-8
LIBS_rcptcheck-compile = -lpcre2-8

CC_LINE := $(shell head -n 1 conf-cc)
LD_LINE := $(shell head -n 1 conf-ld)
ALL_CPPFLAGS = -I. -D_GNU_SOURCE -DVERSION='"$(VERSION)"' $(CPPFLAGS)

all: $(addprefix $O/,$(programs))

# Every .c of a folder that is no program goes into the folder's archive; a
# program links its own folder's archive and lib's, and no other.
modules = $(filter-out $(addprefix $1/,$(addsuffix .c,$($1_programs))),\
  $(wildcard $1/*.c))

define folder_rules
$O/$1.a: $(patsubst %.c,$O/obj/%.o,$(call modules,$1))
	rm -f $$@ && ar rcs $$@ $$^
$(foreach p,$($1_programs),$(eval $O/$p: $O/obj/$1/$p.o \
  $(if $(call modules,$1),$O/$1.a) $O/lib.a conf-ld))
endef
$(foreach f,$(folders),$(eval $(call folder_rules,$f)))

$(addprefix $O/,$(programs)):
	$(LD_LINE) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o %.a,$^) \
	  $(LIBS_$(@F)) -lskarnet $(LIBS)

$O/obj/%.o: %.c conf-cc
	@mkdir -p $(@D)
	$(CC_LINE) $(ALL_CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

-include $(wildcard $O/obj/*/*.d $O/obj/tests/unit/*.d)

clean:
	rm -rf $O

.PHONY: all clean
.DELETE_ON_ERROR:
