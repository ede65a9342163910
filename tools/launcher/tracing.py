# SPDX-License-Identifier: MIT
"""--trace: what ostrace streams out of the guest, through a port of its own into a file."""

import os
import subprocess
import sys
import tempfile

from options import UsageError

_TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_CONVERT = os.path.join(_TOP, 'tools/trace/trace.py')
_PORT = 5   # behind those of machine.py


class Tracing:
    """The stream of one run; nothing if the options ask for none."""

    def __init__(self, options):
        self._json = options.trace
        self._stream = None
        if not self._json:
            return
        try:
            with open(self._json, 'ab'):
                pass
        except OSError as error:
            raise UsageError(f"--trace: cannot write '{self._json}': {error.strerror}") from error
        self._stream = tempfile.NamedTemporaryFile(prefix='hati-trace-')

    def close(self):
        if self._stream:
            self._stream.close()

    def command_line(self):
        """What to add to the kernel's command line."""
        return ['hati.trace'] if self._stream else []

    def qemu_arguments(self):
        if not self._stream:
            return []
        return ['-chardev', f'file,id=trace,path={self._stream.name}',
                '-device', f'virtserialport,nr={_PORT},chardev=trace,name=org.hati.trace']

    def write(self, log_path):
        """After the guest's end: writes what was asked for."""
        if self._stream:
            subprocess.run([sys.executable, '-B', _CONVERT, self._stream.name, '--log', log_path,
                            '--json', self._json], stdin=subprocess.DEVNULL, check=False)
