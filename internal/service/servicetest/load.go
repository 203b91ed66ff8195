//go:build unix

package servicetest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// loadConnections is how many requests a benchmark keeps under way.
const loadConnections = 16

// LogTo sends the log of programs that are started from now on to a file, as in production, where
// writing it is a part of what a request costs.
func LogTo(b *testing.B, path string) {
	b.Helper()
	file, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	stderr := os.Stderr
	os.Stderr = file
	b.Cleanup(func() {
		os.Stderr = stderr
		file.Close()
	})
}

// Benchmark measures GETs of a path with a token, over keep-alive connections, alternately with
// /livez. It reports how many are answered in a second and what part that is of the rate of /livez,
// and the same by the processor time that each takes, which other programs on the machine disturb
// less. All of it includes the client, which only writes the request and reads the answer.
func (s *Service) Benchmark(b *testing.B, path, token string) {
	b.Helper()
	const rounds = 5
	var of, health spent
	n := max(b.N/rounds, loadConnections)
	s.load(b, path, token, n) // warm
	b.ReportAllocs()
	b.ResetTimer()
	for range rounds {
		of.add(s.load(b, path, token, n))
		b.StopTimer()
		health.add(s.load(b, "/livez", "", n))
		b.StartTimer()
	}
	all := float64(n * rounds)
	b.ReportMetric(all/of.wall.Seconds(), "requests/s")
	b.ReportMetric(all/health.wall.Seconds(), "livez/s")
	b.ReportMetric(of.wall.Seconds()/health.wall.Seconds(), "x-livez")
	b.ReportMetric(float64(of.cpu.Microseconds())/all, "cpu-us")
	b.ReportMetric(of.cpu.Seconds()/health.cpu.Seconds(), "cpu-x-livez")
}

// spent is what requests took.
type spent struct{ wall, cpu time.Duration }

func (s *spent) add(other spent) { s.wall, s.cpu = s.wall+other.wall, s.cpu+other.cpu }

// cpu is the processor time of this process so far.
func cpu(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// load makes n requests and returns what they took.
func (s *Service) load(b *testing.B, path, token string, n int) spent {
	b.Helper()
	addr := strings.TrimPrefix(s.URL, "http://")
	request := "GET " + path + " HTTP/1.1\r\nHost: " + addr + "\r\n"
	if token != "" {
		request += "Authorization: Bearer " + token + "\r\n"
	}
	request += "\r\n"
	conns := make([]net.Conn, loadConnections)
	for i := range conns {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			b.Fatal(err)
		}
		defer conn.Close()
		conns[i] = conn
	}
	var left atomic.Int64
	left.Store(int64(n))
	errs := make(chan error, len(conns))
	var all sync.WaitGroup
	began, before := time.Now(), cpu(b)
	for _, conn := range conns {
		all.Go(func() {
			in := bufio.NewReaderSize(conn, 64<<10)
			for left.Add(-1) >= 0 {
				if err := exchange(conn, in, request); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	all.Wait()
	took := spent{time.Since(began), cpu(b) - before}
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
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %.300s", response.StatusCode, body)
	}
	return err
}
