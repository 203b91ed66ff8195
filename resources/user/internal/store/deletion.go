package store

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
)

// keepMarks is how long the mark of a deleted person stays: longer than any token of theirs, which
// could otherwise make a new profile.
const keepMarks = 24 * time.Hour

var sweeps = []sqldb.Sweep{
	{Name: "ids of events", Rows: sqldb.Rows{
		Table: "received_events", Key: "id", Where: "expires_at <= $1", Order: "expires_at"}},
	{Name: "marks of deleted people", Keep: keepMarks, Rows: sqldb.Rows{
		Table: "people", Key: "id", Where: "deleted_at > 0 AND deleted_at <= $1", Order: "deleted_at"}},
}

// deletePerson is what PurgePerson does. To repeat it changes nothing.
func (s *Store) deletePerson(ctx context.Context, id string) error {
	// One row, emptied, is profile and mark: whoever makes or changes the profile at this moment
	// comes before or after.
	_, err := s.db.Exec(ctx, `INSERT INTO people (id, display_name, bio, avatar_url, website, filled, edited, asked_at, profile_version,
			locale, time_zone, theme, notify_email, notify_replies, settings_version, tags, interests_version, created_at, updated_at, deleted_at)
		VALUES ($1, '', '', '', '', $2, $2, 0, $3, '', '', $4, $2, $2, $3, '[]', $3, $5, $5, $5)
		ON CONFLICT (id) DO UPDATE SET display_name = '', bio = '', avatar_url = '', website = '',
			filled = excluded.filled, edited = excluded.edited, asked_at = 0, profile_version = excluded.profile_version,
			locale = '', time_zone = '', theme = excluded.theme,
			notify_email = excluded.notify_email, notify_replies = excluded.notify_replies, settings_version = excluded.settings_version,
			tags = '[]', interests_version = excluded.interests_version,
			created_at = excluded.created_at, updated_at = excluded.updated_at, deleted_at = excluded.deleted_at
		WHERE people.deleted_at = 0`,
		id, false, rand.Text(), ThemeSystem, sqldb.Micros(s.now()))
	if err != nil {
		return fmt.Errorf("delete a person: %w", err)
	}
	return nil
}
