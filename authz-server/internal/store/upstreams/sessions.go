package upstreams

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"

	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/internal/sqldb"
)

// Origin is the log-in at an upstream by which a session began.
type Origin struct {
	Upstream string `json:"upstream"`
	Issuer   string `json:"issuer"`
	Subject  string `json:"subject"`
	Session  string `json:"sid,omitempty"`   // there; empty: the upstream names none
	Dated    bool   `json:"dated,omitempty"` // the upstream says when the person logged in

	// IDToken is that of the log-in, which package upstream encrypts; empty: it is not kept.
	IDToken string `json:"id_token,omitempty"`
}

// Text is o as text; empty for nil.
func (o *Origin) Text() string {
	if o == nil {
		return ""
	}
	text, err := json.Marshal(o)
	if err != nil {
		panic(err) // texts always marshal
	}
	return string(text)
}

// ParseOrigin reads what Text wrote; nil: nothing.
func ParseOrigin(text string) (o *Origin, err error) {
	if text == "" {
		return nil, nil //nolint:nilnil // as Text takes it
	}
	o = new(Origin)
	return o, json.Unmarshal([]byte(text), o)
}

// NoteOrigin notes by what a session began. Call it in the transaction in which it does.
func (s *Upstreams) NoteOrigin(ctx context.Context, sessionID string, o Origin) error {
	_, err := s.db.Exec(ctx, `INSERT INTO upstream_sessions (session_id, upstream, issuer, subject, sid, dated, id_token)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (session_id) DO UPDATE SET upstream = $2, issuer = $3, subject = $4,
		sid = $5, dated = $6, id_token = $7`, sessionID, o.Upstream, o.Issuer, o.Subject, o.Session, o.Dated, o.IDToken)
	return err
}

// DropOrigin forgets by what a session began, which has begun anew by something else.
func (s *Upstreams) DropOrigin(ctx context.Context, sessionID string) error {
	_, err := s.db.Exec(ctx, `DELETE FROM upstream_sessions WHERE session_id = $1`, sessionID)
	return err
}

// Origin returns by what a session began, without its IDToken, which few need. ErrNotFound: not by an
// upstream, or it is not known, or the session has ended.
func (s *Upstreams) Origin(ctx context.Context, sessionID string) (o Origin, err error) {
	err = s.db.QueryRow(ctx, `SELECT upstream, issuer, subject, sid, dated FROM upstream_sessions
		WHERE session_id = $1`, sessionID).Scan(&o.Upstream, &o.Issuer, &o.Subject, &o.Session, &o.Dated)
	return o, row.NotFound(err)
}

// IDToken is [Origin.IDToken] of a session. ErrNotFound is as of Origin.
func (s *Upstreams) IDToken(ctx context.Context, sessionID string) (sealed string, err error) {
	err = s.db.QueryRow(ctx, `SELECT id_token FROM upstream_sessions WHERE session_id = $1`, sessionID).Scan(&sealed)
	return sealed, row.NotFound(err)
}

// Kept is a session with what it began by.
type Kept struct {
	SessionID string
	Origin
}

// Kept returns the sessions that keep an IDToken, of a page of limit sessions after the id after. next is
// where the next page begins; empty: there is none.
func (s *Upstreams) Kept(ctx context.Context, after string, limit int) (kept []Kept, next string, err error) {
	page, err := sqldb.All(ctx, s.db, func(rows *sql.Rows) (k Kept, err error) {
		return k, rows.Scan(&k.SessionID, &k.Upstream, &k.Issuer, &k.Subject, &k.IDToken)
	}, `SELECT session_id, upstream, issuer, subject, id_token FROM upstream_sessions
		WHERE session_id > $1 ORDER BY session_id LIMIT $2`, after, limit)
	if len(page) == limit {
		next = page[len(page)-1].SessionID
	}
	return slices.DeleteFunc(page, func(k Kept) bool { return k.IDToken == "" }), next, err
}

// RewrapIDToken replaces the encrypted form of a session's IDToken. ErrNotFound: it is another by now, or
// the session has ended.
func (s *Upstreams) RewrapIDToken(ctx context.Context, sessionID, before, after string) error {
	return row.Changed(s.db.Exec(ctx, `UPDATE upstream_sessions SET id_token = $3
		WHERE session_id = $1 AND id_token = $2`, sessionID, before, after))
}

// maxEnded is how many sessions here one session or person there can have: accounts.MaxSessions of
// each of a few accounts.
const maxEnded = 1000

// SessionsFrom returns the ids of the sessions that began by the session o.Session at an upstream, or,
// if that is empty, by any of o.Subject.
func (s *Upstreams) SessionsFrom(ctx context.Context, o Origin) ([]string, error) {
	if o.Session != "" {
		return sqldb.All(ctx, s.db, row.Text, `SELECT session_id FROM upstream_sessions
			WHERE upstream = $1 AND issuer = $2 AND sid = $3 AND sid <> '' AND ($4 = '' OR subject = $4)
			ORDER BY session_id LIMIT $5`, o.Upstream, o.Issuer, o.Session, o.Subject, maxEnded)
	}
	return sqldb.All(ctx, s.db, row.Text, `SELECT session_id FROM upstream_sessions
		WHERE upstream = $1 AND issuer = $2 AND subject = $3 ORDER BY session_id LIMIT $4`,
		o.Upstream, o.Issuer, o.Subject, maxEnded)
}
