package ssf

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/authz-server/internal/endpoint"
	"github.com/maru-auth/maru/authz-server/internal/oauth"
	"github.com/maru-auth/maru/authz-server/internal/ssf/delivery"
	"github.com/maru-auth/maru/authz-server/internal/store/streams"
)

// Bounds of a poll.
const (
	maxEvents = 50               // each is signed anew
	longPoll  = 10 * time.Second // how long a request waits for an event
	lookEvery = time.Second      // meanwhile, for events that another replica added
	answerIn  = time.Second      // of the request's time, what is left for the answer
)

// pollRequest is RFC 8936 §2.2.
type pollRequest struct {
	MaxEvents         *int                `json:"maxEvents"`
	ReturnImmediately bool                `json:"returnImmediately"`
	Ack               []string            `json:"ack"`
	SetErrs           map[string]setError `json:"setErrs"`
}

type setError struct {
	Code        string `json:"err"`
	Description string `json:"description"`
}

// sets are SETs by their jti. They are written in their order, though JSON promises none.
type sets []struct{ id, token string }

func (s sets) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	out.WriteByte('{')
	for i, one := range s {
		if i > 0 {
			out.WriteByte(',')
		}
		name, err := json.Marshal(one.id)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(one.token)
		if err != nil {
			return nil, err
		}
		out.Write(name)
		out.WriteByte(':')
		out.Write(value)
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// pollAnswer is RFC 8936 §2.3.
type pollAnswer struct {
	Sets sets `json:"sets"`
	More bool `json:"moreAvailable,omitempty"`
}

// poll takes acknowledgments and gives events (RFC 8936 §2). An event comes again with every poll
// until it is acknowledged; the next one about the same person comes after that, since the sets of
// an answer have no order.
func (e *Endpoints) poll(w http.ResponseWriter, r *http.Request) {
	c, ok := e.receiver(w, r, delivery.ScopeRead, delivery.ScopeManage)
	if !ok {
		return
	}
	var given pollRequest
	err := read(r, &given)
	if err == nil && given.MaxEvents != nil && *given.MaxEvents < 0 {
		err = oauth.InvalidRequest.Because("maxEvents must not be negative")
	}
	var s streams.Stream
	if err == nil {
		s, err = e.own(r, &c, mux.Vars(r)["stream_id"])
	}
	if err == nil && s.Push() {
		err = noStream()
	}
	if err == nil {
		err = e.acknowledge(r.Context(), &s, &given)
	}
	most := maxEvents
	if given.MaxEvents != nil {
		most = min(most, *given.MaxEvents)
	}
	answer := pollAnswer{Sets: sets{}}
	if err == nil && most > 0 {
		answer, err = e.wait(r.Context(), &s, most, given.ReturnImmediately)
	}
	if err != nil {
		e.Error(w, r, err)
		return
	}
	endpoint.WriteJSON(w, http.StatusOK, answer)
}

// acknowledge removes what the receiver has, and gives up what it cannot use. What is no set of the
// stream, or no more, is ignored (RFC 8936 §2.4).
func (e *Endpoints) acknowledge(ctx context.Context, s *streams.Stream, given *pollRequest) error {
	if len(given.Ack)+len(given.SetErrs) == 0 {
		return nil
	}
	return e.Store.Tx(ctx, func(ctx context.Context) error {
		for _, id := range given.Ack {
			if err := e.Store.Streams.Done(ctx, s.ID, id); err != nil {
				return err
			}
		}
		for id, why := range given.SetErrs {
			if err := e.Store.Streams.Refuse(ctx, s.ID, id, why.Code+": "+why.Description, time.Time{}); err != nil {
				return err
			}
		}
		return nil
	})
}

// wait returns what is there, or waits for something, unless it is to return immediately.
func (e *Endpoints) wait(ctx context.Context, s *streams.Stream, most int, immediately bool) (pollAnswer, error) {
	replaced, leave := e.enter(s.ID)
	defer leave()
	patience := longPoll
	if end, ok := ctx.Deadline(); ok {
		patience = min(patience, time.Until(end)-answerIn)
	}
	over := time.NewTimer(patience)
	defer over.Stop()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		waiting := e.Store.Streams.Waiting()
		now, err := e.Store.Streams.Stream(ctx, s.ID) // which may be paused meanwhile
		if err != nil {
			return pollAnswer{}, err
		}
		answer, err := e.ready(ctx, &now, most)
		if err != nil || len(answer.Sets) > 0 || immediately {
			return answer, err
		}
		select {
		case <-waiting:
		case <-look.C:
		case <-replaced:
			return answer, nil
		case <-over.C:
			return answer, nil
		case <-e.Closing.Done():
			return answer, nil
		case <-ctx.Done():
			return answer, errors.Join(ctx.Err(), context.Canceled)
		}
	}
}

// enter makes this the poll that waits for a stream. Another one ends: a receiver cannot hold more
// than one request open.
func (e *Endpoints) enter(id string) (replaced <-chan struct{}, leave func()) {
	mine := make(chan struct{})
	e.mu.Lock()
	defer e.mu.Unlock()
	if other, ok := e.polls[id]; ok {
		close(other)
	}
	e.polls[id] = mine
	return mine, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.polls[id] == mine {
			delete(e.polls, id)
		}
	}
}

func (e *Endpoints) ready(ctx context.Context, s *streams.Stream, most int) (pollAnswer, error) {
	found, more, err := e.Store.Streams.Ready(ctx, *s, most)
	answer := pollAnswer{Sets: sets{}, More: more}
	for i := range found {
		token, err := e.Transmitter.Sign(ctx, s, &found[i])
		if err != nil {
			return answer, err
		}
		answer.Sets = append(answer.Sets, struct{ id, token string }{found[i].ID, token})
	}
	return answer, err
}
