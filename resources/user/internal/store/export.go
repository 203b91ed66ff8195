package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
)

// Person is all that is kept about a person.
type Person struct {
	Profile
	Settings  Settings
	Interests Interests
	NamedAt   time.Time // when the account got the name that an event told of last; zero: none did

	// What an earlier version let people choose: kept, and used by nothing.
	NotifyEmail, NotifyReplies bool
}

// Person returns all that is kept about the person with the id, as of one moment. Errors:
// ErrNotFound.
func (s *Store) Person(ctx context.Context, id string) (Person, error) {
	var p Person
	var asked, created, updated, named int64
	var tags string
	err := s.db.QueryRow(ctx, `SELECT `+profileColumns+`, `+settingsColumns+`, tags, interests_version, notify_email, notify_replies, named_at
		FROM people WHERE id = $1 AND deleted_at = 0`, id).Scan(
		&p.ID, &p.DisplayName, &p.Bio, &p.AvatarURL, &p.Website, &p.Filled, &p.Edited, &asked, &p.Version, &created, &updated,
		&p.Settings.Locale, &p.Settings.TimeZone, &p.Settings.Theme, &p.Settings.Version,
		&tags, &p.Interests.Version, &p.NotifyEmail, &p.NotifyReplies, &named)
	if err != nil {
		return Person{}, notFound(err)
	}
	if err := json.Unmarshal([]byte(tags), &p.Interests.Tags); err != nil {
		return Person{}, fmt.Errorf("read stored tags: %w", err)
	}
	p.AskedAt, p.CreatedAt, p.UpdatedAt, p.NamedAt = sqldb.Time(asked), sqldb.Time(created), sqldb.Time(updated), sqldb.Time(named)
	return p, nil
}
