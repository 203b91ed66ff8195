package oauth

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/login"
	"github.com/maru-auth/maru/authz-server/internal/store"
)

// Anybody can begin an authorization, push a request for a public client, and ask for a device code. What is stored for it is
// bounded for each address, for each client, and for all clients together that nobody vouched for: none of them can take
// what is left to the others.
const (
	pendingOfAddress   = 300    // IPv6: of a /64
	pendingOfClient    = 10_000 // that an operator registered
	pendingOfStranger  = 1_000  // a client that nobody vouched for
	pendingOfStrangers = 10_000 // all of them, and the page /device
	pendingShards      = 8
)

// pending is a kind of thing that waits, and how long it does at most.
type pending struct {
	kind   string
	window time.Duration
}

var (
	pendingInteraction = pending{"interaction", store.InteractionLifetime}
	pendingPush        = pending{"push", pushedLifetime}
	pendingPost        = pending{"post", store.PostedLifetime}
	pendingDevice      = pending{"device", deviceCodeLifetime}
)

// ofAddress bounds what comes from r's sender.
func (p pending) ofAddress(r *http.Request) []store.Quota {
	return store.QuotasOf(login.Networks(r), p.kind, pendingOfAddress, p.window)
}

// ofStrangers bounds what nobody vouched for does together.
func (p pending) ofStrangers() store.Quota {
	return store.Quota{Subject: p.kind + " strangers", Limit: pendingOfStrangers, Window: p.window, Shards: pendingShards, Shared: true}
}

// pendingOf bounds what is stored for a client.
func pendingOf(p pending, c *client.Client) []store.Quota {
	own := store.Quota{Subject: p.kind + " client " + c.ID, Limit: pendingOfClient, Window: p.window, Shards: pendingShards, Shared: true}
	if !c.Unvouched {
		return []store.Quota{own}
	}
	own.Limit, own.Shards = pendingOfStranger, 1
	return []store.Quota{own, p.ofStrangers()}
}

// countStranger counts a client that is about to be stored and that nobody vouches for.
func (s *Server) countStranger(ctx context.Context) error {
	return s.store.TakeQuotas(ctx, store.Quota{Subject: "register strangers", Limit: registrationsOfAll, Window: registrationsPer, Shards: pendingShards, Shared: true})
}

// countPending counts a request of c's that is about to be stored. A client that proved who it is sends those of all its
// people from one address.
func (s *Server) countPending(r *http.Request, p pending, c *client.Client) error {
	quotas := pendingOf(p, c)
	if c.Public() {
		quotas = append(p.ofAddress(r), quotas...)
	}
	return s.store.TakeQuotas(r.Context(), quotas...)
}

// turn waits for the turn of r's sender, whose form has been read; see [login.Service.Turn]. It does not for what has bounds of
// its own: a client that authenticates, of which one address sends the requests of many people, and what may have to be fetched.
func (s *Server) turn(r *http.Request) (leave func(), err error) {
	form, uri := r.Form, r.Form.Get("request_uri")
	if r.Header.Get("Authorization") != "" || form.Has("client_secret") || form.Has("client_assertion") ||
		client.IsDocumentID(form.Get("client_id")) || form.Has("request") || (uri != "" && !strings.HasPrefix(uri, pushedPrefix)) {
		return func() {}, nil
	}
	return s.login.Turn(r)
}
