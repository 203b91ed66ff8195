package authorize_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
)

// Whoever knows the client_id of a public client can push, so that what is stored for them is
// bounded.
func TestAnOversizedPushIsNotStored(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	f.AddClient("public", func(c *client.Client) {
		c.TokenEndpointAuthMethod, c.GrantTypes = "none", []string{"authorization_code"}
	})
	form := providertest.Parameters("client_id", "public")
	if a := f.PostForm("/oauth2/par", form); a.Status != http.StatusCreated {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	for n := range 100 {
		form.Set("unknown"+strings.Repeat("x", n), strings.Repeat("y", 2000))
	}
	f.PostForm("/oauth2/par", form).WantError(t, http.StatusRequestEntityTooLarge, "invalid_request") // RFC 9126 §2.3
}

func TestAPushedRequestIsUsedOnceAndAlone(t *testing.T) {
	t.Parallel()
	providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
		f.AddClient("other", nil)
		b := f.Browser().LogIn(f.User)
		pushed := func() string {
			a := f.Push("state", "pushed", "nonce", "pushed")
			object := a.JSON(t)
			if a.Status != http.StatusCreated || object["expires_in"] != float64(60) || a.Header.Get("Cache-Control") != "no-store" {
				t.Fatalf("%d %s", a.Status, a.Body)
			}
			return object["request_uri"].(string)
		}
		reference := func(uri string, more ...string) url.Values {
			form := url.Values{"client_id": {"app"}, "request_uri": {uri}}
			for i := 0; i < len(more); i += 2 {
				form.Set(more[i], more[i+1])
			}
			return form
		}
		// What stands beside the reference is injected by whoever could change the address.
		uri := pushed()
		a := b.AuthorizeForm(reference(uri, "nonce", "injected", "state", "injected", "prompt", "none", "redirect_uri",
			"https://evil.example/", "scope", "openid board:moderate"))
		if a.Parameter("state") != "pushed" || !strings.HasPrefix(a.Location.String(), providertest.Callback) {
			t.Fatalf("%d %v %s", a.Status, a.Location, a.Body)
		}
		got := f.Tokens(f.Redeem(a.Parameter("code")))
		if _, id := providertest.Decode(t, got.ID); id["nonce"] != "pushed" || strings.Contains(got.Scope, "moderate") {
			t.Errorf("injected: %v %s", id, got.Scope)
		}
		if a := b.AuthorizeForm(reference(uri)); a.Status != http.StatusBadRequest || a.Location != nil {
			t.Errorf("used twice: %d %v", a.Status, a.Location)
		}
		// Another client's.
		form := reference(pushed())
		form.Set("client_id", "other")
		if a := b.AuthorizeForm(form); a.Status != http.StatusBadRequest || a.Location != nil {
			t.Errorf("by another client: %d %v", a.Status, a.Location)
		}
		// Not spent by opening the page, only by the answer; and a slow person does not lose it.
		uri = pushed()
		fresh := f.Browser()
		first, second := fresh.AuthorizeForm(reference(uri)), fresh.AuthorizeForm(reference(uri))
		if first.Location.Path != "/login" || second.Location.Path != "/login" {
			t.Fatalf("%v %v", first.Location, second.Location)
		}
		f.Clock.Advance(2 * time.Minute)
		fresh.LogIn(f.User)
		if a := fresh.Get("/oauth2/authorize?interaction=" + url.QueryEscape(first.Parameter("interaction"))); a.Parameter("code") == "" {
			t.Errorf("after the log-in: %d %v %s", a.Status, a.Location, a.Body)
		}
		if a := fresh.Get("/oauth2/authorize?interaction=" + url.QueryEscape(second.Parameter("interaction"))); a.Parameter("code") != "" {
			t.Error("the request was answered twice")
		}
		// Expired.
		uri = pushed()
		f.Clock.Advance(61 * time.Second)
		if a := b.AuthorizeForm(reference(uri)); a.Status != http.StatusBadRequest {
			t.Errorf("expired: %d %v", a.Status, a.Location)
		}
	})
}

func TestAPushedRequestIsAnsweredOnceInARace(t *testing.T) {
	t.Parallel()
	providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
		b := f.Browser().LogIn(f.User)
		uri := f.Push().JSON(t)["request_uri"].(string)
		var codes atomic.Int64
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				if b.AuthorizeForm(url.Values{"client_id": {"app"}, "request_uri": {uri}}).Parameter("code") != "" {
					codes.Add(1)
				}
			})
		}
		wg.Wait()
		if codes.Load() != 1 {
			t.Fatalf("%d codes", codes.Load())
		}
	})
}

func TestAPushIsCheckedLikeARequest(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	f.AddClient("must-push", func(c *client.Client) { c.RequirePAR = true })
	f.Push("redirect_uri", "https://evil.example/").WantError(t, 400, "invalid_request")
	f.Push("scope", "wish").WantError(t, 400, "invalid_scope")
	f.Push("request_uri", "urn:ietf:params:oauth:request_uri:x").WantError(t, 400, "invalid_request")
	f.Push("code_challenge", "").WantError(t, 400, "invalid_request")
	f.PostForm("/oauth2/par", providertest.Parameters()).WantError(t, 401, "invalid_client")
	form := providertest.Parameters()
	form.Set("client_secret", providertest.Secret)
	f.PushForm(form).WantError(t, 400, "invalid_request")
	if a := f.Browser().Authorize("client_id", "must-push"); a.Parameter("error") != "invalid_request" {
		t.Errorf("a client that must push did not: %v", a.Location)
	}
}

func TestOnlyKnownParametersAreStored(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	padding := strings.Repeat("x", 2000)
	b := f.Browser()
	a := b.Authorize("unknown", padding, "ui_locales", "ko")
	u, err := url.Parse(f.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	waiting, err := f.Store.Interactions.Interaction(t.Context(), a.Location.Query().Get("interaction"), b.Jar.Cookies(u)[0].Value)
	if err != nil {
		t.Fatal(err)
	}
	pushed, err := f.Store.Pushed.PushedRequest(t.Context(), f.Push("unknown", padding, "ui_locales", "ko").JSON(t)["request_uri"].(string))
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range []url.Values{waiting.Form, pushed.Form} {
		if form.Has("unknown") || form.Get("ui_locales") != "ko" {
			t.Error(form)
		}
	}
}

func TestAPersonCanFinishAPushedRequestThatExpiredMeanwhile(t *testing.T) {
	t.Parallel()
	providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
		uri := f.Push().JSON(t)["request_uri"].(string)
		b := f.Browser()
		var handles []string
		for range 2 { // two tabs
			a := b.AuthorizeForm(url.Values{"client_id": {"app"}, "request_uri": {uri}})
			handles = append(handles, url.QueryEscape(a.Location.Query().Get("interaction")))
		}
		f.Clock.Advance(10 * time.Minute)
		if _, err := f.Store.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.LogIn(f.User)
		if a := b.Get("/oauth2/authorize?interaction=" + handles[0]); a.Parameter("code") == "" {
			t.Errorf("%d %s", a.Status, a.Body)
		}
		if a := b.Get("/oauth2/authorize?interaction=" + handles[1]); a.Parameter("code") != "" {
			t.Error("a pushed request was answered twice")
		}
	})
}
