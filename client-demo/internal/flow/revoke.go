package flow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// ErrNoRevocation says that the issuer announces no revocation endpoint.
var ErrNoRevocation = errors.New("the issuer offers no revocation of tokens")

// Revoke has the issuer revoke an access token of s (RFC 7009). The session and its refresh token
// go on: the next call of [Client.Token] gets another access token. It waits for the issuer until
// ctx ends, but no longer than 10 seconds.
//
// Errors: ErrNoRevocation; ErrIssuerDown, after which the token may or may not be revoked; a
// [RefusedError].
func (c *Client) Revoke(ctx context.Context, s *Session, access string) error {
	if err := c.revoke(ctx, access, "access_token"); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tokens.Access == access { // else it was refreshed meanwhile
		now := c.now()
		s.tokens.Expires, s.renewAt = now, now
	}
	return nil
}

func (c *Client) revoke(ctx context.Context, token, hint string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	op, err := c.issuer(ctx)
	if err != nil {
		return err
	}
	if op.RevocationEndpoint == "" {
		return ErrNoRevocation
	}
	form := url.Values{"token": {token}, "token_type_hint": {hint}}
	if c.cfg.ClientSecret == "" {
		form.Set("client_id", c.cfg.ClientID)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, op.RevocationEndpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if c.cfg.ClientSecret != "" {
		req.SetBasicAuth(url.QueryEscape(c.cfg.ClientID), url.QueryEscape(c.cfg.ClientSecret)) // RFC 6749 §2.3.1
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrIssuerDown, briefly(err))
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body) // to the end, so that the connection is used again
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	var refused struct {
		Code        string `json:"error"`
		Description string `json:"error_description"`
	}
	if resp.StatusCode/100 == 4 && json.Unmarshal(text, &refused) == nil && refused.Code != "" {
		return &RefusedError{Code: refused.Code, Description: refused.Description}
	}
	return fmt.Errorf("%w: it answered %d", ErrIssuerDown, resp.StatusCode)
}
