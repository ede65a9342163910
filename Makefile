# SPDX-License-Identifier: MIT
#
# The commands of README.md. The build itself is meson's: see meson.build.
#
#   make        set up this machine and build everything
#   make run    ... and boot to a shell in QEMU
#   make test   ... and run every test
#
# BUILD=release builds without assertions.

ARCH := x86_64
BUILD := debug
JOBS := $(shell nproc)
GUEST := build/$(ARCH)-$(BUILD)
HOST := build/host
buildtype_debug := debugoptimized
buildtype_release := release

.PHONY: all setup guest host
all: guest host

setup:

$(GUEST)/build.ninja:
	@meson setup $(GUEST) --cross-file meson/$(ARCH).ini --native-file meson/host.ini \
		--buildtype $(buildtype_$(BUILD)) -Doptimization=2 -Ddebug=true

$(HOST)/build.ninja:
	@meson setup $(HOST) --native-file meson/host.ini \
		-Db_sanitize=address,undefined -Db_lundef=false

guest: setup $(GUEST)/build.ninja
	@ninja -C $(GUEST) -j $(JOBS)

host: setup $(HOST)/build.ninja
	@ninja -C $(HOST) -j $(JOBS)
