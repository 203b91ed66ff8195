package device

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/consent"
	"github.com/maru-auth/maru/authz-server/internal/endpoint"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/oauth"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/sender"
	"github.com/maru-auth/maru/authz-server/internal/session"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/grants"
	"github.com/maru-auth/maru/authz-server/internal/store/requests"
	"github.com/maru-auth/maru/authz-server/internal/tokens"
	"github.com/maru-auth/maru/internal/httpd"
)

// waitingAtMost is how many people may be logging in for the page at a time.
const waitingAtMost = 10_000

// Show asks for the code that a device shows (RFC 8628 §3.3). verification_uri_complete fills it
// in, but the person still has to send it: a link alone does not lead to the decision.
func (e *Endpoint) Show(w http.ResponseWriter, r *http.Request) {
	if err := e.show(w, r); err != nil {
		e.ErrorPage(w, r, err)
	}
}

func (e *Endpoint) show(w http.ResponseWriter, r *http.Request) error {
	leave, err := e.People.Turn(r)
	if err != nil {
		return err
	}
	defer leave()
	current, err := e.People.Session(r)
	if err != nil {
		return err
	}
	before, err := e.before(r.Context(), current)
	if err != nil {
		return err
	}
	code := readUserCode(r.URL.Query().Get("user_code"))
	if before != "" {
		// That page leads back to the authorization endpoint, and that one here.
		quotas := append(endpoint.Interactions.OfAddress(r), endpoint.Interactions.Shared("device", waitingAtMost))
		handle, err := e.People.Begin(w, r, requests.Interaction{Form: url.Values{"user_code": {code}}}, quotas...)
		if err != nil {
			return err
		}
		e.redirect(w, r, before+"?"+url.Values{"interaction": {handle}}.Encode())
		return nil
	}
	e.Pages.Render(w, r, http.StatusOK, pages.UserCodePage{UserCode: showUserCode(code), Email: current.User.Email})
	return nil
}

// before is the page that somebody is led past before they can allow a device anything: to log in,
// to keep an account that waits to be deleted, or to agree to the server's terms; "": none.
func (e *Endpoint) before(ctx context.Context, current *session.Session) (page string, err error) {
	if current == nil {
		return "/login", nil
	}
	if !current.User.DeleteAt.IsZero() {
		return "/restore", nil
	}
	owes, err := e.People.Policy.OwesAgreement(ctx, current.UserID)
	if owes {
		return "/agree", err
	}
	return "", err
}

// redirect sends the browser to a path of this server.
func (e *Endpoint) redirect(w http.ResponseWriter, r *http.Request, path string) {
	endpoint.NoStore(w)
	http.Redirect(w, r, e.Issuer.Path(path), http.StatusSeeOther) //nolint:gosec // G710: a path of this server
}

// A visit is a form that a person posts at the page.
type visit struct {
	*Endpoint
	w       http.ResponseWriter
	r       *http.Request
	current *session.Session
	typed   string // the user code as it came
}

// errAnswered says that the person has their answer.
var errAnswered = errors.New("answered")

// Post takes the code, shows what it is about, and takes the decision. Every post names the code,
// and counts as a guess when it is wrong.
func (e *Endpoint) Post(w http.ResponseWriter, r *http.Request) {
	current, err := e.People.Session(r)
	before := ""
	if err == nil {
		before, err = e.before(r.Context(), current)
	}
	if err != nil {
		e.ErrorPage(w, r, err)
		return
	}
	v := &visit{e, w, r, current, r.PostForm.Get("user_code")}
	if before != "" { // such as a session that ended meanwhile
		e.redirect(w, r, Link(v.typed))
		return
	}
	switch err := v.post(); {
	case err == nil, errors.Is(err, errAnswered):
	case errors.Is(err, tokens.ErrSessionEnded):
		e.redirect(w, r, Link(v.typed))
	case errors.Is(err, store.ErrNotFound): // unknown, expired or decided, maybe this very moment
		v.wrongCode()
	default:
		e.ErrorPage(w, r, err)
	}
}

// post answers what its caller does not: store.ErrNotFound if there is nothing to decide.
func (v *visit) post() error {
	d, c, err := v.find()
	if err != nil {
		return err
	}
	page, err := v.confirm(&d)
	if err != nil {
		return err
	}
	if v.r.PostForm.Get("decision") == "" {
		v.Pages.Render(v.w, v.r, http.StatusOK, page)
		return nil
	}
	answer, err := consent.Read(v.r.PostForm, v.current.ID, d.Scope)
	if err != nil {
		if status := page.Refuse(err); status != 0 {
			v.Pages.Render(v.w, v.r, status, page)
			return nil
		}
		return oauth.InvalidRequest.Because(err.Error())
	}
	if answer.Allowed {
		err = v.allow(v.r.Context(), &d, c, answer)
	} else {
		err = v.Store.Devices.DenyDevice(v.r.Context(), d.Hash)
	}
	if err != nil {
		return err
	}
	v.Pages.Render(v.w, v.r, http.StatusOK, pages.DeviceDonePage{App: page.App, Allowed: answer.Allowed})
	return nil
}

// find finds the request that waits for a person to decide, and its client. store.ErrNotFound:
// there is none. errAnswered: the person had to be told something else.
func (v *visit) find() (d grants.DeviceCode, c *client.Client, err error) {
	code := readUserCode(v.typed)
	if code == "" {
		return d, nil, store.ErrNotFound
	}
	try, err := v.People.Guess(v.r, v.current.ID)
	if err != nil {
		v.People.Guard.Refuse(v.w, v.r, err, func(form pages.Form) pages.Page {
			return pages.UserCodePage{Form: form, UserCode: showUserCode(code), Email: v.current.User.Email}
		})
		return d, nil, errAnswered
	}
	d, err = v.Store.Devices.PendingDeviceCode(v.r.Context(), code)
	if errors.Is(err, store.ErrNotFound) && v.allowedBefore(code) {
		try.Release(v.r.Context())
		return d, nil, errAnswered
	}
	if errors.Is(err, store.ErrNotFound) {
		try.Fail(v.r.Context())
		return d, nil, err
	}
	try.Release(v.r.Context())
	if err != nil {
		return d, nil, err
	}
	found, _, err := v.Clients.Client(v.r.Context(), d.ClientID)
	if err != nil {
		return d, nil, err
	}
	// What the client could ask for then, it may have lost since; and what is for people with a role,
	// others cannot grant.
	before := len(d.Scope)
	ungranted, err := v.Store.Roles.Ungranted(v.r.Context(), v.current.UserID, d.Scope)
	if err != nil {
		return d, nil, err
	}
	d.Scope = oauth.Without(oauth.Intersect(d.Scope, found.Scopes()), ungranted)
	if !found.HasGrantType(client.DeviceCode) || before > 0 && len(d.Scope) == 0 {
		return d, nil, store.ErrNotFound
	}
	return d, &found, nil
}

// allowedBefore answers the second click on the button that allows a device as the first one.
func (v *visit) allowedBefore(code string) bool {
	if v.r.PostForm.Get("decision") != consent.Allow || v.r.PostForm.Get("session") != v.current.ID {
		return false
	}
	d, err := v.Store.Devices.AllowedDeviceCode(v.r.Context(), code, v.current.UserID)
	if err != nil {
		return false
	}
	page, err := v.confirm(&d)
	if err != nil {
		return false
	}
	v.Pages.Render(v.w, v.r, http.StatusOK, pages.DeviceDonePage{App: page.App, Allowed: true})
	return true
}

// wrongCode says the same whether a code is unknown, expired or decided on.
func (v *visit) wrongCode() {
	typed := v.typed
	if code := showUserCode(readUserCode(typed)); code != "" {
		typed = code
	}
	page := pages.UserCodePage{UserCode: typed, Email: v.current.User.Email}
	page.Problems = map[string]messages.Problem{"user_code": messages.DeviceCodeWrong}
	v.Pages.Render(v.w, v.r, http.StatusUnprocessableEntity, page)
}

// confirm is the page with what a person must know to decide. It is shown for trusted
// clients too: the question is not whether the app is good, but whether the device is theirs (RFC
// 8628 §5.4).
func (v *visit) confirm(d *grants.DeviceCode) (pages.DevicePage, error) {
	app, err := v.People.App(v.r, d.ClientID, "")
	page := pages.DevicePage{
		Question: pages.Question{App: app, Session: v.current.ID, Email: v.current.User.Email, Choices: consent.Choices(d.Scope, nil)},
		UserCode: showUserCode(d.UserCode),
		Address:  d.Address,
		Asked:    v.Now().Sub(d.CreatedAt),
	}
	page.Browser, page.System = sender.Browser(d.UserAgent)
	return page, err
}

// allow makes the grant that the device then redeems.
func (v *visit) allow(ctx context.Context, d *grants.DeviceCode, c *client.Client, answer consent.Answer) error {
	g, err := v.Tokens.NewGrant(tokens.GrantSpec{Client: c, Session: &v.current.Session, Scope: answer.Granted, Declined: answer.Declined})
	if err != nil {
		return err
	}
	if narrowed := oauth.Intersect(g.Audience, d.Audience); len(narrowed) > 0 {
		g.Audience = narrowed
	} else { // the person granted no scope of these resources: what remains is about them
		g.Audience = []string{v.Issuer.String()}
	}
	if !c.HasGrantType("refresh_token") { // the device has until then to ask
		g.ExpiresAt = d.ExpiresAt.Add(v.Tokens.Lifetimes.AccessToken)
	}
	err = v.Store.Tx(ctx, func(ctx context.Context) error {
		if err := v.Tokens.Begin(ctx, g, c); err != nil {
			return err
		}
		if !c.Trusted {
			if err := v.Store.Consents.GrantConsent(ctx, g.UserID, g.ClientID, answer.Granted); err != nil {
				return err
			}
		}
		e := audit.OfPerson(audit.GrantMade, v.r, g.UserID, v.current.User.Email)
		e.Target, e.Proof = audit.Target{Kind: "client", ID: c.ID, Label: c.Name}, v.current.ACR
		e.Detail = map[string]any{"grant": g.ID, "scope": g.Scope, "audience": g.Audience, "device": d.Address}
		if err := audit.New(v.Store).Record(ctx, e); err != nil {
			return err
		}
		return v.Store.Devices.AllowDevice(ctx, d.Hash, g.ID)
	})
	if err == nil {
		v.Log.InfoContext(ctx, "a device was allowed", "request", httpd.RequestID(ctx), "client", c.ID, "grant", g.ID, "from", d.Address)
	}
	return err
}
