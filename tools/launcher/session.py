# SPDX-License-Identifier: MIT
"""Carries bytes between the user and the guest until the command has ended.

On the control port both sides send lines. From init: "ready", and "exit STATUS N_STDOUT N_STDERR"
with the number of bytes it has written to the two ports: the session is over when as many have
arrived and been passed on, for ports are not ordered among each other. To init: "eof N_STDIN" when
stdin has ended after so many bytes, "winsize ROWS COLS", "close 1" or "close 2" when nobody reads
the command's output any more, and "hangup".

One loop around poll() does it all. Nothing is ever read that there is no room for, so a slow reader
slows the guest down, and nothing is lost.
"""

import enum
import os
import select
import signal
import socket
import time

import terminal

_CHUNK = 1 << 16
# What a pipe or terminal that poll() calls writable takes without blocking.
_WRITE_MAX = 4096
_BUFFER_MAX = 1 << 18
_DRAIN_SECONDS = 2.0
_BROKEN_PIPE_SECONDS = 2.0


class End(enum.Enum):
    """Why a session is over."""
    EXIT = 'the command has ended'
    GONE = 'QEMU has ended without an exit line'
    TIMEOUT = 'time has run out'
    SIGNAL = 'a signal came'
    ESCAPE = 'the user has typed the escape key'
    BROKEN_PIPE = 'nobody reads the output, and the command does not end'


class Flow:
    """One direction of one channel: read from a source, write to a sink, both file descriptors."""

    def __init__(self, source, sink, write_max=_WRITE_MAX):
        self.source = source
        self.sink = sink
        self.n_read = 0
        self.n_written = 0
        self.at_end = False
        self.is_broken = False   # the sink is gone: bytes are counted and thrown away
        self.watch = None        # called with what was read, gives what is to be passed on
        self._buffer = bytearray()
        self._write_max = write_max

    def wants_read(self):
        return not self.at_end and len(self._buffer) < _BUFFER_MAX

    def wants_write(self):
        return bool(self._buffer)

    def is_done(self):
        return self.at_end and not self._buffer

    def read(self):
        try:
            data = os.read(self.source, _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b''   # a terminal that has been hung up, a connection that is gone
        if not data:
            self.at_end = True
            return
        self.n_read += len(data)
        self.put(self.watch(data) if self.watch else data)

    def put(self, data):
        if self.is_broken:
            self.n_written += len(data)
        else:
            self._buffer += data

    def write(self):
        try:
            n_bytes = os.write(self.sink, self._buffer[:self._write_max])
        except BlockingIOError:
            return
        except OSError:
            self.is_broken = True
            n_bytes = len(self._buffer)
        self.n_written += n_bytes
        del self._buffer[:n_bytes]


class Session:
    """Runs one guest's traffic. `status` is the command's after End.EXIT."""

    def __init__(self, channels, is_console, log_path, timeout):
        self.status = None
        self.is_ready = False
        self.signal = None
        self._is_console = is_console
        self._deadline = time.monotonic() + timeout if timeout else None
        self._n_expected = None
        self._exit_at = None
        self._broken_at = None
        self._escaped = False
        self._lines = bytearray()
        self._eof_sent = False
        self._log = open(log_path, 'ab', buffering=0)
        self._wake_read, self._wake_write = socket.socketpair()
        self._make_flows(channels)

    def _make_flows(self, channels):
        ends = {name: channel.fileno() for name, channel in channels.items()}
        self._control = Flow(ends['control'], ends['control'])
        self._control.watch = self._control_arrived
        if self._is_console:
            self._input = Flow(0, ends['console'], _CHUNK)
            self._input.watch = self._key_arrived
            self._outputs = [Flow(ends['console'], 1)]
        else:
            self._input = Flow(0, ends['stdin'], _CHUNK)
            self._outputs = [Flow(ends['stdout'], 1), Flow(ends['stderr'], 2),
                             Flow(ends['console'], self._log.fileno())]
        self._flows = [self._control, self._input, *self._outputs]

    # ---- the control port

    def send(self, line):
        """Sends one line to init."""
        self._control.put(line.encode() + b'\n')

    def send_size(self):
        rows, columns = terminal.size()
        self.send(f'winsize {rows} {columns}')

    def _control_arrived(self, data):
        self._lines += data
        while b'\n' in self._lines:
            line, _, self._lines = self._lines.partition(b'\n')
            self._line_arrived(line.decode('ascii', 'replace').split())
        return b''

    def _line_arrived(self, words):
        if words == ['ready']:
            self.is_ready = True
            if self._is_console:
                self.send_size()
        elif len(words) == 4 and words[0] == 'exit' and all(w.isdecimal() for w in words[1:]):
            self.status = int(words[1]) & 0xff
            self._n_expected = (int(words[2]), int(words[3]))
            self._exit_at = time.monotonic()

    def _key_arrived(self, data):
        before, key, _ = data.partition(terminal.ESCAPE_KEY)
        self._escaped = self._escaped or bool(key)
        return before

    # ---- signals

    def _signal_arrived(self, number, _frame):
        if number == signal.SIGWINCH:
            if self._is_console and self.is_ready:
                self.send_size()
        else:
            self.signal = number

    def _catch_signals(self):
        """Handlers only note what came; a byte in the socket pair ends the poll()."""
        self._wake_write.setblocking(False)
        self._wake_read.setblocking(False)
        signal.set_wakeup_fd(self._wake_write.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGWINCH, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._signal_arrived)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)

    # ---- the loop

    def _is_drained(self):
        """After the exit line: has all that the command wrote been passed on?"""
        if self._is_console:
            return self._outputs[0].is_done() or \
                time.monotonic() - self._exit_at > _DRAIN_SECONDS
        return all(flow.n_written >= expected or flow.is_done()
                   for flow, expected in zip(self._outputs, self._n_expected))

    def _end(self):
        """Why the session is over now, or None."""
        now = time.monotonic()
        if self.signal is not None:
            return End.SIGNAL
        if self._escaped:
            return End.ESCAPE
        if self.status is not None and self._is_drained():
            return End.EXIT
        if self._control.at_end and all(flow.is_done() for flow in self._outputs):
            return End.EXIT if self.status is not None and self._is_console else End.GONE
        if self._deadline is not None and now >= self._deadline:
            return End.TIMEOUT
        if self._broken_at is not None and now - self._broken_at > _BROKEN_PIPE_SECONDS:
            return End.BROKEN_PIPE
        return None

    def _poll_mask(self):
        masks = {self._wake_read.fileno(): select.POLLIN}
        for flow in self._flows:
            if flow.wants_read():
                masks[flow.source] = masks.get(flow.source, 0) | select.POLLIN
            if flow.wants_write():
                masks[flow.sink] = masks.get(flow.sink, 0) | select.POLLOUT
        return masks

    def _wait(self):
        """{file descriptor: events}, or {} at the latest when a deadline is reached."""
        poller = select.poll()
        for fd, mask in self._poll_mask().items():
            poller.register(fd, mask)
        now = time.monotonic()
        limits = [1.0]
        if self._deadline is not None:
            limits.append(self._deadline - now)
        if self._is_console and self._exit_at is not None:
            limits.append(self._exit_at + _DRAIN_SECONDS - now)
        return dict(poller.poll(max(0, 1 + int(1000 * min(limits)))))

    def _turn(self):
        events = self._wait()
        if self._wake_read.fileno() in events:
            try:
                self._wake_read.recv(4096)
            except BlockingIOError:
                pass
        ended = select.POLLHUP | select.POLLERR | select.POLLNVAL
        for flow in self._flows:
            if flow.wants_write() and events.get(flow.sink, 0) & (select.POLLOUT | ended):
                flow.write()
            if flow.wants_read() and events.get(flow.source, 0) & (select.POLLIN | ended):
                flow.read()
        self._note_ends()

    def _note_ends(self):
        """Tells init that stdin has ended, or that nobody reads stdout or stderr."""
        if self._input.at_end and not self._eof_sent:
            self._eof_sent = True
            self.send('hangup' if self._is_console else f'eof {self._input.n_read}')
        if self._is_console:
            return
        for number, flow in ((1, self._outputs[0]), (2, self._outputs[1])):
            if flow.is_broken and flow.watch is None:
                flow.watch = lambda data: data   # told once
                self.send(f'close {number}')
                if number == 1:
                    self._broken_at = time.monotonic()

    def run(self):
        """Carries bytes until the session is over; returns why."""
        self._catch_signals()
        while True:
            end = self._end()
            if end is not None:
                return end
            self._turn()

    def hang_up(self):
        """Tells init that the user is gone, as far as that works at once."""
        self.send('hangup')
        self._control.write()

    def close(self):
        signal.set_wakeup_fd(-1)
        self._log.close()
        self._wake_read.close()
        self._wake_write.close()
