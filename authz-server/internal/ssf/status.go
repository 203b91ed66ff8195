package ssf

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/endpoint"
	"github.com/maru-auth/maru/authz-server/internal/oauth"
	"github.com/maru-auth/maru/authz-server/internal/ssf/delivery"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/streams"
)

// statusView is what a stream does with events (SSF §8.1.2.1).
type statusView struct {
	ID     string         `json:"stream_id"`
	Status streams.Status `json:"status"`
	Reason string         `json:"reason,omitempty"`
}

func (e *Endpoints) readStatus(w http.ResponseWriter, r *http.Request) {
	c, ok := e.receiver(w, r, delivery.ScopeRead, delivery.ScopeManage)
	if !ok {
		return
	}
	id, err := asked(r)
	var s streams.Stream
	if err == nil {
		s, err = e.own(r, &c, id)
	}
	if err != nil {
		e.Error(w, r, err)
		return
	}
	endpoint.WriteJSON(w, http.StatusOK, statusView{s.ID, s.Status, s.Reason})
}

// updateStatus has a stream go on, hold events, or drop them (SSF §8.1.2.2).
func (e *Endpoints) updateStatus(w http.ResponseWriter, r *http.Request) {
	c, ok := e.receiver(w, r, delivery.ScopeManage)
	if !ok {
		return
	}
	var given statusView
	err := read(r, &given)
	if err == nil && !slices.Contains(streams.Statuses, given.Status) {
		err = oauth.InvalidRequest.Because("status must be enabled, paused or disabled")
	}
	var s streams.Stream
	if err == nil {
		s, err = e.own(r, &c, given.ID)
	}
	given.Reason = plain(given.Reason, maxReason)
	if err == nil {
		err = e.recorded(r, audit.StreamChanged, &c, s.ID, func(ctx context.Context) error {
			return e.Store.Streams.SetStatus(ctx, s.ID, given.Status, given.Reason)
		})
	}
	if err == nil && given.Status == streams.Disabled {
		err = e.Store.Streams.Drop(r.Context(), s.ID)
	}
	if errors.Is(err, store.ErrNotFound) {
		err = noStream()
	}
	if err != nil {
		e.Error(w, r, err)
		return
	}
	endpoint.WriteJSON(w, http.StatusOK, statusView{s.ID, given.Status, given.Reason})
}

// verifyEvery is how often a receiver may ask for a verification: "min_verification_interval".
const verifyEvery = 5 * time.Second

// verify sends an event about the stream itself, so that the receiver sees that it works (SSF
// §8.1.4.2).
func (e *Endpoints) verify(w http.ResponseWriter, r *http.Request) {
	c, ok := e.receiver(w, r, delivery.ScopeManage)
	if !ok {
		return
	}
	var given struct {
		ID    string  `json:"stream_id"`
		State *string `json:"state"`
	}
	err := read(r, &given)
	event := map[string]string{}
	if err == nil && given.State != nil {
		if event["state"] = *given.State; len(*given.State) > maxState {
			err = oauth.InvalidRequest.Because("state must be at most " + strconv.Itoa(maxState) + " bytes long")
		}
	}
	var s streams.Stream
	if err == nil {
		s, err = e.own(r, &c, given.ID)
	}
	var set streams.Set
	if err == nil {
		set, err = streams.OfStream(s.ID, streams.Verification, event)
	}
	if err == nil {
		err = e.Store.Tx(r.Context(), func(ctx context.Context) error {
			if err := e.Store.Streams.CountVerification(ctx, s.ID, verifyEvery); err != nil {
				return err
			}
			return e.Store.Streams.Add(ctx, s.ID, set)
		})
		if errors.Is(err, store.ErrNotFound) || errors.Is(err, streams.ErrFull) {
			w.Header().Set("Retry-After", strconv.Itoa(int(verifyEvery.Seconds())))
			err = oauth.Kind{Code: "too_many_requests", Status: http.StatusTooManyRequests}.Because(
				"a verification was asked for within min_verification_interval, or too many events wait")
		}
	}
	if err != nil {
		e.Error(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
