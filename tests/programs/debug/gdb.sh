#!/bin/bash
# SPDX-License-Identifier: MIT
# gdb: breakpoints, steps, backtraces, registers, memory, threads, forks, signals, attaching.
# Expected: the same as on Linux.
# timeout: 300

run() {
	gdb -nx -q -batch -ex 'set pagination off' -ex 'set width 0' -ex 'set confirm off' \
		-ex 'set print thread-events off' -ex 'set print inferior-events off' \
		-ex 'set debuginfod enabled off' "$@" 2>&1 |
		grep -v -e '^\[Thread debugging' -e '^Using host libthread_db' -e '^\[New ' \
			-e '^\[Inferior' -e '^warning:' -e '^Download' |
		sed -e 's/0x[0-9a-f]\{6,\}/ADDRESS/g' -e 's/LWP [0-9]*/LWP N/g' \
			-e 's/process [0-9]*/process N/g' -e 's/<[0-9]*>/N/g'
}

cat >steps.c <<'END'
#include <stdio.h>
int counter;
int inner(int n)
{
	return n * 3;
}
int middle(int n)
{
	int result = inner(n) + 1;

	return result;
}
int main(int argc, char **argv)
{
	for (int i = 0; i < 3; i++) {
		counter += middle(i);
	}
	printf("counter %d\n", counter);
	fflush(stdout);
	if (argc > 1) {
		*(volatile int *)0 = 1;
	}
	return counter;
}
END
gcc -g -O0 -o steps steps.c

echo '== breakpoint_step_next_finish'
run -ex 'break middle' -ex run -ex backtrace -ex step -ex backtrace -ex next -ex finish \
	-ex 'info locals' -ex 'print counter' -ex 'print $eflags & 0x100' -ex next -ex 'x/2i $pc' \
	-ex delete -ex continue ./steps

echo '== condition_and_ignore'
run -ex 'break inner if n == 2' -ex run -ex 'print n' -ex 'up' -ex 'info frame' -ex kill ./steps |
	grep -v -e 'rip\|rbp\|caller\|called\|source\|Arglist\|Locals\|Stack level'

echo '== instructions'
run -ex 'break inner' -ex run -ex 'stepi 3' -ex 'nexti' -ex 'print $rip > (long)inner' ./steps |
	sed 's/^ADDRESS/at/'

echo '== values_are_changed'
run -ex 'break 19' -ex run -ex 'set var counter = 41' -ex 'print counter' \
	-ex 'print $al = 5' -ex continue ./steps

echo '== watch'
run -ex 'set can-use-hw-watchpoints 0' -ex 'break main' -ex run -ex 'watch counter' -ex continue \
	-ex continue -ex delete -ex continue ./steps

echo '== watch_by_the_processor'
run -ex 'break main' -ex run -ex 'watch counter' -ex 'rwatch counter' -ex continue -ex continue \
	-ex continue -ex delete -ex continue ./steps
run -ex 'break main' -ex run -ex 'hbreak inner' -ex continue -ex backtrace -ex continue \
	-ex 'print n' -ex delete -ex continue ./steps

echo '== without_chance'
run -ex 'break main' -ex run -ex 'set $first = (long)&counter' -ex 'set $stack = (long)$sp' \
	-ex run -ex 'print (long)&counter == $first' -ex 'print (long)$sp == $stack' -ex kill \
	./steps

echo '== fault'
run -ex run -ex backtrace -ex 'print $_siginfo.si_signo' \
	-ex 'print $_siginfo._sifields._sigfault.si_addr' --args ./steps x

echo '== fork_and_system_calls'
cat >forks.c <<'END'
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
int in_child(void)
{
	return 3;
}
int main(void)
{
	int status;

	if (fork() == 0) {
		_exit(in_child());
	}
	wait(&status);
	getppid();
	return WEXITSTATUS(status);
}
END
gcc -g -O0 -o forks forks.c
run -ex 'catch fork' -ex run -ex 'info breakpoints' -ex continue ./forks | grep -v ADDRESS
run -ex 'set follow-fork-mode child' -ex 'break in_child' -ex run -ex backtrace -ex continue \
	./forks | grep -v -e 'Attaching' -e 'Detaching'
run -ex 'catch syscall getppid' -ex run -ex continue -ex continue ./forks | sed 's/), .*/)/'

echo '== threads'
cat >threads.c <<'END'
#include <pthread.h>
static pthread_barrier_t barrier;
void meet(long n)
{
	if (n == 2) {
		pthread_barrier_wait(&barrier);
	}
}
static void *work(void *argument)
{
	meet((long)argument);
	pthread_barrier_wait(&barrier);
	return argument;
}
int main(void)
{
	pthread_t threads[3];

	pthread_barrier_init(&barrier, 0, 4);
	for (long i = 0; i < 3; i++) {
		pthread_create(&threads[i], 0, work, (void *)i);
	}
	pthread_barrier_wait(&barrier); /* until the last of them has come to meet() */
	meet(4);
	return 0;
}
END
gcc -g -O0 -pthread -o threads threads.c
run -ex 'break meet if n == 2' -ex run -ex 'backtrace 2' -ex 'print n' \
	-ex 'thread apply all -q print 1' -ex delete -ex continue ./threads |
	grep -v -e '^$' -e '^\[Switching'

echo '== signals'
run -ex 'handle SIGUSR1 stop print pass' -ex run -ex continue --args bash -c \
	'trap "echo got" USR1; kill -USR1 $$; exit 2' | sed '/ in /d'

echo '== attach'
cat >waits.c <<'END'
#include <unistd.h>
volatile int stop, word = 7;
int main(void)
{
	while (!stop) {
		usleep(1000);
	}
	return word;
}
END
gcc -g -O0 -o waits waits.c
./waits &
waits=$!
run -p $waits -ex 'print word' -ex 'set var word = 9' -ex 'set var stop = 1' -ex detach |
	grep -e '^\$'
wait $waits; echo "status $?"
