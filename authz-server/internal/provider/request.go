package provider

import (
	"context"
	"encoding/base64"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ory/fosite"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/login"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/httpd"
	"github.com/maru-auth/maru/jwks"
)

// maxParameter is the longest parameter of an authorization request, in bytes; a request object may be as long as the whole form.
// It bounds what is stored and comes back in redirects.
const maxParameter = 2048

// authorization is an authorization request that has been read and checked (RFC 6749 §4.1.1, OIDC Core §3.1.2.1), from
// wherever its parameters came: the query, a form, a pushed request or a request object. Every later step looks at it and
// none at the raw parameters.
type authorization struct {
	Form          url.Values // the parameters, after all references were followed: what an interaction stores
	Client        client.Client
	RedirectURI   string // as sent, and checked to be the client's
	State         string
	Nonce         string
	Scope         []string // without repetitions
	Declined      []string // once the answer is decided: the scopes that are not granted; Scope is without them
	Resources     []string // RFC 8707: the audience is narrowed to these; none: what the scope says
	ResponseType  []string // sorted words, as in "code id_token"
	ResponseMode  string   // "query", "fragment" or "form_post", and ".jwt" behind it with JARM
	CodeChallenge string   // S256; empty: none
	Prompt        []string
	MaxAge        time.Duration // negative: not asked for
	IDTokenHint   string
	Claims        claimsRequest
	KeyThumbprint string // RFC 9449 §10: the code is bound to this DPoP key; empty: to none

	Login      *login.Session // who is logged in; nil: nobody
	LoginKnown bool           // Login was found out

	Waiting *waitingRequest // the interaction that the request comes back from; nil: it is new
}

func (a *authorization) prompts(value string) bool { return slices.Contains(a.Prompt, value) }

func (a *authorization) asksFor(responseType string) bool {
	return slices.Contains(a.ResponseType, responseType)
}

// An unsafeError is about a request whose client or redirect URI is not known to be right: it is shown to the person, and
// never sent to the redirect URI (RFC 6749 §4.1.2.1).
type unsafeError struct{ *fosite.RFC6749Error }

func (e unsafeError) Unwrap() error { return e.RFC6749Error }

// readAuthorization reads and checks the parameters of an authorization request. Checks run in this order: the client, the
// references that it makes (pushed request, request object), its redirect URI (all fail with unsafeError, or nil beside the error), then everything
// whose failure may be told to the client; in that case the authorization is returned beside the error, and has what a
// redirect needs. resumed says that the form comes from an interaction, where references were followed already.
func (s *Server) readAuthorization(ctx context.Context, form url.Values, resumed bool) (*authorization, error) {
	if err := requireOne(form, "client_id"); err != nil {
		return nil, err
	}
	found, _, err := s.clients.Client(ctx, form.Get("client_id"))
	var document *directory.DocumentError
	if errors.As(err, &document) {
		return nil, unsafeError{refuse(fosite.ErrInvalidClient, document.Error())}
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil, unsafeError{refuse(fosite.ErrInvalidClient, "no client has this client_id")}
	}
	if err != nil {
		return nil, err
	}
	if !resumed {
		meant, err := s.followReferences(ctx, &found, form)
		if err != nil {
			return s.outside(found, form), err
		}
		form = meant
	}
	if err := requireOne(form, "redirect_uri"); err != nil {
		return nil, err
	}
	if !found.MatchRedirectURI(form.Get("redirect_uri")) {
		return nil, unsafeError{refuse(fosite.ErrInvalidRequest, "the redirect_uri is not registered for this client; it must be the same to the letter as one that is. Received: "+excerpt(form.Get("redirect_uri")))}
	}

	a := &authorization{Form: form, Client: found, RedirectURI: form.Get("redirect_uri"), MaxAge: -1}
	if len(form["state"]) == 1 { // which of two would be the client's?
		a.State = form.Get("state")
	}
	modeErr := s.readResponseMode(a) // first, for every later refusal is sent in this mode
	if !httpd.FormIsText(form) {     // a request object's
		a.State = ""
		return a, errNotText
	}
	if err := onlyOnce(form); err != nil {
		return a, err
	}
	for _, name := range knownParameters {
		for _, value := range form[name] {
			if len(value) > maxParameter {
				return a, refuse(fosite.ErrInvalidRequest, "the parameter "+name+" is longer than "+strconv.Itoa(maxParameter)+" bytes")
			}
		}
	}
	if modeErr != nil {
		return a, modeErr
	}
	if err := s.checkAuthorization(a); err != nil {
		return a, err
	}
	a.Form = known(form)
	return a, nil
}

// excerpt is the beginning of what a stranger sent, to be shown on a page or in an answer.
func excerpt(text string) string {
	const most = 200 // characters
	for i, n := 0, 0; i < len(text); n++ {
		if n == most {
			return text[:i] + "..."
		}
		_, size := utf8.DecodeRuneInString(text[i:])
		i += size
	}
	return text
}

// knownParameters are those that a later step looks at, or a person's page. Others are ignored (RFC 6749 §3.1), and not stored.
var knownParameters = []string{
	"acr_values", "claims", "claims_locales", "client_id", "code_challenge", "code_challenge_method", "display", "dpop_jkt", "id_token_hint", "login_hint", "max_age",
	"nonce", "prompt", "redirect_uri", "request_uri", "resource", "response_mode", "response_type", "scope", "state", "ui_locales",
}

// known is the form without the parameters that mean nothing here.
func known(form url.Values) url.Values {
	some := url.Values{}
	for _, name := range knownParameters {
		if values, ok := form[name]; ok {
			some[name] = values
		}
	}
	return some
}

// requireOne refuses a request without the parameter, or with two of it.
func requireOne(form url.Values, name string) error {
	switch values := form[name]; {
	case len(values) == 0 || values[0] == "":
		return unsafeError{refuse(fosite.ErrInvalidRequest, "the parameter "+name+" is missing")}
	case len(values) > 1:
		return unsafeError{refuse(fosite.ErrInvalidRequest, "the parameter "+name+" comes more than once")}
	case len(values[0]) > maxParameter:
		return unsafeError{refuse(fosite.ErrInvalidRequest, "the parameter "+name+" is too long")}
	}
	return nil
}

// outside is where to send the refusal of a reference: to the redirect URI that stands beside it, if that is the client's. nil: nowhere.
func (s *Server) outside(c client.Client, form url.Values) *authorization {
	if len(form["redirect_uri"]) != 1 || !c.MatchRedirectURI(form.Get("redirect_uri")) {
		return nil
	}
	a := &authorization{Form: form, Client: c, RedirectURI: form.Get("redirect_uri"), State: form.Get("state")}
	if s.readResponseMode(a) != nil || len(form["state"]) > 1 || len(a.State) > maxParameter {
		return nil
	}
	return a
}

// readResponseMode reads response_type and response_mode (OAuth 2.0 Multiple Response Type Encoding Practices, JARM §4.3).
// Whatever is wrong with them, a.ResponseMode is one that an error can be sent in.
func (s *Server) readResponseMode(a *authorization) error {
	kinds := strings.Fields(a.Form.Get("response_type"))
	slices.Sort(kinds)
	a.ResponseType = slices.Compact(kinds)
	natural := "query"
	if len(a.ResponseType) > 0 && strings.Join(a.ResponseType, " ") != "code" {
		natural = "fragment"
	}
	a.ResponseMode = natural
	switch mode := a.Form.Get("response_mode"); {
	case mode == "":
	case mode == "jwt":
		a.ResponseMode = natural + ".jwt"
	case !slices.Contains(responseModes, mode):
		return refuse(fosite.ErrUnsupportedResponseMode, "response_mode must be one of "+strings.Join(responseModes, ", "))
	// Tokens in a query end up in logs and histories (Multiple Response Types §5); in JARM's query they are signed, and not encrypted either.
	case strings.HasPrefix(mode, "query") && natural == "fragment":
		return refuse(fosite.ErrUnsupportedResponseMode, "response_mode "+mode+" cannot carry this response_type; use fragment or form_post")
	case strings.HasPrefix(mode, "form_post") && browserOrigin(a.RedirectURI) == "":
		return refuse(fosite.ErrUnsupportedResponseMode, "response_mode "+mode+" needs a redirect_uri of http or https: an app cannot be posted to")
	default:
		a.ResponseMode = mode
	}
	return nil
}

// responseModes are those that respond can send.
var responseModes = []string{"query", "fragment", "form_post", "query.jwt", "fragment.jwt", "form_post.jwt", "jwt"}

// responseTypes are those that the server offers, as sorted words.
func (s *Server) responseTypes() []string {
	if s.legacyResponseTypes {
		return []string{"code", "id_token", "id_token token", "code id_token", "code token", "code id_token token"}
	}
	return []string{"code"}
}

// readScope is the words of a scope, each once, if the client is registered for all of them.
func readScope(c *client.Client, text string) ([]string, error) {
	var scopes []string
	registered := c.Scopes()
	for scope := range strings.FieldsSeq(text) { // as many as a body has room for: most of them repetitions
		if !slices.Contains(registered, scope) {
			return nil, refuse(fosite.ErrInvalidScope, "the client is not registered for the scope "+scope)
		}
		if !slices.Contains(scopes, scope) {
			scopes = append(scopes, scope)
		}
	}
	return scopes, nil
}

// checkAuthorization fills in a what its client may be told about.
func (s *Server) checkAuthorization(a *authorization) error {
	form := a.Form
	if form.Has("registration") {
		return refuse(fosite.ErrRegistrationNotSupported, "the parameter registration is not supported")
	}
	if err := s.checkResponseType(a); err != nil {
		return err
	}
	var err error
	if a.Scope, err = readScope(&a.Client, form.Get("scope")); err != nil {
		return err
	}
	if a.asksFor("id_token") && !slices.Contains(a.Scope, "openid") {
		return refuse(fosite.ErrInvalidScope, "a response_type with id_token needs the scope openid")
	}
	a.Resources = form["resource"]
	if _, err := s.narrowAudience(a.Scope, a.Resources); err != nil {
		return err
	}
	if err := s.readChallenge(a); err != nil {
		return err
	}
	a.KeyThumbprint = form.Get("dpop_jkt")
	if a.KeyThumbprint != "" && !isThumbprint(a.KeyThumbprint) {
		return refuse(fosite.ErrInvalidRequest, "dpop_jkt must be the base64url of a SHA-256, without padding (RFC 7638)")
	}
	a.Nonce = form.Get("nonce")
	if a.asksFor("id_token") && a.Nonce == "" {
		return refuse(fosite.ErrInvalidRequest, "a response_type with id_token needs a nonce")
	}
	a.IDTokenHint = form.Get("id_token_hint")
	if text := form.Get("claims"); text != "" {
		if err := jwks.UnmarshalExact([]byte(text), &a.Claims); err != nil {
			return refuse(fosite.ErrInvalidRequest, "the parameter claims must be a JSON object as OpenID Connect Core 5.5 says: "+err.Error())
		}
	}
	return readPrompt(a)
}

// checkResponseType holds the request to what the server offers and the client registered for.
func (s *Server) checkResponseType(a *authorization) error {
	kind := strings.Join(a.ResponseType, " ")
	switch {
	case kind == "":
		return refuse(fosite.ErrInvalidRequest, "the parameter response_type is missing; send response_type=code")
	case !slices.Contains(s.responseTypes(), kind):
		return refuse(fosite.ErrUnsupportedResponseType, "response_type must be one of: "+strings.Join(s.responseTypes(), ", "))
	case !slices.ContainsFunc(a.Client.ResponseTypes, func(registered string) bool {
		words := strings.Fields(registered)
		slices.Sort(words)
		return slices.Equal(words, a.ResponseType)
	}):
		return refuse(fosite.ErrUnauthorizedClient, "the client is not registered for response_type "+kind)
	case a.asksFor("code") && !a.Client.HasGrantType("authorization_code"):
		return refuse(fosite.ErrUnauthorizedClient, "the client is not registered for the grant authorization_code")
	case kind != "code" && !a.Client.HasGrantType("implicit"):
		return refuse(fosite.ErrUnauthorizedClient, "the client is not registered for the grant implicit")
	case a.asksFor("token") && a.Client.DPoPBound: // RFC 9449 §5.2; no key can be proved here
		return refuse(fosite.ErrUnauthorizedClient, "this client's tokens are bound to a key: it gets them at the token endpoint alone, with response_type=code")
	}
	return nil
}

// readPrompt reads what is asked of the log-in (OIDC Core §3.1.2.1).
func readPrompt(a *authorization) error {
	a.Prompt = strings.Fields(a.Form.Get("prompt"))
	for _, prompt := range a.Prompt {
		if !slices.Contains(promptValues, prompt) {
			return refuse(fosite.ErrInvalidRequest, "the parameter prompt knows "+strings.Join(promptValues, ", "))
		}
	}
	if a.prompts("none") && len(a.Prompt) > 1 {
		return refuse(fosite.ErrInvalidRequest, "prompt=none cannot be combined with another value")
	}
	if text := a.Form.Get("max_age"); text != "" {
		seconds, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return refuse(fosite.ErrInvalidRequest, "max_age must be a number of seconds")
		}
		a.MaxAge = time.Duration(seconds) * time.Second
	} else if a.Client.DefaultMaxAge != nil {
		a.MaxAge = time.Duration(*a.Client.DefaultMaxAge) * time.Second
	}
	return nil
}

// promptValues are those of OIDC Core §3.1.2.1 and of Initiating User Registration via OpenID Connect.
var promptValues = []string{"none", "login", "consent", "select_account", "create"}

// vouched tells whether somebody vouched for a client.
func (s *Server) vouched(c *client.Client) bool { return c.Vouched(s.legacyResponseTypes) }

// requiresPKCE tells whether a client must send a code_challenge (RFC 9700 §2.1.1): one that registered for it, every public
// one, and every one that nobody vouched for.
func (s *Server) requiresPKCE(c *client.Client) bool { return c.RequirePKCE || !s.vouched(c) }

// readChallenge checks the PKCE parameters (RFC 7636 §4.3, §4.4.1). Only S256: plain protects against nothing that PKCE is for.
func (s *Server) readChallenge(a *authorization) error {
	challenge, method := a.Form.Get("code_challenge"), a.Form.Get("code_challenge_method")
	switch {
	case challenge == "" && method != "":
		return refuse(fosite.ErrInvalidRequest, "code_challenge_method comes without code_challenge")
	case challenge == "" && s.requiresPKCE(&a.Client) && a.asksFor("code"):
		return refuse(fosite.ErrInvalidRequest, "this client must use PKCE: send code_challenge and code_challenge_method=S256")
	case challenge == "":
		return nil
	case method != "S256":
		return refuse(fosite.ErrInvalidRequest, "code_challenge_method must be S256")
	case !isThumbprint(challenge):
		return refuse(fosite.ErrInvalidRequest, "code_challenge must be the base64url of a SHA-256, without padding")
	}
	a.CodeChallenge = challenge
	return nil
}

// isThumbprint tells whether text is the base64url of 32 bytes, without padding.
func isThumbprint(text string) bool {
	sum, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return err == nil && len(sum) == 32
}

// narrowAudience is the audience of a token with these scopes, narrowed to the resources asked for (RFC 8707 §2).
func (s *Server) narrowAudience(scope, resources []string) ([]string, error) {
	audience := s.audience(scope)
	if len(resources) == 0 {
		return audience, nil
	}
	for _, resource := range resources {
		if !slices.Contains(audience, resource) {
			return nil, refuse(errInvalidTarget, "the resource "+resource+" is unknown, or no scope of the request belongs to it")
		}
	}
	return intersect(audience, resources), nil
}

// errInvalidTarget is RFC 8707 §2's error.
var errInvalidTarget = &fosite.RFC6749Error{ErrorField: "invalid_target", CodeField: 400}
