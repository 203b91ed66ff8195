package site

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/maru-auth/maru/client-demo/internal/backend"
	"github.com/maru-auth/maru/client-demo/internal/flow"
	"github.com/maru-auth/maru/client-demo/internal/pages"
	"github.com/maru-auth/maru/internal/httpd"
)

// ErrNoSuchAction is the error of a form that asks for an unknown action.
var ErrNoSuchAction = fmt.Errorf("the form asks for an unknown action: %w", &backend.Error{Status: http.StatusNotFound})

// finish makes a page of an error that a handler returned; nil is none.
func (v *Visit) finish(err error) {
	if err == nil {
		return
	}
	if failed := v.showError(err); failed != nil {
		v.site.cfg.Log.Error("cannot show a page",
			"request", httpd.RequestID(v.R.Context()), "error", failed, "because", err)
		http.Error(v.W, "Something went wrong on our side. Try again in a moment.", http.StatusInternalServerError)
	}
}

// refusals are the pages for a service's refusals, by status.
var refusals = map[int]struct {
	status      int
	title, text string
}{
	http.StatusNotFound:            {http.StatusNotFound, "not_found_title", "not_found"},
	http.StatusGone:                {http.StatusGone, "account_gone_title", "account_gone"},
	http.StatusForbidden:           {http.StatusForbidden, "forbidden_title", "forbidden"},
	http.StatusUnauthorized:        {http.StatusBadGateway, "token_refused_title", "token_refused"},
	http.StatusTooManyRequests:     {http.StatusTooManyRequests, "too_many_title", "too_many"},
	http.StatusPreconditionFailed:  {http.StatusConflict, "changed_title", "changed"},
	http.StatusBadRequest:          {http.StatusBadRequest, "not_found_title", "bad_address"}, // such as a bad cursor
	http.StatusUnprocessableEntity: {http.StatusBadRequest, "not_found_title", "bad_address"},
}

func (v *Visit) showError(err error) error {
	var refused *backend.Error
	switch {
	case errors.Is(err, flow.ErrLoginAgain):
		return v.LogInFirst()
	case errors.Is(err, flow.ErrIssuerDown):
		text := "issuer_down" // nobody can log in
		if v.Session != nil {
			text = "issuer_down_session" // nor renew their access
		}
		return v.Message(http.StatusServiceUnavailable, "issuer_down_title", text, v.site.cfg.Issuer)
	case errors.Is(err, backend.ErrDown):
		return v.Message(http.StatusServiceUnavailable, "down_title", v.downText(err))
	case errors.As(err, &refused):
		if refused.Status == http.StatusUnauthorized && v.Session == nil { // strangers may not read it
			return v.LogInFirst()
		}
		if page, ok := refusals[refused.Status]; ok {
			return v.Message(page.status, page.title, page.text)
		}
	case errors.Is(err, context.Canceled) && v.R.Context().Err() != nil:
		return nil // the person left
	}
	v.site.cfg.Log.Error("cannot answer", "request", httpd.RequestID(v.R.Context()), "path", v.R.URL.Path, "error", err)
	return v.Message(http.StatusInternalServerError, "failed_title", "failed")
}

// downText is the key of the words for a service that does not answer.
func (v *Visit) downText(err error) string {
	v.site.cfg.Log.Warn("a service is down", "request", httpd.RequestID(v.R.Context()), "error", err)
	var down *backend.DownError
	if errors.As(err, &down) && down.Service == "user" {
		return "user_down"
	}
	return "board_down"
}

// Notice turns an error that concerns one part of a page into what to say there, which is empty
// without one. An error that concerns the whole page is returned.
func (v *Visit) Notice(err error) (text string, whole error) {
	switch {
	case err == nil:
		return "", nil
	case errors.Is(err, backend.ErrDown):
		return v.T(v.downText(err)), nil
	case errors.Is(err, flow.ErrIssuerDown):
		return v.T("issuer_down_short"), nil
	}
	return "", err
}

// LogInBetter sends the person to the issuer again, for the log-in that a service wants, and then
// to the page at to.
func (v *Visit) LogInBetter(needed *backend.StepUp, to string) error {
	in := flow.Login{To: to, Locale: v.Lang.Code(), ACRValues: needed.ACRValues}
	if needed.MaxAge >= 0 {
		in.MaxAge = &needed.MaxAge
	}
	return v.site.flow.Begin(v.W, v.R, in)
}

// Message shows a page that says one thing. title and text are keys of words; args are put into the
// text.
func (v *Visit) Message(status int, title, text string, args ...any) error {
	return v.Show(pages.Message{Status: status, Title: v.T(title), Text: v.T(text, args...), Retry: v.retry(status)})
}

// retry is where "try again" leads, or empty if trying again makes no sense.
func (v *Visit) retry(status int) string {
	passing := status >= http.StatusInternalServerError || status == http.StatusTooManyRequests
	if v.R.Method == http.MethodGet && v.page == nil && passing {
		return v.R.URL.RequestURI()
	}
	return ""
}

// LogInFirst says that the page needs a log-in. A form that was sent is not lost: the page keeps
// its fields, and logging in from there brings them back to their own page.
func (v *Visit) LogInFirst() error {
	title, text := "login_first_title", "login_first"
	if v.Session != nil || v.site.flow.HadSession(v.R) {
		title, text = "login_again_title", "login_again"
		v.site.flow.Forget(v.W)
	}
	v.Session = nil
	return v.askToLogIn(title, text)
}

// askToLogIn says why, by the keys of a title and a text, and leads to a log-in.
func (v *Visit) askToLogIn(title, text string) error {
	page := pages.Login{Title: v.T(title), Text: v.T(text), Here: v.Here()}
	if v.R.Method == http.MethodPost {
		page.Kept = pages.Keep(v.Text)
	}
	return v.Show(page)
}
