# SPDX-License-Identifier: MIT
"""For the scripts of this folder: a guest on a terminal, a pty, that is typed at."""

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import termios
import time

import guest
from guest import Failure

PROMPT = '<ready>'
_SECONDS = 60


class Terminal:
    """The launcher on a pty of our own."""

    def __init__(self, rows, columns, command=(), options=()):
        self._master, slave = os.openpty()
        self.resize(rows, columns)
        self._process = subprocess.Popen(
            guest.hati_command(command, *options, timeout=200), stdin=slave, stdout=slave,
            stderr=slave, start_new_session=True, env=os.environ | {'TERM': 'vt100'},
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)
        self._text = ''

    def resize(self, rows, columns):
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))

    def send(self, text):
        os.write(self._master, text.encode())

    def expect(self, pattern, seconds=_SECONDS):
        """Waits until the output matches; takes it up to the end of the match; the match."""
        deadline = time.monotonic() + seconds
        while True:
            match = re.search(pattern, self._text)
            if match:
                self._text = self._text[match.end():]
                return match
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._master], [], [], left)[0]:
                raise Failure(f'no {pattern!r} in {self._text[-300:]!r}')
            try:
                data = os.read(self._master, 65536)
            except OSError as error:
                raise Failure(f'the end, but no {pattern!r} in {self._text[-300:]!r}') from error
            self._text += data.decode('utf-8', 'replace')

    def run(self, line, pattern, seconds=_SECONDS):
        """Types a line, expects the pattern and then the prompt."""
        self.send(line + '\r')
        match = self.expect(pattern, seconds)
        self.expect(PROMPT, seconds)
        return match

    def settle(self):
        """Gets back to a prompt, whatever a failed case has left."""
        self.send('\x03')
        time.sleep(0.3)
        self.send('\x03stty sane; echo set""tled\r')
        self.expect('settled')
        self.expect(PROMPT)

    def wait(self, seconds=_SECONDS):
        """The launcher's exit status."""
        deadline = time.monotonic() + seconds
        while self._process.poll() is None and time.monotonic() < deadline:
            if select.select([self._master], [], [], 0.1)[0]:
                try:
                    os.read(self._master, 65536)
                except OSError:
                    pass
        status = self._process.poll()
        self.close()
        return status

    def close(self):
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
        if self._master >= 0:
            os.close(self._master)
            self._master = -1
