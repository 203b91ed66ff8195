package provider

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/authz-server/internal/fetch"
	"github.com/maru-auth/maru/authz-server/internal/store"
)

// typeLogout is the type of a logout token (OIDC Back-Channel Logout §2.4). It keeps one from passing for an ID token.
const typeLogout = "logout+jwt"

// logoutClaims are the claims of a logout token. It has no nonce, so that it cannot be taken for an ID token either.
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

// How clients are told of log-outs. A delivery is tried until logoutGiveUp after the session ended, first after
// logoutRetryFirst and then each time after about twice as long, up to logoutRetryMost.
const (
	logoutTokenLifetime = 2 * time.Minute
	logoutPoll          = 5 * time.Second // how soon those are found that another process queued, and those due again
	logoutLease         = time.Minute     // longer than an attempt can last
	logoutBatch         = 16              // told at once
	logoutPerClient     = 4               // of those, one client's: a dead one leaves room
	logoutRetryFirst    = 5 * time.Second
	logoutRetryMost     = 2 * time.Hour
	logoutGiveUp        = 24 * time.Hour
)

// Run tells clients of sessions that have ended, at once and again until they know, until ctx ends; what is under way then
// is finished first. Every replica may run it.
func (s *Server) Run(ctx context.Context) {
	poll := time.NewTicker(logoutPoll)
	defer poll.Stop()
	for {
		for ctx.Err() == nil {
			n, err := s.deliverLogouts(ctx)
			if err != nil && ctx.Err() == nil {
				s.log.ErrorContext(ctx, "cannot read which clients to tell of log-outs", "error", err)
			}
			if n == 0 {
				break
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-s.store.LogoutsDue():
		case <-poll.C:
		}
	}
}

// deliverLogouts makes one attempt for each of some deliveries that are due, in parallel, and returns how many there were.
func (s *Server) deliverLogouts(ctx context.Context) (int, error) {
	taken, err := s.store.TakeLogouts(ctx, logoutLease, logoutBatch, logoutPerClient)
	if err != nil {
		return 0, err
	}
	ctx = context.WithoutCancel(ctx) // an attempt is short, and what came of it should be noted
	var attempts sync.WaitGroup
	for _, one := range taken {
		attempts.Go(func() {
			if err := s.deliverLogout(ctx, one); err != nil {
				s.log.ErrorContext(ctx, "cannot note what came of telling a client of a log-out; it will be told again", "client", one.ClientID, "delivery", one.ID, "error", err)
			}
		})
	}
	attempts.Wait()
	return len(taken), nil
}

// deliverLogout makes one attempt and notes what came of it. The error is the database's.
//
// Every answer but 200 and 204 is tried again, 400 too: OIDC Back-Channel Logout §2.8 has a client answer that also when
// its own log-out failed, and one that does not know our new key yet will know it later. A token that is told twice does no
// harm, one that is not told leaves somebody logged in.
func (s *Server) deliverLogout(ctx context.Context, d store.LogoutDelivery) error {
	c, err := s.store.Client(ctx, d.ClientID)
	if errors.Is(err, store.ErrNotFound) || (err == nil && c.BackchannelLogoutURI == "") { // it has gone, or wants to know no more
		return s.store.EndLogout(ctx, d.ID)
	}
	if err != nil {
		return err
	}
	now := s.now()
	token, err := s.signAs(ctx, c.IDTokenSignedResponseAlg, typeLogout, logoutClaims{
		Issuer: s.issuer, Subject: s.subject(&c, d.UserID), Audience: c.ID, SessionID: d.SessionID,
		IssuedAt: now.Unix(), Expiry: now.Add(logoutTokenLifetime).Unix(),
		// One of its own for each attempt: a client may refuse one that it has seen (§2.6).
		ID: fmt.Sprintf("%s.%d", d.ID, d.Attempts),
	})
	if err != nil {
		return err
	}
	status, err := s.fetch.Post(ctx, c.BackchannelLogoutURI, url.Values{"logout_token": {token}}, fetch.Cause{Client: c.ID, Stranger: c.Unvouched})
	if err == nil && (status == http.StatusOK || status == http.StatusNoContent) {
		s.logouts.WithLabelValues("delivered").Inc()
		return s.store.EndLogout(ctx, d.ID)
	}
	reason := fmt.Sprintf("it answers with status %d", status)
	if err != nil {
		reason = err.Error()
	}
	next, outcome := s.now().Add(retryAfter(d.Attempts)), "failed"
	if next.Sub(d.CreatedAt) > logoutGiveUp {
		next, outcome = time.Time{}, "given_up"
	}
	s.logouts.WithLabelValues(outcome).Inc()
	s.log.WarnContext(ctx, "cannot tell a client of a log-out", "client", d.ClientID, "delivery", d.ID, "attempt", d.Attempts, "given_up", next.IsZero(), "error", reason)
	return s.store.PostponeLogout(ctx, d, reason, next)
}

// retryAfter is how long to wait after so many attempts, give or take a fifth, so that many that failed at once do not come back at once.
func retryAfter(attempts int64) time.Duration {
	wait := logoutRetryMost
	if attempts < 16 {
		wait = min(logoutRetryFirst<<max(attempts-1, 0), logoutRetryMost)
	}
	return wait*4/5 + rand.N(wait*2/5) //nolint:gosec // G404: spreads the load, keeps no secret
}

// newLogoutCounter counts attempts to tell clients of log-outs by what came of them.
func newLogoutCounter(registry prometheus.Registerer) (*prometheus.CounterVec, error) {
	counter := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "authz_logout_deliveries_total",
		Help: "Attempts to tell a client of a log-out, by outcome: delivered, failed (it is tried again) or given_up.",
	}, []string{"outcome"})
	for _, outcome := range []string{"delivered", "failed", "given_up"} { // so that a rate can be taken from the first on
		counter.WithLabelValues(outcome)
	}
	if registry == nil {
		return counter, nil
	}
	return counter, registry.Register(counter)
}
