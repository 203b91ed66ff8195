package tokens

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/maru-auth/maru/client-demo/internal/flow"
	"github.com/maru-auth/maru/client-demo/internal/pages"
	"github.com/maru-auth/maru/client-demo/internal/site"
)

const revokedPath = "/tokens/revoked"

// Revoke serves POST /tokens/revoke: the session's access token is revoked, and the session goes on
// with another. The work is done in the background, so that it does not end when the browser goes.
func (h *Handlers) Revoke(v *site.Visit) error {
	if _, err := v.Token(v.R.Context(), ""); err != nil { // refreshes the tokens if it is time
		return err
	}
	t := v.Session.Tokens()
	if t.Access == "" {
		return flow.ErrLoginAgain
	}
	if !h.watches.begin(v.Session, t.Access, t.Expires) {
		return v.Message(http.StatusTooManyRequests, "too_many_title", "too_many_watches")
	}
	return v.Redirect(revokedPath)
}

// Revoked serves GET /tokens/revoked: what became of the token that this session revoked last.
func (h *Handlers) Revoked(v *site.Visit) error {
	w := h.watches.of(v.Session)
	if w == nil {
		return v.Redirect("/tokens")
	}
	p := w.progress(h.cfg.Now())
	page := pages.Revoked{Waiting: !p.over, Title: v.T("revoked_waiting"), Limit: seconds(watchFor)}
	switch {
	case p.failed != nil:
		page.Title, page.Waiting, page.Notice = v.T("revoke_failed_title"), false, whyNot(v, p.failed)
		return v.Show(page)
	case p.over:
		page.Title = v.T("revoked_over")
	}
	refusals := 0
	for _, r := range p.reports {
		if r.outcome == refused {
			refusals++
		}
		page.Services = append(page.Services, result(v, r, p))
	}
	if p.over && refusals == len(p.reports) {
		page.Title = v.T("revoked_refused")
	}
	return v.Show(page)
}

// whyNot says why a token could not be revoked.
func whyNot(v *site.Visit, err error) string {
	var refusal *flow.RefusedError
	switch {
	case errors.Is(err, flow.ErrNoRevocation):
		return v.T("revoke_none")
	case errors.As(err, &refusal):
		return v.T("revoke_refused", refusal.Code)
	}
	return v.T("revoke_failed")
}

// serviceNames are the keys of what services are called.
var serviceNames = map[string]string{"user": "service_user", "board": "service_board"}

// result puts a report into words.
func result(v *site.Visit, r report, p progress) pages.RevokedService {
	shown := pages.RevokedService{ID: "revoked-" + r.service, Name: v.T(serviceNames[r.service])}
	answer := strings.TrimSpace(strconv.Itoa(r.status) + " " + r.code)
	switch r.outcome {
	case waiting:
		shown.Text = v.T("watch_waiting")
		if shown.Detail = v.T("watch_revoking"); p.revoked {
			shown.Detail = v.T("watch_since", seconds(p.since))
		}
	case refused:
		shown.Kind, shown.Text, shown.Detail = "good", v.T("watch_refused", seconds(r.after)), v.T("watch_answer", answer)
	case accepted:
		shown.Kind, shown.Text, shown.Detail = "bad", v.T("watch_accepted", seconds(watchFor)), v.T("watch_accepted_why")
	case silent:
		shown.Kind, shown.Text, shown.Detail = "bad", v.T("watch_silent"), v.T("watch_silent_why")
	case expired:
		shown.Kind, shown.Text, shown.Detail = "bad", v.T("watch_expired"), v.T("watch_expired_why")
	case refusedBefore:
		shown.Kind, shown.Text, shown.Detail = "bad", v.T("watch_before"), v.T("watch_before_why", answer)
	}
	return shown
}

// seconds writes a duration in seconds: whole ones, or to a tenth.
func seconds(d time.Duration) string {
	if d >= watchFor {
		return strconv.Itoa(int(d.Seconds()))
	}
	return strconv.FormatFloat(max(d.Seconds(), 0), 'f', 1, 64)
}

// with calls a service with this token and no other.
func with(access string) func(context.Context, string) (string, error) {
	return func(context.Context, string) (string, error) { return access, nil }
}
