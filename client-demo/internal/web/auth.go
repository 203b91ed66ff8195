package web

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/maru-auth/maru/client-demo/internal/flow"
	"github.com/maru-auth/maru/internal/httpd"
)

// login serves GET /login?to=…, and POST /login with the fields of a form that came too late (see [visit.logInFirst]).
func (a *App) login(v *visit) error {
	in := flow.Login{To: v.r.FormValue("to"), Locale: v.lang, From: httpd.ClientAddr(v.r.Context())}
	if v.r.Method == http.MethodPost {
		in.Draft = url.Values{}
		for _, field := range keptFields {
			if value := v.text(keptPrefix + field); value != "" {
				in.Draft.Set(field, value)
			}
		}
	}
	return a.flow.Begin(v.w, v.r, in)
}

// signup serves GET /signup: the same, beginning with making an account.
func (a *App) signup(v *visit) error {
	return a.flow.Begin(v.w, v.r, flow.Login{SignUp: true, To: v.r.FormValue("to"), Locale: v.lang})
}

// callback serves GET /callback, the redirect URI.
func (a *App) callback(v *visit) error {
	to, err := a.flow.Finish(v.w, v.r)
	if err == nil {
		return v.redirect(to)
	}
	var refused *flow.RefusedError
	switch {
	case errors.Is(err, flow.ErrUnknownState):
		return v.message(http.StatusBadRequest, "login_over_title", "login_over")
	case errors.As(err, &refused) && refused.Code == "access_denied":
		return v.message(http.StatusForbidden, "login_denied_title", "login_denied")
	case errors.As(err, &refused), errors.Is(err, flow.ErrWrongIssuer), errors.Is(err, flow.ErrBadIDToken):
		a.cfg.Log.Warn("a log-in failed", "request", httpd.RequestID(v.r.Context()), "error", err)
		code := "invalid_token"
		if refused != nil {
			code = refused.Code
		}
		return v.message(http.StatusBadRequest, "login_failed_title", "login_failed", code, httpd.RequestID(v.r.Context()))
	}
	return err
}

// logout serves POST /logout: everywhere, or with from=app here alone.
func (a *App) logout(v *visit) error {
	if v.session == nil {
		a.flow.Forget(v.w)
		return v.redirect("/")
	}
	session := v.session
	v.session = nil // pages from here on are nobody's
	if v.r.PostForm.Get("from") == "app" {
		a.flow.Leave(v.w, v.r, session)
		v.setLeft("left")
		return v.redirect("/")
	}
	if address := a.flow.Logout(v.w, v.r, session, v.lang); address != "" {
		http.Redirect(v.w, v.r, address, http.StatusSeeOther)
		return nil
	}
	v.setLeft("issuer_not_asked")
	return v.redirect("/")
}

// leftCookie names the message about a log-out for the next page: the session that could carry it is over.
const leftCookie = "demo-left"

func (v *visit) setLeft(message string) { v.setOpenCookie(leftCookie, message, 60) }

// takeLeft returns the message of setLeft once.
func (v *visit) takeLeft() string {
	cookie, err := v.r.Cookie(leftCookie)
	if err != nil {
		return ""
	}
	v.setOpenCookie(leftCookie, "", -1)
	switch cookie.Value {
	case "logged_out", "left", "issuer_not_asked":
		return cookie.Value
	}
	return ""
}

// keptFields are the fields of forms that are kept when the form came too late. In the page between they have the prefix, which
// keeps them apart from that page's own fields.
var keptFields = []string{"title", "body", "format", "parent", "key", "etag", "display_name", "bio", "avatar_url", "website",
	"locale", "time_zone", "theme", "tags"}

const keptPrefix = "kept."

// logInFirst says that this page needs a log-in. A form that was sent is not lost: its fields stand in the page, and logging in
// from there brings them back to their own page.
func (v *visit) logInFirst() error {
	had := v.session != nil || v.app.flow.HadSession(v.r)
	if had {
		v.app.flow.Forget(v.w)
	}
	v.session = nil
	title, text := "login_first_title", "login_first"
	if had {
		title, text = "login_again_title", "login_again"
	}
	data := struct {
		Text string
		Here string
		Kept []keptValue
	}{Text: v.t(text), Here: v.here()}
	if v.r.Method == http.MethodPost {
		for _, name := range keptFields {
			if value := v.text(name); value != "" {
				data.Kept = append(data.Kept, keptValue{name, value})
			}
		}
	}
	return v.render(http.StatusForbidden, "login", v.t(title), data)
}

type keptValue struct{ Name, Value string }

// issuerDown says that nobody can log in, or stay so, until the issuer answers.
func (v *visit) issuerDown() error {
	text := "issuer_down"
	if v.session != nil {
		text = "issuer_down_session"
	}
	return v.message(http.StatusServiceUnavailable, "issuer_down_title", text, v.app.cfg.Issuer)
}

// backchannelLogout serves POST /backchannel-logout, where the issuer tells of log-outs that began elsewhere (OpenID Connect
// Back-Channel Logout 1.0 §2.5). No browser comes here.
func (a *App) backchannelLogout(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	leave, ok := a.crowd.enter(visitor(r, nil))
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
