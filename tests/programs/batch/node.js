#!/usr/bin/node
// SPDX-License-Identifier: MIT
// timeout: 300
// node: files, processes, threads, timers, sockets. Expected: the same as on Linux.
'use strict';
const fs = require('fs');
const os = require('os');
const net = require('net');
const path = require('path');
const zlib = require('zlib');
const crypto = require('crypto');
const events = require('events');
const stream = require('stream/promises');
const { spawn, spawnSync, execSync, fork } = require('child_process');
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const sleep = require('timers/promises').setTimeout;

if (!isMainThread) {
	const shared = new Int32Array(workerData.buffer);
	for (let i = 0; i < 10000; i++) {
		Atomics.add(shared, 0, 1);
	}
	Atomics.add(shared, 1, 1);
	Atomics.notify(shared, 1);
	parentPort.on('message', (n) => parentPort.postMessage(n * n));
	return;
}
if (process.argv[2] === 'child') {
	process.on('message', (message) => {
		process.send({ echo: message });
		process.disconnect();
	});
	return;
}

const print = (...words) => fs.writeSync(1, words.map((word) =>
	typeof word === 'string' ? word : JSON.stringify(word)).join(' ') + '\n');
const attempt = (action) => {
	try {
		return action();
	} catch (error) {
		return error.code;
	}
};

async function files() {
	fs.writeFileSync('file', 'line\n'.repeat(1000));
	print(fs.statSync('file').size, fs.readFileSync('file', 'utf8').length);
	fs.appendFileSync('file', 'end');
	await fs.promises.copyFile('file', 'copy');
	fs.renameSync('copy', 'renamed');
	fs.symlinkSync('file', 'link');
	fs.mkdirSync('a/b/c', { recursive: true });
	print(fs.readdirSync('.').sort(), fs.readlinkSync('link'),
		fs.realpathSync('link') === path.resolve('file'));
	print(attempt(() => fs.readFileSync('nothing')), attempt(() => fs.rmdirSync('a')),
		attempt(() => fs.mkdirSync('a')), attempt(() => fs.openSync('a', 'w')));
	print((await Promise.all([1, 2, 3].map((n) => fs.promises.writeFile(`w${n}`, `${n}`)
		.then(() => fs.promises.readFile(`w${n}`, 'utf8'))))).join());
	await stream.pipeline(fs.createReadStream('file'), zlib.createGzip(),
		fs.createWriteStream('file.gz'));
	print(zlib.gunzipSync(fs.readFileSync('file.gz')).length);
	const watcher = fs.watch('a');
	const seen = events.once(watcher, 'change');
	fs.writeFileSync('a/watched', 'x');
	print((await seen)[1]);
	watcher.close();
	fs.chmodSync('file', 0o600);
	fs.utimesSync('file', 1000, 2000);
	print(fs.statSync('file').mode.toString(8), fs.statSync('file').mtimeMs);
	fs.rmSync('a', { recursive: true });
	print(fs.existsSync('a'));
}

async function processes() {
	print(execSync('echo $((6 * 7))').toString());
	const result = spawnSync('sh', ['-c', 'cat; echo err >&2; exit 3'], { input: 'in' });
	print(result.status, result.stdout.toString(), result.stderr.toString());
	const child = spawn('cat');
	child.stdin.end('through cat');
	print(String(await events.once(child.stdout, 'data')), await events.once(child, 'close'));
	const sleeper = spawn('sleep', ['100']);
	sleeper.kill('SIGTERM');
	print(await events.once(sleeper, 'exit'));
	print((await events.once(spawn('/nonexistent'), 'error'))[0].code);
	const forked = fork(__filename, ['child']);
	forked.send({ n: 1 });
	print((await events.once(forked, 'message'))[0], (await events.once(forked, 'exit'))[0]);
	print(spawnSync('pwd', { cwd: '/usr' }).stdout.toString(),
		spawnSync('sh', ['-c', 'kill -9 $$']).signal);
	print((await Promise.all([...Array(5).keys()].map((n) =>
		events.once(spawn('sh', ['-c', `exit ${n}`]), 'exit')))).map((status) => status[0]));
}

async function threads() {
	const buffer = new SharedArrayBuffer(8);
	const shared = new Int32Array(buffer);
	const workers = [1, 2, 3].map(() => new Worker(__filename, { workerData: { buffer } }));
	const squares = workers.map((worker, n) => {
		worker.postMessage(n + 5);
		return events.once(worker, 'message');
	});
	print((await Promise.all(squares)).map((answer) => answer[0]), shared[0], shared[1]);
	print(await Promise.all(workers.map((worker) => worker.terminate())));
	print(Atomics.wait(shared, 0, shared[0], 10));
	const hashes = [1, 2, 3, 4].map((n) => new Promise((resolve) =>
		crypto.pbkdf2(`${n}`, 'salt', 1000, 8, 'sha256', (_, key) => resolve(key.toString('hex')))));
	print(await Promise.all(hashes));
}

async function timers() {
	const order = [];
	setTimeout(() => order.push('timeout'), 5);
	setImmediate(() => order.push('immediate'));
	process.nextTick(() => order.push('tick'));
	Promise.resolve().then(() => order.push('promise'));
	await sleep(50);
	print(order);
	let n = 0;
	await new Promise((resolve) => {
		const interval = setInterval(() =>
			++n === 5 && (clearInterval(interval), resolve()), 2);
	});
	print(n, process.hrtime.bigint() > 0n,
		await Promise.race([sleep(1, 'fast'), sleep(100, 'slow')]));
	const signal = events.once(process, 'SIGUSR2');
	process.kill(process.pid, 'SIGUSR2');
	print((await signal)[0]);
}

async function sockets() {
	const server = net.createServer((socket) => socket.pipe(socket)).listen('socket');
	await events.once(server, 'listening');
	const answers = [1, 2, 3].map(async (n) => {
		const client = net.connect('socket');
		client.end(`client ${n} ` + 'x'.repeat(100000));
		let text = '';
		for await (const part of client) {
			text += part;
		}
		return text.length;
	});
	print(await Promise.all(answers));
	server.close();
	await events.once(server, 'close');
	print(fs.existsSync('socket'));
}

function language() {
	const fib = (n) => n < 2 ? n : fib(n - 1) + fib(n - 2);
	print(fib(22), 2 ** 64, (2n ** 100n).toString(), [3, 1, 2].sort(),
		'äöü'.normalize('NFD').length);
	print(crypto.createHash('sha256').update('x').digest('hex').slice(0, 16),
		new Date(0).toISOString());
	print(new Intl.NumberFormat('de').format(1234567.5), 'ß'.localeCompare('ss', 'de'));
	print(os.EOL, os.endianness(), os.homedir(), os.tmpdir(),
		process.getuid(), process.umask().toString(8));
	const many = new Map();
	for (let i = 0; i < 100000; i++) {
		many.set(`key${i % 1000}`, { i });
	}
	print(many.size, process.memoryUsage().rss > 1e6, eval('1 + 1'));
}

(async () => {
	for (const part of [language, files, processes, threads, timers, sockets]) {
		print(`== ${part.name}`);
		await part();
	}
	process.exitCode = 11;
})();
