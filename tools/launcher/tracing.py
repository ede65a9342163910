# SPDX-License-Identifier: MIT
"""--trace and --profile: what ostrace streams out of the guest, through a port of its own."""

import os
import subprocess
import sys
import tempfile

from options import UsageError

_TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_CONVERT = os.path.join(_TOP, 'tools/trace/trace.py')
_PORT = 5   # behind those of machine.py

# enum hel_trace_category of abi/hel/trace.h
_EVENTS, _SAMPLES = 63, 64


def _check_writable(option, path):
    try:
        with open(path, 'ab'):
            pass
    except OSError as error:
        raise UsageError(f"{option}: cannot write '{path}': {error.strerror}") from error


class Tracing:
    """The stream of one run; nothing if the options ask for none."""

    def __init__(self, options):
        self._json, self._folded = options.trace, options.profile
        self._added = [host_path for host_path, _ in options.add]
        self._mask = 0
        self._stream = None
        if self._json:
            _check_writable('--trace', self._json)
            self._mask |= _EVENTS
        if self._folded:
            _check_writable('--profile', self._folded)
            self._mask |= _SAMPLES
        if self._mask:
            self._stream = tempfile.NamedTemporaryFile(prefix='hati-trace-')

    def close(self):
        if self._stream:
            self._stream.close()

    def command_line(self):
        """What to add to the kernel's command line."""
        return [f'hati.trace={self._mask}'] if self._mask else []

    def qemu_arguments(self):
        if not self._mask:
            return []
        return ['-chardev', f'file,id=trace,path={self._stream.name}',
                '-device', f'virtserialport,nr={_PORT},chardev=trace,name=org.hati.trace']

    def write(self, log_path, build_folder):
        """After the guest's end: writes what was asked for."""
        if not self._mask:
            return
        command = [sys.executable, '-B', _CONVERT, self._stream.name, '--log', log_path]
        if self._json:
            command += ['--json', self._json]
        if self._folded:
            command += ['--folded', self._folded, '--build', build_folder]
            for path in self._added:
                command += ['--program', path]
        subprocess.run(command, stdin=subprocess.DEVNULL, check=False)
