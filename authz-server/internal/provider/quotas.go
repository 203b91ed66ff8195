package provider

import (
	"net/http"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/login"
	"github.com/maru-auth/maru/authz-server/internal/store"
)

// Anybody can begin an authorization, push a request for a public client, and ask for a device code. What is stored for it is
// bounded for each network, for each client, for all clients together that nobody vouched for, and for the page /device. No
// network can have more than a third of any of these: one address, or one /48 of IPv6, does not take what is left to the
// others. Several together can.
const (
	pendingOfAddress   = 300   // IPv6: of a /64
	pendingOfNetwork   = 3_000 // IPv6: of a /48
	strangersOfAddress = 100   // of these, for clients that nobody vouched for
	strangersOfNetwork = 300
	pendingOfClient    = 10_000 // that an operator registered
	pendingOfStranger  = 1_000  // a client that nobody vouched for
	pendingOfStrangers = 10_000 // all of them, and log-outs that name no client
	pendingOfDevices   = 10_000 // the page /device
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
	return store.QuotasWithin(login.Networks(r), p.kind, pendingOfAddress, pendingOfNetwork, p.window)
}

// shared bounds what many do together.
func (p pending) shared(of string, limit int) store.Quota {
	return store.Quota{Subject: p.kind + " " + of, Limit: limit, Window: p.window, Shards: pendingShards, Shared: true}
}

// ofStranger bounds what r's sender does for clients that nobody vouched for.
func (p pending) ofStranger(r *http.Request) []store.Quota {
	return store.QuotasWithin(login.Networks(r), p.kind+" strangers", strangersOfAddress, strangersOfNetwork, p.window)
}

// ofNobody bounds what is done for no client.
func (p pending) ofNobody(r *http.Request) []store.Quota {
	return append(p.ofStranger(r), p.shared("strangers", pendingOfStrangers))
}

// ofClient bounds what is stored for a client, at r's request.
func (p pending) ofClient(r *http.Request, c *client.Client) []store.Quota {
	if !c.Unvouched {
		return []store.Quota{p.shared("client "+c.ID, pendingOfClient)}
	}
	own := p.shared("client "+c.ID, pendingOfStranger)
	own.Shards = 1
	return append(p.ofStranger(r), own, p.shared("strangers", pendingOfStrangers))
}

// countStranger counts a client that is about to be stored and that nobody vouches for.
func (s *Server) countStranger(r *http.Request) error {
	p := pending{"register", registrationsPer}
	return s.store.TakeQuotas(r.Context(), append(p.ofStranger(r), p.shared("strangers", registrationsOfAll))...)
}

// countPending counts a request of c's that is about to be stored. A client that proved who it is sends those of all its
// people from one address; one that nobody vouched for gives itself the secret to prove it with, and is counted all the same.
func (s *Server) countPending(r *http.Request, p pending, c *client.Client) error {
	quotas := p.ofClient(r, c)
	if c.Public() {
		quotas = append(p.ofAddress(r), quotas...)
	}
	return s.store.TakeQuotas(r.Context(), quotas...)
}

// turn waits for the turn of r's sender, whose form has been read; see [login.Service.Turn]. authenticates says that clients
// show who they are here.
func (s *Server) turn(r *http.Request, authenticates bool) (leave func(), err error) {
	if needsLongTurn(r, authenticates) {
		return s.login.LongTurn(r)
	}
	return s.login.Turn(r)
}

// needsLongTurn tells whether something may have to be fetched for r, or r may be of a client that authenticates, of which one
// address sends the requests of many people. Anybody can write what makes it so: it gives more at once, and not as much as one
// likes.
func needsLongTurn(r *http.Request, authenticates bool) bool {
	form, uri := r.Form, r.Form.Get("request_uri")
	if authenticates && (r.Header.Get("Authorization") != "" || form.Has("client_secret") || form.Has("client_assertion")) {
		return true
	}
	return client.IsDocumentID(form.Get("client_id")) || form.Has("request") || (uri != "" && !strings.HasPrefix(uri, pushedPrefix))
}
