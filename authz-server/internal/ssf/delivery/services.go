package delivery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/maru-auth/maru/authz-server/internal/services"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/outbox"
	"github.com/maru-auth/maru/authz-server/internal/store/streams"
)

// forServices are what services that keep data of people are told. Whose tokens are good no more,
// they find in status lists; and what a person logs in with is none of their business.
var forServices = []streams.Type{streams.TokenClaimsChange, streams.AccountPurged}

// EnsureServices makes the streams of this server's own services, or brings them up to date, and
// removes those of services that are no more. Several replicas may do it at once.
func (t *Transmitter) EnsureServices(ctx context.Context) error {
	names := t.Services.Names()
	for name, audience := range names {
		if err := t.ensureService(ctx, name, audience); err != nil {
			return fmt.Errorf("the stream of the service %s: %w", name, err)
		}
	}
	all, err := t.Store.Streams.List(ctx)
	if err != nil {
		return err
	}
	for _, one := range all {
		// Other replicas may have the service configured: what it was not told yet must not get lost.
		if _, ok := names[one.Service]; one.Own() && !ok {
			t.Log.WarnContext(ctx, "a service that keeps data of people is not configured here; it is still told of them, "+
				"until its stream is deleted (authz-server stream delete)", "service", one.Service, "stream", one.ID)
		}
	}
	return nil
}

func (t *Transmitter) ensureService(ctx context.Context, name, audience string) error {
	endpoint := audience + services.EventsPath
	found, err := t.Store.Streams.StreamOfService(ctx, name)
	if errors.Is(err, store.ErrNotFound) {
		_, err := t.Store.Streams.Create(ctx, streams.Stream{
			ID: streams.NewID(), Service: name, Audience: audience, Endpoint: endpoint,
			Description: "Made by the server", Requested: uris(forServices), Delivered: forServices,
		})
		if errors.Is(err, store.ErrExists) { // another replica was faster
			err = nil
		}
		return err
	}
	if err != nil || found.Audience == audience && found.Endpoint == endpoint && slices.Equal(found.Delivered, forServices) {
		return err
	}
	_, err = t.Store.Streams.Edit(ctx, found.ID, func(s *streams.Stream) error {
		s.Audience, s.Endpoint, s.Requested, s.Delivered = audience, endpoint, uris(forServices), forServices
		return nil
	})
	return err
}

func uris(types []streams.Type) []string {
	all := make([]string, len(types))
	for i, one := range types {
		all[i] = one.URI()
	}
	return all
}

// kindCall is the kind of calls that versions before this one queued to tell services of accounts
// that were deleted.
const kindCall = "service"

// Adopt turns calls that a version before this one queued into events.
func (t *Transmitter) Adopt(ctx context.Context) error {
	for {
		items, err := t.Store.Outbox.List(ctx, kindCall, "", 100)
		if err != nil || len(items) == 0 {
			return err
		}
		for _, item := range items {
			if err := t.adopt(ctx, item); err != nil {
				return err
			}
		}
	}
}

func (t *Transmitter) adopt(ctx context.Context, item outbox.Item) error {
	var call struct {
		Subject string `json:"subject"`
		Posts   bool   `json:"posts"`
	}
	if err := json.Unmarshal(item.Payload, &call); err != nil {
		return err
	}
	set, err := t.set(&streams.Event{ID: item.ID, Type: streams.AccountPurged, At: item.CreatedAt,
		Detail: streams.Detail{DeleteContent: call.Posts}}, call.Subject, nil)
	if err != nil {
		return err
	}
	set.Subject = order(call.Subject)
	return t.Store.Tx(ctx, func(ctx context.Context) error {
		stream, err := t.Store.Streams.StreamOfService(ctx, item.Lane)
		if err == nil {
			err = t.Store.Streams.Add(ctx, stream.ID, set)
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) { // it is no service of this server's any more
			return err
		}
		return t.Store.Outbox.End(ctx, item.ID)
	})
}
