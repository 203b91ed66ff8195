package provider

import (
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/ory/fosite"

	"github.com/maru-auth/maru/internal/httpd"
)

// readForm reads the parameters of a request, as RFC 6749 has it for both of its endpoints (§3.1,
// §3.2): one that is sent without a value counts as omitted, and is gone from r.Form and r.PostForm
// afterwards. Every endpoint reads its parameters by it.
func readForm(r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return errTooLarge
		}
		return refuse(fosite.ErrInvalidRequest, "the request's parameters cannot be read; send them as application/x-www-form-urlencoded")
	}
	if !httpd.FormIsText(r.Form) {
		return errNotText
	}
	omitEmpty(r.Form)
	omitEmpty(r.PostForm)
	return nil
}

// omitEmpty removes the parameters without a value.
func omitEmpty(form url.Values) {
	for name, values := range form {
		values = slices.DeleteFunc(slices.Clone(values), func(value string) bool { return value == "" })
		if form[name] = values; len(values) == 0 {
			delete(form, name)
		}
	}
}

// parseForm reads the parameters of a form post to a back-channel endpoint; those in the URL do not
// count. No parameter may come twice (RFC 6749 §3.2).
func parseForm(r *http.Request) error {
	if err := readForm(r); err != nil {
		return err
	}
	if len(r.PostForm) == 0 {
		return refuse(fosite.ErrInvalidRequest, "the request's body is empty; send the parameters as application/x-www-form-urlencoded")
	}
	return onlyOnce(r.PostForm)
}

// singleParameters are those that some endpoint reads and that may come once. "resource" and
// "audience" may come several times (RFC 8707 §2, RFC 8693 §2.1).
var singleParameters = []string{
	// the authorization request
	"acr_values", "claims", "claims_locales", "code_challenge", "code_challenge_method", "display", "dpop_jkt", "id_token_hint", "login_hint", "max_age",
	"nonce", "prompt", "redirect_uri", "registration", "request", "request_uri", "response_mode", "response_type", "scope", "state", "ui_locales",
	// ways back to a request that waits here
	"interaction", "posted",
	// the client
	"client_id", "client_secret", "client_assertion", "client_assertion_type",
	// tokens
	"grant_type", "code", "code_verifier", "refresh_token", "device_code", "token", "token_type_hint", "access_token",
	"actor_token", "actor_token_type", "requested_token_type", "subject_token", "subject_token_type",
	// log-out
	"logout_hint", "post_logout_redirect_uri",
}

// onlyOnce refuses parameters that come twice, of which two readers could take different ones. What
// nobody here reads is ignored (RFC 6749 §3.1, §3.2), however often it comes.
func onlyOnce(form url.Values) error {
	for _, name := range singleParameters {
		if len(form[name]) > 1 {
			return refuse(fosite.ErrInvalidRequest, "the parameter "+name+" comes more than once")
		}
	}
	return nil
}
