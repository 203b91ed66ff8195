package requests

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/authz-server/internal/store/limits"
	"github.com/maru-auth/maru/internal/sqldb"
)

// PushedRequest is an authorization request that its client pushed (RFC 9126).
type PushedRequest struct {
	ClientID  string
	Form      url.Values
	ExpiresAt time.Time
}

// Pushed are the pushed requests.
type Pushed struct {
	db      *sqldb.DB
	now     func() time.Time
	usedIDs *limits.UsedIDs
}

// NewPushed makes them of a database, a clock and the memory of what was used.
func NewPushed(db *sqldb.DB, now func() time.Time, usedIDs *limits.UsedIDs) *Pushed {
	return &Pushed{db, now, usedIDs}
}

// CreatePushedRequest stores a request under its URI, of which only the hash is kept.
func (s *Pushed) CreatePushedRequest(ctx context.Context, uri string, p PushedRequest) error {
	_, err := s.db.Exec(ctx, `INSERT INTO pushed_requests (uri_hash, client_id, form, expires_at) VALUES ($1, $2, $3, $4)`,
		opaque.Hash(uri), p.ClientID, p.Form.Encode(), sqldb.Micros(p.ExpiresAt))
	return err
}

// PushedRequest returns an unexpired, unspent request. It can be read again until it is spent: a person may reload the page.
func (s *Pushed) PushedRequest(ctx context.Context, uri string) (PushedRequest, error) {
	var p PushedRequest
	var form string
	var expires int64
	err := s.db.QueryRow(ctx, `SELECT client_id, form, expires_at FROM pushed_requests WHERE uri_hash = $1 AND expires_at > $2`, opaque.Hash(uri), sqldb.Micros(s.now())).
		Scan(&p.ClientID, &form, &expires)
	if err != nil {
		return PushedRequest{}, row.NotFound(err)
	}
	p.ExpiresAt = sqldb.Time(expires)
	p.Form, err = url.ParseQuery(form)
	return p, err
}

// SpendPushedRequest removes a request as part of answering it. It may have expired while its person was at our pages, and its
// row may be gone. Of several callers one succeeds, the others get ErrNotFound.
func (s *Pushed) SpendPushedRequest(ctx context.Context, uri string) error {
	// What makes it single use is the name and not the row. Whatever was begun with it ends within an interaction's life.
	err := s.usedIDs.UseID(ctx, "pushed", "", uri, s.now().Add(2*InteractionLifetime))
	if errors.Is(err, row.ErrExists) {
		return row.ErrNotFound
	}
	if err == nil {
		_, err = s.db.Exec(ctx, `DELETE FROM pushed_requests WHERE uri_hash = $1`, opaque.Hash(uri))
	}
	return err
}

// Sweeps are the requests that have expired.
func (s *Pushed) Sweeps() []sqldb.Sweep {
	return []sqldb.Sweep{
		{Name: "expired pushed requests", Rows: sqldb.Rows{Table: "pushed_requests", Key: "uri_hash", Where: "expires_at <= $1", Order: "expires_at"}},
	}
}
