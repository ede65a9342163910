#!/usr/bin/node
// SPDX-License-Identifier: MIT
// timeout: 240
// node's servers and clients over loopback. Expected: the same as on Linux.
'use strict';
const dgram = require('dgram');
const events = require('events');
const fs = require('fs');
const http = require('http');
const http2 = require('http2');
const net = require('net');
const os = require('os');
const dns = require('dns').promises;
const cluster = require('cluster');

const print = (...words) => fs.writeSync(1, words.map((word) =>
	typeof word === 'string' ? word : JSON.stringify(word)).join(' ') + '\n');

if (cluster.isWorker) {
	http.createServer((request, response) => response.end('from a worker'))
		.listen(9005, '127.0.0.1');
	return;
}

const listen = async (server, ...where) => {
	server.listen(...where);
	await events.once(server, 'listening');
	return server.address();
};
const close = (server) => new Promise((resolve) => server.close(resolve));
const text = async (stream) => {
	const parts = [];
	for await (const part of stream) {
		parts.push(part);
	}
	return Buffer.concat(parts).toString();
};
const request = (options, body) => new Promise((resolve, reject) => {
	const ask = http.request(options, async (response) => {
		resolve([response.statusCode, await text(response)]);
	});
	ask.on('error', reject);
	ask.end(body);
});

async function httpServer() {
	const server = http.createServer(async (ask, answer) => {
		if (ask.method === 'POST') {
			answer.writeHead(201);
			answer.end(String((await text(ask)).length));
		} else if (ask.url === '/stream') {
			for (let i = 0; i < 100; i++) {
				answer.write(`part ${i}\n`);
			}
			answer.end();
		} else {
			answer.end(`${ask.method} ${ask.url} ${ask.socket.remoteAddress}`);
		}
	});
	const { port, address, family } = await listen(server, 0, '127.0.0.1');
	print(address, family);
	print(await request({ port, host: '127.0.0.1', path: '/a' }));
	print(await request({ port, host: '127.0.0.1', method: 'POST' }, 'x'.repeat(1000000)));
	print((await request({ port, host: '127.0.0.1', path: '/stream' }))[1].length);
	const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
	const all = await Promise.all([...Array(50).keys()].map((i) =>
		request({ port, host: '127.0.0.1', path: `/${i}`, agent })));
	print(all.filter(([code]) => code === 200).length);
	agent.destroy();
	const answer = await fetch(`http://127.0.0.1:${port}/fetch`);
	print(answer.status, await answer.text());
	server.closeAllConnections();
	await close(server);
	await request({ port, host: '127.0.0.1' }).catch((error) => print(error.code));
}

async function sockets() {
	const server = net.createServer({ allowHalfOpen: true }, (socket) =>
		socket.on('error', (error) => print(error.code)).pipe(socket));
	const { port, family } = await listen(server, 0);
	print(family);
	for (const host of ['127.0.0.1', '::1']) {
		const client = net.connect({ port, host, allowHalfOpen: true });
		client.setNoDelay(true);
		client.setKeepAlive(true, 1000);
		client.end('y'.repeat(500000));
		print(host, (await text(client)).length);
	}
	const client = net.connect({ port, host: '127.0.0.1' });
	await events.once(client, 'connect');
	client.setTimeout(20);
	await events.once(client, 'timeout');
	client.resetAndDestroy();
	await close(server);
	const second = net.createServer();
	await listen(second, 9001, '127.0.0.1');
	const third = net.createServer();
	third.listen(9001, '127.0.0.1');
	print((await events.once(third, 'error'))[0].code);
	await close(second);
}

async function datagrams() {
	for (const [type, host] of [['udp4', '127.0.0.1'], ['udp6', '::1']]) {
		const server = dgram.createSocket(type);
		server.bind(0, host);
		await events.once(server, 'listening');
		server.on('message', (message, from) =>
			server.send(message.toString().toUpperCase(), from.port, from.address));
		const client = dgram.createSocket(type);
		client.connect(server.address().port, host);
		await events.once(client, 'connect');
		client.send('datagram');
		const [message, from] = await events.once(client, 'message');
		print(message.toString(), from.address, from.family, from.size);
		print(client.getRecvBufferSize() > 0, client.remoteAddress().address);
		client.close();
		server.close();
	}
	const client = dgram.createSocket('udp4');
	client.bind(0, '127.0.0.1');
	await events.once(client, 'listening');
	client.setTTL(10);
	client.setBroadcast(true);
	client.setMulticastTTL(3);
	client.setMulticastLoopback(false);
	client.close();
}

async function http2Server() {
	const server = http2.createServer();
	server.on('stream', (stream, headers) => {
		stream.respond({ ':status': 200 });
		stream.end(`http2 ${headers[':path']}`);
	});
	const { port } = await listen(server, 0, '127.0.0.1');
	const session = http2.connect(`http://127.0.0.1:${port}`);
	print((await Promise.all([1, 2, 3, 4].map((i) =>
		text(session.request({ ':path': `/${i}` }))))).join());
	session.close();
	await close(server);
}

async function names() {
	print(os.networkInterfaces());
	print(await dns.lookup('localhost', { all: true }));
	print(net.isIPv6('::1'), await dns.lookup('127.0.0.1'));
}

async function workers() {
	cluster.fork();
	cluster.fork();
	let n = 0;
	await new Promise((resolve) => cluster.on('listening', () => ++n === 2 && resolve()));
	print(await request({ port: 9005, host: '127.0.0.1' }));
	await new Promise((resolve) => cluster.disconnect(resolve));
}

(async () => {
	const cases = { httpServer, sockets, datagrams, http2Server, names, workers };
	for (const [name, run] of Object.entries(cases)) {
		print('== ' + name);
		await run();
	}
})();
