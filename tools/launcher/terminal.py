# SPDX-License-Identifier: MIT
"""The user's terminal: raw while the guest has it, and its size."""

import os
import termios
import tty

ESCAPE_KEY = b'\x1d'   # Ctrl-]


class RawTerminal:
    """`with RawTerminal(fd):` every key goes through as a byte; the old mode comes back after."""

    def __init__(self, fd):
        self._fd = fd
        self._saved = None

    def __enter__(self):
        self._saved = termios.tcgetattr(self._fd)
        tty.setraw(self._fd, termios.TCSANOW)
        return self

    def __exit__(self, *_):
        termios.tcsetattr(self._fd, termios.TCSADRAIN, self._saved)


def size():
    """(rows, columns) of the terminal, 24 by 80 where there is none."""
    for fd in (0, 1):
        try:
            columns, rows = os.get_terminal_size(fd)
        except OSError:
            continue
        if rows > 0 and columns > 0:
            return rows, columns
    return 24, 80
