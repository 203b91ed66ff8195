package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/maru-auth/maru/internal/testenv"
	"github.com/maru-auth/maru/internal/testenv/clock"
	"github.com/maru-auth/maru/internal/testenv/site"
)

// counted is an https server on loopback that counts its requests.
type counted struct {
	*site.Site
	hits atomic.Int64
}

func newSite(t *testing.T, handler http.HandlerFunc) *counted {
	t.Helper()
	s := &counted{}
	s.Site = site.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.hits.Add(1)
		handler(w, r)
	}))
	return s
}

// client trusts s and may reach loopback.
func (s *counted) client(t *testing.T) *Client {
	t.Helper()
	c, err := New(Config{CAFile: s.CAFile, InsecureLoopback: true})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// nameServer answers every question for an address by what resolve says.
func nameServer(t *testing.T, resolve func(name string) netip.Addr) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	t.Cleanup(func() { conn.Close(); done.Wait() })
	done.Go(func() {
		buffer := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buffer[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			question := m.Questions[0]
			addr := resolve(strings.TrimSuffix(question.Name.String(), "."))
			header := dnsmessage.ResourceHeader{Name: question.Name, Class: question.Class, TTL: 0}
			reply := dnsmessage.Message{Header: dnsmessage.Header{ID: m.ID, Response: true, Authoritative: true}, Questions: m.Questions}
			switch {
			case question.Type == dnsmessage.TypeA && addr.Is4():
				reply.Answers = []dnsmessage.Resource{{Header: header, Body: &dnsmessage.AResource{A: addr.As4()}}}
			case question.Type == dnsmessage.TypeAAAA && addr.Is6():
				reply.Answers = []dnsmessage.Resource{{Header: header, Body: &dnsmessage.AAAAResource{AAAA: addr.As16()}}}
			}
			if text, err := reply.Pack(); err == nil {
				conn.WriteTo(text, from)
			}
		}
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func reason(err error) string {
	var wrong *Error
	if !errors.As(err, &wrong) {
		return fmt.Sprint(err)
	}
	return wrong.Reason
}

func TestAddressesThatAreNotPublicAreRefused(t *testing.T) {
	t.Parallel()
	public := strings.Fields(`
		93.184.216.34 1.1.1.1 172.32.0.1 100.128.0.1 192.0.1.1 223.255.255.255 2606:4700:4700::1111
		::ffff:1.1.1.1 64:ff9b::101:101 2002:101:101::1`)
	others := strings.Fields(`
		0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 127.0.0.1 127.255.255.254
		169.254.169.254 169.254.0.1 172.16.0.1 172.31.255.255 192.0.0.192 192.0.2.1 192.88.99.1
		192.168.1.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255
		240.0.0.1 255.255.255.255 168.63.129.16 :: ::1 ::2 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1
		::ffff:169.254.169.254 ::ffff:0:127.0.0.1 64:ff9b::7f00:1 64:ff9b::a00:1 64:ff9b::a9fe:a9fe
		64:ff9b:1::a00:1 2002:7f00:1:: 2002:a00:1::1 2002:a9fe:a9fe::1 2001::1
		2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:db8::1 3fff::1 fc00::1 fd00:ec2::254 fe80::1
		fe80::1%eth0 2606:4700::1%eth0 fec0::1 ff02::1 100::1 5f00::1 4000::1`)
	for _, text := range append(others, public...) {
		want := slices.Contains(public, text)
		addr := netip.MustParseAddr(text)
		if allowed(addr, false) != want {
			t.Errorf("%s allowed: %t", text, !want)
		}
		if loopback := addr.Unmap().IsLoopback(); allowed(addr, true) != (want || loopback) {
			t.Errorf("%s allowed with loopback: %t", text, !want)
		}
		c, err := New(Config{})
		if err != nil {
			t.Fatal(err)
		}
		network := "tcp4"
		if addr.Is6() {
			network = "tcp6"
		}
		if err := c.control(network, netip.AddrPortFrom(addr, 443).String(), nil); (err == nil) != want {
			t.Errorf("connecting to %s: %v", text, err)
		}
	}
}

func TestURLsThatAreRefusedBeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"https://app.example/jwks":             "",
		"https://app.example:8443/jwks?a=b":    "",
		"https://xn--hy1b.example./":           "",
		"https://1.1.1.1/":                     "",
		"https://[2606:4700:4700::1111]/":      "",
		"":                                     "absolute",
		"/jwks":                                "absolute",
		"//app.example/jwks":                   "https",
		"https:app.example":                    "absolute",
		"https:///jwks":                        "absolute",
		"https://:443/":                        "absolute",
		"http://app.example/":                  "https",
		"ftp://app.example/":                   "https",
		"file:///etc/passwd":                   "absolute",
		"gopher://127.0.0.1:70/":               "https",
		"https://me@app.example/":              "user name",
		"https://me:pw@app.example/":           "user name",
		"https://@app.example/":                "user name",
		"https://app.example@127.0.0.1/":       "user name",
		"https://app.example\\@127.0.0.1/":     "character",
		"https://app.example/a b":              "character",
		"https://app.example/\r\nHost: x":      "character",
		"https://앱.example/":                   "character",
		"https://app.example/#x":               "fragment",
		"https://app.example/#":                "fragment",
		"https://app.example:/":                "port",
		"https://app.example:0/":               "port",
		"https://app.example:70000/":           "port",
		"https://127.0.0.1/":                   "public",
		"https://[::1]/":                       "public",
		"https://[::ffff:127.0.0.1]/":          "public",
		"https://[::ffff:7f00:1]/":             "public",
		"https://[64:ff9b::7f00:1]/":           "public",
		"https://[fe80::1%25eth0]/":            "public",
		"https://169.254.169.254/latest":       "public",
		"https://10.0.0.1/":                    "public",
		"https://2130706433/":                  "usual form",
		"https://0x7f000001/":                  "usual form",
		"https://017700000001/":                "usual form",
		"https://0177.0.0.1/":                  "usual form",
		"https://0x7f.0.0.1/":                  "usual form",
		"https://127.1/":                       "usual form",
		"https://127.0.0.1./":                  "usual form",
		"https://127.0.0.0x1/":                 "usual form",
		"https://127.000.000.001/":             "usual form",
		"https://a.example.0/":                 "usual form",
		"https://./":                           "usual form",
		"https://a..example/":                  "",
		"https://a$b.example/":                 "usual form",
		"https://" + strings.Repeat("a", 5000): "longer",
	} {
		_, got := checkURL(text, false)
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%.60q: %q", text, got)
		}
	}
	for text, want := range map[string]bool{
		"http://127.0.0.1:80/": true, "http://[::1]/": true, "http://localhost/": true, "https://127.0.0.1/": true,
		"http://10.0.0.1/": false, "http://app.example/": false, "http://localhost.example/": false, "http://127.1/": false,
		"https://10.0.0.1/": false,
	} {
		if _, got := checkURL(text, true); (got == "") != want {
			t.Errorf("with loopback, %s: %q", text, got)
		}
	}
}

// Forms of 127.0.0.1 that a resolver may understand end at the check of the connection, should they
// get by the check of the text.
func TestNamesThatResolveToLoopbackAreNotConnectedTo(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(http.ResponseWriter, *http.Request) {})
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	for _, addr := range []string{"127.0.0.1", "::1", "::ffff:127.0.0.1", "10.1.2.3", "169.254.169.254", "fd00::1", "64:ff9b::7f00:1"} {
		c, err := New(Config{CAFile: s.CAFile})
		if err != nil {
			t.Fatal(err)
		}
		c.dialer.Resolver = nameServer(t, func(string) netip.Addr { return netip.MustParseAddr(addr) })
		_, _, err = c.Get(t.Context(), "https://example.com:"+port+"/", Cause{})
		if !errors.Is(err, errAddress) || reason(err) != unreachable {
			t.Errorf("%s: %v (%v)", addr, err, errors.Unwrap(err))
		}
		if _, err = c.Post(t.Context(), "https://example.com:"+port+"/", nil, Cause{}); !errors.Is(err, errAddress) {
			t.Errorf("post to %s: %v", addr, err)
		}
	}
	if s.hits.Load() != 0 {
		t.Error("it was reached")
	}
}

func TestANameThatChangesItsAddressAfterTheLookUpIsNotConnectedTo(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(http.ResponseWriter, *http.Request) {})
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	c, err := New(Config{CAFile: s.CAFile})
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	c.dialer.Resolver = nameServer(t, func(string) netip.Addr {
		if asked.Add(1) <= 2 { // the questions for A and AAAA of the first look-up
			return netip.MustParseAddr("93.184.216.34")
		}
		return netip.MustParseAddr("127.0.0.1")
	})
	first, err := c.dialer.Resolver.LookupNetIP(t.Context(), "ip", "example.com")
	if err != nil || !allowed(first[0], false) {
		t.Fatal(first, err)
	}
	if _, _, err := c.Get(t.Context(), "https://example.com:"+port+"/", Cause{}); !errors.Is(err, errAddress) {
		t.Error(err)
	}
	if s.hits.Load() != 0 {
		t.Error("it was reached")
	}
}

func TestGetByNameWithACertificateOfAnOwnAuthority(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Cookie") != "" || r.Header.Get("Referer") != "" {
			t.Error(r.Header)
		}
		io.WriteString(w, r.Method+" "+r.URL.RequestURI())
	})
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	c := s.client(t)
	c.dialer.Resolver = nameServer(t, func(string) netip.Addr { return netip.MustParseAddr("127.0.0.1") })
	body, _, err := c.Get(t.Context(), "https://example.com:"+port+"/a?b=c", Cause{})
	if err != nil || string(body) != "GET /a?b=c" {
		t.Errorf("%s, %v", body, err)
	}
	// The name counts, too.
	if _, _, err := c.Get(t.Context(), "https://another.example:"+port+"/", Cause{}); !strings.Contains(reason(err), "certificate") {
		t.Error(err)
	}
	// An authority that was not named is not trusted.
	stranger, err := New(Config{InsecureLoopback: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := stranger.Get(t.Context(), s.URL, Cause{}); !strings.Contains(reason(err), "certificate") {
		t.Error(err)
	}
}

func TestCAFileThatIsNone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ca.pem")
	if _, err := New(Config{CAFile: path}); err == nil {
		t.Error("a missing file is taken")
	}
	if err := os.WriteFile(path, []byte("not a certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Config{CAFile: path}); err == nil || !strings.Contains(err.Error(), "no certificate") {
		t.Error(err)
	}
}

func TestPlainHTTPIsForLoopbackInDevelopmentAlone(t *testing.T) {
	t.Parallel()
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") }))
	defer plain.Close()
	development, err := New(Config{InsecureLoopback: true})
	if err != nil {
		t.Fatal(err)
	}
	if body, _, err := development.Get(t.Context(), plain.URL, Cause{}); err != nil || string(body) != "ok" {
		t.Errorf("%s %v", body, err)
	}
	production, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := production.Get(t.Context(), plain.URL, Cause{}); !strings.Contains(reason(err), "https") {
		t.Error(err)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	other := newSite(t, func(http.ResponseWriter, *http.Request) {})
	for _, status := range []int{301, 302, 303, 307, 308} {
		s := newSite(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, status) })
		c := s.client(t)
		_, _, err := c.Get(t.Context(), s.URL, Cause{})
		var wrong *Error
		if !errors.As(err, &wrong) || wrong.Status != status || !strings.Contains(wrong.Reason, "redirects are not followed") {
			t.Errorf("%d: %v", status, err)
		}
		if got, err := c.Post(t.Context(), s.URL, url.Values{"a": {"b"}}, Cause{}); got != status || err != nil {
			t.Errorf("%d: %d, %v", status, got, err)
		}
	}
	if other.hits.Load() != 0 {
		t.Error("one was followed")
	}
}

func TestOtherStatusesAreErrorsOfGet(t *testing.T) {
	t.Parallel()
	for _, status := range []int{201, 204, 400, 404, 500} {
		s := newSite(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		if _, _, err := s.client(t).Get(t.Context(), s.URL, Cause{}); !strings.Contains(reason(err), fmt.Sprint("status ", status)) {
			t.Errorf("%d: %v", status, err)
		}
	}
}

func TestABodyIsReadUpToItsLimit(t *testing.T) {
	t.Parallel()
	size := 0
	s := newSite(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, strings.Repeat("a", size)) })
	c := s.client(t)
	size = MaxBody
	if body, _, err := c.Get(t.Context(), s.URL, Cause{}); err != nil || len(body) != MaxBody {
		t.Error(len(body), err)
	}
	size++
	if _, _, err := c.Get(t.Context(), s.URL, Cause{}); !strings.Contains(reason(err), "1 MiB") {
		t.Error(err)
	}
}

func TestABodyThatNeverEndsAndOneThatNeverComes(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]http.HandlerFunc{
		"ends": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusOK)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			panic(http.ErrAbortHandler) // or the last chunk might still reach a client that is hanging up
		},
		"comes": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		s := newSite(t, handler)
		c := s.client(t)
		c.timeout = 200 * time.Millisecond
		if _, _, err := c.Get(t.Context(), s.URL, Cause{}); !strings.Contains(reason(err), "takes longer") {
			t.Errorf("never %s: %v", name, err)
		}
	}
	s := newSite(t, func(_ http.ResponseWriter, r *http.Request) {
		io.ReadAll(r.Body)
		<-r.Context().Done()
	})
	c := s.client(t)
	c.timeout = 200 * time.Millisecond
	if _, err := c.Post(t.Context(), s.URL, nil, Cause{}); !strings.Contains(reason(err), "takes longer") {
		t.Error(err)
	}
}

func TestWhoGivesUpIsNotKeptWaiting(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	arrived := make(chan struct{}, 1)
	s := newSite(t, func(http.ResponseWriter, *http.Request) { arrived <- struct{}{}; <-release })
	c := s.client(t)
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		_, _, err := c.Get(ctx, s.URL, Cause{})
		failed <- err
	}()
	<-arrived
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(release)
}

// waiting is a context that counts how often it was waited for: Get does so once it is part of a
// request.
type waiting struct {
	context.Context
	begun *atomic.Int32
}

func (w waiting) Done() <-chan struct{} {
	w.begun.Add(1)
	return w.Context.Done()
}

func TestManyWhoWantTheSameWaitForOneRequest(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	s := newSite(t, func(w http.ResponseWriter, _ *http.Request) {
		<-release
		io.WriteString(w, "ok")
	})
	c := s.client(t)
	var wg sync.WaitGroup
	var begun atomic.Int32
	const many = 11
	for range many {
		wg.Go(func() {
			if body, _, err := c.Get(waiting{t.Context(), &begun}, s.URL, Cause{}); err != nil || string(body) != "ok" {
				t.Errorf("%s %v", body, err)
			}
		})
	}
	testenv.Eventually(t, "all wait for the one request", func() bool { return begun.Load() == many })
	close(release)
	wg.Wait()
	if got := s.hits.Load(); got != 1 {
		t.Error(got)
	}
}

func TestPostSendsTheForm(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		kind := r.Header.Get("Content-Type")
		err := r.ParseForm()
		if err != nil || r.Method != "POST" || r.PostForm.Encode() != "logout_token=a.b.c" || kind != "application/x-www-form-urlencoded" {
			t.Error(r.Method, r.PostForm, kind, err)
		}
		w.WriteHeader(http.StatusNoContent)
	})
	status, err := s.client(t).Post(t.Context(), s.URL, url.Values{"logout_token": {"a.b.c"}}, Cause{})
	if status != http.StatusNoContent || err != nil {
		t.Error(status, err)
	}
}

func TestAnswersAreKeptAsTheyAllow(t *testing.T) {
	t.Parallel()
	header := http.Header{}
	s := newSite(t, func(w http.ResponseWriter, _ *http.Request) {
		for name, values := range header {
			w.Header()[name] = values
		}
		io.WriteString(w, "x")
	})
	start := time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		header http.Header
		fresh  time.Duration
	}{
		{http.Header{}, 0},
		{http.Header{"Cache-Control": {"max-age=600"}}, 10 * time.Minute},
		{http.Header{"Cache-Control": {"public, Max-Age=600"}}, 10 * time.Minute},
		{http.Header{"Cache-Control": {`max-age="600"`}}, 10 * time.Minute},
		{http.Header{"Cache-Control": {"max-age=600"}, "Age": {"100"}}, 500 * time.Second},
		{http.Header{"Cache-Control": {"max-age=600"}, "Age": {"700"}}, 0},
		{http.Header{"Cache-Control": {"max-age=600, max-age=60"}}, time.Minute},
		{http.Header{"Cache-Control": {"max-age=600", "no-store"}}, 0},
		{http.Header{"Cache-Control": {"no-store, max-age=600"}}, 0},
		{http.Header{"Cache-Control": {"no-cache, max-age=600"}}, 0},
		{http.Header{"Cache-Control": {"NO-STORE"}}, 0},
		{http.Header{"Cache-Control": {"max-age=-1"}}, 0},
		{http.Header{"Cache-Control": {"max-age=ten"}}, 0},
		{http.Header{"Cache-Control": {"max-age="}}, 0},
		{http.Header{"Cache-Control": {"max-age=999999999999999999999"}}, 24 * time.Hour},
		{http.Header{"Cache-Control": {"max-age=31536000"}}, 24 * time.Hour},
		{http.Header{"Date": {"Fri, 01 May 2026 09:00:00 GMT"}, "Expires": {"Fri, 01 May 2026 10:00:00 GMT"}}, time.Hour},
		{http.Header{"Date": {"Fri, 01 May 2026 09:00:00 GMT"}, "Expires": {"Fri, 01 May 2026 08:00:00 GMT"}}, 0},
		{http.Header{"Date": {"Fri, 01 May 2026 09:00:00 GMT"}, "Expires": {"0"}}, 0},
		{http.Header{
			"Date": {"Fri, 01 May 2026 09:00:00 GMT"}, "Expires": {"Fri, 01 May 2026 10:00:00 GMT"}, "Cache-Control": {"max-age=60"},
		}, time.Minute},
	} {
		header = test.header
		clock := clock.At(start)
		c := s.client(t)
		c.now = clock.Now
		before := s.hits.Load()
		_, expires, err := c.Get(t.Context(), s.URL, Cause{})
		if err != nil || expires.Sub(start) != test.fresh {
			t.Errorf("%v: fresh for %s, %v", test.header, expires.Sub(start), err)
		}
		get := func(when string, want int64) {
			t.Helper()
			if _, err := c.GetVersion(t.Context(), s.URL, "1", Cause{}); err != nil {
				t.Error(err)
			}
			if got := s.hits.Load() - before; got != want {
				t.Errorf("%v, %s: %d requests, not %d", test.header, when, got, want)
			}
		}
		get("for the first time", 2)
		get("at once", 2)
		clock.Advance(max(test.fresh, minVersionAge) - 1)
		get("just fresh", 2)
		clock.Advance(1)
		get("stale", 3)
		get("after the fresh one", 3)
	}
}

func FuzzCheckURL(f *testing.F) {
	for _, seed := range []string{
		"https://app.example/a?b=c", "https://[::ffff:127.0.0.1]:443/", "http://localhost:80/",
		"https://0x7f.1/", "https://a@b/", "https://1.1.1.1./", "https://[fe80::1%25a]/",
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, text string, loopback bool) {
		u, problem := checkURL(text, loopback)
		if problem != "" {
			if u != nil {
				t.Fatalf("%q: refused, and returned", text)
			}
			return
		}
		host := u.Hostname()
		addr, err := netip.ParseAddr(host)
		switch {
		case u.Scheme == "http" && (!loopback || host != "localhost" && !(err == nil && addr.IsLoopback())):
			t.Fatalf("%q: http to %s", text, host)
		case u.Scheme != "http" && u.Scheme != "https", u.User != nil, u.Fragment != "", host == "":
			t.Fatalf("%q: %#v", text, u)
		case err == nil && !allowed(addr, loopback):
			t.Fatalf("%q: to %s", text, addr)
		case err != nil && net.ParseIP(host) != nil:
			t.Fatalf("%q: two readings of %s", text, host)
		}
		// What is sent is what was checked.
		again, problem := checkURL(u.String(), loopback)
		if problem != "" || again.Host != u.Host || again.Scheme != u.Scheme {
			t.Fatalf("%q became %q: %s", text, u, problem)
		}
	})
}
