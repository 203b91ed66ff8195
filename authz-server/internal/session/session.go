// Package session knows the browser that sent a request: who is logged in there, and which of the
// requests that wait for a person are its own. All cookies of the server are here, but for the one
// that remembers the language.
package session

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/notices"
	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/proofs"
	"github.com/maru-auth/maru/authz-server/internal/sender"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/upstreams"
	"github.com/maru-auth/maru/internal/httpd"
)

// Session is a live session and its person.
type Session struct {
	accounts.Session
	User accounts.User
}

// Confirm is the query by which a page of the account sends somebody to /login or /login/verify who
// is to prove again who they are.
const Confirm = "confirm=yes"

// ConfirmSeveral is Confirm for somebody who is to do so by a second step or a passkey, as
// administrators are.
const ConfirmSeveral = "confirm=several"

// Provable is what the person can prove by.
func (s *Session) Provable() proofs.Person { return Provable(s.User) }

// Provable is what a person can prove by.
func Provable(user accounts.User) proofs.Person {
	return proofs.Person{SecondStep: user.SecondStep, Passkey: user.Passkey}
}

// Local tells whether somebody has a way in that is this server's own. Then a log-in at another
// provider proves nothing where it matters: whoever sits at their browser may be logged in there.
func Local(user accounts.User) bool { return user.PasswordHash != "" || user.Passkey }

// Proved is when somebody proved who they are, by a log-in at a time, as far as something sensitive
// is concerned; the zero time: never, since only another provider said so of somebody who has a way in
// that is this server's own. It is the one rule for sessions, and for the tokens that come of them.
func Proved(user accounts.User, by proofs.Proof, at time.Time) time.Time {
	if Local(user) && !by.Local() {
		return time.Time{}
	}
	return at
}

// Proved is when the person proved who they are: see [Proved].
func (s *Session) Proved() time.Time { return Proved(s.User, s.AMR, s.AuthTime) }

// stale tells whether the person has to log in again before something sensitive.
func (s *Session) stale(now time.Time) bool { return now.Sub(s.Proved()) > proofs.Recent }

// Unproved is the page where the person of a session proves again who they are, before something
// sensitive is shown or changed; empty: they did in the last ten minutes, as strongly as they can.
//
// An administrator's password alone is not enough where they have more: whoever knew it could give
// themselves a second factor, and with it the server.
func (s *Sessions) Unproved(ctx context.Context, current *Session) (page string, err error) {
	strongest := proofs.Request{Strongest: true}
	switch {
	case current.stale(s.now()):
		return "/login?" + Confirm, nil
	case strongest.Owed(current.Provable(), current.Login()) != proofs.Nothing:
		return "/login/verify?" + Confirm, nil
	case !current.User.Passkey || current.ProvedSeveral():
		return "", nil
	}
	crowned, err := s.store.Roles.Administers(ctx, current.UserID)
	if crowned {
		page = "/login/verify?" + ConfirmSeveral
	}
	return page, err
}

// ProvedSeveral tells whether the person has logged in by a second step or a passkey.
func (s *Session) ProvedSeveral() bool {
	return proofs.Several.MetBy(proofs.Proof(s.AMR))
}

// UnprovedSeveral is [Sessions.Unproved] for what asks for a second step or a passkey.
func (s *Session) UnprovedSeveral(now time.Time) (page string) {
	switch {
	case s.stale(now):
		return "/login?" + ConfirmSeveral
	case !s.ProvedSeveral():
		return "/login/verify?" + ConfirmSeveral
	}
	return ""
}

// Login is how far the person has come.
func (s *Session) Login() proofs.Login { return proofs.Login{Proof: s.AMR, Complete: true} }

// Sessions finds, opens and ends sessions. It is safe for concurrent use.
type Sessions struct {
	store   *store.Store
	at      issuer.URL
	notices *notices.Notices
	now     func() time.Time
	log     *slog.Logger
}

// New makes Sessions for the issuer at at, whose https makes cookies Secure. n is told of log-ins
// in browsers that are not known. now is for cookies alone: the store has a clock of its own, which
// decides what has expired. A nil now stands for time.Now, a nil log for slog.Default().
func New(s *store.Store, at issuer.URL, n *notices.Notices, now func() time.Time, log *slog.Logger) *Sessions {
	if now == nil {
		now = time.Now
	}
	return &Sessions{s, at, n, now, cmp.Or(log, slog.Default())}
}

// touchEvery is how precisely it is known when a session was last seen.
const touchEvery = 5 * time.Minute

// Session returns the session of the browser that sent r, or nil when nobody is logged in there.
func (s *Sessions) Session(r *http.Request) (*Session, error) {
	cookie, ok := s.cookie(r, sessionCookie)
	if !ok {
		return nil, nil
	}
	session, user, err := s.store.Sessions.SessionByCookie(r.Context(), cookie)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := s.touch(r, session); err != nil {
		return nil, err
	}
	return &Session{session, user}, nil
}

// touch notes that a session is in use. Pages that only read do not wait for a database that cannot
// write at the moment; then the session ends a little earlier, if the person does nothing more.
func (s *Sessions) touch(r *http.Request, session accounts.Session) error {
	ctx, cancel := context.WithTimeout(r.Context(), time.Second)
	defer cancel()
	address, _ := sender.Of(r)
	err := s.store.Sessions.TouchSession(ctx, session, address, touchEvery)
	if errors.Is(err, store.ErrUnavailable) {
		s.log.WarnContext(ctx, "cannot note that a session is in use", "request", httpd.RequestID(ctx), "error", err)
		return nil
	}
	return err
}

// Opening is a log-in that is complete.
type Opening struct {
	User  accounts.User // as read when the password was checked
	Proof proofs.Proof
	Trust bool // the browser stands for the second step from now on

	// At is when the person proved who they are, if another provider says so; zero, or a time to
	// come: now.
	At   time.Time
	From *upstreams.Origin // the log-in at an upstream; nil: this server saw all that was proved

	// With runs in the transaction of the log-in, if it is not nil: what the proof was spends
	// itself there.
	With func(ctx context.Context) error
}

// Open makes a session, and gives the browser new cookies, for the session and for what it is known
// by: those that somebody planted before are worth nothing. The same person keeps their session
// under its id, so that applications that hang on it stay logged in; another person's session in
// this browser ends. The browser is known from now on, and the person is told if it was not.
// Errors: [store.ErrNotFound], if the account was disabled, or got another password, this very
// moment; and those of o.With.
func (s *Sessions) Open(w http.ResponseWriter, r *http.Request, o Opening) error {
	user := o.User
	before, err := s.Session(r)
	if err != nil {
		return err
	}
	in := accounts.Session{UserID: user.ID, AMR: o.Proof, ACR: o.Proof.ACR(), AuthTime: o.At}
	in.Address, in.UserAgent = sender.Of(r)
	if before != nil && before.UserID == user.ID {
		in.ID = before.ID
	}
	device := opaque.New()
	var session accounts.Session
	var cookie string
	err = s.store.Tx(r.Context(), func(ctx context.Context) error {
		var err error
		if session, cookie, err = s.store.Sessions.CreateSession(ctx, in, user.PasswordHash); err != nil {
			return err
		}
		if err := s.noteOrigin(ctx, before, session, o.From); err != nil {
			return err
		}
		if o.With != nil {
			if err := o.With(ctx); err != nil {
				return err
			}
		}
		// What waited for a second step waits no more: it could be another person's.
		if err := s.EndLogin(ctx, r); err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		fresh, err := s.noteDevice(ctx, r, o, device)
		if err != nil {
			return err
		}
		e := audit.OfPerson(audit.LoggedIn, r, user.ID, user.Email)
		e.Proof, e.Detail = in.ACR, map[string]any{"amr": o.Proof, "sid": session.ID, "new_device": fresh}
		return audit.New(s.store).Record(ctx, e)
	})
	if err != nil {
		return err
	}
	if before != nil && before.UserID != user.ID {
		if err := s.end(r, before.ID, before, "replaced"); err != nil {
			return err
		}
	}
	s.setCookie(w, sessionCookie, cookie, int(session.ExpiresAt.Sub(session.CreatedAt)/time.Second))
	s.setBrowserState(w, &Session{Session: session}, stateOf(session.ID))
	s.setCookie(w, deviceCookie, device, int(accounts.BrowserRetention/time.Second))
	return nil
}

// noteOrigin notes by which log-in at an upstream a session begins, or begins anew.
func (s *Sessions) noteOrigin(ctx context.Context, before *Session, session accounts.Session, from *upstreams.Origin) error {
	switch {
	case from != nil:
		return s.store.Upstreams.NoteOrigin(ctx, session.ID, *from)
	case before != nil && before.ID == session.ID && proofs.Proof(before.AMR).Federated():
		return s.store.Upstreams.DropOrigin(ctx, session.ID)
	}
	return nil
}

// Origin returns by which log-in at an upstream a session began; nil: by none, as far as is known.
func (s *Sessions) Origin(ctx context.Context, current *Session) (*upstreams.Origin, error) {
	if current == nil || !proofs.Proof(current.AMR).Federated() {
		return nil, nil //nolint:nilnil // as Opening has it
	}
	origin, err := s.store.Upstreams.Origin(ctx, current.ID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil //nolint:nilnil // the same
	}
	return &origin, err
}

// Dated tells whether it is known when the person of a session logged in: another provider may have
// let them in who had logged in there before, and not say when.
func (s *Sessions) Dated(ctx context.Context, current *Session) (bool, error) {
	if proof := proofs.Proof(current.AMR); !proof.Federated() || proof.Local() {
		return true, nil
	}
	origin, err := s.Origin(ctx, current)
	return origin != nil && origin.Dated, err
}

// noteDevice notes in which browser the person logged in, whose secret is device from now on, and
// tells them if it is a new one, fresh; the first one of all is no news.
func (s *Sessions) noteDevice(ctx context.Context, r *http.Request, o Opening, device string) (fresh bool, err error) {
	address, userAgent := sender.Of(r)
	before, _ := s.cookie(r, deviceCookie)
	known, first, err := s.store.Browsers.NoteLogin(ctx, o.User.ID, before, device, address, userAgent)
	fresh = !known && !first
	if err == nil && fresh {
		err = s.notices.Note(ctx, r, o.User, notices.NewDevice, "")
	}
	if err == nil && o.Trust {
		err = errors.Join(s.store.Browsers.Trust(ctx, o.User.ID, device), s.notices.Note(ctx, r, o.User, notices.BrowserTrusted, ""))
	}
	return fresh, err
}

// Raise notes that the person of a live session has proved more, and gives the browser a new
// cookie; with is as of [Opening]. The log-in keeps its time: what is added to it is not a new one.
// [store.ErrNotFound]: the session has just ended.
func (s *Sessions) Raise(w http.ResponseWriter, r *http.Request, current *Session, proof proofs.Proof,
	with func(ctx context.Context) error) error {
	var cookie string
	err := s.store.Tx(r.Context(), func(ctx context.Context) error {
		var err error
		if cookie, err = s.store.Sessions.RaiseSession(ctx, current.Session, proof, proof.ACR()); err != nil {
			return err
		}
		e := audit.OfPerson(audit.LogInRaised, r, current.UserID, current.User.Email)
		e.Proof, e.Detail = proof.ACR(), map[string]any{"amr": proof, "sid": current.ID}
		if err = audit.New(s.store).Record(ctx, e); err != nil || with == nil {
			return err
		}
		return with(ctx)
	})
	if err == nil {
		s.Renew(w, current, cookie)
	}
	return err
}

// Device tells whether the person has logged in before in the browser that sent r, and whether it
// stands for their second step.
func (s *Sessions) Device(r *http.Request, userID string) (known, trusted bool, err error) {
	id, trusted, err := s.device(r, userID)
	return id != "", trusted, err
}

// KnownBrowser names the browser that sent r if the person with this id has logged in there before;
// empty: they have not. The name is no secret, and stays when the browser gets another one. The id
// "" stands for nobody, and takes as long.
func (s *Sessions) KnownBrowser(r *http.Request, userID string) (string, error) {
	id, _, err := s.device(r, userID)
	return id, err
}

func (s *Sessions) device(r *http.Request, userID string) (id string, trusted bool, err error) {
	device, ok := s.cookie(r, deviceCookie)
	if !ok {
		return "", false, nil
	}
	return s.store.Browsers.Known(r.Context(), userID, device)
}

// BeginLogin notes that user has shown proof, such as their password, and that a second step is
// owed. from is as of [Opening].
func (s *Sessions) BeginLogin(w http.ResponseWriter, r *http.Request, user accounts.User, proof proofs.Proof, from *upstreams.Origin) error {
	return s.store.Pending.BeginLogin(r.Context(), s.EnsureBrowser(w, r), user, proof, from)
}

// PendingLogin returns the log-in that owes a second step in the browser that sent r.
// [store.ErrNotFound]: there is none.
func (s *Sessions) PendingLogin(r *http.Request) (accounts.PendingLogin, error) {
	browser, ok := s.cookie(r, browserCookie)
	if !ok {
		return accounts.PendingLogin{}, store.ErrNotFound
	}
	return s.store.Pending.PendingLogin(r.Context(), browser)
}

// EndLogin forgets the log-in that owes a second step. Call it in the transaction that opens the
// session, by [Opening]: of several calls at once, one succeeds. [store.ErrNotFound]: there is
// none.
func (s *Sessions) EndLogin(ctx context.Context, r *http.Request) error {
	browser, ok := s.cookie(r, browserCookie)
	if !ok {
		return store.ErrNotFound
	}
	return s.store.Pending.EndLogin(ctx, browser)
}

// Renew gives the browser another cookie for its session, until the session ends.
func (s *Sessions) Renew(w http.ResponseWriter, session *Session, cookie string) {
	s.setCookie(w, sessionCookie, cookie, int(session.ExpiresAt.Sub(s.now())/time.Second))
}

// Forget takes the session's cookie from the browser, when the session has ended already.
func (s *Sessions) Forget(w http.ResponseWriter) {
	s.setCookie(w, sessionCookie, "", -1)
	s.setBrowserState(w, nil, "")
}

// EndSession ends the session sid with its grants and, when it is the one of the browser that sent
// r, its cookie. A session that has ended already is no error.
func (s *Sessions) EndSession(w http.ResponseWriter, r *http.Request, sid string) error {
	mine, err := s.Session(r)
	if err != nil {
		return err
	}
	if err := s.end(r, sid, mine, "logout"); err != nil {
		return err
	}
	if mine == nil || mine.ID == sid {
		s.Forget(w)
	}
	return nil
}

// EndHinted ends a session that an ID token of a log-out request names, in another browser than its
// own. One that has ended already is no error.
func (s *Sessions) EndHinted(r *http.Request, sid string) error { return s.end(r, sid, nil, "hint") }

// EndFrom ends the sessions that began by a log-in at an upstream, which says so by r, and the log-ins
// that owe a second step; see [upstreams.Upstreams.SessionsFrom]. once runs in the same transaction, and
// its error undoes all.
func (s *Sessions) EndFrom(r *http.Request, from upstreams.Origin, once func(ctx context.Context) error) error {
	return s.store.Tx(r.Context(), func(ctx context.Context) error {
		if err := once(ctx); err != nil {
			return err
		}
		if err := s.endFrom(ctx, r, from); err != nil {
			return err
		}
		if err := s.store.Pending.EndFrom(ctx, from); err != nil {
			return err
		}
		return s.endFrom(ctx, r, from) // what began while the statement before waited for its log-in
	})
}

func (s *Sessions) endFrom(ctx context.Context, r *http.Request, from upstreams.Origin) error {
	ids, err := s.store.Upstreams.SessionsFrom(ctx, from)
	if err != nil {
		return err
	}
	for _, sid := range ids {
		e := audit.OfRequest(audit.SessionEnded, r)
		e.Actor.Kind, e.Detail = audit.Unknown, map[string]any{"how": "upstream", "upstream": from.Upstream, "sid": sid}
		if e.Person, err = s.store.Sessions.Owner(ctx, sid); err == nil {
			err = s.store.Sessions.EndSessionByUpstream(ctx, sid)
		}
		if errors.Is(err, store.ErrNotFound) { // it ended this very moment
			continue
		}
		if err == nil {
			err = audit.New(s.store).Record(ctx, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// end ends a session by the request of a browser whose own session is mine; nil: it has none. A
// session that has ended already is no error.
func (s *Sessions) end(r *http.Request, sid string, mine *Session, how string) error {
	return s.store.Tx(r.Context(), func(ctx context.Context) error {
		e := audit.OfRequest(audit.SessionEnded, r)
		e.Actor.Kind = audit.Unknown // a client's page, with an ID token that the person once got
		var err error
		if mine != nil && mine.ID == sid {
			e = audit.OfPerson(audit.SessionEnded, r, mine.UserID, mine.User.Email)
		} else {
			e.Person, err = s.store.Sessions.Owner(ctx, sid)
		}
		if err == nil {
			err = s.store.Sessions.EndSession(ctx, sid)
		}
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		e.Detail = map[string]any{"how": how, "sid": sid}
		return audit.New(s.store).Record(ctx, e)
	})
}
