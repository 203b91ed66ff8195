package provider

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/ory/fosite"

	"github.com/maru-auth/maru/authz-server/internal/store"
)

// Applications send browsers here by links, and may as well post a form (OIDC Core §3.1.2.1,
// RP-Initiated Logout §2). A form that another site posts comes without our cookies, for they are
// SameSite=Lax: it looks as if nobody were logged in, and a cookie set in answer would take the place
// of the one that the browser has. Such a form is kept, and the browser brings it again, by a GET,
// which has the cookies.

// readBrowserForm reads the parameters that a browser brings into r.Form: from the address, from a
// form, or from a form that it posted before.
func (s *Server) readBrowserForm(r *http.Request) error {
	if len(r.URL.RawQuery) > maxForm {
		return refuse(fosite.ErrInvalidRequest, "the request's parameters are too long")
	}
	if err := readForm(r); err != nil {
		return err
	}
	handle := r.Form.Get("posted")
	if handle == "" || r.Method == http.MethodPost {
		return nil
	}
	form, err := s.store.Posted(r.Context(), handle)
	if errors.Is(err, store.ErrNotFound) {
		return refuse(fosite.ErrInvalidRequest, "what was posted has expired; go back to the app and start again")
	}
	r.Form = form
	return err
}

// comeWithCookies sends a browser back here that another site's page made post r, whose form has been
// read, without our cookies. answered: it did so.
func (s *Server) comeWithCookies(w http.ResponseWriter, r *http.Request) (answered bool, err error) {
	if r.Method != http.MethodPost || s.crossOrigin.Check(r) == nil || s.login.HasCookies(r) {
		return false, nil
	}
	if len(r.Form.Encode()) > maxForm {
		return false, refuse(fosite.ErrInvalidRequest, "the request's parameters are too long")
	}
	quotas := pendingPost.ofAddress(r)
	c, err := s.store.Client(r.Context(), r.Form.Get("client_id"))
	switch {
	case err == nil:
		quotas = append(quotas, pendingPost.ofClient(r, &c)...)
	case errors.Is(err, store.ErrNotFound): // at log-out nobody has to say who asks
		quotas = append(quotas, pendingPost.ofNobody(r)...)
	default:
		return false, err
	}
	handle, err := s.store.CreatePosted(r.Context(), postable(r.Form), quotas...)
	if err != nil {
		return false, s.slowDown(w, r, err)
	}
	http.Redirect(w, r, s.at.Path(r.URL.Path+"?"+url.Values{"posted": {handle}}.Encode()), http.StatusSeeOther) //nolint:gosec // G710: the router knows the path
	return true, nil
}

// postable is what either endpoint looks at of a form.
func postable(form url.Values) url.Values {
	some := known(form)
	for _, name := range []string{"interaction", "post_logout_redirect_uri", "registration", "request"} {
		if values, ok := form[name]; ok {
			some[name] = values
		}
	}
	return some
}
