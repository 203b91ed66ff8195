package login

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/store"
)

// LeadOn answers a request for an interaction that does not wait any more. A second click on a button whose answer is slow, the
// back button and a bookmark all make one. What this browser finished leads back to its application, if somebody is logged in
// here; the answer itself is given once. For an interaction that is unknown, has expired or is another browser's, a page says so.
func (s *Service) LeadOn(w http.ResponseWriter, r *http.Request, handle string) {
	session, err := s.Session(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	var in store.Interaction
	err = store.ErrNotFound
	if browser, ok := s.cookie(r, browserCookie); ok && isSecret(handle) {
		in, err = s.cfg.Store.SpentInteraction(r.Context(), handle, browser)
	}
	var c client.Client
	if err == nil {
		c, err = s.cfg.Store.Client(r.Context(), in.ClientID)
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		s.cfg.Pages.Render(w, r, http.StatusBadRequest, pages.ErrorPage{Code: "invalid_request", Expired: true,
			Detail: "The parameter interaction names a log-in that is finished, has expired, or was begun in another browser."})
		return
	case err != nil:
		s.fail(w, r, err)
		return
	}
	r = pages.WithLocales(r, in.Form.Get("ui_locales"), in.CreatedAt)
	app, err := s.App(r, in.ClientID, in.Form.Get("redirect_uri"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	home := s.Home(r, &c)
	if session == nil {
		app.Home = home
		s.cfg.Pages.Render(w, r, http.StatusBadRequest, pages.ErrorPage{Code: "invalid_request", Expired: true, Detail: "This log-in is completed already, and nobody is logged in any more.", App: &app})
		return
	}
	if home != "" {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("Location", home)
		w.WriteHeader(http.StatusSeeOther)
		return
	}
	s.cfg.Pages.Render(w, r, http.StatusOK, pages.AlreadyPage{App: app, To: s.again(&c, in.Form)})
}

// again is a link by which a person makes the same request once more, as their application would; empty: only the application
// can make it, for it pushed or signed it.
func (s *Service) again(c *client.Client, form url.Values) string {
	if form.Has("request_uri") || c.RequirePAR || c.RequireSignedRequestObject || c.Profile != "" {
		return ""
	}
	return s.issuer.Path("/oauth2/authorize?" + form.Encode())
}
