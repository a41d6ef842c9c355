# tidegate. `make run` builds and starts an example, `make check` runs every test, `make help`
# lists the rest. Missing Debian packages are installed by name; the lists are here and only here.

PKGS_BUILD = gcc libc6-dev libcrypt-dev pkg-config liblua5.4-dev liblua5.3-dev liburing-dev libpcre2-dev \
	libxxhash-dev libjansson-dev libssl-dev libedit-dev libseccomp-dev
PKGS_TRY   = curl python3
PKGS_CHECK = $(PKGS_TRY) lua5.4 lua5.3 varnish haproxy clang clang-format libclang-rt-14-dev \
	groff-base dpkg-dev logrotate
PKGS_DEB   = $(PKGS_BUILD) dpkg-dev
PKGS_SMOKE = $(PKGS_DEB) debootstrap curl iproute2 util-linux procps
PKGS_BENCH = $(PKGS_CHECK) valgrind nginx libnginx-mod-http-lua linux-perf

VERSION  = 0.1
OUT      = build
CC       = gcc
OPT      = -O2 -g -fno-plt
LTO      = $(if $(findstring clang,$(CC)),,-flto=auto)
FAST     = $(OUT)-fast
BENCH    = $(FAST)
SAN      =
V        =
PREFIX   = /usr/local
SYSCONFDIR = /etc
LIBDIR   = $(PREFIX)/lib
DESTDIR  =
Q        = $(if $(V),,@)
say      = $(if $(V),,@printf '  %-6s %s\n' $(1) $(2);)

WARN     = -Wall -Wextra -Wshadow -Wconversion -Wmissing-prototypes -Wstrict-prototypes -Werror
SANFLAGS = $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer \
	$(if $(findstring undefined,$(SAN)),-fno-sanitize-recover=all) \
	$(if $(findstring gcc-thread,$(CC)-$(SAN)),-Wno-tsan))
CPPFLAGS = -D_GNU_SOURCE -DTIDEGATE_VERSION='"$(VERSION)"' -Iinclude -Isrc -MMD -MP
CFLAGS   = -std=gnu17 -fPIC -fno-semantic-interposition $(OPT) $(WARN) $(SANFLAGS)
LDFLAGS  = -pthread $(SANFLAGS) $(filter -fprofile%,$(OPT))
LUA_CFLAGS = -isystem /usr/include/lua5.4
LIBS     = -llua5.4 -luring -lpcre2-8 -ljansson -lssl -lcrypto -lcrypt -lseccomp -lm

# Every folder of src is part of the daemon, except the two that are programs of their own or
# live outside it.
SRC      = $(filter-out src/host/% src/tidectl/%,$(wildcard src/*/*.c))
OBJ      = $(SRC:%.c=$(OUT)/%.o)
LIB_OBJ  = $(filter-out $(OUT)/src/main/main.o,$(OBJ))
CTL_OBJ  = $(patsubst %.c,$(OUT)/%.o,$(wildcard src/tidectl/*.c))
HOST_LUA = $(wildcard src/host/lua/*.[ch] include/tidegate/*.h)
VARS_OBJ = $(filter $(OUT)/src/vars/% $(OUT)/src/base/%,$(LIB_OBJ))
UNIT     = $(patsubst %.c,$(OUT)/%,$(wildcard tests/unit/*/test_*.c))
FUZZ     = $(patsubst tests/fuzz/%.c,%,$(filter-out %/replay.c,$(wildcard tests/fuzz/*.c)))

PRODUCTS = $(if $(wildcard src/main/main.c),$(OUT)/tidegate) $(if $(CTL_OBJ),$(OUT)/tidectl) \
	$(if $(wildcard src/vars/*.c),$(OUT)/libtidevars.a $(OUT)/libtidevars.so) \
	$(if $(wildcard src/host/lua/*.c),$(OUT)/lua5.3/tidevars.so $(OUT)/lua5.4/tidevars.so)

all: $(PRODUCTS)
	$(Q)for p in tidegate tidectl; do test ! -e $(OUT)/$$p || ln -sf $(OUT)/$$p $$p; done

help:
	@echo 'all        build tidegate, tidectl, libtidevars and the Lua modules into $(OUT)/'
	@echo 'fast       build $(FAST)/tidegate, optimised over all files: what install and bench take'
	@echo 'pgo        build-pgo/tidegate, guided by a profile of the bench: takes minutes'
	@echo 'run        build and start examples/maintenance on 127.0.0.1:8080'
	@echo 'demo       play the whole story against a running proxy; fails if a step is not seen'
	@echo 'check      every test; last line: N passed, N failed'
	@echo 'unit scenario lint replay   parts of check, run by themselves'
	@echo 'soak fuzz differential'
	@echo '           long runs, not part of check'
	@echo 'bench bench-json bench-instructions bench-profiles bench-growth'
	@echo '           measure; JOBS= ROUNDS= SECONDS= PEERS= UPDATE=1, see tests/bench/README.md'
	@echo 'fmt        format the sources'
	@echo 'doc        print doc/reference.md from the program again'
	@echo 'install uninstall'
	@echo '           into PREFIX ($(PREFIX)) and SYSCONFDIR ($(SYSCONFDIR)) below DESTDIR'
	@echo 'deb        $(OUT)/tidegate_$(VERSION)_ARCH.deb; DAEMON=$(OUT) spares optimising'
	@echo 'deb-smoke  installs that in a bare Debian, with systemd and without; root, network'
	@echo 'clean      remove what was built'
	@echo 'settings: CC=clang SAN=address|undefined|thread OUT=dir OPT=flags V=1 SCENARIOS=files'

# apt only when something is missing, and say so.
define install_packages
	@missing=$$(for p in $(1); do dpkg-query -W -f='$${db:Status-Status}' $$p 2>/dev/null | \
	    grep -qx installed || printf ' %s' $$p; done); \
	if [ -n "$$missing" ]; then \
	    echo "tidegate: installing from Debian:$$missing"; \
	    sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	    $$sudo apt-get update -qq && $$sudo env DEBIAN_FRONTEND=noninteractive \
	        apt-get install -y -qq --no-install-recommends $$missing >/dev/null || exit 1; \
	fi; mkdir -p $(OUT); touch $@
endef

$(OUT)/.packages-build: Makefile
	$(call install_packages,$(PKGS_BUILD))
$(OUT)/.packages-try: Makefile
	$(call install_packages,$(PKGS_BUILD) $(PKGS_TRY))
$(OUT)/.packages-check: Makefile
	$(call install_packages,$(PKGS_BUILD) $(PKGS_CHECK))
$(OUT)/.packages-bench: Makefile
	$(call install_packages,$(PKGS_BUILD) $(PKGS_BENCH))
$(OUT)/.packages-deb: Makefile
	$(call install_packages,$(PKGS_DEB))
$(OUT)/.packages-smoke: Makefile
	$(call install_packages,$(PKGS_SMOKE))

# A change of compiler or flags rebuilds; the file changes only when they do.
FLAGS_NOW = $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS)
$(OUT)/.flags: $(OUT)/.packages-build FORCE
	@echo '$(FLAGS_NOW)' | cmp -s - $@ || echo '$(FLAGS_NOW)' > $@

$(OUT)/src/policy/%.o: CPPFLAGS += $(LUA_CFLAGS)
$(OUT)/src/policy/lua_shipped.o: $(wildcard lua/*.lua)
$(OUT)/%.o: %.c $(OUT)/.flags
	@mkdir -p $(@D)
	$(call say,CC,$<) $(CC) $(CPPFLAGS) $(CFLAGS) -c $< -o $@

$(OUT)/libtidegate.a: $(LIB_OBJ)
	$(call say,AR,$@) rm -f $@ && ar rcs $@ $^
$(OUT)/tidegate: $(OUT)/src/main/main.o $(OUT)/libtidegate.a
	$(call say,LINK,$@) $(CC) $(LDFLAGS) $^ $(LIBS) -o $@
$(OUT)/tidectl: $(CTL_OBJ) $(OUT)/libtidegate.a
	$(call say,LINK,$@) $(CC) $(LDFLAGS) $^ -ledit -ljansson -lm -o $@
$(OUT)/libtidevars.a: $(VARS_OBJ)
	$(call say,AR,$@) rm -f $@ && ar rcs $@ $^
$(OUT)/libtidevars.so: $(VARS_OBJ) src/vars/libtidevars.map
	$(call say,LINK,$@) $(CC) -shared $(LDFLAGS) -Wl,-soname,libtidevars.so.0 \
	    -Wl,--version-script=src/vars/libtidevars.map $(VARS_OBJ) -lm -o $@
$(OUT)/lua5.%/tidevars.so: $(HOST_LUA) $(OUT)/libtidevars.a
	@mkdir -p $(@D)
	$(call say,LINK,$@) $(CC) $(filter-out -MMD -MP,$(CPPFLAGS)) -isystem /usr/include/lua5.$* \
	    $(CFLAGS) -fvisibility=hidden -shared $(LDFLAGS) $(filter %.c %.a,$^) \
	    -Wl,--exclude-libs,ALL -lm -o $@

$(OUT)/tests/unit/%: $(OUT)/tests/unit/%.o $(OUT)/libtidegate.a
	$(call say,LINK,$@) $(CC) $(LDFLAGS) $(WRAP) $^ $(LIBS) -o $@
$(OUT)/tests/unit/main/test_failing: WRAP = -Wl,@tests/unit/main/wrapped
$(OUT)/tests/unit/vars/test_lua: | $(OUT)/lua5.3/tidevars.so $(OUT)/lua5.4/tidevars.so
$(OUT)/tests/unit/%.o: CPPFLAGS += -Itests/unit $(LUA_CFLAGS)

# Two words for a newcomer: all processors build, whether or not -j was said.
PARALLEL = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$$(nproc))
run: $(OUT)/.packages-try
	+@$(MAKE) --no-print-directory $(PARALLEL) all
	@examples/maintenance/run $(OUT)
demo: $(OUT)/.packages-try
	+@$(MAKE) --no-print-directory $(PARALLEL) all
	@SANFLAGS='$(SANFLAGS)' tests/demo $(OUT)
doc: all
	@$(OUT)/tidegate --reference > doc/reference.md

unit: $(OUT)/.packages-check $(UNIT)
	@tests/run-unit $(UNIT)
scenario: $(OUT)/.packages-check all
	@SANFLAGS='$(SANFLAGS)' tests/run-scenarios $(OUT) $(SCENARIOS)
lint: $(OUT)/.packages-check
	@tests/lint/run
check: $(OUT)/.packages-check
	@tests/check

# Fuzzers build apart, with clang's libFuzzer: make fuzz [TARGET=h1] [SECONDS_EACH=60]
fuzz: $(OUT)/.packages-check
	+@tests/fuzz/run $(if $(TARGET),$(TARGET),$(FUZZ))
fuzz-%: $(OUT)/.packages-check
	@$(MAKE) --no-print-directory OUT=build-fuzz CC=clang SAN=address,undefined,fuzzer-no-link \
	    build-fuzz/fuzz/$*
$(OUT)/fuzz/%: tests/fuzz/%.c $(OUT)/libtidegate.a
	@mkdir -p $(@D)
	$(call say,LINK,$@) $(CC) $(CPPFLAGS) $(CFLAGS) -fsanitize=fuzzer $(filter %.c %.a,$^) $(LIBS) -pthread -o $@

# The same targets without libFuzzer: every corpus file once, part of check.
replay: $(OUT)/.packages-check $(FUZZ:%=$(OUT)/replay/%)
	@tests/fuzz/run --replay $(FUZZ:%=$(OUT)/replay/%)
$(OUT)/replay/%: $(OUT)/tests/fuzz/%.o $(OUT)/tests/fuzz/replay.o $(OUT)/libtidegate.a
	@mkdir -p $(@D)
	$(call say,LINK,$@) $(CC) $(LDFLAGS) $^ $(LIBS) -o $@

# What is installed and measured: optimised over all files at once.
fast: $(OUT)/.packages-build
	+@$(MAKE) --no-print-directory OUT=$(FAST) OPT='$(OPT) $(LTO)' \
	    $(addprefix $(FAST)/,tidegate tidectl libtidevars.a lua5.4/tidevars.so)
# The same, guided by a profile of the bench's core jobs, into build-pgo.
pgo: $(OUT)/.packages-bench
	+@$(MAKE) --no-print-directory OUT=build-pgo build-pgo/tidegate \
	    OPT='$(OPT) $(LTO) -fprofile-generate -fprofile-update=atomic'
	@find build-pgo -name '*.gcda' -delete
	@JOBS='core headers-40' PEERS='tidegate-epoll tidegate-uring' ROUNDS=1 REPEATS=0 \
	    tests/bench/run bench build-pgo
	+@$(MAKE) --no-print-directory OUT=build-pgo build-pgo/tidegate \
	    OPT='$(OPT) $(LTO) -fprofile-use -fprofile-partial-training -Wno-missing-profile'

bench bench-json bench-instructions bench-profiles bench-growth: $(OUT)/.packages-bench \
    $(if $(filter $(FAST),$(BENCH)),fast)
	@tests/bench/run $@ $(BENCH)
soak: $(OUT)/.packages-check all
	@tests/soak $(OUT)
# Random expressions through haproxy and tidegate: make differential [ROUNDS=20] [SEED=1]
differential: $(OUT)/.packages-check all
	@tests/differential/run $(OUT) --rounds $(or $(ROUNDS),20) --seed $(or $(SEED),1) --cases 1500

fmt: $(OUT)/.packages-check
	@find include src tests examples -name '*.[ch]' | xargs clang-format -i

# DAEMON=build takes tidegate as `make all` builds it, which is sooner done.
DAEMON  = $(FAST)
PLACES  = OUT='$(OUT)' DAEMON='$(DAEMON)' DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' \
	SYSCONFDIR='$(SYSCONFDIR)' LIBDIR='$(LIBDIR)' VERSION='$(VERSION)'
install: all $(if $(filter $(FAST),$(DAEMON)),fast)
	@$(PLACES) src/dist/install install
uninstall:
	@$(PLACES) src/dist/install uninstall
deb: all $(if $(filter $(FAST),$(DAEMON)),fast) $(OUT)/.packages-deb
	@$(PLACES) src/dist/debian/build
# Installs it in a bare Debian beside $(OUT), which needs root and Debian's archive.
deb-smoke: $(OUT)/.packages-smoke deb
	@src/dist/debian/smoke $(OUT) $(OUT)/tidegate_$(VERSION)_*.deb

clean:
	rm -rf build build-* tidegate tidectl

FORCE:
.PHONY: all fast pgo help run demo doc differential unit scenario lint check fuzz replay bench bench-json bench-instructions \
	bench-profiles bench-growth soak \
	fmt install uninstall deb deb-smoke clean FORCE
.SECONDARY:
-include $(shell find $(OUT) -type f -name '*.d' 2>/dev/null)
