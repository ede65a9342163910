#!/bin/bash
# SPDX-License-Identifier: MIT
# strace: programs that it starts, that make others and threads, and that it attaches to. What the
# C library asks the kernel for on its own way is not compared, only calls that the programs make.
# Expected: the same as on Linux.
# timeout: 240

# A call whose end comes later is put together again; pids become A, B ... in their order.
tidy() {
	perl -ne '
		s/^\[pid +(\d+)\] /$1 / or s/^(\d+) +/$1 / or $_ = "0 $_";
		my ($pid, $text) = /^(\d+) (.*)/ or next;
		if ($text =~ s/ <unfinished \.\.\.>$//) { $open{$pid} = $text; next }
		$text = delete($open{$pid}) . $1 if $text =~ /^<\.\.\. \w+ resumed>(.*)/;
		$text =~ s/0x[0-9a-f]{4,}/ADDRESS/g;
		$text =~ s/\b(si_pid|pid)=\d+/$1=PID/g;
		$text =~ s/si_[us]time=\d+/TIME/g;
		$text =~ s/\) +=/) =/;
		print "$text\n"'
}

echo '== ls'
mkdir folder; touch folder/a folder/b
strace -f -o trace -e trace=getdents64,chdir,openat,write ls folder
grep -E 'folder|getdents64|write|exited' trace | tidy |
	sed -e 's/getdents64(.*/getdents64/' -e 's/^\(openat.*\) = [0-9]$/\1 = FD/'

echo '== signals'
strace -o trace -e trace=kill,tgkill \
	bash -c 'trap "echo got" USR1; kill -USR1 $$; kill -TERM $$' 2>&1
tidy <trace | grep -E '^(---|\+\+\+)'

echo '== pipes_of_a_shell'
strace -f -o trace -e trace=execve,write,pipe2,dup2,exit_group \
	bash -c 'echo one two | tr a-z A-Z | wc -w; exit 3'
echo "status $?"
tidy <trace | grep -E '^(write|exit_group|\+\+\+|execve)' | sed 's/, \[.*\] = 0/ = 0/' | sort

echo '== threads'
cat >threads.c <<'END'
#include <pthread.h>
#include <unistd.h>
static void *run(void *text) { write(1, text, 6); return 0; }
int main(void)
{
	pthread_t thread;
	for (int i = 0; i < 3; i++) {
		pthread_create(&thread, 0, run, &"first\nother\nthird\n"[6 * i]);
		pthread_join(thread, 0);
	}
	return 5;
}
END
gcc -pthread -o threads threads.c
strace -f -o trace -e trace=write ./threads
echo "status $?"
tidy <trace | sort # joined is who has left, and has not ended yet

echo '== errors'
strace -o trace -e trace=openat,unlink,mkdir,readlink,kill \
	perl -e 'unlink "/none"; mkdir "/proc"; readlink "/tmp"; open F, "/tmp/none/x";
		kill 0, 0x3fffffff'
tidy <trace | grep -E 'none|"/proc"|readlink\("/tmp|^kill'

echo '== changed_calls'
strace -o trace -e inject=getuid:retval=77 -e trace=getuid perl -e 'print $<, "\n"'
strace -o trace -e inject=mkdir:error=EDQUOT -e trace=mkdir mkdir one 2>&1
tidy <trace | head -1

echo '== counts'
strace -f -c -o counts -e trace=write,execve sh -c '/bin/echo a; /bin/echo b'
awk '$NF == "write" || $NF == "execve" { print $NF, $4 }' counts | sort

echo '== attached'
mkfifo gate
bash -c 'read line <gate; echo "$line"; exit 6' &
reader=$!
strace -o trace -p $reader -e trace=write,exit_group 2>/dev/null &
tracer=$!
until grep -q "^TracerPid:.*[1-9]" /proc/$reader/status; do sleep 0.02; done
echo hello >gate
wait $reader; echo "status $?"
wait $tracer
tidy <trace
