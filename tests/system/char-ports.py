#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout: 240
"""The console driver without posix: user/char-copy carries bytes from one port to another."""

import os
import random
import re
import select
import socket
import subprocess
import tempfile
import time

import guest
from guest import check, check_equal

_SECONDS_MAX = 40


def _connect(path, deadline):
    while True:
        try:
            end = socket.socket(socket.AF_UNIX)
            end.connect(path)
            return end
        except OSError:
            end.close()
            check(time.monotonic() < deadline, f'QEMU does not listen on {path}')
            time.sleep(0.05)


class Ports:
    """A guest with two more ports, and our ends of them."""

    def __init__(self, n_cpus):
        self._folder = tempfile.TemporaryDirectory(prefix='hati-test-')
        self.log = os.path.join(self._folder.name, 'log')
        more = []
        for number, name in ((5, 'copy-from'), (6, 'copy-to')):
            path = os.path.join(self._folder.name, name)
            more += ['--qemu', f'-chardev socket,id={name},path={path},server=on,wait=off '
                               f'-device virtserialport,nr={number},chardev={name},'
                               f'name=org.hati.{name}']
        self._process = subprocess.Popen(
            guest.hati_command(['busybox', 'sleep', '1000'], '--smp', str(n_cpus), '--log',
                               self.log, '--append', 'hati.test=char', *more,
                               timeout=2 * _SECONDS_MAX),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + _SECONDS_MAX
        self.source = _connect(os.path.join(self._folder.name, 'copy-from'), deadline)
        self.sink = _connect(os.path.join(self._folder.name, 'copy-to'), deadline)
        self.source.setblocking(False)
        self.sink.setblocking(False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.source.close()
        self.sink.close()
        self._process.terminate()
        self._process.wait()
        self._folder.cleanup()

    def pass_through(self, data, wait_before_reading=0.0):
        """Sends the data, and returns what comes back until it is as much."""
        started = time.monotonic()
        sent, received = 0, bytearray()
        while len(received) < len(data) and time.monotonic() - started < _SECONDS_MAX:
            may_read = time.monotonic() - started >= wait_before_reading
            readable, writable, _ = select.select(
                [self.sink] if may_read else [], [self.source] if sent < len(data) else [], [], 0.1)
            if writable:
                sent += self.source.send(data[sent:sent + 65536])
            if readable:
                piece = self.sink.recv(65536)
                check(piece, 'the port has closed')
                received += piece
        return bytes(received)

    def receive(self, size):
        """What comes back until it is so much."""
        received = bytearray()
        deadline = time.monotonic() + _SECONDS_MAX
        while len(received) < size and time.monotonic() < deadline:
            if select.select([self.sink], [], [], 0.1)[0]:
                received += self.sink.recv(65536)
        return bytes(received)

    def logged(self, pattern):
        """Waits for a line in the log."""
        deadline = time.monotonic() + _SECONDS_MAX
        while time.monotonic() < deadline:
            with open(self.log, encoding='utf-8', errors='replace') as file:
                match = re.search(pattern, file.read())
            if match:
                return match
            time.sleep(0.1)
        raise guest.Failure(f'{pattern!r} is not in the log')


def _check_same(received, data):
    check_equal(len(received), len(data), 'bytes that came back')
    check(received == data, 'they are not those that were sent')


def ten_mebibytes_come_back():
    data = random.Random(1).randbytes(10 << 20)
    for n_cpus in (1, 2, 4):
        with Ports(n_cpus) as ports:
            _check_same(ports.pass_through(data), data)


def nothing_is_lost_when_nobody_reads():
    data = random.Random(2).randbytes(3 << 20)
    with Ports(2) as ports:
        _check_same(ports.pass_through(data, wait_before_reading=3), data)


def small_pieces_come_back_in_order():
    data = random.Random(3).randbytes(20000)
    with Ports(2) as ports:
        ports.source.setblocking(True)
        received = bytearray()
        for start in range(0, len(data), 100):
            ports.source.send(data[start:start + 100])
            time.sleep(0.001)
            if select.select([ports.sink], [], [], 0)[0]:
                received += ports.sink.recv(65536)
        received += ports.receive(len(data) - len(received))
        _check_same(bytes(received), data)


def the_end_comes_after_the_last_byte():
    data = random.Random(4).randbytes(300001)
    with Ports(2) as ports:
        _check_same(ports.pass_through(data), data)
        ports.source.close()
        check_equal(ports.logged(r'char-copy: (\d+) bytes')[1], '300001', 'bytes copied')


guest.main([ten_mebibytes_come_back, nothing_is_lost_when_nobody_reads,
            small_pieces_come_back_in_order, the_end_comes_after_the_last_byte])
