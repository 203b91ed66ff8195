package upstream_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/fetch"
	"github.com/maru-auth/maru/authz-server/internal/keys/keystest"
	"github.com/maru-auth/maru/authz-server/internal/people"
	"github.com/maru-auth/maru/authz-server/internal/people/peopletest"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
	"github.com/maru-auth/maru/authz-server/internal/store/upstreams"
	"github.com/maru-auth/maru/authz-server/internal/upstream"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// world is a site with an upstream, and a browser of a person.
type world struct {
	*peopletest.Browser
	t        testing.TB
	site     *peopletest.Site
	settings upstream.Settings
}

// calls lets a site call servers of this machine.
func calls(t testing.TB) func(*people.Config) {
	return func(cfg *people.Config) {
		outgoing, err := fetch.New(fetch.Config{InsecureLoopback: true, Now: cfg.Now})
		if err != nil {
			t.Fatal(err)
		}
		cfg.Fetch, cfg.KEK = outgoing, keystest.KEK(t)
	}
}

// add gives the site the upstream "other".
func add(t testing.TB, s *peopletest.Site, settings upstream.Settings) *world {
	t.Helper()
	return addNamed(t, s, "other", settings, providertest.Secret)
}

func addNamed(t testing.TB, s *peopletest.Site, name string, settings upstream.Settings, secret string) *world {
	t.Helper()
	if settings.ClientID == "" {
		settings.ClientID = "maru"
	}
	if settings.Title == "" && settings.Preset == "" {
		settings.Title = "Other"
	}
	outgoing, err := fetch.New(fetch.Config{InsecureLoopback: true})
	if err == nil {
		err = settings.Check(outgoing.Check)
	}
	var sealed []byte
	if err == nil {
		sealed, err = upstream.Seal(keystest.KEK(t), name, secret)
	}
	if err == nil {
		err = s.Store.Upstreams.Create(t.Context(), upstreams.Upstream{Name: name, Settings: settings.Text(), Secret: sealed})
	}
	if err != nil {
		t.Fatal(err)
	}
	s.Clock.Advance(time.Minute) // what was remembered of the list is read again
	return &world{s.Browser(), t, s, settings}
}

// start begins a log-in at an upstream from a page, and returns where the upstream is asked, and
// what for.
func (w *world) start(name, query string) *url.URL {
	w.t.Helper()
	w.Get("/login" + query)
	return w.location(w.Post("/login/upstream/" + name + query))
}

func (w *world) location(a peopletest.Answer) *url.URL {
	w.t.Helper()
	to, err := url.Parse(a.Location)
	if a.Status != http.StatusSeeOther || err != nil || to.Host == "" {
		w.t.Fatalf("nobody is sent to the upstream: %d %s\n%s", a.Status, a.Location, a.Body)
	}
	return to
}

// back comes back from the upstream with an answer.
func (w *world) back(name string, parameters ...string) peopletest.Answer {
	w.t.Helper()
	form := url.Values{}
	for i := 0; i < len(parameters); i += 2 {
		form.Set(parameters[i], parameters[i+1])
	}
	return w.Get("/login/upstream/" + name + "/callback?" + form.Encode())
}

func (w *world) identities(user accounts.User) []upstreams.Identity {
	w.t.Helper()
	all, err := w.site.Store.Upstreams.IdentitiesOf(w.t.Context(), user.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

func (w *world) user(email string) accounts.User {
	w.t.Helper()
	user, err := w.site.Store.Users.UserByEmail(w.t.Context(), email)
	if err != nil {
		w.t.Fatalf("%s: %v", email, err)
	}
	return user
}

// maru is a second Maru as the upstream, and the browser of its person.
type maru struct {
	*world
	up *providertest.Fixture
	at *providertest.Browser
}

// withMaru makes another Maru the upstream of a site. change changes its settings.
func withMaru(t testing.TB, s *peopletest.Site, change func(*upstream.Settings)) *maru {
	t.Helper()
	up := providertest.One(t)
	s.Clock.Advance(up.Clock.Now().Sub(s.Clock.Now()) - time.Minute) // add moves it once more
	up.AddClient("maru", func(c *client.Client) {
		c.RedirectURIs = []string{s.Server.URL + "/login/upstream/other/callback"}
		c.Scope = "openid profile email"
		c.GrantTypes = []string{"authorization_code"}
	})
	if err := up.Store.Users.SetVerified(t.Context(), up.User.ID); err != nil {
		t.Fatal(err)
	}
	settings := upstream.Settings{Issuer: up.Issuer}
	if change != nil {
		change(&settings)
	}
	return &maru{add(t, s, settings), up, up.Browser().LogIn(up.User)}
}

// through goes to the upstream and comes back; query is that of the page.
func (m *maru) through(query string) peopletest.Answer {
	m.t.Helper()
	return m.answered(m.start("other", query))
}

// answered has the upstream's person answer, and comes back.
func (m *maru) answered(to *url.URL) peopletest.Answer {
	m.t.Helper()
	a := m.at.Get(to.String())
	if a.Location == nil {
		m.t.Fatalf("the upstream does not lead back: %d %s", a.Status, a.Body)
	}
	return m.Get(a.Location.RequestURI())
}

// imitation answers as a provider does, or as one that attacks.
type imitation struct {
	*httptest.Server
	mu    sync.Mutex
	pages map[string]func(r *http.Request) (status int, body any)
	asked map[string][]*http.Request // by path, with their forms read
}

func imitate(t testing.TB) *imitation {
	i := &imitation{pages: map[string]func(*http.Request) (int, any){}, asked: map[string][]*http.Request{}}
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.mu.Lock()
		defer i.mu.Unlock()
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		i.asked[r.URL.Path] = append(i.asked[r.URL.Path], r)
		page := i.pages[r.URL.Path]
		if page == nil {
			http.NotFound(w, r)
			return
		}
		status, body := page(r)
		text, ok := body.(string)
		if !ok {
			raw, err := json.Marshal(body)
			if err != nil {
				t.Error(err)
			}
			text = string(raw)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		w.Write([]byte(text))
	}))
	t.Cleanup(i.Close)
	return i
}

// shows makes body what a path answers.
func (i *imitation) shows(path string, body any) {
	i.answers(path, func(*http.Request) (int, any) { return http.StatusOK, body })
}

func (i *imitation) answers(path string, page func(r *http.Request) (int, any)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.pages[path] = page
}

// last is the last request to a path.
func (i *imitation) last(t testing.TB, path string) *http.Request {
	t.Helper()
	i.mu.Lock()
	defer i.mu.Unlock()
	all := i.asked[path]
	if len(all) == 0 {
		t.Fatalf("%s was not asked for", path)
	}
	return all[len(all)-1]
}

// openID makes it an OpenID provider with the signer's key, whose ID tokens have these claims.
func (i *imitation) openID(signer *providertest.Signer) {
	i.shows("/.well-known/openid-configuration", map[string]any{
		"issuer": i.URL, "authorization_endpoint": i.URL + "/authorize", "token_endpoint": i.URL + "/token",
		"userinfo_endpoint": i.URL + "/userinfo", "jwks_uri": i.URL + "/keys",
	})
	i.shows("/keys", string(signer.JWKS()))
}

// gives makes a token the ID token of the next answer.
func (i *imitation) gives(idToken string) {
	i.shows("/token", map[string]any{"access_token": "t", "token_type": "Bearer", "id_token": idToken})
}

// claims are those of a good ID token, with pairs of names and values changed; nil takes one out.
func (i *imitation) claims(s *peopletest.Site, nonce string, changes ...any) map[string]any {
	now := s.Clock.Now()
	claims := map[string]any{"iss": i.URL, "aud": "maru", "sub": "subject", "exp": now.Add(time.Minute).Unix(), "iat": now.Unix(), "nonce": nonce,
		"email": "jiwoo@example.com", "email_verified": true, "name": "Jiwoo"}
	for n := 0; n < len(changes); n += 2 {
		claims[changes[n].(string)] = changes[n+1]
		if changes[n+1] == nil {
			delete(claims, changes[n].(string))
		}
	}
	return claims
}

// outcome is what a page was told by the answer's redirect.
func outcome(t testing.TB, a peopletest.Answer) string {
	t.Helper()
	to, err := url.Parse(a.Location)
	if err != nil || a.Status != http.StatusSeeOther || !strings.HasPrefix(a.Location, "/") {
		t.Errorf("%d %q\n%s", a.Status, a.Location, a.Body)
		return ""
	}
	return to.Query().Get("upstream")
}
