package directory

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/fetch"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/limits"
	"github.com/maru-auth/maru/authz-server/internal/store/registry"
	"github.com/maru-auth/maru/internal/httpd"
	"github.com/maru-auth/maru/jwks/jose"
)

// How long a document is used after it was read, whatever its own caching headers say, and how many
// unknown ones are read for one address.
const (
	minDocumentAge  = time.Minute
	maxDocumentAge  = time.Hour
	failureAge      = 10 * time.Second // after a failure, it is not read again before
	maxDocument     = 64 << 10         // bytes to read; the policy bounds what is stored
	newDocuments    = 20
	newDocumentsPer = 10 * time.Minute
)

// A DocumentError says why a client's document cannot be used. It is [store.ErrNotFound].
type DocumentError struct {
	Host   string // as people know the client
	Reason string // for the client's developer: what to change
	Cause  error
}

func (e *DocumentError) Error() string {
	return "the client metadata document at " + e.Host + " " + e.Reason
}

func (e *DocumentError) Unwrap() []error {
	if e.Cause == nil {
		return []error{store.ErrNotFound}
	}
	return []error{store.ErrNotFound, e.Cause}
}

// documentState is the outcome of reading a document.
type documentState struct {
	until time.Time // not read again before
	err   *DocumentError
}

func (d *Clients) documentClient(ctx context.Context, id string) (client.Client, error) {
	if !d.cfg.MetadataDocuments {
		return client.Client{}, store.ErrNotFound
	}
	stored, err := d.cfg.Store.Clients.Client(ctx, id)
	known := err == nil
	if errors.Is(err, store.ErrDisabled) {
		return client.Client{}, err // whatever its document says
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return client.Client{}, err
	}
	state, read := d.documents.Get(id)
	if d.now().Before(state.until) {
		if state.err != nil {
			return client.Client{}, state.err
		}
		if known {
			return stored, nil
		}
	}
	if !known {
		if err := d.reserveDocument(ctx, id); err != nil {
			return client.Client{}, err
		}
	}
	c, err := d.readDocument(ctx, id)
	if fetch.NotTried(err) && known && read && state.err == nil && d.now().Before(state.until.Add(maxDocumentAge)) {
		return stored, nil // the sender's limit says nothing about the document; but it must not keep one alive that is gone
	}
	return c, err
}

// reserveDocument limits how many unknown documents are read, and stored, for one address.
func (d *Clients) reserveDocument(ctx context.Context, id string) error {
	err := d.cfg.Store.Quotas.TakeQuotas(ctx, limits.QuotasOf(httpd.Networks(httpd.ClientAddr(ctx)), "document", newDocuments, newDocumentsPer)...)
	var full *limits.QuotaError
	if errors.As(err, &full) {
		err = &DocumentError{Host: hostOf(id), Reason: "was not read: too many unknown clients were asked for from your address; try again in some minutes"}
	}
	return err
}

func (d *Clients) readDocument(ctx context.Context, id string) (client.Client, error) {
	fail := func(reason string, cause error) (client.Client, error) {
		e := &DocumentError{Host: hostOf(id), Reason: reason, Cause: cause}
		if ctx.Err() == nil && !fetch.NotTried(cause) { // otherwise the caller gave up, or is at a limit
			d.documents.Add(id, documentState{d.now().Add(failureAge), e}, len(id)+2*len(e.Error()))
		}
		d.cfg.Log.InfoContext(ctx, "client metadata document refused", "request", httpd.RequestID(ctx), "client", id, "reason", reason, "cause", cause)
		return client.Client{}, e
	}
	if problem := client.CheckDocumentID(id); problem != "" {
		return fail("has an address that cannot be a client_id: it "+problem, nil)
	}
	body, expires, err := d.cfg.Fetch.Get(ctx, id, causeOf(ctx, &client.Client{ID: id, Unvouched: true})) // how long it is used is decided here
	if err != nil {
		return fail("cannot be read: "+err.Error(), errors.Unwrap(err))
	}
	c, err := d.parseDocument(id, body)
	if err != nil {
		return fail("is refused: "+err.Error(), nil)
	}
	if err := d.CheckSector(ctx, &c); err != nil {
		return fail("is refused: "+err.Error(), err)
	}
	if err := d.putDocument(ctx, c); err != nil {
		return client.Client{}, err
	}
	now := d.now()
	d.documents.Add(id, documentState{until: clamp(expires, now.Add(minDocumentAge), now.Add(maxDocumentAge))}, len(id))
	return d.cfg.Store.Clients.Client(ctx, id)
}

// putDocument stores what a document says, and notes in the audit log that it is new, or says something
// else than before.
func (d *Clients) putDocument(ctx context.Context, c client.Client) error {
	return d.cfg.Store.Tx(ctx, func(ctx context.Context) error {
		put, err := d.cfg.Store.Clients.PutDocumentClient(ctx, c)
		if err != nil || put == registry.DocumentSame {
			return err
		}
		kind := audit.ClientRegistered
		if put == registry.DocumentChanged {
			kind = audit.ClientChanged
		}
		return d.record(ctx, kind, &c, map[string]any{"document": true})
	})
}

// parseDocument makes a client of a document. Because a document is for all servers, what this one
// does not offer is left out rather than refused. What only an operator can give is left out too.
func (d *Clients) parseDocument(id string, body []byte) (client.Client, error) {
	if len(body) > maxDocument {
		return client.Client{}, errors.New("it is longer than 64 KiB")
	}
	c, rest, err := client.Decode(body)
	if err != nil {
		return client.Client{}, err
	}
	if c.ID != id {
		return client.Client{}, errors.New("its client_id must be its own address, " + id + ", to the letter")
	}
	for _, name := range []string{"client_secret", "client_secret_expires_at"} { // §4.1 of the draft
		if _, there := rest[name]; there {
			return client.Client{}, errors.New("it must not have the member " + name)
		}
	}
	c.DropPrivileges()
	policy := d.cfg.Policy
	policy.Documents = true
	if c.TokenEndpointAuthMethod == "" {
		c.TokenEndpointAuthMethod = client.AuthNone
	}
	keep := func(list []string, known []string) []string {
		return slices.DeleteFunc(slices.Clone(list), func(one string) bool { return !slices.Contains(known, one) })
	}
	if policy.GrantTypes != nil {
		c.GrantTypes = keep(c.GrantTypes, policy.GrantTypes)
	}
	if !policy.LegacyResponseTypes {
		c.ResponseTypes = keep(c.ResponseTypes, []string{"code"})
	}
	c.KeepScopes(policy.Scopes)
	return c, c.Check(policy)
}

// sectorError says why the list of a sector cannot be read.
type sectorError struct {
	error // a *client.Error

	cause error // nil: none
}

func (e *sectorError) Unwrap() []error {
	if e.cause == nil {
		return []error{e.error}
	}
	return []error{e.error, e.cause}
}

// CheckSector keeps a client that registers out of the sectors of others. What is sent to redirect
// URIs alone does that, if the list at its sector_identifier_uri has all of them (OpenID Connect Core
// 1.0 §8.1); a logout token, which has the subject too, must go where they are. The error wraps a
// [*client.Error].
func (d *Clients) CheckSector(ctx context.Context, c *client.Client) error {
	if c.SubjectType == client.SubjectPairwise && c.BackchannelLogoutURI != "" && !c.RedirectsToHostOf(c.BackchannelLogoutURI) {
		return &client.Error{Code: client.InvalidMetadata, Field: "backchannel_logout_uri", Description: "must have the host of one of the redirect_uris beside pairwise subjects: a logout token has the subject of their sector"}
	}
	if c.SectorIdentifierURI == "" {
		return nil
	}
	wrong := func(description string) error {
		return &client.Error{Code: client.InvalidMetadata, Field: "sector_identifier_uri", Description: description}
	}
	body, _, err := d.cfg.Fetch.Get(ctx, c.SectorIdentifierURI, causeOf(ctx, c))
	if err != nil {
		return &sectorError{wrong("must be an address that this server can read: " + err.Error()), errors.Unwrap(err)}
	}
	var uris []string
	if err := jose.UnmarshalExact(body, &uris); err != nil {
		return wrong("must be the address of a JSON array of redirect URIs")
	}
	for _, uri := range c.RedirectURIs {
		if !slices.Contains(uris, uri) {
			return wrong("is the address of a list that must hold all redirect_uris, and lacks " + uri)
		}
	}
	return nil
}

// causeOf returns on whose account something is fetched for c. A client with a document counts
// under its host, which can have any number of documents.
func causeOf(ctx context.Context, c *client.Client) fetch.Cause {
	id := c.ID
	if c.Document() {
		id = c.Host()
	}
	return fetch.Cause{Client: id, Stranger: c.Unvouched, Networks: httpd.Networks(httpd.ClientAddr(ctx))}
}

func hostOf(id string) string { return (&client.Client{ID: id}).Host() }

func clamp(t, earliest, latest time.Time) time.Time {
	switch {
	case t.Before(earliest):
		return earliest
	case t.After(latest):
		return latest
	}
	return t
}
