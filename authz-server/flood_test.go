package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// flooded is a server of its own, with an account.
type flooded struct {
	b      *testing.B
	base   string
	client *http.Client
}

func startFlooded(b *testing.B) *flooded {
	databaseURL := sqldbtest.SQLite(b)
	run := func(input string, args ...string) {
		p := &program{in: strings.NewReader(input), out: io.Discard, errs: io.Discard, now: time.Now}
		if err := p.run(b.Context(), append([]string{"--database-url=" + databaseURL}, args...)); err != nil {
			b.Fatal(err)
		}
	}
	addr, _ := serving(b, databaseURL, "--registration=open", "--shutdown-delay=0s")
	f := &flooded{b: b, base: "http://" + addr, client: &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: 1000}, CheckRedirect: stay,
	}}
	run("four unrelated wooden words\n", "user", "create", "--email=mina@example.org", "--name=Mina", "--password-stdin")
	run("", "client", "create", "--id=tv", "--name=TV", "--public", "--grant-type="+client.DeviceCode, "--scope=openid")
	run("", "client", "create", "--id=app", "--name=App", "--redirect-uri=https://app.example/cb", "--scope=openid")
	b.Cleanup(f.client.CloseIdleConnections)
	return f
}

// send sends a request as the gateway would for somebody at address, and returns the status.
func (f *flooded) send(ctx context.Context, address, method, path, kind, body string) int {
	r, err := http.NewRequestWithContext(ctx, method, f.base+path, strings.NewReader(body))
	if err != nil {
		f.b.Fatal(err)
	}
	r.Header.Set("X-Forwarded-For", address)
	r.Header.Set("Origin", "http://localhost:9000")
	r.Header.Set("Cookie", "maru-browser="+opaque.New())
	if body != "" {
		r.Header.Set("Content-Type", kind)
	}
	resp, err := f.client.Do(r)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body) // the status says enough
	return resp.StatusCode
}

const formType = "application/x-www-form-urlencoded"

func (f *flooded) logIn() time.Duration {
	start := time.Now()
	form := url.Values{"email": {"mina@example.org"}, "password": {"four unrelated wooden words"}}
	status := f.send(context.Background(), "203.0.113.1", http.MethodPost, "/login", formType, form.Encode())
	if status != http.StatusSeeOther {
		f.b.Errorf("a right log-in got %d", status)
	}
	return time.Since(start)
}

// flood sends what anybody can, from one address, over so many connections, until ctx ends. It
// returns how many requests were answered.
func (f *flooded) flood(ctx context.Context, connections int) (answered int64) {
	authorize := "/oauth2/authorize?" + url.Values{
		"client_id": {"app"}, "redirect_uri": {"https://app.example/cb"}, "response_type": {"code"}, "scope": {"openid"},
		"code_challenge": {strings.Repeat("A", 43)}, "code_challenge_method": {"S256"}, "state": {strings.Repeat("x", 2000)},
	}.Encode()
	const (
		password = "4a8b({c3e69g!i1l|/0o$s5+t7x%2z4@8({[<369!1/|0$5+7%2"
		metadata = `{"redirect_uris":["https://x.example/cb"],"client_name":"x"}`
	)
	post := func(path, kind, body string) int {
		return f.send(ctx, "198.51.100.1", http.MethodPost, path, kind, body)
	}
	var count atomic.Int64
	var wg sync.WaitGroup
	for range connections {
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				var status int
				switch n % 4 {
				case 0:
					form := url.Values{"name": {"M"}, "email": {fmt.Sprint(n, "@example.org")}, "password": {fmt.Sprint(password, n)}}
					status = post("/signup", formType, form.Encode())
				case 1:
					status = post("/oauth2/device_authorization", formType, "client_id=tv&scope=openid")
				case 2:
					status = post("/oauth2/register", "application/json", metadata)
				case 3:
					status = f.send(ctx, "198.51.100.1", http.MethodGet, authorize, "", "")
				}
				if status != 0 {
					count.Add(1)
				}
			}
		})
	}
	wg.Wait()
	return count.Load()
}

// Log-ins must succeed while one address floods what anybody can ask for, and take less than twice
// as long. The flood comes from this process, which makes it as expensive again for the machine as
// for the server.
func BenchmarkLogInDuringAFlood(b *testing.B) {
	f := startFlooded(b)
	f.logIn()
	var quiet, loud []time.Duration
	var answered int64
	var took time.Duration
	for b.Loop() {
		for range 20 {
			quiet = append(quiet, f.logIn())
		}
		ctx, stop := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		start := time.Now()
		wg.Go(func() { answered += f.flood(ctx, 250) })
		for range 20 {
			loud = append(loud, f.logIn())
		}
		stop()
		wg.Wait()
		took += time.Since(start)
	}
	median := func(times []time.Duration) time.Duration {
		slices.Sort(times)
		return times[len(times)/2]
	}
	b.ReportMetric(float64(median(quiet))/1e6, "quiet-ms")
	b.ReportMetric(float64(median(loud))/1e6, "flood-ms")
	b.ReportMetric(float64(median(loud))/float64(median(quiet)), "x-quiet")
	b.ReportMetric(float64(answered)/took.Seconds(), "flood/s")
}
