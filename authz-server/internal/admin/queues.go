package admin

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/mail"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/outbox"
)

// The queues of what leaves the server. Events have their own: see [Admin.Streams].
const (
	MailQueue   = mail.Kind
	LogoutQueue = outbox.KindLogout
)

// QueueKinds lists the queues.
var QueueKinds = []string{MailQueue, LogoutQueue}

// Delivery is what waits to leave the server, or was given up. What it says is not shown.
type Delivery struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind"`
	To        string    `json:"to,omitempty"`         // of mail: the address; empty without the key-encryption key
	Sealed    bool      `json:"-"`                    // To says in parentheses why the address cannot be read
	ClientID  string    `json:"client_id,omitempty"`  // of log-outs
	UserID    string    `json:"user_id,omitempty"`    // of log-outs
	SessionID string    `json:"session_id,omitempty"` // of log-outs
	Letter    string    `json:"letter,omitempty"`     // of mail: which
	Attempts  int64     `json:"attempts"`
	Error     string    `json:"error,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	DueAt     time.Time `json:"due_at"`
	GivenUpAt time.Time `json:"given_up_at,omitzero"` // zero: it is still tried
}

func (a *Admin) deliveryOf(i outbox.Item) Delivery {
	d := Delivery{
		ID: i.ID, Kind: i.Kind, Attempts: i.Attempts, Error: i.LastError, CreatedAt: i.CreatedAt, DueAt: i.DueAt,
		GivenUpAt: i.GivenUpAt,
	}
	switch i.Kind {
	case MailQueue:
		d.Letter = i.Topic
		if a.KEK != nil {
			to, err := mail.Recipient(a.KEK, i)
			if d.To = to; err != nil {
				d.To, d.Sealed = "("+err.Error()+")", true
			}
		}
	case LogoutQueue:
		d.ClientID, d.UserID, d.SessionID = i.Lane, i.UserID, i.Topic
	}
	return d
}

func checkQueue(kind string) error {
	if !slices.Contains(QueueKinds, kind) {
		return wrong("kind", "must be mail or logout")
	}
	return nil
}

// Deliveries lists what is in a queue by its ids, starting after an id.
func (a *Admin) Deliveries(
	ctx context.Context, actor Actor, kind, after string, limit int,
) (page Page[Delivery], err error) {
	if err := a.read(ctx, actor, ReadPersonal); err != nil {
		return page, err
	}
	if err := checkQueue(kind); err != nil {
		return page, err
	}
	if limit, err = checkLimit(limit); err != nil {
		return page, err
	}
	all, err := a.Store.Outbox.List(ctx, kind, after, limit+1)
	found := pageOf(all, limit, func(i outbox.Item) string { return i.ID })
	return shownAs(found, a.deliveryOf), err
}

// RetryDelivery has a delivery tried at once, whether it was given up or waits. [store.ErrNotFound]:
// there is none with this id, or it is being tried.
func (a *Admin) RetryDelivery(ctx context.Context, actor Actor, kind, id, reason string) error {
	if err := checkQueue(kind); err != nil {
		return err
	}
	return a.change(ctx, actor, Change, reason, func(ctx context.Context) error {
		if err := a.Store.Outbox.Retry(ctx, kind, id); err != nil {
			return err
		}
		return a.noteQueue(ctx, kind, id, "retried")
	})
}

// RetryAll has all deliveries of a kind tried that were given up, and returns how many there were.
func (a *Admin) RetryAll(ctx context.Context, actor Actor, kind, reason string) (n int64, err error) {
	if err := checkQueue(kind); err != nil {
		return 0, err
	}
	return a.changeInBatches(ctx, actor, func(ctx context.Context) error {
		return a.change(ctx, actor, Change, reason, func(ctx context.Context) error {
			return a.noteQueue(ctx, kind, "", "all retried that were given up")
		})
	}, func(ctx context.Context) (int64, error) { return a.Store.Outbox.RetryGivenUp(ctx, kind) })
}

// DropDelivery removes a delivery: whoever it is for is not told. If that may keep something from an
// administrator, or of one, it is a [Crown]. [store.ErrNotFound]: there is none with this id, or it
// is being tried.
func (a *Admin) DropDelivery(ctx context.Context, actor Actor, kind, id, reason string) error {
	if err := checkQueue(kind); err != nil {
		return err
	}
	return a.change(ctx, actor, Change, reason, func(ctx context.Context) error {
		gone, err := a.Store.Outbox.Drop(ctx, kind, id)
		if err != nil {
			return err
		}
		target, err := a.deliveryTarget(ctx, gone)
		if err == nil {
			err = a.may(actor, Change, target)
		}
		if err != nil {
			return err // which undoes it
		}
		return a.noteQueue(ctx, kind, id, "dropped")
	})
}

// deliveryTarget says whether a delivery tells an administrator something, or of one. What cannot be
// known counts as if it did: a letter about a change goes to the address of before, and whoever a
// log-out is about may be gone.
func (a *Admin) deliveryTarget(ctx context.Context, i outbox.Item) (Target, error) {
	userID := i.UserID
	if i.Kind == MailQueue {
		if a.KEK == nil || !mail.AskedFor(i.Topic) {
			return Target{Administrative: true}, nil
		}
		to, err := mail.Recipient(a.KEK, i)
		if err != nil {
			return Target{Administrative: true}, nil //nolint:nilerr // nobody can read whom it is to
		}
		user, err := a.Store.Users.UserByEmail(ctx, to)
		if errors.Is(err, store.ErrNotFound) {
			return Target{}, nil
		}
		if err != nil {
			return Target{}, err
		}
		userID = user.ID
	} else if _, err := a.Store.Users.User(ctx, userID); err != nil {
		return Target{Administrative: true}, store.IgnoreNotFound(err)
	}
	crowned, err := a.Store.Roles.Administers(ctx, userID)
	return Target{Administrative: crowned}, err
}

func (a *Admin) noteQueue(ctx context.Context, kind, id, how string) error {
	return a.Audit.Record(ctx, audit.Entry{
		Kind: audit.QueueRetried, Target: audit.Target{Kind: kind, ID: id}, Detail: map[string]any{"how": how},
	})
}
