package statuslist_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/maru-auth/maru/jwks/internal/statuslist"
)

// lookingAhead runs a test in a bubble, with an issuer that says at allURL
// which lists there are.
func lookingAhead(t *testing.T, all string, test func(t *testing.T, f *fakeIssuer, p *process)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.revoked[7] = true
		f.all = all
		test(t, f, start(t, t.Context(), f, func(cfg *statuslist.Config) {
			cfg.Aggregation = func() string { return allURL }
		}))
	})
}

func named(uris ...string) string { return `{"status_lists":["` + strings.Join(uris, `","`) + `"]}` }

func TestAListThatNoTokenReferredToYetOutlivesItsIssuer(t *testing.T) {
	t.Parallel()
	lookingAhead(t, named(listURL), func(t *testing.T, f *fakeIssuer, p *process) {
		time.Sleep(time.Hour + 10*time.Minute) // longer than an unused list is kept
		f.set(func(f *fakeIssuer) { f.down = true })
		time.Sleep(100 * time.Second)
		p.want(8, nil)
		p.want(7, statuslist.ErrRevoked)
		time.Sleep(time.Minute)
		p.want(8, statuslist.ErrUnavailable)
	})
}

func TestAVerifierThatGetsNoTokensLearnsOfAWithdrawnKey(t *testing.T) {
	t.Parallel()
	lookingAhead(t, named(listURL), func(t *testing.T, f *fakeIssuer, p *process) {
		time.Sleep(2 * time.Hour)
		if p.Withdrawn("a") {
			t.Fatal("nobody has withdrawn it")
		}
		f.set(func(f *fakeIssuer) {
			f.addKey("b")
			f.withdrawn = []string{"a"}
		})
		time.Sleep(3 * time.Second)
		if !p.Withdrawn("a") {
			t.Error("the verifier does not know of the withdrawal")
		}
	})
}

// A new installation has no lists, and says so; its first tokens bring one.
func TestTheFirstListIsFollowedSoon(t *testing.T) {
	t.Parallel()
	lookingAhead(t, `{"status_lists":[]}`, func(t *testing.T, f *fakeIssuer, p *process) {
		time.Sleep(time.Hour)
		f.set(func(f *fakeIssuer) { f.all = named(listURL) })
		time.Sleep(4 * time.Second)
		if got := p.Stats(); got.Lists != 1 || got.Unusable != 0 {
			t.Errorf("%+v", got)
		}
		if p.log.count("WARN") != 0 {
			t.Error("that there are no lists yet is no failure")
		}
	})
}

func TestOfManyListsTheLastAreFollowed(t *testing.T) {
	t.Parallel()
	var uris []string
	for i := range 100 {
		uris = append(uris, fmt.Sprint(allURL, "/", i))
	}
	lookingAhead(t, named(uris...), func(t *testing.T, f *fakeIssuer, p *process) {
		time.Sleep(time.Minute)
		if got := p.Stats(); got.Lists != 8 || got.Unusable != 0 {
			t.Fatalf("%+v", got)
		}
		f.set(func(f *fakeIssuer) { f.down = true })
		p.wantOf(uris[99], 8, nil)
		p.wantOf(uris[92], 8, nil)
		p.wantOf(uris[91], 8, statuslist.ErrUnavailable)
	})
}

// Whoever answers for the issuer must not make the verifier call others, hold
// much, or stop following what tokens refer to.
func TestABadListOfLists(t *testing.T) {
	t.Parallel()
	for name, all := range map[string]string{
		"elsewhere":    named("https://internal.example/status/1"),
		"not JSON":     "<html>",
		"not a list":   `{"status_lists":"` + listURL + `"}`,
		"numbers":      `{"status_lists":[1]}`,
		"named twice":  `{"status_lists":[],"status_lists":["` + listURL + `"]}`,
		"without end":  `{"status_lists":["` + strings.Repeat("x", 200<<10) + `"]}`,
		"other letter": `{"Status_lists":["` + listURL + `"]}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lookingAhead(t, all, func(t *testing.T, f *fakeIssuer, p *process) {
				time.Sleep(10 * time.Minute)
				if got := p.Stats(); got.Lists != 0 {
					t.Errorf("%+v", got)
				}
				if n := f.fetches(); n < 100 || n > 300 {
					t.Errorf("%d requests in ten minutes", n)
				}
				if n := p.log.count("WARN"); n > 1 {
					t.Errorf("%d warnings", n)
				}
				p.want(8, nil)
			})
		})
	}
}

func TestNothingIsAskedAheadWhenItIsNotKnownWhere(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"", "https://internal.example/oauth2/status"} {
		synctest.Test(t, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			f := newFake()
			start(t, ctx, f, func(cfg *statuslist.Config) { cfg.Aggregation = func() string { return at } })
			time.Sleep(time.Hour)
			if n := f.fetches(); n != 0 {
				t.Errorf("%q: %d requests", at, n)
			}
		})
	}
}
