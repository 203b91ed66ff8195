package statuslist_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/jwks/internal/statuslist"
)

func TestAReplayedListIsRefused(t *testing.T) {
	t.Parallel()
	following(t, nil, func(t *testing.T, f *fakeIssuer, p *process) {
		f.lifetime = time.Hour
		var old string
		f.set(func(f *fakeIssuer) { old = f.list(listURL) })
		time.Sleep(time.Minute)
		f.set(func(f *fakeIssuer) { f.revoked[8] = true })
		p.want(8, statuslist.ErrRevoked)
		f.set(func(f *fakeIssuer) { f.answer = listAnswer(old) })
		time.Sleep(10 * time.Second)
		p.want(8, statuslist.ErrRevoked)
		if stats := p.Stats(); stats.Failures == 0 || p.log.count("older than the one held") == 0 {
			t.Errorf("%+v", stats)
		}
		time.Sleep(2 * time.Minute)
		p.want(8, statuslist.ErrUnavailable)
		p.want(9, statuslist.ErrUnavailable)
	})
}

func TestAReplayedListOfTheSameSecondRevivesNothing(t *testing.T) {
	t.Parallel()
	following(t, nil, func(_ *testing.T, f *fakeIssuer, p *process) {
		var old string
		f.set(func(f *fakeIssuer) { old = f.list(listURL); f.revoked[8] = true })
		p.want(8, statuslist.ErrRevoked)
		f.set(func(f *fakeIssuer) { f.answer = listAnswer(old) })
		for range 15 {
			time.Sleep(time.Second)
			p.want(8, statuslist.ErrRevoked)
		}
	})
}

// Replicas sign for themselves, by clocks that differ.
func TestAListOfAReplicaWhoseClockIsBehindRevokesAndConfirmsNothing(t *testing.T) {
	t.Parallel()
	following(t, func(cfg *statuslist.Config) { cfg.FailOpenFor = -1 }, func(t *testing.T, f *fakeIssuer, p *process) {
		p.want(8, nil)
		f.set(func(f *fakeIssuer) { f.behind = 5 * time.Second; f.revoked = map[int]bool{8: true} })
		time.Sleep(3 * time.Second)
		p.want(8, statuslist.ErrRevoked)
		p.want(7, statuslist.ErrRevoked) // by the newer one
		f.set(func(f *fakeIssuer) { f.behind = 0; f.revoked = map[int]bool{8: true} })
		time.Sleep(time.Second)
		p.want(7, nil)
		if stats := p.Stats(); stats.Failures != 0 {
			t.Errorf("%+v", stats)
		}
		// It cannot go on like this.
		f.set(func(f *fakeIssuer) {
			f.behind = 10 * time.Second
			f.answer = listAnswer(f.list(listURL))
		})
		time.Sleep(10 * time.Second)
		p.want(9, statuslist.ErrUnavailable)
	})
}

func TestUnchangedIsNotBelievedOfAnExpiredList(t *testing.T) {
	t.Parallel()
	following(t, func(cfg *statuslist.Config) { cfg.FailOpenFor = -1 }, func(t *testing.T, f *fakeIssuer, p *process) {
		p.want(8, nil)
		f.set(func(f *fakeIssuer) {
			f.answer = func(req *http.Request) *http.Response {
				if req.Header.Get("If-None-Match") != "" {
					return response(http.StatusNotModified, "", nil)
				}
				return response(http.StatusInternalServerError, "", nil)
			}
		})
		time.Sleep(20 * time.Second)
		p.want(8, nil)
		time.Sleep(30 * time.Second)
		p.want(8, statuslist.ErrUnavailable)
		f.set(func(f *fakeIssuer) { f.answer = nil })
		time.Sleep(4 * time.Second)
		p.want(8, nil)
	})
}

func TestListsThatAreNoGood(t *testing.T) {
	t.Parallel()
	claim := func(name string, value any) func(*fakeIssuer) {
		return func(f *fakeIssuer) { f.mutate = func(_, claims map[string]any) { claims[name] = value } }
	}
	header := func(name string, value any) func(*fakeIssuer) {
		return func(f *fakeIssuer) { f.mutate = func(header, _ map[string]any) { header[name] = value } }
	}
	lst := func(bits any, lst any) func(*fakeIssuer) {
		return claim("status_list", map[string]any{"bits": bits, "lst": lst})
	}
	for name, spoil := range map[string]func(*fakeIssuer){
		"another type":       header("typ", "at+jwt"),
		"no type":            header("typ", nil),
		"alg none":           header("alg", "none"),
		"alg not allowed":    header("alg", "RS256"),
		"unknown key":        header("kid", "b"),
		"no key id":          header("kid", nil),
		"crit":               header("crit", []string{"exp"}),
		"wrong key":          func(f *fakeIssuer) { f.answer = listAnswer(forged(f)) },
		"another issuer":     claim("iss", "https://other.example"),
		"another list":       claim("sub", listURL+"2"),
		"no sub":             claim("sub", nil),
		"from the future":    claim("iat", time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC).Unix()),
		"not yet valid":      claim("nbf", time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC).Unix()),
		"expired":            func(f *fakeIssuer) { f.lifetime = -11 * time.Second },
		"no exp":             claim("exp", nil),
		"iat is text":        claim("iat", "now"),
		"ttl 0":              claim("ttl", 0),
		"ttl negative":       claim("ttl", -3),
		"ttl is text":        claim("ttl", "3"),
		"no status_list":     claim("status_list", map[string]any{}),
		"status_list null":   claim("status_list", nil),
		"bits 0":             lst(0, compress([]byte{0})),
		"bits 3":             lst(3, compress([]byte{0})),
		"bits 16":            lst(16, compress([]byte{0})),
		"bits 1.0":           lst(1.5, compress([]byte{0})),
		"bits text":          lst("1", compress([]byte{0})),
		"lst empty":          lst(1, ""),
		"lst no base64":      lst(1, "***"),
		"lst no zlib":        lst(1, "AAAA"),
		"lst cut off":        lst(1, compress(make([]byte, 1000))[:12]),
		"lst null":           lst(1, nil),
		"too large":          lst(8, compress(make([]byte, 1<<20+1))),
		"zip bomb":           lst(1, compress(make([]byte, 8<<20))),
		"withdrawn_keys":     claim("withdrawn_keys", "a"),
		"withdraws its own":  claim("withdrawn_keys", []string{"a"}),
		"many keys":          claim("withdrawn_keys", strings.Split(strings.Repeat("k,", 2000), ",")),
		"ten megabytes":      func(f *fakeIssuer) { f.answer = listAnswer(strings.Repeat("a", 10<<20)) },
		"slow body":          func(f *fakeIssuer) { f.answer = slow },
		"no end":             func(f *fakeIssuer) { f.answer = endless },
		"error page":         func(f *fakeIssuer) { f.answer = listAnswer("<html>") },
		"another media type": func(f *fakeIssuer) { f.answer = mediaType(f, "text/plain") },
		"no media type":      func(f *fakeIssuer) { f.answer = mediaType(f, "") },
		"not found":          func(f *fakeIssuer) { f.status = http.StatusNotFound },
		"304 for nothing":    func(f *fakeIssuer) { f.status = http.StatusNotModified },
		"redirect elsewhere": func(f *fakeIssuer) { f.answer = redirect("https://evil.example/list") },
		"redirect to http":   func(f *fakeIssuer) { f.answer = redirect("http://issuer.example/list") },
		"redirects for ever": func(f *fakeIssuer) { f.answer = redirect(listURL) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			following(t, nil, func(t *testing.T, f *fakeIssuer, p *process) {
				p.want(7, statuslist.ErrRevoked)
				f.set(spoil)
				time.Sleep(30 * time.Second)
				p.want(7, statuslist.ErrRevoked)
				p.want(8, nil) // by the list held
				time.Sleep(3 * time.Minute)
				p.want(8, statuslist.ErrUnavailable)
				if p.Stats().Failures == 0 {
					t.Error("no fetch failed")
				}
				if p.Withdrawn("a") {
					t.Error("the key is withdrawn by a list that is no good")
				}
			})
			following(t, nil, func(_ *testing.T, f *fakeIssuer, p *process) {
				f.set(spoil)
				p.want(8, statuslist.ErrUnavailable)
			})
		})
	}
}

// forged returns a list that says it is signed by key a, and is signed by
// another.
func forged(f *fakeIssuer) string {
	own := f.keys["a"]
	f.addKey("z")
	f.keys["a"], f.key = f.keys["z"], "a"
	text := f.list(listURL)
	f.keys["a"] = own
	return text
}

func endless(*http.Request) *http.Response {
	resp := response(http.StatusOK, "", http.Header{"Content-Type": {"application/statuslist+jwt"}})
	resp.Body = io.NopCloser(zeros{})
	return resp
}

func slow(req *http.Request) *http.Response {
	resp := endless(req)
	resp.Body = io.NopCloser(drops{req.Context()})
	return resp
}

// drops is a body that comes byte by byte.
type drops struct{ ctx context.Context }

func (d drops) Read(p []byte) (int, error) {
	select {
	case <-time.After(time.Second):
		return copy(p, "a"), nil
	case <-d.ctx.Done():
		return 0, d.ctx.Err()
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func mediaType(f *fakeIssuer, value string) func(*http.Request) *http.Response {
	return func(*http.Request) *http.Response {
		return response(http.StatusOK, f.list(listURL), http.Header{"Content-Type": {value}})
	}
}

func redirect(to string) func(*http.Request) *http.Response {
	return func(*http.Request) *http.Response {
		return response(http.StatusFound, "", http.Header{"Location": {to}})
	}
}
