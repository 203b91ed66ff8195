package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/maru-auth/maru/internal/sqldb/internal/fault"
)

// ErrUnavailable is wrapped by errors that are the database's fault and may be over in a moment: it
// does not answer, its connections broke, it is locked, full or shutting down, or all places in the
// pool are taken. If a commit fails so, it is unknown whether the transaction took effect. An
// interface answers with 503 and Retry-After.
var ErrUnavailable = errors.New("the database is unavailable")

func unavailable(err error) error { return fmt.Errorf("%w: %w", ErrUnavailable, err) }

// explain marks err with ErrUnavailable if it means that. ctx is the caller's, without our limits.
func explain(ctx context.Context, err error) error {
	switch {
	case err == nil, errors.Is(err, sql.ErrNoRows), errors.Is(err, ErrUnavailable):
		return err
	case errors.Is(ctx.Err(), context.Canceled): // the caller went away
		return err
	case ctx.Err() != nil: // the request's own time is over
		return unavailable(err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled): // our limit
		return unavailable(fmt.Errorf("no answer in time: %w", err))
	case fault.Broken(err), fault.Refused(err):
		return unavailable(err)
	}
	return err
}

// IsDuplicate tells whether err is the violation of a primary key or a UNIQUE constraint. Prefer ON
// CONFLICT DO NOTHING and the row count: on Postgres an error ends the transaction.
func IsDuplicate(err error) bool { return fault.Duplicate(err) }

// IsMissingReference tells whether err is the violation of a foreign key: the row that another one
// refers to is gone. On Postgres it ends the transaction.
func IsMissingReference(err error) bool { return fault.MissingReference(err) }
