package servicetest

import (
	"net/http"
	"strings"
	"testing"

	"github.com/maru-auth/maru/jwks/jwkstest"
)

const eventsOperation = "POST /v1/events"

// Push sends a security event as a transmitter does (RFC 8935).
func (s *Service) Push(event string) Response {
	s.t.Helper()
	return s.PushFrom("", event)
}

// PushFrom is Push from the address, as the gateway tells it; empty: from here.
func (s *Service) PushFrom(address, event string) Response {
	s.t.Helper()
	return s.CallWith("POST", "/v1/events", event, func(h http.Header) {
		h.Set("Content-Type", "application/secevent+jwt")
		h.Set("Accept", "application/json")
		if address != "" {
			h.Set("X-Forwarded-For", address)
		}
	})
}

// Event signs an event about a person for the service.
func (s *Service) Event(e jwkstest.SET) string {
	s.t.Helper()
	e.Audience = s.audience
	return s.Issuer.SET(s.t, e)
}

// Tell pushes an event about a person, which must be acknowledged.
func (s *Service) Tell(e jwkstest.SET) {
	s.t.Helper()
	if r := s.Push(s.Event(e)); r.Status != http.StatusAccepted || r.Body != "" {
		s.t.Errorf("%v, want 202", r)
	}
}

func (p Program[S]) events(t *testing.T) {
	s := p.StartNew(t)
	// From outside or from within makes no difference, nor does a token that comes along.
	for i, bad := range s.Issuer.BadSETs(t, p.Audience()) {
		r := s.PushFrom("2001:db8:"+string(rune('a'+i%6))+"::1", bad.Token)
		if r.Status != http.StatusBadRequest || r.Text("err") != bad.Code || r.Text("description") == "" ||
			r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %v, want %s", bad.Name, r, bad.Code)
		}
	}
	r := s.CallWith("POST", "/v1/events", s.Person("a", p.Scopes), func(h http.Header) {
		h.Set("Content-Type", "application/secevent+jwt")
		h.Set("Authorization", "Bearer "+s.Person("a", p.Scopes))
	})
	if r.Status != http.StatusBadRequest || r.Text("err") != "invalid_request" {
		t.Errorf("an access token as an event: %v", r)
	}
	if r := s.Call("POST", "/v1/events", "", `{}`); r.Status != http.StatusBadRequest || r.Text("err") != "invalid_request" {
		t.Errorf("JSON: %v", r)
	}
	if r := s.Push(strings.Repeat("e", 33<<10)); r.Status != http.StatusBadRequest || r.Text("err") != "invalid_request" {
		t.Errorf("a long one: %v", r)
	}
	s.Call("GET", "/v1/events", s.Person("a", p.Scopes), "").Want(http.StatusMethodNotAllowed)

	event := s.Event(jwkstest.SET{})
	for range 2 { // the acknowledgement got lost
		if r := s.Push(event); r.Status != http.StatusAccepted || r.Body != "" {
			t.Errorf("%v, want 202", r)
		}
	}
	s.Call("GET", p.Read, event, "").Want(http.StatusUnauthorized) // an event is no access token
	caep := "https://schemas.openid.net/secevent/caep/event-type/"
	for _, one := range []jwkstest.SET{
		{Type: caep + "session-revoked"}, {Type: "https://example.com/secevent/unknown"},
		{Type: caep + "token-claims-change", Event: map[string]any{"claims": map[string]any{"name": nil, "locale": "ko"}}},
		{Type: "https://schemas.openid.net/secevent/ssf/event-type/verification", Event: map[string]any{"state": "s"},
			Mutate: func(_, claims map[string]any) { claims["sub_id"] = map[string]any{"format": "opaque", "id": "stream"} }},
		{Mutate: func(_, claims map[string]any) {
			claims["sub_id"] = map[string]any{"format": "email", "email": "a@example.org"}
		}},
	} {
		s.Tell(one)
	}
}

// A flood of forged events is refused before it costs much, and keeps nobody else's from coming in.
// What the issuer really says is not counted.
func (p Program[S]) refusedEvents(t *testing.T) {
	s := p.StartNew(t)
	var forged string
	for _, bad := range s.Issuer.BadSETs(t, p.Audience()) {
		if bad.Name == "signature altered" {
			forged = bad.Token
		}
	}
	good := jwkstest.SET{Type: "https://schemas.openid.net/secevent/caep/event-type/session-revoked"}
	for range 150 {
		if r := s.PushFrom("192.0.2.1", s.Event(good)); r.Status != http.StatusAccepted {
			t.Fatalf("the issuer: %v", r)
		}
	}
	last := 0
	for range 200 {
		r := s.PushFrom("192.0.2.7", forged)
		if last = r.Status; last == http.StatusTooManyRequests {
			r.Want(last)
			break
		}
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("the last of many forged ones: %d", last)
	}
	if r := s.PushFrom("192.0.2.1", s.Event(good)); r.Status != http.StatusAccepted {
		t.Errorf("the issuer, in a flood from elsewhere: %v", r)
	}
}
