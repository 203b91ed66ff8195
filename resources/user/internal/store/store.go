// Package store holds every SQL statement of the user service.
//
// Each change is one conditional statement whose row count decides. All methods are safe for
// concurrent use.
package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are what makes the schema, in the folder "migrations".
func Migrations() fs.FS { return migrations }

// Errors of look-ups and changes. Any other error is the database's.
var (
	ErrNotFound = errors.New("not found")
	ErrChanged  = errors.New("not the current version") // of what was to be changed
	ErrDeleted  = errors.New("the person was deleted")
	ErrReceived = errors.New("the event was received before")
)

// Store is the user service's database.
type Store struct {
	sqldb.Upkeep
	db  *sqldb.DB
	now func() time.Time
}

// Open is [OpenWith] for tests: without time limits, and it creates an SQLite file that is missing.
func Open(ctx context.Context, databaseURL string, now func() time.Time) (*Store, error) {
	return OpenWith(ctx, sqldb.Options{DatabaseURL: databaseURL, Create: true}, now)
}

// OpenWith connects to opts.DatabaseURL and brings the schema up to date (see [sqldb.OpenStore]).
// now dates the changes.
func OpenWith(ctx context.Context, opts sqldb.Options, now func() time.Time) (*Store, error) {
	db, err := sqldb.OpenStore(ctx, opts, migrations)
	if err != nil {
		return nil, err
	}
	return &Store{Upkeep: db.Upkeep(now, sweeps), db: db, now: now}, nil
}

// Profile is what a person says about themselves. Texts that they do not give are empty.
type Profile struct {
	ID          string // the issuer's subject
	DisplayName string
	Bio         string
	AvatarURL   string
	Website     string
	Filled      bool      // by the issuer or the person
	Edited      bool      // by the person: it no longer follows the issuer
	AskedAt     time.Time // when the token with which the issuer was asked last was issued; the Unix epoch: never asked
	Version     string    // new at every change
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// Follows tells whether what the issuer says for a token issued at that time belongs into p.
func (p Profile) Follows(issued time.Time) bool {
	return !p.Edited && (!p.Filled || issued.After(p.AskedAt))
}

// ProfilePatch is a change of a profile. Nil fields stay as they are.
type ProfilePatch struct {
	DisplayName, Bio, AvatarURL, Website *string
}

// Themes that a person can choose.
const (
	ThemeSystem = "system"
	ThemeLight  = "light"
	ThemeDark   = "dark"
)

// Settings are a person's own, visible to nobody else. Locale and TimeZone are empty until chosen.
type Settings struct {
	Locale   string // BCP 47
	TimeZone string // IANA
	Theme    string
	Version  string // new at every change; ignored by PutSettings
}

// Interests are tags in the person's order.
type Interests struct {
	Tags    []string
	Version string // new at every change; ignored by PutInterests
}

// Match says which versions a change may be made to. The zero Match matches none.
type Match struct {
	Any      bool     // whatever is there
	Versions []string // any of these
}

const profileColumns = `id, display_name, bio, avatar_url, website, filled, edited, asked_at, profile_version, created_at, updated_at`

func scanProfile(row interface{ Scan(...any) error }) (Profile, error) {
	var p Profile
	var asked, created, updated int64
	err := row.Scan(&p.ID, &p.DisplayName, &p.Bio, &p.AvatarURL, &p.Website, &p.Filled, &p.Edited, &asked, &p.Version, &created, &updated)
	p.AskedAt, p.CreatedAt, p.UpdatedAt = sqldb.Time(asked), sqldb.Time(created), sqldb.Time(updated)
	return p, notFound(err)
}

func notFound(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	return err
}

// Profile returns the profile of the person with the id. Errors: ErrNotFound.
func (s *Store) Profile(ctx context.Context, id string) (Profile, error) {
	return profile(ctx, s.db.OrReplica(), id)
}

func profile(ctx context.Context, db *sqldb.DB, id string) (Profile, error) {
	return scanProfile(db.QueryRow(ctx, `SELECT `+profileColumns+` FROM people WHERE id = $1 AND deleted_at = 0`, id))
}

// ProfileOfAnother is [Store.Profile] for others than the person: it may lag behind, but what it
// says is not there, is not. Errors: ErrNotFound.
func (s *Store) ProfileOfAnother(ctx context.Context, id string) (Profile, error) {
	p, err := profile(ctx, s.db.Reader(), id)
	if errors.Is(err, ErrNotFound) && s.db.Reader() != s.db {
		return profile(ctx, s.db, id)
	}
	return p, err
}

// EnsureProfile returns the profile of the person with the id, and creates an empty one, with
// default settings, if there is none. However many callers do so at once, they create one row, and
// all see it. Errors: ErrDeleted.
func (s *Store) EnsureProfile(ctx context.Context, id string) (Profile, error) {
	p, err := s.Profile(ctx, id)
	if !errors.Is(err, ErrNotFound) {
		return p, err
	}
	now := sqldb.Micros(s.now())
	// notify_email and notify_replies belong to an earlier version. Nothing reads them.
	if _, err := s.db.Exec(ctx, `INSERT INTO people (id, display_name, bio, avatar_url, website, filled, profile_version,
			locale, time_zone, theme, notify_email, notify_replies, settings_version, tags, interests_version, created_at, updated_at)
		VALUES ($1, '', '', '', '', $2, $3, '', '', $4, $5, $5, $6, '[]', $7, $8, $8) ON CONFLICT DO NOTHING`,
		id, false, rand.Text(), ThemeSystem, true, rand.Text(), rand.Text(), now); err != nil {
		return Profile{}, fmt.Errorf("make a profile: %w", err)
	}
	if p, err = s.Profile(ctx, id); errors.Is(err, ErrNotFound) {
		err = ErrDeleted // the row that is there is a mark
	}
	return p, err
}

// FillProfile writes what the issuer says for a token issued at that time into a profile that
// follows it ([Profile.Follows]), and returns the resulting profile. A name that an event told of
// since then stays ([Store.NamePerson]): the issuer may have been asked before. The version stays the
// same if nothing changes, so that a form that the person is filling in is not lost. Errors:
// ErrNotFound.
func (s *Store) FillProfile(ctx context.Context, id string, issued time.Time, patch ProfilePatch) (Profile, error) {
	const name = `CASE WHEN named_at > $9 THEN display_name ELSE COALESCE(CAST($3 AS TEXT), display_name) END`
	const same = `filled AND display_name = ` + name + ` AND bio = COALESCE(CAST($4 AS TEXT), bio)
			AND avatar_url = COALESCE(CAST($5 AS TEXT), avatar_url) AND website = COALESCE(CAST($6 AS TEXT), website)`
	p, err := scanProfile(s.db.ExecReturning(ctx, `UPDATE people SET
			display_name = `+name+`, bio = COALESCE(CAST($4 AS TEXT), bio),
			avatar_url = COALESCE(CAST($5 AS TEXT), avatar_url), website = COALESCE(CAST($6 AS TEXT), website),
			filled = $7, asked_at = $9,
			profile_version = CASE WHEN `+same+` THEN profile_version ELSE CAST($8 AS TEXT) END,
			updated_at = CASE WHEN `+same+` THEN updated_at ELSE CAST($2 AS BIGINT) END
		WHERE id = $1 AND deleted_at = 0 AND NOT edited AND (NOT filled OR asked_at < $9) RETURNING `+profileColumns,
		id, sqldb.Micros(s.now()), patch.DisplayName, patch.Bio, patch.AvatarURL, patch.Website, true, rand.Text(), sqldb.Micros(issued)))
	if errors.Is(err, ErrNotFound) {
		return s.Profile(ctx, id)
	}
	return p, err
}

// PatchProfile changes the profile if it matches, and returns the result. From then on it is the
// person's, and no longer follows the issuer. Errors: ErrNotFound, ErrChanged.
func (s *Store) PatchProfile(ctx context.Context, id string, match Match, patch ProfilePatch) (Profile, error) {
	var p Profile
	err := s.change(ctx, id, match, func(whatever bool, version string) (err error) {
		p, err = scanProfile(s.db.ExecReturning(ctx, `UPDATE people SET
				display_name = COALESCE(CAST($5 AS TEXT), display_name), bio = COALESCE(CAST($6 AS TEXT), bio),
				avatar_url = COALESCE(CAST($7 AS TEXT), avatar_url), website = COALESCE(CAST($8 AS TEXT), website),
				filled = $9, edited = $9, profile_version = $10, updated_at = $4
			WHERE id = $1 AND deleted_at = 0 AND ($2 OR profile_version = $3) RETURNING `+profileColumns,
			id, whatever, version, sqldb.Micros(s.now()), patch.DisplayName, patch.Bio, patch.AvatarURL, patch.Website, true, rand.Text()))
		return err
	})
	return p, err
}

// change runs update, one conditional statement, for each version that match allows until one hits;
// update returns ErrNotFound if it does not.
func (s *Store) change(ctx context.Context, id string, match Match, update func(whatever bool, version string) error) error {
	versions := match.Versions
	if match.Any {
		versions = []string{""}
	}
	for _, version := range versions {
		if err := update(match.Any, version); !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	if _, err := s.Profile(ctx, id); err != nil {
		return err
	}
	return ErrChanged
}

// Profiles returns the profiles that exist of the ids, in no particular order. They may lag behind.
func (s *Store) Profiles(ctx context.Context, ids []string) ([]Profile, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	places, args := make([]string, len(ids)), make([]any, len(ids))
	for i, id := range ids {
		places[i], args[i] = "$"+strconv.Itoa(i+1), id
	}
	return sqldb.All(ctx, s.db.Reader(), func(rows *sql.Rows) (Profile, error) { return scanProfile(rows) },
		`SELECT `+profileColumns+` FROM people WHERE id IN (`+strings.Join(places, ", ")+`) AND deleted_at = 0`, args...)
}

const settingsColumns = `locale, time_zone, theme, settings_version`

func scanSettings(row *sqldb.Row) (Settings, error) {
	var v Settings
	err := row.Scan(&v.Locale, &v.TimeZone, &v.Theme, &v.Version)
	return v, notFound(err)
}

// Settings returns the settings of the person with the id. Errors: ErrNotFound.
func (s *Store) Settings(ctx context.Context, id string) (Settings, error) {
	return scanSettings(s.db.OrReplica().QueryRow(ctx, `SELECT `+settingsColumns+` FROM people WHERE id = $1 AND deleted_at = 0`, id))
}

// PutSettings replaces the settings if they match, and returns the result. Errors: ErrNotFound,
// ErrChanged.
func (s *Store) PutSettings(ctx context.Context, id string, match Match, in Settings) (Settings, error) {
	var out Settings
	err := s.change(ctx, id, match, func(whatever bool, version string) (err error) {
		out, err = scanSettings(s.db.ExecReturning(ctx, `UPDATE people SET
				locale = $4, time_zone = $5, theme = $6, settings_version = $7
			WHERE id = $1 AND deleted_at = 0 AND ($2 OR settings_version = $3) RETURNING `+settingsColumns,
			id, whatever, version, in.Locale, in.TimeZone, in.Theme, rand.Text()))
		return err
	})
	return out, err
}

func scanInterests(row *sqldb.Row) (Interests, error) {
	var v Interests
	var tags string
	if err := row.Scan(&tags, &v.Version); err != nil {
		return Interests{}, notFound(err)
	}
	if err := json.Unmarshal([]byte(tags), &v.Tags); err != nil {
		return Interests{}, fmt.Errorf("read stored tags: %w", err)
	}
	return v, nil
}

// Interests returns the tags of the person with the id. Errors: ErrNotFound.
func (s *Store) Interests(ctx context.Context, id string) (Interests, error) {
	return scanInterests(s.db.OrReplica().QueryRow(ctx, `SELECT tags, interests_version FROM people WHERE id = $1 AND deleted_at = 0`, id))
}

// PutInterests replaces the tags if they match, and returns the result. Errors: ErrNotFound,
// ErrChanged.
func (s *Store) PutInterests(ctx context.Context, id string, match Match, in Interests) (Interests, error) {
	tags, err := json.Marshal(append([]string{}, in.Tags...)) // nil tags too are an empty array
	if err != nil {
		return Interests{}, err
	}
	var out Interests
	err = s.change(ctx, id, match, func(whatever bool, version string) (err error) {
		out, err = scanInterests(s.db.ExecReturning(ctx, `UPDATE people SET tags = $4, interests_version = $5
			WHERE id = $1 AND deleted_at = 0 AND ($2 OR interests_version = $3) RETURNING tags, interests_version`,
			id, whatever, version, string(tags), rand.Text()))
		return err
	})
	return out, err
}
