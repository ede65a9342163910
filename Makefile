# SPDX-License-Identifier: MIT
#
# The commands of README.md. The build itself is meson's: see meson.build.
#
#   make            set up this machine (Debian packages) and build everything
#   make run        ... and boot to a shell in QEMU; ROOT=debian: to a login on the image
#   make image      make a disk image of Debian 12 (docs/guide/images.md)
#   make test       ... and run every test; T='word...' only those whose names hold a word
#   make sanitize   ... and run the kernel's tests in kernels that check themselves (KASAN, UBSan)
#   make fuzz       ... and run the fuzz targets for TIME seconds (default 60)
#   make coverage   ... and show which lines of thor the host tests and TIME seconds of fuzzing run
#   make bench      ... and measure the kernel, and compare with Linux, in executed instructions
#   make docs       check the handbook and write build/docs
#   make format     format the C sources
#   make lint       tidy, formatting, clang-tidy
#   make clean      remove build/
#
# BUILD=release builds without debug checks (NDEBUG), BUILD=kasan and BUILD=ubsan a kernel that
# checks its addresses, or for undefined behaviour. V=1 shows commands.

ARCH := x86_64
BUILD := debug
JOBS := $(shell nproc)
GUEST := build/$(ARCH)-$(BUILD)
HOST := build/host
TEST_FLAGS := $(addprefix --only ,$(T))
PYTHON := $(firstword $(wildcard /usr/bin/python3) python3)

meson_type_debug := --buildtype debugoptimized
meson_type_release := --buildtype release -Ddebug=true -Doptimization=2
meson_type_kasan := $(meson_type_debug) -Dsanitize=kasan
meson_type_ubsan := $(meson_type_debug) -Dsanitize=ubsan
ninja_flags := $(if $(V),-v,--quiet)

.PHONY: all setup guest host run image test sanitize fuzz coverage bench docs format lint clean
all: guest host
	@echo "make: built $(GUEST) and $(HOST); './hati run' boots, 'make test' tests"

setup:
	@tools/setup/install.sh
	@tools/setup/fetch-acpica.sh build/acpica

$(GUEST)/build.ninja: | setup
	@echo "make: configuring $(GUEST)"
	@meson setup $(GUEST) --cross-file meson/$(ARCH).ini --native-file meson/host.ini \
		$(meson_type_$(BUILD)) $(if $(V),,>$(GUEST).log || { cat $(GUEST).log; exit 1; })

$(HOST)/build.ninja: | setup
	@echo "make: configuring $(HOST)"
	@meson setup $(HOST) --native-file meson/host.ini \
		-Db_sanitize=address,undefined -Db_lundef=false \
		$(if $(V),,>$(HOST).log || { cat $(HOST).log; exit 1; })

$(GUEST)/build.ninja $(HOST)/build.ninja: | build
build:
	@mkdir -p build

guest: setup $(GUEST)/build.ninja
	@echo "make: building $(GUEST)"
	@ninja -C $(GUEST) -j $(JOBS) $(ninja_flags)

host: setup $(HOST)/build.ninja
	@echo "make: building $(HOST)"
	@ninja -C $(HOST) -j $(JOBS) $(ninja_flags)

# ROOT is what --root takes, or `debian`, the image.
IMAGE := build/image/debian.img
ROOT :=
run: guest $(if $(filter debian,$(ROOT)),image)
	@./hati run --build $(BUILD) $(if $(ROOT),--memory 2G --root $(ROOT:debian=$(IMAGE)))

# What boots the disk is copied to it each time, if GRUB can be had (77: it cannot); the root is
# made only if its own files changed.
image: guest
	@image/make-boot.sh $(GUEST) $(dir $(IMAGE))boot || [ $$? -eq 77 ]
	@image/make-image.sh $(dir $(IMAGE)) $$(ls -d $(dir $(IMAGE))boot 2>/dev/null)

test: guest host
	@$(PYTHON) -B tools/test/run.py --build $(BUILD) $(TEST_FLAGS)

# Both builds, one after the other; the tests that make the kernel do most.
SANITIZERS := kasan ubsan
sanitize: host
	@set -e; for build in $(SANITIZERS); do \
		$(MAKE) --no-print-directory guest BUILD=$$build; \
		$(PYTHON) -B tools/test/run.py --build $$build --only kernel/guest \
			--only kernel-boot --only run-command --only torture; \
	done

TIME := 60
fuzz: host
	@$(PYTHON) -B tools/fuzz/run.py --time $(TIME) $(TEST_FLAGS)

COVERAGE := build/coverage
coverage_args := -fprofile-instr-generate -fcoverage-mapping
$(COVERAGE)/build.ninja: | setup build
	@echo "make: configuring $(COVERAGE)"
	@meson setup $(COVERAGE) --native-file meson/host.ini -Db_lundef=false \
		-Dc_args='-std=gnu23 $(coverage_args)' -Dc_link_args='$(coverage_args)' \
		$(if $(V),,>$(COVERAGE).log || { cat $(COVERAGE).log; exit 1; })

# What is run while it is built leaves no profile.
$(COVERAGE)/build.ninja: export LLVM_PROFILE_FILE=/dev/null
coverage: setup $(COVERAGE)/build.ninja
	@LLVM_PROFILE_FILE=/dev/null ninja -C $(COVERAGE) -j $(JOBS) $(ninja_flags)
	@$(PYTHON) -B tools/fuzz/coverage.py --build $(COVERAGE) --time $(TIME)

bench: setup $(HOST)/build.ninja
	@ninja -C $(HOST) $(ninja_flags) tools/profile/irqs-off.so
	@$(MAKE) --no-print-directory guest BUILD=release
	@bench/thor.sh
	@bench/run.sh

docs:
	@$(PYTHON) -B tools/docs/docs.py --output build/docs

sources = $(filter-out %.gen.c %.gen.h $(file <tools/tidy/foreign-style), \
	$(shell git ls-files '*.c' '*.h'))

format: setup
	@clang-format-19 -i $(sources)

lint: setup guest
	@$(PYTHON) -B tools/tidy/tidy.py
	@clang-format-19 --dry-run -Werror $(sources)
	@$(PYTHON) -B tools/tidy/analyse.py --build $(GUEST)

clean:
	@rm -rf build
