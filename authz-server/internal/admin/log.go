package admin

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/auditlog"
)

// LogEntry is an entry of the audit log.
type LogEntry struct {
	ID        string         `json:"id"`
	At        time.Time      `json:"at"`
	Kind      audit.Kind     `json:"kind"`
	Actor     LogParty       `json:"actor"`
	Target    LogParty       `json:"target,omitzero"`
	Person    string         `json:"person,omitempty"` // the id of the account that is concerned
	From      string         `json:"from,omitempty"`
	UserAgent string         `json:"user_agent,omitempty"`
	Proof     string         `json:"proof,omitempty"`
	Reason    string         `json:"reason,omitempty"`
	Detail    map[string]any `json:"detail,omitempty"`
	Position  int64          `json:"position,omitempty"` // in the chain; 0: it waits for its place
	Erased    []string       `json:"erased,omitempty"`   // which parts are gone with an account
}

// LogParty is who did something, or what it was done to.
type LogParty struct {
	Kind  string `json:"kind,omitempty"`
	ID    string `json:"id,omitempty"`
	Label string `json:"label,omitempty"`
}

func logEntryOf(e audit.Entry) LogEntry {
	return LogEntry{
		ID: e.ID, At: e.At, Kind: e.Kind, Actor: LogParty{string(e.Actor.Kind), e.Actor.ID, e.Actor.Label},
		Target: LogParty{e.Target.Kind, e.Target.ID, e.Target.Label}, Person: e.Person, From: e.From, UserAgent: e.UserAgent,
		Proof: e.Proof, Reason: e.Reason, Detail: e.Detail, Position: e.Position, Erased: e.Erased,
	}
}

// LogQuery chooses entries of the audit log. Empty fields choose all.
type LogQuery struct {
	Person       string // who did it, or whom it concerns
	Client       string // that did it, by its id
	Target       string // such as a client's id
	Kind         audit.Kind
	Since, Until time.Time // from, and before
	After        string    // [Page.Next] of the page before
	Limit        int       // 1 to [PageLimit]; 0: 100
}

// Log lists the audit log, the latest entries first. Whoever begins to read a person's is in it, as
// with [Admin.Known].
func (a *Admin) Log(ctx context.Context, actor Actor, q LogQuery) (page Page[LogEntry], err error) {
	if err := a.read(ctx, actor, ReadPersonal); err != nil {
		return page, err
	}
	limit, err := checkLimit(q.Limit)
	if err != nil {
		return page, err
	}
	all, err := a.Audit.List(ctx, auditlog.Filter{
		UserID: q.Person, ActorID: q.Client, TargetID: q.Target, Kind: string(q.Kind),
		Since: q.Since, Until: q.Until, Before: q.After, Limit: limit + 1,
	})
	if err == nil && q.Person != "" {
		// Whoever goes on reading is noted once an hour: any text is a cursor, and so is none of a page.
		err = a.noteReader(ctx, actor, q.Person, "audit log", q.After != "")
	}
	found := pageOf(all, limit, func(e audit.Entry) string { return e.ID })
	return shownAs(found, logEntryOf), err
}

// noteReader notes that an actor reads something about a person, if there still is one; or unless it
// was noted within the last hour.
func (a *Admin) noteReader(ctx context.Context, actor Actor, id, what string, unlessLately bool) error {
	if unlessLately {
		lately, err := a.Audit.List(ctx, auditlog.Filter{
			UserID: id, Kind: string(audit.UserViewed), Since: a.Now().Add(-time.Hour), Limit: knownAtMost,
		})
		if err != nil || slices.ContainsFunc(lately, func(e audit.Entry) bool {
			return string(e.Actor.Kind) == string(actor.Kind) && e.Actor.ID == actor.ID && e.Detail["what"] == what
		}) {
			return err
		}
	}
	return a.change(ctx, actor, ReadPersonal, "", func(ctx context.Context) error {
		user, err := a.Store.Users.User(ctx, id)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		return a.note(ctx, audit.UserViewed, user, map[string]any{"what": what})
	})
}
