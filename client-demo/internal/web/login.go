package web

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/maru-auth/maru/client-demo/internal/flow"
	"github.com/maru-auth/maru/client-demo/internal/pages"
	"github.com/maru-auth/maru/client-demo/internal/site"
	"github.com/maru-auth/maru/internal/httpd"
)

// login serves GET /login?to=…, and POST /login with the fields of a form that came too late (see
// [site.Visit.LogInFirst]).
func (a *App) login(v *site.Visit) error {
	in := flow.Login{To: v.R.FormValue("to"), Locale: v.Lang.Code(), From: httpd.ClientAddr(v.R.Context())}
	if v.R.Method == http.MethodPost {
		in.Draft = url.Values{}
		for _, kept := range pages.Keep(func(field string) string { return v.Text(pages.KeptPrefix + field) }) {
			in.Draft.Set(kept.Name, kept.Value)
		}
	}
	return a.flow.Begin(v.W, v.R, in)
}

// signup serves GET /signup: the same, beginning with making an account.
func (a *App) signup(v *site.Visit) error {
	return a.flow.Begin(v.W, v.R, flow.Login{SignUp: true, To: v.R.FormValue("to"), Locale: v.Lang.Code()})
}

// callback serves GET /callback, the redirect URI.
func (a *App) callback(v *site.Visit) error {
	to, err := a.flow.Finish(v.W, v.R)
	if err == nil {
		return v.Redirect(to)
	}
	var refused *flow.RefusedError
	switch {
	case errors.Is(err, flow.ErrUnknownState):
		return v.Message(http.StatusBadRequest, "login_over_title", "login_over")
	case errors.As(err, &refused) && refused.Code == "access_denied":
		return v.Message(http.StatusForbidden, "login_denied_title", "login_denied")
	case errors.As(err, &refused), errors.Is(err, flow.ErrWrongIssuer), errors.Is(err, flow.ErrBadIDToken):
		a.cfg.Log.Warn("a log-in failed", "request", httpd.RequestID(v.R.Context()), "error", err)
		code := "invalid_token"
		if refused != nil {
			code = refused.Code
		}
		return v.Message(http.StatusBadRequest, "login_failed_title", "login_failed", code,
			httpd.RequestID(v.R.Context()))
	}
	return err
}

// logout serves POST /logout: everywhere, or with from=app here alone.
func (a *App) logout(v *site.Visit) error {
	if v.Session == nil {
		a.flow.Forget(v.W)
		return v.Redirect("/")
	}
	session := v.Session
	v.Session = nil // nobody is logged in from here on
	if v.R.PostForm.Get("from") == "app" {
		a.flow.Leave(v.W, v.R, session)
		setLeft(v, "left")
		return v.Redirect("/")
	}
	if address := a.flow.Logout(v.W, v.R, session, v.Lang.Code()); address != "" {
		http.Redirect(v.W, v.R, address, http.StatusSeeOther)
		return nil
	}
	setLeft(v, "issuer_not_asked")
	return v.Redirect("/")
}

// leftCookie carries the key of a message about a log-out to the next page, because the session
// that could carry it is over.
const leftCookie = "demo-left"

func setLeft(v *site.Visit, message string) { v.SetOpenCookie(leftCookie, message, 60) }

// takeLeft returns the words of the message that setLeft kept, once.
func takeLeft(v *site.Visit) string {
	cookie, err := v.R.Cookie(leftCookie)
	if err != nil {
		return ""
	}
	v.SetOpenCookie(leftCookie, "", -1)
	switch cookie.Value {
	case "logged_out", "left", "issuer_not_asked":
		return v.T(cookie.Value)
	}
	return ""
}

// backchannelLogout serves POST /backchannel-logout, where the issuer tells of log-outs that began
// elsewhere (OpenID Connect Back-Channel Logout 1.0 §2.5). No browser comes here.
func (a *App) backchannelLogout(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	leave, ok := a.site.Enter(r, nil)
	if !ok {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusServiceUnavailable) // the issuer will try again
		return
	}
	defer leave()
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	ended, err := a.flow.LogoutToken(r.Context(), r.PostFormValue("logout_token"))
	switch {
	case errors.Is(err, flow.ErrBadLogoutToken):
		a.cfg.Log.Warn("a logout token was refused", "request", httpd.RequestID(r.Context()), "error", err)
		w.WriteHeader(http.StatusBadRequest)
	case err != nil: // the issuer will try again
		a.cfg.Log.Warn("cannot check a logout token", "request", httpd.RequestID(r.Context()), "error", err)
		w.WriteHeader(http.StatusServiceUnavailable)
	default:
		a.cfg.Log.Info("the issuer ended a session", "request", httpd.RequestID(r.Context()), "sessions", ended)
		w.WriteHeader(http.StatusNoContent)
	}
}
