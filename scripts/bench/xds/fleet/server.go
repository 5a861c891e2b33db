package main

import (
	"bufio"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A server is the process that is measured: driven by its control port, looked at in /proc.
type server struct {
	pid     int
	control *bufio.Writer
}

func drive(pid int, address string) *server {
	control, err := net.Dial("tcp", address)
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		answers := bufio.NewReader(control)
		for {
			answer, err := http.ReadResponse(answers, nil)
			if err != nil {
				return
			}
			if answer.StatusCode != http.StatusAccepted {
				log.Fatalf("the server's control port answered %s", answer.Status)
			}
			_ = answer.Body.Close()
		}
	}()
	return &server{pid, bufio.NewWriterSize(control, 1<<16)}
}

// post does not wait for the answer: a busy server must not slow down its registry. It
// leaves with the next sent.
func (server *server) post(path string) {
	head := "POST %s HTTP/1.1\r\nhost: control\r\ncontent-length: 0\r\n\r\n"
	_, _ = fmt.Fprintf(server.control, head, path)
}

func (server *server) sent() {
	if err := server.control.Flush(); err != nil {
		log.Fatal(err)
	}
}

func (server *server) update(changed target) {
	if changed.share > 0 {
		server.post(fmt.Sprintf("/step?service=%d&key=%d", changed.service, changed.share))
		return
	}
	server.post(fmt.Sprintf("/update?service=%d&key=%d", changed.service, changed.port))
}

// The kernel tells times in ticks of USER_HZ, which is 100 on every Linux.
const tick = 10 * time.Millisecond

// processor is the processor time used so far, user's and system's.
func (server *server) processor() time.Duration {
	stat := server.proc("stat")
	// After the command's name in brackets; utime and stime are fields 14 and 15 of the whole.
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * tick
}

var highWater = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

func (server *server) peakMiB() float64 {
	kibibytes, _ := strconv.Atoi(highWater.FindStringSubmatch(server.proc("status"))[1])
	return float64(kibibytes) / 1024
}

func (server *server) proc(file string) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", server.pid, file))
	if err != nil {
		log.Fatalf("the server is gone: %v", err)
	}
	return string(text)
}

// quiet waits until the server has dealt with what the last answers brought it.
func (server *server) quiet() {
	for range 100 {
		before := server.processor()
		time.Sleep(30 * time.Millisecond)
		if server.processor()-before < tick {
			return
		}
	}
}
