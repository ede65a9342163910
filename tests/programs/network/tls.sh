#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 240
# TLS over loopback: openssl's own server and client, curl. Expected: the same as on Linux.

await_port()
{
	local entry
	entry=$(printf ':%04X [0:]* 0A ' "$1")
	until grep -q "$entry" /proc/net/tcp /proc/net/tcp6; do
		sleep 0.05
	done
}

echo '== certificate'
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 30 \
	-subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 2>/dev/null
openssl x509 -in cert.pem -noout -subject -ext subjectAltName

echo '== http'
echo hello >hello.txt
openssl s_server -accept 127.0.0.1:4433 -cert cert.pem -key key.pem -WWW -quiet >log 2>&1 &
server=$!
await_port 4433
curl -sS --cacert cert.pem https://127.0.0.1:4433/hello.txt
curl -sS --cacert cert.pem --tlsv1.3 -o /dev/null -w '%{http_code} %{ssl_verify_result}\n' \
	https://127.0.0.1:4433/hello.txt
curl -sS --cacert cert.pem --tls-max 1.2 https://127.0.0.1:4433/hello.txt
curl -s https://127.0.0.1:4433/hello.txt; echo "status $?"
printf 'GET /hello.txt HTTP/1.0\r\n\r\n' |
	openssl s_client -connect 127.0.0.1:4433 -CAfile cert.pem -quiet -ign_eof 2>/dev/null |
	tail -1
kill $server; wait $server 2>/dev/null

echo '== stream'
seq 300000 >numbers
# a stdin that has nothing to say and no end
mkfifo silence; exec 9<>silence
openssl s_server -accept 127.0.0.1:4434 -cert cert.pem -key key.pem -quiet -naccept 1 \
	<&9 >got 2>/dev/null &
await_port 4434
openssl s_client -connect 127.0.0.1:4434 -CAfile cert.pem -quiet -no_ign_eof \
	<numbers >/dev/null 2>&1
wait $!
cmp got numbers && echo same
