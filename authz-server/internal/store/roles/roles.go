// Package roles stores which roles there are, and who has them: people to whom they were given, and
// the members of groups to which they were. Whoever loses one loses the access tokens that may say
// so in the same transaction. Where many people lose one, it counts no more from the first
// transaction on, and their tokens follow in batches ([Roles.Purge]).
package roles

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/grants"
	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/authz-server/internal/store/streams"
	"github.com/maru-auth/maru/internal/sqldb"
)

// Role is a role at one resource. Its text form is "board/moderator".
type Role struct {
	Resource string `json:"resource"` // its short name: [client.Resource.Name]
	Name     string `json:"name"`
}

// The roles that are always there.
var (
	Moderator = Role{"board", "moderator"}
	Admin     = Role{"admin", "admin"}
)

func (r Role) String() string { return r.Resource + "/" + r.Name }

// Administers tells whether the role has power over the server.
func (r Role) Administers() bool { return r.Resource == Admin.Resource }

// Compare orders roles by resource and name.
func Compare(a, b Role) int {
	if c := strings.Compare(a.Resource, b.Resource); c != 0 {
		return c
	}
	return strings.Compare(a.Name, b.Name)
}

// Names returns the text forms of roles, in their order.
func Names(all []Role) []string {
	names := make([]string, len(all))
	for i, one := range all {
		names[i] = one.String()
	}
	return names
}

var wellFormed = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`)

// Parse reads the text form of a role. A name alone is of the board, as it was before there were
// other roles.
func Parse(text string) (Role, error) {
	i := strings.LastIndexByte(text, '/')
	r := Role{Moderator.Resource, text[i+1:]}
	if i >= 0 {
		r.Resource = text[:i]
	}
	if r.Resource == "" || !wellFormed.MatchString(r.Name) {
		return Role{}, fmt.Errorf("%q is not a role; one looks like board/moderator: a resource, and a name of 1 to 32 characters from a-z, 0-9, _ and -, the first of them a letter", text)
	}
	return r, nil
}

// ErrUnknown says that nobody defined the role.
var ErrUnknown = errors.New("there is no such role")

// Roles stores roles, groups, and who has which. It is safe for concurrent use.
type Roles struct {
	db     *sqldb.DB
	now    func() time.Time
	grants *grants.Grants
	events *streams.Streams

	known atomic.Pointer[[]Definition]
}

// New returns the roles in db. The tokens of whoever loses one belong to grants; events tells
// receivers of changes.
func New(db *sqldb.DB, now func() time.Time, grants *grants.Grants, events *streams.Streams) *Roles {
	s := &Roles{db: db, now: now, grants: grants, events: events}
	s.known.Store(new([]Definition))
	return s
}

// Held is a role that a person has, and by what.
type Held struct {
	Role
	Scopes []string // those that bring it into a token
	Direct bool     // it was given to the person
	Groups []string // the names of the person's groups that have it
}

// Of returns the roles that a person has, by themselves and by groups, in their order.
func (s *Roles) Of(ctx context.Context, userID string) ([]Held, error) {
	return s.held(ctx, userID, `d.scopes`, `AND d.removed_at = 0`, `AND d.removed_at = 0 AND r.removed_at = 0 AND g.removed_at = 0`)
}

// Administers tells whether a person has power over the server: a role of the resource admin, by
// themselves or by a group.
func (s *Roles) Administers(ctx context.Context, userID string) (bool, error) {
	held, err := s.Of(ctx, userID)
	return slices.ContainsFunc(held, func(h Held) bool { return h.Resource == Admin.Resource }), err
}

// heldLately is Of with the roles that are being removed, and the scopes that are: tokens may still
// say the roles by them.
func (s *Roles) heldLately(ctx context.Context, userID string) ([]Held, error) {
	return s.held(ctx, userID, `d.scopes || ' ' || d.dropped`, ``, ``)
}

func (s *Roles) held(ctx context.Context, userID, scopes, direct, byGroup string) (all []Held, err error) {
	type found struct{ resource, name, scopes, group string }
	rows, err := sqldb.All(ctx, s.db, func(rows *sql.Rows) (f found, err error) {
		return f, rows.Scan(&f.resource, &f.name, &f.scopes, &f.group)
	}, `SELECT d.resource, d.name, `+scopes+`, ''
		FROM user_roles u JOIN roles d ON d.resource = u.resource AND d.name = u.role
		WHERE u.user_id = $1 `+direct+`
		UNION ALL SELECT d.resource, d.name, `+scopes+`, g.name
		FROM group_members m JOIN groups g ON g.id = m.group_id
		JOIN group_roles r ON r.group_id = m.group_id
		JOIN roles d ON d.resource = r.resource AND d.name = r.role
		WHERE m.user_id = $1 `+byGroup+`
		ORDER BY 1, 2, 4`, userID)
	for _, f := range rows {
		r := Role{f.resource, f.name}
		if n := len(all); n == 0 || all[n-1].Role != r {
			all = append(all, Held{Role: r, Scopes: strings.Fields(f.scopes)})
		}
		last := &all[len(all)-1]
		if f.group == "" {
			last.Direct = true
		} else {
			last.Groups = append(last.Groups, f.group)
		}
	}
	return all, err
}

// Set replaces the roles that a person was given directly. If the person loses one, access tokens
// that may say so are revoked, but not their grants: apps get new tokens; only grants of scopes of the
// server's administration end, with the last role that uses these. ErrNotFound: there is no such person. ErrUnknown: nobody defined one of the roles; nothing is changed.
func (s *Roles) Set(ctx context.Context, userID string, all []Role) error {
	return s.change(ctx, userID, func(ctx context.Context) error {
		if _, err := s.db.Exec(ctx, `DELETE FROM user_roles WHERE user_id = $1`, userID); err != nil {
			return err
		}
		return s.Insert(ctx, userID, all)
	})
}

// Give gives a person a role. It changes nothing if they have it directly already. ErrNotFound:
// there is no such person. ErrUnknown: nobody defined the role.
func (s *Roles) Give(ctx context.Context, userID string, r Role) error {
	return s.change(ctx, userID, func(ctx context.Context) error { return s.Insert(ctx, userID, []Role{r}) })
}

// Take takes a role from a person that they were given directly. ErrNotFound: they were not, or
// there is no such person.
func (s *Roles) Take(ctx context.Context, userID string, r Role) error {
	return s.change(ctx, userID, func(ctx context.Context) error { return s.take(ctx, userID, r) })
}

func (s *Roles) take(ctx context.Context, userID string, r Role) error {
	if err := row.Changed(s.db.Exec(ctx, `DELETE FROM user_roles
		WHERE user_id = $1 AND resource = $2 AND role = $3`, userID, r.Resource, r.Name)); err != nil {
		return err
	}
	return s.writeForReleaseBefore(ctx, userID)
}

// Insert gives a person roles in the transaction that makes the account, or that holds it.
// ErrUnknown: nobody defined one of them.
func (s *Roles) Insert(ctx context.Context, userID string, all []Role) error {
	for _, r := range all {
		rows, err := s.db.Exec(ctx, `INSERT INTO user_roles (user_id, resource, role, created_at)
			SELECT $1, resource, name, CAST($2 AS BIGINT) FROM roles
			WHERE resource = $3 AND name = $4 AND removed_at = 0 ON CONFLICT DO NOTHING`,
			userID, sqldb.Micros(s.now()), r.Resource, r.Name)
		if err != nil {
			return err
		}
		if rows == 0 {
			if _, err := s.Definition(ctx, r); err != nil {
				return err
			}
		}
	}
	return s.writeForReleaseBefore(ctx, userID)
}

// writeForReleaseBefore keeps the column that the release before reads: the person's direct roles of
// the board, by their bare names.
func (s *Roles) writeForReleaseBefore(ctx context.Context, userID string) error {
	names, err := sqldb.All(ctx, s.db, row.Text, `SELECT role FROM user_roles
		WHERE user_id = $1 AND resource = $2 ORDER BY role`, userID, Moderator.Resource)
	if err != nil {
		return err
	}
	_, err = s.db.Exec(ctx, `UPDATE users SET roles = $1 WHERE id = $2 AND roles <> $1`,
		strings.Join(names, " "), userID)
	return err
}

// change has f change something about what a person has. It holds the person, so that changes of
// one person come one after the other; revokes the tokens that may say what is lost; and tells
// receivers of events. ErrNotFound: there is no such person.
func (s *Roles) change(ctx context.Context, userID string, f func(ctx context.Context) error) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		if err := row.Changed(s.db.Exec(ctx, `UPDATE users SET updated_at = $1 WHERE id = $2`,
			sqldb.Micros(s.now()), userID)); err != nil { // this locks the row
			return err
		}
		before, err := s.heldLately(ctx, userID)
		if err != nil {
			return err
		}
		if err := f(ctx); err != nil {
			return err
		}
		after, err := s.Of(ctx, userID)
		if err != nil {
			return err
		}
		lost := without(before, after)
		if len(lost) > 0 {
			if err := s.revoke(ctx, userID, scopesOf(lost)); err != nil {
				return err
			}
			if err := s.grants.EndWith(ctx, userID, ungranted(lost, after)); err != nil {
				return err
			}
		}
		return s.emit(ctx, userID, append(lost, without(after, before)...), after)
	})
}

// without returns the roles of a that are not in b.
func without(a, b []Held) []Held {
	return slices.DeleteFunc(slices.Clone(a), func(one Held) bool {
		return slices.ContainsFunc(b, func(other Held) bool { return one.Role == other.Role })
	})
}

// ungranted returns the scopes of the server's administration that a person who lost roles can grant
// no more. Grants of them end, rather than wait with a log-in of long ago for the role to come back.
func ungranted(lost, now []Held) (scopes []string) {
	of := func(all []Held) []string {
		return scopesOf(slices.DeleteFunc(slices.Clone(all), func(h Held) bool { return h.Resource != Admin.Resource }))
	}
	still := of(now)
	return slices.DeleteFunc(of(lost), func(one string) bool { return slices.Contains(still, one) })
}

func scopesOf(all []Held) (scopes []string) {
	for _, one := range all {
		scopes = append(scopes, one.Scopes...)
	}
	slices.Sort(scopes)
	return slices.Compact(scopes)
}

// revoke revokes a person's access tokens that have one of the scopes, in the caller's transaction.
// It holds the sessions first, as new grants do, so that it sees those under way.
func (s *Roles) revoke(ctx context.Context, userID string, scopes []string) error {
	if _, err := s.db.Exec(ctx, `UPDATE sessions SET user_id = user_id WHERE user_id = $1`,
		userID); err != nil {
		return err
	}
	return s.grants.RevokeTokensOf(ctx, userID, scopes)
}

// emit tells receivers of new roles: of each resource at which some changed, what the person has
// there now.
func (s *Roles) emit(ctx context.Context, userID string, changed, now []Held) error {
	slices.SortFunc(changed, func(a, b Held) int { return Compare(a.Role, b.Role) })
	for len(changed) > 0 {
		resource := changed[0].Resource
		n := slices.IndexFunc(changed, func(one Held) bool { return one.Resource != resource })
		if n < 0 {
			n = len(changed)
		}
		detail := streams.Detail{Cause: streams.Cause{By: streams.ByAdmin, Reason: "The account was changed."},
			RoleScopes: scopesOf(changed[:n]), Roles: []streams.Role{}}
		names := []string{}
		for _, one := range now {
			if one.Resource == resource {
				names = append(names, one.Name)
				detail.Roles = append(detail.Roles, streams.Role{Name: one.Name, Scopes: one.Scopes})
			}
		}
		detail.Claims = map[string]any{"roles": names}
		if err := s.events.Emit(ctx, streams.Event{Type: streams.TokenClaimsChange, UserID: userID, Detail: detail}); err != nil {
			return err
		}
		changed = changed[n:]
	}
	return nil
}

// Ungranted returns those of the scopes that a person cannot grant: scopes of the server's own
// administration, of which they have no role that uses them.
func (s *Roles) Ungranted(ctx context.Context, userID string, scope []string) ([]string, error) {
	var asked []string
	for _, d := range s.Known() {
		for _, one := range d.Scopes {
			if d.Resource == Admin.Resource && slices.Contains(scope, one) && !slices.Contains(asked, one) {
				asked = append(asked, one)
			}
		}
	}
	if len(asked) == 0 {
		return nil, nil
	}
	held, err := s.Of(ctx, userID)
	return slices.DeleteFunc(asked, func(one string) bool {
		return slices.ContainsFunc(held, func(h Held) bool { return h.Resource == Admin.Resource && slices.Contains(h.Scopes, one) })
	}), err
}
