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

// Pushed stores pushed requests.
type Pushed struct {
	db      *sqldb.DB
	now     func() time.Time
	usedIDs *limits.UsedIDs
}

// NewPushed returns the requests in db. usedIDs remembers which were spent.
func NewPushed(db *sqldb.DB, now func() time.Time, usedIDs *limits.UsedIDs) *Pushed {
	return &Pushed{db, now, usedIDs}
}

// CreatePushedRequest stores a request under its URI, of which only the hash is kept.
func (s *Pushed) CreatePushedRequest(ctx context.Context, uri string, p PushedRequest) error {
	_, err := s.db.Exec(ctx, `INSERT INTO pushed_requests (uri_hash, client_id, form, expires_at)
		VALUES ($1, $2, $3, $4)`,
		opaque.Hash(uri), p.ClientID, p.Form.Encode(), sqldb.Micros(p.ExpiresAt))
	return err
}

// PushedRequest returns an unexpired, unspent request. You can read it again until it is spent,
// since a person may reload the page. ErrNotFound: there is none.
func (s *Pushed) PushedRequest(ctx context.Context, uri string) (PushedRequest, error) {
	var p PushedRequest
	var form string
	var expires int64
	err := s.db.QueryRow(ctx, `SELECT client_id, form, expires_at FROM pushed_requests
		WHERE uri_hash = $1 AND expires_at > $2`, opaque.Hash(uri), sqldb.Micros(s.now())).
		Scan(&p.ClientID, &form, &expires)
	if err != nil {
		return PushedRequest{}, row.NotFound(err)
	}
	p.ExpiresAt = sqldb.Time(expires)
	p.Form, err = url.ParseQuery(form)
	return p, err
}

// SpendPushedRequest removes a request as part of answering it. It works even if the request
// expired, and its row went, while the person was at the pages. Of several calls one succeeds, the
// others get ErrNotFound.
func (s *Pushed) SpendPushedRequest(ctx context.Context, uri string) error {
	// The name makes it single use, not the row. What was begun with it has ended by then.
	err := s.usedIDs.UseID(ctx, "pushed", "", uri, s.now().Add(longestWait))
	if errors.Is(err, row.ErrExists) {
		return row.ErrNotFound
	}
	if err == nil {
		_, err = s.db.Exec(ctx, `DELETE FROM pushed_requests WHERE uri_hash = $1`, opaque.Hash(uri))
	}
	return err
}

// Sweeps lists expired requests.
func (s *Pushed) Sweeps() []sqldb.Sweep {
	return []sqldb.Sweep{
		{Name: "expired pushed requests", Rows: sqldb.Rows{
			Table: "pushed_requests", Key: "uri_hash", Where: "expires_at <= $1", Order: "expires_at"}},
	}
}
