#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 900
"""Many processes on 1, 2 and 8 CPUs: no hang, no loss, and the memory comes back.

HATI_STRESS_RUNS (default 1) says how often each is run.
"""

import functools
import os

import guest
from guest import check, check_equal

N_RUNS = int(os.environ.get('HATI_STRESS_RUNS', '1'))
_SCRIPT = r'''
free() { awk '/^MemFree/ { print $2 }' /proc/meminfo; }
pipelines() {
	for i in 1 2 3 4 5 6 7 8; do
		(seq 1 2000 | sed s/1/one/ | sort -r | tr -d e | md5sum >/tmp/sum$i) &
	done
	wait
	cat /tmp/sum? | sort -u | wc -l
}
loop() { i=0; while [ $i -lt $1 ]; do /bin/busybox true || echo lost; i=$((i + 1)); done; }
loop 20
pipelines
before=$(free)
loop 1000
pipelines
sleep 0.2
after=$(free)
echo "free $before $after"
'''


def fork_exec_wait(n_cpus):
    for number in range(N_RUNS):
        outcome = guest.shell(_SCRIPT, options=('--smp', str(n_cpus)), timeout=240)
        lines = outcome.text().splitlines()
        check_equal(outcome.status, 0, f'run {number}: status, after {lines}')
        check_equal(lines[:2], ['1', '1'], f'run {number}: different results of the pipelines')
        before, after = (int(word) for word in lines[2].split()[1:])
        check(abs(before - after) <= before / 100,
              f'run {number}: {before} KiB were free, now {after}')


def named(n_cpus):
    case = functools.partial(fork_exec_wait, n_cpus)
    case.__name__ = f'fork_exec_wait_smp_{n_cpus}'
    return case


def memory_at_the_prompt():
    outcome = guest.run('busybox', 'awk', '/^Mem(Total|Free)/ { print $2 }', '/proc/meminfo')
    total, free = (int(word) for word in outcome.text().split())
    check(total - free < 48 * 1024, f'{(total - free) >> 10} MiB are in use')


def all_cpus_are_there():
    for n_cpus in (1, 3, 8):
        outcome = guest.shell('nproc; grep -c ^processor /proc/cpuinfo',
                              options=('--smp', str(n_cpus)))
        check_equal(outcome.text().split(), [str(n_cpus)] * 2, 'CPUs')


if __name__ == '__main__':
    guest.main([all_cpus_are_there, memory_at_the_prompt, *map(named, (1, 2, 8))])
