package store

import (
	"context"
	"errors"
	"net/url"
	"time"

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
	usedIDs *UsedIDs
}

// CreatePushedRequest stores a request under its URI, of which only the hash is kept.
func (s *Pushed) CreatePushedRequest(ctx context.Context, uri string, p PushedRequest) error {
	_, err := s.db.Exec(ctx, `INSERT INTO pushed_requests (uri_hash, client_id, form, expires_at) VALUES ($1, $2, $3, $4)`,
		Hash(uri), p.ClientID, p.Form.Encode(), sqldb.Micros(p.ExpiresAt))
	return err
}

// PushedRequest returns an unexpired, unspent request. It can be read again until it is spent: a person may reload the page.
func (s *Pushed) PushedRequest(ctx context.Context, uri string) (PushedRequest, error) {
	var p PushedRequest
	var form string
	var expires int64
	err := s.db.QueryRow(ctx, `SELECT client_id, form, expires_at FROM pushed_requests WHERE uri_hash = $1 AND expires_at > $2`, Hash(uri), sqldb.Micros(s.now())).
		Scan(&p.ClientID, &form, &expires)
	if err != nil {
		return PushedRequest{}, notFound(err)
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
	if errors.Is(err, ErrExists) {
		return ErrNotFound
	}
	if err == nil {
		_, err = s.db.Exec(ctx, `DELETE FROM pushed_requests WHERE uri_hash = $1`, Hash(uri))
	}
	return err
}
