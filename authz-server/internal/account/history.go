package account

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/sender"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/auditlog"
)

const (
	shownEvents = 100 // how much of the history the page shows
	readEvents  = 500 // of which these are chosen
)

// past returns what the audit log has of a person, as far as they may see it, the latest first.
// What the release before this one noted is in a table of its own, until it is too old to be shown.
func (a *Account) past(ctx context.Context, userID string, limit int) ([]audit.Entry, error) {
	since := a.Now().Add(-accounts.HistoryRetention)
	all, err := audit.New(a.Store).List(ctx, auditlog.Filter{UserID: userID, Since: since, Limit: limit})
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(e audit.Entry) bool { return e.Person != userID }) // what they did to others
	for i := range all {
		all[i] = all[i].For(userID)
	}
	before, err := a.Store.History.Events(ctx, userID, limit)
	for _, one := range before {
		e := audit.Entry{Kind: audit.Kind("user." + one.Kind), Person: userID, From: one.Address, UserAgent: one.UserAgent, At: one.At}
		if one.Address != "" {
			e.Actor = audit.Actor{Kind: audit.Person, ID: userID}
		}
		if one.Detail != "" {
			e.Detail = map[string]any{"detail": one.Detail}
		}
		all = append(all, e)
	}
	slices.SortStableFunc(all, func(x, y audit.Entry) int { return cmp.Or(y.At.Compare(x.At), 0) })
	return all[:min(limit, len(all))], err
}

// events is what the page shows of the history. Of what an app gets again and again, it shows one a
// day.
func (a *Account) events(ctx context.Context, user accounts.User) (shown []pages.Event, err error) {
	all, err := a.past(ctx, user.ID, readEvents)
	zone := time.UTC
	if own := user.Zone(); own != nil {
		zone = own
	}
	got := map[string]bool{}
	for _, e := range all {
		one := eventOf(e)
		if one.Kind == "" || len(shown) == shownEvents {
			continue
		}
		if e.Kind == audit.GrantMade {
			app := e.At.In(zone).Format(time.DateOnly) + " " + e.Target.ID
			if got[app] {
				continue
			}
			got[app] = true
		}
		shown = append(shown, one)
	}
	return shown, err
}

// eventOf is an entry as the page shows it; without a kind, it does not.
func eventOf(e audit.Entry) pages.Event {
	kind := strings.TrimPrefix(string(e.Kind), "user.")
	if e.Kind == audit.LoggedIn && e.Detail["new_device"] == true {
		kind = "new_device"
	}
	if !slices.Contains(knownEvents, kind) {
		return pages.Event{}
	}
	shown := pages.Event{Kind: kind, Address: e.From, At: e.At, Operator: e.Actor.Kind != audit.Person || e.Actor.ID == ""}
	switch detail, ok := e.Detail["detail"].(string); {
	case ok:
		shown.Detail = detail
	case e.Target.Kind == "client":
		shown.Detail = cmp.Or(e.Target.Label, e.Target.ID)
	case e.Target.Kind == "role":
		shown.Detail = e.Target.ID
	}
	if e.Actor.Kind == audit.Client || e.Actor.Kind == audit.System {
		shown.Operator = false
	}
	shown.Browser, shown.System = sender.Browser(e.UserAgent)
	return shown
}

// knownEvents are the kinds that there are words for.
var knownEvents = slices.Collect(maps.Keys(messages.All.Default().Security.Events))
