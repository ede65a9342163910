#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Python: what programs written in it use. Expected: the same as on Linux."""

import asyncio
import collections
import concurrent.futures
import contextlib
import ctypes
import errno
import fcntl
import hashlib
import json
import mmap
import multiprocessing
import os
import queue
import select
import selectors
import shutil
import signal
import socket
import sqlite3
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib

sys.stderr = sys.stdout


def case(name):
    print(f'== {name}', flush=True)


def attempt(function, *arguments):
    try:
        print(function(*arguments))
    except OSError as error:
        print(errno.errorcode[error.errno])


case('language')
print(sorted(collections.Counter('mississippi').items()))
print(json.dumps({'a': [1, 2.5, None, True], 'b': {'c': 'é'}}, sort_keys=True))
print(sum(i * i for i in range(100000)), 2 ** 200, hashlib.sha256(b'x' * 100000).hexdigest()[:16])
print(len(zlib.compress(b'abc' * 100000)), struct.pack('<IHb', 1, 2, -3))
print(ctypes.CDLL(None).strlen(b'hello'), ctypes.CDLL('libm.so.6').abs(-5))

case('files')
with open('file', 'w', encoding='utf-8') as file:
    file.writelines(f'{n}\n' for n in range(10000))
status = os.stat('file')
print(status.st_size, stat.filemode(status.st_mode), status.st_nlink)
with open('file', 'rb') as file:
    file.seek(-5, 2)
    print(file.read(), os.pread(file.fileno(), 4, 100))
os.makedirs('a/b/c')
shutil.copytree('a', 'copy')
shutil.copy2('file', 'copy/b')
print(sorted((root, sorted(dirs), sorted(files)) for root, dirs, files in os.walk('copy')))
os.link('file', 'hard')
os.symlink('file', 'soft')
print(os.stat('file').st_nlink, os.readlink('soft'),
      os.path.realpath('soft') == os.path.abspath('file'))
os.setxattr('file', 'trusted.key', b'value')
print(os.listxattr('file'), os.getxattr('file', 'trusted.key'))
attempt(os.rmdir, 'a')
attempt(os.open, 'nothing', os.O_RDONLY)
attempt(os.open, 'file', os.O_CREAT | os.O_EXCL)
attempt(os.read, 999, 1)
attempt(os.mkdir, 'x' * 256)
with os.scandir('.') as entries:
    print(sorted((entry.name, entry.is_dir(), entry.is_symlink()) for entry in entries))
os.ftruncate(fd := os.open('sparse', os.O_RDWR | os.O_CREAT), 1 << 30)
os.pwrite(fd, b'end', (1 << 30) - 3)
print(os.lseek(fd, 0, os.SEEK_DATA), os.fstat(fd).st_blocks)
os.posix_fallocate(fd, 0, 8192)
print(os.fstat(fd).st_blocks, os.sendfile(fd, os.open('file', os.O_RDONLY), 0, 1000))
memfd = os.memfd_create('mem', os.MFD_ALLOW_SEALING)
os.write(memfd, b'sealed')
fcntl.fcntl(memfd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)
attempt(os.write, memfd, b'x')
with tempfile.TemporaryDirectory() as folder:
    print(stat.filemode(os.stat(folder).st_mode))
print(shutil.disk_usage('.').total > 0, os.path.ismount('/proc'))
shutil.rmtree('copy')

case('mmap')
with open('file', 'r+b') as file, mmap.mmap(file.fileno(), 0) as mapping:
    mapping[0:3] = b'MAP'
    print(mapping.find(b'9999'), mapping.size())
    mapping.flush()
print(open('file', encoding='utf-8').readline())
shared = mmap.mmap(-1, 4096)
if not (pid := os.fork()):
    shared[0:5] = b'child'
    os._exit(3)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shared[0:5])

case('subprocess')
print(subprocess.run(['sh', '-c', 'cat; echo err >&2; exit 5'], input=b'in', capture_output=True))
print(subprocess.check_output('seq 3 | tac', shell=True, text=True).split())
with subprocess.Popen(['cat'], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as cat:
    print(len(cat.communicate(b'x' * 1000000)[0]))
with subprocess.Popen(['sleep', '100']) as sleeper:
    try:
        sleeper.wait(0.05)
    except subprocess.TimeoutExpired:
        print('timeout')
    sleeper.terminate()
print(sleeper.returncode)
attempt(lambda: subprocess.run(['/nonexistent'], check=False))
attempt(lambda: subprocess.run(['true'], cwd='/nonexistent', check=False))
print(subprocess.run(['sh', '-c', 'echo $A; pwd'], env={'A': 'b'}, cwd='/usr', stdout=-1).stdout)
pid = os.posix_spawn('/bin/sh', ['sh', '-c', 'exit 4'], os.environ)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
with subprocess.Popen(['sh', '-c', 'kill -STOP $$; exit 8']) as stopped:
    print(os.WSTOPSIG(os.waitpid(stopped.pid, os.WUNTRACED)[1]))
    stopped.send_signal(signal.SIGCONT)
    print(stopped.wait())
info = os.waitid(os.P_PID, os.posix_spawn('/bin/false', ['false'], {}), os.WEXITED)
print(info.si_signo, info.si_status, info.si_code)

case('threads')
lock = threading.Lock()
counter = 0


def count():
    global counter
    for _ in range(10000):
        with lock:
            counter += 1


threads = [threading.Thread(target=count) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(counter)
numbers = queue.Queue(5)
producer = threading.Thread(target=lambda: [numbers.put(n) for n in [*range(100), None]])
producer.start()
print(sum(iter(numbers.get, None)))
condition = threading.Condition()
print(condition.acquire() and condition.wait(0.02))
barrier = threading.Barrier(4)
with concurrent.futures.ThreadPoolExecutor(4) as pool:
    print(sorted(pool.map(lambda _: barrier.wait(), range(4))))
print(threading.Event().wait(0.01), threading.active_count())

case('multiprocessing')
context = multiprocessing.get_context('fork')
with context.Pool(3) as pool:
    print(pool.map(abs, range(-5, 5)), pool.apply(os.getppid) == os.getpid())
parent, child = context.Pipe()
worker = context.Process(target=lambda: child.send({'from': 'child'}))
worker.start()
print(parent.recv(), worker.join(), worker.exitcode)
value = context.Value('i', 0)


def increment():
    with value.get_lock():
        value.value += 1


workers = [context.Process(target=increment) for _ in range(4)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
print(value.value)

case('signals')
log = []
signal.signal(signal.SIGUSR1, lambda number, _: log.append(number))
os.kill(os.getpid(), signal.SIGUSR1)
signal.setitimer(signal.ITIMER_REAL, 0.01)
signal.signal(signal.SIGALRM, lambda number, _: log.append(number))
time.sleep(0.1)
print(log)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2, signal.SIGRTMIN])
os.kill(os.getpid(), signal.SIGUSR2)
print(signal.sigpending(), signal.sigwait([signal.SIGUSR2]),
      signal.sigtimedwait([signal.SIGRTMIN], 0.01))
reader, writer = os.pipe2(os.O_NONBLOCK)
signal.set_wakeup_fd(writer)
signal.raise_signal(signal.SIGUSR1)
print(os.read(reader, 10))
signal.set_wakeup_fd(-1)
pidfd = os.pidfd_open(pid := subprocess.Popen(['sleep', '100']).pid)
print(select.select([pidfd], [], [], 0)[0])
signal.pidfd_send_signal(pidfd, signal.SIGKILL)
print(select.select([pidfd], [], [], 10)[0] == [pidfd], os.waitpid(pid, 0)[1])

case('sockets')
server = socket.socket(socket.AF_UNIX)
server.bind('socket')
server.listen()
with selectors.DefaultSelector() as selector:
    selector.register(server, selectors.EVENT_READ)
    clients = [socket.socket(socket.AF_UNIX) for _ in range(3)]
    for client in clients:
        client.connect('socket')
    peers = []
    while len(peers) < 3:
        selector.select(5)
        peers.append(server.accept()[0])
for number, client in enumerate(clients):
    client.sendall(b'%d' % number)
print([peer.recv(10) for peer in peers])
print(struct.unpack('3i', peers[0].getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1:])
one, two = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
socket.send_fds(one, [b'fds'], [os.open('file', os.O_RDONLY)])
message, descriptors, _, _ = socket.recv_fds(two, 10, 1)
print(message, os.read(descriptors[0], 3))
two.settimeout(0.02)
with contextlib.suppress(TimeoutError):
    print(two.recv(1))
poll = select.epoll()
poll.register(two, select.EPOLLIN | select.EPOLLET)
one.send(b'x')
print(poll.poll(1)[0][1], poll.poll(0))

case('asyncio')


async def ticker(name, n):
    for i in range(n):
        await asyncio.sleep(0.001)
    return f'{name}{i}'


async def serve(reader, writer):
    writer.write((await reader.readline()).upper())
    await writer.drain()
    writer.close()


async def main():
    print(await asyncio.gather(*(ticker(name, n) for name, n in (('a', 3), ('b', 5)))))
    process = await asyncio.create_subprocess_exec('cat', stdin=-1, stdout=-1)
    print(await process.communicate(b'through cat'), process.returncode)
    os.unlink('socket')
    async with await asyncio.start_unix_server(serve, 'socket'):
        reader, writer = await asyncio.open_unix_connection('socket')
        writer.write(b'hello\n')
        print(await reader.read())
    print(await asyncio.to_thread(lambda: 'in a thread'))
    try:
        await asyncio.wait_for(asyncio.sleep(10), 0.01)
    except asyncio.TimeoutError:
        print('timeout')
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, lambda: print('signal'))
    os.kill(os.getpid(), signal.SIGUSR1)
    await asyncio.sleep(0.02)


asyncio.run(main())

case('sqlite')
with sqlite3.connect('data') as base:
    base.execute('create table t(a primary key, b)')
    base.executemany('insert into t values(?, ?)', ((n, str(n) * 3) for n in range(1000)))
    print(base.execute('select count(*), sum(a), max(b) from t where a % 7 = 0').fetchall())

case('system')
print(os.getpid() == int(os.readlink('/proc/self')), os.getuid(), os.getgroups(), os.umask(0o22))
print(os.sysconf('SC_PAGE_SIZE'), os.get_terminal_size.__name__, os.isatty(0), os.ctermid())
print(sorted(os.sched_getaffinity(0)) != [], os.getpriority(os.PRIO_PROCESS, 0), os.nice(3))
print(time.clock_getres(time.CLOCK_MONOTONIC), time.strftime('%F', time.gmtime(0)))
reader, writer = os.pipe()
print(fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 8192), fcntl.fcntl(reader, fcntl.F_GETFL))
master, slave = os.openpty()
os.write(master, b'typed\n')
print(os.read(slave, 100), os.isatty(slave), os.ttyname(slave).startswith('/dev/pts/'))
print(len(os.urandom(16)), os.getrandom(4, os.GRND_NONBLOCK) != b'')
sys.exit(9)
