// Package requests stores authorization requests under way: interactions, which wait for a person,
// forms that a browser is to send again, and requests that clients pushed.
package requests

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/authz-server/internal/store/limits"
	"github.com/maru-auth/maru/internal/sqldb"
)

// InteractionLifetime is how long an authorization request waits for a person.
const InteractionLifetime = 15 * time.Minute

// What a person decided about an interaction.
const (
	ConsentAllow = "allow"
	ConsentDeny  = "deny"
)

// Interaction is an authorization request that waits for a person to log in, sign up or consent.
// You find it by its handle together with the secret of the browser that began it. Only hashes of
// both are stored.
type Interaction struct {
	ClientID     string
	Form         url.Values // the request's parameters
	Consent      string     // "" (undecided), ConsentAllow or ConsentDeny
	ConsentScope []string   // what was allowed
	ConsentSID   string     // the id of the session that decided
	ACR          []string   // what the log-in is to reach: one of these; none: anything
	EssentialACR bool       // without one of them there is no answer
	Fresh        bool       // the log-in may be at most MaxAge old (prompt=login: 0), in whole seconds
	MaxAge       time.Duration
	CreatedAt    time.Time
	ExpiresAt    time.Time

	counted limits.Places
}

// Interactions stores authorization requests under way.
type Interactions struct {
	db     *sqldb.DB
	now    func() time.Time
	quotas *limits.Quotas
}

// NewInteractions returns the requests in db, which count in quotas.
func NewInteractions(db *sqldb.DB, now func() time.Time, quotas *limits.Quotas) *Interactions {
	return &Interactions{db, now, quotas}
}

const interactionColumns = `client_id, form, consent, consent_scope, consent_sid, created_at,
	expires_at, counted, acr, acr_essential, max_age`

func scanInteraction(found *sqldb.Row) (Interaction, error) {
	var in Interaction
	var form, scope, counted, acr string
	var created, expires, maxAge int64
	if err := found.Scan(&in.ClientID, &form, &in.Consent, &scope, &in.ConsentSID, &created,
		&expires, &counted, &acr, &in.EssentialACR, &maxAge); err != nil {
		return Interaction{}, row.NotFound(err)
	}
	values, err := url.ParseQuery(form)
	if err != nil {
		return Interaction{}, err
	}
	in.Form, in.ConsentScope = values, strings.Fields(scope)
	in.ACR, in.counted = strings.Fields(acr), limits.ParsePlaces(counted)
	in.CreatedAt, in.ExpiresAt = sqldb.Time(created), sqldb.Time(expires)
	if in.Fresh = maxAge >= 0; in.Fresh {
		in.MaxAge = time.Duration(maxAge) * time.Second
	}
	return in, nil
}

// CreateInteraction stores ClientID, Form, ACR, EssentialACR, Fresh and MaxAge of in, bound to the browser with
// this secret, and returns the handle. It counts in the quotas until it is answered.
// [*limits.QuotaError]: one of them is used up.
func (s *Interactions) CreateInteraction(
	ctx context.Context, in Interaction, browser string, quotas ...limits.Quota,
) (handle string, err error) {
	return s.createInteraction(ctx, in, browser, InteractionLifetime, quotas...)
}

// PostedLifetime is how long a form waits that a browser sent without its cookies and is to send
// again with them.
const PostedLifetime = time.Minute

// CreatePosted stores a form that is bound to no browser: anybody who has the handle can send the
// form, as they could have sent it at first. It counts in the quotas until it expires.
func (s *Interactions) CreatePosted(
	ctx context.Context, form url.Values, quotas ...limits.Quota,
) (handle string, err error) {
	return s.createInteraction(ctx, Interaction{Form: form}, "", PostedLifetime, quotas...)
}

// Posted returns the form of CreatePosted. ErrNotFound: the handle is unknown or has expired.
func (s *Interactions) Posted(ctx context.Context, handle string) (url.Values, error) {
	in, err := s.Interaction(ctx, handle, "") // no browser has this secret
	return in.Form, err
}

func (s *Interactions) createInteraction(
	ctx context.Context, in Interaction, browser string, lifetime time.Duration, quotas ...limits.Quota,
) (handle string, err error) {
	handle = opaque.New()
	now := s.now()
	maxAge := int64(-1)
	if in.Fresh {
		maxAge = int64(in.MaxAge / time.Second)
	}
	err = s.quotas.With(ctx, quotas, func(ctx context.Context, taken limits.Places) error {
		_, err := s.db.Exec(ctx, `INSERT INTO interactions (handle_hash, browser_hash, client_id,
			form, consent, consent_scope, consent_sid, created_at, expires_at, counted, acr,
			acr_essential, max_age)
			VALUES ($1, $2, $3, $4, '', '', '', $5, $6, $7, $8, $9, $10)`,
			opaque.Hash(handle), opaque.Hash(browser), in.ClientID, in.Form.Encode(),
			sqldb.Micros(now), sqldb.Micros(now.Add(lifetime)), taken.Text(),
			strings.Join(in.ACR, " "), in.EssentialACR, maxAge)
		return err
	})
	return handle, err
}

// Interaction returns the one with this handle. ErrNotFound: it is unknown, expired or spent, or
// another browser began it.
func (s *Interactions) Interaction(ctx context.Context, handle, browser string) (Interaction, error) {
	return scanInteraction(s.db.QueryRow(ctx, `SELECT `+interactionColumns+` FROM interactions
		WHERE handle_hash = $1 AND browser_hash = $2 AND expires_at > $3 AND spent_at = 0`,
		opaque.Hash(handle), opaque.Hash(browser), sqldb.Micros(s.now())))
}

// DecideInteraction notes what the person of session sid decided: ConsentAllow with the scope
// allowed, or ConsentDeny. A later decision replaces an earlier one until the interaction is spent.
// ErrNotFound: as for Interaction.
func (s *Interactions) DecideInteraction(
	ctx context.Context, handle, browser, sid, decision string, scope []string,
) error {
	return row.Changed(s.db.Exec(ctx, `UPDATE interactions
		SET consent = $1, consent_scope = $2, consent_sid = $3
		WHERE handle_hash = $4 AND browser_hash = $5 AND expires_at > $6 AND spent_at = 0`,
		decision, strings.Join(scope, " "), sid,
		opaque.Hash(handle), opaque.Hash(browser), sqldb.Micros(s.now())))
}

// longestWait is how long an interaction can wait, however often it is extended.
const longestWait = 90 * time.Minute

// ExtendInteraction lets an interaction wait for at least another while, for a person who has to
// read their mail first, but not for ever: one that would wait for more than 90 minutes in all stays
// as it is, as does one that is spent, expired, another browser's, or waits longer anyway.
func (s *Interactions) ExtendInteraction(ctx context.Context, handle, browser string, while time.Duration) error {
	now := s.now()
	_, err := s.db.Exec(ctx, `UPDATE interactions SET expires_at = $1
		WHERE handle_hash = $2 AND browser_hash = $3 AND spent_at = 0
		AND expires_at > $4 AND expires_at < $1 AND created_at > $5`,
		sqldb.Micros(now.Add(while)), opaque.Hash(handle), opaque.Hash(browser), sqldb.Micros(now),
		sqldb.Micros(now.Add(while-longestWait)))
	return err
}

// SpentInteraction returns one that was spent and has not expired yet. ErrNotFound: as for
// Interaction, or it still waits.
func (s *Interactions) SpentInteraction(ctx context.Context, handle, browser string) (Interaction, error) {
	return scanInteraction(s.db.QueryRow(ctx, `SELECT `+interactionColumns+` FROM interactions
		WHERE handle_hash = $1 AND browser_hash = $2 AND expires_at > $3 AND spent_at > 0`,
		opaque.Hash(handle), opaque.Hash(browser), sqldb.Micros(s.now())))
}

// SpendInteraction ends the interaction and returns its last state, from which to make the answer.
// Of several calls one gets it, the others ErrNotFound. Call it in the transaction that issues the
// answer, so that neither happens without the other.
func (s *Interactions) SpendInteraction(ctx context.Context, handle string) (Interaction, error) {
	return scanInteraction(s.db.ExecReturning(ctx, `UPDATE interactions SET spent_at = $2
		WHERE handle_hash = $1 AND expires_at > $2 AND spent_at = 0 RETURNING `+interactionColumns,
		opaque.Hash(handle), sqldb.Micros(s.now())))
}

// Uncount gives back the places that a spent interaction took in its quotas. Call it last in the
// transaction that answers the interaction, since others count in the same rows.
func (s *Interactions) Uncount(ctx context.Context, spent Interaction) error {
	return s.quotas.GiveBack(ctx, spent.counted)
}

// ForgetDecisions makes a person's decided and unanswered requests of a client undecided.
func (s *Interactions) ForgetDecisions(ctx context.Context, userID, clientID string) error {
	_, err := s.db.Exec(ctx, `UPDATE interactions
		SET consent = '', consent_scope = '', consent_sid = ''
		WHERE client_id = $1 AND consent_sid <> '' AND consent_sid IN (SELECT id FROM sessions
		WHERE user_id = $2)`, clientID, userID)
	return err
}

// Sweeps lists expired interactions.
func (s *Interactions) Sweeps() []sqldb.Sweep {
	return []sqldb.Sweep{
		{Name: "expired interactions", Rows: sqldb.Rows{
			Table: "interactions", Key: "handle_hash", Where: "expires_at <= $1", Order: "expires_at"}},
	}
}
