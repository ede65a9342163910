/* SPDX-License-Identifier: MIT */
/*
 * Takes and touches memory until there is no more: mmap() fails with ENOMEM (exit 0), or the system
 * ends this process.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CHUNK (4 << 20)

int main(void)
{
	for (int n_chunks = 0;; n_chunks++) {
		char *memory = mmap(
			NULL, CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (memory == MAP_FAILED) {
			printf("%d MiB, then %s\n", n_chunks * (CHUNK >> 20), strerror(errno));
			return errno == ENOMEM ? 0 : 1;
		}
		memset(memory, 1, CHUNK);
	}
}
