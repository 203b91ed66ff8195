package deploy

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/testenv"
)

func TestASlowReplicaIsNotADeadOne(t *testing.T) {
	t.Parallel()
	g := newGateway(t, 1)
	var checks atomic.Int32
	answered := make(chan struct{}, 100)
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", g.ports.Authz[0]))
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Forwarded-For") == "" { // the gateway's own question
			if r.URL.Path == "/readyz" {
				if n := checks.Add(1); n == 2 || n == 3 { // two failures in a row
					w.WriteHeader(http.StatusServiceUnavailable)
				}
				time.Sleep(2 * time.Second)
				answered <- struct{}{}
			}
			return
		}
		echo("authz1")(w, r)
	})}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	g.run(t)
	for range 6 {
		<-answered
		if resp, body := get(t, g.Issuer+"/login"); resp.StatusCode != http.StatusOK {
			t.Errorf("after %d slow health checks: %s %s", checks.Load(), resp.Status, body)
		}
	}
}

func TestKeysAndDiscoveryAreServedWhileNoReplicaIsReady(t *testing.T) {
	t.Parallel()
	g := newGateway(t, 2)
	unready := func(name string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/readyz" {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			if r.URL.Path == "/livez" && r.Header.Get("X-Forwarded-For") == "" {
				return
			}
			echo(name)(w, r)
		})
	}
	serve := func(name string, port int) *http.Server {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			t.Fatal(err)
		}
		s := &http.Server{Handler: unready(name)}
		go s.Serve(l)
		t.Cleanup(func() { s.Close() })
		return s
	}
	one := serve("authz1", g.ports.Authz[0])
	serve("authz2", g.ports.Authz[1])
	serve("user", g.ports.User)
	serve("board", g.ports.Board)
	g.run(t)
	testenv.Eventually(t, "nobody is ready for anything else", func() bool {
		a, _ := get(t, g.Issuer+"/login")
		b, _ := get(t, g.API+"/user/v1/me")
		return a.StatusCode == http.StatusServiceUnavailable && b.StatusCode == http.StatusServiceUnavailable
	})
	published := []string{
		g.Issuer + "/.well-known/jwks.json", g.Issuer + "/.well-known/openid-configuration",
		g.Issuer + "/.well-known/oauth-authorization-server",
		g.API + "/.well-known/oauth-protected-resource/user",
		g.API + "/.well-known/oauth-protected-resource/board", g.API + "/user/openapi.json",
		g.API + "/board/openapi.json",
	}
	ask := func() {
		for _, url := range published {
			if resp, body := get(t, url); resp.StatusCode != http.StatusOK {
				t.Errorf("%s: %s %s", url, resp.Status, body)
			}
		}
	}
	ask()
	one.Close() // and one of them dead: whichever is alive answers
	for range 4 {
		ask()
	}
}

func TestAKilledReplicaIsNotSeenByCallers(t *testing.T) {
	t.Parallel()
	g := newGateway(t, 2)
	one := g.upstream(t, "authz1", g.ports.Authz[0], nil)
	g.upstream(t, "authz2", g.ports.Authz[1], nil)
	g.run(t)
	upstreams := map[string]int{}
	for range 20 {
		_, body := get(t, g.Issuer+"/")
		upstreams[decode(t, body).Upstream]++
	}
	if upstreams["authz1"] < 5 || upstreams["authz2"] < 5 {
		t.Errorf("the load is not spread: %v", upstreams)
	}

	var failed atomic.Int32
	var callers sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		callers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				resp, err := client.Get(g.Issuer + "/")
				if err != nil || resp.StatusCode != http.StatusOK {
					failed.Add(1)
				}
				if err == nil {
					resp.Body.Close()
				}
			}
		})
	}
	one.Listener.Close()
	one.CloseClientConnections()
	// A POST too, when the connection was refused, for then nothing was sent. One that was on its
	// way over a connection that broke is not tried again, so that the first ones may fail.
	inARow := 0
	testenv.Eventually(t, "the broken connections are used up", func() bool {
		resp, _ := do(t, http.MethodPost, g.Issuer+"/oauth2/token", strings.NewReader("x"))
		if inARow++; resp.StatusCode != http.StatusOK {
			inARow = 0
		}
		return inARow == 5
	})
	for range 50 {
		resp, body := do(t, http.MethodPost, g.Issuer+"/oauth2/token", strings.NewReader("x"))
		if resp.StatusCode != http.StatusOK || decode(t, body).Upstream != "authz2" {
			t.Errorf("POST after the death of a replica: %s %s", resp.Status, body)
		}
	}
	close(stop)
	callers.Wait()
	if n := failed.Load(); n > 0 {
		t.Errorf("%d GETs failed while a replica died", n)
	}
}

func TestAReplicaThatIsNotReadyGetsNothing(t *testing.T) {
	t.Parallel()
	g := newGateway(t, 2)
	var ready atomic.Bool
	g.upstream(t, "authz2", g.ports.Authz[1], nil)
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", g.ports.Authz[0]))
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !ready.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		echo("authz1")(w, r)
	})}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	g.run(t)

	run := func() (ok, one int) {
		for range 10 {
			resp, body := get(t, g.Issuer+"/")
			if resp.StatusCode == http.StatusOK {
				ok++
				if strings.Contains(body, "authz1") {
					one++
				}
			}
		}
		return ok, one
	}
	testenv.Eventually(t, "only the ready replica is asked", func() bool { ok, one := run(); return ok == 10 && one == 0 })
	ready.Store(true)
	testenv.Eventually(t, "the other one is asked as well", func() bool { ok, one := run(); return ok == 10 && one >= 4 })
}

func TestOnlyWhatCannotDoAThingTwiceIsTriedAgain(t *testing.T) {
	t.Parallel()
	g := newGateway(t, 1)
	var asked sync.Map
	g.upstream(t, "user", g.ports.User, func(w http.ResponseWriter, r *http.Request) {
		n, _ := asked.LoadOrStore(r.Method, new(atomic.Int32))
		if n.(*atomic.Int32).Add(1) == 1 {
			panic(http.ErrAbortHandler) // the connection breaks after the request arrived
		}
		echo("user")(w, r)
	})
	g.run(t)
	for method, want := range map[string]struct{ status, times int }{
		http.MethodGet: {200, 2}, http.MethodHead: {200, 2}, http.MethodPost: {502, 1},
		http.MethodPatch: {502, 1}, http.MethodDelete: {502, 1},
	} {
		resp, _ := do(t, method, g.API+"/user/v1/me", nil)
		n, ok := asked.Load(method)
		if !ok {
			t.Errorf("%s did not arrive", method)
			continue
		}
		if times := int(n.(*atomic.Int32).Load()); resp.StatusCode != want.status || times != want.times {
			t.Errorf("%s: %s after %d times, want %d after %d", method, resp.Status, times, want.status, want.times)
		}
	}
}
