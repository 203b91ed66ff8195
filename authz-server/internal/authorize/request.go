package authorize

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/oauth"
	"github.com/maru-auth/maru/authz-server/internal/proofs"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/tokens"
	"github.com/maru-auth/maru/internal/httpd"
	"github.com/maru-auth/maru/jwks/jose"
)

// request is an authorization request that has been read and checked (RFC 6749 §4.1.1, OIDC Core
// §3.1.2.1), from wherever its parameters came: the query, a form, a pushed request or a request
// object. Later steps look only at it, never at the raw parameters.
type request struct {
	Form          url.Values // the parameters, with all references followed; an interaction stores them
	Client        client.Client
	RedirectURI   string // as sent, and checked to be the client's
	State         string
	Nonce         string
	Scope         []string // without repetitions
	Resources     []string // RFC 8707: the audience is narrowed to these; none: what the scope says
	ResponseType  []string // sorted words, as in "code id_token"
	ResponseMode  string   // "query", "fragment" or "form_post", and ".jwt" behind it with JARM
	CodeChallenge string   // S256; empty: none
	Prompt        []string
	MaxAge        time.Duration // negative: not asked for
	IDTokenHint   string
	Claims        tokens.ClaimsRequest
	Proof         proofs.Request // what is demanded of the log-in, beyond its age
	KeyThumbprint string         // RFC 9449 §10: the code is bound to this DPoP key; empty: to none
}

func (a *request) prompts(value string) bool { return slices.Contains(a.Prompt, value) }

// wantsFresh tells whether the log-in may be at most maxAge old.
func (a *request) wantsFresh() bool { return a.prompts("login") || a.MaxAge >= 0 }

// maxAge is how old the log-in may be, if wantsFresh; 0: it must follow the request.
func (a *request) maxAge() time.Duration {
	if a.prompts("login") {
		return 0
	}
	return max(a.MaxAge, 0)
}

func (a *request) asksFor(responseType string) bool {
	return slices.Contains(a.ResponseType, responseType)
}

// readRequest reads and checks the parameters of an authorization request, in this order: the
// client, the references that it makes (pushed request, request object) and its redirect URI, whose
// failures are for a page; then everything whose failure may be told to the client. In that case
// the request is returned beside the error, and has what a redirect needs. followed says that the
// references were followed already: the form comes from an interaction, or from a push.
func (e *Endpoint) readRequest(ctx context.Context, form url.Values, followed bool) (*request, error) {
	if err := requireOne(form, "client_id"); err != nil {
		return nil, err
	}
	found, _, err := e.Clients.Client(ctx, form.Get("client_id"))
	var document *directory.DocumentError
	if errors.As(err, &document) {
		return nil, oauth.InvalidClient.OnPage(document.Error())
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil, oauth.InvalidClient.OnPage("no client has this client_id")
	}
	if err != nil {
		return nil, err
	}
	if !followed {
		meant, err := e.followReferences(ctx, &found, form)
		if err != nil {
			return outside(found, form), err
		}
		form = meant
	}
	if err := requireOne(form, "redirect_uri"); err != nil {
		return nil, err
	}
	if !found.MatchRedirectURI(form.Get("redirect_uri")) {
		return nil, oauth.InvalidRequest.OnPage("the redirect_uri is not registered for this client; it must be the same to the letter as one that is. Received: " + oauth.Excerpt(form.Get("redirect_uri")))
	}

	a := &request{Form: form, Client: found, RedirectURI: form.Get("redirect_uri"), MaxAge: -1}
	if len(form["state"]) == 1 { // of two, we could not tell which is the client's
		a.State = form.Get("state")
	}
	modeErr := readResponseMode(a) // first, because later refusals are sent in this mode
	if !httpd.FormIsText(form) {   // a request object's
		a.State = ""
		return a, oauth.ErrNotText
	}
	if err := oauth.OnlyOnce(form); err != nil {
		return a, err
	}
	for _, name := range knownParameters {
		for _, value := range form[name] {
			if len(value) > oauth.MaxParameter {
				return a, oauth.InvalidRequest.Because("the parameter " + name + " is longer than " + strconv.Itoa(oauth.MaxParameter) + " bytes")
			}
		}
	}
	if modeErr != nil {
		return a, modeErr
	}
	if err := e.checkRequest(a); err != nil {
		return a, err
	}
	a.Form = oauth.Only(form, knownParameters)
	return a, nil
}

// readParameters are the parameters that readRequest looks at.
var readParameters = append([]string{"interaction", "registration", "request"}, knownParameters...)

// knownParameters are the parameters that later steps and pages look at. Others are ignored (RFC
// 6749 §3.1), and not stored.
var knownParameters = []string{
	"acr_values", "claims", "claims_locales", "client_id", "code_challenge", "code_challenge_method", "display", "dpop_jkt", "id_token_hint", "login_hint", "max_age",
	"nonce", "prompt", "redirect_uri", "request_uri", "resource", "response_mode", "response_type", "scope", "state", "ui_locales",
}

// requireOne refuses a request that lacks the parameter or repeats it.
func requireOne(form url.Values, name string) error {
	switch values := form[name]; {
	case len(values) == 0 || values[0] == "":
		return oauth.InvalidRequest.OnPage("the parameter " + name + " is missing")
	case len(values) > 1:
		return oauth.InvalidRequest.OnPage("the parameter " + name + " comes more than once")
	case len(values[0]) > oauth.MaxParameter:
		return oauth.InvalidRequest.OnPage("the parameter " + name + " is too long")
	}
	return nil
}

// outside returns where to send the refusal of a reference: the redirect URI beside it, if that is
// the client's. nil: nowhere.
func outside(c client.Client, form url.Values) *request {
	if len(form["redirect_uri"]) != 1 || !c.MatchRedirectURI(form.Get("redirect_uri")) {
		return nil
	}
	a := &request{Form: form, Client: c, RedirectURI: form.Get("redirect_uri"), State: form.Get("state")}
	if readResponseMode(a) != nil || len(form["state"]) > 1 || len(a.State) > oauth.MaxParameter {
		return nil
	}
	return a
}

// readResponseMode reads response_type and response_mode (OAuth 2.0 Multiple Response Type Encoding
// Practices, JARM §4.3). Whatever is wrong with them, a.ResponseMode is one that an error can be
// sent in.
func readResponseMode(a *request) error {
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
	case !slices.Contains(ResponseModes, mode):
		return oauth.UnsupportedResponseMode.Because("response_mode must be one of " + strings.Join(ResponseModes, ", "))
	// Tokens in a query end up in logs and histories (Multiple Response Types §5). In JARM's query
	// they would be signed, but not encrypted.
	case strings.HasPrefix(mode, "query") && natural == "fragment":
		return oauth.UnsupportedResponseMode.Because("response_mode " + mode + " cannot carry this response_type; use fragment or form_post")
	case strings.HasPrefix(mode, "form_post") && browserOrigin(a.RedirectURI) == "":
		return oauth.UnsupportedResponseMode.Because("response_mode " + mode + " needs a redirect_uri of http or https: an app cannot be posted to")
	default:
		a.ResponseMode = mode
	}
	return nil
}

// ResponseModes are those that an answer can be sent in.
var ResponseModes = []string{"query", "fragment", "form_post", "query.jwt", "fragment.jwt", "form_post.jwt", "jwt"}

// checkRequest reads the parameters whose errors the client may be told.
func (e *Endpoint) checkRequest(a *request) error {
	form := a.Form
	if form.Has("registration") {
		return oauth.RegistrationNotSupported.Because("the parameter registration is not supported")
	}
	if err := e.checkResponseType(a); err != nil {
		return err
	}
	var err error
	if a.Scope, err = oauth.ReadScope(&a.Client, form.Get("scope")); err != nil {
		return err
	}
	if a.asksFor("id_token") && !slices.Contains(a.Scope, "openid") {
		return oauth.InvalidScope.Because("a response_type with id_token needs the scope openid")
	}
	a.Resources = form["resource"]
	if _, err := e.Resources.Narrow(a.Scope, a.Resources); err != nil {
		return err
	}
	if err := e.readChallenge(a); err != nil {
		return err
	}
	a.KeyThumbprint = form.Get("dpop_jkt")
	if a.KeyThumbprint != "" && !jose.IsThumbprint(a.KeyThumbprint) {
		return oauth.InvalidRequest.Because("dpop_jkt must be the base64url of a SHA-256, without padding (RFC 7638)")
	}
	a.Nonce = form.Get("nonce")
	if a.asksFor("id_token") && a.Nonce == "" {
		return oauth.InvalidRequest.Because("a response_type with id_token needs a nonce")
	}
	a.IDTokenHint = form.Get("id_token_hint")
	if a.Claims, err = tokens.ReadClaimsRequest(form.Get("claims")); err != nil {
		return oauth.InvalidRequest.Because("the parameter claims must be a JSON object as OpenID Connect Core 5.5 says: " + err.Error())
	}
	a.Proof = readProof(a)
	return readPrompt(a)
}

// readProof reads what is demanded of the log-in: the claim acr (OIDC Core §5.5.1.1), or else
// acr_values (§3.1.2.1).
func readProof(a *request) proofs.Request {
	if wanted := a.Claims.IDToken["acr"]; wanted != nil {
		if values := wanted.Texts(); len(values) > 0 {
			return proofs.Request{ACR: values, Essential: wanted.Essential}
		}
	}
	return proofs.Request{ACR: strings.Fields(a.Form.Get("acr_values"))}
}

// checkResponseType holds the request to what the server offers and the client registered for.
func (e *Endpoint) checkResponseType(a *request) error {
	kind, known := strings.Join(a.ResponseType, " "), client.ResponseTypes(e.InsecureLegacyResponseTypes)
	switch {
	case kind == "":
		return oauth.InvalidRequest.Because("the parameter response_type is missing; send response_type=code")
	case !slices.Contains(known, kind):
		return oauth.UnsupportedResponseType.Because("response_type must be one of: " + strings.Join(known, ", "))
	case !slices.ContainsFunc(a.Client.ResponseTypes, func(registered string) bool {
		words := strings.Fields(registered)
		slices.Sort(words)
		return slices.Equal(words, a.ResponseType)
	}):
		return oauth.UnauthorizedClient.Because("the client is not registered for response_type " + kind)
	case a.asksFor("code") && !a.Client.HasGrantType("authorization_code"):
		return oauth.UnauthorizedClient.Because("the client is not registered for the grant authorization_code")
	case kind != "code" && !a.Client.HasGrantType("implicit"):
		return oauth.UnauthorizedClient.Because("the client is not registered for the grant implicit")
	case a.asksFor("token") && a.Client.DPoPBound: // RFC 9449 §5.2; no key can be proved here
		return oauth.UnauthorizedClient.Because("this client's tokens are bound to a key: it gets them at the token endpoint alone, with response_type=code")
	}
	return nil
}

// readPrompt reads what is asked of the log-in (OIDC Core §3.1.2.1).
func readPrompt(a *request) error {
	a.Prompt = strings.Fields(a.Form.Get("prompt"))
	for _, prompt := range a.Prompt {
		if !slices.Contains(PromptValues, prompt) {
			return oauth.InvalidRequest.Because("the parameter prompt knows " + strings.Join(PromptValues, ", "))
		}
	}
	if a.prompts("none") && len(a.Prompt) > 1 {
		return oauth.InvalidRequest.Because("prompt=none cannot be combined with another value")
	}
	if text := a.Form.Get("max_age"); text != "" {
		seconds, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return oauth.InvalidRequest.Because("max_age must be a number of seconds")
		}
		a.MaxAge = time.Duration(seconds) * time.Second
	} else if a.Client.DefaultMaxAge != nil {
		a.MaxAge = time.Duration(*a.Client.DefaultMaxAge) * time.Second
	}
	return nil
}

// PromptValues are those of OIDC Core §3.1.2.1 and of Initiating User Registration via OpenID
// Connect.
var PromptValues = []string{"none", "login", "consent", "select_account", "create"}

// readChallenge checks the PKCE parameters (RFC 7636 §4.3, §4.4.1). Only S256 is
// accepted: plain does not protect against the attacks that PKCE is for.
func (e *Endpoint) readChallenge(a *request) error {
	challenge, method := a.Form.Get("code_challenge"), a.Form.Get("code_challenge_method")
	switch {
	case challenge == "" && method != "":
		return oauth.InvalidRequest.Because("code_challenge_method comes without code_challenge")
	case challenge == "" && a.Client.MustUsePKCE(e.InsecureLegacyResponseTypes) && a.asksFor("code"):
		return oauth.InvalidRequest.Because("this client must use PKCE: send code_challenge and code_challenge_method=S256")
	case challenge == "":
		return nil
	case method != "S256":
		return oauth.InvalidRequest.Because("code_challenge_method must be S256")
	case !jose.IsThumbprint(challenge):
		return oauth.InvalidRequest.Because("code_challenge must be the base64url of a SHA-256, without padding")
	}
	a.CodeChallenge = challenge
	return nil
}
