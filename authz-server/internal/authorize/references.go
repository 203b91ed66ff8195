package authorize

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/fetch"
	"github.com/maru-auth/maru/authz-server/internal/oauth"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/httpd"
	"github.com/maru-auth/maru/jwks/jose"
)

// maxRequestObject is the longest request object, in bytes.
const maxRequestObject = 16 << 10

// followReferences returns the parameters that a request means: those of the pushed request or of
// the request object that it refers to, and otherwise its own.
func (e *Endpoint) followReferences(ctx context.Context, c *client.Client, form url.Values) (url.Values, error) {
	uri := form.Get("request_uri")
	switch {
	case len(form["request"])+len(form["request_uri"]) > 1:
		return nil, oauth.InvalidRequest.Because("send either request or request_uri, and only once")
	case strings.HasPrefix(uri, oauth.PushedPrefix):
		return e.pushedParameters(ctx, c, uri)
	case c.RequirePAR || c.Profile == client.ProfileFAPI2:
		return nil, oauth.InvalidRequest.Because("this client must push its authorization requests to /oauth2/par and send the request_uri that it gets there")
	case uri != "":
		object, err := e.fetchRequestObject(ctx, c, uri)
		if err != nil {
			return nil, err
		}
		return e.openRequestObject(ctx, c, object, form)
	case form.Has("request"):
		return e.openRequestObject(ctx, c, form.Get("request"), form)
	case c.RequireSignedRequestObject:
		return nil, oauth.InvalidRequest.Because("this client must sign its authorization requests: send them as the parameter request")
	}
	return form, nil
}

// pushedParameters returns the parameters of a pushed request of this client. It ignores what comes
// beside the reference (RFC 9126 §4): anybody who can change the query could add a nonce or a
// prompt. The reference stays in the form, to be spent with the answer.
func (e *Endpoint) pushedParameters(ctx context.Context, c *client.Client, uri string) (url.Values, error) {
	pushed, err := e.Store.Pushed.PushedRequest(ctx, uri)
	if errors.Is(err, store.ErrNotFound) || (err == nil && pushed.ClientID != c.ID) {
		return nil, oauth.InvalidRequestURI.Because("the request_uri is unknown, was used, has expired, or belongs to another client; push the request again")
	}
	if err != nil {
		return nil, err
	}
	form := pushed.Form
	form.Set("request_uri", uri)
	return form, nil
}

// fetchRequestObject gets a request object from a URI that the client registered (OIDC Core §6.2).
// A fragment is a hash by which the client tells versions apart; it is not part of the address.
func (e *Endpoint) fetchRequestObject(ctx context.Context, c *client.Client, uri string) (string, error) {
	address, fragment, _ := strings.Cut(uri, "#")
	registered := slices.ContainsFunc(c.RequestURIs, func(known string) bool {
		known, _, _ = strings.Cut(known, "#")
		return known == address
	})
	if !registered {
		return "", oauth.InvalidRequestURI.Because("the request_uri is not among the request_uris that the client registered")
	}
	cause := fetch.Cause{Client: c.ID, Stranger: c.Unvouched, Networks: httpd.Networks(httpd.ClientAddr(ctx))}
	object, err := e.Fetch.GetVersion(ctx, address, fragment, cause)
	if err != nil {
		return "", oauth.InvalidRequestURI.Because("the request_uri cannot be fetched: " + err.Error())
	}
	return strings.TrimSpace(string(object)), nil
}

// openRequestObject verifies a request object (RFC 9101 §6, OIDC Core §6.1) and returns the
// parameters that it means. The object wins over parameters beside it. These fill gaps,
// unless the client must sign everything.
func (e *Endpoint) openRequestObject(ctx context.Context, c *client.Client, object string, beside url.Values) (url.Values, error) {
	rule := directory.Rule{Algs: c.Algorithms(), Types: []string{"", "JWT", "oauth-authz-req+jwt"}, MaxBytes: maxRequestObject}
	if c.RequestObjectSigningAlg != "" {
		rule.Algs = oauth.Intersect(rule.Algs, []string{c.RequestObjectSigningAlg})
	}
	text, _, err := e.Clients.Verify(ctx, c, object, rule)
	if errors.Is(err, directory.ErrInvalid) {
		return nil, oauth.InvalidRequestObject.Because("the request object is refused: " + err.Error())
	}
	if err != nil {
		return nil, err
	}
	form, err := e.requestObjectParameters(c, text)
	if err != nil {
		return nil, oauth.InvalidRequestObject.Because("the request object is refused: " + err.Error())
	}
	for _, name := range []string{"client_id", "response_type"} { // RFC 9101 §5, OIDC Core §6.1: the same, if said twice
		if outside := beside.Get(name); form.Has(name) && outside != "" && outside != form.Get(name) {
			return nil, oauth.InvalidRequest.Because("the parameter " + name + " is not the same inside and outside of the request object")
		}
	}
	form.Set("client_id", c.ID)
	if c.RequireSignedRequestObject || c.Profile == client.ProfileFAPI2 {
		return form, nil
	}
	for name, values := range beside {
		if !form.Has(name) && name != "request" && name != "request_uri" {
			form[name] = values
		}
	}
	return form, nil
}

// requestObjectParameters checks the claims about the object itself and turns the others into
// parameters. A number keeps the digits that were written.
func (e *Endpoint) requestObjectParameters(c *client.Client, text []byte) (url.Values, error) {
	var about struct {
		Issuer    string           `json:"iss"`
		Audience  oauth.Audiences  `json:"aud"`
		Subject   string           `json:"sub"`
		Expiry    jose.NumericDate `json:"exp"`
		NotBefore jose.NumericDate `json:"nbf"`
		IssuedAt  jose.NumericDate `json:"iat"`
	}
	var claims map[string]json.RawMessage
	if err := jose.UnmarshalExact(text, &about); err != nil {
		return nil, fmt.Errorf("its claims cannot be read: %w", err)
	}
	if err := jose.UnmarshalExact(text, &claims); err != nil {
		return nil, errors.New("its claims are not a JSON object")
	}
	now, strict := e.Now(), c.Profile == client.ProfileFAPI2 || c.RequireSignedRequestObject
	const maxAge = time.Hour
	switch {
	case about.Issuer != "" && about.Issuer != c.ID, strict && about.Issuer == "":
		return nil, errors.New("iss must be the client_id")
	case len(about.Audience) > 0 && !slices.Contains(about.Audience, e.Issuer.String()), strict && len(about.Audience) == 0:
		return nil, errors.New("aud must be " + e.Issuer.String())
	case about.Subject != "" && about.Subject == c.ID: // RFC 9101 §10.8: a client assertion is not a request
		return nil, errors.New("sub must not be the client_id: that is a client assertion")
	case (strict || !about.Expiry.IsZero()) && about.Expiry.Past(now):
		return nil, errors.New("exp is missing or past")
	case about.NotBefore.Ahead(now), strict && about.NotBefore.IsZero():
		return nil, errors.New("nbf is missing or ahead")
	case about.IssuedAt.Ahead(now):
		return nil, errors.New("iat is ahead")
	case strict && (now.Sub(about.NotBefore.Time) > maxAge || about.Expiry.Sub(about.NotBefore.Time) > maxAge):
		return nil, errors.New("nbf and exp must be within an hour")
	}
	form := url.Values{}
	for name, value := range claims {
		switch name {
		case "iss", "aud", "sub", "exp", "nbf", "iat", "jti":
			continue
		case "request", "request_uri": // RFC 9101 §4
			return nil, errors.New("it must not contain " + name)
		}
		values, err := parameterValues(value)
		if err != nil {
			return nil, fmt.Errorf("its member %s %w", name, err)
		}
		form[name] = values
	}
	oauth.OmitEmpty(form)
	return form, nil
}

// parameterValues is a member of a request object as a parameter: a string as it is, a number or
// object as its JSON text, an array of strings (as resource may be) as several.
func parameterValues(value json.RawMessage) ([]string, error) {
	var text string
	if json.Unmarshal(value, &text) == nil {
		return []string{text}, nil
	}
	var several []string
	if json.Unmarshal(value, &several) == nil {
		return several, nil
	}
	switch value[0] {
	case '{', '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return []string{string(value)}, nil
	}
	return nil, errors.New("must be a string, a number or an object")
}
