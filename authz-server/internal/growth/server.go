package main

import (
	"bytes"
	"context"
	"encoding/base64"
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
	"strconv"
	"strings"
	"syscall"
	"time"
)

// server is the program itself, on one of the databases.
type server struct {
	base   string
	cmd    *exec.Cmd
	client *http.Client
	log    bytes.Buffer
	ready  time.Duration // from its start until it was ready
	ended  chan struct{} // closed after its end
}

// build compiles the program.
func build(ctx context.Context, to string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", to, "github.com/maru-auth/maru/authz-server") //nolint:gosec // G204: the operator names the folder
	cmd.Stderr = os.Stderr
	return cmd.Run()
}

// freeAddress is one of this machine that nobody listens on at the moment.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func startServer(ctx context.Context, program, databaseURL string) (*server, error) {
	at, err := freeAddress()
	if err != nil {
		return nil, err
	}
	s := &server{base: "http://" + at, ended: make(chan struct{}), client: &http.Client{
		Timeout:       time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	s.cmd = exec.CommandContext(ctx, program)
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(syscall.SIGTERM) }
	s.cmd.WaitDelay = 10 * time.Second
	s.cmd.Env = append(os.Environ(), "AUTHZ_DATABASE_URL="+databaseURL, "AUTHZ_LISTEN="+at, "AUTHZ_ISSUER="+s.base,
		"AUTHZ_KEY_ENCRYPTION_KEY="+base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("k"), 32)),
		"AUTHZ_LOG_LEVEL=warn", "AUTHZ_SHUTDOWN_DELAY=0s")
	s.cmd.Stderr = &s.log
	began := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	var failed error
	go func() {
		failed = s.cmd.Wait()
		close(s.ended)
	}()
	for {
		resp, err := s.client.Get(s.base + "/readyz")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				s.ready = time.Since(began)
				return s, nil
			}
		}
		select {
		case <-s.ended:
			return nil, fmt.Errorf("the server ended: %w\n%s", errors.Join(failed, ctx.Err()), s.log.String())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// answer is what came back.
type answer struct {
	status   int
	location *url.URL
	body     []byte
}

// ask sends one request from an address that nobody has used, and tells how long it took.
func (s *server) ask(ctx context.Context, r *rand.Rand, method, path string, form url.Values, header ...string) (answer, time.Duration, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		return answer{}, 0, err
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", s.base)
	}
	req.Header.Set("X-Forwarded-For", net.IPv4(byte(1+r.IntN(9)), byte(r.IntN(256)), byte(r.IntN(256)), byte(r.IntN(256))).String()) //nolint:gosec // G115: bytes
	for pair := range slices.Chunk(header, 2) {
		req.Header.Set(pair[0], pair[1])
	}
	began := time.Now()
	resp, err := s.client.Do(req)
	if err != nil {
		return answer{}, 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	took := time.Since(began)
	if err != nil {
		return answer{}, 0, err
	}
	a := answer{status: resp.StatusCode, body: body}
	a.location, _ = resp.Location() // none: nil
	return a, took, nil
}

// want returns an error unless the answer has the status.
func (a answer) want(status int, what string) error {
	if a.status == status {
		return nil
	}
	text := string(a.body)
	return errors.New(what + ": status " + strconv.Itoa(a.status) + ": " + text[:min(len(text), 2000)])
}
