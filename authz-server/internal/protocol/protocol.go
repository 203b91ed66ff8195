// Package protocol runs the core of OAuth 2 on fosite, and is the only package that names it:
// fosite has clients authenticated, finds who answers a grant type or a response type, and refuses
// what nobody answers. What a grant or a response is, other packages say: see [Grant] and
// [Protocol.Respond].
//
// README.md lists what fosite would do by itself, what is done instead, and the tests.
package protocol

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ory/fosite"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/clientauth"
	"github.com/maru-auth/maru/authz-server/internal/oauth"
)

// A Grant answers the token requests of one grant type (RFC 6749 §1.3).
type Grant interface {
	// Type is the value of grant_type.
	Type() string
	// Check decides whether a client that is registered for the type gets tokens, and returns what
	// issues them. It spends nothing: what is good for one use, the Finish spends. An *oauth.Error
	// refuses the request.
	Check(ctx context.Context, request *TokenRequest) (Finish, error)
}

// A Finish spends what a token request was checked to have, and issues the tokens.
type Finish func(ctx context.Context) (*TokenAnswer, error)

// TokenRequest is a request to the token endpoint of a client that authenticated.
type TokenRequest struct {
	Client *client.Client
	Form   url.Values
	Scope  []string          // the words of the parameter scope, each once
	Proof  *clientauth.Proof // the DPoP proof, not spent yet; nil: there is none

	// Remembered says that Client may be a little out of date. If the Grant's Check then returns an
	// error, the client is read and the request checked once more.
	Remembered bool
}

// TokenAnswer is a successful answer of the token endpoint (RFC 6749 §5.1). Empty members are left
// out.
type TokenAnswer struct {
	AccessToken     string
	TokenType       string // "Bearer" or "DPoP"
	ExpiresIn       time.Duration
	Scope           []string
	RefreshToken    string
	IDToken         string // OIDC Core §3.1.3.3
	IssuedTokenType string // RFC 8693 §2.2.1
}

// Config is what a [Protocol] needs.
type Config struct {
	// Authenticate finds the client that a request comes from. An *oauth.Error refuses the request.
	Authenticate func(ctx context.Context, r *http.Request, form url.Values) (*client.Client, error)
	// Remember does the same for token requests, and tells whether the client may be a little out
	// of date. Nil: Authenticate does it.
	Remember func(ctx context.Context, r *http.Request, form url.Values) (c *client.Client, remembered bool, err error)
	Grants   []Grant
}

// Protocol is the core of OAuth 2. It is safe for concurrent use.
type Protocol struct {
	fosite *fosite.Fosite
}

// New sets fosite up. It has no storage, and no settings but these: what reads others is not used.
func New(cfg Config) *Protocol {
	config := &fosite.Config{AuthorizeEndpointHandlers: fosite.AuthorizeEndpointHandlers{responder{}}}
	for _, grant := range cfg.Grants {
		config.TokenEndpointHandlers = append(config.TokenEndpointHandlers, grantHandler{grant}) // fosite's own Append keeps one of each Go type
	}
	config.ClientAuthenticationStrategy = func(ctx context.Context, r *http.Request, form url.Values) (fosite.Client, error) {
		var found *client.Client
		var err error
		if of, ok := ctx.Value(recallKey{}).(*recall); ok && cfg.Remember != nil {
			found, of.remembered, err = cfg.Remember(ctx, r, form)
		} else {
			found, err = cfg.Authenticate(ctx, r, form)
		}
		if err != nil {
			return nil, err
		}
		return fositeClient{found}, nil
	}
	return &Protocol{fosite.NewOAuth2Provider(nil, config)}
}

// Authenticate finds the client that a request to a back-channel endpoint comes from. The form must
// have been read by oauth.ReadPost.
func (p *Protocol) Authenticate(r *http.Request) (*client.Client, error) {
	authenticated, err := p.fosite.AuthenticateClient(r.Context(), r, r.PostForm)
	if err != nil {
		return nil, ours(err)
	}
	return authenticated.(fositeClient).Client, nil // New returns no other
}

// Checked is a token request whose client gets its tokens.
type Checked struct {
	Client     *client.Client
	Remembered bool // the client may be a little out of date

	protocol *Protocol
	request  fosite.AccessRequester
}

// recall is in the context of a token request whose client may be remembered.
type recall struct{ remembered bool }

type recallKey struct{}

// CheckRemembered is Check with a client that may be remembered. That can only let the request in:
// whatever a remembered client is refused, Check decides.
func (p *Protocol) CheckRemembered(r *http.Request, proof *clientauth.Proof) (*Checked, error) {
	of := new(recall)
	checked, err := p.check(context.WithValue(r.Context(), recallKey{}, of), r, proof)
	if !of.remembered {
		return checked, err
	}
	if err != nil {
		return p.Check(r, proof)
	}
	checked.Remembered = true
	return checked, nil
}

// Check authenticates the client of a token request, and has its grant checked. The form must have
// been read by oauth.ReadPost. proof is what [TokenRequest] says of it.
func (p *Protocol) Check(r *http.Request, proof *clientauth.Proof) (*Checked, error) {
	return p.check(r.Context(), r, proof)
}

func (p *Protocol) check(ctx context.Context, r *http.Request, proof *clientauth.Proof) (*Checked, error) {
	request, err := p.fosite.NewAccessRequest(ctx, withoutLists(r), &session{proof: proof, form: r.PostForm})
	if err != nil {
		return nil, ours(err)
	}
	return &Checked{Client: request.GetClient().(fositeClient).Client, protocol: p, request: request}, nil
}

// withoutLists is r as fosite sees it. fosite compares each word of these parameters with all that
// came before it, and does so before it knows who asks: 64 KiB of words took a second. Grants read
// the form.
func withoutLists(r *http.Request) *http.Request {
	seen := r.WithContext(r.Context())
	seen.PostForm = maps.Clone(r.PostForm)
	delete(seen.PostForm, "scope")
	delete(seen.PostForm, "audience")
	return seen
}

// Finish spends what the request has, and issues the tokens: the members of the answer.
func (c *Checked) Finish(ctx context.Context) (map[string]any, error) {
	response, err := c.protocol.fosite.NewAccessResponse(ctx, c.request)
	if err != nil {
		return nil, ours(err)
	}
	return response.ToMap(), nil
}

// Respond answers an authorization request of a client with the parameters that answer returns, if
// that answers all of the response type.
func (p *Protocol) Respond(ctx context.Context, c *client.Client, responseType []string,
	answer func(ctx context.Context) (url.Values, error)) (url.Values, error) {
	request := fosite.NewAuthorizeRequest()
	request.Client = fositeClient{c}
	request.ResponseTypes = responseType
	response, err := p.fosite.NewAuthorizeResponse(ctx, request, &session{answer: answer})
	if err != nil {
		return nil, ours(err)
	}
	return response.GetParameters(), nil
}

// ours is an error that fosite made as one of this server's.
func ours(err error) error {
	var e *fosite.RFC6749Error
	if !errors.As(err, &e) {
		return err
	}
	return oauth.Kind{Code: e.ErrorField, Status: e.CodeField}.Because(strings.TrimSpace(e.DescriptionField + " " + e.HintField))
}
