package grants

import (
	"context"
	"crypto/rand"
	"database/sql"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/internal/sqldb"
)

// A Note is what a grant's row is told of a new access token, so that ending the grant revokes the
// token too. The zero Note tells it nothing.
type Note struct {
	// Status is the token's place in a status list; package tokens knows its form. It has no spaces.
	Status string
	// Lifetime is how long an access token lives at most. Until a row's period is over, other tokens
	// may be issued with the same place.
	Lifetime time.Duration
	// Drops is the status of tokens that are all revoked, which the row need not have any more. Empty:
	// none.
	Drops string
}

// noteStatus is the assignments that add a Note to a grant's row: $1 is the time, and the note's
// args are $first and the three after it. A row has the statuses of two periods that are each as
// long as a token's life: nothing need be read to forget what has expired. The tokens of a period
// have expired two lives after it began, because that long a place can be shared, and then the one
// after the next begins. A period lasts longer if tokens from before it do, which may have been
// given a longer life than tokens get now; nothing is shared from then on.
func noteStatus(first int) string {
	const turned = `statuses_since <= $a AND statuses_before_until <= $1`
	const until = `CASE WHEN ` + turned + ` THEN $c
			WHEN statuses_since > $a THEN statuses_since + $c - $1 ELSE $c - ($1 - $a) END`
	return strings.NewReplacer("$a", "CAST("+place(first)+" AS BIGINT)", "$b", "CAST("+place(first+1)+" AS TEXT)",
		"$c", "CAST("+place(first+2)+" AS BIGINT)", "$d", "CAST("+place(first+3)+" AS TEXT)").Replace(
		`statuses_before = CASE WHEN ` + turned + ` THEN statuses ELSE statuses_before END,
		statuses_before_until = CASE WHEN ` + turned + ` THEN statuses_until ELSE statuses_before_until END,
		statuses = CASE WHEN ` + turned + ` THEN $b ELSE replace(statuses, $d, '') || $b END,
		statuses_since = CASE WHEN ` + turned + ` THEN $1 ELSE statuses_since END,
		statuses_until = CASE WHEN statuses_until < ` + until + ` THEN ` + until + ` ELSE statuses_until END`)
}

func place(n int) string { return "$" + strconv.Itoa(n) }

func (n Note) args(now time.Time) []any {
	if n.Status == "" {
		return []any{int64(-1), "", int64(0), ""}
	}
	drops := n.Drops
	if drops != "" {
		drops += " "
	}
	return []any{sqldb.Micros(now.Add(-n.Lifetime)), n.Status + " ", sqldb.Micros(now.Add(2 * n.Lifetime)), drops}
}

// NoteStatus adds a note to a live grant. ErrNotFound: it is over, or its client was removed or
// disabled, so the token is worth nothing.
func (s *Grants) NoteStatus(ctx context.Context, id string, n Note) error {
	now := s.now()
	return row.Changed(s.db.Exec(ctx, `UPDATE grants SET `+noteStatus(3)+`
		WHERE id = $2 AND revoked_at = 0 AND expires_at > $1 AND EXISTS (SELECT 1 FROM clients c
		WHERE c.id = grants.client_id AND c.removed_at = 0 AND c.disabled_at = 0
		AND grants.created_at >= c.grants_since)`,
		append([]any{sqldb.Micros(now), id}, n.args(now)...)...))
}

// end ends the live grants that meet the condition and revokes their tokens. It returns how many
// grants there were. They are marked first, which locks them: a token that is being issued is noted
// by then, or is not issued at all.
func (s *Grants) end(ctx context.Context, condition string, args ...any) (ended int64, err error) {
	now := place(len(args) + 1)
	args = append(args, sqldb.Micros(s.now()))
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		ended, err = s.db.Exec(ctx, `UPDATE grants SET revoked_at = `+now+`
			WHERE revoked_at = 0 AND `+condition, args...)
		if err != nil || ended == 0 {
			return err
		}
		_, err = s.db.Exec(ctx, `INSERT INTO revoked_tokens (jti, statuses, revoked_at, expires_at)
			SELECT id, statuses_before || statuses, revoked_at, statuses_until FROM grants
			WHERE revoked_at = `+now+` AND statuses_until > `+now+` AND `+condition+`
			ON CONFLICT DO NOTHING`, args...)
		return err
	})
	return ended, err
}

// RevokeTokensOf revokes the access tokens of a person's live grants that have one of the scopes,
// and leaves the grants: apps get new tokens by their refresh tokens. It runs in the caller's
// transaction, which holds the person's sessions, so that no grant is just beginning.
func (s *Grants) RevokeTokensOf(ctx context.Context, userID string, scopes []string) error {
	if len(scopes) == 0 {
		return nil
	}
	condition, args := withScopes(userID, scopes)
	return s.revokeTokens(ctx, condition, args...)
}

// EndWith ends a person's grants that have one of the scopes, with all their tokens. It runs as
// [Grants.RevokeTokensOf] does.
func (s *Grants) EndWith(ctx context.Context, userID string, scopes []string) error {
	if len(scopes) == 0 {
		return nil
	}
	condition, args := withScopes(userID, scopes)
	_, err := s.end(ctx, condition, args...)
	return err
}

// withScopes is the condition that a grant is a person's and has one of the scopes.
func withScopes(userID string, scopes []string) (condition string, args []any) {
	args = []any{userID}
	var any []string
	for _, scope := range scopes { // a scope with a % or _ means more of them: that revokes too much
		args = append(args, "% "+scope+" %")
		any = append(any, `' ' || scope || ' ' LIKE `+place(len(args)))
	}
	return `user_id = $1 AND (` + strings.Join(any, " OR ") + `)`, args
}

// revokeTokens revokes the noted tokens of the live grants that meet the condition. The grants are
// changed first, which locks them: a token that is being issued is noted by then, or after. New
// tokens do not share the places of those (see [Grant.Epoch]).
func (s *Grants) revokeTokens(ctx context.Context, condition string, args ...any) error {
	n := len(args)
	now, key := place(n+1), place(n+2)
	noted := append(slices.Clone(args), sqldb.Micros(s.now()))
	return s.db.Tx(ctx, func(ctx context.Context) error {
		rows, err := s.db.Exec(ctx, `UPDATE grants SET epoch = epoch + 1
			WHERE revoked_at = 0 AND `+condition, args...)
		if err != nil || rows == 0 {
			return err
		}
		// The key is no other's: that of an ended grant is its id.
		_, err = s.db.Exec(ctx, `INSERT INTO revoked_tokens (jti, statuses, revoked_at, expires_at)
			SELECT id || '.' || CAST(`+key+` AS TEXT), statuses_before || statuses, CAST(`+now+` AS BIGINT), statuses_until
			FROM grants WHERE revoked_at = 0 AND statuses_until > `+now+` AND `+condition,
			append(noted, "all "+rand.Text())...)
		return err
	})
}

// RevokeExchanged revokes the tokens that other clients exchanged from the grants to a client, in
// batches. It leaves the grants.
func (s *Grants) RevokeExchanged(ctx context.Context, clientID string) error {
	type grant struct {
		id      string
		created int64
	}
	var last grant
	_, err := s.db.Batches(ctx, sqldb.BatchRows, func(ctx context.Context) (int64, error) {
		page, err := sqldb.All(ctx, s.db, func(rows *sql.Rows) (g grant, err error) {
			return g, rows.Scan(&g.id, &g.created)
		}, `SELECT id, created_at FROM grants
			WHERE client_id = $1 AND created_at >= $2 AND (created_at > $2 OR id > $3)
			ORDER BY client_id, created_at, id LIMIT 200`, clientID, last.created, last.id)
		if err != nil || len(page) == 0 {
			return 0, err
		}
		first := page[0]
		last = page[len(page)-1]
		return int64(len(page)), s.revokeTokens(ctx, `client_id = $1 AND created_at >= $2
			AND created_at <= $3 AND statuses_before || statuses LIKE '%;%'`,
			clientID, first.created, last.created)
	})
	return err
}

// removed is a grant whose row was removed.
type removed struct {
	id, statuses string
	until        int64 // of the statuses
	live         bool
}

// revokeRemoved revokes the tokens of a grant whose row was removed while it was live.
func (s *Grants) revokeRemoved(ctx context.Context, g removed) error {
	now := sqldb.Micros(s.now())
	if !g.live || g.until <= now {
		return nil
	}
	_, err := s.db.Exec(ctx, `INSERT INTO revoked_tokens (jti, statuses, revoked_at, expires_at)
		VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`, g.id, g.statuses, now, g.until)
	return err
}

// RevokeToken revokes the access token jti by itself. The revocation is remembered until expires,
// when the token does.
func (s *Grants) RevokeToken(ctx context.Context, jti, status string, expires time.Time) error {
	_, err := s.db.Exec(ctx, `INSERT INTO revoked_tokens (jti, statuses, revoked_at, expires_at)
		VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
		jti, status, sqldb.Micros(s.now()), sqldb.Micros(expires))
	return err
}

// TokenRevoked tells whether the access token jti itself was revoked, or its client removed or
// disabled. An empty clientID is the issuer's, which is always there.
func (s *Grants) TokenRevoked(ctx context.Context, jti, clientID string) (revoked bool, err error) {
	err = s.db.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM revoked_tokens WHERE jti = $1)
		OR ($2 <> '' AND NOT EXISTS (SELECT 1 FROM clients
		WHERE id = $2 AND removed_at = 0 AND disabled_at = 0))`, jti, clientID).Scan(&revoked)
	return revoked, err
}

// Revocation is what was revoked at once.
type Revocation struct {
	Statuses string // as noted, with spaces between them
	At       time.Time
}

// RevokedSince returns what was revoked at or after since and may not have expired.
func (s *Grants) RevokedSince(ctx context.Context, since time.Time) ([]Revocation, error) {
	return sqldb.All(ctx, s.db, func(rows *sql.Rows) (r Revocation, err error) {
		var at int64
		err = rows.Scan(&r.Statuses, &at)
		r.At = sqldb.Time(at)
		return r, err
	}, `SELECT statuses, revoked_at FROM revoked_tokens
		WHERE revoked_at >= $1`, max(sqldb.Micros(since), 1))
}
