package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/cli"
)

type clientCommands struct {
	Create       clientCreate       `cmd:"" help:"Register a client, and print it with its secret, which is shown this once."`
	List         clientList         `cmd:"" help:"List the clients."`
	Show         clientShow         `cmd:"" help:"Print a client."`
	Update       clientUpdate       `cmd:"" help:"Change a client; what is not named stays."`
	Delete       clientDelete       `cmd:"" help:"Delete a client with its secrets, grants and consents."`
	RotateSecret clientRotateSecret `cmd:"" help:"Give a client a new secret, and print it; the old one works on for a while."`
	InitialToken clientInitialToken `cmd:"" help:"Make a token by which others register clients themselves (with --registration=token), and print it this once."`
	Import       clientImport       `cmd:"" help:"Create or update clients from RFC 7591 metadata, all of them or none. It may be repeated."`
}

// clientFlags are the members of a client's metadata. nil: not named.
type clientFlags struct {
	Name                  *string  `help:"Name that people see." env:"-"`
	RedirectURI           []string `name:"redirect-uri" help:"Where codes may be sent to. Can be repeated." sep:"none" env:"-" placeholder:"URI"`
	PostLogoutRedirectURI []string `name:"post-logout-redirect-uri" help:"Where people may be sent to after logging out. Can be repeated." sep:"none" env:"-" placeholder:"URI"`
	Scope                 *string  `help:"What the client may ask for, words separated by spaces. A client for people that names none gets \"openid profile email\"." env:"-"`
	GrantType             []string `help:"authorization_code, refresh_token, client_credentials, or the URN of device authorization or token exchange. Can be repeated." env:"-" placeholder:"TYPE"`
	AuthMethod            *string  `help:"How it authenticates: client_secret_basic, client_secret_post, private_key_jwt or none." env:"-" placeholder:"METHOD"`
	ApplicationType       *string  `help:"web or native." env:"-" placeholder:"TYPE"`
	ClientURI             *string  `name:"client-uri" help:"Its home page." env:"-" placeholder:"URL"`
	LogoURI               *string  `name:"logo-uri" help:"Its logo." env:"-" placeholder:"URL"`
	PolicyURI             *string  `name:"policy-uri" help:"Its privacy policy." env:"-" placeholder:"URL"`
	TermsURI              *string  `name:"tos-uri" help:"Its terms of service." env:"-" placeholder:"URL"`
	Contact               []string `help:"Mail address of those responsible. Can be repeated." sep:"none" env:"-" placeholder:"ADDRESS"`
	Audience              []string `help:"Identifier of a resource that it serves, and whose tokens it may introspect. Can be repeated." sep:"none" env:"-" placeholder:"URL"`
	JWKSURI               *string  `name:"jwks-uri" help:"Where its own public keys are, with which it signs." env:"-" placeholder:"URL"`
	Profile               *string  `help:"fapi2: hold it to the FAPI 2.0 Security Profile." env:"-" placeholder:"NAME"`
	SubjectType           *string  `help:"public or pairwise: whether other clients know people by the same sub." env:"-" placeholder:"TYPE"`
	IDTokenAlg            *string  `name:"id-token-alg" help:"What its ID tokens are signed by: ${algorithms}." env:"-" placeholder:"ALG"`
	BackchannelLogoutURI  *string  `name:"backchannel-logout-uri" help:"Where the server tells it of log-outs." env:"-" placeholder:"URL"`
	FrontchannelLogoutURI *string  `name:"frontchannel-logout-uri" help:"What browsers load to tell it of log-outs." env:"-" placeholder:"URL"`
	InitiateLoginURI      *string  `name:"initiate-login-uri" help:"Where others can have it begin a log-in." env:"-" placeholder:"URL"`
	ExchangeAudience      []string `name:"token-exchange-audience" help:"Identifier of a resource that it may exchange people's tokens for. Can be repeated." sep:"none" env:"-" placeholder:"URL"`
	RequirePAR            *bool    `name:"require-par" help:"Refuse authorization requests that were not pushed." negatable:"" env:"-"`
	DPoPBound             *bool    `name:"dpop-bound" help:"Give it no token without a DPoP proof." negatable:"" env:"-"`
	Trusted               *bool    `help:"A first party: nobody is asked for consent." negatable:"" env:"-"`
	RequirePKCE           *bool    `name:"require-pkce" help:"Refuse authorization requests without PKCE. On for new clients." negatable:"" env:"-"`
	IDTokenClaims         *bool    `name:"id-token-claims" help:"id_token_claims: put the claims of the granted scope, such as name and email, into ID tokens too, and not at userinfo alone. On for new clients without --profile fapi2." negatable:"" env:"-"`
}

// apply changes c by what was named. A list named with one empty value becomes empty.
func (f *clientFlags) apply(c *client.Client) {
	for _, one := range []struct {
		from *string
		to   *string
	}{
		{f.Name, &c.Name}, {f.Scope, &c.Scope}, {f.AuthMethod, &c.TokenEndpointAuthMethod}, {f.ApplicationType, &c.ApplicationType},
		{f.ClientURI, &c.ClientURI}, {f.LogoURI, &c.LogoURI}, {f.PolicyURI, &c.PolicyURI}, {f.TermsURI, &c.TermsURI},
		{f.JWKSURI, &c.JWKSURI}, {f.Profile, &c.Profile}, {f.SubjectType, &c.SubjectType}, {f.IDTokenAlg, &c.IDTokenSignedResponseAlg},
		{f.BackchannelLogoutURI, &c.BackchannelLogoutURI}, {f.FrontchannelLogoutURI, &c.FrontchannelLogoutURI}, {f.InitiateLoginURI, &c.InitiateLoginURI},
	} {
		if one.from != nil {
			*one.to = *one.from
		}
	}
	for _, one := range []struct {
		from []string
		to   *[]string
	}{
		{f.RedirectURI, &c.RedirectURIs}, {f.PostLogoutRedirectURI, &c.PostLogoutRedirectURIs}, {f.GrantType, &c.GrantTypes},
		{f.Contact, &c.Contacts}, {f.Audience, &c.Audiences}, {f.ExchangeAudience, &c.TokenExchangeAudiences},
	} {
		switch {
		case one.from == nil:
		case len(one.from) == 1 && one.from[0] == "":
			*one.to = nil
		default:
			*one.to = one.from
		}
	}
	if f.GrantType != nil {
		c.ResponseTypes = nil // follow from the grant types
	}
	for _, one := range []struct {
		from *bool
		to   *bool
	}{{f.Trusted, &c.Trusted}, {f.RequirePKCE, &c.RequirePKCE}, {f.RequirePAR, &c.RequirePAR}, {f.DPoPBound, &c.DPoPBound}, {f.IDTokenClaims, &c.IDTokenClaims}} {
		if one.from != nil {
			*one.to = *one.from
		}
	}
}

type clientCreate struct {
	clientFlags
	ID     string `name:"id" help:"Its client_id. Empty: a random one." env:"-"`
	Public bool   `help:"It cannot keep a secret, as an app on a phone or in a browser: the same as --auth-method none." env:"-"`
	Format string `help:"json or text." enum:"json,text" default:"json" env:"-"`
}

func (cmd clientCreate) Run(ctx context.Context, p *program) error {
	policy, err := p.settings.policy()
	if err != nil {
		return err
	}
	c := client.Client{ID: cmd.ID, RequirePKCE: true}
	if c.ID == "" {
		c.ID = client.NewID()
	}
	if cmd.Public {
		if cmd.AuthMethod != nil && *cmd.AuthMethod != client.AuthNone {
			return errors.New("--public means --auth-method none; leave one of them out")
		}
		c.TokenEndpointAuthMethod = client.AuthNone
	}
	cmd.apply(&c)
	if c.Name == "" {
		return errors.New("--name must be set: people see it when they are asked for their consent")
	}
	if err := c.Check(policy); err != nil {
		return err
	}
	if cmd.IDTokenClaims == nil {
		c.IDTokenClaims = c.ForPeople() && c.Profile == ""
	}
	secret := ""
	if c.HasSecret() {
		secret = client.NewSecret()
	}
	return p.withStore(ctx, func(s *store.Store) error {
		err := s.Tx(ctx, func(ctx context.Context) error {
			if err := s.CreateClient(ctx, c); err != nil {
				return err
			}
			if secret == "" {
				return nil
			}
			return s.AddClientSecret(ctx, c.ID, store.Hash(secret), time.Time{})
		})
		if errors.Is(err, store.ErrExists) {
			return fmt.Errorf("the client %s exists already; change it with 'client update', or choose another --id", c.ID)
		}
		if err != nil {
			return err
		}
		if c, err = s.Client(ctx, c.ID); err != nil {
			return err
		}
		if err := printClient(p.out, cmd.Format, c, secret); err != nil {
			return err
		}
		return p.sayNext(c)
	})
}

// sayNext tells whoever made a client, apart from the output that programs read, what its app is set up with.
func (p *program) sayNext(c client.Client) error {
	at, err := issuer.Parse(p.settings.Issuer)
	if err != nil {
		return cli.Usage(fmt.Errorf("the client was made; --issuer %w", err))
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
	return p.withStore(ctx, func(s *store.Store) error {
		table := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
		list := listJSON{out: p.out}
		if cmd.Format == "text" {
			fmt.Fprintln(table, "ID\tNAME\tAUTHENTICATION\tGRANTS\tTRUSTED\tUPDATED")
		}
		for after := ""; ; {
			page, err := s.ListClients(ctx, after, 100)
			if err != nil {
				return err
			}
			if len(page) == 0 {
				break
			}
			for _, c := range page {
				if cmd.Format == "text" {
					fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%t\t%s\n", c.ID, c.Name, c.TokenEndpointAuthMethod,
						strings.Join(c.GrantTypes, " "), c.Trusted, c.UpdatedAt.Format(time.RFC3339))
					continue
				}
				document, err := clientDocument(c, "")
				if err != nil {
					return err
				}
				if err := list.add(document); err != nil {
					return err
				}
			}
			after = page[len(page)-1].ID
			if err := table.Flush(); err != nil { // and not at the end: a page at a time is in memory
				return err
			}
		}
		if cmd.Format == "json" {
			return list.end()
		}
		return table.Flush()
	})
}

// listJSON prints an array an element at a time, as printJSON would print the whole.
type listJSON struct {
	out   io.Writer
	begun bool
}

func (l *listJSON) add(element json.RawMessage) error {
	var b bytes.Buffer
	b.WriteString(",\n  ")
	if !l.begun {
		b.Reset()
		b.WriteString("[\n  ")
	}
	l.begun = true
	if err := json.Indent(&b, element, "  ", "  "); err != nil {
		return err
	}
	_, err := l.out.Write(b.Bytes())
	return err
}

func (l *listJSON) end() error {
	text := "\n]\n"
	if !l.begun {
		text = "[]\n"
	}
	_, err := io.WriteString(l.out, text)
	return err
}

type clientShow struct {
	ID     string `arg:"" name:"id" help:"Its client_id."`
	Format string `help:"json or text." enum:"json,text" default:"json" env:"-"`
}

func (cmd clientShow) Run(ctx context.Context, p *program) error {
	return p.withStore(ctx, func(s *store.Store) error {
		c, err := s.Client(ctx, cmd.ID)
		if err != nil {
			return clientError(cmd.ID, err)
		}
		return printClient(p.out, cmd.Format, c, "")
	})
}

type clientUpdate struct {
	clientFlags
	ID     string `arg:"" name:"id" help:"Its client_id."`
	Format string `help:"json or text." enum:"json,text" default:"json" env:"-"`
}

func (cmd clientUpdate) Run(ctx context.Context, p *program) error {
	policy, err := p.settings.policy()
	if err != nil {
		return err
	}
	return p.withStore(ctx, func(s *store.Store) error {
		var c client.Client
		secret := ""
		err := s.Tx(ctx, func(ctx context.Context) error {
			var err error
			if c, err = s.Client(ctx, cmd.ID); err != nil {
				return err
			}
			hadSecret := c.HasSecret()
			cmd.apply(&c)
			if err := c.Check(policy); err != nil {
				return err
			}
			if err := s.UpdateClient(ctx, c); err != nil {
				return err
			}
			switch {
			case hadSecret && !c.HasSecret():
				return s.ReplaceClientSecrets(ctx, c.ID, nil)
			case !hadSecret && c.HasSecret():
				secret = client.NewSecret()
				return s.ReplaceClientSecrets(ctx, c.ID, store.Hash(secret))
			}
			return nil
		})
		if err != nil {
			return clientError(cmd.ID, err)
		}
		return printClient(p.out, cmd.Format, c, secret)
	})
}

type clientDelete struct {
	ID string `arg:"" name:"id" help:"Its client_id."`
}

func (cmd clientDelete) Run(ctx context.Context, p *program) error {
	return p.withStore(ctx, func(s *store.Store) error {
		gone, err := s.DeleteClient(ctx, cmd.ID)
		if err != nil {
			return clientError(cmd.ID, err)
		}
		_, err = fmt.Fprintf(p.out, "deleted the client %s with its secrets, %d live grants and %d consents; access tokens that it holds end within %s\n",
			cmd.ID, gone.Grants, gone.Consents, p.settings.AccessTokenLifetime)
		return err
	})
}

type clientRotateSecret struct {
	ID      string        `arg:"" name:"id" help:"Its client_id."`
	Overlap time.Duration `help:"How long older secrets go on working. 0: they end at once." default:"24h" env:"-"`
	Format  string        `help:"json or text." enum:"json,text" default:"json" env:"-"`
}

func (cmd clientRotateSecret) Run(ctx context.Context, p *program) error {
	if cmd.Overlap < 0 {
		return errors.New("--overlap must not be negative")
	}
	return p.withStore(ctx, func(s *store.Store) error {
		secret := client.NewSecret()
		var c client.Client
		err := s.Tx(ctx, func(ctx context.Context) error {
			var err error
			if c, err = s.Client(ctx, cmd.ID); err != nil {
				return err
			}
			if c.Public() {
				return errors.New("is public and has no secret; give it one with 'client update --auth-method client_secret_basic'")
			}
			if !c.HasSecret() {
				return errors.New("signs with its own key and has no secret; its keys are rotated in its jwks or at its jwks_uri")
			}
			return s.AddClientSecret(ctx, cmd.ID, store.Hash(secret), p.now().Add(cmd.Overlap))
		})
		if err != nil {
			return clientError(cmd.ID, err)
		}
		return printClient(p.out, cmd.Format, c, secret)
	})
}

type clientInitialToken struct {
	Uses    int64         `help:"How many clients can be registered by it." default:"1" env:"-"`
	Expires time.Duration `help:"For how long." default:"24h" env:"-"`
	Note    string        `help:"Who it is for, for your own records." env:"-"`
	Format  string        `help:"text or json." enum:"text,json" default:"text" env:"-"`
}

func (cmd clientInitialToken) Run(ctx context.Context, p *program) error {
	switch {
	case cmd.Uses < 1 || cmd.Uses > 100_000:
		return errors.New("--uses must be from 1 to 100000")
	case cmd.Expires < time.Minute || cmd.Expires > 366*24*time.Hour:
		return errors.New("--expires must be from 1m to 8784h")
	case len(cmd.Note) > 255:
		return errors.New("--note must be at most 255 bytes long")
	}
	token, expires := client.NewSecret(), p.now().Add(cmd.Expires)
	return p.withStore(ctx, func(s *store.Store) error {
		if err := s.CreateInitialToken(ctx, store.Hash(token), cmd.Note, cmd.Uses, expires); err != nil {
			return err
		}
		if cmd.Format == "json" {
			return printJSON(p.out, map[string]any{"initial_access_token": token, "uses": cmd.Uses, "expires_at": expires.Unix(), "note": cmd.Note})
		}
		_, err := fmt.Fprintln(p.out, token)
		return err
	})
}

type clientImport struct {
	File   string `arg:"" help:"A file with one JSON object or an array of them; - is standard input."`
	Format string `help:"text or json." enum:"text,json" default:"text" env:"-"`
}

// maxImport is the largest file that import reads, in bytes.
const maxImport = 16 << 20

func (cmd clientImport) Run(ctx context.Context, p *program) error {
	policy, err := p.settings.policy()
	if err != nil {
		return err
	}
	in := p.in
	if cmd.File != "-" {
		file, err := os.Open(cmd.File)
		if err != nil {
			return err
		}
		defer file.Close()
		in = file
	}
	data, err := io.ReadAll(io.LimitReader(in, maxImport+1))
	if err != nil {
		return err
	}
	if len(data) > maxImport {
		return fmt.Errorf("%s is larger than %d MiB", cmd.File, maxImport>>20)
	}
	entries, err := readImport(data, policy)
	if err != nil {
		policy.InsecureLoopback = true
		if _, other := readImport(data, policy); other == nil { // nothing else is wrong with the file
			err = fmt.Errorf("%w; for development, AUTHZ_INSECURE_OUTGOING_LOOPBACK=true allows http addresses of this machine", err)
		}
		return err
	}
	return p.withStore(ctx, func(s *store.Store) error {
		var done []imported
		err := s.Tx(ctx, func(ctx context.Context) error {
			for _, one := range entries {
				result, err := importOne(ctx, s, one)
				if err != nil {
					return clientError(one.ID, err)
				}
				done = append(done, result)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if cmd.Format == "json" {
			return printJSON(p.out, done)
		}
		for _, one := range done {
			line := one.Outcome + " " + one.ID
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

// importEntry is a checked client and the secret that the file gives it, or empty.
type importEntry struct {
	client.Client
	secret string
}

// imported says what became of an entry.
type imported struct {
	ID      string `json:"client_id"`
	Outcome string `json:"outcome"`                 // created, updated or unchanged
	Secret  string `json:"client_secret,omitempty"` // only one that was generated
}

// minSecret is the shortest secret that a file may give: 32 characters can hold 128 random bits in any usual form.
const minSecret = 32

func readImport(data []byte, policy client.Policy) ([]importEntry, error) {
	var raw []json.RawMessage
	if trimmed := bytes.TrimSpace(data); len(trimmed) > 0 && trimmed[0] == '{' {
		raw = []json.RawMessage{trimmed}
	} else if err := json.Unmarshal(data, &raw); err != nil {
		return nil, fmt.Errorf("the file must hold one JSON object or an array of them: %w", err)
	}
	var entries []importEntry
	seen := map[string]bool{}
	for i, text := range raw {
		one, err := readImportEntry(text, policy)
		if err != nil {
			return nil, fmt.Errorf("entry %d (%s): %w", i+1, cmp.Or(one.ID, "no client_id"), err)
		}
		if seen[one.ID] {
			return nil, fmt.Errorf("entry %d (%s): its client_id is there twice", i+1, one.ID)
		}
		seen[one.ID] = true
		entries = append(entries, one)
	}
	// In one order, so that two imports at once do not wait for each other's rows.
	slices.SortFunc(entries, func(a, b importEntry) int { return strings.Compare(a.ID, b.ID) })
	return entries, nil
}

func readImportEntry(text json.RawMessage, policy client.Policy) (one importEntry, err error) {
	c, rest, err := client.Decode(text)
	if err != nil {
		return one, err
	}
	one.Client = c
	if raw, ok := rest["client_secret"]; ok {
		delete(rest, "client_secret")
		if err := json.Unmarshal(raw, &one.secret); err != nil || !validSecret(one.secret) {
			return one, fmt.Errorf("client_secret must be a string of %d to 255 printable ASCII characters", minSecret)
		}
	}
	if len(rest) > 0 {
		var names []string
		for name := range rest {
			names = append(names, fmt.Sprintf("%q", name))
		}
		slices.Sort(names)
		return one, fmt.Errorf("unknown member %s", strings.Join(names, ", "))
	}
	if one.ID == "" {
		return one, errors.New("client_id must be there, so that importing again finds the same client")
	}
	if err := one.Check(policy); err != nil {
		return one, err
	}
	if one.secret != "" && !one.HasSecret() {
		return one, fmt.Errorf("client_secret must not be there when token_endpoint_auth_method is %s", one.TokenEndpointAuthMethod)
	}
	return one, nil
}

// validSecret holds a secret to the characters of RFC 6749 appendix A.2, without the space that is lost in copying.
func validSecret(secret string) bool {
	return len(secret) >= minSecret && len(secret) <= 255 &&
		!strings.ContainsFunc(secret, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

func importOne(ctx context.Context, s *store.Store, one importEntry) (imported, error) {
	result := imported{ID: one.ID, Outcome: "unchanged"}
	before, hashes, err := s.ClientWithSecrets(ctx, one.ID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		result.Outcome = "created"
		if err := s.CreateClient(ctx, one.Client); errors.Is(err, store.ErrExists) {
			return importOne(ctx, s, one) // another import created it just now
		} else if err != nil {
			return imported{}, err
		}
	case err != nil:
		return imported{}, err
	default:
		same, err := sameClient(before, one.Client)
		if err != nil {
			return imported{}, err
		}
		if !same {
			result.Outcome = "updated"
			if err := s.UpdateClient(ctx, one.Client); err != nil {
				return imported{}, err
			}
		}
	}
	secret := one.secret
	switch {
	case !one.HasSecret():
		if len(hashes) > 0 {
			return result, s.ReplaceClientSecrets(ctx, one.ID, nil)
		}
		return result, nil
	case secret == "" && len(hashes) > 0:
		return result, nil
	case secret == "":
		secret = client.NewSecret()
		result.Secret = secret
	case slices.ContainsFunc(hashes, func(hash []byte) bool { return bytes.Equal(hash, store.Hash(secret)) }):
		return result, nil
	}
	if result.Outcome == "unchanged" {
		result.Outcome = "updated"
	}
	return result, s.ReplaceClientSecrets(ctx, one.ID, store.Hash(secret))
}

func sameClient(a, b client.Client) (bool, error) {
	one, err := json.Marshal(a)
	if err != nil {
		return false, err
	}
	other, err := json.Marshal(b)
	return bytes.Equal(one, other), err
}

// clientError names the client in an error of a look-up.
func clientError(id string, err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("there is no client %s; 'client list' shows all", id)
	}
	if errors.Is(err, store.ErrStale) {
		return fmt.Errorf("client %s was changed by somebody else at the same time; look at it and run the command again", id)
	}
	return fmt.Errorf("client %s: %w", id, err)
}

// clientDocument is c as registration answers it (RFC 7591 §3.2.1), with a new secret or none.
func clientDocument(c client.Client, secret string) (json.RawMessage, error) {
	var more struct {
		IssuedAt  int64  `json:"client_id_issued_at"`
		Secret    string `json:"client_secret,omitempty"`
		ExpiresAt *int64 `json:"client_secret_expires_at,omitempty"`
	}
	more.IssuedAt = c.CreatedAt.Unix()
	if secret != "" {
		more.Secret, more.ExpiresAt = secret, new(int64) // 0: never
	}
	return c.JSONWith(more)
}

func printClient(w io.Writer, format string, c client.Client, secret string) error {
	document, err := clientDocument(c, secret)
	if err != nil {
		return err
	}
	if format == "json" {
		return printJSON(w, document)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber()
	if _, err := decoder.Token(); err != nil { // the opening brace
		return err
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return err
		}
		var value any
		if err := decoder.Decode(&value); err != nil {
			return err
		}
		if list, ok := value.([]any); ok {
			value = strings.Trim(fmt.Sprint(list), "[]")
		}
		fmt.Fprintf(table, "%s\t%v\n", name, value)
	}
	return table.Flush()
}
