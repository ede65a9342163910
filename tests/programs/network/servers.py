#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Python's servers and clients over loopback: asyncio, socketserver, multiprocessing, XML-RPC, TLS.
Expected: the same as on Linux."""

import asyncio
import contextlib
import errno
import http.client
import http.server
import multiprocessing.connection
import multiprocessing.managers
import os
import select
import selectors
import socket
import socketserver
import struct
import sys
import threading
import xmlrpc.client
import xmlrpc.server

sys.stderr = sys.stdout


def case(name):
    print(f'== {name}', flush=True)


def attempt(function, *arguments):
    try:
        print(function(*arguments))
    except OSError as error:
        print(errno.errorcode.get(error.errno, repr(error)))


@contextlib.contextmanager
def serving(server):
    """A server that runs in a thread of its own."""
    thread = threading.Thread(target=server.serve_forever, kwargs={'poll_interval': 0.01})
    thread.start()
    try:
        yield server.server_address
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def read_all(connection):
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b''.join(parts)


# ---- asyncio

async def echo(reader, writer):
    while data := await reader.read(1000):
        writer.write(data)
        await writer.drain()
    writer.close()


async def stream_client(address, size):
    reader, writer = await asyncio.open_connection(*address)
    text = bytes(i % 251 for i in range(size))

    async def send():
        writer.write(text)
        await writer.drain()
        writer.write_eof()
    _, answer = await asyncio.gather(send(), reader.read())
    writer.close()
    await writer.wait_closed()
    return answer == text


class Shout(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        self.transport.sendto(data.upper(), address)


class Ask(asyncio.DatagramProtocol):
    def __init__(self, done):
        self.done = done

    def datagram_received(self, data, address):
        self.done.set_result(data)

    def error_received(self, error):
        self.done.set_result(type(error).__name__)


async def streams(host, family):
    server = await asyncio.start_server(echo, host, 0, family=family)
    async with server:
        address = server.sockets[0].getsockname()[:2]
        results = await asyncio.gather(*(stream_client(address, n * 5000) for n in range(20)))
        print(all(results), len(results))
    try:
        await asyncio.open_connection(*address)
    except ConnectionRefusedError as error:
        print(error.errno == errno.ECONNREFUSED)


async def datagrams(host):
    loop = asyncio.get_running_loop()
    server, _ = await loop.create_datagram_endpoint(Shout, local_addr=(host, 0))
    address = server.get_extra_info('sockname')[:2]
    done = loop.create_future()
    client, _ = await loop.create_datagram_endpoint(lambda: Ask(done), remote_addr=address)
    client.sendto(b'over udp')
    print(await done)
    client.close()
    server.close()
    await asyncio.sleep(0)
    done = loop.create_future()
    client, _ = await loop.create_datagram_endpoint(lambda: Ask(done), remote_addr=address)
    client.sendto(b'to nobody')
    print(await done)
    client.close()


async def sendfile():
    with open('file', 'wb') as file:
        file.write(b'0123456789' * 100000)
    done = asyncio.get_running_loop().create_future()

    async def collect(reader, writer):
        done.set_result(await reader.read())
        writer.close()
    server = await asyncio.start_server(collect, '127.0.0.1', 0)
    _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    with open('file', 'rb') as file:
        print(await asyncio.get_running_loop().sendfile(writer.transport, file))
    writer.close()
    print(len(await done))
    server.close()

case('asyncio')
asyncio.run(streams('127.0.0.1', socket.AF_INET))
asyncio.run(streams('::1', socket.AF_INET6))
asyncio.run(datagrams('127.0.0.1'))
asyncio.run(datagrams('::1'))
asyncio.run(sendfile())

# ---- socketserver


class Lines(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line[::-1].strip() + b'\n')


class Packet(socketserver.BaseRequestHandler):
    def handle(self):
        data, sender = self.request
        sender.sendto(data[::-1], self.client_address)


class Server6(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6


case('socketserver')
for kind in socketserver.TCPServer, socketserver.ThreadingTCPServer, socketserver.ForkingTCPServer:
    with serving(kind(('127.0.0.1', 0), Lines)) as address:
        with socket.create_connection(address) as client:
            client.sendall(b'abc\ndef\n')
            client.shutdown(socket.SHUT_WR)
            print(kind.__name__, read_all(client))
with serving(socketserver.ThreadingUDPServer(('127.0.0.1', 0), Packet)) as address:
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.sendto(b'packet', address)
        print(client.recv(100))

case('dual_stack')
print(socket.has_dualstack_ipv6())
with serving(Server6(('::', 0), Lines)) as address:
    for host in '127.0.0.1', '::1', 'localhost':
        with socket.create_connection((host, address[1])) as client:
            client.sendall(b'dual\n')
            client.shutdown(socket.SHUT_WR)
            print(read_all(client), client.family.name)
with socket.create_server(('', 0), family=socket.AF_INET6, dualstack_ipv6=True) as server:
    attempt(lambda: socket.create_server(('127.0.0.1', server.getsockname()[1])))
with socket.create_server(('::', 0), family=socket.AF_INET6) as server:
    with socket.create_server(('127.0.0.1', server.getsockname()[1])):
        print('both')

# ---- multiprocessing


class Manager(multiprocessing.managers.BaseManager):
    pass


def worker(address, n):
    Manager.register('numbers')
    manager = Manager(address, b'key')
    manager.connect()
    manager.numbers().put(n * n)


case('multiprocessing')
numbers = multiprocessing.Manager().Queue()
Manager.register('numbers', callable=lambda: numbers)
manager = Manager(('127.0.0.1', 0), b'key')
manager.start()
workers = [multiprocessing.Process(target=worker, args=(manager.address, n)) for n in range(5)]
for one in workers:
    one.start()
for one in workers:
    one.join()
print(sorted(numbers.get() for _ in workers))
manager.shutdown()
with multiprocessing.connection.Listener(('127.0.0.1', 0), authkey=b'secret') as listener:
    def call():
        with multiprocessing.connection.Client(listener.address, authkey=b'secret') as client:
            client.send({'list': [1, 2, 3]})
            print(client.recv())
    thread = threading.Thread(target=call)
    thread.start()
    with listener.accept() as connection:
        print(connection.recv())
        connection.send('answer')
        thread.join()
    try:
        connection.recv()
    except OSError as error:
        print(error)

# ---- HTTP and XML-RPC

case('xmlrpc')
server = xmlrpc.server.SimpleXMLRPCServer(('127.0.0.1', 0), logRequests=False, allow_none=True)
server.register_function(pow)
server.register_function(lambda text: text * 2, 'twice')
with serving(server) as address:
    with xmlrpc.client.ServerProxy(f'http://127.0.0.1:{address[1]}') as proxy:
        print(proxy.pow(2, 10), proxy.twice('ab'))
        try:
            proxy.nothing()
        except xmlrpc.client.Fault as fault:
            print(fault.faultCode, fault.faultString)

case('http_client')


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *arguments):
        pass

    def do_POST(self):
        text = self.rfile.read(int(self.headers['Content-Length']))
        self.send_response(200)
        self.send_header('Content-Length', str(len(text)))
        self.end_headers()
        self.wfile.write(text)


with serving(http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)) as address:
    client = http.client.HTTPConnection(*address)
    for i in range(100):
        client.request('POST', '/', body=b'x' * (i * 100))
        with client.getresponse() as response:
            assert response.read() == b'x' * (i * 100), i
    print(response.status, response.reason)
    client.close()

# ---- the calls themselves

case('many')
with socket.create_server(('127.0.0.1', 0), backlog=200) as server:
    clients = [socket.create_connection(server.getsockname()) for _ in range(200)]
    accepted = [server.accept()[0] for _ in clients]
    with selectors.DefaultSelector() as selector:
        for number, one in enumerate(accepted):
            selector.register(one, selectors.EVENT_READ, number)
        for one in clients:
            one.send(b'x')
        ready = set()
        while len(ready) < len(clients):
            for key, _ in selector.select():
                ready.add(key.data)
                key.fileobj.recv(10)
        print(len(ready))
    for one in clients + accepted:
        one.close()

case('ends')


def pair():
    with socket.create_server(('127.0.0.1', 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        return client, listener.accept()[0]


a, b = pair()
a.close()
print(b.recv(10))
attempt(b.send, b'x')
attempt(b.send, b'x')
a, b = pair()
a.send(b'unread')
b.close()
attempt(a.recv, 10)
a, b = pair()
a.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
a.close()
attempt(b.recv, 10)
a, b = pair()
poll = select.poll()
poll.register(b, select.POLLIN | select.POLLRDHUP)
print(poll.poll(0))
a.shutdown(socket.SHUT_WR)
print([event for _, event in poll.poll()] == [select.POLLIN | select.POLLRDHUP])
b.shutdown(socket.SHUT_WR)
print([event for _, event in poll.poll()]
      == [select.POLLIN | select.POLLRDHUP | select.POLLHUP])
a.settimeout(0.05)
print(a.recv(1))
a, b = pair()
a.settimeout(0.05)
attempt(a.recv, 1)
