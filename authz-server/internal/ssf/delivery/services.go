package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/maru-auth/maru/authz-server/internal/services"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/streams"
)

// forServices are what services that keep data of people are told. Log-outs they find in status
// lists; and what a person logs in with is none of their business.
var forServices = []streams.Type{streams.TokenClaimsChange, streams.AccountDisabled, streams.AccountEnabled, streams.AccountPurged}

// EnsureServices makes the streams of this server's own services, or brings them up to date, and
// removes those of services that are no more. Several replicas may do it at once.
func (t *Transmitter) EnsureServices(ctx context.Context) error {
	names := t.Services.Names()
	for _, name := range names {
		if err := t.ensureService(ctx, name); err != nil {
			return fmt.Errorf("the stream of the service %s: %w", name, err)
		}
	}
	all, err := t.Store.Streams.List(ctx)
	if err != nil {
		return err
	}
	for _, one := range all {
		if _, ok := names[one.Service]; one.Own() && !ok {
			t.Log.WarnContext(ctx, "a service that keeps data of people is no longer configured; what it had not been told is dropped",
				"service", one.Service)
			if err := t.Store.Streams.Delete(ctx, one.ID); err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
		}
	}
	return nil
}

func (t *Transmitter) ensureService(ctx context.Context, name string) error {
	audience := t.Services.Names()[name]
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
