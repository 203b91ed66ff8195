package statuslist_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/maru-auth/maru/jwks/internal/statuslist"
)

func TestARevokedTokenIsRefusedWithinTheTTL(t *testing.T) {
	t.Parallel()
	following(t, nil, func(t *testing.T, f *fakeIssuer, p *process) {
		p.want(7, statuslist.ErrRevoked)
		p.want(8, nil)
		f.set(func(f *fakeIssuer) { f.revoked[8] = true })
		time.Sleep(3 * time.Second)
		p.want(8, statuslist.ErrRevoked)
		p.want(9, nil)
	})
}

func TestAListIsRefreshedInTheBackgroundAndConfirmedByItsETag(t *testing.T) {
	t.Parallel()
	following(t, nil, func(t *testing.T, f *fakeIssuer, p *process) {
		p.want(8, nil)
		for range 10 * 60 {
			time.Sleep(time.Second)
			p.want(8, nil)
		}
		if n := f.fetches(); n < 200 || n > 260 {
			t.Errorf("%d fetches in ten minutes", n)
		}
		f.set(func(f *fakeIssuer) {
			if f.matched < 100 {
				t.Errorf("only %d answers were 304", f.matched)
			}
		})
		if age := p.Stats().Oldest; age > 3*time.Second {
			t.Errorf("the list is %v old", age)
		}
	})
}

func TestManyWaitForOneFetch(t *testing.T) {
	t.Parallel()
	following(t, nil, func(t *testing.T, f *fakeIssuer, p *process) {
		f.delay = 500 * time.Millisecond
		gone, leave := context.WithCancel(t.Context())
		defer leave()
		var refused atomic.Int64
		var all sync.WaitGroup
		for i := range 300 {
			ctx := t.Context()
			if i == 0 {
				ctx = gone // the one who began it
			}
			all.Go(func() {
				if err := p.Check(ctx, listURL, 8); err != nil {
					refused.Add(1)
				}
			})
			if i == 0 {
				synctest.Wait()
				leave()
			}
		}
		all.Wait()
		if f.fetches() != 1 || refused.Load() != 1 {
			t.Errorf("%d fetches, %d refused; want one, and the one who went away", f.fetches(), refused.Load())
		}
	})
}

func TestNobodyWaitsLongForASlowIssuer(t *testing.T) {
	t.Parallel()
	following(t, nil, func(t *testing.T, f *fakeIssuer, p *process) {
		f.delay = time.Hour
		begin := time.Now()
		p.want(8, statuslist.ErrUnavailable)
		if waited := time.Since(begin); waited != time.Second {
			t.Errorf("waited %v", waited)
		}
		// So many waiting at once would pile up.
		var all sync.WaitGroup
		var slow atomic.Int64
		begin = time.Now()
		for range 2000 {
			all.Go(func() {
				if err := p.Check(t.Context(), listURL, 8); !errors.Is(err, statuslist.ErrUnavailable) {
					t.Error(err)
				}
				if time.Since(begin) > 0 {
					slow.Add(1)
				}
			})
		}
		all.Wait()
		if slow.Load() > 512 {
			t.Errorf("%d waited at once", slow.Load())
		}
	})
}

func TestAnIssuerThatIsDownForAnHour(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		failOpenFor time.Duration
		good        time.Duration // still accepted so long after the last answer
		refused     time.Duration // surely refused then
	}{
		"default":  {0, 110 * time.Second, 121 * time.Second},
		"one hour": {time.Hour, 59 * time.Minute, time.Hour + time.Second},
		"not open": {-1, 4 * time.Second, 9 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			following(t, func(cfg *statuslist.Config) { cfg.FailOpenFor = test.failOpenFor }, func(t *testing.T, f *fakeIssuer, p *process) {
				p.want(8, nil)
				time.Sleep(time.Minute)
				f.set(func(f *fakeIssuer) { f.down = true })
				before := f.fetches()
				time.Sleep(test.good)
				p.want(8, nil)
				p.want(7, statuslist.ErrRevoked)
				time.Sleep(test.refused - test.good)
				begin := time.Now()
				p.want(8, statuslist.ErrUnavailable)
				p.want(7, statuslist.ErrUnavailable)
				if time.Since(begin) != 0 {
					t.Error("tokens wait while it is known that the issuer is down")
				}
				for range 60 {
					time.Sleep(time.Minute)
					p.want(8, statuslist.ErrUnavailable)
				}
				if n := f.fetches() - before; n > 3*3600/2 {
					t.Errorf("%d fetches in some two hours at most", n)
				}
				if stats := p.Stats(); stats.Unusable != 1 || stats.Oldest < time.Hour || stats.Failures == 0 {
					t.Errorf("%+v", stats)
				}
				f.set(func(f *fakeIssuer) { f.down = false; f.revoked[9] = true })
				time.Sleep(3 * time.Second)
				p.want(8, nil)
				p.want(9, statuslist.ErrRevoked)
				if p.log.count("level=WARN") != 1 || p.log.count("can be fetched again") != 1 {
					t.Errorf("the log has %d warnings, and %d times the end of them, want one of each",
						p.log.count("level=WARN"), p.log.count("can be fetched again"))
				}
			})
		})
	}
}

func TestARetryFindsAListThatAReplicaHasJustBegun(t *testing.T) {
	t.Parallel()
	following(t, nil, func(t *testing.T, f *fakeIssuer, p *process) {
		f.status = http.StatusNotFound
		go func() {
			time.Sleep(500 * time.Millisecond)
			f.set(func(f *fakeIssuer) { f.status = 0 })
		}()
		p.want(8, nil)
	})
}

func TestAnUnknownListIsNotAskedForByEachToken(t *testing.T) {
	t.Parallel()
	following(t, nil, func(t *testing.T, f *fakeIssuer, p *process) {
		f.status = http.StatusNotFound
		for range 1000 {
			p.want(8, statuslist.ErrUnavailable)
			time.Sleep(10 * time.Millisecond)
		}
		if n := f.fetches(); n > 20 {
			t.Errorf("%d fetches in some ten seconds", n)
		}
		time.Sleep(2 * time.Minute)
		if n := p.Stats().Lists; n != 0 {
			t.Errorf("%d lists are followed", n)
		}
	})
}

func TestTTLIsBounded(t *testing.T) {
	t.Parallel()
	for ttl, want := range map[any][2]int{ // fetches in ten minutes
		0.001:   {550, 720},
		3:       {200, 260},
		1e300:   {10, 13},
		1 << 40: {10, 13},
		nil:     {10, 13},
	} {
		t.Run(fmt.Sprint(ttl), func(t *testing.T) {
			t.Parallel()
			following(t, nil, func(t *testing.T, f *fakeIssuer, p *process) {
				f.ttl, f.lifetime = ttl, time.Hour
				p.want(8, nil)
				time.Sleep(10 * time.Minute)
				if n := f.fetches(); n < want[0] || n > want[1] {
					t.Errorf("%d fetches, want %v", n, want)
				}
			})
		})
	}
}

func TestOnlyTheIssuersOwnAddressesAreFetched(t *testing.T) {
	t.Parallel()
	foreign := []string{
		"https://evil.example/list", "http://issuer.example/list", "https://issuer.example", "https://issuer.example.evil.example/",
		"https://issuer.example@evil.example/", "https://user@issuer.example/list", "https://issuer.example:444/list",
		"https://ISSUER.example/list", "https://issuer.example/../list", "https://issuer.example/a/%2e%2e/b",
		"https://issuer.example/./list", "https://issuer.example/list#x", "https://issuer.example\\@evil.example/",
		"//issuer.example/list", "/list", "file:///etc/passwd", "http://169.254.169.254/latest", "gopher://issuer.example/", "",
	}
	following(t, nil, func(t *testing.T, f *fakeIssuer, p *process) {
		for _, uri := range foreign {
			p.wantOf(uri, 8, statuslist.ErrUnknown)
		}
		if f.fetches() != 0 || p.Stats().Lists != 0 {
			t.Error("something was fetched")
		}
		p.wantOf(fakeURL+"/anything?here=1", 8, nil)
	})
	following(t, func(cfg *statuslist.Config) {
		cfg.Prefixes = []string{"https://cdn.example/lists/"}
	}, func(_ *testing.T, _ *fakeIssuer, p *process) {
		p.wantOf("https://cdn.example/lists/1", 8, nil)
		p.wantOf("https://cdn.example/lists", 8, statuslist.ErrUnknown)
		p.wantOf("https://cdn.example/lists/../other", 8, statuslist.ErrUnknown)
		p.want(8, statuslist.ErrUnknown)
	})
}

func TestManyUnknownLists(t *testing.T) {
	t.Parallel()
	following(t, nil, func(t *testing.T, f *fakeIssuer, p *process) {
		p.want(8, nil)
		f.set(func(f *fakeIssuer) {
			f.answer = func(req *http.Request) *http.Response {
				if req.URL.String() != listURL {
					return response(http.StatusNotFound, "", nil)
				}
				return listAnswer(f.list(listURL))(req)
			}
		})
		begin, before := time.Now(), f.fetches()
		var all sync.WaitGroup
		for i := range 5000 {
			all.Go(func() { p.wantOf(fmt.Sprint(fakeURL, "/", i), 8, statuslist.ErrUnavailable) })
		}
		all.Wait()
		p.want(8, nil) // it was not pushed out
		p.want(7, statuslist.ErrRevoked)
		if n := f.fetches() - before; n > 200 {
			t.Errorf("%d fetches in %v", n, time.Since(begin))
		}
		if n := p.Stats().Lists; n > 128 {
			t.Errorf("%d lists are followed", n)
		}
		time.Sleep(2 * time.Minute)
		if n := p.Stats().Lists; n != 1 {
			t.Errorf("%d lists are followed", n)
		}
	})
}

func TestAListIsFetchedOnceAtATime(t *testing.T) {
	t.Parallel()
	following(t, nil, func(t *testing.T, f *fakeIssuer, p *process) {
		f.delay = 2 * time.Second
		for range 100 {
			for range 20 {
				go func() { _ = p.Check(t.Context(), listURL, 8) }()
			}
			time.Sleep(700 * time.Millisecond)
		}
		synctest.Wait()
		f.set(func(f *fakeIssuer) {
			if f.most != 1 {
				t.Errorf("%d at once", f.most)
			}
		})
	})
}

func TestAnIndexOutOfRangeIsRefused(t *testing.T) {
	t.Parallel()
	following(t, nil, func(_ *testing.T, f *fakeIssuer, p *process) {
		p.want(8191, nil)
		for _, index := range []uint64{8192, 1 << 20, 1<<64 - 1} {
			p.want(index, statuslist.ErrUnknown)
		}
	})
}

func TestAListThatNobodyAsksAboutIsDropped(t *testing.T) {
	t.Parallel()
	following(t, nil, func(t *testing.T, f *fakeIssuer, p *process) {
		p.want(8, nil)
		time.Sleep(50 * time.Minute)
		p.want(8, nil)
		time.Sleep(50 * time.Minute)
		if p.Stats().Lists != 1 {
			t.Error("it was dropped too early")
		}
		time.Sleep(11 * time.Minute)
		before := f.fetches()
		time.Sleep(10 * time.Minute)
		if p.Stats().Lists != 0 || f.fetches() != before {
			t.Error("it is still followed")
		}
		p.want(7, statuslist.ErrRevoked)
	})
}

func TestAListThatTheIssuerEndsIsNoFailure(t *testing.T) {
	t.Parallel()
	following(t, nil, func(t *testing.T, f *fakeIssuer, p *process) {
		p.want(8, nil)
		time.Sleep(time.Minute)
		f.set(func(f *fakeIssuer) { f.status = http.StatusNotFound })
		time.Sleep(5 * time.Second)
		if p.Stats().Lists != 0 || p.log.count("WARN") != 0 {
			t.Errorf("%+v", p.Stats())
		}
	})
}

func TestAWithdrawnKeyCountsForNothing(t *testing.T) {
	t.Parallel()
	withdrawn := 0
	following(t, func(cfg *statuslist.Config) {
		cfg.KeyWithdrawn = func() { withdrawn++ }
	}, func(t *testing.T, f *fakeIssuer, p *process) {
		other := fakeURL + "/oauth2/status/two"
		p.wantOf(other, 8, nil) // signed by a
		f.set(func(f *fakeIssuer) {
			f.answer = func(req *http.Request) *http.Response {
				if req.URL.String() == other { // its server has not heard of it
					f.key = "a"
					defer func() { f.key = "b" }()
					f.withdrawn = nil
				} else {
					f.withdrawn = []string{"a"}
				}
				return listAnswer(f.list(req.URL.String()))(req)
			}
			f.addKey("b")
		})
		p.want(8, nil)
		if !p.Withdrawn("a") || p.Withdrawn("b") || p.Withdrawn("") {
			t.Error("a, and a alone, is withdrawn")
		}
		p.wantOf(other, 8, statuslist.ErrUnavailable)
		time.Sleep(time.Minute)
		p.wantOf(other, 8, statuslist.ErrUnavailable)
		// It stays withdrawn.
		f.set(func(f *fakeIssuer) { f.answer, f.withdrawn = nil, nil })
		time.Sleep(time.Minute)
		p.wantOf(other, 8, nil)
		if !p.Withdrawn("a") || withdrawn != 1 {
			t.Errorf("withdrawn %v, told %d times", p.Withdrawn("a"), withdrawn)
		}
	})
}

func TestAfterItsContextTheListsGrowOld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		ctx, cancel := context.WithCancel(t.Context())
		p := start(t, ctx, f, nil)
		p.want(8, nil)
		cancel()
		p.want(8, nil)
		time.Sleep(3 * time.Minute)
		p.want(8, statuslist.ErrUnavailable)
		p.wantOf(fakeURL+"/new", 8, statuslist.ErrUnavailable)
	})
}

func TestWrongConfigurations(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*statuslist.Config){
		"no issuer":         func(cfg *statuslist.Config) { cfg.Issuer = "" },
		"no keys":           func(cfg *statuslist.Config) { cfg.Keys = nil },
		"algorithm":         func(cfg *statuslist.Config) { cfg.Algorithms = []string{"HS256"} },
		"prefix":            func(cfg *statuslist.Config) { cfg.Prefixes = []string{"https://cdn.example"} },
		"prefix of nothing": func(cfg *statuslist.Config) { cfg.Prefixes = []string{"/"} },
		"negative":          func(cfg *statuslist.Config) { cfg.MinRefresh = -1 },
		"bounds":            func(cfg *statuslist.Config) { cfg.MinRefresh = time.Hour },
		"no folder":         func(cfg *statuslist.Config) { cfg.File = "/does/not/exist" },
	} {
		cfg := statuslist.Config{Issuer: fakeURL, Keys: newFake()}
		change(&cfg)
		if _, err := statuslist.New(t.Context(), cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// BenchmarkCheck shows what a status costs on the request path.
func BenchmarkCheck(b *testing.B) {
	f := newFake()
	p := start(b, b.Context(), f, nil)
	p.want(8, nil)
	b.ReportAllocs()
	for b.Loop() {
		if p.Withdrawn("a") || p.Check(b.Context(), listURL, 8) != nil {
			b.Fatal("refused")
		}
	}
}

// BenchmarkCheckParallel shows whether processors get in each other's way.
func BenchmarkCheckParallel(b *testing.B) {
	f := newFake()
	p := start(b, b.Context(), f, nil)
	p.want(8, nil)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if p.Withdrawn("a") || p.Check(b.Context(), listURL, 8) != nil {
				b.Error("refused")
			}
		}
	})
}

func TestAStatusCostsNoAllocation(t *testing.T) {
	f := newFake()
	f.revoked[7] = true
	p := start(t, t.Context(), f, nil)
	p.want(8, nil)
	if n := testing.AllocsPerRun(1000, func() {
		if p.Withdrawn("a") || p.Check(t.Context(), listURL, 8) != nil || !errors.Is(p.Check(t.Context(), listURL, 7), statuslist.ErrRevoked) {
			t.Error("wrong")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
