package endpoint

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/maru-auth/maru/authz-server/internal/oauth"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/requests"
)

// BrowserForms reads what browsers bring. Applications send them here by links, or by posting a
// form (OIDC Core §3.1.2.1, RP-Initiated Logout §2). A form that another site posts comes without
// this server's cookies, which are SameSite=Lax: it looks as if nobody were logged in, and a cookie
// set in the answer would replace the browser's. So the form is stored, and the browser redirected
// to bring it again by a GET, which has the cookies.
type BrowserForms struct {
	*Common
	Store *store.Store
}

// posts are forms that wait for their browser.
var posts = Pending{"post", requests.PostedLifetime}

// Read reads the parameters that a browser brings into r.Form: from the address, from a form, or
// from a form that it posted before.
func (b *BrowserForms) Read(r *http.Request) error {
	if len(r.URL.RawQuery) > MaxForm {
		return oauth.InvalidRequest.Because("the request's parameters are too long")
	}
	if err := oauth.ReadForm(r); err != nil {
		return err
	}
	handle := r.Form.Get("posted")
	if handle == "" || r.Method == http.MethodPost {
		return nil
	}
	form, err := b.Store.Interactions.Posted(r.Context(), handle)
	if errors.Is(err, store.ErrNotFound) {
		return oauth.InvalidRequest.Because("what was posted has expired; go back to the app and start again")
	}
	r.Form = form
	return err
}

// ComeWithCookies sends a browser back here that another site's page made post r, whose form has
// been read, without cookies; keep names the parameters that are kept until then. answered: it did.
func (b *BrowserForms) ComeWithCookies(w http.ResponseWriter, r *http.Request, keep []string) (answered bool, err error) {
	if r.Method != http.MethodPost || !b.People.Guard.FromOtherSite(r) || b.People.HasCookies(r) {
		return false, nil
	}
	if len(r.Form.Encode()) > MaxForm {
		return false, oauth.InvalidRequest.Because("the request's parameters are too long")
	}
	quotas := posts.OfAddress(r)
	c, err := b.Store.Clients.Client(r.Context(), r.Form.Get("client_id"))
	switch {
	case err == nil:
		quotas = append(quotas, posts.OfClient(r, &c)...)
	case errors.Is(err, store.ErrNotFound): // a log-out need not name its client
		quotas = append(quotas, posts.ofNobody(r)...)
	default:
		return false, err
	}
	handle, err := b.Store.Interactions.CreatePosted(r.Context(), oauth.Only(r.Form, keep), quotas...)
	if err != nil {
		return false, b.SlowDown(w, r, err)
	}
	http.Redirect(w, r, b.Issuer.Path(r.URL.Path+"?"+url.Values{"posted": {handle}}.Encode()), http.StatusSeeOther) //nolint:gosec // G710: the router knows the path
	return true, nil
}
