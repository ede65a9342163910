// SPDX-License-Identifier: MIT
// A static Go program: goroutines, channels, processes, signals, files, timers, sockets.
// Expected: the same as on Linux.
package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"os/user"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func check(err error) {
	if err != nil {
		fmt.Println("error:", err)
	}
}

func goroutines() {
	jobs, results := make(chan int), make(chan int, 10)
	var group sync.WaitGroup
	for w := 0; w < 8; w++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for job := range jobs {
				results <- job * job
			}
		}()
	}
	go func() {
		for i := 0; i < 1000; i++ {
			jobs <- i
		}
		close(jobs)
		group.Wait()
		close(results)
	}()
	sum := 0
	for result := range results {
		sum += result
	}
	var mutex sync.Mutex
	var count int
	var total int64
	for i := 0; i < 1000; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for j := 0; j < 20; j++ {
				mutex.Lock()
				count++
				mutex.Unlock()
				atomic.AddInt64(&total, 1)
				runtime.Gosched()
			}
		}()
	}
	group.Wait()
	fmt.Println(sum, count, total)
	var stop int32
	for i := 0; i < runtime.NumCPU()+1; i++ { // they never call anything: only signals preempt them
		go func() {
			for atomic.LoadInt32(&stop) == 0 {
			}
		}()
	}
	runtime.GC()
	time.Sleep(20 * time.Millisecond)
	atomic.StoreInt32(&stop, 1)
	fmt.Println("preempted")
}

func memory() {
	var keep [][]byte
	for i := 0; i < 20000; i++ {
		block := make([]byte, 10000)
		block[i%10000] = byte(i)
		if i%100 == 0 {
			keep = append(keep, block)
		}
	}
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	fmt.Println(len(keep), stats.NumGC > 0, stats.HeapAlloc < 100<<20)
	fmt.Printf("%x\n", sha256.Sum256([]byte(strings.Repeat("x", 100000))))
	defer func() { fmt.Println("recovered:", recover()) }()
	var pointer *int
	*pointer = 1
}

func files() {
	check(os.WriteFile("file", []byte(strings.Repeat("line\n", 1000)), 0o640))
	info, err := os.Stat("file")
	check(err)
	fmt.Println(info.Size(), info.Mode(), info.IsDir())
	check(os.MkdirAll("a/b/c", 0o755))
	check(os.Symlink("file", "link"))
	check(os.Rename("file", "a/file"))
	_, err = os.Open("link")
	fmt.Println(err, errors.Is(err, os.ErrNotExist))
	fmt.Println(os.Remove("a"))
	check(filepath.WalkDir(".", func(path string, entry os.DirEntry, err error) error {
		fmt.Println(path, entry.Type())
		return err
	}))
	file, err := os.OpenFile("a/file", os.O_RDWR, 0)
	check(err)
	_, err = file.Seek(-5, io.SeekEnd)
	check(err)
	text, err := io.ReadAll(file)
	fmt.Printf("%q %v\n", text, err)
	check(file.Truncate(3))
	n, err := file.ReadAt(make([]byte, 10), 1)
	fmt.Println(n, err)
	check(file.Close())
	fmt.Println(file.Close())
	check(os.Chtimes("a/file", time.Unix(1000, 0), time.Unix(2000, 0)))
	info, _ = os.Stat("a/file")
	fmt.Println(info.ModTime().Unix())
	folder, err := os.MkdirTemp("", "go")
	check(err)
	check(os.RemoveAll(folder))
	check(os.RemoveAll("a"))
}

func processes() {
	output, err := exec.Command("sh", "-c", "echo out; echo err >&2; exit 3").CombinedOutput()
	fmt.Printf("%q %v\n", output, err)
	cat := exec.Command("cat")
	cat.Stdin = strings.NewReader(strings.Repeat("x", 1000000))
	output, err = cat.Output()
	fmt.Println(len(output), err)
	_, err = exec.Command("nonexistent-program").Output()
	fmt.Println(err)
	context, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	fmt.Println(exec.CommandContext(context, "sleep", "100").Run())
	var group sync.WaitGroup
	var sum int64
	for i := 0; i < 10; i++ {
		group.Add(1)
		go func(i int) {
			defer group.Done()
			err := exec.Command("sh", "-c", fmt.Sprint("exit ", i)).Run()
			var status *exec.ExitError
			if errors.As(err, &status) {
				atomic.AddInt64(&sum, int64(status.ExitCode()))
			}
		}(i)
	}
	group.Wait()
	fmt.Println(sum)
	child := exec.Command("sh", "-c", "read line; echo got $line; pwd; echo $FROM_GO")
	child.Dir, child.Env = "/usr", []string{"FROM_GO=yes"}
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL,
		Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	stdin, _ := child.StdinPipe()
	stdout, _ := child.StdoutPipe()
	check(child.Start())
	fmt.Fprintln(stdin, "a line")
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		fmt.Println(lines.Text())
	}
	check(child.Wait())
}

func signals() {
	channel := make(chan os.Signal, 10)
	signal.Notify(channel, syscall.SIGUSR1, syscall.SIGTERM)
	self, _ := os.FindProcess(os.Getpid())
	for _, number := range []os.Signal{syscall.SIGUSR1, syscall.SIGTERM} {
		check(self.Signal(number))
		fmt.Println(<-channel)
	}
	signal.Reset(syscall.SIGUSR1)
	signal.Ignore(syscall.SIGHUP)
	check(self.Signal(syscall.SIGHUP))
	context, stop := signal.NotifyContext(context.Background(), syscall.SIGUSR2)
	defer stop()
	check(self.Signal(syscall.SIGUSR2))
	<-context.Done()
	fmt.Println(context.Err())
	err := exec.Command("sh", "-c", "kill -USR1 $$").Run()
	fmt.Println(err)
}

func timers() {
	before := time.Now()
	ticker := time.NewTicker(2 * time.Millisecond)
	for i := 0; i < 5; i++ {
		<-ticker.C
	}
	ticker.Stop()
	select {
	case <-time.After(10 * time.Millisecond):
		fmt.Println("after")
	case <-make(chan bool):
	}
	fmt.Println(time.Since(before) >= 20*time.Millisecond, time.Unix(0, 0).UTC())
	done := make(chan bool)
	timer := time.AfterFunc(time.Hour, func() { done <- false })
	fmt.Println(timer.Stop())
	time.AfterFunc(time.Millisecond, func() { done <- true })
	fmt.Println(<-done)
}

func sockets() {
	listener, err := net.Listen("unix", "socket")
	check(err)
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				_, err := io.Copy(connection, connection)
				check(err)
				check(connection.Close())
			}()
		}
	}()
	var answers []string
	var mutex sync.Mutex
	var group sync.WaitGroup
	for i := 0; i < 5; i++ {
		group.Add(1)
		go func(i int) {
			defer group.Done()
			connection, err := net.Dial("unix", "socket")
			check(err)
			fmt.Fprintf(connection, "client %d %s", i, strings.Repeat("x", 100000))
			check(connection.(*net.UnixConn).CloseWrite())
			answer, err := io.ReadAll(connection)
			check(err)
			check(connection.Close())
			mutex.Lock()
			answers = append(answers, fmt.Sprint(string(answer[:8]), len(answer)))
			mutex.Unlock()
		}(i)
	}
	group.Wait()
	sort.Strings(answers)
	fmt.Println(answers)
	one, _, err := os.Pipe()
	check(err)
	check(one.SetReadDeadline(time.Now().Add(5 * time.Millisecond)))
	_, err = one.Read(make([]byte, 1))
	fmt.Println(errors.Is(err, os.ErrDeadlineExceeded))
	check(listener.Close())
}

func system() {
	current, err := user.Current()
	check(err)
	fmt.Println(current.Username, current.HomeDir, os.Getenv("LANG"), os.Getuid(), len(os.Args))
	folder, _ := os.Getwd()
	fmt.Println(filepath.Base(folder), os.Getpagesize(), runtime.NumCPU() > 0)
	executable, _ := os.Executable()
	fmt.Println(executable)
}

func main() {
	for _, part := range []struct {
		name string
		run  func()
	}{{"goroutines", goroutines}, {"memory", memory}, {"files", files}, {"processes", processes},
		{"signals", signals}, {"timers", timers}, {"sockets", sockets}, {"system", system}} {
		fmt.Println("==", part.name)
		part.run()
	}
	os.Exit(13)
}
