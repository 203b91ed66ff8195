package oauth

import (
	"context"
	"encoding/base64"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ory/fosite"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/store"
)

// maxParameter is the longest parameter of an authorization request, in bytes. It bounds what is stored and comes back in redirects.
const maxParameter = 2048

// authorization is an authorization request that has been read and checked (RFC 6749 §4.1.1, OIDC Core §3.1.2.1). Every
// later step looks at it and none at the raw parameters.
type authorization struct {
	Form          url.Values // the parameters as sent: what an interaction stores
	Client        client.Client
	RedirectURI   string // as sent, and checked to be the client's
	State         string
	Nonce         string
	Scope         []string // without repetitions
	ResponseType  string
	CodeChallenge string // S256; empty: none
	Prompt        []string
	MaxAge        time.Duration // negative: not asked for
	IDTokenHint   string
}

func (a *authorization) prompts(value string) bool { return slices.Contains(a.Prompt, value) }

// An unsafeError is about a request whose client or redirect URI is not known to be right: it is shown to the person, and
// never sent to the redirect URI (RFC 6749 §4.1.2.1).
type unsafeError struct{ *fosite.RFC6749Error }

func (e unsafeError) Unwrap() error { return e.RFC6749Error }

// readAuthorization reads and checks the parameters of an authorization request. Checks run in this order: the client,
// its redirect URI (both fail with unsafeError), then everything whose failure may be told to the client; in that case the
// authorization is returned beside the error, and has what a redirect needs.
func (s *Server) readAuthorization(ctx context.Context, form url.Values) (*authorization, error) {
	for _, name := range []string{"client_id", "redirect_uri"} {
		switch values := form[name]; {
		case len(values) == 0 || values[0] == "":
			return nil, unsafeError{refuse(fosite.ErrInvalidRequest, "the parameter "+name+" is missing")}
		case len(values) > 1:
			return nil, unsafeError{refuse(fosite.ErrInvalidRequest, "the parameter "+name+" comes more than once")}
		case len(values[0]) > maxParameter:
			return nil, unsafeError{refuse(fosite.ErrInvalidRequest, "the parameter "+name+" is too long")}
		}
	}
	found, err := s.store.Client(ctx, form.Get("client_id"))
	if errors.Is(err, store.ErrNotFound) {
		return nil, unsafeError{refuse(fosite.ErrInvalidClient, "no client has this client_id")}
	}
	if err != nil {
		return nil, err
	}
	if !found.MatchRedirectURI(form.Get("redirect_uri")) {
		return nil, unsafeError{refuse(fosite.ErrInvalidRequest, "the redirect_uri is not registered for this client; it must be the same to the letter")}
	}

	a := &authorization{Form: form, Client: found, RedirectURI: form.Get("redirect_uri"), State: form.Get("state"), MaxAge: -1}
	if err := onlyOnce(form); err != nil {
		a.State = "" // which of two states would be the client's?
		if len(form["state"]) == 1 {
			a.State = form.Get("state")
		}
		return a, err
	}
	for name, values := range form {
		if len(values[0]) > maxParameter {
			return a, refuse(fosite.ErrInvalidRequest, "the parameter "+name+" is longer than "+strconv.Itoa(maxParameter)+" bytes")
		}
	}
	return a, s.checkAuthorization(a)
}

// checkAuthorization fills in a what its client may be told about.
func (s *Server) checkAuthorization(a *authorization) error {
	form := a.Form
	// Never ignored: a client that signs its request relies on it (OIDC Core §6.1, §6.2).
	if form.Has("request") {
		return refuse(fosite.ErrRequestNotSupported, "request objects are not supported; send the parameters in the query")
	}
	if form.Has("request_uri") {
		return refuse(fosite.ErrRequestURINotSupported, "request_uri is not supported; send the parameters in the query")
	}
	if form.Has("registration") {
		return refuse(fosite.ErrRegistrationNotSupported, "the parameter registration is not supported")
	}

	switch a.ResponseType = form.Get("response_type"); {
	case a.ResponseType == "":
		return refuse(fosite.ErrInvalidRequest, "the parameter response_type is missing; send response_type=code")
	case a.ResponseType != "code" || !slices.Contains(a.Client.ResponseTypes, "code"):
		return refuse(fosite.ErrUnsupportedResponseType, "response_type must be code, and the client registered for it")
	case !slices.Contains(a.Client.GrantTypes, "authorization_code"):
		return refuse(fosite.ErrUnauthorizedClient, "the client is not registered for the grant authorization_code")
	}
	if mode := form.Get("response_mode"); mode != "" && mode != "query" {
		return refuse(fosite.ErrUnsupportedResponseMode, "response_mode must be query")
	}

	for _, scope := range strings.Fields(form.Get("scope")) {
		if !slices.Contains(a.Client.Scopes(), scope) {
			return refuse(fosite.ErrInvalidScope, "the client is not registered for the scope "+scope)
		}
		if !slices.Contains(a.Scope, scope) {
			a.Scope = append(a.Scope, scope)
		}
	}

	if err := readChallenge(a); err != nil {
		return err
	}

	a.Nonce = form.Get("nonce")
	a.IDTokenHint = form.Get("id_token_hint")
	a.Prompt = strings.Fields(form.Get("prompt"))
	for _, prompt := range a.Prompt {
		if !slices.Contains(promptValues, prompt) {
			return refuse(fosite.ErrInvalidRequest, "the parameter prompt knows "+strings.Join(promptValues, ", "))
		}
	}
	if a.prompts("none") && len(a.Prompt) > 1 {
		return refuse(fosite.ErrInvalidRequest, "prompt=none cannot be combined with another value")
	}
	if text := form.Get("max_age"); text != "" {
		seconds, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return refuse(fosite.ErrInvalidRequest, "max_age must be a number of seconds")
		}
		a.MaxAge = time.Duration(seconds) * time.Second
	}
	return nil
}

// promptValues are those of OIDC Core §3.1.2.1 and of Initiating User Registration via OpenID Connect.
var promptValues = []string{"none", "login", "consent", "select_account", "create"}

// readChallenge checks the PKCE parameters (RFC 7636 §4.3, §4.4.1). Only S256: plain protects against nothing that PKCE is for.
func readChallenge(a *authorization) error {
	challenge, method := a.Form.Get("code_challenge"), a.Form.Get("code_challenge_method")
	switch {
	case challenge == "" && method != "":
		return refuse(fosite.ErrInvalidRequest, "code_challenge_method comes without code_challenge")
	case challenge == "" && a.Client.RequirePKCE:
		return refuse(fosite.ErrInvalidRequest, "this client must use PKCE: send code_challenge and code_challenge_method=S256")
	case challenge == "":
		return nil
	case method != "S256":
		return refuse(fosite.ErrInvalidRequest, "code_challenge_method must be S256")
	}
	if sum, err := base64.RawURLEncoding.Strict().DecodeString(challenge); err != nil || len(sum) != 32 {
		return refuse(fosite.ErrInvalidRequest, "code_challenge must be the base64url of a SHA-256, without padding")
	}
	a.CodeChallenge = challenge
	return nil
}
