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

// A form that is sent by another than opened it would publish one account's words under the other's
// name; the ETags of both profiles may be the same.
func TestAFormThatAnotherAccountOpenedChangesNothing(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	profile, post := b.get("/profile"), b.get("/boards/free/write")
	ask := b.get("/tokens")
	w.issuer.set(func(f *fakeIssuer) { f.person = "person-2" })
	b.login() // in another tab
	if theirs := b.get("/profile").field(t, "etag"); theirs != profile.field(t, "etag") {
		t.Fatalf("the profiles have different ETags, %s: nothing is tried", theirs)
	}
	b.post("/profile", "member", profile.field(t, "member"), "etag", profile.field(t, "etag"), "display_name", "the first one", "bio", "a secret").
		want(t, http.StatusForbidden, "Another account is logged in", "a secret", `name="kept.bio"`, `id="logout"`)
	b.post("/boards/free/write", "member", post.field(t, "member"), "key", post.field(t, "key"), "title", "t", "body", "only as the first one", "format", "plain").
		want(t, http.StatusForbidden, "Another account is logged in", "only as the first one")
	b.post("/tokens/revoke", "member", ask.field(t, "member")).want(t, http.StatusForbidden, "nothing was changed")
	b.get("/profile").without(t, "the first one", "a secret")
	b.get("/boards/free").without(t, "only as the first one")
	if n := w.issuer.revoked.Load(); n != 0 {
		t.Errorf("%d tokens were revoked", n)
	}
	// What was typed comes back for the account that is there, which decides.
	page := b.post("/login", "to", "/boards/free/write", "kept.title", "t", "kept.body", "only as the first one")
	page.want(t, http.StatusOK, "Welcome back", "only as the first one")
	b.post("/boards/free/write", "member", page.field(t, "member"), "key", page.field(t, "key"), "title", "t", "body", "now as the second", "format", "plain").
		want(t, http.StatusOK, "Your post is online")
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
