package provider

import (
	"context"
	"errors"
	"net/http"

	"github.com/ory/fosite"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/store"
)

// deviceGrant gives a device its tokens once its person agreed, and until then tells it to wait (RFC 8628 §3.4, §3.5).
type deviceGrant struct{ *Server }

var _ fosite.TokenEndpointHandler = (*deviceGrant)(nil)

// Errors of RFC 8628 §3.5.
var (
	errAuthorizationPending = &fosite.RFC6749Error{ErrorField: "authorization_pending", CodeField: http.StatusBadRequest}
	errSlowDown             = &fosite.RFC6749Error{ErrorField: "slow_down", CodeField: http.StatusBadRequest}
	errExpiredToken         = &fosite.RFC6749Error{ErrorField: "expired_token", CodeField: http.StatusBadRequest}
	errDeviceDenied         = &fosite.RFC6749Error{ErrorField: "access_denied", CodeField: http.StatusBadRequest}
)

// devicePoll is a device code that a person allowed and that is to be redeemed.
type devicePoll struct {
	hash  []byte
	grant store.Grant
}

func (*deviceGrant) CanSkipClientAuth(context.Context, fosite.AccessRequester) bool { return false }

func (*deviceGrant) CanHandleTokenEndpointRequest(_ context.Context, request fosite.AccessRequester) bool {
	return request.GetGrantTypes().ExactOne(client.DeviceCode)
}

func (s *deviceGrant) HandleTokenEndpointRequest(ctx context.Context, request fosite.AccessRequester) error {
	if err := requireGrant(request.GetClient(), client.DeviceCode); err != nil {
		return err
	}
	form := request.GetRequestForm()
	if form.Get("device_code") == "" {
		return refuse(fosite.ErrInvalidRequest, "the parameter device_code is missing")
	}
	hash := store.Hash(form.Get("device_code"))
	d, err := s.store.DeviceCode(ctx, hash)
	if errors.Is(err, store.ErrNotFound) {
		return refuse(fosite.ErrInvalidGrant, "the device_code is unknown")
	}
	if err != nil {
		return err
	}
	given := request.GetSession().(*session) // the token endpoint makes no other
	if d.ClientID != request.GetClient().GetID() {
		return refuse(fosite.ErrInvalidGrant, "the device_code was issued to another client")
	}
	if err := requireKey(given, d.KeyThumbprint); err != nil {
		return err
	}
	switch {
	case d.Denied:
		return refuse(errDeviceDenied, "the person did not agree")
	case d.Spent:
		return refuse(fosite.ErrInvalidGrant, "the device_code was used before")
	case !s.now().Before(d.ExpiresAt):
		return refuse(errExpiredToken, "the device_code has expired; start anew")
	case d.GrantID == "":
		return s.wait(ctx, hash)
	}
	g, err := s.store.Grant(ctx, d.GrantID)
	if err != nil {
		return err
	}
	if !g.Live(s.now()) {
		return refuse(fosite.ErrInvalidGrant, "the grant has been revoked")
	}
	given.device = &devicePoll{hash, g}
	given.access, err = s.narrowAccess(clientOf(request), &g, g.Scope, form["resource"])
	return err
}

// wait tells a device to ask again later, and one that asks too often to do so less often.
func (s *deviceGrant) wait(ctx context.Context, hash []byte) error {
	early, err := s.store.PollDevice(ctx, hash)
	switch {
	case err != nil && !errors.Is(err, store.ErrNotFound): // else it was decided this moment: the next poll will tell
		return err
	case early:
		return refuse(errSlowDown, "the device asks too often; let it wait five seconds longer between requests, from now on")
	}
	return refuse(errAuthorizationPending, "the person has not decided yet; ask again after the interval")
}

func (s *deviceGrant) PopulateTokenEndpointResponse(ctx context.Context, request fosite.AccessRequester, response fosite.AccessResponder) error {
	if !s.CanHandleTokenEndpointRequest(ctx, request) {
		return fosite.ErrUnknownRequest
	}
	poll := request.GetSession().(*session).device // the token endpoint makes no other
	won, err := s.redeem(ctx, request, response, &poll.grant, "", func(ctx context.Context, first *store.RefreshToken) (bool, error) {
		return s.store.RedeemDeviceCode(ctx, poll.hash, first)
	})
	if err == nil && !won {
		// Unlike an authorization code, this one never passed through a browser: who has it twice is the device that polls twice at once.
		err = refuse(fosite.ErrInvalidGrant, "the device_code was used before")
	}
	return err
}
