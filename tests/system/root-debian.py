#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 900
"""Debian 12 on the disk of `make image`: a login, and programs that do much to their disk.

The cases work on one image, one after the other; after each e2fsck finds nothing."""

import functools
import glob
import os
import subprocess
import sys
import tempfile

import booting
import guest
from console import Terminal

MAKE_IMAGE = os.path.join(guest.TOP, 'image/make-image.sh')
IMAGE = os.path.join(guest.TOP, 'build/image/debian.img')
ROOT_MIB = 66
EXIT_SKIP = 77


class Disk:
    """A copy of the image, and packages to work with."""

    def __init__(self, folder):
        self._folder = folder
        self.path = os.path.join(folder, 'debian.img')
        subprocess.run(['cp', '--sparse=always', IMAGE, self.path], check=True)
        boot = os.path.join(folder, 'boot')
        booting.make('make-boot.sh', guest.BUILD_FOLDER, boot)
        booting.make('install-boot.sh', self.path, boot)

    def fetch(self, *command):
        """What `apt-get COMMAND` downloads: its path."""
        subprocess.run(['apt-get', '-q', *command], cwd=self._folder, check=True,
                       stdin=subprocess.DEVNULL, capture_output=True)
        return max(glob.glob(os.path.join(self._folder, '*.deb')), key=os.path.getmtime)

    def run(self, script, *options, timeout=240):
        """Runs a script with bash, and checks the file system afterwards; its output."""
        outcome = guest.run('bash', '-euc', script, timeout=timeout,
                            options=('--root', self.path, '--memory', '2G', *options))
        guest.check_equal(outcome.status, 0,
                          f'the status ({outcome.text()[-300:]!r}, {outcome.errors[-300:]!r})')
        self.check()
        return outcome.text()

    def check(self):
        offset = f'{self.path}?offset={ROOT_MIB << 20}'
        result = subprocess.run(['/sbin/e2fsck', '-fn', offset], capture_output=True, text=True,
                                check=False)
        guest.check_equal(result.returncode, 0, f'the status of e2fsck ({result.stdout!r})')


def root_logs_in(disk, *options):
    terminal = Terminal(24, 80, options=('--root', disk.path, '--memory', '2G', *options))
    try:
        terminal.expect('hati login: ', 120)
        terminal.send('root\r')
        terminal.expect(r'root@hati:~# ', 60)
        terminal.send('id; tty; cat /proc/self/loginuid; echo\r')
        terminal.expect('uid=0\\(root\\).*\r\n/dev/console\r\n0\r\n')
        terminal.send('exit\r')
        guest.check_equal(terminal.wait(), 0, 'the status')
    finally:
        terminal.close()
    disk.check()


def a_bios_boots_to_the_login(disk):
    root_logs_in(disk, '--firmware', 'seabios')


def uefi_boots_to_the_login(disk):
    root_logs_in(disk, '--firmware', 'ovmf')


def sources_are_built(disk):
    """A program of many files, which make and gcc build at several times."""
    text = disk.run("""
        mkdir /root/build; cd /root/build
        for i in $(seq 40); do
            echo "#include <stdio.h>" >f$i.c
            echo "int f$i(int n);int f$i(int n){printf(\\"%d\\\\n\\",n);return n+$i;}" >>f$i.c
            echo "int f$i(int n);" >>all.h
        done
        { echo '#include "all.h"'; echo 'int main(void){int n=0;'
          for i in $(seq 40); do echo "n=f$i(n);"; done; echo 'return n!=820;}'; } >main.c
        { echo 'all: $(patsubst %.c,%.o,$(wildcard *.c)); gcc -o all $^'; } >Makefile
        make -s -j2 CFLAGS=-O1; ./all | tail -1; ls *.o | wc -l
        """)
    guest.check_equal(text, '780\n41\n', 'the output')


def repositories_are_cloned(disk):
    text = disk.run("""
        export HOME=/root; cd /root
        git config --global user.email me@hati; git config --global user.name me
        git init -q -b main repository; cd repository
        for i in $(seq 20); do echo $i >file$((i % 7)); git add .; git commit -qm "change $i"; done
        git gc -q; cd ..
        git clone -q --no-hardlinks repository copy
        git -C copy fsck --full --strict; git -C copy log --oneline | wc -l; cat copy/file*
        """)
    guest.check_equal(text, '20\n14\n15\n16\n17\n18\n19\n20\n', 'the output')


def packages_are_installed(disk):
    package = disk.fetch('download', 'hello')
    text = disk.run("""
        dpkg -i /srv/hello.deb >/dev/null; hello; dpkg --verify hello; dpkg -P hello >/dev/null
        cd /srv; { dpkg-deb -f hello.deb; echo "Filename: ./hello.deb"
            echo "Size: $(stat -c %s hello.deb)"
            echo "SHA256: $(sha256sum hello.deb | cut -d' ' -f1)"; } >Packages
        echo 'deb [trusted=yes] file:/srv ./' >/etc/apt/sources.list
        apt-get -q update >/dev/null; apt-get -qy install hello >/dev/null 2>&1
        hello; dpkg-query -W -f '${Status}\\n' hello; dpkg --audit
        """, '--add', f'{package}:/srv/hello.deb')
    guest.check_equal(text, 'Hello, world!\n' * 2 + 'install ok installed\n', 'the output')


def transactions_are_kept(disk):
    disk.run("""
        cd /root; sqlite3 base 'create table t(a integer primary key, b text)'
        for i in $(seq 300); do echo "begin; insert into t(b) values(hex($i)); commit;"; done |
            sqlite3 base
        """)
    text = disk.run("cd /root; sqlite3 base 'select count(*), max(a) from t; "
                    "pragma integrity_check;'")
    guest.check_equal(text, '300|300\nok\n', 'the output')


def main():
    made = subprocess.run([MAKE_IMAGE], capture_output=True, text=True, check=False)
    if made.returncode == EXIT_SKIP:
        print(f'skip root-debian: {made.stdout.strip()}')
        sys.exit(0)
    made.check_returncode()
    cases = [root_logs_in, a_bios_boots_to_the_login, uefi_boots_to_the_login, sources_are_built,
             repositories_are_cloned, packages_are_installed, transactions_are_kept]
    if not booting.has_ovmf():
        cases.remove(uefi_boots_to_the_login)
        print('skip uefi_boots_to_the_login: OVMF cannot be installed')
    with tempfile.TemporaryDirectory(prefix='hati-debian-') as folder:
        disk = Disk(folder)
        guest.main([functools.update_wrapper(functools.partial(case, disk), case)
                    for case in cases])


main()
