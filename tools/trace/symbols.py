# SPDX-License-Identifier: MIT
"""Names of functions: the kernel, the servers, the shim, and programs that are given by hand."""

import bisect
import os
import subprocess

_KERNEL = 1 << 63
_SHIM_LOW = 0x600000000000   # the shim is linked at 0 and mapped at a multiple of 16 MiB
_SHIM_MASK = 0xffffff
_FOLDERS = ('servers', 'drivers', 'posix', 'user', 'tests')


class _Program:
    """The functions of an ELF file by address; listed when the first is asked for."""

    def __init__(self, path):
        self._path = path
        self._starts, self._rows = None, []

    def _list(self):
        listing = subprocess.run(['llvm-nm-19', '-n', '-S', '--defined-only', self._path],
                                 capture_output=True, text=True, check=False).stdout
        for line in listing.splitlines():
            words = line.split()
            if len(words) == 4 and words[2] in 'tTwW':
                self._rows.append((int(words[0], 16), int(words[1], 16), words[3]))
            elif len(words) == 3 and words[1] in 'tTwW':   # assembly without a size
                self._rows.append((int(words[0], 16), 0, words[2]))
        self._starts = [start for start, _, _ in self._rows]

    def name_at(self, address):
        """The function that holds the address, or None."""
        if self._starts is None:
            self._list()
        index = bisect.bisect_right(self._starts, address) - 1
        if index < 0:
            return None
        start, size, name = self._rows[index]
        return name if size == 0 and address < start + 0x1000 or address < start + size else None


def _is_program(path):
    try:
        with open(path, 'rb') as file:
            return file.read(4) == b'\x7fELF' and os.access(path, os.X_OK)
    except OSError:
        return False


class Symbols:
    """Looks addresses of a build up; `added` are paths of further programs."""

    def __init__(self, build, added=()):
        self._thor = _Program(os.path.join(build, 'kernel/thor/thor'))
        self._programs = {}
        for folder in _FOLDERS:
            for parent, _, names in os.walk(os.path.join(build, folder)):
                for name in names:
                    path = os.path.join(parent, name)
                    if '.' not in name and not parent.endswith('.p') and _is_program(path):
                        self._programs[name] = _Program(path)
        for path in added:
            if os.path.isfile(path) and _is_program(path):
                self._programs[os.path.basename(path)] = _Program(path)

    def name(self, program, address, is_return):
        """The function at an address in a program; of a call if the address is where it returns."""
        place = address - 1 if is_return else address
        if address >= _KERNEL:
            return (self._thor.name_at(place) or f'{address:#x}') + '_[k]'
        if address >= _SHIM_LOW and 'shim' in self._programs:
            found = self._programs['shim'].name_at(place & _SHIM_MASK)
            if found:
                return f'shim:{found}'
        known = self._programs.get(program)
        return known and known.name_at(place) or f'[{program}]'
