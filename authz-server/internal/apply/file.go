package apply

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/authz-server/internal/upstream"
)

// File is what a configuration says must be.
type File struct {
	Name string // whose things it has: another configuration leaves them alone

	resources []resource
	roles     []role
	groups    []group
	clients   []oauthClient
	upstreams []provider
}

// entry is what all kinds of things have.
type entry struct {
	node
	kind, name string
}

func (e entry) key() string { return e.kind + "/" + e.name }

// fail says where something is wrong: at the member that the error is about, or where the entry
// begins.
func (e entry) fail(err error) error {
	line := e.line
	var field *admin.FieldError
	var metadata *client.Error
	var there *fault
	switch {
	case err == nil:
		return nil
	case errors.As(err, &there):
		return err
	case errors.As(err, &field):
		line = e.lineOf(field.Field)
	case errors.As(err, &metadata):
		line, err = e.lineOf(metadata.Field), metadata
	}
	return fmt.Errorf("line %d: %s: %w", line, e.key(), err)
}

type resource struct {
	entry
	admin.NewResource
}

type role struct {
	entry
	roles.Definition
}

type group struct {
	entry
	title    string
	external *string // nil: as it is, since a directory may have set it
	roles    []roles.Role
}

type oauthClient struct {
	entry
	metadata json.RawMessage
	secret   string // empty: as it is, or a new one
	disabled bool
}

type provider struct {
	entry
	settings upstream.Settings
	secret   string // empty: as it is
	disabled bool
}

// secretMembers name where a secret is: it is never in the file itself.
var secretMembers = []string{"client_secret_file", "client_secret_env"}

// Read reads a configuration. getenv returns the value of an environment variable, for secrets.
func Read(text []byte, getenv func(string) string) (*File, error) {
	top, err := parse(text)
	if err != nil {
		return nil, err
	}
	f := &File{Name: "default"}
	if !top.mapping {
		return nil, wrongAt(top.line, "the configuration must be a mapping")
	}
	if err := top.only("configuration", "resources", "roles", "groups", "clients", "upstreams"); err != nil {
		return nil, err
	}
	if err := top.text("configuration", &f.Name); err != nil {
		return nil, err
	}
	if !client.ResourceName(f.Name) {
		return nil, wrongAt(top.lineOf("configuration"), "configuration must have 1 to 32 characters from a-z, 0-9, _ and -, the first of them a letter")
	}
	seen := map[string]int{}
	for _, kind := range []struct {
		kind, key string
		read      func(e entry) error
	}{
		{"resources", "name", f.readResource}, {"roles", "role", f.readRole}, {"groups", "name", f.readGroup},
		{"clients", "client_id", func(e entry) error { return f.readClient(e, getenv) }},
		{"upstreams", "name", func(e entry) error { return f.readUpstream(e, getenv) }},
	} {
		list, there := top.get(kind.kind)
		if !there || string(list.scalar) == "null" {
			continue
		}
		if list.items == nil {
			return nil, wrongAt(list.line, "%s must be a list", kind.kind)
		}
		for _, one := range list.items {
			e := entry{node: one, kind: kind.kind}
			if !one.mapping {
				return nil, wrongAt(one.line, "each of %s must be a mapping", kind.kind)
			}
			if err := one.text(kind.key, &e.name); err != nil {
				return nil, err
			}
			if e.name == "" {
				return nil, wrongAt(one.line, "%s must have %s", kind.kind, kind.key)
			}
			unique := e.key()
			if e.kind == "groups" {
				unique = "groups/" + roles.GroupKey(e.name)
			}
			if line, twice := seen[unique]; twice {
				return nil, wrongAt(one.line, "%s is there twice; it is in line %d too", e.key(), line)
			}
			seen[unique] = one.line
			if err := kind.read(e); err != nil {
				return nil, err
			}
		}
	}
	return f, nil
}

func (f *File) readResource(e entry) error {
	r := resource{entry: e}
	err := errors.Join(e.only("name", "id", "scopes", "description"), e.text("name", &r.Name), e.text("id", &r.ID),
		e.texts("scopes", &r.Scopes), e.text("description", &r.Description))
	f.resources = append(f.resources, r)
	return first(err)
}

func (f *File) readRole(e entry) error {
	r := role{entry: e}
	if err := first(errors.Join(e.only("role", "scopes", "description"), e.texts("scopes", &r.Scopes), e.text("description", &r.Description))); err != nil {
		return err
	}
	var err error
	if r.Role, err = roles.Parse(e.name); err == nil && !strings.Contains(e.name, "/") {
		err = fmt.Errorf("%q must name its resource, such as board/%s", e.name, e.name)
	}
	if err != nil {
		return wrongAt(e.lineOf("role"), "%v", err)
	}
	f.roles = append(f.roles, r)
	return nil
}

func (f *File) readGroup(e entry) error {
	g := group{entry: e, title: e.name}
	var names []string
	var external string
	if err := first(errors.Join(e.only("name", "external_id", "roles"), e.text("external_id", &external), e.texts("roles", &names))); err != nil {
		return err
	}
	if _, there := e.get("external_id"); there {
		g.external = &external
	}
	for _, name := range names {
		r, err := roles.Parse(name)
		if err != nil || !strings.Contains(name, "/") {
			return wrongAt(e.lineOf("roles"), "roles must have texts such as board/moderator, and %q is none", name)
		}
		if slices.Contains(g.roles, r) {
			return wrongAt(e.lineOf("roles"), "roles has %s twice", name)
		}
		g.roles = append(g.roles, r)
	}
	slices.SortFunc(g.roles, roles.Compare)
	f.groups = append(f.groups, g)
	return nil
}

func (f *File) readClient(e entry, getenv func(string) string) error {
	c := oauthClient{entry: e}
	var err error
	if err := e.boolean("disabled", &c.disabled); err != nil {
		return err
	}
	if c.secret, err = e.secret(getenv); err != nil {
		return err
	}
	c.metadata = e.without(append(secretMembers, "disabled")...).json()
	_, unknown, err := client.Decode(c.metadata)
	if err != nil {
		return e.fail(err)
	}
	for _, m := range e.members {
		if _, bad := unknown[m.name]; bad {
			return wrongAt(m.line, "%s has no member %q", e.kind, m.name)
		}
	}
	f.clients = append(f.clients, c)
	return nil
}

func (f *File) readUpstream(e entry, getenv func(string) string) error {
	p := provider{entry: e}
	var err error
	if err := e.boolean("disabled", &p.disabled); err != nil {
		return err
	}
	if p.secret, err = e.secret(getenv); err != nil {
		return err
	}
	if err := e.only(append(upstream.SettingNames(), "client_secret_file", "client_secret_env", "name", "disabled")...); err != nil {
		return err
	}
	for _, m := range e.without(append(secretMembers, "name", "disabled")...).members {
		// One by one, so that the error has its line.
		one := node{mapping: true, members: []member{m}}
		if err := json.Unmarshal(one.json(), &p.settings); err != nil {
			return wrongAt(m.line, "%s has the wrong form", m.name)
		}
	}
	var input *upstream.InputError
	if err := p.settings.Check(nil); errors.As(err, &input) {
		return wrongAt(e.lineOf(input.Field), "%s: %v", e.key(), input)
	} else if err != nil {
		return e.fail(err)
	}
	f.upstreams = append(f.upstreams, p)
	return nil
}

// maxSecret is the longest secret, in bytes.
const maxSecret = 16 << 10

// secret reads the secret that an entry refers to; empty: it refers to none.
func (e entry) secret(getenv func(string) string) (secret string, err error) {
	if _, there := e.get("client_secret"); there {
		return "", wrongAt(e.lineOf("client_secret"), "%s: a secret does not belong into a configuration; "+
			"name a file by client_secret_file, or an environment variable by client_secret_env", e.key())
	}
	var file, variable string
	if err := first(errors.Join(e.text("client_secret_file", &file), e.text("client_secret_env", &variable))); err != nil {
		return "", err
	}
	from := "client_secret_file"
	switch {
	case file != "" && variable != "":
		return "", wrongAt(e.lineOf("client_secret_env"), "%s: client_secret_file and client_secret_env exclude each other", e.key())
	case file != "":
		text, err := readSome(file, maxSecret+1)
		if err != nil {
			return "", wrongAt(e.lineOf(from), "%s: %v", e.key(), err)
		}
		secret = strings.TrimSpace(string(text))
	case variable != "":
		from = "client_secret_env"
		secret = strings.TrimSpace(getenv(variable))
	default:
		return "", nil
	}
	if secret == "" || len(secret) > maxSecret {
		return "", wrongAt(e.lineOf(from), "%s: %s must lead to a secret of at most %d bytes", e.key(), from, maxSecret)
	}
	return secret, nil
}

// readSome reads so many bytes of a file, at most.
func readSome(path string, most int64) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // G304: the operator names it
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most))
}

// only refuses members with other names.
func (n node) only(names ...string) error {
	for _, m := range n.members {
		if !slices.Contains(names, m.name) {
			return wrongAt(m.line, "%q is not known here; there are %s", m.name, strings.Join(names, ", "))
		}
	}
	return nil
}

// text reads a member that is text, if it is there.
func (n node) text(name string, into *string) error {
	return n.read(name, "text", into)
}

func (n node) boolean(name string, into *bool) error {
	return n.read(name, "true or false", into)
}

func (n node) texts(name string, into *[]string) error {
	return n.read(name, "a list of texts", into)
}

func (n node) read(name, form string, into any) error {
	value, there := n.get(name)
	if !there {
		return nil
	}
	if text := value.json(); string(text) == "null" || json.Unmarshal(text, into) != nil {
		return wrongAt(n.lineOf(name), "%s must be %s", name, form)
	}
	return nil
}

// first is the first of joined errors.
func first(err error) error {
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		return several.Unwrap()[0]
	}
	return err
}
