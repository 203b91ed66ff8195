// Package fetch is the HTTP client for every address that somebody else chose: an OAuth client's
// key set, request object, metadata document, or back-channel logout endpoint. Nobody can use it to
// reach into the server's own network (SSRF), or to keep the server busy:
//
//   - It uses only https and checks certificates; http is for loopback hosts, with
//     [Config.InsecureLoopback].
//   - It connects only to addresses of the public Internet, and to those of [Config.Private]. It checks
//     them when it connects, after name resolution, so that a changed DNS answer does not help
//     (address.go).
//   - It follows no redirects, uses no proxy of the environment, and keeps no cookies or connections.
//   - It reads a mebibyte in five seconds at most, on few connections at once, and on fewer for each
//     client, host, and network that causes them (places.go). It waits before it retries what failed.
package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/maru-auth/maru/authz-server/internal/cache"
	"github.com/maru-auth/maru/internal/httpd"
	"github.com/maru-auth/maru/jwks/httpcache"
)

// Limits of one request.
const (
	Timeout = 5 * time.Second // from name resolution to the last byte; for a POST, with the wait for a place
	maxWait = 3 * time.Second // of a GET for a place, before that
	MaxBody = 1 << 20         // bytes

	maxFreshness = 24 * time.Hour // of an answer, whatever it says
)

// Config says what is trusted besides the public Internet. The zero value is right for production.
type Config struct {
	CAFile           string           // a PEM file of certificates to trust besides the system's; empty: none
	InsecureLoopback bool             // allow addresses of this machine, and http for them, for development and tests
	Now              func() time.Time // nil: time.Now
	Calls            httpd.Calls

	// Private are networks of [ParsePrivate] that may be called too, by https as any other. nil: none.
	Private []netip.Prefix
}

// Client gets and posts. It is safe for concurrent use. Every error of its methods is an [*Error].
type Client struct {
	loopback bool
	private  []netip.Prefix
	now      func() time.Time
	dialer   *net.Dialer
	http     *http.Client
	gets     *places // for clients that an operator vouched for, and the server itself
	strange  *places // for all other clients
	posts    *places
	counts   *windows
	flights  singleflight.Group
	versions *cache.Cache[string, version]     // by address
	failures *cache.Cache[string, failedUntil] // by key of flight
	timeout  time.Duration
	wait     time.Duration
}

// New makes a client. It fails if CAFile cannot be read or has no certificate.
func New(cfg Config) (*Client, error) {
	roots, err := Roots(cfg.CAFile)
	if err != nil {
		return nil, err
	}
	c := &Client{
		loopback: cfg.InsecureLoopback, private: cfg.Private, now: cfg.Now, timeout: Timeout, wait: maxWait,
		gets: newPlaces(), strange: newPlaces(), posts: newPlaces(), counts: newWindows(),
		versions: cache.New[string, version](versionBytes), failures: cache.New[string, failedUntil](failureBytes),
	}
	if c.now == nil {
		c.now = time.Now
	}
	c.dialer = &net.Dialer{Control: c.control}
	c.http = &http.Client{
		Transport: cfg.Calls.ToStrangers("clients", &http.Transport{ // Proxy is nil: none
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				return c.dialer.DialContext(ctx, network, address)
			},
			TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			DisableKeepAlives:      true, // so that every request's address is checked
			DisableCompression:     true, // so that a small answer cannot become a large one
			MaxResponseHeaderBytes: 32 << 10,
		}),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
}

// Roots returns the certificates to trust: those of a PEM file, beside those of the system. nil:
// those of the system, for an empty path.
func Roots(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil //nolint:nilnil // what tls.Config calls the system's
	}
	text, err := os.ReadFile(path) //nolint:gosec // G304: the operator names the file
	if err != nil {
		return nil, err
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", path)
	}
	return pool, nil
}

// An Error says why an address could not be fetched, in words for the person who named it. They do
// not tell a name that resolves to a private address from one that does not resolve. The cause is
// for the log.
type Error struct {
	URL    string
	Reason string
	Status int   // the HTTP status, if it was the reason; else 0
	Cause  error // nil: none
}

func (e *Error) Error() string { return e.URL + " " + e.Reason }

func (e *Error) Unwrap() error { return e.Cause }

// NotTried tells whether err means that nothing was sent, because the sender is at a limit or no
// place is free. It says nothing about the address. Do not remember it as a failure of the address,
// or one sender can shut others out.
func NotTried(err error) bool { return errors.Is(err, errCrowded) || errors.Is(err, errTooMany) }

// Get returns the body at an address. expires is until when the answer may be kept (RFC 9111 §4.2),
// at most 24 hours from now; it is not after now if the answer does not say, or must not be stored.
// The body is shared: do not change it. Get keeps no answers, so callers must limit how often they
// ask. It remembers failures, and does not retry them for a while.
func (c *Client) Get(ctx context.Context, address string, cause Cause) (body []byte, expires time.Time, err error) {
	return c.fly(ctx, address, cause)
}

type answer struct {
	body    []byte
	expires time.Time
}

// How long failures are remembered, and how much memory that takes.
const (
	failureAge     = 5 * time.Second  // if the server answered
	unreachableAge = 30 * time.Second // if it did not, or not in time
	failureBytes   = 1 << 20
)

// failedUntil is a remembered failure.
type failedUntil struct {
	err   *Error
	until time.Time
}

// fly sends one request for all callers that want the same address at the same time; those for
// strangers share a request of their own. The request goes on if one of them gives up. If it is not
// sent because of the limits of the caller that began it, the others send their own.
func (c *Client) fly(ctx context.Context, address string, cause Cause) ([]byte, time.Time, error) {
	key, room := address, c.gets
	if cause.Stranger {
		key, room = "stranger "+address, c.strange
	}
	if failed, ok := c.failures.Get(key); ok && c.now().Before(failed.until) {
		return nil, time.Time{}, failed.err
	}
	begin := func(flight string) (body []byte, expires time.Time, own bool, err error) {
		var began atomic.Bool
		result := c.flights.DoChan(flight, func() (any, error) {
			began.Store(true)
			a, err := c.get(context.WithoutCancel(ctx), address, room, cause, "")
			c.remember(key, err)
			return a, err
		})
		body, expires, err = c.land(ctx, address, result)
		return body, expires, began.Load(), err
	}
	body, expires, own, err := begin(key)
	if !own && NotTried(err) {
		body, expires, _, err = begin(fmt.Sprintf("%q %s", cause.Networks, key))
	}
	return body, expires, err
}

// land waits for a flight to end, or for ctx.
func (c *Client) land(ctx context.Context, address string, result <-chan singleflight.Result) ([]byte, time.Time, error) {
	select {
	case got := <-result:
		if got.Err != nil {
			return nil, time.Time{}, got.Err
		}
		a := got.Val.(answer)
		return a.body, a.expires, nil
	case <-ctx.Done():
		return nil, time.Time{}, &Error{URL: address, Reason: "was not waited for", Cause: ctx.Err()}
	}
}

// remember keeps a failure for a while, for the key of its flight. A failure of this server says
// nothing about the address.
func (c *Client) remember(key string, err error) {
	var failed *Error
	if !errors.As(err, &failed) || NotTried(err) {
		return
	}
	age := failureAge
	if failed.Status == 0 {
		age = unreachableAge
	}
	c.failures.Add(key, failedUntil{failed, c.now().Add(age)}, 2*len(key)+len(failed.Reason))
}

// get sends one request, with the value of the header Authorization unless that is empty.
func (c *Client) get(ctx context.Context, address string, room *places, cause Cause, authorization string) (answer, error) {
	r, err := c.request(ctx, http.MethodGet, address, nil)
	if err != nil {
		return answer{}, err
	}
	if !c.allowNetworks(cause) {
		return answer{}, &Error{URL: address, Reason: "was not fetched: too much was fetched for requests from one network; try again in a minute", Cause: errTooMany}
	}
	r.Header.Set("Accept", "application/json, */*;q=0.5")
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	bounds := cause.bounds(r.URL.Hostname())
	waiting, stop := context.WithTimeout(ctx, c.wait)
	err = c.enter(waiting, address, room, bounds)
	stop()
	if err != nil {
		return answer{}, err
	}
	// The time limit begins here, because a wait that others caused is not the address's failure.
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	res, err := c.send(r.WithContext(ctx), address, room, bounds)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		reason := fmt.Sprintf("answers with status %d", res.StatusCode)
		if res.StatusCode >= 300 && res.StatusCode < 400 {
			reason += "; redirects are not followed"
		}
		return answer{}, &Error{URL: address, Reason: reason, Status: res.StatusCode}
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, MaxBody+1))
	if err == nil {
		err = ctx.Err() // a server that sees us leave may end its answer at the last moment, as if it were complete
	}
	if err != nil {
		return answer{}, failure(address, err)
	}
	if len(body) > MaxBody {
		return answer{}, &Error{URL: address, Reason: "sends more than 1 MiB"}
	}
	now := c.now()
	fresh, _ := httpcache.Freshness(res.Header, now)
	return answer{body, now.Add(min(fresh, maxFreshness))}, nil
}

// Post sends a form, and returns the HTTP status of the answer. No status is an error. The body is
// not read.
func (c *Client) Post(ctx context.Context, address string, form url.Values, cause Cause) (status int, err error) {
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	status, _, err = c.post(ctx, address, form.Encode(), header, 0, cause)
	return status, err
}

// PushEvent sends a security event token (RFC 8935 §2.1), with the value of the header
// Authorization unless that is empty. It returns the HTTP status, of which none is an error, and
// the beginning of the answer.
func (c *Client) PushEvent(ctx context.Context, address, token, authorization string, cause Cause) (status int, answer []byte, err error) {
	header := http.Header{"Content-Type": {"application/secevent+jwt"}, "Accept": {"application/json"}}
	if authorization != "" {
		header.Set("Authorization", authorization)
	}
	return c.post(ctx, address, token, header, maxRefusal, cause)
}

// maxRefusal is how much is read of the answer to an event, in bytes.
const maxRefusal = 4 << 10

// Check says whether an address has the form of one that can be fetched. It does not look it up.
func (c *Client) Check(address string) error {
	if _, reason := checkURL(address, c.loopback, c.private...); reason != "" {
		return &Error{URL: address, Reason: reason}
	}
	return nil
}

// post sends a body, and reads as much of the answer as most says.
func (c *Client) post(
	ctx context.Context, address, body string, header http.Header, most int64, cause Cause,
) (status int, answer []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	r, err := c.request(ctx, http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	maps.Copy(r.Header, header)
	bounds := cause.bounds(r.URL.Hostname())
	if err := c.enter(ctx, address, c.posts, bounds); err != nil {
		return 0, nil, err
	}
	res, err := c.send(r, address, c.posts, bounds)
	if err != nil {
		return 0, nil, err
	}
	if most > 0 { // an answer that breaks off has its status all the same
		answer, _ = io.ReadAll(io.LimitReader(res.Body, most))
	}
	if err := errors.Join(ctx.Err(), res.Body.Close()); err != nil {
		return 0, nil, failure(address, err)
	}
	return res.StatusCode, answer, nil
}

func (c *Client) request(ctx context.Context, method, address string, body io.Reader) (*http.Request, error) {
	u, reason := checkURL(address, c.loopback, c.private...)
	if reason != "" {
		return nil, &Error{URL: address, Reason: reason}
	}
	r, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, &Error{URL: address, Reason: "is not a URL", Cause: err}
	}
	r.Header.Set("User-Agent", "maru-authz-server")
	return r, nil
}

// enter waits for a free connection, until ctx ends.
func (c *Client) enter(ctx context.Context, address string, room *places, bounds []bound) error {
	if err := room.take(ctx, bounds); err != nil {
		return &Error{URL: address, Reason: "was not fetched: too many wait for it, for its client or for others; try again later", Cause: errors.Join(errCrowded, err)}
	}
	return nil
}

// send sends r. The connection is free again when the answer's body is closed, or with the error.
func (c *Client) send(r *http.Request, address string, room *places, bounds []bound) (*http.Response, error) {
	res, err := c.http.Do(r)
	if err != nil {
		room.giveBack(bounds)
		return nil, failure(address, err)
	}
	res.Body = &roomyBody{res.Body, room, bounds}
	return res, nil
}

// roomyBody frees a connection when it is closed.
type roomyBody struct {
	io.ReadCloser
	room   *places
	bounds []bound
}

func (b *roomyBody) Close() error {
	b.room.giveBack(b.bounds)
	return b.ReadCloser.Close()
}

// failure makes an [Error] of what went wrong.
func failure(address string, err error) *Error {
	var certificate *tls.CertificateVerificationError
	var timeout net.Error
	reason := unreachable
	switch {
	case errors.As(err, &certificate):
		reason = "has a certificate that is not trusted"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		reason = "cannot be reached, or takes longer than 5 seconds"
	}
	return &Error{URL: address, Reason: reason, Cause: err}
}
