package logout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/authz-server/internal/fetch"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/outbox"
	"github.com/maru-auth/maru/authz-server/internal/tokens"
)

// typeLogout is the type of a logout token (OIDC Back-Channel Logout §2.4). It keeps
// logout tokens from passing for ID tokens.
const typeLogout = "logout+jwt"

// logoutClaims are the claims of a logout token. The missing nonce also keeps it from
// passing for an ID token.
type logoutClaims struct {
	Issuer    string       `json:"iss"`
	Subject   string       `json:"sub"`
	Audience  string       `json:"aud"`
	IssuedAt  int64        `json:"iat"`
	Expiry    int64        `json:"exp"`
	ID        string       `json:"jti"`
	SessionID string       `json:"sid,omitempty"` // empty: every session of the person
	Events    logoutEvents `json:"events"`
}

// logoutEvents is the one event of a logout token, an empty object.
type logoutEvents struct {
	Logout struct{} `json:"http://schemas.openid.net/event/backchannel-logout"`
}

// How clients are told of log-outs. A delivery is tried until giveUp after the session ended, first
// after retryFirst and then each time after about twice as long, up to retryMost.
const (
	tokenLifetime = 2 * time.Minute
	pollEvery     = 5 * time.Second // how soon deliveries of other processes, and retries, are found
	lease         = time.Minute     // longer than an attempt can last
	batch         = 16              // told at once
	perClient     = 4               // of one client, so that a dead one leaves room
	retryFirst    = 5 * time.Second
	retryMost     = 2 * time.Hour
	giveUp        = 24 * time.Hour
)

// Config is what [NewDeliveries] needs. All fields are required but those with a default.
type Config struct {
	Issuer  string
	Tokens  *tokens.Issuer
	Store   *store.Store
	Fetch   *fetch.Client
	Log     *slog.Logger
	Now     func() time.Time
	Metrics prometheus.Registerer // nil: attempts are not counted
}

// Deliveries tells clients of sessions that have ended (OIDC Back-Channel Logout §2.5). It is safe
// for concurrent use.
type Deliveries struct {
	Config
	attempts *prometheus.CounterVec
}

// NewDeliveries makes the queue. The error is one of cfg.Metrics.
func NewDeliveries(cfg Config) (*Deliveries, error) {
	attempts, err := newCounter(cfg.Metrics)
	return &Deliveries{cfg, attempts}, err
}

// Run tells clients of sessions that have ended, at once and again until they know, until ctx ends;
// what is under way then is finished first. Every replica may run it.
func (d *Deliveries) Run(ctx context.Context) {
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		for ctx.Err() == nil {
			n, err := d.Deliver(ctx)
			if err != nil && ctx.Err() == nil {
				d.Log.ErrorContext(ctx, "cannot read which clients to tell of log-outs", "error", err)
			}
			if n == 0 {
				break
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-d.Store.Logouts.LogoutsDue():
		case <-poll.C:
		}
	}
}

// Deliver makes one attempt for each of some deliveries that are due, in parallel, and returns how
// many there were.
func (d *Deliveries) Deliver(ctx context.Context) (int, error) {
	taken, err := d.Store.Logouts.TakeLogouts(ctx, lease, batch, perClient)
	if err != nil {
		return 0, err
	}
	ctx = context.WithoutCancel(ctx) // finish what is under way, and note the result
	var attempts sync.WaitGroup
	for _, one := range taken {
		attempts.Go(func() {
			if err := d.attempt(ctx, one); err != nil {
				d.Log.ErrorContext(ctx, "cannot note what came of telling a client of a log-out; it will be told again", "client", one.ClientID, "delivery", one.ID, "error", err)
			}
		})
	}
	attempts.Wait()
	return len(taken), nil
}

// attempt makes one attempt and notes what came of it. The error is the database's.
//
// Every answer but 200 and 204 is tried again, 400 too: a client also answers 400 when its own
// log-out failed (OIDC Back-Channel Logout §2.8), or when it does not know a new key yet. A second
// delivery does no harm; a missing one leaves somebody logged in.
func (d *Deliveries) attempt(ctx context.Context, one outbox.LogoutDelivery) error {
	c, err := d.Store.Clients.Client(ctx, one.ClientID)
	if errors.Is(err, store.ErrNotFound) || (err == nil && c.BackchannelLogoutURI == "") { // it is gone, or no longer wants to know
		return d.Store.Logouts.EndLogout(ctx, one.ID)
	}
	if err != nil {
		return err
	}
	now := d.Now()
	token, err := d.Tokens.Sign(ctx, c.IDTokenSignedResponseAlg, typeLogout, logoutClaims{
		Issuer: d.Issuer, Subject: d.Tokens.Subject(&c, one.UserID), Audience: c.ID, SessionID: one.SessionID,
		IssuedAt: now.Unix(), Expiry: now.Add(tokenLifetime).Unix(),
		// A new ID for each attempt: a client may refuse one that it has seen (§2.6).
		ID: fmt.Sprintf("%s.%d", one.ID, one.Attempts),
	})
	if err != nil {
		return err
	}
	status, err := d.Fetch.Post(ctx, c.BackchannelLogoutURI, url.Values{"logout_token": {token}}, fetch.Cause{Client: c.ID, Stranger: c.Unvouched})
	if err == nil && (status == http.StatusOK || status == http.StatusNoContent) {
		d.attempts.WithLabelValues("delivered").Inc()
		return d.Store.Logouts.EndLogout(ctx, one.ID)
	}
	reason := fmt.Sprintf("it answers with status %d", status)
	if err != nil {
		reason = err.Error()
	}
	next, outcome := d.Now().Add(retryAfter(one.Attempts)), "failed"
	if next.Sub(one.CreatedAt) > giveUp {
		next, outcome = time.Time{}, "given_up"
	}
	d.attempts.WithLabelValues(outcome).Inc()
	d.Log.WarnContext(ctx, "cannot tell a client of a log-out", "client", one.ClientID, "delivery", one.ID, "attempt", one.Attempts, "given_up", next.IsZero(), "error", reason)
	return d.Store.Logouts.PostponeLogout(ctx, one, reason, next)
}

// retryAfter is how long to wait after this many attempts, plus or minus a fifth to spread retries.
func retryAfter(attempts int64) time.Duration {
	wait := retryMost
	if attempts < 16 {
		wait = min(retryFirst<<max(attempts-1, 0), retryMost)
	}
	return wait*4/5 + rand.N(wait*2/5) //nolint:gosec // G404: spreads the load, keeps no secret
}

// newCounter counts attempts to tell clients of log-outs by what came of them.
func newCounter(registry prometheus.Registerer) (*prometheus.CounterVec, error) {
	counter := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "authz_logout_deliveries_total",
		Help: "Attempts to tell a client of a log-out, by outcome: delivered, failed (it is tried again) or given_up.",
	}, []string{"outcome"})
	for _, outcome := range []string{"delivered", "failed", "given_up"} { // start at 0, so that rates work
		counter.WithLabelValues(outcome)
	}
	if registry == nil {
		return counter, nil
	}
	return counter, registry.Register(counter)
}
