# SPDX-License-Identifier: MIT
"""For the scripts of this folder: disks that a firmware boots, without the launcher's help."""

import functools
import os
import socket
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


def _glyphs():
    """{rows of a cell, as strings of '#' and '.': its character}, out of the kernel's font."""
    with open(os.path.join(guest.TOP, 'kernel/thor/screen/font.txt'), encoding='ascii') as file:
        lines = file.read().splitlines()
    glyphs = {}
    for index in range(96):
        sheet, column = divmod(index, 16)
        rows = (line[6 * column:6 * column + 5] + '.' for line in lines[10 * sheet:10 * sheet + 9])
        glyphs[(*rows, '......')] = chr(32 + index)
    return glyphs


def text_of_screen(path):
    """The lines of text on a picture, in PPM, of a screen."""
    with open(path, 'rb') as file:
        data = file.read()
    _, size, _, pixels = data.split(b'\n', 3)
    width, height = map(int, size.split())
    lit = bytes(pixels[::3])
    guest.check(len(lit) == width * height, 'the picture is no PPM of three bytes a pixel')
    table = bytes(ord('#') if value else ord('.') for value in range(256))
    rows = [lit[width * y:width * (y + 1)].translate(table).decode() for y in range(height)]
    glyphs = _glyphs()
    return [''.join(glyphs.get(tuple(row[x:x + 6] for row in rows[y:y + 10]), '?')
                    for x in range(0, width - 5, 6)).rstrip() for y in range(0, height - 9, 10)]


def _picture(monitor, path):
    """Has QEMU's monitor, a socket, make a picture of the screen."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(30)
        connection.connect(monitor)
        text = b''
        for line in (b'', f'screendump {path}\n'.encode()):
            connection.sendall(line)
            while not text.endswith(b'(qemu) '):
                more = connection.recv(4096)
                guest.check(more, 'the monitor has ended')
                text += more
            text = b''


def log_is_on_the_screen(disk, firmware):
    """What the firmware's framebuffer shows is the log, from its first line on."""
    with tempfile.TemporaryDirectory(prefix='hati-screen-') as folder:
        monitor, path = os.path.join(folder, 'monitor'), os.path.join(folder, 'picture')
        options = ('--root', disk.path, '--snapshot', '--firmware', firmware,
                   '--qemu', f'-vga std -monitor unix:{monitor},server,nowait')
        with guest.Boot(*options, command=(), timeout=BOOT_SECONDS) as boot:
            boot.wait_for_log('init: the root is')
            guest.check('the root is' in boot.log(), f'no root: {boot.log()[-300:]!r}')
            _picture(monitor, path)
            log = boot.log()
        shown = text_of_screen(path)
    lines = [line for line in log.splitlines() if line.startswith('[')]
    guest.check('screen of' in log, f'no screen: {log!r}')
    guest.check_equal(shown[0], lines[0], 'the first line on the screen')
    shown = [line for line in shown if line]
    guest.check(len(shown) > 15, f'the lines are {shown}')
    for line in shown[:-1]:   # the last one may be in the making
        guest.check(line in log, f'{line!r} is on the screen, but not in the log')


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
        for case in (boot_files_can_change, several_processors_and_much_memory,
                     log_is_on_the_screen, *more):
            cases.append(functools.update_wrapper(functools.partial(case, disk, firmware), case))
        guest.main(cases)
