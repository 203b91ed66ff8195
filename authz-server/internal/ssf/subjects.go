package ssf

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/maru-auth/maru/authz-server/internal/endpoint"
	"github.com/maru-auth/maru/authz-server/internal/oauth"
	"github.com/maru-auth/maru/authz-server/internal/ssf/delivery"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/streams"
)

// subject identifies a person (RFC 9493 §3.2; SSF §3.3). Of a complex one, the user counts.
type subject struct {
	Format  string   `json:"format"`
	Issuer  string   `json:"iss"`
	Subject string   `json:"sub"`
	Email   string   `json:"email"`
	User    *subject `json:"user"`

	// Narrower than a person, which no stream can be.
	Session *subject `json:"session"`
	Device  *subject `json:"device"`
	Tenant  *subject `json:"tenant"`
	Group   *subject `json:"group"`
}

// maxSubject is the longest subject or address, in bytes.
const maxSubject = 320

// exclusion is what a subject is known by that a receiver excludes. Whether there is such a person
// is not looked at, so that nobody learns it (SSF §9.1).
func (e *Endpoints) exclusion(s *subject) (delivery.Exclusion, error) {
	switch {
	case s == nil:
		return nil, oauth.InvalidRequest.Because("subject is missing")
	case s.Format == "complex" && s.User != nil && s.User.Format != "complex" &&
		s.Session == nil && s.Device == nil && s.Tenant == nil && s.Group == nil:
		return e.exclusion(s.User)
	case s.Format == "iss_sub" && s.Issuer == e.Issuer.String() && s.Subject != "" && len(s.Subject) <= maxSubject:
		return delivery.ExcludedSubject(s.Subject), nil
	case s.Format == "email" && s.Email != "" && len(s.Email) <= maxSubject:
		return delivery.ExcludedEmail(s.Email), nil
	}
	return nil, oauth.InvalidRequest.Because("subject must be a person: iss_sub with this issuer, email, or complex with such a user alone")
}

// addSubject undoes removeSubject: a stream has all subjects to begin with (SSF §8.1.3.2).
func (e *Endpoints) addSubject(w http.ResponseWriter, r *http.Request) {
	e.changeSubject(w, r, http.StatusOK, func(s *streams.Stream, which delivery.Exclusion) error {
		return e.Store.Streams.Include(r.Context(), s.ID, which)
	})
}

// removeSubject keeps events about a person from a stream (SSF §8.1.3.3).
func (e *Endpoints) removeSubject(w http.ResponseWriter, r *http.Request) {
	e.changeSubject(w, r, http.StatusNoContent, func(s *streams.Stream, which delivery.Exclusion) error {
		err := e.Store.Streams.Exclude(r.Context(), s.ID, which)
		if errors.Is(err, store.ErrStale) {
			return oauth.Kind{Code: "too_many_requests", Status: http.StatusTooManyRequests}.Because(
				"a stream can have at most " + strconv.Itoa(streams.MaxExclusions) + " subjects removed")
		}
		return err
	})
}

func (e *Endpoints) changeSubject(
	w http.ResponseWriter, r *http.Request, status int, do func(s *streams.Stream, which delivery.Exclusion) error,
) {
	c, ok := e.receiver(w, r, delivery.ScopeManage)
	if !ok {
		return
	}
	var given struct {
		ID      string   `json:"stream_id"`
		Subject *subject `json:"subject"`
	}
	err := read(r, &given)
	var s streams.Stream
	if err == nil {
		s, err = e.own(r, &c, given.ID)
	}
	var which delivery.Exclusion
	if err == nil {
		which, err = e.exclusion(given.Subject)
	}
	if err == nil {
		err = do(&s, which)
	}
	if errors.Is(err, store.ErrNotFound) {
		err = noStream()
	}
	if err != nil {
		e.Error(w, r, err)
		return
	}
	endpoint.NoStore(w)
	w.WriteHeader(status)
}
