#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 240
# Python's own HTTP server with curl and wget over loopback. Expected: the same as on Linux.

await_port() # PORT: somebody listens there
{
	local entry
	entry=$(printf ':%04X [0:]* 0A ' "$1")
	until grep -q "$entry" /proc/net/tcp /proc/net/tcp6; do
		sleep 0.05
	done
}

# headers without what changes
stable()
{
	tr -d '\r' | grep -iv -e '^< *date' -e '^date' -e '^last-modified'
}

mkdir files
seq 100000 >files/numbers
printf 'hello\n' >files/hello.txt
mkdir files/empty
head -c 3000000 /dev/zero | tr '\0' x >files/large
python3 -m http.server --directory files --bind 127.0.0.1 8000 2>log &
server=$!
await_port 8000
url=http://127.0.0.1:8000

echo '== get'
curl -sS $url/hello.txt
curl -sS $url/numbers | cmp - files/numbers && echo same
curl -sS $url/large | sha256sum
curl -sS -o /dev/null -w '%{http_code} %{size_download} %{content_type} %{remote_ip}\n' $url/
curl -sS $url/ | sed -n 's/.*href="\([^"]*\)".*/\1/p'
curl -sS -o /dev/null -w '%{http_code}\n' $url/nothing

echo '== head'
curl -sSI $url/hello.txt | stable
curl -sSI $url/empty | stable

echo '== conditions'
curl -sS -o saved -R $url/hello.txt && cmp saved files/hello.txt
curl -sS -z saved -w '%{http_code} %{size_download}\n' $url/hello.txt
curl -sS -X POST -d x -o /dev/null -w '%{http_code}\n' $url/hello.txt

echo '== wget'
wget -q -O - $url/hello.txt
wget -q -r -np -nH -P mirror $url/ && (cd mirror && find . -type f | sort)
wget -S --spider $url/hello.txt 2>&1 | grep -i 'content-\|HTTP/'
wget -q $url/nothing; echo "status $?"

echo '== parallel'
for i in $(seq 20); do
	curl -sS -o "part$i" $url/numbers &
	clients+=($!)
done
wait "${clients[@]}"
cat part* | sha256sum
kill $server
wait $server 2>/dev/null
sed 's/^.*\] //' log | sort | uniq -c

echo '== refused'
curl -sS $url/ 2>&1 | sed 's/after [0-9]* ms/after N ms/'; echo "status ${PIPESTATUS[0]}"
wget -q -t 1 $url/; echo "status $?"
curl -s --connect-timeout 9 http://[::1]:8000/; echo "status $?"

cat >server.py <<'PYTHON'
import http.server, sys

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        if self.path == '/chunked':
            self.send_response(200)
            self.send_header('Transfer-Encoding', 'chunked')
            self.end_headers()
            for i in range(1000):
                text = b'chunk %d\n' % i
                self.wfile.write(b'%x\r\n%s\r\n' % (len(text), text))
            self.wfile.write(b'0\r\n\r\n')
            return
        text = f'{self.client_address[0]} {self.path} {self.headers.get("X-Own")}\n'.encode()
        self.answer(text)

    def answer(self, text):
        self.send_response(200)
        self.send_header('Content-Length', str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_POST(self):
        text = self.rfile.read(int(self.headers['Content-Length']))
        self.answer(b'%d %s\n' % (len(text), text[:40]))

    do_PUT = do_POST

http.server.ThreadingHTTPServer.address_family = int(sys.argv[2])
http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[3])), Handler).serve_forever()
PYTHON
python3 server.py 127.0.0.1 2 8001 &
v4=$!
python3 server.py :: 10 8002 &
v6=$!
await_port 8001
await_port 8002
url=http://127.0.0.1:8001

echo '== post'
curl -sS -d 'a=1&b=2' $url/
curl -sS --data-binary @files/large $url/
curl -sS -T files/numbers $url/put
curl -sS -F file=@files/hello.txt $url/ | cut -d' ' -f1
wget -q -O - --post-data 'from=wget' $url/

echo '== keep_alive'
curl -sS -H 'X-Own: yes' $url/one $url/two $url/three
curl -sS -v $url/one $url/two 2>&1 | grep -ci 're-using existing connection'
curl -sS -w '%{num_connects}\n' -o /dev/null -o /dev/null -o /dev/null $url/[1-3]

echo '== chunked'
curl -sS $url/chunked | sha256sum
curl -sS --raw -o raw $url/chunked && head -c 20 raw

echo '== families'
curl -sS http://127.0.0.1:8002/v4
curl -sS http://[::1]:8002/v6
curl -sS -4 http://localhost:8002/localhost
curl -sS -6 http://localhost:8002/localhost
curl -sS --interface 127.0.0.5 $url/from
curl -s http://127.0.0.99:8001/; echo "status $?"
kill $v4 $v6
wait $v4 $v6 2>/dev/null
echo done
