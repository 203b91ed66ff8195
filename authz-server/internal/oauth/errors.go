// Package oauth has what all OAuth 2 and OpenID Connect endpoints share without a database or a
// page: the errors of the protocol, the reading of forms, and the arithmetic of scopes and
// audiences.
package oauth

import (
	"net/http"
	"strings"
)

// A Kind is an error code of the protocol, and the HTTP status that it is answered with.
type Kind struct {
	Code   string
	Status int
}

// The kinds of errors that endpoints answer with.
var (
	// RFC 6749 §4.1.2.1, §5.2.
	InvalidRequest          = Kind{"invalid_request", http.StatusBadRequest}
	InvalidClient           = Kind{"invalid_client", http.StatusUnauthorized}
	InvalidGrant            = Kind{"invalid_grant", http.StatusBadRequest}
	InvalidScope            = Kind{"invalid_scope", http.StatusBadRequest}
	UnauthorizedClient      = Kind{"unauthorized_client", http.StatusBadRequest}
	UnsupportedGrantType    = Kind{"unsupported_grant_type", http.StatusBadRequest}
	UnsupportedResponseType = Kind{"unsupported_response_type", http.StatusBadRequest}
	AccessDenied            = Kind{"access_denied", http.StatusForbidden}
	ServerError             = Kind{"server_error", http.StatusInternalServerError}
	TemporarilyUnavailable  = Kind{"temporarily_unavailable", http.StatusServiceUnavailable}

	UnsupportedResponseMode  = Kind{"unsupported_response_mode", http.StatusBadRequest} // OAuth 2.0 Multiple Response Types
	LoginRequired            = Kind{"login_required", http.StatusBadRequest}            // OIDC Core §3.1.2.6, as the next
	ConsentRequired          = Kind{"consent_required", http.StatusBadRequest}
	InteractionRequired      = Kind{"interaction_required", http.StatusBadRequest}
	InvalidRequestURI        = Kind{"invalid_request_uri", http.StatusBadRequest}
	InvalidRequestObject     = Kind{"invalid_request_object", http.StatusBadRequest}
	RegistrationNotSupported = Kind{"registration_not_supported", http.StatusBadRequest}
	UnmetRequirements        = Kind{"unmet_authentication_requirements", http.StatusBadRequest} // of the specification of that name
	InvalidToken             = Kind{"invalid_token", http.StatusUnauthorized}                   // RFC 6750 §3.1
	InvalidTarget            = Kind{"invalid_target", http.StatusBadRequest}                    // RFC 8707 §2
	InvalidDPoPProof         = Kind{"invalid_dpop_proof", http.StatusBadRequest}                // RFC 9449 §5
	UseDPoPNonce             = Kind{"use_dpop_nonce", http.StatusBadRequest}                    // RFC 9449 §8
	AuthorizationPending     = Kind{"authorization_pending", http.StatusBadRequest}             // RFC 8628 §3.5, as the next
	SlowDown                 = Kind{"slow_down", http.StatusBadRequest}
	ExpiredToken             = Kind{"expired_token", http.StatusBadRequest}
	DeviceDenied             = Kind{"access_denied", http.StatusBadRequest} // at the token endpoint
)

// Because is an error of this kind. The description tells the developer of a client what to change.
func (k Kind) Because(description string) *Error { return &Error{Kind: k, Description: description} }

// OnPage is an error of this kind about a request whose client or redirect URI is not known to be
// right: it is shown to the person, and never sent to the redirect URI (RFC 6749 §4.1.2.1).
func (k Kind) OnPage(description string) *Error {
	return &Error{Kind: k, Description: description, PageOnly: true}
}

// An Error refuses a request. [errors.Is] compares values, not kinds: compare Kind to
// tell what sort of refusal an error is.
type Error struct {
	Kind
	Description string // as written: see Text
	PageOnly    bool   // see Kind.OnPage
}

func (e *Error) Error() string { return e.Code + ": " + e.Description }

// maxDescription is the longest description of an error, in bytes: it may repeat what was sent.
const maxDescription = 500

// Text is the description in the characters that RFC 6749 §5.2 allows, so that it breaks neither a
// header nor a URL.
func (e *Error) Text() string {
	text := e.Description
	if len(text) > maxDescription {
		text = text[:maxDescription] + "..."
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '"':
			return '\''
		case r == '\\' || r < ' ' || r > '~':
			return ' '
		}
		return r
	}, text)
}
