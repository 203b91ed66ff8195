package main

import (
	"net/http"
	"sync"
	"testing"
	"time"
)

func TestManyRequestsWithAnExpiredTokenRefreshOnce(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	b.get("/tokens")
	before := w.issuer.refreshes.Load()
	hold := make(chan struct{})
	w.issuer.set(func(i *fakeIssuer) { i.holdRefresh = hold })
	w.pass(20 * time.Minute)
	var wg sync.WaitGroup
	outcome := make(chan int, 32)
	for range 32 {
		wg.Go(func() { outcome <- b.step(http.MethodGet, "/api/me").StatusCode })
	}
	eventually(t, "a refresh", func() bool { return w.issuer.refreshes.Load() > before })
	close(hold)
	wg.Wait()
	close(outcome)
	for status := range outcome {
		if status != http.StatusOK {
			t.Errorf("a request got %d", status)
		}
	}
	if n := w.issuer.refreshes.Load() - before; n != 1 {
		t.Errorf("%d refreshes for 32 requests", n)
	}
}

func TestATokenIsRefreshedBeforeItExpiresWithoutAnybodyWaiting(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	hold := make(chan struct{})
	w.issuer.set(func(i *fakeIssuer) { i.holdRefresh = hold })
	w.pass(9*time.Minute + 30*time.Second)
	b.get("/api/me").want(t, http.StatusOK, "person-1") // while the refresh hangs
	eventually(t, "a refresh", func() bool { return w.issuer.refreshes.Load() == 1 })
	close(hold)
	w.pass(time.Minute) // the first token is over now
	b.get("/api/me").want(t, http.StatusOK, "person-1")
	if n := w.issuer.refreshes.Load(); n != 1 {
		t.Errorf("%d refreshes, want 1", n)
	}
}

func TestARefreshThatTheIssuerRefusesLogsOut(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	w.issuer.set(func(i *fakeIssuer) { i.refuse = "invalid_grant" })
	w.pass(20 * time.Minute)
	page := b.get("/boards")
	page.want(t, http.StatusForbidden, "Please log in again", `href="/login?to=%2fboards"`)
	page.without(t, `id="logout"`)
	w.issuer.set(func(i *fakeIssuer) { i.refuse = "" })
	b.login()
}

func TestAnIssuerThatIsDownKeepsTheSession(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	w.issuer.down.Store(true)
	b.get("/boards").want(t, http.StatusOK, "자유") // the token is still good
	w.pass(20 * time.Minute)
	b.get("/boards").want(t, http.StatusServiceUnavailable, "You stay logged in", `id="logout"`)
	b.get("/profile").want(t, http.StatusServiceUnavailable, "You stay logged in")
	w.issuer.down.Store(false)
	w.pass(10 * time.Second)
	b.get("/boards").want(t, http.StatusOK, "자유")
}

func TestAClientSetUpWronglyKeepsTheSession(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	w.issuer.set(func(i *fakeIssuer) { i.refuse = "invalid_client" })
	w.pass(20 * time.Minute)
	b.get("/boards").want(t, http.StatusServiceUnavailable, `id="logout"`)
}

func TestATokenThatTheServicesRefuseIsRenewedOnce(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	w.pass(time.Minute)
	w.issuer.revokeAccess()
	b.get("/boards").want(t, http.StatusOK, "자유")
	if n := w.issuer.refreshes.Load(); n != 1 {
		t.Errorf("%d refreshes, want 1", n)
	}
	w.issuer.revokeAccess() // and at once again: no storm of refreshes
	b.get("/profile").want(t, http.StatusBadGateway, "Log out and in again")
	if n := w.issuer.refreshes.Load(); n != 1 {
		t.Errorf("%d refreshes, want 1", n)
	}
}

func TestARefreshedIDTokenOfAnotherPersonEndsTheSession(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	w.issuer.set(func(i *fakeIssuer) { i.idClaims = func(c map[string]any) { c["sub"] = "person-2" } })
	w.pass(20 * time.Minute)
	b.get("/boards").want(t, http.StatusForbidden, "Please log in again")
}

func TestARefreshWhoseAnswerCannotBeCheckedYetLosesNoToken(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	w.pass(2 * time.Hour) // the discovery document has grown old, and its keys with it
	w.issuer.noKeys.Store(true)
	b.get("/boards").want(t, http.StatusServiceUnavailable, "You stay logged in", `id="logout"`)
	w.issuer.noKeys.Store(false)
	w.pass(10 * time.Second)
	b.get("/boards").want(t, http.StatusOK, "자유") // by the token that the refresh brought: the old one is used up
}

func TestSessionsEndWhenIdleAndWhenOld(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	w.pass(11 * time.Hour)
	b.get("/boards").want(t, http.StatusOK)
	w.pass(12 * time.Hour)
	b.get("/boards").want(t, http.StatusForbidden, "log in again")
	b.login()
	for range 14 * 3 {
		w.pass(8 * time.Hour)
		b.get("/")
	}
	b.get("/boards").want(t, http.StatusForbidden)
}
