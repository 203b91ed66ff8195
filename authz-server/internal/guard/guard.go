// Package guard is what every page for people goes through: each sender has its turn, forms come
// from this server's own pages and are small, and what cannot be done is answered in the same way
// everywhere.
package guard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"mime"
	"net/http"
	"strconv"

	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/sender"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/throttle"
	"github.com/maru-auth/maru/internal/httpd"
)

// maxForm is how large a posted form may be unless a page says otherwise, in bytes.
const maxForm = 16 << 10

// Guard stands before the pages. It is safe for concurrent use.
type Guard struct {
	pages    *pages.Pages
	throttle *throttle.Throttle
	at       issuer.URL
	forgery  *http.CrossOriginProtection
	log      *slog.Logger
}

// New makes a Guard for the pages below the issuer at at, whose origin the forms come from. A nil
// log stands for slog.Default().
func New(p *pages.Pages, t *throttle.Throttle, at issuer.URL, log *slog.Logger) (*Guard, error) {
	g := &Guard{p, t, at, http.NewCrossOriginProtection(), cmp.Or(log, slog.Default())}
	// Behind a gateway that changes the Host header, forms of this site would look like another
	// site's.
	if err := g.forgery.AddTrustedOrigin(at.Origin()); err != nil {
		return nil, fmt.Errorf("the issuer's origin: %w", err)
	}
	g.forgery.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.Error(w, r, http.StatusForbidden, "access_denied",
			"This form was sent from another site (its Origin or Sec-Fetch-Site header says so).")
	}))
	return g, nil
}

// Route adds a page to r: get shows it, and post takes its form of at most 16 KiB; nil: it has
// none.
func (g *Guard) Route(r *mux.Router, path string, get, post http.HandlerFunc) {
	g.RouteUpTo(maxForm, r, path, get, post)
}

// RouteUpTo is Route for a page with a form of at most so many bytes.
func (g *Guard) RouteUpTo(most int64, r *mux.Router, path string, get, post http.HandlerFunc) {
	r.HandleFunc(path, g.inTurn(get)).Methods(http.MethodGet, http.MethodHead)
	if post != nil {
		r.Handle(path, g.form(most, post)).Methods(http.MethodPost)
	}
}

// Form wraps a handler of a form of this server's pages. It refuses what another site sent, and
// what no such page can send.
func (g *Guard) Form(next http.HandlerFunc) http.Handler { return g.form(maxForm, next) }

// FormUpTo is Form for one of at most so many bytes.
func (g *Guard) FormUpTo(most int64, next http.HandlerFunc) http.Handler { return g.form(most, next) }

func (g *Guard) form(most int64, next http.HandlerFunc) http.Handler {
	return g.forgery.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, most)
		if err := parseForm(r); err != nil {
			g.pages.Error(w, r, http.StatusBadRequest, "invalid_request", err.Error())
			return
		}
		next(w, r)
	}))
}

// FromOtherSite tells whether another site's page made the browser send r, as its Sec-Fetch-Site or
// Origin header says. Requests by safe methods never count, nor do those of programs, which send
// neither header.
func (g *Guard) FromOtherSite(r *http.Request) bool { return g.forgery.Check(r) != nil }

// parseForm reads a form strictly. Its errors are sentences for a page.
func parseForm(r *http.Request) error {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil ||
		kind != "application/x-www-form-urlencoded" {
		return errors.New("The Content-Type must be application/x-www-form-urlencoded.")
	}
	if err := r.ParseForm(); err != nil {
		return errors.New("The form is too large or not well formed.")
	}
	if !httpd.FormIsText(r.PostForm) {
		return errors.New("The form is not valid UTF-8 text.")
	}
	return nil
}

// inTurn wraps a page that anybody can ask for.
func (g *Guard) inTurn(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		leave, ok := g.Turn(w, r)
		if !ok {
			return
		}
		defer leave()
		next(w, r)
	}
}

// Turn is [throttle.Throttle.Turn] for a page: when the turn does not come, it answers and returns
// false.
func (g *Guard) Turn(w http.ResponseWriter, r *http.Request) (leave func(), ok bool) {
	leave, err := g.throttle.Turn(r)
	switch {
	case err == nil:
		return leave, true
	case throttle.IsBusy(err):
		g.log.WarnContext(r.Context(), "too many requests of one sender", "request", httpd.RequestID(r.Context()), "from",
			sender.Addr(r).String())
		w.Header().Set("Retry-After", "5")
		g.pages.Error(w, r, http.StatusServiceUnavailable, "temporarily_unavailable",
			"Too many requests came from the same address; try again in some seconds.")
	default:
		g.Fail(w, r, err)
	}
	return nil, false
}

// See redirects to a path of this server, after a form too, by a GET that is stored nowhere.
func (g *Guard) See(w http.ResponseWriter, r *http.Request, target string) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "same-origin")
	http.Redirect(w, r, g.at.Path(target), http.StatusSeeOther)
}

// FormError says what is wrong with a person's input, by field; "" is the form as a whole.
type FormError map[string]messages.Problem

func (e FormError) Error() string {
	return fmt.Sprintf("the form is refused: %v", map[string]messages.Problem(e))
}

// Refuse answers a form that err keeps from being done. For a [FormError], a [*throttle.WaitError],
// and what [throttle.IsBusy] knows, it shows again's page with what is wrong; any other error is
// the server's fault.
func (g *Guard) Refuse(w http.ResponseWriter, r *http.Request, err error, again func(pages.Form) pages.Page) {
	var wrong FormError
	var wait *throttle.WaitError
	switch {
	case errors.As(err, &wrong):
		g.pages.Render(w, r, http.StatusUnprocessableEntity, again(pages.Form{Problems: wrong}))
	case errors.As(err, &wait):
		g.log.WarnContext(r.Context(), wait.What+" slowed down", "request", httpd.RequestID(r.Context()), "from",
			sender.Addr(r).String())
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Wait.Seconds()))))
		form := pages.Form{Problems: map[string]messages.Problem{"": messages.TooManyTries}, Wait: wait.Wait}
		g.pages.Render(w, r, http.StatusTooManyRequests, again(form))
	case throttle.IsBusy(err):
		w.Header().Set("Retry-After", "5")
		g.pages.Render(w, r, http.StatusServiceUnavailable,
			again(pages.Form{Problems: map[string]messages.Problem{"": messages.Busy}}))
	default:
		g.Fail(w, r, err)
	}
}

// Fail answers an error that is the server's fault, and logs it.
func (g *Guard) Fail(w http.ResponseWriter, r *http.Request, err error) {
	g.noteFailure(r, err)
	if status := statusOf(err); status == http.StatusServiceUnavailable {
		g.pages.Error(w, r, status, "temporarily_unavailable", "")
		return
	}
	g.pages.Error(w, r, http.StatusInternalServerError, "server_error", "")
}

// noteFailure logs an error that is the server's fault.
func (g *Guard) noteFailure(r *http.Request, err error) {
	if !errors.Is(r.Context().Err(), context.Canceled) { // otherwise the person went away
		g.log.ErrorContext(r.Context(), "cannot answer", "request", httpd.RequestID(r.Context()), "path", r.URL.Path,
			"error", err)
	}
}

// statusOf is the status of an error that is the server's fault.
func statusOf(err error) int {
	if errors.Is(err, store.ErrUnavailable) {
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}
