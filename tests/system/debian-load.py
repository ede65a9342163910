#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 900
"""A Debian root on a disk that works for its living, now under Hati and now under Linux.

debian-load/load.sh builds Lua and zlib, makes and clones a repository, installs packages, has
sqlite keep transactions, and changes a tree at random. One copy of the image of `make image` does
it under Linux alone (mounted here, in a chroot); another one goes back and forth between Hati and
Linux. Both say the same, e2fsck finds nothing after each turn, and in the end each file has the
same contents, mode and owner on both, but for what is named below.

A minute's worth is what is done by default. HATI_DEBIAN_LOAD=full does all of it, HATI_ROUNDS=N
that many turns (10, half of them Hati's); HATI_DISKS='virtio nvme ahci ide' has disks of these
kinds, HATI_SMP='1 4' so many processors (default: virtio, 4)."""

import contextlib
import functools
import glob
import os
import subprocess
import sys
import tempfile

import guest

MAKE_IMAGE = os.path.join(guest.TOP, 'image/make-image.sh')
FETCH_SOURCE = os.path.join(guest.TOP, 'tools/setup/fetch-source.sh')
IMAGE = os.path.join(guest.TOP, 'build/image/debian.img')
SOURCES = os.path.join(guest.TOP, 'build/sources')
LOAD = os.path.join(guest.TOP, 'tests/system/debian-load')
ROOT_OFFSET = 66 << 20
ROOT_SIZE = (4096 - 67) << 20
EXIT_SKIP = 77

IS_FULL = os.environ.get('HATI_DEBIAN_LOAD') == 'full'
DISKS = os.environ.get('HATI_DISKS', 'virtio').split()
CPUS = os.environ.get('HATI_SMP', '4').split()
N_COMMITS, N_TRANSACTIONS, N_CHANGES = (1000, 10000, 400) if IS_FULL else (40, 60, 100)
N_ROUNDS = int(os.environ.get('HATI_ROUNDS', '10' if IS_FULL else '2'))
TIMEOUT = 3600 if IS_FULL else 400

# What holds times, places on the disk, or what a kernel is called: what these are in is not
# compared. Git's index has the times of files; logs have their own.
LEFT_OUT = ('var/log/', 'var/cache/apt/', 'var/lib/apt/', 'run/', 'tmp/', 'dev/', 'proc/', 'sys/',
            'etc/mtab', 'lost+found', 'var/lib/dpkg/lock', 'srv/', 'var/cache/ldconfig/',
            'etc/resolv.conf')
LEFT_OUT_ENDS = ('/.git/index',)


def steps(round_number):
    """What is done in a round: the first one has more to do."""
    first = [*(['build 2'] if IS_FULL else []), f'repository {N_COMMITS}', 'packages',
             f'transactions {N_TRANSACTIONS}']
    each = f'round {round_number + 1} {N_CHANGES} {N_TRANSACTIONS // 10}'
    return [*(first if round_number == 0 else []), each]


def script(round_number):
    return '; '.join(f'bash /srv/load.sh {step}' for step in steps(round_number))


def is_left_out(line):
    """Whether a line of contents() is of a file that is not compared: its last word is the path."""
    path = line[line.rindex(' ') + 1:].removeprefix('./')
    return (path + '/').startswith(LEFT_OUT) or path.endswith(LEFT_OUT_ENDS)


class Linux:
    """This machine, with the root of the image mounted."""

    name = 'Linux'

    @staticmethod
    @contextlib.contextmanager
    def mounted(image, *options):
        with tempfile.TemporaryDirectory(prefix='hati-load-') as folder:
            words = ','.join(['loop', f'offset={ROOT_OFFSET}', f'sizelimit={ROOT_SIZE}', *options])
            subprocess.run(['mount', '-o', words, image, folder], check=True,
                           capture_output=True)
            try:
                yield folder
            finally:
                subprocess.run(['umount', folder], check=True)

    def run(self, image, commands):
        with self.mounted(image) as root:
            result = subprocess.run(
                ['unshare', '--mount', '--pid', '--fork', 'sh', '-c',
                 'mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && '
                 'exec chroot "$1" env -i PATH="$PATH" bash -euc "$2"', 'sh', root, commands],
                capture_output=True, timeout=TIMEOUT, check=False)
        guest.check_equal(result.returncode, 0, f'the status on Linux ({result.stderr[-500:]!r})')
        return result.stdout.decode()

    def add(self, image, files):
        with self.mounted(image) as root:
            for name, path in files.items():
                subprocess.run(['cp', path, os.path.join(root, 'srv', name)], check=True)

    def contents(self, image):
        """A line for each file."""
        with self.mounted(image, 'ro') as root:
            listed = subprocess.run(
                ['find', '.', '-xdev', '-printf', '%y %m %U:%G %n %s %l %P\n'], cwd=root,
                check=True, capture_output=True).stdout.decode().splitlines()
            sums = subprocess.run(
                ['find', '.', '-xdev', '-type', 'f', '-exec', 'sha256sum', '{}', '+'], cwd=root,
                check=True, capture_output=True).stdout.decode().splitlines()
        lines = [line for line in listed if not line.startswith('d')]
        # how long a directory is depends on its history
        lines += [' '.join(line.split(' ')[:4]) + line[line.rindex(' '):]
                  for line in listed if line.startswith('d')]
        return sorted(line for line in lines + sums if not is_left_out(line))


class Hati:
    """A guest with the image as its root."""

    def __init__(self, disk, n_cpus):
        self.name = f'Hati with {disk} and {n_cpus} processors'
        self._options = ('--memory', '2G', '--disk', disk, '--smp', n_cpus)

    def run(self, image, commands):
        outcome = guest.run('bash', '-euc', commands, timeout=TIMEOUT,
                            options=('--root', image, *self._options))
        guest.check_equal(outcome.status, 0,
                          f'the status ({outcome.text()[-300:]!r}, {outcome.errors[-500:]!r})')
        return outcome.text()


def check_image(image, who):
    result = subprocess.run(['/sbin/e2fsck', '-fn', f'{image}?offset={ROOT_OFFSET}'],
                            capture_output=True, text=True, check=False)
    guest.check_equal(result.returncode, 0, f'the status of e2fsck after {who} ({result.stdout!r})')


class Load:
    """The images in a folder: the one of Linux alone is made once."""

    def __init__(self, folder):
        self._folder = folder
        self._linux = Linux()
        self._said = None
        self._alone = None

    def new_image(self, name):
        path = os.path.join(self._folder, name)
        subprocess.run(['cp', '--sparse=always', IMAGE, path], check=True)
        self._linux.add(path, {
            'load.sh': os.path.join(LOAD, 'load.sh'), 'churn.pl': os.path.join(LOAD, 'churn.pl'),
            'lua.tar.gz': glob.glob(os.path.join(SOURCES, 'lua*.orig.tar.gz'))[0],
            'zlib.tar.bz2': glob.glob(os.path.join(SOURCES, 'zlib*.orig.tar.bz2'))[0],
            'hello.deb': glob.glob(os.path.join(self._folder, 'hello*.deb'))[0]})
        return path

    def on_linux_alone(self):
        """What Linux says in each round, and what it leaves."""
        if self._said is None:
            image = self.new_image('linux.img')
            self._said = [self._linux.run(image, script(n)) for n in range(N_ROUNDS)]
            check_image(image, self._linux.name)
            self._alone = self._linux.contents(image)
            os.remove(image)
        return self._said, self._alone

    def run(self, disk, n_cpus):
        said, alone = self.on_linux_alone()
        hati = Hati(disk, n_cpus)
        image = self.new_image('hati.img')
        for n in range(N_ROUNDS):
            who = hati if n % 2 == 0 else self._linux
            guest.check_equal(who.run(image, script(n)), said[n], f'what {who.name} says')
            check_image(image, who.name)
        found = self._linux.contents(image)
        differ = sorted(set(found) ^ set(alone))
        guest.check_equal(differ[:20], [], f'what differs from Linux, {len(differ)} lines')
        os.remove(image)


def can_mount():
    """Whether this machine lets us mount an image of a disk: it takes root, and loop devices."""
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        with Linux.mounted(IMAGE, 'ro'):
            return True
    return False


def reason_to_skip(folder):
    """What is missing, or nothing; the rest is fetched."""
    made = subprocess.run([MAKE_IMAGE], capture_output=True, text=True, check=False)
    if made.returncode == EXIT_SKIP:
        return made.stdout.strip()
    made.check_returncode()
    if not can_mount():
        return 'images cannot be mounted here'
    for package in ('lua5.4', 'zlib'):
        fetched = subprocess.run([FETCH_SOURCE, package, SOURCES], capture_output=True, text=True,
                                 check=False)
        if fetched.returncode == EXIT_SKIP:
            return fetched.stderr.strip()
        fetched.check_returncode()
    fetched = subprocess.run(['apt-get', '-q', 'download', 'hello'], cwd=folder, check=False,
                             stdin=subprocess.DEVNULL, capture_output=True)
    return 'the package hello cannot be had' if fetched.returncode else ''


def main():
    with tempfile.TemporaryDirectory(prefix='hati-load-') as folder:
        reason = reason_to_skip(folder)
        if reason:
            print(f'skip debian-load: {reason}')
            sys.exit(0)
        load = Load(folder)
        cases = []
        for disk in DISKS:
            for n_cpus in CPUS:
                case = functools.partial(load.run, disk, n_cpus)
                case.__name__ = f'{disk}_with_{n_cpus}_processors'
                cases.append(case)
        guest.main(cases)


main()
