package endpoint

import (
	"net/http"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/oauth"
	"github.com/maru-auth/maru/authz-server/internal/people"
	"github.com/maru-auth/maru/authz-server/internal/protocol"
	"github.com/maru-auth/maru/authz-server/internal/sender"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/limits"
	"github.com/maru-auth/maru/authz-server/internal/store/requests"
)

// Anybody can begin an authorization, push a request for a public client, and ask for a device
// code. What is stored for it is bounded for each network, for each client, for all clients
// together that nobody vouched for, and for the page /device. No network can have more than a third
// of any of these, so that one address, or one /48 of IPv6, cannot lock out the others. Several
// together can.
const (
	pendingOfAddress   = 300   // IPv6: of a /64
	pendingOfNetwork   = 3_000 // IPv6: of a /48
	strangersOfAddress = 100   // of these, for clients that nobody vouched for
	strangersOfNetwork = 300
	pendingOfClient    = 10_000 // a client that an operator registered
	pendingOfStranger  = 1_000  // a client that nobody vouched for
	pendingOfStrangers = 10_000 // all of them, and log-outs that name no client
	pendingShards      = 8
)

// A Door lets requests in: each sender in turn, and no more than can wait. It is safe for
// concurrent use.
type Door struct {
	People   *people.People
	Store    *store.Store
	Protocol *protocol.Protocol
}

// Pending is a kind of thing that waits, and how long it does at most.
type Pending struct {
	Kind   string
	Window time.Duration
}

// Interactions are authorization requests, and other pages, that wait for their person.
var Interactions = Pending{"interaction", requests.InteractionLifetime}

// OfAddress bounds what comes from r's sender.
func (p Pending) OfAddress(r *http.Request) []limits.Quota {
	return limits.QuotasWithin(sender.Networks(r), p.Kind, pendingOfAddress, pendingOfNetwork, p.Window)
}

// Shared bounds what many do together.
func (p Pending) Shared(of string, limit int) limits.Quota {
	return limits.Quota{Subject: p.Kind + " " + of, Limit: limit, Window: p.Window, Shards: pendingShards, Shared: true}
}

// ofStranger bounds what r's sender does for clients that nobody vouched for.
func (p Pending) ofStranger(r *http.Request) []limits.Quota {
	return limits.QuotasWithin(sender.Networks(r), p.Kind+" strangers", strangersOfAddress, strangersOfNetwork, p.Window)
}

// ofNobody bounds what is done for no client.
func (p Pending) ofNobody(r *http.Request) []limits.Quota {
	return append(p.ofStranger(r), p.Shared("strangers", pendingOfStrangers))
}

// OfClient bounds what is stored for a client, at r's request.
func (p Pending) OfClient(r *http.Request, c *client.Client) []limits.Quota {
	if !c.Unvouched {
		return []limits.Quota{p.Shared("client "+c.ID, pendingOfClient)}
	}
	own := p.Shared("client "+c.ID, pendingOfStranger)
	own.Shards = 1
	return append(p.ofStranger(r), own, p.Shared("strangers", pendingOfStrangers))
}

// Count counts a request of c that is about to be stored. The address of a client that
// authenticated does not count, because it sends the requests of all its users. Strangers give
// themselves their secrets, so their addresses count.
func (d *Door) Count(r *http.Request, p Pending, c *client.Client) error {
	quotas := p.OfClient(r, c)
	if c.Public() {
		quotas = append(p.OfAddress(r), quotas...)
	}
	return d.Store.Quotas.TakeQuotas(r.Context(), quotas...)
}

// Admit reads the form of a back-channel request, waits for the turn of its sender, and finds the
// client that it comes from. Without an error, the caller must call leave.
func (d *Door) Admit(r *http.Request) (caller *client.Client, leave func(), err error) {
	if err := oauth.ReadPost(r); err != nil {
		return nil, nil, err
	}
	if leave, err = d.Turn(r, true); err != nil {
		return nil, nil, err
	}
	if caller, err = d.Protocol.Authenticate(r); err != nil {
		leave()
		return nil, nil, err
	}
	return caller, leave, nil
}

// Turn waits for the turn of r's sender, whose form has been read; see [throttle.Throttle.Turn].
// authenticates says that clients show who they are here.
func (d *Door) Turn(r *http.Request, authenticates bool) (leave func(), err error) {
	if needsLongTurn(r, authenticates) {
		return d.People.LongTurn(r)
	}
	return d.People.Turn(r)
}

// needsLongTurn tells whether something may have to be fetched for r, or r may come from a client
// that authenticates, which sends the requests of many people from one address. Anybody can claim
// that, so the longer queue is bounded too.
func needsLongTurn(r *http.Request, authenticates bool) bool {
	form, uri := r.Form, r.Form.Get("request_uri")
	if authenticates && (r.Header.Get("Authorization") != "" || form.Has("client_secret") || form.Has("client_assertion")) {
		return true
	}
	return client.IsDocumentID(form.Get("client_id")) || form.Has("request") || (uri != "" && !strings.HasPrefix(uri, oauth.PushedPrefix))
}
