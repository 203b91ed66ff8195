package tokenendpoint

import (
	"context"
	"errors"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/oauth"
	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/protocol"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/grants"
)

// deviceGrant gives a device its tokens once its person agreed, and until then tells it to wait
// (RFC 8628 §3.4, §3.5).
type deviceGrant struct{ *Config }

func (*deviceGrant) Type() string { return client.DeviceCode }

func (cfg *deviceGrant) Check(ctx context.Context, request *protocol.TokenRequest) (protocol.Finish, error) {
	if request.Remembered { // a poll is counted, so it must not be checked twice
		return nil, errOutdated
	}
	code := request.Form.Get("device_code")
	if code == "" {
		return nil, oauth.InvalidRequest.Because("the parameter device_code is missing")
	}
	hash := opaque.Hash(code)
	d, err := cfg.Store.Devices.DeviceCode(ctx, hash)
	if errors.Is(err, store.ErrNotFound) {
		return nil, oauth.InvalidGrant.Because("the device_code is unknown")
	}
	if err != nil {
		return nil, err
	}
	if d.ClientID != request.Client.ID {
		return nil, oauth.InvalidGrant.Because("the device_code was issued to another client")
	}
	if err := requireKey(request.Proof, d.KeyThumbprint); err != nil {
		return nil, err
	}
	switch {
	case d.Denied:
		return nil, oauth.DeviceDenied.Because("the person did not agree")
	case d.Spent:
		return nil, oauth.InvalidGrant.Because("the device_code was used before")
	case !cfg.Now().Before(d.ExpiresAt):
		return nil, oauth.ExpiredToken.Because("the device_code has expired; start anew")
	case d.GrantID == "":
		return nil, cfg.wait(ctx, hash)
	}
	g, err := cfg.Store.Grants.Grant(ctx, d.GrantID)
	if err != nil {
		return nil, err
	}
	if !g.Live(cfg.Now()) {
		return nil, oauth.InvalidGrant.Because("the grant has been revoked")
	}
	want, err := cfg.narrowAccess(request, &g, g.Scope)
	if err != nil {
		return nil, err
	}
	return cfg.redeem(redemption{
		request: request, grant: &g, want: want,
		spend: func(ctx context.Context, first *grants.RefreshToken, note grants.Note) (bool, error) {
			return cfg.Store.Devices.RedeemDeviceCode(ctx, hash, first, note)
		},
		// Unlike an authorization code, this one never passed through a browser: whoever has it
		// twice is the device, which polls twice at once. Its grant goes on.
		lost: func(context.Context) error { return oauth.InvalidGrant.Because("the device_code was used before") },
	}), nil
}

// wait tells a device to ask again later, and one that asks too often to do so less often.
func (cfg *deviceGrant) wait(ctx context.Context, hash []byte) error {
	early, err := cfg.Store.Devices.PollDevice(ctx, hash)
	switch {
	case err != nil && !errors.Is(err, store.ErrNotFound): // not found: just decided, as the next poll will tell
		return err
	case early:
		return oauth.SlowDown.Because("the device asks too often; let it wait five seconds longer between requests, from now on")
	}
	return oauth.AuthorizationPending.Because("the person has not decided yet; ask again after the interval")
}
