package authorize

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/oauth"
	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/grants"
	"github.com/maru-auth/maru/authz-server/internal/tokens"
)

// What can happen to a person's decision while it is being acted on.
var (
	errConsentWithdrawn = oauth.ConsentRequired.Because("the person has just withdrawn their consent")
	errDecisionChanged  = errors.New("the person has just decided anew") // nobody is told
)

// answer sends the answer that was decided.
func (v *visit) answer(decided step) error {
	parameters, err := v.answerOnce(v.r.Context(), decided)
	switch {
	case errors.Is(err, tokens.ErrSessionEnded) && !v.request.prompts("none"):
		return v.wait("/login")
	case errors.Is(err, errConsentWithdrawn) && !v.request.prompts("none"):
		return v.wait("/consent")
	case errors.Is(err, errDecisionChanged): // it is still there: what follows is decided anew
		v.redirect("/oauth2/authorize?" + url.Values{"interaction": {v.waiting.handle}}.Encode())
		return nil
	case errors.Is(err, store.ErrNotFound) && v.waiting != nil: // the person clicked twice
		v.People.LeadOn(v.w, v.r, v.waiting.handle)
		return nil
	case errors.Is(err, store.ErrNotFound):
		return oauth.InvalidRequest.Because("this log-in is completed already; go back to the app")
	case err != nil:
		return v.refuse(err)
	}
	return v.respond(parameters)
}

// answerOnce makes the answer: the parameters of the redirect. The answer and the end of what it
// answers are one transaction, and what the decision depends on is looked at again in it. The order
// matters: [tokens.Issuer.Begin] holds the session first, and code that removes a client or
// withdraws a consent locks rows in the same order, so that there is no deadlock.
// store.ErrNotFound: the request was answered already.
func (v *visit) answerOnce(ctx context.Context, decided step) (parameters url.Values, err error) {
	var place *tokens.Place
	if v.request.asksFor("token") {
		taken, err := v.Tokens.TakePlace(ctx, &v.request.Client)
		if err != nil {
			return nil, err
		}
		place = &taken
	}
	err = v.Store.Tx(ctx, func(ctx context.Context) error {
		var err error
		parameters, err = v.Protocol.Respond(ctx, &v.request.Client, v.request.ResponseType, func(ctx context.Context) (url.Values, error) {
			return v.issue(ctx, decided, place)
		})
		if err != nil {
			return err
		}
		if err := v.spend(ctx); err != nil {
			return err
		}
		if err := v.settleConsent(ctx, decided); err != nil || v.waiting == nil {
			return err
		}
		return v.Store.Interactions.Uncount(ctx, v.waiting.Interaction)
	})
	return parameters, err
}

// issue begins the grant and makes what the response type asks for: "code" (RFC 6749 §4.1.2), and
// with the setting for older ones the implicit and hybrid combinations (OIDC Core §3.2, §3.3),
// whose tokens come in the front channel. place is for an access token.
func (v *visit) issue(ctx context.Context, decided step, place *tokens.Place) (url.Values, error) {
	a, c := v.request, &v.request.Client
	spec := tokens.GrantSpec{
		Client: c, Session: &decided.login.Session, Resources: a.Resources,
		ACR:   a.Proof.Reached(decided.login.AMR),
		Scope: oauth.Intersect(a.Scope, decided.granted), Declined: oauth.Without(a.Scope, decided.granted),
	}
	if a.Form.Has("claims") {
		granted := a.Claims.Only(decided.granted)
		spec.Claims = &granted
	}
	g, err := v.Tokens.NewGrant(spec)
	if err != nil {
		return nil, err
	}
	if err := v.Tokens.Begin(ctx, g, c); err != nil {
		return nil, err
	}
	if err := v.record(ctx, audit.GrantMade, decided, map[string]any{"grant": g.ID, "scope": g.Scope, "audience": g.Audience}); err != nil {
		return nil, err
	}
	parameters, id := url.Values{}, tokens.IDSpec{Nonce: a.Nonce}
	if a.asksFor("code") {
		id.Code = opaque.New()
		err := v.Store.Grants.CreateCode(ctx, opaque.Hash(id.Code), grants.Code{
			Grant: g, RedirectURI: a.RedirectURI, CodeChallenge: a.CodeChallenge, Nonce: a.Nonce, KeyThumbprint: a.KeyThumbprint,
			ExpiresAt: v.Now().Add(v.Tokens.Lifetimes.Code),
		})
		if err != nil {
			return nil, err
		}
		parameters.Set("code", id.Code)
	}
	if a.asksFor("token") {
		var note grants.Note
		want := tokens.AccessSpec{Place: place}
		want.Scope, want.Audience = v.Resources.Apart(v.Resources.Known(g.Scope), g.Audience)
		if id.AccessToken, note, err = v.Tokens.Access(ctx, c, &g, want); err != nil {
			return nil, err
		}
		if err := v.Tokens.Note(ctx, &g, note); err != nil {
			return nil, err
		}
		parameters.Set("access_token", id.AccessToken)
		parameters.Set("token_type", "Bearer")
		parameters.Set("expires_in", strconv.FormatInt(int64(v.Tokens.Lifetimes.AccessToken/time.Second), 10))
		parameters.Set("scope", strings.Join(want.Scope, " "))
	}
	if a.asksFor("id_token") {
		// OIDC Core §5.4: where no access token can be had, the scope's claims are in the ID token.
		id.ScopeClaims = len(a.ResponseType) == 1
		token, err := v.Tokens.ID(ctx, c, &g, id)
		if err != nil {
			return nil, err
		}
		parameters.Set("id_token", token)
	}
	return parameters, nil
}

// spend ends the interaction and the pushed request that are being answered. store.ErrNotFound:
// another request was faster. errDecisionChanged: the person answered otherwise, or took the answer
// back, since it was read.
func (v *visit) spend(ctx context.Context) error {
	if read := v.waiting; read != nil {
		last, err := v.Store.Interactions.SpendInteraction(ctx, read.handle)
		if err != nil {
			return err
		}
		if last.Consent != read.Consent || last.ConsentSID != read.ConsentSID || !slices.Equal(last.ConsentScope, read.ConsentScope) {
			return errDecisionChanged
		}
	}
	if uri := v.request.Form.Get("request_uri"); uri != "" {
		return v.Store.Pushed.SpendPushedRequest(ctx, uri)
	}
	return nil
}

// settleConsent notes what the person just answered, or makes sure that what they allowed before
// still stands.
func (v *visit) settleConsent(ctx context.Context, decided step) error {
	c, userID := &v.request.Client, decided.login.UserID
	switch {
	case decided.answered:
		if err := v.Store.Consents.DecideConsent(ctx, userID, c.ID, decided.granted, decided.declined); err != nil {
			return err
		}
		return v.record(ctx, audit.ConsentGiven, decided, map[string]any{"allowed": decided.granted, "declined": decided.declined})
	case c.Trusted:
		return nil
	}
	err := v.Store.Consents.HoldConsent(ctx, userID, c.ID, decided.granted)
	if errors.Is(err, store.ErrStale) {
		return errConsentWithdrawn
	}
	return err
}

// record notes in the audit log what the person gives to the client.
func (v *visit) record(ctx context.Context, kind audit.Kind, decided step, detail map[string]any) error {
	c := &v.request.Client
	e := audit.OfPerson(kind, v.r, decided.login.UserID, decided.login.User.Email)
	e.Target, e.Proof, e.Detail = audit.Target{Kind: "client", ID: c.ID, Label: c.Name}, decided.login.ACR, detail
	return audit.New(v.Store).Record(ctx, e)
}
