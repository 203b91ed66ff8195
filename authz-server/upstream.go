package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/fetch"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/notices"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/upstreams"
	"github.com/maru-auth/maru/authz-server/internal/upstream"
	"github.com/maru-auth/maru/internal/cli"
)

type upstreamCommands struct {
	Create upstreamCreate `cmd:"" help:"Let people log in by another provider. It prints the address to register there. Servers take it up within seconds."`
	List   upstreamList   `cmd:"" help:"List the providers by which people log in."`
	Show   upstreamShow   `cmd:"" help:"Print one, without its secret."`
	Update upstreamUpdate `cmd:"" help:"Change one. What you do not name stays as it is."`
	Delete upstreamDelete `cmd:"" help:"Remove one by which nobody logs in. --force also removes who people are there: those with no other way in have to reset their password."`
}

// upstreamOptions are the settings of an upstream; nil: as before, or as the preset has it.
type upstreamOptions struct {
	Title                 *string           `help:"What people call it, on buttons." env:"-"`
	Issuer                *string           `name:"upstream-issuer" help:"Its issuer identifier, to the letter: what it is is read from there (OpenID Connect Discovery)." env:"-" placeholder:"URL"`
	ClientID              *string           `name:"client-id" help:"What it calls this server." env:"-"`
	ClientSecretFile      *string           `help:"A file with the secret that it gave; - is standard input. With --preset=apple: the .p8 file of the key." env:"-" placeholder:"PATH"`
	Scope                 *string           `help:"What it is asked for. Default: as the preset has it, or openid profile email." env:"-"`
	AuthMethod            *string           `help:"client_secret_basic, client_secret_post or none. Default: what its metadata offers." env:"-"`
	ResponseMode          *string           `help:"form_post, if it answers by a form." env:"-"`
	Addresses             *string           `help:"When an e-mail address from there counts as verified: claim (if it says so), never, or insecure-always (whatever it says: only if it verifies all addresses)." env:"-"`
	AddressDomain         []string          `help:"Only addresses of this domain can count as verified. Can be repeated; an empty one stands for all." env:"-"`
	Signup                *bool             `name:"new-accounts" help:"Whether people can make an account by it, as far as --signup allows. Otherwise they add it to an account that they have." negatable:"" env:"-"`
	Claim                 map[string]string `help:"Where its answer has a claim, such as name=profile.display_name. Can be repeated." env:"-" placeholder:"NAME=PATH"`
	Tenant                []string          `help:"With --preset=microsoft, where the issuer stands for several tenants: the id of one whose people can log in. Can be repeated; an empty one stands for all." env:"-" placeholder:"ID"`
	Logout                *bool             `help:"Lead people who log out here on to log out there, too. Register the address for that. Their ID token is kept, encrypted, until they do." negatable:"" env:"-"`
	StrongACR             []string          `name:"strong-acr" help:"A value of its acr or amr that stands for the second step here. Can be repeated; an empty one stands for none." env:"-" placeholder:"VALUE"`
	AppleTeamID           *string           `name:"apple-team-id" help:"With --preset=apple." env:"-"`
	AppleKeyID            *string           `name:"apple-key-id" help:"With --preset=apple: the id of the key." env:"-"`
	AuthorizationEndpoint *string           `help:"Of a provider without metadata." env:"-" placeholder:"URL"`
	TokenEndpoint         *string           `help:"The same." env:"-" placeholder:"URL"`
	UserinfoEndpoint      *string           `help:"The same." env:"-" placeholder:"URL"`
	EmailsEndpoint        *string           `help:"With --preset=github, for a server of your own." env:"-" placeholder:"URL"`
}

// apply writes what is named into s.
func (o upstreamOptions) apply(s *upstream.Settings) {
	for _, one := range []struct {
		to   *string
		from *string
	}{
		{&s.Title, o.Title}, {&s.Issuer, o.Issuer}, {&s.ClientID, o.ClientID}, {&s.Scope, o.Scope}, {&s.AuthMethod, o.AuthMethod},
		{&s.ResponseMode, o.ResponseMode}, {&s.Authorization, o.AuthorizationEndpoint}, {&s.Token, o.TokenEndpoint},
		{&s.UserInfo, o.UserinfoEndpoint}, {&s.Emails, o.EmailsEndpoint},
	} {
		if one.from != nil {
			*one.to = *one.from
		}
	}
	if o.Addresses != nil {
		s.Addresses = upstream.AddressRule(*o.Addresses)
	}
	if o.AddressDomain != nil {
		s.AddressDomains = filled(o.AddressDomain)
	}
	if o.StrongACR != nil {
		s.StrongACR = filled(o.StrongACR)
	}
	if o.Tenant != nil {
		s.Tenants = filled(o.Tenant)
	}
	if o.Logout != nil {
		s.Logout = *o.Logout
	}
	if o.Claim != nil {
		s.Claims = o.Claim
	}
	if o.Signup != nil {
		s.NoSignup = !*o.Signup
	}
	if o.AppleTeamID != nil || o.AppleKeyID != nil {
		if s.Apple == nil {
			s.Apple = &upstream.AppleKey{}
		}
		if o.AppleTeamID != nil {
			s.Apple.TeamID = *o.AppleTeamID
		}
		if o.AppleKeyID != nil {
			s.Apple.KeyID = *o.AppleKeyID
		}
	}
}

// filled is a list without empty texts.
func filled(list []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(one string) bool { return one == "" })
}

// secret reads the file; empty: none is named.
func (o upstreamOptions) secret(p *program) (string, error) {
	if o.ClientSecretFile == nil {
		return "", nil
	}
	const most = 16 << 10
	in := p.in
	if *o.ClientSecretFile != "-" {
		f, err := os.Open(*o.ClientSecretFile)
		if err != nil {
			return "", cli.Usage(fmt.Errorf("--client-secret-file: %w", err))
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, most+1))
	if err != nil {
		return "", fmt.Errorf("--client-secret-file: %w", err)
	}
	secret := strings.TrimSpace(string(text))
	if secret == "" || len(text) > most {
		return "", cli.Usage(errors.New("--client-secret-file must hold a secret of at most 16 KiB"))
	}
	return secret, nil
}

// withUpstreams is withAdmin for a command that changes an upstream. It opens the key-encryption key
// if a secret is to be encrypted.
func (p *program) withUpstreams(ctx context.Context, secret string, f func(a *admin.Admin) error) error {
	outgoing, err := p.settings.upstreamFetch(fetch.Config{})
	if err != nil {
		return err
	}
	var kek *keys.KEK
	if secret != "" {
		p.findDevelopmentKEK()
		if kek, _, err = p.settings.kek(); err != nil {
			return cli.Usage(err)
		}
	}
	return p.withStore(ctx, func(s *store.Store) error {
		cfg := p.adminConfig(s)
		cfg.Notices, cfg.CheckAddress, cfg.KEK = &notices.Notices{Store: s, Now: p.now}, outgoing.Check, kek
		return f(admin.New(cfg))
	})
}

// upstreamError says an error about an upstream in the words of the command line.
func upstreamError(name string, err error) error {
	var wrong *admin.FieldError
	var refused *admin.Refused
	switch {
	case errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("there is no upstream %q; 'upstream list' shows them all", name)
	case errors.Is(err, store.ErrExists):
		return fmt.Errorf("the upstream %s exists; change it with 'upstream update'", name)
	case errors.Is(err, store.ErrStale):
		return fmt.Errorf("somebody else has just changed the upstream %s; look at it, and try again", name)
	case errors.Is(err, upstreams.ErrInUse):
		return fmt.Errorf("people log in by %s: hide it with 'upstream update %s --disabled', or delete it with --force", name, name)
	case errors.As(err, &refused):
		return option(err, nil)
	case errors.As(err, &wrong):
		return cli.Usage(option(err, map[string]string{
			"name": "the name", "issuer": "--upstream-issuer", "client_secret": "--client-secret-file", "address_domains": "--address-domain",
			"claims": "--claim", "tenants": "--tenant", "apple": "what --apple-team-id and --apple-key-id set",
		}))
	}
	return err
}

type upstreamCreate struct {
	reason
	Name   string `arg:"" help:"Its name in addresses: letters a to z, digits and hyphens."`
	Preset string `help:"Whose answers it gives: apple, github, google, kakao, microsoft or naver; oauth2 for another without ID tokens. Without it: any OpenID provider." env:"-"`
	upstreamOptions
}

func (cmd upstreamCreate) Run(ctx context.Context, p *program) error {
	if _, err := issuer.Parse(p.settings.Issuer); err != nil {
		return cli.Usage(fmt.Errorf("--issuer %w", err))
	}
	secret, err := cmd.secret(p)
	if err != nil {
		return err
	}
	in := admin.NewUpstream{Name: cmd.Name, Settings: upstream.Settings{Preset: cmd.Preset}, Secret: secret}
	cmd.apply(&in.Settings)
	return p.withUpstreams(ctx, secret, func(a *admin.Admin) error {
		made, err := a.CreateUpstream(ctx, p.machine(), in, cmd.Reason)
		if err != nil {
			return upstreamError(cmd.Name, err)
		}
		fmt.Fprintf(p.out, "%s\nregister this address there: %s\n", made.Name, made.RedirectURI)
		if made.OpenID() {
			fmt.Fprintf(p.out, "for log-out there, with --logout: %s\nfor its log-outs, if it sends any: %s\n",
				made.PostLogoutRedirectURI, made.BackchannelLogoutURI)
		}
		return nil
	})
}

type upstreamList struct {
	Format string `help:"text or json (one a line)." enum:"text,json" default:"text" env:"-"`
}

func (cmd upstreamList) Run(ctx context.Context, p *program) error {
	return p.withAdmin(ctx, func(a *admin.Admin) error {
		list, err := a.ListUpstreams(ctx, p.machine())
		if err != nil {
			return err
		}
		return cli.List[admin.Upstream]{
			Page: func(_ context.Context, after string, _ int) ([]admin.Upstream, error) {
				if after != "" {
					return nil, nil
				}
				return list.Items, nil
			},
			Key:     func(u admin.Upstream) string { return u.Name },
			Columns: "NAME\tTITLE\tISSUER\tADDRESSES\tSIGN-UP\tSTATE",
			Row: func(u admin.Upstream) string {
				state, entry := "enabled", "yes"
				if u.Disabled {
					state = "disabled"
				}
				if u.NoSignup {
					entry = "no"
				}
				return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s", u.Name, u.Title, u.Issuer, u.Addresses, entry, state)
			},
			JSON: func(u admin.Upstream) (any, error) { return u, nil },
		}.Print(ctx, p.out, cmd.Format)
	})
}

// upstreamArg names an upstream.
type upstreamArg struct {
	Name string `arg:"" help:"Its name, as 'list' shows it."`
}

type upstreamShow struct{ upstreamArg }

func (cmd upstreamShow) Run(ctx context.Context, p *program) error {
	return p.withAdmin(ctx, func(a *admin.Admin) error {
		u, err := a.Upstream(ctx, p.machine(), cmd.Name)
		if err != nil {
			return upstreamError(cmd.Name, err)
		}
		out := json.NewEncoder(p.out)
		out.SetIndent("", "  ")
		return out.Encode(u)
	})
}

type upstreamUpdate struct {
	upstreamArg
	reason
	force
	Disabled *bool `help:"Hide it, and let nobody in by it, until --no-disabled." negatable:"" env:"-"`
	upstreamOptions
}

func (cmd upstreamUpdate) Run(ctx context.Context, p *program) error {
	secret, err := cmd.secret(p)
	if err != nil {
		return err
	}
	return p.withUpstreams(ctx, secret, func(a *admin.Admin) error {
		_, err := a.UpdateUpstream(ctx, p.forced(cmd.Force), cmd.Name, "", admin.UpstreamChange{
			Settings: func(s *upstream.Settings) error { cmd.apply(s); return nil }, Secret: secret, Disabled: cmd.Disabled,
		}, cmd.Reason)
		return upstreamError(cmd.Name, err)
	})
}

type upstreamDelete struct {
	upstreamArg
	reason
	Force             bool `help:"Also if people log in by it." env:"-"`
	LastAdministrator bool `help:"Also if no administrator who can log in is left." env:"-"`
}

func (cmd upstreamDelete) Run(ctx context.Context, p *program) error {
	return p.withAdmin(ctx, func(a *admin.Admin) error {
		err := a.DeleteUpstream(ctx, p.forced(cmd.LastAdministrator), cmd.Name, cmd.Force, cmd.Reason)
		var refused *admin.Refused
		if errors.As(err, &refused) && refused.Why == admin.LastAdministrator {
			return fmt.Errorf("no administrator who can log in would be left without %s: give one another way in first, such as a passkey; "+
				"--last-administrator removes it nevertheless", cmd.Name)
		}
		return upstreamError(cmd.Name, err)
	})
}
