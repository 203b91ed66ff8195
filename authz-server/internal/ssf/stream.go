package ssf

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/endpoint"
	"github.com/maru-auth/maru/authz-server/internal/oauth"
	"github.com/maru-auth/maru/authz-server/internal/ssf/delivery"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/streams"
)

// view is a stream's configuration, as its receiver sees it (SSF §8.1.1). The header of pushes is
// not in it: whoever may read it need not know what the endpoint lets in.
type view struct {
	ID          string          `json:"stream_id"`
	Issuer      string          `json:"iss"`
	Audience    oauth.Audiences `json:"aud"`
	Supported   []string        `json:"events_supported"`
	Requested   []string        `json:"events_requested"`
	Delivered   []string        `json:"events_delivered"`
	Delivery    Delivery        `json:"delivery"`
	Interval    int             `json:"min_verification_interval"`
	Description string          `json:"description,omitempty"`
}

func (rules Rules) view(s *streams.Stream) view {
	v := view{
		ID: s.ID, Issuer: rules.Issuer.String(), Audience: oauth.Audiences{s.Audience},
		Supported: uris(streams.Types), Requested: s.Requested, Delivered: uris(s.Delivered),
		Delivery: Delivery{Method: MethodPoll, Endpoint: rules.pollURL(s.ID)}, Interval: int(verifyEvery.Seconds()),
		Description: s.Description,
	}
	if s.Push() {
		v.Delivery = Delivery{Method: MethodPush, Endpoint: s.Endpoint}
	}
	return v
}

func uris(types []streams.Type) []string {
	all := make([]string, len(types))
	for i, one := range types {
		all[i] = one.URI()
	}
	return all
}

// New is the stream of a client as it begins: polled, and without events.
func (rules Rules) New(c *client.Client, wish Wish) (streams.Stream, error) {
	s := streams.Stream{ID: streams.NewID(), ClientID: c.ID, Audience: c.ID}
	return s, rules.Apply(&s, wish)
}

func (e *Endpoints) createStream(w http.ResponseWriter, r *http.Request) {
	c, ok := e.receiver(w, r, delivery.ScopeManage)
	if !ok {
		return
	}
	var wish Wish
	if err := read(r, &wish); err != nil {
		e.Error(w, r, err)
		return
	}
	stream, err := e.rules.New(&c, wish)
	if err == nil {
		err = e.recorded(r, audit.StreamCreated, &c, stream.ID, func(ctx context.Context) (err error) {
			stream, err = e.Store.Streams.Create(ctx, stream)
			return err
		})
	}
	if errors.Is(err, store.ErrExists) {
		if _, err = e.Store.Streams.StreamOf(r.Context(), c.ID); err == nil {
			err = oauth.Kind{Code: "conflict", Status: http.StatusConflict}.Because("you have a stream already; change it, or delete it first")
		} else if errors.Is(err, store.ErrNotFound) {
			err = oauth.AccessDenied.Because("there are as many streams as this server takes; ask its operator")
		}
	}
	if err != nil {
		e.Error(w, r, err)
		return
	}
	endpoint.WriteJSON(w, http.StatusCreated, e.rules.view(&stream))
}

// own finds the receiver's stream, if it has that id. Of another's streams nothing is looked up, so
// that nothing tells whether there is one.
func (e *Endpoints) own(r *http.Request, c *client.Client, id string) (streams.Stream, error) {
	if id == "" {
		return streams.Stream{}, oauth.InvalidRequest.Because("stream_id is missing")
	}
	s, err := e.Store.Streams.StreamOf(r.Context(), c.ID)
	if errors.Is(err, store.ErrNotFound) || err == nil && s.ID != id {
		return streams.Stream{}, noStream()
	}
	return s, err
}

// asked returns the stream_id of the query; empty: there is none.
func asked(r *http.Request) (string, error) {
	values := r.URL.Query()["stream_id"]
	if len(values) > 1 {
		return "", oauth.InvalidRequest.Because("the parameter stream_id comes more than once")
	}
	if len(values) == 0 {
		return "", nil
	}
	if values[0] == "" {
		return "", noStream()
	}
	return values[0], nil
}

func (e *Endpoints) readStream(w http.ResponseWriter, r *http.Request) {
	c, ok := e.receiver(w, r, delivery.ScopeRead, delivery.ScopeManage)
	if !ok {
		return
	}
	id, err := asked(r)
	if err != nil {
		e.Error(w, r, err)
		return
	}
	if id != "" {
		s, err := e.own(r, &c, id)
		if err != nil {
			e.Error(w, r, err)
			return
		}
		endpoint.WriteJSON(w, http.StatusOK, e.rules.view(&s))
		return
	}
	all := []view{}
	s, err := e.Store.Streams.StreamOf(r.Context(), c.ID)
	if err == nil {
		all = append(all, e.rules.view(&s))
	} else if !errors.Is(err, store.ErrNotFound) {
		e.Error(w, r, err)
		return
	}
	endpoint.WriteJSON(w, http.StatusOK, all)
}

// change is the body of an update: what the receiver wants, and what the transmitter supplies,
// which must be as it is (SSF §8.1.1.3).
type change struct {
	ID          string          `json:"stream_id"`
	Issuer      *string         `json:"iss"`
	Audience    oauth.Audiences `json:"aud"`
	Supported   *[]string       `json:"events_supported"`
	Delivered   *[]string       `json:"events_delivered"`
	Interval    *int            `json:"min_verification_interval"`
	Requested   *[]string       `json:"events_requested"`
	Delivery    *Delivery       `json:"delivery"`
	Description *string         `json:"description"`
}

func (rules Rules) checkSupplied(s *streams.Stream, given *change) error {
	is := rules.view(s)
	same := func(a []string, b *[]string) bool {
		return b == nil || slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(*b)))
	}
	for name, ok := range map[string]bool{
		"iss":                       given.Issuer == nil || *given.Issuer == is.Issuer,
		"aud":                       given.Audience == nil || slices.Equal(given.Audience, is.Audience),
		"events_supported":          same(is.Supported, given.Supported),
		"events_delivered":          same(is.Delivered, given.Delivered),
		"min_verification_interval": given.Interval == nil || *given.Interval == is.Interval,
	} {
		if !ok {
			return oauth.InvalidRequest.Because(name + " is this server's to say, and is another; leave it out")
		}
	}
	return nil
}

// updateStream changes what the request names (SSF §8.1.1.3).
func (e *Endpoints) updateStream(w http.ResponseWriter, r *http.Request) {
	e.changeStream(w, r, func(given *change) Wish {
		return Wish{Requested: given.Requested, Delivery: given.Delivery, Description: given.Description}
	})
}

// replaceStream changes everything: what the request does not name is gone (SSF §8.1.1.4).
func (e *Endpoints) replaceStream(w http.ResponseWriter, r *http.Request) {
	e.changeStream(w, r, func(given *change) Wish {
		wish := Wish{Requested: new([]string), Delivery: &Delivery{Method: MethodPoll}, Description: new(string)}
		if given.Requested != nil {
			wish.Requested = given.Requested
		}
		if given.Delivery != nil {
			wish.Delivery = given.Delivery
		}
		if given.Description != nil {
			wish.Description = given.Description
		}
		return wish
	})
}

func (e *Endpoints) changeStream(w http.ResponseWriter, r *http.Request, wish func(given *change) Wish) {
	c, ok := e.receiver(w, r, delivery.ScopeManage)
	if !ok {
		return
	}
	var given change
	err := read(r, &given)
	var stream streams.Stream
	if err == nil {
		stream, err = e.own(r, &c, given.ID)
	}
	if err == nil {
		err = e.recorded(r, audit.StreamChanged, &c, stream.ID, func(ctx context.Context) (err error) {
			stream, err = e.Store.Streams.Edit(ctx, stream.ID, func(s *streams.Stream) error {
				if err := e.rules.checkSupplied(s, &given); err != nil {
					return err
				}
				return e.rules.Apply(s, wish(&given))
			})
			return err
		})
	}
	if errors.Is(err, store.ErrNotFound) {
		err = noStream()
	}
	if err != nil {
		e.Error(w, r, err)
		return
	}
	endpoint.WriteJSON(w, http.StatusOK, e.rules.view(&stream))
}

func (e *Endpoints) deleteStream(w http.ResponseWriter, r *http.Request) {
	c, ok := e.receiver(w, r, delivery.ScopeManage)
	if !ok {
		return
	}
	id, err := asked(r)
	var stream streams.Stream
	if err == nil {
		stream, err = e.own(r, &c, id)
	}
	if err == nil {
		err = e.recorded(r, audit.StreamDeleted, &c, stream.ID, func(ctx context.Context) error {
			return e.Store.Streams.Delete(ctx, stream.ID)
		})
	}
	if errors.Is(err, store.ErrNotFound) {
		err = noStream()
	}
	if err != nil {
		e.Error(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// recorded does something with a client's stream, and notes it in the audit log.
func (e *Endpoints) recorded(r *http.Request, kind audit.Kind, c *client.Client, id string, do func(ctx context.Context) error) error {
	return e.Store.Tx(r.Context(), func(ctx context.Context) error {
		if err := do(ctx); err != nil {
			return err
		}
		entry := audit.OfClient(ctx, kind, c.ID, c.Name)
		entry.Target = audit.Target{Kind: "stream", ID: id}
		return audit.New(e.Store).Record(ctx, entry)
	})
}
