package tokeninfo

import (
	"net/http"

	"github.com/maru-auth/maru/authz-server/internal/endpoint"
	"github.com/maru-auth/maru/authz-server/internal/oauth"
)

// Revoke ends a token of the client that asks (RFC 7009). A token that is unknown or has expired is
// no error (§2.2); a failure to revoke always is. token_type_hint only saves time (§2.1) and is not
// needed.
func (e *Endpoints) Revoke(w http.ResponseWriter, r *http.Request) {
	endpoint.NoStore(w)
	caller, err := e.authenticate(r)
	if err != nil {
		e.Error(w, r, err)
		return
	}
	token := r.PostForm.Get("token")
	if token == "" {
		e.Error(w, r, oauth.InvalidRequest.Because("the parameter token is missing"))
		return
	}
	if err := e.Tokens.Revoke(r.Context(), caller, token); err != nil {
		e.Error(w, r, err)
		return
	}
	w.WriteHeader(http.StatusOK)
}
