package growth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Server is the program itself, on one of the databases.
type Server struct {
	Base  string        // of its URLs
	Ready time.Duration // from its start until it was ready
	Ended chan struct{} // closed after its end

	cmd    *exec.Cmd
	client *http.Client
	log    bytes.Buffer
}

// freeAddress is one of this machine that nobody listens on at the moment.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// Start starts a program, which is to listen at the address, with variables of its environment, and
// returns when it is ready. It ends with ctx.
func Start(ctx context.Context, program string, variables func(address string) []string) (*Server, error) {
	at, err := freeAddress()
	if err != nil {
		return nil, err
	}
	s := &Server{Base: "http://" + at, Ended: make(chan struct{}), client: &http.Client{
		Timeout:       time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	s.cmd = exec.CommandContext(ctx, program)
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(syscall.SIGTERM) }
	s.cmd.WaitDelay = 10 * time.Second
	s.cmd.Env = append(os.Environ(), variables(at)...)
	s.cmd.Stderr = &s.log
	began := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	var failed error
	go func() {
		failed = s.cmd.Wait()
		close(s.Ended)
	}()
	for {
		resp, err := s.client.Get(s.Base + "/readyz")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				s.Ready = time.Since(began)
				return s, nil
			}
		}
		select {
		case <-s.Ended:
			return nil, fmt.Errorf("the server ended: %w\n%s", errors.Join(failed, ctx.Err()), s.log.String())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Answer is what came back.
type Answer struct {
	Status   int
	Location *url.URL // nil: none
	Body     []byte

	Asked string // method and path
}

// Ask sends one request from an address that nobody has used, and tells how long it took. header has
// names and values in turn.
func (s *Server) Ask(ctx context.Context, r *rand.Rand, method, path, body string, header ...string) (Answer, time.Duration, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.Base+path, strings.NewReader(body))
	if err != nil {
		return Answer{}, 0, err
	}
	req.Header.Set("X-Forwarded-For", net.IPv4(byte(1+r.IntN(9)), byte(r.IntN(256)), byte(r.IntN(256)), byte(r.IntN(256))).String()) //nolint:gosec // G115: bytes
	for pair := range slices.Chunk(header, 2) {
		req.Header.Set(pair[0], pair[1])
	}
	began := time.Now()
	resp, err := s.client.Do(req)
	if err != nil {
		return Answer{}, 0, err
	}
	defer resp.Body.Close()
	read, err := io.ReadAll(resp.Body)
	took := time.Since(began)
	if err != nil {
		return Answer{}, 0, err
	}
	a := Answer{Status: resp.StatusCode, Body: read, Asked: method + " " + path}
	a.Location, _ = resp.Location()
	return a, took, nil
}

// AskJSON is [Server.Ask] with a body as JSON; nil: without one.
func (s *Server) AskJSON(ctx context.Context, r *rand.Rand, method, path string, body any, header ...string) (Answer, time.Duration, error) {
	if body == nil {
		return s.Ask(ctx, r, method, path, "", header...)
	}
	text, err := json.Marshal(body)
	if err != nil {
		return Answer{}, 0, err
	}
	return s.Ask(ctx, r, method, path, string(text), append(header, "Content-Type", "application/json")...)
}

// Want returns an error unless the answer has the status.
func (a Answer) Want(status int) error {
	if a.Status == status {
		return nil
	}
	text := string(a.Body)
	return fmt.Errorf("%s: status %d: %s", a.Asked, a.Status, text[:min(len(text), 2000)])
}
