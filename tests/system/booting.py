# SPDX-License-Identifier: MIT
"""For the scripts of this folder: disks that a firmware boots, without the launcher's help."""

import functools
import os
import subprocess
import sys
import tempfile

import guest
from console import Terminal

IMAGE = os.path.join(guest.TOP, 'image')
INSTALL = os.path.join(guest.TOP, 'tools/setup/install.sh')
ROOT_ARCHIVE = os.path.join(guest.BUILD_FOLDER, 'image/root.cpio')
DISK_MIB = 160
ROOT_MIB = 66
PARTUUID = '6e0f5b8c-7d0b-4a52-8f0c-0d2f4f6a1b13'
BOOT_SECONDS = 120
EXIT_SKIP = 77


def _tool(*words):
    return subprocess.run(words, capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL)


def skip(reason):
    """Ends the script: what it needs cannot be had here."""
    print(f'skip {os.path.splitext(os.path.basename(sys.argv[0]))[0]}: {reason}')
    sys.exit(0)


def make(script, *words):
    """Runs a script of image/; ends this one if it says that it cannot be done here."""
    result = _tool(os.path.join(IMAGE, script), *words)
    if result.returncode == EXIT_SKIP:
        skip(result.stdout.strip())
    guest.check_equal(result.returncode, 0, f'the status of {script} ({result.stderr[-300:]})')


def has_ovmf():
    """Is the UEFI firmware there, or can it be installed?"""
    return _tool(INSTALL, 'ovmf').returncode == 0


class Disk:
    """A disk that boots: the embedded root in ext4, and the build's boot files."""

    def __init__(self, folder):
        self._boot = os.path.join(folder, 'boot')
        self.path = os.path.join(folder, 'disk.img')
        root = os.path.join(folder, 'root')
        os.mkdir(root)
        with open(ROOT_ARCHIVE, 'rb') as archive:
            subprocess.run([guest.BUSYBOX, 'cpio', '-idm'], stdin=archive, cwd=root,
                           stderr=subprocess.DEVNULL, check=True)
        self._collect()
        make('make-disk.sh', root, self.path, str(DISK_MIB), self._boot)

    def _collect(self, *words):
        make('make-boot.sh', guest.BUILD_FOLDER, self._boot, *words)

    def install(self, *words):
        """Other boot files, with these words as the command line, on the same disk."""
        self._collect(*words)
        make('install-boot.sh', self.path, self._boot)

    def replace(self, name, contents):
        """Another file hati/NAME on the first partition."""
        path = os.path.join(self._boot, 'efi/hati', name)
        with open(path, 'wb') as file:
            file.write(contents)
        make('install-boot.sh', self.path, self._boot)

    def last_words(self, firmware):
        """What the launcher says of a boot that fails."""
        outcome = guest.run(options=('--root', self.path, '--firmware', firmware),
                            timeout=BOOT_SECONDS)
        guest.check_equal(outcome.status, 125, 'the status')
        return outcome.errors.decode('utf-8', 'replace')

    def check(self):
        """The root is clean, with no journal to replay."""
        result = _tool('/sbin/e2fsck', '-fn', f'{self.path}?offset={ROOT_MIB << 20}')
        guest.check_equal(result.returncode, 0, f'the status of e2fsck ({result.stdout!r})')
        guest.check('recover' not in result.stdout, 'the journal was not emptied')

    def run(self, firmware, line, *options):
        """Boots to the shell, types a line, and `exit`; what came in between."""
        words = ('--root', self.path, '--firmware', firmware, *options)
        terminal = Terminal(24, 200, options=words)   # lines that are typed stay whole
        try:
            terminal.expect('~ # |/root # ', BOOT_SECONDS)
            terminal.send(f'{line}; echo "en""d"\r')
            text = terminal.expect(r'\n(?s:(.*))end\r', 30)[1]
            terminal.send('exit\r')
            guest.check_equal(terminal.wait(30), 0, 'the status')
        finally:
            terminal.close()
        self.check()
        return text.replace('\r', '')


def root_is_mounted(disk, firmware, kind, name, *options):
    """Boots from one kind of disk, whose third partition has to become the root."""
    device = f'/dev/disk/by-partuuid/{PARTUUID}'
    text = disk.run(firmware, f'cat /proc/cmdline; readlink -f {device}; mount', '--disk', kind,
                    *options)
    lines = text.splitlines()
    guest.check_equal(lines[0], f'root=PARTUUID={PARTUUID} rootfstype=ext4 rw', 'the command line')
    guest.check_equal(lines[1], f'/dev/{name}', 'the device')
    guest.check(lines[2].startswith(f'{device} on / type ext4 (rw'), f'the root is {lines[2]!r}')


def boot_files_can_change(disk, firmware):
    """What is written stays, and other boot files leave it."""
    disk.run(firmware, 'echo text >/root/kept')
    disk.install(f'root=PARTUUID={PARTUUID}', 'rw', 'one=1', 'last')
    text = disk.run(firmware, 'cat /root/kept /proc/cmdline')
    guest.check_equal(text, f'text\nroot=PARTUUID={PARTUUID} rw one=1 last\n', 'the text')
    disk.install()


def several_processors_and_much_memory(disk, firmware):
    text = disk.run(firmware, 'grep -c ^processor /proc/cpuinfo; grep MemTotal /proc/meminfo',
                    '--smp', '4', '--memory', '5G')
    count, total = text.split()[0], int(text.split()[2])
    guest.check_equal(count, '4', 'the number of processors')
    guest.check(total > 4600 << 10, f'{total} KiB of memory')


def main(firmware, kinds, more=()):
    """The cases, on one disk; `kinds` maps kinds of disks to the root's name in the guest."""
    cases = []
    with tempfile.TemporaryDirectory(prefix='hati-boot-') as folder:
        disk = Disk(folder)
        for kind, name in kinds.items():
            case = functools.partial(root_is_mounted, disk, firmware, kind, name)
            case.__name__ = f'{kind}_boots'
            cases.append(case)
        for case in (boot_files_can_change, several_processors_and_much_memory, *more):
            cases.append(functools.update_wrapper(functools.partial(case, disk, firmware), case))
        guest.main(cases)
