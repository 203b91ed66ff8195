package authorize

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/oauth"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/internal/httpd"
)

// respond sends the person back to the client with the answer, in the mode that the request asked
// for (RFC 6749 §4.1.2, OAuth 2.0 Multiple Response Types, OAuth 2.0 Form Post Response Mode, JARM,
// RFC 9207 §2).
func (v *visit) respond(parameters url.Values) error {
	to, fields, err := v.compose(parameters)
	switch {
	case err != nil:
		return err
	case fields != nil:
		v.Pages.Render(v.w, v.r, http.StatusOK, pages.FormPostPage{Action: to, Fields: fields})
	default:
		v.w.Header().Set("Location", to)
		v.w.WriteHeader(http.StatusSeeOther)
	}
	return nil
}

// refuse answers with an error: at the client's redirect URI when that is known to be the client's
// and the person need not be asked, and else on a page. What it returns is for a page that names no
// client.
func (v *visit) refuse(err error) error {
	if v.request == nil {
		return err
	}
	httpd.NoteClient(v.w, v.request.Client.ID)
	var known *oauth.Error
	if errors.As(err, &known) && known.PageOnly {
		return err
	}
	refused := v.Refusal(v.r.Context(), err)
	httpd.NoteRefusal(v.w, refused.Code, refused.Text())
	parameters := url.Values{"error": {refused.Code}, "error_description": {refused.Text()}} // RFC 6749 §4.1.2.1
	unasked, err := v.redirectsRefusal()
	if err != nil {
		return err
	}
	if unasked {
		return v.respond(parameters)
	}
	return v.refuseAfterAsking(refused, parameters)
}

// refuseAfterAsking shows a refusal on a page that names the client, and leaves it to the person to
// go back with it.
func (v *visit) refuseAfterAsking(refused *oauth.Error, parameters url.Values) error {
	to, fields, err := v.compose(parameters)
	if err != nil {
		return err
	}
	app, err := v.People.App(v.r, v.request.Client.ID, v.request.RedirectURI)
	if err != nil {
		return err
	}
	status := http.StatusBadRequest
	if refused.Status >= http.StatusInternalServerError {
		status = refused.Status
	}
	v.Pages.Render(v.w, v.r, status, pages.ErrorReturnPage{
		Code: refused.Code, Detail: refused.Text(), App: app, To: to, Fields: fields,
	})
	return nil
}

// redirectsRefusal reports whether a refusal may redirect the browser without asking. Otherwise
// anybody could register a client and use requests that are wrong on purpose to redirect people
// from this server to any address (RFC 9700 §4.11.2). For a client that nobody vouched for, the
// person must be logged in, and must have agreed to it before, have just acted on a page for this
// request, or be asked nothing (prompt=none).
func (v *visit) redirectsRefusal() (bool, error) {
	if v.Vouched(&v.request.Client) {
		return true, nil
	}
	current, err := v.session()
	if err != nil {
		return false, err
	}
	switch {
	case current == nil:
		return false, nil
	case v.waiting != nil && (v.waiting.ConsentSID == current.ID || !current.CreatedAt.Before(v.waiting.CreatedAt)):
		return true, nil
	case slices.Contains(strings.Fields(v.request.Form.Get("prompt")), "none"): // Prompt may not be read yet
		return true, nil
	}
	return v.agreed(current)
}

// compose makes the answer: the address to go to, and what is posted there; nil: the answer is in
// the address.
func (v *visit) compose(parameters url.Values) (to string, fields url.Values, err error) {
	a := v.request
	if a.State != "" {
		parameters.Set("state", a.State)
	}
	state, err := v.sessionState()
	if err != nil {
		return "", nil, err
	}
	if state != "" {
		parameters.Set("session_state", state)
	}
	mode, signed := strings.CutSuffix(a.ResponseMode, ".jwt")
	if signed {
		token, err := v.signedResponse(parameters)
		if err != nil {
			return "", nil, err
		}
		parameters = url.Values{"response": {token}}
	} else {
		parameters.Set("iss", v.Issuer.String())
	}
	if mode == "form_post" {
		return a.RedirectURI, parameters, nil
	}
	if mode == "fragment" {
		return a.RedirectURI + "#" + parameters.Encode(), nil, nil
	}
	return client.WithQuery(a.RedirectURI, parameters), nil, nil
}

// signedResponse is the answer as a JWT (JARM §4.1). It has iss and aud of its own, and lives ten
// minutes at most.
func (v *visit) signedResponse(parameters url.Values) (string, error) {
	c := &v.request.Client
	claims := map[string]any{"iss": v.Issuer.String(), "aud": c.ID, "exp": v.Now().Add(v.Tokens.Lifetimes.Code).Unix()}
	for name := range parameters {
		claims[name] = parameters.Get(name)
	}
	if text, ok := claims["expires_in"].(string); ok {
		claims["expires_in"] = json.Number(text)
	}
	return v.Tokens.Sign(v.r.Context(), c.AuthorizationSignedResponseAlg, "JWT", claims)
}
