//go:build linux

package deploy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/maru-auth/maru/deploy/stack"
)

// BenchmarkGateway measures what the gateway adds to a request for a list of posts (7 KB): the same
// requests go to an upstream that costs next to nothing, directly and through the gateway, in turn.
// gateway-cpu-us is the gateway's own processor time for a request, and x-direct the same as a
// multiple of what client and upstream take together for a direct one.
//
// GATEWAY_CONFIG names another Caddyfile to compare with.
func BenchmarkGateway(b *testing.B) {
	path, err := caddy()
	if err != nil {
		b.Fatal(err)
	}
	body := strings.Repeat("0123456789abcdef", 450)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Request-Id", "BAR4WCUCTQ3YIXTVXVEO5OKJQ2")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		io.WriteString(w, body)
	}))
	defer upstream.Close()
	direct := strings.TrimPrefix(upstream.URL, "http://")
	api, pid := startGateway(b, path, direct)

	const rounds = 5
	n := max(b.N/rounds, benchConnections)
	request := func(host, path string) string {
		return "GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nUser-Agent: bench\r\nAuthorization: Bearer " +
			strings.Repeat("x", 900) + "\r\n\r\n"
	}
	with := request(api, "/board/v1/boards/free/posts?limit=20")
	without := request(direct, "/v1/boards/free/posts?limit=20")
	exchangeAll(b, api, with, n) // warm
	var through, alone, gateway, ours time.Duration
	b.ResetTimer()
	for range rounds {
		before := processTime(b, pid)
		through += exchangeAll(b, api, with, n)
		gateway += processTime(b, pid) - before
		b.StopTimer()
		self := processTime(b, os.Getpid())
		alone += exchangeAll(b, direct, without, n)
		ours += processTime(b, os.Getpid()) - self
		b.StartTimer()
	}
	all := float64(n * rounds)
	b.ReportMetric(all/through.Seconds(), "requests/s")
	b.ReportMetric(all/alone.Seconds(), "direct/s")
	b.ReportMetric(float64(gateway.Microseconds())/all, "gateway-cpu-us")
	b.ReportMetric(gateway.Seconds()/ours.Seconds(), "x-direct")
}

// startGateway starts Caddy with our Caddyfile before a board at upstream, and returns the address
// of the API.
func startGateway(b *testing.B, program, upstream string) (api string, pid int) {
	b.Helper()
	ports, err := stack.FreePorts(1)
	if err != nil {
		b.Fatal(err)
	}
	origins := ports.Origins()
	config := "Caddyfile"
	if other := os.Getenv("GATEWAY_CONFIG"); other != "" {
		config = other
	}
	log := filepath.Join(b.TempDir(), "log")
	cmd := exec.Command(program, "run", "--config", config, "--adapter", "caddyfile")
	cmd.Env = append(os.Environ(), "XDG_CONFIG_HOME="+b.TempDir(), "XDG_DATA_HOME="+b.TempDir(), "GOGC=400", "GATEWAY_LOG=file "+log,
		"GATEWAY_ISSUER="+origins.Issuer, "GATEWAY_API="+origins.API, "GATEWAY_APP="+origins.App,
		fmt.Sprintf("GATEWAY_OTHERS=http://:%d", ports.Redirect),
		"GATEWAY_AUTHZ="+upstream, "GATEWAY_USER="+upstream, "GATEWAY_BOARD="+upstream, "GATEWAY_DEMO="+upstream)
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		cmd.Wait()
	})
	api = strings.TrimPrefix(origins.API, "http://")
	for {
		if response, err := http.Get("http://" + api + "/board/v1/boards"); err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return api, cmd.Process.Pid
			}
		}
		if b.Context().Err() != nil || cmd.Process.Signal(syscall.Signal(0)) != nil {
			b.Fatal("the gateway does not answer")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

const benchConnections = 16

// exchangeAll makes n requests over keep-alive connections and returns how long they took.
func exchangeAll(b *testing.B, addr, request string, n int) time.Duration {
	b.Helper()
	var left atomic.Int64
	left.Store(int64(n))
	errs := make(chan error, benchConnections)
	var all sync.WaitGroup
	began := time.Now()
	for range benchConnections {
		all.Go(func() {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				errs <- err
				return
			}
			defer conn.Close()
			in := bufio.NewReader(conn)
			for left.Add(-1) >= 0 {
				if err := exchange(conn, in, request); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	all.Wait()
	took := time.Since(began)
	close(errs)
	for err := range errs {
		b.Fatal(err)
	}
	return took
}

func exchange(conn net.Conn, in *bufio.Reader, request string) error {
	if _, err := io.WriteString(conn, request); err != nil {
		return err
	}
	response, err := http.ReadResponse(in, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", response.StatusCode)
	}
	return nil
}

// processTime is the processor time of a process so far.
func processTime(b *testing.B, pid int) time.Duration {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:])) // proc_pid_stat(5), from the third on
	var ticks int64
	for _, field := range fields[11:13] { // utime, stime
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * (time.Second / 100)
}
