// SPDX-License-Identifier: MIT
// Go's net and net/http over loopback. Expected: the same as on Linux.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/rpc"
	"os"
	"sort"
	"strings"
	"sync"
	"syscall"
	"time"
)

func check(err error) {
	if err != nil {
		fmt.Println("error:", err)
	}
}

func httpServer() {
	mux := http.NewServeMux()
	mux.HandleFunc("/hello", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s %s", r.Method, r.URL.Path, r.Proto)
	})
	mux.HandleFunc("/count", func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		check(err)
		fmt.Fprint(w, n)
	})
	mux.HandleFunc("/stream", func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < 10; i++ {
			fmt.Fprintln(w, "line", i)
			w.(http.Flusher).Flush()
		}
	})
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
	})
	check(os.WriteFile("file", bytes.Repeat([]byte("0123456789"), 100000), 0o644))
	mux.Handle("/files/", http.StripPrefix("/files/", http.FileServer(http.Dir("."))))
	server := httptest.NewServer(mux)
	defer server.Close()
	get := func(path string) {
		answer, err := http.Get(server.URL + path)
		if err != nil {
			fmt.Println(err)
			return
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		check(err)
		if len(text) > 100 {
			text = []byte(fmt.Sprint(len(text)))
		}
		fmt.Println(answer.StatusCode, string(text))
	}
	get("/hello")
	get("/stream")
	get("/files/file")
	get("/nothing")
	body := strings.NewReader(strings.Repeat("x", 1<<20))
	answer, err := http.Post(server.URL+"/count", "text/plain", body)
	check(err)
	text, _ := io.ReadAll(answer.Body)
	answer.Body.Close()
	fmt.Println(string(text))
	request, _ := http.NewRequest("GET", server.URL+"/files/file", nil)
	request.Header.Set("Range", "bytes=5-14")
	answer, err = http.DefaultClient.Do(request)
	check(err)
	text, _ = io.ReadAll(answer.Body)
	answer.Body.Close()
	fmt.Println(answer.StatusCode, string(text), answer.Header.Get("Content-Range"))
	var group sync.WaitGroup
	var lock sync.Mutex
	n := 0
	for i := 0; i < 100; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			answer, err := http.Get(server.URL + "/hello")
			if err != nil {
				fmt.Println(err)
				return
			}
			io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
			lock.Lock()
			n++
			lock.Unlock()
		}()
	}
	group.Wait()
	fmt.Println(n)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	request, _ = http.NewRequestWithContext(ctx, "GET", server.URL+"/slow", nil)
	_, err = http.DefaultClient.Do(request)
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
}

func streams() {
	for _, network := range []string{"tcp4", "tcp6", "tcp"} {
		address := map[string]string{"tcp4": "127.0.0.1:0", "tcp6": "[::1]:0", "tcp": ":0"}[network]
		listener, err := net.Listen(network, address)
		if err != nil {
			fmt.Println(network, err)
			continue
		}
		go func() {
			for {
				connection, err := listener.Accept()
				if err != nil {
					return
				}
				go func() {
					io.Copy(connection, connection)
					connection.Close()
				}()
			}
		}()
		port := listener.Addr().(*net.TCPAddr).Port
		host := "127.0.0.1"
		if network == "tcp6" {
			host = "::1"
		}
		connection, err := net.Dial("tcp", net.JoinHostPort(host, fmt.Sprint(port)))
		check(err)
		tcp := connection.(*net.TCPConn)
		check(tcp.SetNoDelay(true))
		check(tcp.SetKeepAlivePeriod(time.Second))
		check(tcp.SetLinger(-1))
		go func() {
			tcp.Write(bytes.Repeat([]byte("z"), 1<<20))
			tcp.CloseWrite()
		}()
		text, err := io.ReadAll(tcp)
		fmt.Println(network, len(text), err)
		tcp.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		tcp.Close()
		listener.Close()
	}
	_, err := net.DialTimeout("tcp", "127.0.0.1:9", time.Second)
	fmt.Println(errors.Is(err, syscall.ECONNREFUSED))
	_, err = net.Listen("tcp", "192.0.2.1:80")
	fmt.Println(errors.Is(err, syscall.EADDRNOTAVAIL))
}

func datagrams() {
	server, err := net.ListenUDP("udp", &net.UDPAddr{})
	check(err)
	defer server.Close()
	port := server.LocalAddr().(*net.UDPAddr).Port
	for _, host := range []string{"127.0.0.1", "::1"} {
		client, err := net.Dial("udp", net.JoinHostPort(host, fmt.Sprint(port)))
		check(err)
		fmt.Fprintf(client, "to %s", host)
		text := make([]byte, 100)
		n, from, err := server.ReadFromUDP(text)
		check(err)
		_, err = server.WriteToUDP(bytes.ToUpper(text[:n]), from)
		check(err)
		n, err = client.Read(text)
		fmt.Println(string(text[:n]), err, from.IP)
		client.Close()
	}
	packets, err := net.ListenPacket("udp4", "127.0.0.1:0")
	check(err)
	check(packets.SetReadDeadline(time.Now().Add(10 * time.Millisecond)))
	_, _, err = packets.ReadFrom(make([]byte, 10))
	fmt.Println(errors.Is(err, os.ErrDeadlineExceeded))
	packets.Close()
}

type Arithmetic struct{}

func (Arithmetic) Add(pair [2]int, sum *int) error {
	*sum = pair[0] + pair[1]
	return nil
}

func calls() {
	server := rpc.NewServer()
	check(server.Register(Arithmetic{}))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	go server.Accept(listener)
	client, err := rpc.Dial("tcp", listener.Addr().String())
	check(err)
	var sum int
	check(client.Call("Arithmetic.Add", [2]int{2, 3}, &sum))
	fmt.Println(sum)
	client.Close()
}

func interfaces() {
	all, err := net.Interfaces()
	check(err)
	for _, one := range all {
		fmt.Println(one.Index, one.Name, one.MTU, one.Flags)
		addresses, err := one.Addrs()
		check(err)
		for _, address := range addresses {
			fmt.Println(address)
		}
	}
	names, err := net.LookupHost("localhost")
	sort.Strings(names)
	fmt.Println(names, err)
}

func main() {
	for _, one := range []struct {
		name string
		run  func()
	}{
		{"http", httpServer}, {"streams", streams}, {"datagrams", datagrams},
		{"calls", calls}, {"interfaces", interfaces},
	} {
		fmt.Println("==", one.name)
		one.run()
	}
}
