package flow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/oauth2"
)

const (
	renewRetry    = 5 * time.Second  // after a refresh that got no answer
	renewInterval = 10 * time.Second // between refreshes because a service refused a token
)

// renewal is a refresh under way; all who need its outcome wait for it.
type renewal struct {
	done chan struct{}
	err  error // set before done is closed
}

// Token returns an access token of s that has not expired, and refreshes it in time. If refused is
// not empty, it is a token that a service has just refused: Token returns another if there is one.
// Of many callers one refreshes and the rest wait, because a refresh token is good for one use.
// While the old access token is good, nobody waits.
//
// Errors: ErrLoginAgain when the issuer has ended the session, which ends it here too;
// ErrIssuerDown when the token has expired and the issuer does not answer, which leaves the session
// as it is.
func (c *Client) Token(ctx context.Context, s *Session, refused string) (string, error) {
	for waited := false; ; waited = true {
		s.mu.Lock()
		if s.ended {
			s.mu.Unlock()
			return "", ErrLoginAgain
		}
		now := c.now()
		access := s.tokens.Access
		good := now.Before(s.tokens.Expires) && access != refused
		again := access == refused && access != "" && now.Sub(s.refusedAt) >= renewInterval
		due := !now.Before(s.renewAt) || again
		if due && s.renewal == nil && !now.Before(s.retryAt) && !waited && s.tokens.Refresh != "" {
			if again {
				s.refusedAt = now
			}
			s.renewal = &renewal{done: make(chan struct{})}
			renewing := s.renewal
			c.renewals.Go(func() { c.renew(s, renewing) })
		}
		under := s.renewal
		refreshable := s.tokens.Refresh != ""
		s.mu.Unlock()

		switch {
		case good:
			return access, nil
		case under != nil:
			select {
			case <-under.done:
				if under.err != nil {
					return "", under.err
				}
			case <-ctx.Done():
				return "", ctx.Err()
			}
		case access == refused && now.Before(s.Tokens().Expires):
			return access, nil // there is no other yet
		case !refreshable:
			c.end(s)
			return "", ErrLoginAgain
		default:
			return "", ErrIssuerDown
		}
	}
}

// renew refreshes the tokens of s. It goes on when the request that caused it ends: the issuer may
// already have rotated the refresh token, and only the answer has the new one.
func (c *Client) renew(s *Session, r *renewal) {
	err := c.refresh(s)
	if errors.Is(err, ErrLoginAgain) {
		c.end(s)
	}
	if err != nil {
		c.log.Warn("cannot refresh a session's tokens", "error", err)
	}
	s.mu.Lock()
	if err != nil {
		s.retryAt = c.now().Add(renewRetry)
	}
	s.renewal = nil
	r.err = err
	s.mu.Unlock()
	close(r.done)
}

func (c *Client) refresh(s *Session) error {
	ctx, cancel := c.issuerContext(context.Background())
	defer cancel()
	op, err := c.issuer(ctx)
	if err != nil {
		return err
	}
	old := s.Tokens()
	answer, err := op.oauth.TokenSource(ctx, &oauth2.Token{RefreshToken: old.Refresh}).Token()
	if err != nil {
		err = tokenError(err)
		var refused *RefusedError
		if errors.As(err, &refused) && refused.Code == "invalid_grant" { // RFC 6749 §5.2: expired, revoked, or used before
			return fmt.Errorf("%w: %w", ErrLoginAgain, err)
		}
		if refused != nil { // the client is set up wrongly, which is not the person's fault
			return fmt.Errorf("%w: %w", ErrIssuerDown, err)
		}
		return err
	}
	raw, _ := answer.Extra("id_token").(string)
	if raw != "" {
		// OpenID Connect Core §12.2: the subject must stay the same.
		identity, err := c.verifyIDToken(ctx, op, raw, answer.AccessToken)
		if errors.Is(err, ErrIssuerDown) {
			s.keepRefresh(answer.RefreshToken)
			return err
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrLoginAgain, err)
		}
		if identity.Subject != s.Subject {
			return fmt.Errorf("%w: the refreshed ID token names another person", ErrLoginAgain)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.store(c.now(), answer, raw, c.cfg.Scopes)
	}
	return nil
}
