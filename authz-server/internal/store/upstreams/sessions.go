package upstreams

import (
	"context"
	"encoding/json"

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
	_, err := s.db.Exec(ctx, `INSERT INTO upstream_sessions (session_id, upstream, issuer, subject, sid, dated)
		VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (session_id) DO UPDATE SET upstream = $2, issuer = $3, subject = $4,
		sid = $5, dated = $6`, sessionID, o.Upstream, o.Issuer, o.Subject, o.Session, o.Dated)
	return err
}

// DropOrigin forgets by what a session began, which has begun anew by something else.
func (s *Upstreams) DropOrigin(ctx context.Context, sessionID string) error {
	_, err := s.db.Exec(ctx, `DELETE FROM upstream_sessions WHERE session_id = $1`, sessionID)
	return err
}

// Origin returns by what a session began. ErrNotFound: not by an upstream, or it is not known, or the
// session has ended.
func (s *Upstreams) Origin(ctx context.Context, sessionID string) (o Origin, err error) {
	err = s.db.QueryRow(ctx, `SELECT upstream, issuer, subject, sid, dated FROM upstream_sessions
		WHERE session_id = $1`, sessionID).Scan(&o.Upstream, &o.Issuer, &o.Subject, &o.Session, &o.Dated)
	return o, row.NotFound(err)
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
