#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 300
# gcc: compile, assemble, link and run; threads, shared libraries, dlopen.
# Expected: the same as on Linux.

echo '== hello'
cat >hello.c <<'END'
#include <stdio.h>

int main(int argc, char **argv)
{
	printf("hello %d %s\n", argc, argv[1]);
	return 3;
}
END
gcc -O2 -Wall hello.c -o hello && ./hello world
echo "status $?"
gcc -static hello.c -o hello-static && ./hello-static static
echo "status $?"
gcc -no-pie hello.c -o hello-nopie && ./hello-nopie nopie
gcc -static-pie hello.c -o hello-static-pie && ./hello-static-pie 'static pie'
gcc -S -O2 hello.c -o - | grep -c main
gcc -E hello.c | grep -c printf
gcc -print-search-dirs | head -1
gcc hello.c -pipe -save-temps -c && ls hello.*
readelf -h hello | grep -E 'Type|Machine'; size hello.o; nm hello.o
objdump -d hello.o | grep -c ret; strip hello && ./hello stripped

echo '== errors'
echo 'int main(void) { return undeclared; }' >bad.c
gcc bad.c; echo "status $?"
echo 'int f(void); int main(void) { return f(); }' >bad.c
gcc bad.c 2>&1 | sed 's|/tmp/cc[^.]*|/tmp/cc|'; echo "status ${PIPESTATUS[0]}"
gcc nothing.c; echo "status $?"

echo '== threads'
cat >threads.c <<'END'
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static sem_t semaphore;
static _Thread_local int mine;
static atomic_int total;
static int n_waiting, count, n_inits, n_destroyed;

static void init(void) { n_inits++; }
static void destroy(void *value)
{
	(void)value;
	__atomic_add_fetch(&n_destroyed, 1, __ATOMIC_SEQ_CST);
}

static void *run(void *argument)
{
	pthread_once(&once, init);
	pthread_setspecific(key, argument);
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 5000; i++) {
		pthread_mutex_lock(&lock);
		count++;
		pthread_mutex_unlock(&lock);
		mine++;
	}
	atomic_fetch_add(&total, mine);
	pthread_mutex_lock(&lock);
	n_waiting++;
	pthread_cond_broadcast(&changed);
	while (n_waiting < 8) {
		pthread_cond_wait(&changed, &lock);
	}
	pthread_mutex_unlock(&lock);
	sem_post(&semaphore);
	return argument;
}

static void *forever(void *argument)
{
	for (;;) {
		nanosleep(&(struct timespec){ .tv_sec = 1 }, NULL);
	}
	return argument;
}

int main(void)
{
	pthread_t threads[8], thread;
	long sum = 0;
	void *result;

	pthread_key_create(&key, destroy);
	pthread_barrier_init(&barrier, NULL, 8);
	sem_init(&semaphore, 0, 0);
	for (long i = 0; i < 8; i++) {
		pthread_create(&threads[i], NULL, run, (void *)(i + 1));
	}
	for (int i = 0; i < 8; i++) {
		sem_wait(&semaphore);
	}
	for (int i = 0; i < 8; i++) {
		pthread_join(threads[i], &result);
		sum += (long)result;
	}
	printf("%d %d %ld %d %d\n", count, total, sum, n_inits, n_destroyed);
	pthread_create(&thread, NULL, forever, NULL);
	pthread_cancel(thread);
	pthread_join(thread, &result);
	printf("%s\n", result == PTHREAD_CANCELED ? "cancelled" : "not cancelled");
	struct timespec soon;
	clock_gettime(CLOCK_REALTIME, &soon);
	soon.tv_nsec = 0;
	printf("%s\n", strerror(sem_timedwait(&semaphore, &soon) == 0 ? 0 : errno));
	pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
	pthread_rwlock_rdlock(&rwlock);
	printf("%s\n", strerror(pthread_rwlock_trywrlock(&rwlock)));
	return 0;
}
END
gcc -O2 -Wall -pthread threads.c -o threads && ./threads
echo "status $?"

echo '== shared_libraries'
cat >library.c <<'END'
#include <stdio.h>

int version = LIBRARY_VERSION;
__thread int per_thread = 5;
__attribute__((constructor)) static void load(void) { printf("constructor %d\n", version); }
__attribute__((destructor)) static void unload(void) { printf("destructor %d\n", version); }
int twice(int n) { return n * 2 + per_thread; }
END
for version in 1 2; do
	gcc -shared -fPIC -DLIBRARY_VERSION=$version library.c -o lib$version.so
done
cat >user.c <<'END'
#include <dlfcn.h>
#include <stdio.h>

int twice(int n);
extern int version;

int main(void)
{
	void *library = dlopen("./lib2.so", RTLD_NOW | RTLD_LOCAL);
	int (*other)(int) = (int (*)(int))dlsym(library, "twice");

	setvbuf(stdout, NULL, _IONBF, 0);
	printf("linked %d %d\n", twice(20), version);
	printf("loaded %d %d\n", other(30), *(int *)dlsym(library, "version"));
	printf("%s\n", dlsym(library, "nothing") == NULL ? dlerror() : "found");
	printf("%s\n", dlopen("./nothing.so", RTLD_NOW) == NULL ? dlerror() : "opened");
	dlclose(library);
	return 0;
}
END
gcc user.c -o user -L. -l:lib1.so -Wl,-rpath,'$ORIGIN' && ./user
mkdir moved; mv lib1.so moved; ./user; echo "status $?"
LD_LIBRARY_PATH=moved ./user | head -1
ldd user | grep -v vdso | sed 's/(0x.*)//; s/=>.*lib1/=> lib1/' | sort
LD_PRELOAD=./lib2.so LD_LIBRARY_PATH=moved ./user | head -2
LD_DEBUG=files LD_LIBRARY_PATH=moved ./user 2>&1 | grep -c 'calling init'
ar rcs libstatic.a hello.o && ar t libstatic.a
/lib64/ld-linux-x86-64.so.2 ./hello interpreted

echo '== crashes'
cat >crash.c <<'END'
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void handler(int signal, siginfo_t *info, void *context)
{
	(void)context;
	printf("signal %d code %d at %p\n", signal, info->si_code, info->si_addr);
	exit(4);
}

int main(int argc, char **argv)
{
	volatile int zero = 0;
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };

	setvbuf(stdout, NULL, _IONBF, 0);
	if (argc > 2) {
		sigaction(SIGSEGV, &action, NULL);
	}
	switch (atoi(argv[1])) {
	case 0: return *(volatile int *)16;
	case 1: return argc / zero;
	case 2: abort();
	case 3: __builtin_trap();
	case 4: return raise(SIGBUS);
	case 5: { char *heap = malloc(10); free(heap); free(heap); return 0; }
	}
	return 0;
}
END
gcc -O0 -w crash.c -o crash
for n in 0 1 2 3 4 5; do { ./crash $n; } 2>/dev/null; echo "status $?"; done
./crash 0 handled; echo "status $?"
