package tokenendpoint

import (
	"context"
	"errors"
	"slices"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/oauth"
	"github.com/maru-auth/maru/authz-server/internal/protocol"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/grants"
	"github.com/maru-auth/maru/authz-server/internal/tokens"
)

// refreshGrant exchanges a refresh token for new tokens (RFC 6749 §6). Every token is used once
// (RFC 9700 §4.14.2). Within the grace window a repeated refresh gets the same successor, so that a
// client that lost the answer, or asks twice at once, is not taken for a thief; after it, a second
// use ends the grant.
type refreshGrant struct{ *Config }

func (*refreshGrant) Type() string { return "refresh_token" }

func (cfg *refreshGrant) Check(ctx context.Context, request *protocol.TokenRequest) (protocol.Finish, error) {
	token := request.Form.Get("refresh_token")
	if token == "" {
		return nil, oauth.InvalidRequest.Because("the parameter refresh_token is missing")
	}
	p, err := cfg.find(ctx, token)
	if err != nil {
		return nil, err
	}
	g := &p.Grant
	if g.ClientID != request.Client.ID {
		return nil, oauth.InvalidGrant.Because("the refresh token was issued to another client")
	}
	if err := current(request, g); err != nil {
		return nil, err
	}
	if !p.Live(cfg.Now()) {
		return nil, errRefreshOver
	}
	scope, err := narrow(g, request.Scope)
	if err != nil {
		return nil, err
	}
	ungranted, err := cfg.Store.Roles.Ungranted(ctx, g.UserID, g.Scope)
	if err != nil {
		return nil, err
	}
	if len(ungranted) > 0 {
		return cfg.endUngranted(g), nil
	}
	if err := requireKey(request.Proof, g.KeyThumbprint); err != nil {
		return nil, err
	}
	want, err := cfg.narrowAccess(request, g, scope)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*protocol.TokenAnswer, error) {
		return cfg.refresh(ctx, request, p, want)
	}, nil
}

// endUngranted ends a grant of scopes that its person cannot grant any more. Whoever loses the role
// loses the grant; this one was just beginning, or is from a release that left it. It is not to work
// again when the role comes back.
func (cfg *refreshGrant) endUngranted(g *grants.Grant) protocol.Finish {
	return func(ctx context.Context) (*protocol.TokenAnswer, error) {
		if _, err := cfg.Store.Grants.RevokeGrant(ctx, g.ID); err != nil {
			return nil, err
		}
		return nil, errRefreshOver
	}
}

var (
	errRefreshOver  = oauth.InvalidGrant.Because("the refresh token has expired, or its grant was revoked; let the person log in again")
	errKeyWithdrawn = oauth.InvalidGrant.Because("the key that signed the refresh token was withdrawn; let the person log in again")
)

// find is FindRefresh with the refusal of a token that is not one.
func (cfg *refreshGrant) find(ctx context.Context, token string) (*tokens.Presented, error) {
	p, err := cfg.Tokens.FindRefresh(ctx, token)
	if errors.Is(err, tokens.ErrWithdrawn) {
		return nil, errKeyWithdrawn
	}
	if errors.Is(err, tokens.ErrInvalid) {
		return nil, oauth.InvalidGrant.Because("the refresh token is not one of this server, or is gone")
	}
	return p, err
}

// narrow returns the requested part of a grant's scope, or all of it when nothing is requested (RFC
// 6749 §6). Many clients send their configured scope at every refresh: what the person did not
// allow is left out, and the answer says so (§3.3). Only a scope that was never asked for is
// refused.
func narrow(g *grants.Grant, requested []string) ([]string, error) {
	if len(requested) == 0 {
		return g.Scope, nil
	}
	for _, scope := range requested {
		if !slices.Contains(g.Scope, scope) && !slices.Contains(g.Declined, scope) {
			return nil, oauth.InvalidScope.Because("the scope " + scope + " was not asked for when the person logged in; a refresh can narrow the scope and never widen it")
		}
	}
	scope := oauth.Intersect(g.Scope, requested)
	if len(scope) == 0 {
		return nil, oauth.InvalidScope.Because("the person allowed nothing of this scope")
	}
	return scope, nil
}

// refresh issues the new tokens of a grant, for its refresh token p.
func (cfg *refreshGrant) refresh(ctx context.Context, request *protocol.TokenRequest, p *tokens.Presented,
	want tokens.AccessSpec) (*protocol.TokenAnswer, error) {
	c, g := request.Client, &p.Grant
	unused := p.UsedAt.IsZero()
	keeps := c.Profile == client.ProfileFAPI2 && unused // one that was used before the client got this profile stays used
	answer := cfg.answer("", want)
	var note grants.Note
	var next successor
	err := cfg.Tokens.Together(func() (err error) {
		if unused && !keeps {
			answer.AccessToken, note, err = cfg.Tokens.Access(ctx, c, g, want)
		} else {
			answer.AccessToken, err = cfg.Tokens.AccessAgain(ctx, c, g, want)
		}
		if err != nil || !slices.Contains(want.Scope, "openid") {
			return err
		}
		// OIDC Core §12.2: auth_time stays, and the nonce is left out.
		answer.IDToken, err = cfg.Tokens.ID(ctx, c, g, tokens.IDSpec{AccessToken: answer.AccessToken})
		return err
	}, func() (err error) {
		if unused && !keeps {
			next.text, next.row, err = cfg.Tokens.Refresh(ctx, c, g)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	token := request.Form.Get("refresh_token")
	if keeps {
		answer.RefreshToken = token
		return answer, cfg.keep(ctx, c, g)
	}
	if answer.RefreshToken, err = cfg.rotate(ctx, c, p, token, next, note); err != nil {
		return nil, err
	}
	return answer, cfg.Tokens.ConfirmRoles(ctx, g, answer.AccessToken)
}

// keep leaves a grant its refresh token. FAPI 2.0 Security Profile §5.3.2.1 no. 9: no rotation; the
// token is bound to the client's authentication already.
func (cfg *refreshGrant) keep(ctx context.Context, c *client.Client, g *grants.Grant) error {
	return cfg.Store.Tx(ctx, func(ctx context.Context) error {
		if err := cfg.keepSession(ctx, c, g); err != nil {
			return err
		}
		kept, err := cfg.Store.Grants.KeepRefreshToken(ctx, g.ID, g.Refresh.Number)
		if err == nil && !kept {
			err = errRefreshOver
		}
		return err
	})
}

// A successor is the next refresh token of a grant, signed before the one before it is spent, so
// that a failing signature loses nothing.
type successor struct {
	text string
	row  grants.RefreshToken
}

// rotate exchanges the refresh token p, with that text, for its successor: for next if it is unused,
// and within the grace window for the same again. The note is of the access token that comes with
// it.
func (cfg *refreshGrant) rotate(ctx context.Context, c *client.Client, p *tokens.Presented, text string, next successor, note grants.Note) (string, error) {
	if p.UsedAt.IsZero() {
		won, err := cfg.exchange(ctx, c, p, next.row, note)
		if err != nil || won {
			return next.text, err
		}
		// Another request was faster. What it left is the newest state, and what follows is decided
		// from that.
		if p, err = cfg.find(ctx, text); err != nil {
			return "", err
		}
	}
	g := &p.Grant
	if p.UsedAt.IsZero() || !g.Live(cfg.Now()) {
		return "", errRefreshOver
	}
	if !cfg.Tokens.Reused(p) {
		if note.Status != "" { // it lost the race, and nothing was spent for its access token
			if err := cfg.Tokens.Note(ctx, g, note); err != nil {
				return "", err
			}
		}
		successor, err := cfg.Tokens.RefreshAgain(ctx, c, p)
		if errors.Is(err, tokens.ErrWithdrawn) {
			err = errKeyWithdrawn
		}
		return successor, err
	}
	revoked, err := cfg.stolen(ctx, audit.RefreshReused, c.Name, g)
	if err != nil {
		return "", err
	}
	if revoked {
		cfg.Log.WarnContext(ctx, "a refresh token was used again; its grant is revoked", "grant", g.ID, "client", g.ClientID)
	}
	return "", oauth.InvalidGrant.Because("the refresh token was used before; the grant is revoked, let the person log in again")
}

// exchange spends the unused token p. Of several calls one wins.
func (cfg *refreshGrant) exchange(ctx context.Context, c *client.Client, p *tokens.Presented, next grants.RefreshToken, note grants.Note) (won bool, err error) {
	err = cfg.Store.Tx(ctx, func(ctx context.Context) error {
		if err := cfg.keepSession(ctx, c, &p.Grant); err != nil {
			return err
		}
		won, err = cfg.Tokens.RotateRefresh(ctx, p, next, note)
		return err
	})
	return won && err == nil, err
}

// keepSession counts a refresh as use of the login session that the grant depends on. If the
// session is over, so is the grant, unless the person agreed to offline access and the client is
// still registered for it.
func (cfg *refreshGrant) keepSession(ctx context.Context, c *client.Client, g *grants.Grant) error {
	if g.Offline && slices.Contains(c.Scopes(), "offline_access") {
		return nil
	}
	err := cfg.Store.Sessions.ContinueSession(ctx, g.SessionID)
	if errors.Is(err, store.ErrNotFound) {
		return oauth.InvalidGrant.Because("the login session has ended; let the person log in again")
	}
	return err
}

// stolen ends a grant of which something came twice that is good once, and says so in the audit log.
func (cfg *Config) stolen(ctx context.Context, kind audit.Kind, client string, g *grants.Grant) (revoked bool, err error) {
	return revoked, cfg.Store.Tx(ctx, func(ctx context.Context) error {
		if revoked, err = cfg.Store.Grants.RevokeGrant(ctx, g.ID); err != nil || !revoked {
			return err
		}
		e := audit.OfClient(ctx, kind, g.ClientID, client)
		e.Person, e.Detail = g.UserID, map[string]any{"grant": g.ID}
		return audit.New(cfg.Store).Record(ctx, e)
	})
}
