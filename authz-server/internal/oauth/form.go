package oauth

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/maru-auth/maru/internal/httpd"
)

// MaxParameter is the longest parameter of an authorization request, in bytes; only a request
// object may be as long as the whole form. It bounds what is stored and what comes back in
// redirects.
const MaxParameter = 2048

// PushedPrefix begins the request_uri of a pushed authorization request (RFC 9126 §2.2).
const PushedPrefix = "urn:ietf:params:oauth:request_uri:"

var (
	errTooLarge = Kind{"invalid_request", http.StatusRequestEntityTooLarge}.Because("the request's body is too large")

	// ErrNotText refuses text that the database could not store.
	ErrNotText = InvalidRequest.Because("the request's parameters must be UTF-8 without U+0000")
)

// ReadForm reads the parameters of a request into r.Form and r.PostForm. One without a value counts
// as omitted (RFC 6749 §3.1, §3.2) and is gone afterwards. Every endpoint reads its parameters
// with it.
func ReadForm(r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return errTooLarge
		}
		return InvalidRequest.Because("the request's parameters cannot be read; send them as application/x-www-form-urlencoded")
	}
	if !httpd.FormIsText(r.Form) {
		return ErrNotText
	}
	OmitEmpty(r.Form)
	OmitEmpty(r.PostForm)
	return nil
}

// OmitEmpty removes the parameters without a value.
func OmitEmpty(form url.Values) {
	for name, values := range form {
		values = slices.DeleteFunc(slices.Clone(values), func(value string) bool { return value == "" })
		if form[name] = values; len(values) == 0 {
			delete(form, name)
		}
	}
}

// Only returns the form with these parameters alone.
func Only(form url.Values, names []string) url.Values {
	some := url.Values{}
	for _, name := range names {
		if values, ok := form[name]; ok {
			some[name] = values
		}
	}
	return some
}

// ReadPost reads the parameters of a form post to a back-channel endpoint into r.PostForm; those in
// the URL do not count. No parameter may come twice (RFC 6749 §3.2).
func ReadPost(r *http.Request) error {
	if err := ReadForm(r); err != nil {
		return err
	}
	if len(r.PostForm) == 0 {
		return InvalidRequest.Because("the request's body is empty; send the parameters as application/x-www-form-urlencoded")
	}
	return OnlyOnce(r.PostForm)
}

// singleParameters are those that some endpoint reads and that may come once. "resource" and
// "audience" may come several times (RFC 8707 §2, RFC 8693 §2.1).
var singleParameters = []string{
	// the authorization request
	"acr_values", "claims", "claims_locales", "code_challenge", "code_challenge_method", "display", "dpop_jkt",
	"id_token_hint", "login_hint", "max_age", "nonce", "prompt", "redirect_uri", "registration", "request",
	"request_uri", "response_mode", "response_type", "scope", "state", "ui_locales",
	// ways back to a request that waits here
	"interaction", "posted",
	// the client
	"client_id", "client_secret", "client_assertion", "client_assertion_type",
	// tokens
	"grant_type", "code", "code_verifier", "refresh_token", "device_code", "token", "token_type_hint",
	"access_token", "actor_token", "actor_token_type", "requested_token_type", "subject_token", "subject_token_type",
	// log-out
	"logout_hint", "post_logout_redirect_uri",
}

// OnlyOnce refuses parameters that come twice: two readers could take different ones. A parameter
// that no endpoint reads is ignored (RFC 6749 §3.1, §3.2), however often it comes.
func OnlyOnce(form url.Values) error {
	for _, name := range singleParameters {
		if len(form[name]) > 1 {
			return InvalidRequest.Because("the parameter " + name + " comes more than once")
		}
	}
	return nil
}

// UsesBasic tells whether a request has the Authorization header of HTTP Basic authentication.
func UsesBasic(r *http.Request) bool {
	scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.EqualFold(scheme, "Basic")
}

// Excerpt is the beginning of what a stranger sent, to be shown on a page or in an answer.
func Excerpt(text string) string {
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
