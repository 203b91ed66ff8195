package admin

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/oauth"
	"github.com/maru-auth/maru/authz-server/internal/ssf"
	"github.com/maru-auth/maru/authz-server/internal/ssf/delivery"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/streams"
)

// Stream is an event stream, with what waits for it.
type Stream struct {
	ID           string         `json:"stream_id"`
	Client       string         `json:"client_id,omitempty"`
	Service      string         `json:"service,omitempty"`
	Audience     string         `json:"aud"`
	Endpoint     string         `json:"endpoint_url,omitempty"` // empty: it polls
	Events       []streams.Type `json:"events_delivered"`
	Description  string         `json:"description,omitempty"`
	Status       streams.Status `json:"status"`
	Reason       string         `json:"reason,omitempty"`
	Waiting      int64          `json:"waiting"` // 1000 stands for more
	Oldest       *time.Time     `json:"oldest_at,omitempty"`
	Refused      int64          `json:"refused"` // 1000 stands for more
	Dropped      int64          `json:"dropped"`
	FailingSince *time.Time     `json:"failing_since,omitempty"`
	NextAt       *time.Time     `json:"next_at,omitempty"`
	Error        string         `json:"error,omitempty"`
	Version      string         `json:"version"` // for If-Match: of what operators and receivers set
}

// versionOfStream is the version of what is set of a stream, whatever happens to its events.
func versionOfStream(s streams.Stream) string {
	h := sha256.New()
	for _, part := range []string{s.Audience, s.Endpoint, string(s.Header), s.Description, fmt.Sprintf("%q %q", s.Requested, s.Delivered), string(s.Status), s.Reason} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:12])
}

// StreamDetail is a stream with the events that its receiver refused, the first thousand.
type StreamDetail struct {
	Stream
	Requested []string     `json:"events_requested"`
	CreatedAt time.Time    `json:"created_at"`
	UpdatedAt time.Time    `json:"updated_at"`
	Sets      []RefusedSet `json:"refused_events"`
}

// RefusedSet is an event that a receiver refused.
type RefusedSet struct {
	ID        string       `json:"jti"`
	Type      streams.Type `json:"type"`
	CreatedAt time.Time    `json:"created_at"`
	Attempts  int64        `json:"attempts"`
	NextAt    *time.Time   `json:"next_at,omitempty"`
	GivenUpAt *time.Time   `json:"given_up_at,omitempty"`
	Error     string       `json:"error"`
}

func (a *Admin) streamOf(ctx context.Context, one *streams.Stream) (Stream, error) {
	depth, err := a.Store.Streams.Depth(ctx, one.ID)
	s := Stream{
		ID: one.ID, Client: one.ClientID, Service: one.Service, Audience: one.Audience, Endpoint: one.Endpoint,
		Events:      append([]streams.Type{}, one.Delivered...),
		Description: one.Description, Status: one.Status, Reason: one.Reason, Waiting: depth.Waiting, Refused: depth.Refused,
		Dropped: one.Dropped, Error: one.LastError, Version: versionOfStream(*one),
	}
	if !depth.Oldest.IsZero() {
		s.Oldest = &depth.Oldest
	}
	if !one.FailingSince.IsZero() {
		s.FailingSince, s.NextAt = &one.FailingSince, &one.DueAt
	}
	return s, err
}

// Streams lists the event streams: there are [streams.MaxStreams] at most, and some of the server's
// own.
func (a *Admin) Streams(ctx context.Context, actor Actor) ([]Stream, error) {
	if err := a.read(ctx, actor, Read); err != nil {
		return nil, err
	}
	all, err := a.Store.Streams.List(ctx)
	if err != nil {
		return nil, err
	}
	shown := make([]Stream, len(all))
	for i := range all {
		if shown[i], err = a.streamOf(ctx, &all[i]); err != nil {
			return nil, err
		}
	}
	return shown, nil
}

// StreamDetail returns a stream. [store.ErrNotFound]: there is none with that id.
func (a *Admin) StreamDetail(ctx context.Context, actor Actor, id string) (d StreamDetail, err error) {
	if err := a.read(ctx, actor, Read); err != nil {
		return d, err
	}
	one, err := a.Store.Streams.Stream(ctx, id)
	if err != nil {
		return d, err
	}
	d = StreamDetail{Requested: one.Requested, CreatedAt: one.CreatedAt, UpdatedAt: one.UpdatedAt, Sets: []RefusedSet{}}
	if d.Stream, err = a.streamOf(ctx, &one); err != nil {
		return d, err
	}
	const page, most = 500, 1000
	for after := ""; len(d.Sets) < most; {
		sets, err := a.Store.Streams.Sets(ctx, id, after, page)
		if err != nil {
			return d, err
		}
		for _, set := range sets {
			if after = set.ID; set.Attempts == 0 {
				continue
			}
			refused := RefusedSet{
				ID: set.ID, Type: set.Type, CreatedAt: set.CreatedAt, Attempts: set.Attempts, NextAt: &set.DueAt,
				Error: set.LastError,
			}
			if !set.GivenUpAt.IsZero() {
				refused.NextAt, refused.GivenUpAt = nil, &set.GivenUpAt
			}
			d.Sets = append(d.Sets, refused)
		}
		if len(sets) < page {
			break
		}
	}
	return d, nil
}

// NewStream is a stream to be made.
type NewStream struct {
	ClientID    string
	Endpoint    string         // where events are pushed; empty: the client polls
	Header      *string        // the value of the header Authorization of pushes; nil: none
	Events      []streams.Type // those that it gets; none: all
	Description string
}

// CreateStream makes the stream of a client. [store.ErrExists]: it has one, or there are as many as
// there can be. [store.ErrNotFound]: there is no such client.
func (a *Admin) CreateStream(
	ctx context.Context, actor Actor, rules ssf.Rules, in NewStream, reason string,
) (made streams.Stream, err error) {
	change := StreamChange{Endpoint: &in.Endpoint, Header: in.Header, Events: in.Events, Description: &in.Description}
	if len(in.Events) == 0 {
		change.Events = streams.Types
	}
	wish, err := change.wish("")
	if err != nil {
		return made, err
	}
	err = a.change(ctx, actor, Change, reason, func(ctx context.Context) error {
		c, err := a.Store.Clients.Client(ctx, in.ClientID)
		if err != nil {
			return err
		}
		if err := a.may(actor, Change, a.clientTarget(c)); err != nil {
			return err
		}
		if !delivery.MayReceive(&c) {
			return wrong("client", fmt.Sprintf("may not have a stream: give it the scope %s or %s",
				delivery.ScopeRead, delivery.ScopeManage))
		}
		stream, err := rules.New(&c, wish)
		if err != nil {
			return streamError(err)
		}
		if made, err = a.Store.Streams.Create(ctx, stream); err != nil {
			return err
		}
		noteMade(ctx, made.ID)
		return a.noteStream(ctx, audit.StreamCreated, made, map[string]any{"endpoint": withoutQuery(made.Endpoint)})
	})
	return made, err
}

// StreamChange is what is to be another of a stream. Nil: it stays.
type StreamChange struct {
	Endpoint    *string        // where events are pushed; empty: the client polls
	Header      *string        // the value of the header Authorization of pushes; another endpoint has none unless it is set
	Events      []streams.Type // those that it gets
	Description *string
}

// wish is what a receiver would ask for, whose stream has that endpoint.
func (c StreamChange) wish(endpoint string) (ssf.Wish, error) {
	wish := ssf.Wish{Description: c.Description}
	if c.Events != nil {
		for _, one := range c.Events {
			if !slices.Contains(streams.Types, one) {
				return wish, wrong("events", fmt.Sprintf("must be some of %v", streams.Types))
			}
		}
		requested := []string{}
		for _, one := range streams.Types {
			if slices.Contains(c.Events, one) {
				requested = append(requested, one.URI())
			}
		}
		wish.Requested = &requested
	}
	if c.Endpoint != nil {
		endpoint = *c.Endpoint
	}
	switch {
	case endpoint == "" && c.Header != nil:
		return wish, wrong("header", "goes with an endpoint")
	case endpoint != "" && (c.Endpoint != nil || c.Header != nil):
		wish.Delivery = &ssf.Delivery{Method: ssf.MethodPush, Endpoint: endpoint, Header: c.Header}
	case c.Endpoint != nil:
		wish.Delivery = &ssf.Delivery{Method: ssf.MethodPoll}
	}
	return wish, nil
}

// streamError says which input is wrong with the rules of streams.
func streamError(err error) error {
	var invalid *oauth.Error
	if !errors.As(err, &invalid) {
		return err
	}
	for field, name := range map[string]string{"header": "delivery.authorization_header", "events": "events_requested"} {
		if rest, ok := strings.CutPrefix(invalid.Description, name+" "); ok {
			return wrong(field, rest)
		}
	}
	return wrong("endpoint", strings.TrimPrefix(invalid.Description, "delivery.endpoint_url "))
}

// UpdateStream changes the stream of a client. version is that of the [Stream] that the actor has seen;
// empty: any. [store.ErrStale]: it is another by now. [ErrServiceStream]: it is the server's own.
func (a *Admin) UpdateStream(
	ctx context.Context, actor Actor, rules ssf.Rules, id, version string, change StreamChange, reason string,
) error {
	return a.onStream(ctx, actor, id, reason, func(ctx context.Context, one streams.Stream) error {
		if one.Own() {
			return ErrServiceStream
		}
		edited, err := a.Store.Streams.Edit(ctx, id, func(s *streams.Stream) error {
			if version != "" && version != versionOfStream(*s) {
				return store.ErrStale
			}
			wish, err := change.wish(s.Endpoint)
			if err != nil {
				return err
			}
			return streamError(rules.Apply(s, wish))
		})
		if err != nil {
			return err
		}
		return a.noteStream(ctx, audit.StreamChanged, edited, map[string]any{
			"endpoint": withoutQuery(edited.Endpoint), "events": edited.Delivered, "new_header": change.Header != nil,
		})
	})
}

// VerifyStream sends the receiver of a stream an event about the stream itself, by which it sees that
// events arrive (SSF §8.1.4). [ErrServiceStream]: it is the server's own. [ErrStreamOff]: it takes no
// events. [streams.ErrFull]: too many wait for it.
func (a *Admin) VerifyStream(ctx context.Context, actor Actor, id, reason string) error {
	return a.onStream(ctx, actor, id, reason, func(ctx context.Context, one streams.Stream) error {
		switch {
		case one.Own():
			return ErrServiceStream
		case one.Status == streams.Disabled:
			return ErrStreamOff
		}
		set, err := streams.OfStream(id, streams.Verification, map[string]string{})
		if err == nil {
			err = a.Store.Streams.Add(ctx, id, set)
		}
		if err != nil {
			return err
		}
		return a.noteStream(ctx, audit.StreamChanged, one, map[string]any{"how": "verified"})
	})
}

// withoutQuery is an address without what may let somebody in there.
func withoutQuery(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

func (a *Admin) noteStream(ctx context.Context, kind audit.Kind, s streams.Stream, detail map[string]any) error {
	return a.Audit.Record(ctx, audit.Entry{
		Kind: kind, Target: audit.Target{Kind: "stream", ID: s.ID, Label: s.ClientID + s.Service}, Detail: detail,
	})
}

// onStream runs f with a stream. That of an administrative client is administrative too, and so are
// the server's own, by which services learn that somebody lost a role or is gone.
func (a *Admin) onStream(
	ctx context.Context, actor Actor, id, reason string, f func(ctx context.Context, one streams.Stream) error,
) error {
	return a.change(ctx, actor, Change, reason, func(ctx context.Context) error {
		one, err := a.Store.Streams.Stream(ctx, id)
		if err != nil {
			return err
		}
		if one.Own() {
			err = a.may(actor, Change, Target{Administrative: true})
		}
		if err != nil {
			return err
		}
		if one.ClientID != "" {
			c, err := a.Store.Clients.Registered(ctx, one.ClientID)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
			if err := a.may(actor, Change, a.clientTarget(c)); err != nil {
				return err
			}
		}
		return f(ctx, one)
	})
}

// SetStreamStatus sets the status of a stream, of which its receiver is told, with words for it. The
// events that wait for a stream that is disabled are dropped.
func (a *Admin) SetStreamStatus(
	ctx context.Context, actor Actor, id string, status streams.Status, words, reason string,
) error {
	if !slices.Contains([]streams.Status{streams.Enabled, streams.Paused, streams.Disabled}, status) {
		return wrong("status", "must be enabled, paused or disabled")
	}
	if checkReason(words) != nil {
		return wrong("words", "must be one line of at most 200 characters")
	}
	if err := a.onStream(ctx, actor, id, reason, func(ctx context.Context, one streams.Stream) error {
		told, err := streams.Updated(id, status, words)
		if err != nil {
			return err
		}
		if one.Status != status {
			// A stream that is disabled takes nothing: it is told before it stops, and after it begins.
			if status != streams.Disabled {
				if err := a.Store.Streams.SetStatus(ctx, id, status, words); err != nil {
					return err
				}
			}
			if err := a.Store.Streams.Add(ctx, id, told); err != nil {
				return err
			}
		}
		if err := a.Store.Streams.SetStatus(ctx, id, status, words); err != nil {
			return err
		}
		return a.noteStream(ctx, audit.StreamChanged, one, map[string]any{"status": status, "words": words})
	}); err != nil || status != streams.Disabled {
		return err
	}
	return a.Store.Streams.Drop(ctx, id)
}

// RetryStream has events tried again that a receiver refused and that were given up, and a receiver
// that does not answer at once. It returns how many there were.
func (a *Admin) RetryStream(ctx context.Context, actor Actor, id, reason string) (n int64, err error) {
	return a.changeInBatches(ctx, actor, func(ctx context.Context) error {
		return a.onStream(ctx, actor, id, reason, func(ctx context.Context, one streams.Stream) error {
			return a.noteStream(ctx, audit.StreamChanged, one, map[string]any{"how": "retried"})
		})
	}, func(ctx context.Context) (int64, error) { return a.Store.Streams.Retry(ctx, id) })
}

// Errors about what a stream is.
var (
	// ErrServiceStream says that a stream is the server's own, for a service that it tells of people: it
	// would be made again.
	ErrServiceStream = errors.New("the stream is for a service of --data-services")
	// ErrStreamOff says that a stream is disabled.
	ErrStreamOff = errors.New("the stream is disabled")
)

// DeleteStream deletes a stream, and the events that wait for it. services are those of
// --data-services. [ErrServiceStream]: it is for one of them.
func (a *Admin) DeleteStream(ctx context.Context, actor Actor, id string, services []string, reason string) error {
	if err := a.onStream(ctx, actor, id, reason, func(ctx context.Context, one streams.Stream) error {
		if one.Own() && slices.Contains(services, one.Service) {
			return ErrServiceStream
		}
		return a.noteStream(ctx, audit.StreamDeleted, one, nil)
	}); err != nil {
		return err
	}
	return a.Store.Streams.Delete(ctx, id) // in batches
}
