#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 7200
"""Debian's stress-ng: no stressor fails, and afterwards the machine is as it was before.

By default a few stressors at once, four seconds. HATI_STRESS_NG=all: all that need neither disk nor
network nor a certain machine, one after the other, and then HATI_STRESS_NG_SECONDS (default 120)
of eight chosen at random; HATI_STRESS_NG=NAME,NAME: those at once.
"""

import os
import subprocess

import guest
from guest import check, check_equal

ROOT = os.path.join(guest.TOP, 'build/debian/root.cpio')
WHICH = os.environ.get('HATI_STRESS_NG', '')
RANDOM_SECONDS = int(os.environ.get('HATI_STRESS_NG_SECONDS', '120'))
MEMORY = '3G'
MEMORY_LOSS_MAX = 0.05

SMOKE = ('fork', 'pipe', 'futex', 'sigpending', 'mmap', 'sem-sysv', 'shm-sysv', 'msg', 'epoll',
         'madvise', 'pthread', 'get', 'mq')
# They refuse to run as root.
UNPRIVILEGED = ('exec', 'spawn')

# A network, or devices that this machine does not have.
NO_NETWORK = ('af-alg dccp icmp-flood netdev netlink-proc netlink-task ping-sock rawpkt rawsock '
              'rawudp sctp sock sockabuse sockdiag sockfd sockmany tun udp udp-flood')
NO_DEVICE = ('apparmor binderfs cpu-online efivar gpu ipsec-mb kvm llc-affinity loop memhotplug '
             'pci quota rawdev rtc smi uprobe watchdog')
# A disk, to write to or to swap to.
NO_DISK = 'hdd swap'

# What is run after the stressors: the shell forks, memory is back, nobody is stuck.
SCRIPT = r'''
available() { sed -n 's/^MemAvailable: *\([0-9]*\) kB/\1/p' /proc/meminfo; }
mkdir -p /tmp/stress && chmod 1777 /tmp/stress && cd /tmp/stress || exit 1
echo "@before $(available)"
"$@"
echo "@status $?"
cd / && rm -rf /tmp/stress
for i in 1 2 3 4 5 6 7 8 9 10; do (exit 7); [ $? = 7 ] || echo "@nofork"; done
sleep 2
echo "@after $(available)"
for stat in /proc/[0-9]*/stat; do
	read -r line <"$stat" 2>/dev/null || continue
	rest=${line##*) }
	[ "${rest%% *}" = D ] && echo "@stuck $line"
done
echo "@end"
'''


def marks(text, name):
    return [line[len(name) + 2:] for line in text.splitlines() if line.startswith(f'@{name}')]


def stress(*options, seconds, before=()):
    """Runs stress-ng, by the command `before`, and looks at what it leaves."""
    command = (*before, 'stress-ng', '--verify', '--oomable', '--temp-path', '/tmp/stress',
               *options)
    outcome = guest.run('/bin/bash', '-c', SCRIPT, 'stress', *command,
                        options=('--root', ROOT, '--memory', MEMORY), timeout=seconds)
    text = outcome.text() + outcome.errors.decode('utf-8', 'replace')
    with open(os.path.join(guest.TOP, 'build/test/stress-ng.output'), 'a',
              encoding='utf-8') as file:
        file.write(text)
    failures = [line for line in text.splitlines()
                if ' fail: ' in line or 'stressor failed' in line]
    check(not failures, '; '.join(failures[:3]))
    check('@end' in text, f'it does not come to its end: {text[-200:]}')
    check(marks(text, 'status')[0] in ('0', '3', '4'), f'status {marks(text, "status")[0]}')
    check_equal(marks(text, 'nofork') + marks(text, 'stuck'), [], 'what is left')
    before, after = (int(marks(text, name)[0]) for name in ('before', 'after'))
    check(after >= before * (1 - MEMORY_LOSS_MAX), f'of {before} kB memory {after} kB are back')


def make_root():
    """Says why there is no root, and ends, if it cannot be made."""
    os.makedirs(os.path.join(guest.TOP, 'build/test'), exist_ok=True)
    result = subprocess.run([os.path.join(guest.TOP, 'image/make-debian.sh')],
                            capture_output=True, text=True, check=False)
    if result.returncode != 0:
        print(f'skip stress-ng: {(result.stdout + result.stderr).strip()[-200:]}')
        raise SystemExit(77)


def one_of_each(names):
    return [word for name in names for word in (f'--{name}', '1')]


def chosen_stressors_pass():
    stress('--timeout', '4', *one_of_each(WHICH.split(',') if WHICH else SMOKE), seconds=180)


def stressors_without_privileges_pass():
    stress('--timeout', '2', *one_of_each(UNPRIVILEGED), seconds=180,
           before=('setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'))


EXCLUDED = ('--exclude', ','.join(f'{NO_NETWORK} {NO_DEVICE} {NO_DISK}'.split()))


def each_stressor_passes():
    stress('--sequential', '1', '--timeout', '2', *EXCLUDED, seconds=3600)


# The seed is of what the stressors do; which ones they are differs from run to run.
def random_stressors_pass():
    stress('--random', '8', '--timeout', str(RANDOM_SECONDS), '--seed', '1', *EXCLUDED,
           seconds=600 + 2 * RANDOM_SECONDS)


if __name__ == '__main__':
    make_root()
    guest.main([each_stressor_passes, stressors_without_privileges_pass, random_stressors_pass]
               if WHICH == 'all' else [chosen_stressors_pass])
