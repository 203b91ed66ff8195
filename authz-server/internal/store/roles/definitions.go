package roles

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/internal/sqldb"
)

// Definition says what a role is.
type Definition struct {
	Role
	Scopes      []string  // of the resource: with one of them, a token says that its person has the role
	Description string    // for people who administer the server
	Builtin     bool      // it cannot be removed, and its scopes stay
	Version     int64     // counts changes; set by the store
	CreatedAt   time.Time // set by Define
}

// MaxDefinitions is how many roles a resource can have. It bounds what a token carries.
const MaxDefinitions = 64

// ErrFull says that a resource has MaxDefinitions roles already.
var ErrFull = fmt.Errorf("the resource has %d roles already, and can have no more", MaxDefinitions)

// ErrBuiltin says that a role cannot be removed, or its scopes not be changed.
var ErrBuiltin = errors.New("the role is built in")

// maxText is how long names and descriptions that people read can be, in characters.
const maxText = 200

// Check checks a definition for a resource with these scopes.
func (d Definition) Check(scopes []string) error {
	if !wellFormed.MatchString(d.Name) {
		return fmt.Errorf("the name %q must have 1 to 32 characters from a-z, 0-9, _ and -, the first of them a letter", d.Name)
	}
	if len(d.Scopes) == 0 {
		return fmt.Errorf("the role needs at least one scope, which brings it into tokens; the resource %s has %s", d.Resource, strings.Join(scopes, " "))
	}
	for i, scope := range d.Scopes {
		if !slices.Contains(scopes, scope) {
			return fmt.Errorf("%q is not a scope of the resource %s, which has %s", scope, d.Resource, strings.Join(scopes, " "))
		}
		if slices.Contains(d.Scopes[:i], scope) {
			return fmt.Errorf("the scope %q is there twice", scope)
		}
	}
	return checkText("the description", d.Description)
}

func checkText(what, text string) error {
	if n := utf8.RuneCountInString(text); n > maxText {
		return fmt.Errorf("%s must have at most %d characters", what, maxText)
	}
	if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fmt.Errorf("%s must be printable text on one line", what)
	}
	return nil
}

// Define adds a role, which [Definition.Check] found right. ErrExists: there is one of that name, or
// it is being removed. ErrFull: the resource has as many as it can.
//
// A token for several resources says a name only if its person has that role at each of them that
// defines it. Tokens that were issued before do not know of a second definition of a name: until
// they expire, they may say it.
func (s *Roles) Define(ctx context.Context, d Definition) error {
	d.CreatedAt, d.Version = s.now().UTC().Truncate(time.Microsecond), 1
	return s.db.Tx(ctx, func(ctx context.Context) error {
		// This lets one definition in after the other, so that they can be counted.
		if _, err := s.db.Exec(ctx, `UPDATE roles SET builtin = builtin
			WHERE resource = $1 AND name = $2`, Admin.Resource, Admin.Name); err != nil {
			return err
		}
		var exists bool
		var count int
		err := s.db.QueryRow(ctx, `SELECT COUNT(*), EXISTS (SELECT 1 FROM roles
			WHERE resource = $1 AND name = $2) FROM roles WHERE resource = $1`, d.Resource, d.Name).Scan(&count, &exists)
		switch {
		case err != nil:
			return err
		case exists:
			return row.ErrExists
		case count >= MaxDefinitions:
			return ErrFull
		}
		if _, err := s.db.Exec(ctx, `INSERT INTO roles (resource, name, scopes, description, created_at)
			VALUES ($1, $2, $3, $4, $5)`, d.Resource, d.Name, strings.Join(d.Scopes, " "), d.Description,
			sqldb.Micros(d.CreatedAt)); err != nil {
			return err
		}
		s.db.AfterCommit(ctx, func() { s.learn(d.Role, &d) })
		return nil
	})
}

// Redefine changes the scopes and the description of a role, which [Definition.Check] found right, if
// its Version is the one that was read. Tokens that come by a scope that it has no more may say it
// still: call [Roles.Purge] when this is committed, which revokes them. ErrUnknown: there is no such
// role. ErrStale: it was changed since. ErrBuiltin: its scopes have to stay.
func (s *Roles) Redefine(ctx context.Context, d Definition) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		var was, dropped string
		var created int64
		err := s.db.ExecReturning(ctx, `UPDATE roles SET version = version + 1
			WHERE resource = $1 AND name = $2 AND removed_at = 0 AND version = $3
			RETURNING scopes, dropped, builtin, created_at`, d.Resource, d.Name, d.Version).Scan(
			&was, &dropped, &d.Builtin, &created) // this locks the row
		if errors.Is(err, sql.ErrNoRows) {
			if _, err := s.Definition(ctx, d.Role); err != nil {
				return err
			}
			return row.ErrStale
		}
		if err != nil {
			return err
		}
		before := strings.Fields(was)
		if d.Builtin && !sameScopes(before, d.Scopes) {
			return ErrBuiltin
		}
		lost := slices.DeleteFunc(append(strings.Fields(dropped), before...), func(one string) bool { return slices.Contains(d.Scopes, one) })
		slices.Sort(lost)
		d.Version, d.CreatedAt = d.Version+1, sqldb.Time(created)
		if _, err := s.db.Exec(ctx, `UPDATE roles SET scopes = $1, dropped = $2, description = $3
			WHERE resource = $4 AND name = $5`, strings.Join(d.Scopes, " "), strings.Join(slices.Compact(lost), " "),
			d.Description, d.Resource, d.Name); err != nil {
			return err
		}
		s.db.AfterCommit(ctx, func() { s.learn(d.Role, &d) })
		return nil
	})
}

func sameScopes(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// Undefine removes a role: from now on, nobody has it. Call [Roles.Purge] when that is committed: it
// revokes the tokens that may say so. ErrUnknown: there is none. ErrBuiltin: it has to stay.
func (s *Roles) Undefine(ctx context.Context, r Role) error {
	d, err := s.Definition(ctx, r)
	switch {
	case err != nil:
		return err
	case d.Builtin:
		return ErrBuiltin
	}
	if err := unknown(row.Changed(s.db.Exec(ctx, `UPDATE roles SET removed_at = $1
		WHERE resource = $2 AND name = $3 AND removed_at = 0`, sqldb.Micros(s.now()), r.Resource, r.Name))); err != nil {
		return err
	}
	s.db.AfterCommit(ctx, func() { s.learn(r, nil) })
	return nil
}

func unknown(err error) error {
	if errors.Is(err, row.ErrNotFound) {
		return ErrUnknown
	}
	return err
}

const definitionColumns = `resource, name, scopes, description, builtin, version, created_at`

func scanDefinition(scan func(...any) error) (d Definition, err error) {
	var scopes string
	var created int64
	err = scan(&d.Resource, &d.Name, &scopes, &d.Description, &d.Builtin, &d.Version, &created)
	d.Scopes, d.CreatedAt = strings.Fields(scopes), sqldb.Time(created)
	return d, err
}

// Definition returns the definition of a role. ErrUnknown: there is none.
func (s *Roles) Definition(ctx context.Context, r Role) (Definition, error) {
	d, err := scanDefinition(s.db.QueryRow(ctx, `SELECT `+definitionColumns+` FROM roles
		WHERE resource = $1 AND name = $2 AND removed_at = 0`, r.Resource, r.Name).Scan)
	return d, unknown(row.NotFound(err))
}

// Definitions returns up to limit definitions in their order, starting after the role after (the zero
// Role starts at the first).
func (s *Roles) Definitions(ctx context.Context, after Role, limit int) ([]Definition, error) {
	return sqldb.All(ctx, s.db, func(rows *sql.Rows) (Definition, error) { return scanDefinition(rows.Scan) },
		`SELECT `+definitionColumns+` FROM roles WHERE removed_at = 0 AND resource >= $1
		AND (resource > $1 OR name > $2) ORDER BY resource, name LIMIT $3`, after.Resource, after.Name, limit)
}

// Known returns the definitions as they were at the last [Roles.Refresh], and what this process has
// changed since. It asks no database. The slice is not to be changed.
func (s *Roles) Known() []Definition { return *s.known.Load() }

// Refresh reads the definitions for Known.
func (s *Roles) Refresh(ctx context.Context) error {
	before := s.known.Load()
	all, err := s.Definitions(ctx, Role{}, maxKnown)
	if err == nil {
		// What this process changed meanwhile may not have been read. The next call reads it.
		s.known.CompareAndSwap(before, &all)
	}
	return err
}

// maxKnown bounds what a replica remembers of definitions: far more than any server needs.
const maxKnown = 10_000

// learn replaces what is known of a role; nil: it is gone.
func (s *Roles) learn(r Role, d *Definition) {
	for {
		before := s.known.Load()
		all := slices.DeleteFunc(slices.Clone(*before), func(one Definition) bool { return one.Role == r })
		if d != nil {
			all = append(all, *d)
		}
		if s.known.CompareAndSwap(before, &all) {
			return
		}
	}
}
