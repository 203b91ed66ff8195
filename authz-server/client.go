package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/cli"
)

type clientCommands struct {
	Create                  clientCreate                  `cmd:"" help:"Register a client, and print it with its secret, which is shown only now."`
	List                    clientList                    `cmd:"" help:"List the clients."`
	Show                    clientShow                    `cmd:"" help:"Print a client."`
	Update                  clientUpdate                  `cmd:"" help:"Change a client. What you do not name stays as it is."`
	Delete                  clientDelete                  `cmd:"" help:"Delete a client with its secrets, grants and consents."`
	Disable                 clientDisable                 `cmd:"" help:"Disable a client: it is refused everywhere, and all access tokens that it holds are revoked. What people gave it stays, for 'client enable'."`
	Enable                  clientEnable                  `cmd:"" help:"Enable a disabled client again: its refresh tokens work, and it gets new access tokens."`
	RotateSecret            clientRotateSecret            `cmd:"" help:"Give a client a new secret, and print it. The old one works for a while longer, unless it is compromised."`
	RotateRegistrationToken clientRotateRegistrationToken `cmd:"" help:"Give a client that registered itself a new registration access token (RFC 7592), and print it. The old one stops at once."`
	InitialToken            clientInitialToken            `cmd:"" help:"Make a token with which others register clients themselves (--registration=token), and print it. It is shown only now."`
	Import                  clientImport                  `cmd:"" help:"Create or update clients from a file of RFC 7591 metadata, all of them or none. Importing a file again changes nothing."`
}

type clientCreate struct {
	metadataOptions
	reason
	ID     string `name:"id" help:"Its client_id. Empty: random." env:"-"`
	Public bool   `help:"It cannot keep a secret, like an app on a phone or in a browser. The same as --auth-method none." env:"-"`
	Format string `help:"json or text." enum:"json,text" default:"json" env:"-"`
}

func (cmd clientCreate) Run(ctx context.Context, p *program) error {
	members := cmd.patch()
	if cmd.Public {
		if method, named := members["token_endpoint_auth_method"]; named && method != client.AuthNone {
			return errors.New("--public means --auth-method none; leave one of them out")
		}
		members["token_endpoint_auth_method"] = client.AuthNone
	}
	policy, err := p.settings.policy()
	if err != nil {
		return err
	}
	return p.withClients(ctx, policy, func(a *admin.Admin) error {
		made, err := a.CreateClient(ctx, p.machine(), cmd.ID, members, cmd.Reason)
		if errors.Is(err, store.ErrExists) {
			return fmt.Errorf("the client %s exists; change it with 'client update', or choose another --id", cmd.ID)
		}
		if err != nil {
			return advise(err)
		}
		if err := printClient(p.out, cmd.Format, made); err != nil {
			return err
		}
		return p.sayNext(made.Client)
	})
}

// sayNext says how to set up the app of a new client. It writes to the error stream, because
// programs read the output.
func (p *program) sayNext(c client.Client) error {
	at, err := issuer.Parse(p.settings.Issuer)
	if err != nil {
		return cli.Usage(fmt.Errorf("the client was created, but --issuer %w", err))
	}
	secret := map[bool]string{true: "client_secret", false: "no secret"}[c.HasSecret()]
	if c.TokenEndpointAuthMethod == client.AuthPrivateKeyJWT {
		secret = "its private key"
	}
	next := "set up the app with the issuer, client_id and " + secret + "; its library finds the rest at the discovery address, and sends people to " + at.URL("/oauth2/authorize")
	switch {
	case c.HasGrantType(client.AuthorizationCode) || c.HasGrantType(client.Implicit):
	case c.HasGrantType(client.DeviceCode):
		next = "set up the device with the issuer, client_id and " + secret + "; it begins at " + at.URL("/oauth2/device_authorization") + ", and people go to " + at.URL("/device")
	default:
		next = "set up the service with the issuer, client_id and " + secret + "; it gets tokens at " + at.URL("/oauth2/token")
	}
	_, err = fmt.Fprintf(p.errs, "issuer:    %s\ndiscovery: %s\nnext:      %s\n", at, at.URL("/.well-known/openid-configuration"), next)
	return err
}

type clientList struct {
	Format string `help:"text or json." enum:"text,json" default:"text" env:"-"`
}

func (cmd clientList) Run(ctx context.Context, p *program) error {
	return p.withAdmin(ctx, func(a *admin.Admin) error {
		return cli.List[client.Client]{
			Page: func(ctx context.Context, after string, limit int) ([]client.Client, error) {
				page, err := a.ListClients(ctx, p.machine(), after, limit)
				return page.Items, err
			},
			Key:     func(c client.Client) string { return c.ID },
			Columns: "ID\tNAME\tAUTHENTICATION\tGRANTS\tTRUSTED\tSTATE\tUPDATED",
			Row: func(c client.Client) string {
				state := "enabled"
				if !c.DisabledAt.IsZero() {
					state = "disabled"
				}
				return fmt.Sprintf("%s\t%s\t%s\t%s\t%t\t%s\t%s", c.ID, c.Name, c.TokenEndpointAuthMethod,
					strings.Join(c.GrantTypes, " "), c.Trusted, state, c.UpdatedAt.Format(time.RFC3339))
			},
			JSON:  func(c client.Client) (any, error) { return clientDocument(directory.Issued{Client: c}) },
			Array: true,
		}.Print(ctx, p.out, cmd.Format)
	})
}

type clientShow struct {
	ID     string `arg:"" name:"id" help:"Its client_id."`
	Format string `help:"json or text." enum:"json,text" default:"json" env:"-"`
}

func (cmd clientShow) Run(ctx context.Context, p *program) error {
	return p.withAdmin(ctx, func(a *admin.Admin) error {
		c, err := a.Client(ctx, p.machine(), cmd.ID)
		if err != nil {
			return clientError(cmd.ID, err)
		}
		return printClient(p.out, cmd.Format, directory.Issued{Client: c})
	})
}

type clientUpdate struct {
	metadataOptions
	reason
	ID     string `arg:"" name:"id" help:"Its client_id."`
	Format string `help:"json or text." enum:"json,text" default:"json" env:"-"`
}

func (cmd clientUpdate) Run(ctx context.Context, p *program) error {
	policy, err := p.settings.policy()
	if err != nil {
		return err
	}
	return p.withClients(ctx, policy, func(a *admin.Admin) error {
		changed, err := a.UpdateClient(ctx, p.machine(), cmd.ID, "", cmd.patch(), cmd.Reason)
		if err != nil {
			return clientError(cmd.ID, err)
		}
		return printClient(p.out, cmd.Format, changed)
	})
}

type clientDelete struct {
	reason
	ID string `arg:"" name:"id" help:"Its client_id."`
}

func (cmd clientDelete) Run(ctx context.Context, p *program) error {
	return p.withClients(ctx, client.Policy{}, func(a *admin.Admin) error {
		gone, err := a.DeleteClient(ctx, p.machine(), cmd.ID, cmd.Reason)
		if err != nil {
			return clientError(cmd.ID, err)
		}
		_, err = fmt.Fprintf(p.out, "deleted the client %s with its secrets, %d live grants and %d consents; its access tokens are revoked\n",
			cmd.ID, gone.Grants, gone.Consents)
		return err
	})
}

type clientRotateSecret struct {
	reason
	ID          string        `arg:"" name:"id" help:"Its client_id."`
	Overlap     time.Duration `help:"How long older secrets go on working. 0: they stop at once." default:"24h" env:"-"`
	Compromised bool          `help:"Somebody else knows a secret. The older ones stop at once, whatever --overlap says, all access tokens of the client are revoked, and all grants and its registration access token end: people log in to it again. What they agreed to stays." env:"-"`
	Format      string        `help:"json or text." enum:"json,text" default:"json" env:"-"`
}

func (cmd clientRotateSecret) Run(ctx context.Context, p *program) error {
	if cmd.Compromised {
		return cmd.compromised(ctx, p)
	}
	return p.withClients(ctx, client.Policy{}, func(a *admin.Admin) error {
		rotated, err := a.RotateSecret(ctx, p.machine(), cmd.ID, cmd.Overlap, cmd.Reason)
		if err != nil {
			return clientError(cmd.ID, err)
		}
		return printClient(p.out, cmd.Format, rotated)
	})
}

// compromised prints the new secret before it removes what has ended already, which takes long if
// there is much of it.
func (cmd clientRotateSecret) compromised(ctx context.Context, p *program) error {
	if err := p.withClients(ctx, client.Policy{}, func(a *admin.Admin) error {
		rotated, err := a.RotateCompromised(ctx, p.machine(), cmd.ID, cmd.Reason)
		if err != nil {
			return clientError(cmd.ID, err)
		}
		return printClient(p.out, cmd.Format, rotated)
	}); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(p.errs, "the old secrets, access tokens and grants of %s have ended; removing the grants…\n", cmd.ID); err != nil {
		return err
	}
	return p.withStore(ctx, func(s *store.Store) error {
		removed, err := s.RemoveEnded(ctx)
		if err != nil {
			return fmt.Errorf("removed %d grants; a server removes the rest: %w", removed, err)
		}
		_, err = fmt.Fprintf(p.errs, "removed %d grants\n", removed)
		return err
	})
}

type clientRotateRegistrationToken struct {
	reason
	ID string `arg:"" name:"id" help:"Its client_id."`
}

func (cmd clientRotateRegistrationToken) Run(ctx context.Context, p *program) error {
	return p.withClients(ctx, client.Policy{}, func(a *admin.Admin) error {
		rotated, err := a.RotateRegistrationToken(ctx, p.machine(), cmd.ID, cmd.Reason)
		if err != nil {
			return clientError(cmd.ID, err)
		}
		_, err = fmt.Fprintln(p.out, rotated.RegistrationToken)
		return err
	})
}

type clientDisable struct {
	reason
	ID string `arg:"" name:"id" help:"Its client_id."`
}

func (cmd clientDisable) Run(ctx context.Context, p *program) error {
	return p.withAdmin(ctx, func(a *admin.Admin) error {
		if err := a.DisableClient(ctx, p.machine(), cmd.ID, cmd.Reason); err != nil {
			return clientError(cmd.ID, err)
		}
		_, err := fmt.Fprintf(p.out, "disabled the client %s; its access tokens are revoked, and its grants wait for 'client enable %s'\n", cmd.ID, cmd.ID)
		return err
	})
}

type clientEnable struct {
	reason
	ID string `arg:"" name:"id" help:"Its client_id."`
}

func (cmd clientEnable) Run(ctx context.Context, p *program) error {
	return p.withAdmin(ctx, func(a *admin.Admin) error {
		if err := a.EnableClient(ctx, p.machine(), cmd.ID, cmd.Reason); err != nil {
			return clientError(cmd.ID, err)
		}
		_, err := fmt.Fprintf(p.out, "enabled the client %s\n", cmd.ID)
		return err
	})
}

type clientInitialToken struct {
	reason
	Uses    int64         `help:"How many clients can be registered with it." default:"1" env:"-"`
	Expires time.Duration `help:"How long it can be used." default:"24h" env:"-"`
	Note    string        `help:"Who it is for, for your own records." env:"-"`
	Format  string        `help:"text or json." enum:"text,json" default:"text" env:"-"`
}

func (cmd clientInitialToken) Run(ctx context.Context, p *program) error {
	return p.withClients(ctx, client.Policy{}, func(a *admin.Admin) error {
		token, expires, err := a.CreateInitialToken(ctx, p.machine(), directory.InitialToken{Uses: cmd.Uses, Lifetime: cmd.Expires, Note: cmd.Note}, cmd.Reason)
		if err != nil {
			return advise(err)
		}
		if cmd.Format == "json" {
			return cli.PrintJSON(p.out, map[string]any{"initial_access_token": token, "uses": cmd.Uses, "expires_at": expires.Unix(), "note": cmd.Note})
		}
		_, err = fmt.Fprintln(p.out, token)
		return err
	})
}

type clientImport struct {
	reason
	File   string `arg:"" help:"A file with one JSON object or an array of them; - is standard input."`
	Format string `help:"text or json." enum:"text,json" default:"text" env:"-"`
}

// maxImport is the largest file that import reads, in bytes.
const maxImport = 16 << 20

func (cmd clientImport) Run(ctx context.Context, p *program) error {
	file, err := cmd.read(p.in)
	if err != nil {
		return err
	}
	policy, err := p.settings.policy()
	if err != nil {
		return err
	}
	return p.withClients(ctx, policy, func(a *admin.Admin) error {
		done, err := a.ImportClients(ctx, p.machine(), file, cmd.Reason)
		if err != nil {
			return advise(err)
		}
		if cmd.Format == "json" {
			return cli.PrintJSON(p.out, done)
		}
		for _, one := range done {
			line := string(one.Outcome) + " " + one.ID
			if one.Secret != "" {
				line += " with the secret " + one.Secret
			}
			if _, err := fmt.Fprintln(p.out, line); err != nil {
				return err
			}
		}
		return nil
	})
}

func (cmd clientImport) read(in io.Reader) ([]byte, error) {
	if cmd.File != "-" {
		file, err := os.Open(cmd.File)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		in = file
	}
	data, err := io.ReadAll(io.LimitReader(in, maxImport+1))
	if err == nil && len(data) > maxImport {
		err = fmt.Errorf("%s is larger than %d MiB; split it", cmd.File, maxImport>>20)
	}
	return data, err
}

// clientError adds to an error about a client which one it is, and what to do next.
func clientError(id string, err error) error {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("there is no client %s; 'client list' shows them all", id)
	case errors.Is(err, store.ErrStale):
		return fmt.Errorf("client %s was changed by somebody else at the same time; look at it, and run the command again", id)
	}
	return fmt.Errorf("client %s: %w", id, advise(err))
}

// advise adds to an error what to do next.
func advise(err error) error {
	var input directory.InputError
	var argument *admin.FieldError
	var wrong *client.Error
	switch {
	case errors.As(err, &input):
		return fmt.Errorf("--%w", err)
	case errors.As(err, &argument):
		return option(err, nil)
	case errors.Is(err, directory.ErrPublic):
		return fmt.Errorf("%w; give it one with 'client update --auth-method client_secret_basic'", err)
	case errors.Is(err, directory.ErrOwnKeys):
		return fmt.Errorf("%w; rotate its keys in its jwks or at its jwks_uri", err)
	case errors.Is(err, directory.ErrLoopback):
		return fmt.Errorf("%w; for development, AUTHZ_INSECURE_OUTGOING_LOOPBACK=true allows http addresses of this machine", err)
	case errors.As(err, &wrong):
		for _, m := range withOption() {
			if m.Name == wrong.Field {
				return fmt.Errorf("%w (--%s)", err, m.Option)
			}
		}
	}
	return err
}

// clientDocument returns a client as registration answers it (RFC 7591 §3.2.1), with its new secret
// if it has one.
func clientDocument(c directory.Issued) (json.RawMessage, error) {
	var more struct {
		IssuedAt  int64  `json:"client_id_issued_at"`
		Secret    string `json:"client_secret,omitempty"`
		ExpiresAt *int64 `json:"client_secret_expires_at,omitempty"`
		// Of ours: when an operator disabled it.
		DisabledAt int64 `json:"disabled_at,omitempty"`
	}
	more.IssuedAt = c.CreatedAt.Unix()
	if !c.DisabledAt.IsZero() {
		more.DisabledAt = c.DisabledAt.Unix()
	}
	if c.Secret != "" {
		more.Secret, more.ExpiresAt = c.Secret, new(int64) // 0: never
	}
	return c.JSONWith(more)
}

func printClient(w io.Writer, format string, c directory.Issued) error {
	document, err := clientDocument(c)
	if err != nil {
		return err
	}
	if format == "json" {
		return cli.PrintJSON(w, document)
	}
	return cli.PrintMembers(w, document)
}
