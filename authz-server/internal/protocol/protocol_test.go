package protocol

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ory/fosite"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/oauth"
)

func TestTheTaxonomyOfErrorsIsFositesWhereItHasOne(t *testing.T) {
	t.Parallel()
	for _, same := range []struct {
		fosite *fosite.RFC6749Error
		ours   oauth.Kind
	}{
		{fosite.ErrInvalidRequest, oauth.InvalidRequest},
		{fosite.ErrInvalidClient, oauth.InvalidClient},
		{fosite.ErrInvalidGrant, oauth.InvalidGrant},
		{fosite.ErrInvalidScope, oauth.InvalidScope},
		{fosite.ErrUnauthorizedClient, oauth.UnauthorizedClient},
		{fosite.ErrUnsupportedGrantType, oauth.UnsupportedGrantType},
		{fosite.ErrUnsupportedResponseType, oauth.UnsupportedResponseType},
		{fosite.ErrUnsupportedResponseMode, oauth.UnsupportedResponseMode},
		{fosite.ErrAccessDenied, oauth.AccessDenied},
		{fosite.ErrServerError, oauth.ServerError},
		{fosite.ErrTemporarilyUnavailable, oauth.TemporarilyUnavailable},
		{fosite.ErrLoginRequired, oauth.LoginRequired},
		{fosite.ErrConsentRequired, oauth.ConsentRequired},
		{fosite.ErrInvalidRequestURI, oauth.InvalidRequestURI},
		{fosite.ErrInvalidRequestObject, oauth.InvalidRequestObject},
		{fosite.ErrRegistrationNotSupported, oauth.RegistrationNotSupported},
	} {
		var got *oauth.Error
		if err := ours(same.fosite); !errors.As(err, &got) || got.Kind != same.ours {
			t.Errorf("fosite's %s (%d) becomes %v, want %v", same.fosite.ErrorField, same.fosite.CodeField, err, same.ours)
		}
	}
}

// fakeGrant answers by what its Check returns.
type fakeGrant struct {
	name  string
	check func(*TokenRequest) (Finish, error)
}

func (g fakeGrant) Type() string { return g.name }

func (g fakeGrant) Check(_ context.Context, request *TokenRequest) (Finish, error) {
	return g.check(request)
}

// issuing issues a token that is named after the grant.
func issuing(name string) fakeGrant {
	return fakeGrant{name, func(request *TokenRequest) (Finish, error) {
		return func(context.Context) (*TokenAnswer, error) {
			return &TokenAnswer{AccessToken: name, TokenType: "Bearer", ExpiresIn: time.Minute, Scope: request.Scope}, nil
		}, nil
	}}
}

func newTestProtocol(grants ...Grant) *Protocol {
	return New(Config{Grants: grants, Authenticate: func(_ context.Context, _ *http.Request, form url.Values) (*client.Client, error) {
		if form.Get("client_id") != "app" {
			return nil, oauth.InvalidClient.Because("who is this?")
		}
		return &client.Client{ID: "app", GrantTypes: []string{"one", "two", "three", "failing", "refusing", "once"}}, nil
	}})
}

func tokenRequest(t *testing.T, form string) *http.Request {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/oauth2/token", strings.NewReader(form))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if err := oauth.ReadPost(r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAGrantAnswersTheRequestsOfItsType(t *testing.T) {
	t.Parallel()
	p := newTestProtocol(issuing("one"), issuing("two"), issuing("three"))
	for _, name := range []string{"one", "two", "three"} {
		checked, err := p.Check(tokenRequest(t, "client_id=app&scope=a+b&grant_type="+name), nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		answer, err := checked.Finish(t.Context())
		if err != nil || answer["access_token"] != name || answer["token_type"] != "Bearer" || answer["expires_in"] != int64(60) ||
			answer["scope"] != "a b" {
			t.Errorf("%s: %v %v", name, answer, err)
		}
		for _, absent := range []string{"refresh_token", "id_token", "issued_token_type"} {
			if value, there := answer[absent]; there {
				t.Errorf("%s: %s is %v, and should be left out", name, absent, value)
			}
		}
	}
}

// fosite would compare each word with all that came before it, before it knows who asks: a second of
// a processor for each request of a stranger.
func TestFositeDoesNotSeeListsThatAStrangerMakesLong(t *testing.T) {
	t.Parallel()
	var words strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&words, "%04x ", i)
	}
	long := url.Values{"client_id": {"app"}, "grant_type": {"one"}, "scope": {words.String() + "0000"}, "audience": {words.String()}}
	var scope []string
	var form url.Values
	p := newTestProtocol(fakeGrant{"one", func(request *TokenRequest) (Finish, error) {
		scope, form = request.Scope, request.Form
		return nil, nil
	}})
	checked, err := p.Check(tokenRequest(t, long.Encode()), nil)
	if err != nil {
		t.Fatal(err)
	}
	if seen, audience := checked.request.GetRequestedScopes(), checked.request.GetRequestedAudience(); len(seen)+len(audience) > 0 {
		t.Errorf("fosite has %d words of scope and %d of audience", len(seen), len(audience))
	}
	if len(scope) != 10_000 || scope[9_999] != "270f" || !maps.EqualFunc(form, long, slices.Equal) {
		t.Errorf("the grant has %d words, and a form that is the request's: %v", len(scope), maps.EqualFunc(form, long, slices.Equal))
	}
}

func TestARequestIsRefused(t *testing.T) {
	t.Parallel()
	refusal := oauth.InvalidGrant.Because("no")
	failure := errors.New("the database is gone")
	failing := fakeGrant{"failing", func(*TokenRequest) (Finish, error) { return nil, failure }}
	refusing := fakeGrant{"refusing", func(*TokenRequest) (Finish, error) { return nil, refusal }}
	p := newTestProtocol(issuing("one"), issuing("unregistered"), failing, refusing)
	for form, want := range map[string]oauth.Kind{
		"client_id=app&grant_type=unknown":      oauth.InvalidRequest, // package tokenendpoint says which are known, before
		"client_id=else&grant_type=one":         oauth.InvalidClient,
		"client_id=app&grant_type=unregistered": oauth.UnauthorizedClient,
		"client_id=app&grant_type=refusing":     refusal.Kind,
	} {
		var got *oauth.Error
		if _, err := p.Check(tokenRequest(t, form), nil); !errors.As(err, &got) || got.Kind != want {
			t.Errorf("%s: %v, want %v", form, err, want)
		}
	}
	if _, err := p.Check(tokenRequest(t, "client_id=app&grant_type=failing"), nil); !errors.Is(err, failure) {
		t.Errorf("a failure becomes %v", err)
	}
}

func TestAFinishThatFailsAnswersNothing(t *testing.T) {
	t.Parallel()
	refusal := oauth.InvalidGrant.Because("somebody was faster")
	p := newTestProtocol(fakeGrant{"once", func(*TokenRequest) (Finish, error) {
		return func(context.Context) (*TokenAnswer, error) { return nil, refusal }, nil
	}})
	checked, err := p.Check(tokenRequest(t, "client_id=app&grant_type=once"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := checked.Finish(t.Context()); !errors.Is(err, refusal) || answer != nil {
		t.Errorf("%v %v", answer, err)
	}
}

func TestAnAuthorizationIsAnsweredByItsParameters(t *testing.T) {
	t.Parallel()
	p := newTestProtocol()
	c := &client.Client{ID: "app"}
	got, err := p.Respond(t.Context(), c, []string{"code", "id_token"}, func(context.Context) (url.Values, error) {
		return url.Values{"code": {"c"}, "id_token": {"i"}}, nil
	})
	if err != nil || got.Encode() != "code=c&id_token=i" {
		t.Errorf("%v %v", got, err)
	}
	refusal := oauth.AccessDenied.Because("no")
	if _, err := p.Respond(t.Context(), c, []string{"code"},
		func(context.Context) (url.Values, error) { return nil, refusal }); !errors.Is(err, refusal) {
		t.Errorf("a refusal becomes %v", err)
	}
}
