#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 300
# make: a small project in parallel with its jobserver, and what else makefiles do.
# Expected: the same as on Linux.

mkdir -p project/{src,sub}
cd project || exit 1
for n in 1 2 3 4 5 6; do
	cat >src/part$n.c <<END
#include "parts.h"

int part$n(int n) { return n * $n; }
END
done
for n in 1 2 3 4 5 6; do echo "int part$n(int n);"; done >src/parts.h
cat >src/main.c <<'END'
#include <stdio.h>
#include "parts.h"

int main(void)
{
	printf("%d\n", part1(1) + part2(1) + part3(1) + part4(1) + part5(1) + part6(1));
	return 0;
}
END
cat >Makefile <<'END'
CC := gcc
CFLAGS := -O1 -Wall
sources := $(wildcard src/*.c)
objects := $(sort $(sources:src/%.c=build/%.o))

program: $(objects)
	$(CC) -o $@ $^

build/%.o: src/%.c | build
	$(CC) $(CFLAGS) -MMD -c -o $@ $<

build:
	mkdir -p $@

-include $(wildcard build/*.d)

.PHONY: clean test sub fails slow
clean:
	rm -rf build program

test: program
	@./program
	@echo "shell says $(shell echo sub | tr a-z A-Z)"

sub:
	+$(MAKE) --no-print-directory -C sub all

fails:
	@false
	@echo never

slow: $(addprefix wait-,1 2 3 4)
wait-%:
	@sleep 0.2; echo $@
END
cat >sub/Makefile <<'END'
all: a b c
	@echo $(MAKELEVEL) $(findstring jobserver,$(MAKEFLAGS))
a b c:
	@sleep 0.1
END

echo '== build'
make -j4 2>&1 | sort
make test
make
echo '== rebuild'
sleep 0.02; touch src/part3.c; make -j4
touch src/parts.h; make -j4 -n | wc -l
make -q; echo "status $?"
make -s -j4 && make -q; echo "status $?"
echo '== jobserver'
make -j3 sub
make -j4 --output-sync slow | sort
echo '== failures'
make fails; echo "status $?"
make -k -j2 fails test; echo "status $?"
make nothing; echo "status $?"
echo 'broken syntax' >bad.mk; make -f bad.mk; echo "status $?"
echo '== clean'
make clean && ls
