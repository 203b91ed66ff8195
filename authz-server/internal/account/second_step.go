package account

import (
	"context"
	"errors"
	"net/http"

	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/authz-server/internal/factors"
	"github.com/maru-auth/maru/authz-server/internal/guard"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/sender"
	"github.com/maru-auth/maru/authz-server/internal/session"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
)

// The pages about the second step. Each but that of the browsers asks for a recent proof.
const (
	appPage   = "/account/security/app"
	codesPage = "/account/security/codes"
	offPage   = "/account/security/off"
)

func (a *Account) secondStepRoutes(r *mux.Router) {
	a.Guard.Route(r, appPage, a.showApp, a.postApp)
	a.Guard.Route(r, codesPage, a.showSecondStepChange, a.postCodes)
	a.Guard.Route(r, offPage, a.showSecondStepChange, a.postOff)
	r.Handle("/account/security/browsers", a.Guard.Form(a.postBrowsers)).Methods(http.MethodPost)
	r.Handle("/account/security/codes.txt", a.Guard.Form(a.postCodesFile)).Methods(http.MethodPost)
}

// secondStep is what /account/security shows of it.
func (a *Account) secondStep(ctx context.Context, user accounts.User) (pages.SecondStep, error) {
	state, err := a.Factors.State(ctx, user)
	page := pages.SecondStep{On: state.On, Since: state.Since, Codes: state.Codes}
	for _, one := range state.Browsers {
		shown := pages.TrustedBrowser{ID: one.ID, Address: one.Address, Seen: a.Now().Sub(one.SeenAt), Until: one.TrustedUntil}
		shown.Browser, shown.System = sender.Browser(one.UserAgent)
		page.Browsers = append(page.Browsers, shown)
	}
	return page, err
}

// sensitive is owner and recent for one of the pages above. If the second step is on where the page
// is to turn it on, or the other way round, it leads back to /account/security and returns false.
func (a *Account) sensitive(w http.ResponseWriter, r *http.Request, page string) (*session.Session, bool) {
	current, ok := a.owner(w, r)
	if !ok || !a.recent(w, r, current, page) {
		return nil, false
	}
	if current.User.SecondStep == (page == appPage) {
		a.Guard.See(w, r, "/account/security")
		return nil, false
	}
	return current, true
}

// setUp is the page that sets up an app in the account.
var setUp = pages.SetUpPage{Path: appPage}

// GET /account/security/app: shows the key of the app that is being set up, or says what is needed.
func (a *Account) showApp(w http.ResponseWriter, r *http.Request) {
	if current, ok := a.sensitive(w, r, appPage); ok {
		a.Enrolment.Show(w, r, current, setUp)
	}
}

// POST /account/security/app: makes a key for an app, or turns the second step on.
func (a *Account) postApp(w http.ResponseWriter, r *http.Request) {
	if current, ok := a.sensitive(w, r, appPage); ok {
		a.Enrolment.Post(w, r, current, setUp, "/account/security")
	}
}

// GET /account/security/codes and /account/security/off: asks whether the person means it.
func (a *Account) showSecondStepChange(w http.ResponseWriter, r *http.Request) {
	if _, ok := a.sensitive(w, r, r.URL.Path); ok {
		a.Pages.Render(w, r, http.StatusOK, pages.SecondStepChangePage{Off: r.URL.Path == offPage})
	}
}

// POST /account/security/codes: makes new recovery codes, and shows them.
func (a *Account) postCodes(w http.ResponseWriter, r *http.Request) {
	current, ok := a.sensitive(w, r, codesPage)
	if !ok {
		return
	}
	codes, err := a.Factors.NewCodes(r, current.User)
	if errors.Is(err, store.ErrNotFound) {
		a.Guard.See(w, r, "/account/security")
		return
	}
	if err != nil {
		a.Guard.Fail(w, r, err)
		return
	}
	a.Pages.Render(w, r, http.StatusOK, pages.RecoveryCodesPage{Codes: codes, Email: current.User.Email, Next: "/account/security"})
}

// POST /account/security/off: turns the second step off.
func (a *Account) postOff(w http.ResponseWriter, r *http.Request) {
	current, ok := a.sensitive(w, r, offPage)
	if !ok {
		return
	}
	err := a.Store.KeepAdministrator(r.Context(), func(ctx context.Context) error { return a.Factors.TurnOff(ctx, r, current.User) })
	if errors.Is(err, store.ErrLastAdministrator) {
		a.refuseSecurity(w, r, current, guard.FormError{"": messages.LastAdministrator})
		return
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		a.Guard.Fail(w, r, err)
		return
	}
	a.Guard.See(w, r, "/account/security?done="+string(messages.SecondStepEnded))
}

// POST /account/security/browsers: ends the trust of one browser, or of all.
func (a *Account) postBrowsers(w http.ResponseWriter, r *http.Request) {
	current, ok := a.owner(w, r)
	if !ok {
		return
	}
	id := r.PostForm.Get("browser")
	if id == "" && r.PostForm.Get("all") != "yes" {
		a.Pages.Error(w, r, http.StatusBadRequest, "invalid_request", "The parameter browser is missing.")
		return
	}
	if err := a.Factors.Distrust(r, current.User, id); err != nil && !errors.Is(err, store.ErrNotFound) {
		a.Guard.Fail(w, r, err)
		return
	}
	a.Guard.See(w, r, "/account/security?done="+string(messages.TrustEnded))
}

// POST /account/security/codes.txt: gives the recovery codes that a page shows back as a file. They
// are stored nowhere in this form, so the page sends them along.
func (a *Account) postCodesFile(w http.ResponseWriter, r *http.Request) {
	current, ok := a.owner(w, r)
	if !ok {
		return
	}
	file, ok := codesFile(a.Pages.RecoveryCodesFor(r, current.User.Email), r.PostForm["code"])
	if !ok {
		a.Pages.Error(w, r, http.StatusBadRequest, "invalid_request", "The parameter code must be a recovery code, at most ten times.")
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("Content-Disposition", `attachment; filename="recovery-codes.txt"`)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	w.Write([]byte(file)) //nolint:errcheck,gosec // the client is gone; G705: recovery codes and an address, as plain text
}

// codesFile is the text of a file of recovery codes. ok is false if they are none.
func codesFile(title string, codes []string) (text string, ok bool) {
	if len(codes) == 0 || len(codes) > 10 {
		return "", false
	}
	text = title + "\r\n\r\n" // Windows' oldest editors know no other end of a line
	for _, code := range codes {
		if !factors.IsShown(code) {
			return "", false
		}
		text += code + "\r\n"
	}
	return text, true
}
