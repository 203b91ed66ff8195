package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/upstreams"
	"github.com/maru-auth/maru/authz-server/internal/upstream"
)

// Upstream is another provider by which people log in.
type Upstream struct {
	Name string `json:"name"` // in addresses
	upstream.Settings
	// The addresses to register there; the second and third where there are ID tokens: for those who
	// come back from a log-out, and for the log-outs that it tells of.
	RedirectURI           string `json:"redirect_uri,omitempty"`
	PostLogoutRedirectURI string `json:"post_logout_redirect_uri,omitempty"`
	BackchannelLogoutURI  string `json:"backchannel_logout_uri,omitempty"`

	HasSecret bool      `json:"has_secret"`
	Disabled  bool      `json:"disabled"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	Version   string    `json:"version"` // for If-Match
}

func (a *Admin) upstreamOf(u upstreams.Upstream) (Upstream, error) {
	settings, err := upstream.Read(u)
	one := Upstream{
		Name: u.Name, Settings: settings, HasSecret: len(u.Secret) > 0, Disabled: u.Disabled,
		CreatedAt: u.CreatedAt, UpdatedAt: u.UpdatedAt, Version: strconv.FormatInt(u.Version, 36),
	}
	if a.Issuer.String() != "" {
		one.RedirectURI = a.Issuer.URL(upstream.CallbackPath(u.Name))
		if settings.OpenID() {
			one.PostLogoutRedirectURI = a.Issuer.URL(upstream.LoggedOutPath(u.Name))
			one.BackchannelLogoutURI = a.Issuer.URL(upstream.BackchannelPath(u.Name))
		}
	}
	return one, err
}

// ListUpstreams lists the providers by which people log in, disabled or not, in the order in which they
// were made. They are few, so that there is one page.
func (a *Admin) ListUpstreams(ctx context.Context, actor Actor) (page Page[Upstream], err error) {
	if err := a.read(ctx, actor, Read); err != nil {
		return page, err
	}
	page.Items = []Upstream{}
	all, err := a.Store.Upstreams.List(ctx)
	if err != nil {
		return page, err
	}
	for _, one := range all {
		shown, err := a.upstreamOf(one)
		if err != nil {
			return page, err
		}
		page.Items = append(page.Items, shown)
	}
	return page, nil
}

// Upstream returns a provider by its name. [store.ErrNotFound]: there is none.
func (a *Admin) Upstream(ctx context.Context, actor Actor, name string) (Upstream, error) {
	if err := a.read(ctx, actor, Read); err != nil {
		return Upstream{}, err
	}
	u, err := a.Store.Upstreams.Upstream(ctx, name)
	if err != nil {
		return Upstream{}, err
	}
	return a.upstreamOf(u)
}

// changeUpstream is change for an operation on an upstream. An upstream says who somebody is, and how
// well they proved it: whoever sets one up can be any of its people, and administrators can be among
// them, now or later. So every change of one is a [Crown]. It can shut administrators out, too, whose
// way in it is: not the last one.
func (a *Admin) changeUpstream(
	ctx context.Context, actor Actor, reason string, f func(ctx context.Context) error,
) error {
	return a.change(ctx, actor, Crown, reason, func(ctx context.Context) error { return a.keepOne(ctx, actor, f) })
}

// upstreamError says what is wrong with settings.
func upstreamError(err error) error {
	var input *upstream.InputError
	switch {
	case errors.As(err, &input):
		return wrong(input.Field, input.Problem)
	case errors.Is(err, upstreams.ErrTooMany):
		return wrong("name", fmt.Sprintf("is that of one more than %d, as many as there can be", upstreams.MaxUpstreams))
	}
	return err
}

// maxUpstreamSecret is the longest secret of an upstream, in bytes.
const maxUpstreamSecret = 16 << 10

// checkUpstream completes and checks settings, for an upstream that has a secret or not, and a new
// secret. An empty one is none.
func (a *Admin) checkUpstream(s *upstream.Settings, secret string, has bool) error {
	if err := s.Check(a.Config.CheckAddress); err != nil {
		return upstreamError(err)
	}
	if err := checkPlain(s); err != nil {
		return err
	}
	switch {
	case len(secret) > maxUpstreamSecret:
		return wrong("client_secret", fmt.Sprintf("must be at most %d bytes long", maxUpstreamSecret))
	case secret != "":
		return upstreamError(s.CheckSecret(secret))
	case !has && s.AuthMethod != "none":
		return wrong("client_secret", "must be set, or auth_method must be none")
	}
	return nil
}

// checkPlain says which setting has a control character: all are shown, also in a terminal.
func checkPlain(s *upstream.Settings) error {
	var settings map[string]any
	if err := json.Unmarshal([]byte(s.Text()), &settings); err != nil {
		return err
	}
	for name, value := range settings {
		if !plain(value) {
			return wrong(name, "must not have control characters")
		}
	}
	return nil
}

func plain(value any) bool {
	switch value := value.(type) {
	case string:
		return !strings.ContainsFunc(value, unicode.IsControl)
	case []any:
		return !slices.ContainsFunc(value, func(one any) bool { return !plain(one) })
	case map[string]any:
		for name, one := range value {
			if !plain(name) || !plain(one) {
				return false
			}
		}
	}
	return true
}

// sealUpstream encrypts a secret.
func (a *Admin) sealUpstream(name, secret string) ([]byte, error) {
	if secret != "" && a.KEK == nil {
		return nil, errors.New("there is no key-encryption key, so that no secret can be stored")
	}
	return upstream.Seal(a.KEK, name, secret)
}

func (a *Admin) noteUpstream(
	ctx context.Context, kind audit.Kind, name string, s upstream.Settings, detail map[string]any,
) error {
	return a.Audit.Record(ctx, audit.Entry{
		Kind: kind, Target: audit.Target{Kind: "upstream", ID: name, Label: s.Title}, Detail: detail,
	})
}

// NewUpstream is an upstream to be made.
type NewUpstream struct {
	Name string
	upstream.Settings
	Secret   string // what it takes from this server: a secret or, for the preset apple, a key; empty: nothing
	Disabled bool
}

// CreateUpstream makes an upstream. [store.ErrExists]: there is one of that name.
func (a *Admin) CreateUpstream(
	ctx context.Context, actor Actor, in NewUpstream, reason string,
) (made Upstream, err error) {
	err = a.changeUpstream(ctx, actor, reason, func(ctx context.Context) error {
		if err := upstream.CheckName(in.Name); err != nil {
			return upstreamError(err)
		}
		settings := in.Settings
		if err := a.checkUpstream(&settings, in.Secret, false); err != nil {
			return err
		}
		sealed, err := a.sealUpstream(in.Name, in.Secret)
		if err != nil {
			return err
		}
		u := upstreams.Upstream{Name: in.Name, Secret: sealed, Disabled: in.Disabled}
		settings.Store(&u)
		if err := a.Store.Upstreams.Create(ctx, u); err != nil {
			return upstreamError(err)
		}
		if made, err = a.storedUpstream(ctx, in.Name); err != nil {
			return err
		}
		detail := map[string]any{"settings": settings, "disabled": in.Disabled}
		return a.noteUpstream(ctx, audit.UpstreamCreated, in.Name, settings, detail)
	})
	return made, err
}

// ProposedUpstream is the upstream that CreateUpstream would make, with what its preset has, and the
// addresses to register. Nothing is checked.
func (a *Admin) ProposedUpstream(in NewUpstream) (Upstream, error) {
	return a.upstreamOf(upstreams.Upstream{Name: in.Name, Settings: in.Settings.Text(), Disabled: in.Disabled})
}

// CheckNewUpstream tells what CreateUpstream would say to an actor who makes an upstream, whatever its
// secret is. It makes none.
func (a *Admin) CheckNewUpstream(ctx context.Context, actor Actor, in NewUpstream) error {
	if err := a.may(actor, Crown, Target{}); err != nil {
		return err
	}
	if err := a.confirm(ctx, actor); err != nil {
		return err
	}
	if err := upstream.CheckName(in.Name); err != nil {
		return upstreamError(err)
	}
	settings := in.Settings
	if err := settings.Check(a.Config.CheckAddress); err != nil {
		return upstreamError(err)
	}
	_, err := a.Store.Upstreams.Upstream(ctx, in.Name)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err == nil {
		err = store.ErrExists
	}
	return err
}

func (a *Admin) storedUpstream(ctx context.Context, name string) (Upstream, error) {
	u, err := a.Store.Upstreams.Upstream(ctx, name)
	if err != nil {
		return Upstream{}, err
	}
	return a.upstreamOf(u)
}

// UpstreamChange is what is to be another. The zero value changes nothing.
type UpstreamChange struct {
	Settings func(*upstream.Settings) error // nil: they stay
	Secret   string                         // a new one, which is encrypted; empty: it stays
	Disabled *bool                          // nobody logs in by it; nil: as it is
}

// UpdateUpstream changes an upstream. version is that of the [Upstream] that the actor has seen;
// empty: any. People stay who they are there, unless the issuer becomes another: then nobody is known
// any more. Where the secret goes to another issuer or token endpoint, it must be given again: nobody
// learns the stored one by having it sent to themselves.
//
// [store.ErrNotFound]: there is none. [store.ErrStale]: it is another by now.
func (a *Admin) UpdateUpstream(
	ctx context.Context, actor Actor, name, version string, change UpstreamChange, reason string,
) (changed Upstream, err error) {
	err = a.changeUpstream(ctx, actor, reason, func(ctx context.Context) error {
		u, err := a.Store.Upstreams.Upstream(ctx, name)
		if err != nil {
			return err
		}
		before, err := a.upstreamOf(u)
		if err != nil {
			return err
		}
		if version != "" && version != before.Version {
			return store.ErrStale
		}
		settings, err := upstream.Read(u) // a copy of its own
		if err == nil && change.Settings != nil {
			err = change.Settings(&settings)
		}
		if err != nil {
			return upstreamError(err)
		}
		if err := a.checkUpstream(&settings, change.Secret, before.HasSecret); err != nil {
			return err
		}
		if change.Secret == "" && before.HasSecret && settings.SecretTo() != before.SecretTo() {
			return wrong("client_secret", "must be given again: the stored one is not sent to another issuer or token endpoint")
		}
		fresh := change.Secret != "" && !upstream.SecretIs(a.KEK, u, change.Secret)
		if fresh {
			if u.Secret, err = a.sealUpstream(name, change.Secret); err != nil {
				return err
			}
		}
		if change.Disabled != nil {
			u.Disabled = *change.Disabled
		}
		settings.Store(&u)
		if err := a.Store.Upstreams.Update(ctx, u); err != nil {
			return err
		}
		if changed, err = a.storedUpstream(ctx, name); err != nil {
			return err
		}
		return a.noteUpstream(ctx, audit.UpstreamChanged, name, settings,
			map[string]any{"settings": settings, "disabled": u.Disabled, "new_secret": fresh})
	})
	return changed, err
}

// DeleteUpstream removes an upstream. [store.ErrNotFound]: there is none. [upstreams.ErrInUse]: people
// log in by it; with force, who they are there goes too, and those who have no other way in have to
// reset their password. It is disabled first, in the transaction that sees to it that an administrator
// is left; what it takes then from people is of no use to them any more.
func (a *Admin) DeleteUpstream(ctx context.Context, actor Actor, name string, force bool, reason string) error {
	if force {
		off := true
		// Nobody comes any more.
		if _, err := a.UpdateUpstream(ctx, actor, name, "", UpstreamChange{Disabled: &off}, reason); err != nil {
			return err
		}
		if _, err := a.Store.Upstreams.RemoveIdentities(ctx, name); err != nil {
			return err
		}
	}
	return a.changeUpstream(ctx, actor, reason, func(ctx context.Context) error {
		gone, err := a.storedUpstream(ctx, name)
		if err != nil {
			return err
		}
		if err := a.Store.Upstreams.Delete(ctx, name); err != nil {
			return err
		}
		return a.noteUpstream(ctx, audit.UpstreamDeleted, name, gone.Settings, nil)
	})
}
