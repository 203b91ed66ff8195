package attack

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A request is what differs between the calls of the server.
type request struct {
	authorization []string // values of the header, each a line
	header        http.Header
	query, form   url.Values
	bare          bool // without the headers and the body of the configuration
}

func bearer(token string) request { return request{authorization: []string{"Bearer " + token}} }

// An answer is the server's, or the error that came instead.
type answer struct {
	status int
	header http.Header
	body   string
	err    error
	took   time.Duration
}

func (a answer) String() string {
	if a.err != nil {
		return a.err.Error()
	}
	return strconv.Itoa(a.status)
}

// accepted says whether the server let the request through.
func (a answer) accepted() bool { return a.err == nil && a.status >= 200 && a.status < 300 }

// broke says whether the server failed instead of refusing. 503 is a refusal:
// a server without keys has nothing else to say.
func (a answer) broke() bool {
	return a.err != nil || a.status >= 500 && a.status != http.StatusServiceUnavailable
}

// challenges returns the values of WWW-Authenticate as one text.
func (a answer) challenges() string { return strings.Join(a.header.Values("WWW-Authenticate"), ", ") }

// A target is the server under attack. Many goroutines may use it at once.
type target struct {
	cfg    *Config
	client *http.Client

	mu    sync.Mutex
	calls int
	leaks map[string]string // what leaked, and where it was seen first
}

const maxBody = 1 << 20 // bytes of an answer that are looked at

func newTarget(cfg *Config) *target {
	dialer := &net.Dialer{Timeout: cfg.Timeout}
	if !cfg.AllowRemote {
		dialer.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error { return loopbackOnly(address) }
	}
	return &target{
		cfg: cfg, leaks: map[string]string{},
		client: &http.Client{
			Timeout: cfg.Timeout,
			// No proxy: it would be the one that connects.
			Transport:     &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: 64, TLSHandshakeTimeout: cfg.Timeout},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

func (t *target) close() { t.client.CloseIdleConnections() }

// call sends a request. A server that limits the rate (429) is asked again, as
// late as it says, a few times.
func (t *target) call(ctx context.Context, q request) answer {
	for try := 0; ; try++ {
		a := t.callOnce(ctx, t.cfg.Method, t.cfg.URL, q)
		if a.status != http.StatusTooManyRequests || try == 5 {
			return a
		}
		after, _ := strconv.Atoi(a.header.Get("Retry-After"))
		select {
		case <-ctx.Done():
			return a
		case <-time.After(min(max(time.Duration(after)*time.Second, 200*time.Millisecond), 5*time.Second)):
		}
	}
}

func (t *target) callOnce(ctx context.Context, method, address string, q request) answer {
	start := time.Now()
	r, err := t.newRequest(ctx, method, address, q)
	if err != nil {
		return answer{err: err}
	}
	response, err := t.client.Do(r)
	if err != nil {
		return answer{err: shortError(err), took: time.Since(start)}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	a := answer{status: response.StatusCode, header: response.Header, body: string(body), took: time.Since(start)}
	if err != nil {
		a.err = shortError(err)
	}
	t.inspect(q, a)
	return a
}

func (t *target) newRequest(ctx context.Context, method, address string, q request) (*http.Request, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	if q.query != nil {
		query := u.Query()
		for name, values := range q.query {
			query[name] = values
		}
		u.RawQuery = query.Encode()
	}
	body := t.cfg.Body
	switch {
	case q.form != nil:
		body = q.form.Encode()
		method = http.MethodPost
	case q.bare:
		body = ""
	}
	r, err := http.NewRequestWithContext(ctx, method, u.String(), strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if !q.bare {
		for name, values := range t.cfg.Header {
			r.Header[http.CanonicalHeaderKey(name)] = values
		}
	}
	for name, values := range q.header {
		r.Header[name] = values
	}
	if q.form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if q.authorization != nil {
		r.Header["Authorization"] = q.authorization
	}
	return r, nil
}

// raw sends a request with header lines that net/http does not send, and
// returns the answer.
func (t *target) raw(ctx context.Context, lines string) answer {
	start := time.Now()
	r, err := t.newRequest(ctx, t.cfg.Method, t.cfg.URL, request{})
	if err != nil {
		return answer{err: err}
	}
	if r.URL.Scheme != "http" {
		return answer{err: fmt.Errorf("only sent over http")}
	}
	port := r.URL.Port()
	if port == "" {
		port = "80"
	}
	conn, err := t.client.Transport.(*http.Transport).DialContext(ctx, "tcp", net.JoinHostPort(r.URL.Hostname(), port))
	if err != nil {
		return answer{err: shortError(err)}
	}
	defer conn.Close()
	_ = conn.SetDeadline(start.Add(t.cfg.Timeout))
	var out bytes.Buffer
	fmt.Fprintf(&out, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n", r.Method, r.URL.RequestURI(), r.URL.Host)
	_ = r.Header.Write(&out) // a buffer takes everything
	fmt.Fprintf(&out, "Content-Length: %d\r\n%s\r\n%s", len(t.cfg.Body), lines, t.cfg.Body)
	if _, err := conn.Write(out.Bytes()); err != nil {
		return answer{err: shortError(err)}
	}
	text, err := io.ReadAll(io.LimitReader(conn, maxBody))
	if len(text) < len("HTTP/1.1 200") {
		return answer{err: fmt.Errorf("no answer: %w", cmpErr(err, io.ErrUnexpectedEOF)), took: time.Since(start)}
	}
	status, _ := strconv.Atoi(string(text[9:12]))
	return answer{status: status, header: http.Header{}, body: string(text), took: time.Since(start)}
}

func cmpErr(err, instead error) error {
	if err == nil {
		return instead
	}
	return err
}

// shortError is an error without the address, which is the same every time.
func shortError(err error) error {
	if u, ok := err.(*url.Error); ok { //nolint:errorlint // the outermost one adds the address
		return u.Err
	}
	return err
}

// traces are what only a programmer should read.
var traces = regexp.MustCompile(`goroutine \d+ \[|\.go:\d+|Traceback \(most recent call last\)|\bat [\w.$]+\([\w.]+(:\d+)?\)|panic: |\.py", line \d+|-----BEGIN `)

// inspect looks for what an answer should not have.
func (t *target) inspect(q request, a answer) {
	var headers strings.Builder
	_ = a.header.Write(&headers) // a builder takes everything
	text := headers.String() + a.body
	found := map[string]string{}
	if trace := traces.FindString(text); trace != "" && !a.accepted() {
		found["trace"] = fmt.Sprintf("%q in an answer with status %d", trace, a.status)
	}
	for _, value := range q.authorization {
		_, token, _ := strings.Cut(value, " ")
		parts := strings.Split(token, ".")
		// A header is no secret, and the same in all tokens.
		for _, part := range parts[min(1, len(parts)-1):] {
			if len(part) >= 40 && strings.Contains(text, part[:40]) && !a.accepted() {
				found["token"] = fmt.Sprintf("the token stands in an answer with status %d", a.status)
			}
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls++
	for what, where := range found {
		if _, known := t.leaks[what]; !known {
			t.leaks[what] = where
		}
	}
}

func (t *target) leak(what string) (string, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	where, leaked := t.leaks[what]
	return where, leaked
}

// answers returns how many were looked at.
func (t *target) answers() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.calls
}
