package passwords

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha1" //nolint:gosec // G505: what the protocol asks for; it protects nothing
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/authz-server/internal/cache"
	"github.com/maru-auth/maru/authz-server/internal/fetch"
	"github.com/maru-auth/maru/internal/httpd"
)

// Limits of asking the service.
const (
	breachTimeout = time.Second      // for a place, and then for the answer
	breachPlaces  = 8                // requests at once
	breachRest    = 10 * time.Second // after a failure: nobody is kept waiting while the service is down
	breachBody    = 256 << 10        // bytes; a padded answer has some 40 KiB
	breachAge     = time.Hour        // of an answer
	breachCache   = 2 << 20          // bytes
)

// BreachConfig is what [NewBreaches] needs.
type BreachConfig struct {
	URL     string                // see [CheckBreachURL]
	CAFile  string                // a PEM file of certificates to trust besides the system's; empty: none
	Log     *slog.Logger          // nil: slog.Default()
	Metrics prometheus.Registerer // nil: what comes of the questions is not counted
	Calls   httpd.Calls
	Now     func() time.Time // nil: time.Now
}

// Breaches asks a service, which the operator chose, whether a password is known from a breach. The
// protocol is the range search of Have I Been Pwned: the service learns the first five hex digits
// of the password's SHA-1 and answers with all hashes that begin so. The answer is padded, so that
// its length tells a listener nothing.
//
// Every failure counts as "not known": a service that is down keeps nobody from signing up.
//
// A nil Breaches asks nobody. It is safe for concurrent use.
type Breaches struct {
	url     string
	http    *http.Client
	log     *slog.Logger
	now     func() time.Time
	timeout time.Duration
	answers *cache.Cache[string, breachAnswer] // by the five digits
	places  chan struct{}
	rest    atomic.Int64 // until then nothing is asked, in Unix nanoseconds
	counter *prometheus.CounterVec
}

// breachAnswer are the hashes of an answer: the 64 bits that follow the first five digits.
type breachAnswer struct {
	hashes []uint64 // in order
	until  time.Time
}

// CheckBreachURL tells what is wrong with the address of a service, to which the five digits are
// appended. Because the operator names it, it can be in a private network; it must be https, or on
// a loopback host.
func CheckBreachURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || u.Opaque != "" || u.Scheme != "https" && u.Scheme != "http":
		return errors.New("must be an address such as https://pwned.example/range/")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(text, "#"):
		return errors.New("must have no user name, query or fragment")
	case !strings.HasSuffix(u.Path, "/"):
		return errors.New("must end in a slash: five hex digits follow it")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return errors.New("must be https; http is for loopback hosts")
	}
	return nil
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.Unmap().IsLoopback()
}

// NewBreaches checks cfg.
func NewBreaches(cfg BreachConfig) (*Breaches, error) {
	if err := CheckBreachURL(cfg.URL); err != nil {
		return nil, err
	}
	roots, err := fetch.Roots(cfg.CAFile)
	if err != nil {
		return nil, err
	}
	b := &Breaches{
		url: cfg.URL, log: cmp.Or(cfg.Log, slog.Default()), now: cfg.Now, timeout: breachTimeout,
		answers: cache.New[string, breachAnswer](breachCache), places: make(chan struct{}, breachPlaces),
		counter: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "authz_password_breach_checks_total",
			Help: "New passwords that the breach service was asked about, by outcome: known, unknown, failed, or skipped " +
				"(after a failure, or because too many were asked about at once).",
		}, []string{"outcome"}),
		http: &http.Client{
			Transport: cfg.Calls.ToStrangers("breaches", &http.Transport{ // Proxy is nil: none
				TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
				MaxConnsPerHost:        breachPlaces,
				IdleConnTimeout:        time.Minute,
				DisableCompression:     true, // so that a small answer cannot become a large one
				MaxResponseHeaderBytes: 32 << 10,
			}),
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	if b.now == nil {
		b.now = time.Now
	}
	for _, outcome := range []string{"known", "unknown", "failed", "skipped"} { // start at 0, so that rates work
		b.counter.WithLabelValues(outcome)
	}
	if cfg.Metrics != nil {
		err = cfg.Metrics.Register(b.counter)
	}
	return b, err
}

// Known tells whether the password is known from a breach. It takes two seconds at most.
func (b *Breaches) Known(ctx context.Context, password string) bool {
	if b == nil {
		return false
	}
	sum := sha1.Sum(normal(password)) //nolint:gosec // G401: what the protocol asks for
	digits := strings.ToUpper(hex.EncodeToString(sum[:]))
	prefix, hash := digits[:prefixDigits], suffixBits(digits[prefixDigits:])
	answer, ok := b.answers.Get(prefix)
	if !ok || !b.now().Before(answer.until) {
		hashes, outcome := b.ask(ctx, prefix)
		if outcome != "" {
			b.counter.WithLabelValues(outcome).Inc()
			return false
		}
		answer = breachAnswer{hashes, b.now().Add(breachAge)}
		b.answers.Add(prefix, answer, 8*len(hashes))
	}
	_, known := slices.BinarySearch(answer.hashes, hash)
	outcome := "unknown"
	if known {
		outcome = "known"
	}
	b.counter.WithLabelValues(outcome).Inc()
	return known
}

// ask returns the hashes that begin with a prefix, or why there is no answer: failed, or skipped.
func (b *Breaches) ask(ctx context.Context, prefix string) (hashes []uint64, outcome string) {
	if b.now().UnixNano() < b.rest.Load() {
		return nil, "skipped"
	}
	timeout := time.NewTimer(b.timeout)
	defer timeout.Stop()
	select {
	case b.places <- struct{}{}:
		defer func() { <-b.places }()
	case <-timeout.C:
		return nil, "skipped"
	case <-ctx.Done():
		return nil, "skipped"
	}
	hashes, err := b.fetch(ctx, prefix)
	if err == nil {
		return hashes, ""
	}
	if ctx.Err() != nil { // the person left, which is not the service's failure
		return nil, "skipped"
	}
	if b.rest.Swap(b.now().Add(breachRest).UnixNano()) < b.now().UnixNano() { // of those at once, one says so
		b.log.WarnContext(ctx, "the breach service does not answer as it should; passwords are accepted without it",
			"url", b.url, "retry_in", breachRest, "error", errorWithout(prefix, err))
	}
	return nil, "failed"
}

// errorWithout is the text of err without what was asked: it is five digits of a hash, and no log
// needs them.
func errorWithout(prefix string, err error) string {
	return strings.ReplaceAll(err.Error(), prefix, "…")
}

func (b *Breaches) fetch(ctx context.Context, prefix string) ([]uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, b.url+prefix, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Add-Padding", "true")
	r.Header.Set("User-Agent", "maru-authz-server")
	res, err := b.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answers with status %d", res.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, breachBody+1))
	if err != nil {
		return nil, err
	}
	if len(body) > breachBody {
		return nil, fmt.Errorf("it sends more than %d KiB", breachBody>>10)
	}
	return readRange(body)
}

const (
	prefixDigits = 5
	suffixDigits = 2*sha1.Size - prefixDigits
)

var errRange = errors.New(`it sends something other than lines of 35 hex digits, ":" and a number`)

// readRange reads the answer to a range search: lines of a hash's last 35 digits, a colon, and how
// often the password was seen. Padding was seen 0 times.
func readRange(body []byte) ([]uint64, error) {
	hashes := make([]uint64, 0, len(body)/(suffixDigits+4))
	for line := range bytes.Lines(body) {
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			continue
		}
		suffix, count, ok := bytes.Cut(line, []byte(":"))
		if !ok || len(suffix) != suffixDigits || !only(suffix, "0123456789ABCDEFabcdef") || len(count) == 0 ||
			!only(count, "0123456789") {
			return nil, errRange
		}
		if len(bytes.Trim(count, "0")) > 0 {
			hashes = append(hashes, suffixBits(string(suffix)))
		}
	}
	slices.Sort(hashes)
	return hashes, nil
}

func only(text []byte, alphabet string) bool { return len(bytes.Trim(text, alphabet)) == 0 }

// suffixBits are the first 64 bits of a suffix in hex.
func suffixBits(suffix string) uint64 {
	var bits [8]byte
	if _, err := hex.Decode(bits[:], []byte(suffix[:2*len(bits)])); err != nil {
		panic(err) // its digits were checked
	}
	return binary.BigEndian.Uint64(bits[:])
}
