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

	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/sender"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/internal/httpd"
)

// Session is a live session and its person.
type Session struct {
	accounts.Session
	User accounts.User
}

// Proof is how a person has shown who they are.
type Proof struct {
	AMR []string // claim amr (RFC 8176)
	ACR string   // claim acr
}

// Password is the proof that a person knows the password.
var Password = Proof{AMR: []string{"pwd"}, ACR: "1"}

// Sessions finds, opens and ends sessions. It is safe for concurrent use.
type Sessions struct {
	store *store.Store
	at    issuer.URL
	now   func() time.Time
	log   *slog.Logger
}

// New makes Sessions for the issuer at at, whose https makes cookies Secure. now is for cookies
// alone: the store has a clock of its own, which decides what has expired. A nil now stands for
// time.Now, a nil log for slog.Default().
func New(s *store.Store, at issuer.URL, now func() time.Time, log *slog.Logger) *Sessions {
	if now == nil {
		now = time.Now
	}
	return &Sessions{s, at, now, cmp.Or(log, slog.Default())}
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
	if err := s.touch(r.Context(), session); err != nil {
		return nil, err
	}
	return &Session{session, user}, nil
}

// touch notes that a session is in use. Pages that only read do not wait for a database that cannot
// write at the moment; then the session ends a little earlier, if the person does nothing more.
func (s *Sessions) touch(ctx context.Context, session accounts.Session) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	err := s.store.Sessions.TouchSession(ctx, session, touchEvery)
	if errors.Is(err, store.ErrUnavailable) {
		s.log.WarnContext(ctx, "cannot note that a session is in use", "request", httpd.RequestID(ctx), "error", err)
		return nil
	}
	return err
}

// Open makes a session for user, whose password was checked against user.PasswordHash, and gives
// the browser a new cookie: one that somebody planted before is worth nothing. The same person
// keeps their session under its id, so that applications that hang on it stay logged in; another
// person's session in this browser ends. [store.ErrNotFound]: the account was disabled, or got
// another password, this very moment.
func (s *Sessions) Open(w http.ResponseWriter, r *http.Request, user accounts.User, by Proof) error {
	before, err := s.Session(r)
	if err != nil {
		return err
	}
	in := accounts.Session{UserID: user.ID, AMR: by.AMR, ACR: by.ACR}
	in.Address, in.UserAgent = sender.Of(r)
	if before != nil && before.UserID == user.ID {
		in.ID = before.ID
	}
	session, cookie, err := s.store.Sessions.CreateSession(r.Context(), in, user.PasswordHash)
	if err != nil {
		return err
	}
	if before != nil && before.UserID != user.ID {
		if err := s.store.Sessions.EndSession(r.Context(), before.ID); err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	s.setCookie(w, sessionCookie, cookie, int(session.ExpiresAt.Sub(session.CreatedAt)/time.Second))
	s.setBrowserState(w, &Session{Session: session}, stateOf(session.ID))
	return nil
}

// Renew gives the browser another cookie for its session, until the session ends.
func (s *Sessions) Renew(w http.ResponseWriter, session *Session, cookie string) {
	s.setCookie(w, sessionCookie, cookie, int(session.ExpiresAt.Sub(s.now())/time.Second))
}

// EndSession ends the session sid with its grants and, when it is the one of the browser that sent
// r, its cookie. A session that has ended already is no error.
func (s *Sessions) EndSession(w http.ResponseWriter, r *http.Request, sid string) error {
	mine, err := s.Session(r)
	if err != nil {
		return err
	}
	if err := s.store.Sessions.EndSession(r.Context(), sid); err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if mine == nil || mine.ID == sid {
		s.setCookie(w, sessionCookie, "", -1)
		s.setBrowserState(w, nil, "")
	}
	return nil
}
