package events_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/jwks"
	"github.com/maru-auth/maru/jwks/events"
	"github.com/maru-auth/maru/jwks/jwkstest"
)

const audience = "https://api.example/notes"

func newVerifier(t *testing.T, iss *jwkstest.Issuer) *events.Verifier {
	t.Helper()
	v, err := events.NewVerifier(events.VerifierConfig{Issuer: iss.URL(), Audience: audience, Keys: iss.KeySet(), Now: iss.Now})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestAnEventIsParsed(t *testing.T) {
	iss := jwkstest.NewIssuer(t)
	now := time.Unix(1_800_000_000, 0)
	iss.SetNow(func() time.Time { return now })
	v := newVerifier(t, iss)
	same := func(c map[string]any) {}
	for _, tc := range []struct {
		uri     string
		event   map[string]any
		change  func(claims map[string]any)
		payload events.Payload
		at      time.Time
	}{
		{events.TypeAccountPurged, nil, same, &events.AccountPurged{}, now},
		{events.TypeAccountPurged, map[string]any{"content": "delete", "new": 1}, same, &events.AccountPurged{Content: "delete"}, now},
		{events.TypeAccountDisabled, map[string]any{"reason": "hijacking"}, same, &events.AccountDisabled{Reason: "hijacking"}, now},
		{events.TypeAccountEnabled, nil, same, &events.AccountEnabled{}, now},
		{events.TypeIdentifierChanged, map[string]any{"new-value": "a@b.example"}, same, &events.IdentifierChanged{NewValue: "a@b.example"}, now},
		{
			events.TypeSessionRevoked,
			map[string]any{"event_timestamp": now.Add(-time.Minute).Unix(), "initiating_entity": "admin", "reason_admin": map[string]any{"en": "x"}},
			func(c map[string]any) { c["toe"] = now.Add(-time.Hour).Unix() },
			&events.SessionRevoked{Cause: events.Cause{InitiatingEntity: "admin", ReasonAdmin: map[string]string{"en": "x"}}}, now.Add(-time.Minute),
		},
		{
			events.TypeTokenClaimsChange, map[string]any{"claims": map[string]any{"name": "지수"}},
			func(c map[string]any) { c["toe"] = now.Add(-time.Hour).Unix() },
			&events.TokenClaimsChange{Claims: map[string]json.RawMessage{"name": json.RawMessage(`"지수"`)}}, now.Add(-time.Hour),
		},
		{
			events.TypeCredentialChange, map[string]any{"credential_type": "password", "change_type": "update", "event_timestamp": now.Add(time.Hour).Unix()},
			same, &events.CredentialChange{CredentialType: "password", ChangeType: "update"}, now,
		},
		{events.TypeVerification, map[string]any{"state": "s"}, func(c map[string]any) { c["sub_id"] = map[string]any{"format": "opaque", "id": "stream"} }, &events.Verification{State: "s"}, now},
		{events.TypeStreamUpdated, map[string]any{"status": "paused"}, func(c map[string]any) { delete(c, "sub_id") }, &events.StreamUpdated{Status: "paused"}, now},
		{"https://example.com/secevent/coffee-spilled", map[string]any{"cup": 1}, same, nil, now},
	} {
		token := iss.SET(t, jwkstest.SET{Audience: audience, ID: "id", Type: tc.uri, Event: tc.event,
			Mutate: func(_, claims map[string]any) { tc.change(claims); claims["txn"] = "cause" }})
		e, err := v.Verify(t.Context(), token)
		if err != nil {
			t.Errorf("%s: %v", tc.uri, err)
			continue
		}
		if !reflect.DeepEqual(e.Payload, tc.payload) || e.Type != tc.uri || e.ID != "id" || e.Issuer != iss.URL() || e.Transaction != "cause" ||
			!e.IssuedAt.Equal(now) || !e.OccurredAt.Equal(tc.at) {
			t.Errorf("%s: %+v, payload %+v", tc.uri, e, e.Payload)
		}
		name := "other"
		if tc.payload != nil {
			name = tc.uri[strings.LastIndexByte(tc.uri, '/')+1:]
		}
		if e.Name() != name {
			t.Errorf("%s is called %s", tc.uri, e.Name())
		}
	}
	if got := v.Remember(); !got.Equal(now.Add(events.DefaultMaxAge + jwks.DefaultLeeway)) {
		t.Errorf("remembered until %v", got)
	}
}

func TestAPersonIsFoundInEveryFormThatNamesThemWhole(t *testing.T) {
	iss := jwkstest.NewIssuer(t)
	v := newVerifier(t, iss)
	user := map[string]any{"format": "iss_sub", "iss": iss.URL(), "sub": "mina"}
	for name, tc := range map[string]struct {
		subject any
		person  string
	}{
		"iss_sub":              {user, "mina"},
		"another issuer's":     {map[string]any{"format": "iss_sub", "iss": "https://elsewhere.example", "sub": "mina"}, ""},
		"an address":           {map[string]any{"format": "email", "email": "mina@example.org"}, ""},
		"aliases":              {map[string]any{"format": "aliases", "identifiers": []any{map[string]any{"format": "email", "email": "mina@example.org"}, user}}, "mina"},
		"a user":               {map[string]any{"format": "complex", "user": user}, "mina"},
		"a session of theirs":  {map[string]any{"format": "complex", "user": user, "session": map[string]any{"format": "opaque", "id": "s"}}, ""},
		"a device":             {map[string]any{"format": "complex", "device": user}, ""},
		"a format of its own":  {map[string]any{"format": "new", "sub": []any{"mina"}}, ""},
		"of a draft, no claim": {nil, "mina"},
	} {
		token := iss.SET(t, jwkstest.SET{Audience: audience, Mutate: func(_, claims map[string]any) {
			claims["sub_id"] = tc.subject
			if tc.subject == nil {
				delete(claims, "sub_id")
				claims["events"] = map[string]any{events.TypeAccountPurged: map[string]any{"subject": user}}
			}
		}})
		e, err := v.Verify(t.Context(), token)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := e.Subject.Person(iss.URL()); got != tc.person {
			t.Errorf("%s: %q, want %q", name, got, tc.person)
		}
	}
	e, err := v.Verify(t.Context(), iss.SET(t, jwkstest.SET{Audience: audience, Mutate: func(_, claims map[string]any) {
		claims["sub_id"] = map[string]any{"format": "complex", "user": user, "session": map[string]any{"format": "opaque", "id": "s"}}
	}}))
	if err != nil || e.Subject.Members["session"].ID != "s" || e.Subject.Members["user"].Subject != "mina" {
		t.Errorf("%+v %v", e.Subject, err)
	}
}

// receiver is a handler that counts.
type receiver struct {
	handler *events.Handler
	applied []events.Event
	mu      sync.Mutex
	fails   error
	outcome events.Outcome
}

func newReceiver(v *events.Verifier) *receiver {
	r := &receiver{}
	r.handler = events.NewHandler(events.HandlerConfig{Verifier: v,
		Apply: func(_ context.Context, e events.Event) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.fails == nil {
				r.applied = append(r.applied, e)
			}
			return r.fails
		},
		Observe: func(_ http.ResponseWriter, _ *http.Request, o events.Outcome) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.outcome = o
		},
	})
	return r
}

func (r *receiver) push(body, contentType string) *httptest.ResponseRecorder {
	return r.send(http.MethodPost, strings.NewReader(body), contentType)
}

func (r *receiver) send(method string, body io.Reader, contentType string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, "/events", body)
	request.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, request)
	return w
}

const secevent = "application/secevent+jwt"

func TestBadTokensAreRefusedWithTheirCode(t *testing.T) {
	iss := jwkstest.NewIssuer(t)
	r := newReceiver(newVerifier(t, iss))
	bad := iss.BadSETs(t, audience)
	if len(bad) < 60 {
		t.Errorf("only %d bad tokens", len(bad))
	}
	for _, b := range bad {
		w := r.push(b.Token, secevent)
		var answer struct{ Err, Description string }
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != 400 || answer.Err != b.Code || answer.Description == "" ||
			w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Content-Language") != "en" {
			t.Errorf("%s: %d %s, want the code %s", b.Name, w.Code, w.Body, b.Code)
		}
		if r.outcome.Code != b.Code || r.outcome.Err == nil {
			t.Errorf("%s: outcome %+v", b.Name, r.outcome)
		}
		if len(b.Token) > 20 && strings.Contains(w.Body.String(), b.Token[:20]) {
			t.Errorf("%s: the answer repeats the token", b.Name)
		}
	}
	if len(r.applied) > 0 {
		t.Errorf("%d were applied", len(r.applied))
	}
	if w := r.push(iss.SET(t, jwkstest.SET{Audience: audience}), secevent); w.Code != 202 || w.Body.Len() != 0 {
		t.Errorf("a good one: %d %s", w.Code, w.Body)
	}
}

// An event is no access token, and no access token an event, whatever else is
// right about them.
func TestAnEventIsNoAccessToken(t *testing.T) {
	iss := jwkstest.NewIssuer(t)
	access := iss.Verifier(t, audience)
	for _, change := range []func(header, claims map[string]any){
		nil,
		func(_, claims map[string]any) {
			now := iss.Now()
			claims["sub"], claims["client_id"], claims["exp"] = "user-1", "client-1", now.Add(time.Hour).Unix()
		},
	} {
		if _, err := access.Verify(t.Context(), iss.SET(t, jwkstest.SET{Audience: audience, Mutate: change})); !errors.Is(err, jwks.ErrType) {
			t.Error(err)
		}
	}
	// Even if the type could be chosen.
	token := iss.AccessToken(t, jwkstest.Token{Audience: audience, Mutate: func(header, claims map[string]any) {
		header["typ"] = "secevent+jwt"
		claims["events"] = map[string]any{events.TypeAccountPurged: map[string]any{}}
	}})
	if _, err := newVerifier(t, iss).Verify(t.Context(), token); !errors.Is(err, jwks.ErrClaims) {
		t.Error(err)
	}
}

func TestWhatIsNotAPushIsRefused(t *testing.T) {
	iss := jwkstest.NewIssuer(t)
	r := newReceiver(newVerifier(t, iss))
	good := iss.SET(t, jwkstest.SET{Audience: audience})
	for name, w := range map[string]*httptest.ResponseRecorder{
		"no content type":      r.push(good, ""),
		"another content type": r.push(good, "application/jwt"),
		"a form":               r.push("token="+good, "application/x-www-form-urlencoded"),
		"GET":                  r.send("GET", strings.NewReader(good), secevent),
		"huge":                 r.push(strings.Repeat("a", events.DefaultMaxBytes+1), secevent),
		"two in a body":        r.push(good+"\n"+good, secevent),
		"broken off":           r.send("POST", io.MultiReader(strings.NewReader(good), brokenReader{}), secevent),
	} {
		if w.Code != 400 || !strings.Contains(w.Body.String(), `"err":"invalid_request"`) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	for _, contentType := range []string{"APPLICATION/secevent+JWT", secevent + "; charset=us-ascii"} {
		if w := r.push(good, contentType); w.Code != 202 {
			t.Errorf("%s: %d %s", contentType, w.Code, w.Body)
		}
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("gone") }

// What may be good later must not be lost: the transmitter is asked to repeat it.
func TestWhatCannotBeJudgedNowIsRepeated(t *testing.T) {
	iss := jwkstest.NewIssuer(t)
	v, err := events.NewVerifier(events.VerifierConfig{Issuer: iss.URL(), Audience: audience, Keys: noKeys{}})
	if err != nil {
		t.Fatal(err)
	}
	w := newReceiver(v).push(iss.SET(t, jwkstest.SET{Audience: audience}), secevent)
	if w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("without keys: %d %v", w.Code, w.Header())
	}
	r := newReceiver(newVerifier(t, iss))
	if w := r.push(iss.SET(t, jwkstest.SET{Audience: audience, IssuedAt: iss.Now().Add(time.Minute)}), secevent); w.Code != 503 {
		t.Errorf("from the future: %d", w.Code)
	}
	for err, want := range map[error]int{errors.New("the database is away"): 500, events.ErrDuplicate: 202, events.ErrIgnored: 202} {
		r.fails = err
		if w := r.push(iss.SET(t, jwkstest.SET{Audience: audience}), secevent); w.Code != want || w.Body.Len() > 0 {
			t.Errorf("%v: %d %s", err, w.Code, w.Body)
		}
	}
}

type noKeys struct{}

func (noKeys) Keys(context.Context, string) ([]jwks.Key, error) { return nil, jwks.ErrKeysUnavailable }

func TestAKeyThatWasTakenOutOfTheSetSignsNoEvents(t *testing.T) {
	iss := jwkstest.NewIssuer(t)
	before := iss.SET(t, jwkstest.SET{Audience: audience})
	iss.Rotate()
	iss.Withdraw()
	if w := newReceiver(newVerifier(t, iss)).push(before, secevent); w.Code != 400 || !strings.Contains(w.Body.String(), "invalid_key") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// A key that leaked is refused as soon as a status list says so, also while it is
// still in the key set that is held, and also where the token names no key.
func TestAWithdrawnKeySignsNoEvents(t *testing.T) {
	iss := jwkstest.NewIssuer(t)
	iss.PublishStatusLists()
	iss.SetStatusTTL(time.Second)
	held := iss.KeySet() // by which the stolen key is good for ever
	lists, err := jwks.NewStatusLists(t.Context(), jwks.StatusConfig{Issuer: iss.URL(), Keys: both{held, iss.Cache(t)}})
	if err != nil {
		t.Fatal(err)
	}
	access, err := jwks.NewVerifier(jwks.VerifierConfig{Issuer: iss.URL(), Audience: audience, Keys: lists, Status: lists})
	if err != nil {
		t.Fatal(err)
	}
	v, err := events.NewVerifier(events.VerifierConfig{Issuer: iss.URL(), Audience: audience, Keys: lists})
	if err != nil {
		t.Fatal(err)
	}
	stolen := iss.KeyID()
	forged := iss.SET(t, jwkstest.SET{Audience: audience})
	nameless := iss.SET(t, jwkstest.SET{Audience: audience, Mutate: func(header, _ map[string]any) { delete(header, "kid") }})
	r := newReceiver(v)
	if w := r.push(forged, secevent); w.Code != 202 {
		t.Fatalf("before: %d %s", w.Code, w.Body)
	}
	iss.WithdrawKey(stolen)
	for deadline := time.Now().Add(30 * time.Second); !lists.Withdrawn(stolen) && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		// A service's tokens have it follow the lists.
		access.Verify(t.Context(), iss.AccessToken(t, jwkstest.Token{Audience: audience}))
	}
	for name, token := range map[string]string{"with its kid": forged, "without a kid": nameless} {
		if w := r.push(token, secevent); w.Code != 400 || !strings.Contains(w.Body.String(), `"invalid_key"`) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

// both has the keys of two sources.
type both struct{ first, second jwks.KeySource }

func (b both) Keys(ctx context.Context, id string) ([]jwks.Key, error) {
	if keys, err := b.first.Keys(ctx, id); err == nil {
		return keys, nil
	}
	return b.second.Keys(ctx, id)
}

// Random kids cause one fetch of the key set in a cooldown, and delay no event
// with a known key.
func TestAFloodOfUnknownKeysCausesOneFetch(t *testing.T) {
	iss := jwkstest.NewIssuer(t)
	cache, err := jwks.NewCache(t.Context(), jwks.CacheConfig{Issuer: iss.URL(), Cooldown: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if err := cache.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	v, err := events.NewVerifier(events.VerifierConfig{Issuer: iss.URL(), Audience: audience, Keys: cache})
	if err != nil {
		t.Fatal(err)
	}
	r, before := newReceiver(v), iss.Fetches()
	for range 200 {
		token := iss.SET(t, jwkstest.SET{Audience: audience, Mutate: func(header, claims map[string]any) { header["kid"] = claims["jti"] }})
		if w := r.push(token, secevent); w.Code != 400 || !strings.Contains(w.Body.String(), "invalid_key") {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	if n := iss.Fetches() - before; n > 1 {
		t.Errorf("%d fetches", n)
	}
	if w := r.push(iss.SET(t, jwkstest.SET{Audience: audience}), secevent); w.Code != 202 {
		t.Errorf("a good one: %d", w.Code)
	}
}

func TestAWrongConfigurationIsAnError(t *testing.T) {
	iss := jwkstest.NewIssuer(t)
	for name, cfg := range map[string]events.VerifierConfig{
		"no issuer":      {Audience: audience, Keys: iss.KeySet()},
		"no audience":    {Issuer: iss.URL(), Keys: iss.KeySet()},
		"no keys":        {Issuer: iss.URL(), Audience: audience},
		"negative age":   {Issuer: iss.URL(), Audience: audience, Keys: iss.KeySet(), MaxAge: -1},
		"HMAC":           {Issuer: iss.URL(), Audience: audience, Keys: iss.KeySet(), Algorithms: []string{"HS256"}},
		"negative bytes": {Issuer: iss.URL(), Audience: audience, Keys: iss.KeySet(), MaxBytes: -1},
	} {
		if _, err := events.NewVerifier(cfg); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func FuzzEvent(f *testing.F) {
	iss := jwkstest.NewIssuer(f)
	v, err := events.NewVerifier(events.VerifierConfig{Issuer: iss.URL(), Audience: audience, Keys: iss.KeySet()})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(`{"format":"complex","user":{"format":"aliases","identifiers":[{"format":"opaque","id":"a"}]}}`, `{"event_timestamp":1.5,"claims":{"a":1}}`)
	f.Add(`{"format":"iss_sub","iss":"a","sub":"b"}`, `{}`)
	f.Fuzz(func(t *testing.T, subject, event string) {
		if !json.Valid([]byte(subject)) || !json.Valid([]byte(event)) {
			t.Skip("subject and event are JSON in every case that matters: they are put into claims")
		}
		token := iss.SET(t, jwkstest.SET{Audience: audience, Mutate: func(_, claims map[string]any) {
			claims["sub_id"] = json.RawMessage(subject)
			claims["events"] = map[string]any{events.TypeTokenClaimsChange: json.RawMessage(event)}
		}})
		e, err := v.Verify(t.Context(), token)
		if err == nil && (e.Payload == nil || e.OccurredAt.After(e.IssuedAt.Add(time.Minute))) {
			t.Errorf("%+v", e)
		}
	})
}
