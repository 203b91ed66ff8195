package httpd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/testenv"
)

// buffer is a log that goroutines may share.
type buffer struct {
	sync.Mutex
	bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.Lock()
	defer b.Unlock()
	return b.Buffer.Write(p)
}

func (b *buffer) String() string {
	b.Lock()
	defer b.Unlock()
	return b.Buffer.String()
}

// running is a server that a test talks to.
type running struct {
	url  string
	log  *buffer
	stop func() error // ends it, and returns what Run returned
}

func start(t *testing.T, s *Server) running {
	t.Helper()
	log := &buffer{}
	s.Log = slog.New(slog.NewTextHandler(log, nil))
	if s.Config.Listen == "" {
		s.Config.Listen = "127.0.0.1:0"
	}
	if s.Config.ShutdownTimeout == 0 {
		s.Config.ShutdownTimeout = 10 * time.Second
	}
	addr := make(chan net.Addr, 1)
	s.Serving = func(a net.Addr) { addr <- a }
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop := sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() { stop() })
	select {
	case a := <-addr:
		return running{"http://" + a.String(), log, stop}
	case err := <-done:
		t.Fatal(err)
		return running{}
	}
}

func get(t *testing.T, url string, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestHealth(t *testing.T) {
	var broken error
	var mu sync.Mutex
	s := start(t, &Server{Handler: http.NotFoundHandler(), Ready: func(context.Context) error {
		mu.Lock()
		defer mu.Unlock()
		return broken
	}})
	for _, path := range []string{"/livez", "/readyz"} {
		if resp, body := get(t, s.url+path); resp.StatusCode != 200 || body != "ok\n" {
			t.Errorf("%s: %d %q", path, resp.StatusCode, body)
		}
	}
	mu.Lock()
	broken = errors.New("the database at 10.0.0.1 is gone")
	mu.Unlock()
	if resp, body := get(t, s.url+"/readyz"); resp.StatusCode != 503 || strings.Contains(body, "10.0.0.1") {
		t.Errorf("not ready: %d %q", resp.StatusCode, body)
	}
	if !strings.Contains(s.log.String(), "10.0.0.1") {
		t.Error("the log does not say why")
	}
	if resp, _ := get(t, s.url+"/livez"); resp.StatusCode != 200 {
		t.Errorf("alive: %d", resp.StatusCode)
	}
}

func TestAPanicIsAProblemWithoutDetails(t *testing.T) {
	s := start(t, &Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("the secret of the panic") })})
	resp, body := get(t, s.url+"/x?token=secret")
	var problem Problem
	if err := json.Unmarshal([]byte(body), &problem); err != nil {
		t.Fatal(err, body)
	}
	id := resp.Header.Get("X-Request-Id")
	if resp.StatusCode != 500 || id == "" || problem.RequestID != id || strings.Contains(body, "secret") ||
		resp.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%d %v %s", resp.StatusCode, resp.Header, body)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	log := s.log.String()
	if !strings.Contains(log, id) || !strings.Contains(log, "the secret of the panic") || !strings.Contains(log, "httpd_test.go") {
		t.Errorf("the log lacks the request's id, the panic or its place: %s", log)
	}
	if strings.Contains(log, "token=secret") {
		t.Error("the log has the query, where tokens can be")
	}
}

func TestABodyIsBounded(t *testing.T) {
	s := start(t, &Server{MaxBody: 10, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			WriteProblem(w, r, Problem{Status: http.StatusRequestEntityTooLarge})
		}
	})})
	for body, want := range map[string]int{"0123456789": 200, "0123456789x": 413} {
		resp, err := http.Post(s.url, "text/plain", strings.NewReader(body)) //nolint:noctx // it is answered at once
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != want {
			t.Errorf("%d bytes: %d", len(body), resp.StatusCode)
		}
	}
}

func TestMetricsAreOnTheirOwnListener(t *testing.T) {
	address := "127.0.0.1:" + testenv.FreePort(t)
	s := start(t, &Server{Config: Config{MetricsListen: address}, Handler: http.NotFoundHandler()})
	if resp, _ := get(t, s.url+"/metrics"); resp.StatusCode != 404 {
		t.Errorf("on the service's listener: %d", resp.StatusCode)
	}
	const counted = `http_request_duration_seconds_count{method="GET",route="unmatched",status="404"} 1`
	if _, body := get(t, "http://"+address+"/metrics"); !strings.Contains(body, counted) {
		t.Errorf("metrics: %s", body)
	}
}

func TestAStopWaitsForRequestsUnderWay(t *testing.T) {
	entered, leave := make(chan bool), make(chan bool)
	s := start(t, &Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-leave
		io.WriteString(w, "whole")
	})})
	answer := make(chan string)
	go func() {
		resp, err := http.Get(s.url) //nolint:noctx // it is ended below
		if err != nil {
			answer <- err.Error()
			return
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		answer <- string(body)
	}()
	<-entered
	stopped := make(chan error)
	go func() { stopped <- s.stop() }()
	for { // until it no longer accepts
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			break
		}
		conn.Close()
	}
	close(leave)
	if got := <-answer; got != "whole" {
		t.Errorf("the answer was cut: %q", got)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestAStopFailsReadinessFirstAndServesOn(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/slow":
			close(entered)
			<-leave
		case "/empty":
			return // the status is implied
		}
		io.WriteString(w, "served")
	})
	over := make(chan struct{}) // the delay
	s := start(t, &Server{Config: Config{ShutdownDelay: 3 * time.Second}, Handler: handler, sleep: func(d time.Duration) {
		if d != 3*time.Second {
			t.Errorf("it serves on for %s", d)
		}
		<-over
	}})
	slow := make(chan *http.Response)
	go func() {
		resp, err := http.Get(s.url + "/slow")
		if err != nil {
			t.Error(err)
		}
		slow <- resp
	}()
	<-entered
	if resp, _ := get(t, s.url+"/x"); resp.Close {
		t.Error("a connection is closed though nobody said stop")
	}
	stopped := make(chan error)
	go func() { stopped <- s.stop() }()
	for {
		if resp, body := get(t, s.url+"/readyz"); resp.StatusCode == http.StatusServiceUnavailable {
			if body != "stopping\n" || !resp.Close {
				t.Errorf("readiness: %q, connection closed: %v", body, resp.Close)
			}
			break
		}
	}
	if resp, _ := get(t, s.url+"/livez"); resp.StatusCode != http.StatusOK {
		t.Errorf("alive: %d", resp.StatusCode)
	}
	for _, path := range []string{"/x", "/empty"} {
		resp, err := http.Post(s.url+path, "text/plain", strings.NewReader("a write"))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK || !resp.Close {
			t.Errorf("%s after the stop: %s, connection closed: %v", path, resp.Status, resp.Close)
		}
	}
	close(leave)
	if resp := <-slow; resp == nil || resp.StatusCode != http.StatusOK || !resp.Close {
		t.Errorf("what began before the stop keeps its connection: %v", resp)
	} else {
		resp.Body.Close()
	}
	close(over)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestALongPathIsCutInTheLog(t *testing.T) {
	s := start(t, &Server{Handler: http.NotFoundHandler()})
	get(t, s.url+"/"+strings.Repeat("가", 3000))
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(s.log.String()) {
		if len(line) > 1500 {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
	if !strings.Contains(s.log.String(), "가…") {
		t.Error("the path is not in the log, or cut in the middle of a character")
	}
}

func TestABusyAddressNamesItsSetting(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	free := Config{Listen: "127.0.0.1:0", MetricsListen: taken.Addr().String()}
	busy := Config{Listen: taken.Addr().String()}
	for setting, config := range map[string]Config{"--listen": busy, "--metrics-listen": free} {
		err := (&Server{Config: config, Log: slog.New(slog.DiscardHandler), Handler: http.NotFoundHandler()}).Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), setting) || !strings.Contains(err.Error(), taken.Addr().String()) {
			t.Errorf("%s: %v", setting, err)
		}
	}
}

func TestTheClientsAddressIsWhatOurProxiesWrote(t *testing.T) {
	proxies, err := parseNetworks([]string{"127.0.0.0/8", "::1", "10.1.0.0/16"})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		remote    string
		forwarded []string
		want      string
	}{
		{"203.0.113.9:1", nil, "203.0.113.9"},
		{"203.0.113.9:1", []string{"198.51.100.1"}, "203.0.113.9"}, // not our proxy: it may write what it likes
		{"127.0.0.1:1", []string{"198.51.100.1"}, "198.51.100.1"},
		{"127.0.0.1:1", []string{"1.2.3.4, 198.51.100.1"}, "198.51.100.1"}, // what the caller wrote before proves nothing
		{"127.0.0.1:1", []string{"1.2.3.4", "198.51.100.1, 10.1.2.3"}, "198.51.100.1"},
		{"127.0.0.1:1", []string{"rubbish"}, "127.0.0.1"},
		{"127.0.0.1:1", []string{"198.51.100.1, rubbish"}, "127.0.0.1"},
		{"[::1]:1", []string{"2001:db8::1"}, "2001:db8::1"},
		{"[::ffff:127.0.0.1]:1", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		{"127.0.0.1:1", []string{"127.0.0.1"}, "127.0.0.1"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = test.remote
		r.Header["X-Forwarded-For"] = test.forwarded
		if got := clientAddr(r, proxies); got != netip.MustParseAddr(test.want) {
			t.Errorf("%s %q: %s, want %s", test.remote, test.forwarded, got, test.want)
		}
	}
	if _, err := parseNetworks([]string{"10.0.0.0/33"}); err == nil || !strings.Contains(err.Error(), "--trusted-proxies") {
		t.Errorf("a wrong network: %v", err)
	}
}

func FuzzClientAddr(f *testing.F) {
	proxies, err := parseNetworks([]string{"127.0.0.0/8", "::1/128"})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"", "1.2.3.4", "1.2.3.4, 127.0.0.1", ",,,", "::1%eth0", "[::1]:80"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, forwarded string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = "203.0.113.9:1"
		r.Header.Set("X-Forwarded-For", forwarded)
		if got := clientAddr(r, proxies); got != netip.MustParseAddr("203.0.113.9") {
			t.Fatalf("%q made an untrusted peer %s", forwarded, got)
		}
	})
}

func TestMadeUpMethodsMakeNoMetrics(t *testing.T) {
	if methodLabel("BREW") != "other" || methodLabel("GET") != "GET" {
		t.Error(methodLabel("BREW"), methodLabel("GET"))
	}
}
