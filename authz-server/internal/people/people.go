// Package people puts together what people do in a browser: their sessions, the pages that a log-in
// leads through, and those of the account. What is built for people later has its place here.
package people

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/authz-server/internal/account"
	"github.com/maru-auth/maru/authz-server/internal/apps"
	"github.com/maru-auth/maru/authz-server/internal/arrival"
	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/factors"
	"github.com/maru-auth/maru/authz-server/internal/fetch"
	"github.com/maru-auth/maru/authz-server/internal/guard"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/login"
	"github.com/maru-auth/maru/authz-server/internal/notices"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/passkeys"
	"github.com/maru-auth/maru/authz-server/internal/passwords"
	"github.com/maru-auth/maru/authz-server/internal/recovery"
	"github.com/maru-auth/maru/authz-server/internal/session"
	"github.com/maru-auth/maru/authz-server/internal/signup"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/throttle"
	"github.com/maru-auth/maru/authz-server/internal/upstream"
	"github.com/maru-auth/maru/internal/httpd"
)

// Config is what [New] needs. Store, Pages, Issuer and SecondStepKey must be set.
type Config struct {
	Store  *store.Store
	Pages  *pages.Pages
	Issuer string           // whose origin the forms come from, and below whose path the pages are; https makes cookies Secure
	Now    func() time.Time // nil: time.Now; the store has a clock of its own, which decides what has expired
	Log    *slog.Logger     // nil: slog.Default()

	Mail   notices.Mailer // nil: this server sends no mail
	Limits throttle.Limits

	// Metrics gets what is counted of log-ins, sign-ups and limits; nil: it is not published.
	Metrics prometheus.Registerer

	// Breaches is asked about new passwords; nil: nobody is.
	Breaches *passwords.Breaches
	Signup   signup.Config // who can sign up

	// AccessToken is the lifetime of access tokens: for so long, an app that lost its access can
	// still use one at services that do not follow the status lists. 0: 10 minutes.
	AccessToken time.Duration

	// SecondStepKey is a random key of [factors.KeySize] bytes, always the same: it encrypts the
	// secrets of authenticator apps, and keys the hashes of recovery codes.
	SecondStepKey []byte

	// Fetch and KEK are for log-ins at other providers: what calls them, and what their secrets are
	// encrypted with. nil: there are no such log-ins.
	Fetch *fetch.Client
	KEK   *keys.KEK

	// InsecureLegacyResponseTypes is the server's setting: with it, apps that registered themselves
	// count as vouched for.
	InsecureLegacyResponseTypes bool
}

// People is the rooms together, for the endpoints that need a person. It is safe for concurrent
// use.
type People struct {
	*session.Sessions
	*throttle.Throttle
	*apps.Apps
	Guard     *guard.Guard
	Passwords *passwords.Hasher
	Recovery  *recovery.Recovery
	*arrival.Arrivals
	Login   *login.Login
	Links   *recovery.Links
	Account *account.Account
	Policy  *signup.Policy // who can sign up

	Upstreams *upstream.Upstreams // nil: there are none
}

// New checks cfg.
func New(cfg Config) (*People, error) {
	at, err := issuer.Parse(cfg.Issuer)
	if err != nil {
		return nil, fmt.Errorf("the issuer %q %w", cfg.Issuer, err)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	log := cmp.Or(cfg.Log, slog.Default())
	told := &notices.Notices{Store: cfg.Store, Mail: cfg.Mail, Now: cfg.Now, Account: at.URL("/account")}
	vault, err := factors.NewVault(cfg.SecondStepKey)
	if err != nil {
		return nil, err
	}
	second := &factors.Factors{Store: cfg.Store, Vault: vault, Notices: told, Now: cfg.Now}
	p := &People{
		Sessions: session.New(cfg.Store, at, told, cfg.Now, log),
		Throttle: throttle.New(cfg.Store, log, cfg.Limits, cfg.Metrics),
		Apps: &apps.Apps{Store: cfg.Store, Pages: cfg.Pages, Issuer: cfg.Issuer,
			InsecureLegacyResponseTypes: cfg.InsecureLegacyResponseTypes},
		Passwords: passwords.New(),
	}
	p.Passwords.Breaches = cfg.Breaches
	if p.Guard, err = guard.New(cfg.Pages, p.Throttle, at, log); err != nil {
		return nil, err
	}
	if p.Policy, err = signup.New(cfg.Store, cfg.Signup, cfg.Metrics); err != nil {
		return nil, err
	}
	p.Policy.Notices = told
	counts, err := login.NewCounts(cfg.Metrics)
	if err != nil {
		return nil, err
	}
	keys, err := passkeys.New(passkeys.Config{Store: cfg.Store, Issuer: at, Name: cfg.Pages.Name(), Log: log})
	if err != nil {
		return nil, err
	}
	enrolment := &factors.Enrolment{Factors: second, Pages: cfg.Pages, Sessions: p.Sessions, Guard: p.Guard}
	later := &audit.Later{Log: audit.New(cfg.Store), Now: cfg.Now, Failed: func(ctx context.Context, err error) {
		log.ErrorContext(ctx, "what somebody tried is not in the audit log", "request", httpd.RequestID(ctx), "error", err)
	}}
	p.Recovery = &recovery.Recovery{Store: cfg.Store, Mail: cfg.Mail, Issuer: at, Throttle: p.Throttle, Notices: told, Later: later}
	p.Account = &account.Account{
		Store: cfg.Store, Pages: cfg.Pages, Sessions: p.Sessions, Guard: p.Guard, Throttle: p.Throttle,
		Passwords: p.Passwords, Passkeys: keys, Factors: second, Enrolment: enrolment, Apps: p.Apps, Recovery: p.Recovery, Notices: told, Now: cfg.Now,
		AccessToken: cmp.Or(cfg.AccessToken, 10*time.Minute),
		Services: func(context.Context, accounts.Session) (own map[string]json.RawMessage, ofApps map[string]map[string]json.RawMessage, err error) {
			return nil, nil, nil
		},
	}
	p.Arrivals = &arrival.Arrivals{Store: cfg.Store, Pages: cfg.Pages, Issuer: at, Sessions: p.Sessions, Guard: p.Guard, Apps: p.Apps,
		Signup: p.Policy, Landing: p.Account.Landing}
	p.Login = &login.Login{
		Store: cfg.Store, Pages: cfg.Pages, Arrivals: p.Arrivals, Sessions: p.Sessions, Guard: p.Guard, Throttle: p.Throttle,
		Passwords: p.Passwords, Passkeys: keys, Factors: second, Enrolment: enrolment, Recovery: p.Recovery, Notices: told, Signup: p.Policy,
		Now: cfg.Now, Log: log, Counts: counts, Later: later,
	}
	if cfg.Fetch != nil && cfg.KEK != nil {
		counts, err := upstream.NewCounts(cfg.Metrics)
		if err != nil {
			return nil, err
		}
		p.Upstreams = &upstream.Upstreams{Store: cfg.Store, Fetch: cfg.Fetch, KEK: cfg.KEK, Pages: cfg.Pages, Issuer: at, Arrivals: p.Arrivals,
			Sessions: p.Sessions, Guard: p.Guard, Throttle: p.Throttle, Notices: told, Now: cfg.Now, Log: log, Counts: counts}
		p.Login.Upstreams, p.Account.Upstreams = p.Upstreams, p.Upstreams
	}
	p.Links = &recovery.Links{
		Recovery: p.Recovery, Store: cfg.Store, Pages: cfg.Pages, Issuer: at, Arrivals: p.Arrivals, Sessions: p.Sessions, Guard: p.Guard,
		Throttle: p.Throttle, Passwords: p.Passwords, Signup: p.Policy, Upstreams: p.Upstreams,
	}
	return p, nil
}

// Routes adds the pages to r.
func (p *People) Routes(r *mux.Router) {
	p.Login.Routes(r)
	p.Links.Routes(r)
	p.Account.Routes(r)
	if p.Upstreams != nil {
		p.Upstreams.Routes(r)
	}
}
