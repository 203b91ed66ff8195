package delivery

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/streams"
)

// typeSET is the type of a security event token (RFC 8417 §2.3).
const typeSET = "secevent+jwt"

// envelope is the claims of a SET: those of its stream, and the rest. It has neither "sub" nor
// "exp", so that it passes for no other kind of token (SSF §4.1.3).
type envelope struct {
	Issuer   string
	Audience string
	ID       string
	IssuedAt int64
	rest     json.RawMessage
}

func (e envelope) MarshalJSON() ([]byte, error) {
	own, err := json.Marshal(struct {
		Issuer   string `json:"iss"`
		Audience string `json:"aud"`
		ID       string `json:"jti"`
		IssuedAt int64  `json:"iat"`
	}{e.Issuer, e.Audience, e.ID, e.IssuedAt})
	if err != nil || len(e.rest) <= len("{}") {
		return own, err
	}
	return append(append(own[:len(own)-1], ','), e.rest[1:]...), nil
}

// Subject identifiers (RFC 9493 §3.2; SSF §3.3).
func issSub(issuer, subject string) map[string]any {
	return map[string]any{"format": "iss_sub", "iss": issuer, "sub": subject}
}

func sessionOf(user map[string]any, sid string) map[string]any {
	return map[string]any{"format": "complex", "user": user, "session": map[string]any{"format": "opaque", "id": sid}}
}

func email(address string) map[string]any {
	return map[string]any{"format": "email", "email": address}
}

// set makes the set that tells of an event a receiver who knows the person as subject. claims are
// those of token-claims-change that the receiver may know.
func (t *Transmitter) set(e *streams.Event, subject string, claims map[string]any) (streams.Set, error) {
	about := issSub(t.Issuer, subject)
	event := map[string]any{}
	switch e.Type {
	case streams.SessionRevoked:
		about = sessionOf(about, e.Detail.Session)
	case streams.CredentialChange:
		event["credential_type"], event["change_type"] = e.Detail.CredentialType, e.Detail.ChangeType
	case streams.TokenClaimsChange:
		event["claims"] = claims
	case streams.AccountPurged:
		event["content"] = "keep" // a member of ours: what the person wanted for what they wrote
		if e.Detail.DeleteContent {
			event["content"] = "delete"
		}
	case streams.IdentifierChanged:
		// RISC §2.7: the subject is the old address.
		about, event["new-value"] = email(e.Detail.Email), e.Detail.NewEmail
	}
	switch e.Type {
	case streams.SessionRevoked, streams.CredentialChange, streams.TokenClaimsChange:
		event["event_timestamp"] = e.At.Unix() // CAEP §2, as the next
		if e.Detail.By != "" {
			event["initiating_entity"] = e.Detail.By
		}
		if e.Detail.Reason != "" {
			event["reason_admin"] = map[string]string{"en": e.Detail.Reason}
		}
	}
	text, err := json.Marshal(map[string]any{
		"sub_id": about, "txn": e.ID, "events": map[string]any{e.Type.URI(): event}, "toe": e.At.Unix(),
	})
	return streams.Set{Subject: order(e.UserID), Type: e.Type, Claims: text}, err
}

// order is what keeps the sets about one person in order. It does not name the person.
func order(userID string) string {
	sum := sha256.Sum256([]byte(userID))
	return hex.EncodeToString(sum[:16])
}

// Exclusion is what a subject is known by that a receiver excludes: see [ExcludedSubject] and
// [ExcludedEmail].
type Exclusion []byte

// ExcludedSubject is that of a person whom the receiver knows as subject.
func ExcludedSubject(subject string) Exclusion {
	sum := sha256.Sum256([]byte("sub " + subject))
	return sum[:]
}

// ExcludedEmail is that of whoever has an account with an address.
func ExcludedEmail(address string) Exclusion {
	sum := sha256.Sum256([]byte("email " + accounts.EmailKey(address)))
	return sum[:]
}

// forService makes the sets of an event for a stream of this server's own: one for each subject by
// which the service may know the person.
func (t *Transmitter) forService(ctx context.Context, e *streams.Event, trusted []client.Client) ([]streams.Set, error) {
	clients := e.Detail.Clients
	if e.Type != streams.AccountPurged { // whose consents are gone
		var err error
		if clients, err = t.Store.Consents.ClientsOf(ctx, e.UserID); err != nil {
			return nil, err
		}
	}
	known, err := t.Tokens.KnownAs(ctx, e.UserID, clients, trusted)
	if err != nil {
		return nil, err
	}
	set, err := t.set(e, e.UserID, e.Detail.Claims)
	sets := []streams.Set{set}
	for _, one := range known {
		if err != nil {
			return nil, err
		}
		claims, errClaims := t.claimsOf(ctx, e, one.Clients)
		if errClaims != nil {
			return nil, errClaims
		}
		if e.Type == streams.TokenClaimsChange && len(claims) == 0 {
			continue
		}
		set, err = t.set(e, one.Subject, claims)
		set.Subject = order(one.Subject) // they need not wait for each other
		sets = append(sets, set)
	}
	return sets, err
}

// claimsOf are the new claims that one of the clients may know. What a person keeps from an app, a
// service must not tell of them under the name that only the app knows them by.
func (t *Transmitter) claimsOf(ctx context.Context, e *streams.Event, clients []string) (map[string]any, error) {
	all := map[string]any{}
	if e.Type != streams.TokenClaimsChange {
		return all, nil
	}
	for _, id := range clients {
		c, err := t.Store.Clients.Client(ctx, id)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		scope, _, err := t.knows(ctx, e, &c)
		if err != nil {
			return nil, err
		}
		maps.Copy(all, allowed(e, scope))
	}
	return all, nil
}

// allowed are the new claims that belong to a scope.
func allowed(e *streams.Event, scope []string) map[string]any {
	claims := map[string]any{}
	for name, value := range e.Detail.Claims {
		switch {
		case name == "roles" && e.Detail.RoleScopes != nil:
			if shared(scope, e.Detail.RoleScopes) {
				claims[name] = allowedRoles(e, scope)
			}
		case slices.Contains(scope, scopeOf[name]):
			claims[name] = value
		}
	}
	return claims
}

// allowedRoles are the person's roles, at the resource that the event is about, that belong to a scope.
func allowedRoles(e *streams.Event, scope []string) []string {
	names := []string{}
	for _, one := range e.Detail.Roles {
		if shared(scope, one.Scopes) {
			names = append(names, one.Name)
		}
	}
	return names
}

func shared(a, b []string) bool {
	return slices.ContainsFunc(a, func(x string) bool { return slices.Contains(b, x) })
}

// forClient makes the set of an event for the stream of a client, if the client may know of it: it
// knows the person, who allowed it the claims that the event tells. A trusted client, which asks
// nobody, knows everybody.
func (t *Transmitter) forClient(ctx context.Context, e *streams.Event, stream *streams.Stream) ([]streams.Set, error) {
	c, err := t.Store.Clients.Client(ctx, stream.ClientID)
	if errors.Is(err, store.ErrNotFound) || err == nil && !MayReceive(&c) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	scope, knows, err := t.knows(ctx, e, &c)
	if err != nil || !knows {
		return nil, err
	}
	claims := allowed(e, scope)
	if e.Type == streams.TokenClaimsChange && len(claims) == 0 ||
		e.Type == streams.IdentifierChanged && !slices.Contains(scope, "email") {
		return nil, nil
	}
	subject := t.Tokens.Subject(&c, e.UserID)
	excluded, err := t.excluded(ctx, e, stream, subject)
	if err != nil || excluded {
		return nil, err
	}
	set, err := t.set(e, subject, claims)
	return []streams.Set{set}, err
}

// scopeOf says which scope a claim of token-claims-change belongs to; that of roles, in events of the
// release before alone.
var scopeOf = map[string]string{"name": "profile", "roles": "board:moderate"}

// MayReceive tells whether a client may have a stream: an operator gave it a scope of streams, which
// no client can give itself. That is looked at again for every event.
func MayReceive(c *client.Client) bool {
	return !c.Unvouched && (slices.Contains(c.Scopes(), ScopeManage) || slices.Contains(c.Scopes(), ScopeRead))
}

// The scopes of the management of streams (CAEP Interoperability Profile §2.7.2).
const (
	ScopeRead   = "ssf.read"
	ScopeManage = "ssf.manage"
)

// knows tells whether a client knows the person of an event, and what it may know of them.
func (t *Transmitter) knows(ctx context.Context, e *streams.Event, c *client.Client) (scope []string, knows bool, err error) {
	switch {
	case c.Trusted:
		return slices.Concat(c.Scopes(), []string{"profile", "email", "board:moderate"}), true, nil
	case e.Type == streams.AccountPurged:
		return nil, slices.Contains(e.Detail.Clients, c.ID), nil
	case e.Type == streams.SessionRevoked && !slices.Contains(e.Detail.Clients, c.ID):
		return nil, false, nil
	}
	consent, err := t.Store.Consents.Consent(ctx, e.UserID, c.ID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, false, nil
	}
	return consent.Scope, err == nil, err
}

// excluded tells whether a receiver does not want to hear of the person.
func (t *Transmitter) excluded(ctx context.Context, e *streams.Event, stream *streams.Stream, subject string) (bool, error) {
	found, err := t.Store.Streams.Excluded(ctx, stream.ID, ExcludedSubject(subject))
	if err != nil || found {
		return found, err
	}
	address := e.Detail.Email
	if address == "" {
		user, err := t.Store.Users.User(ctx, e.UserID)
		if errors.Is(err, store.ErrNotFound) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		address = user.Email
	}
	return t.Store.Streams.Excluded(ctx, stream.ID, ExcludedEmail(address))
}
