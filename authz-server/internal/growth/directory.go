package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/store/auditlog"
	"github.com/maru-auth/maru/authz-server/internal/store/statistics"
	"github.com/maru-auth/maru/internal/growth"
	"github.com/maru-auth/maru/internal/sqldb/bulk"
)

// groups: the first has a tenth of all people, and the others some twenty each.
func (f *fill) groups() int { return 5 + f.accounts/200 }

func groupID(i int) string { return growth.Text("group", i) }

func groupName(i int) string { return fmt.Sprintf("team %07d", i) }

// groupsOf are the groups of account i: none of most, and fifty of some.
func (f *fill) groupsOf(i int) (groups []int) {
	if i%10 == 2 {
		groups = append(groups, 0)
	}
	more := 0
	switch {
	case i%1000 == 7:
		more = min(50, f.groups()-1)
	case i%10 == 1:
		more = 1
	}
	for k := range more {
		groups = append(groups, 1+(i+k)%(f.groups()-1))
	}
	return groups
}

const upstream = "workplace"

// directoryTables are what operators give people, and who they are elsewhere.
var directoryTables = []bulk.Table[*fill]{
	{Name: "user_roles?", Columns: "user_id resource role created_at", Rows: func(f *fill, add func(...any)) {
		for i := 1; i < f.accounts; i += 500 {
			add(growth.UserID(i), "board", "moderator", f.at(day))
		}
	}},
	{Name: "groups?", Columns: "id name name_key external_id version created_at updated_at", Rows: func(f *fill, add func(...any)) {
		for i := range f.groups() {
			add(groupID(i), groupName(i), groupName(i), growth.Text("external", i), int64(1), f.at(100*day), f.at(100*day))
		}
	}},
	{Name: "group_members?", Columns: "group_id user_id created_at", Rows: func(f *fill, add func(...any)) {
		for i := range f.accounts {
			for _, g := range f.groupsOf(i) {
				add(groupID(g), growth.UserID(i), f.at(30*day))
			}
		}
	}},
	{Name: "group_roles?", Columns: "group_id resource role created_at", Rows: func(f *fill, add func(...any)) {
		for i := 1; i < f.groups(); i += 10 {
			add(groupID(i), "board", "moderator", f.at(30*day))
		}
	}},
	{Name: "upstreams?", Columns: "name settings secret disabled version created_at updated_at", Rows: func(f *fill, add func(...any)) {
		add(upstream, `{}`, []byte{}, true, int64(1), f.at(100*day), f.at(100*day))
	}},
	{Name: "identities?", Columns: "id upstream issuer subject user_id label created_at used_at", Rows: func(f *fill, add func(...any)) {
		for i := 0; i < f.accounts; i += 5 {
			add(growth.Text("identity", i), upstream, "https://login.example", growth.Text("subject", i), growth.UserID(i), email(i), f.at(90*day), f.at(day))
		}
	}},
	{Name: "statistics?", Columns: "width start kind count", Rows: func(f *fill, add func(...any)) { // as much at each size
		for _, kept := range []struct {
			width statistics.Width
			keep  time.Duration
		}{{statistics.Hour, 39 * day}, {statistics.Day, 399 * day}} {
			width := time.Duration(kept.width)
			for ago := width; ago < kept.keep; ago += width {
				at := f.now.Add(-ago).UTC().Truncate(width).UnixMicro()
				for kind := range 12 {
					add(width.Microseconds(), at, fmt.Sprint("measured ", kind), int64(1+kind)*ago.Microseconds()%1000)
				}
			}
		}
	}},
}

// An entry of the audit log: what happened, to whom.
type entry struct {
	id      string
	at      int64
	kind    audit.Kind
	client  string // what it was about; empty: the person alone
	account int
}

// entries are two for each account, and more for those who do more.
func (f *fill) entries() int { return 2 * f.accounts }

func (f *fill) entry(j int) entry {
	r := rand.New(rand.NewPCG(uint64(j), 1)) //nolint:gosec // G404: keeps no secret
	e := entry{account: r.IntN(f.accounts), kind: audit.LoggedIn, at: f.at(390*day - time.Duration(j)*(390*day/time.Duration(f.entries())))}
	switch n := r.IntN(20); {
	case n == 0:
		e.account = min(e.account/1000*1000+7, f.accounts-1)
	case n < 5:
		e.account = e.account / 50 * 50
	}
	switch n := r.IntN(10); {
	case n < 2:
		e.kind, e.client = audit.GrantMade, clientID(f.someClient(r))
	case n == 2:
		e.kind = audit.LogInFailed
	case n == 3:
		e.kind = audit.SessionEnded
	}
	e.id = fmt.Sprintf("%016x%08x%s", e.at, j, growth.Text("entry", j)[:8])
	return e
}

func (f *fill) about(j int, e entry) auditlog.Part {
	person := growth.UserID(e.account)
	data := `{"actor_id":"` + person + `","actor_label":"` + email(e.account) + `","from":"` + address + `","user_agent":"` + agent + `","proof":"pwd","person":"` + person + `"}`
	return auditlog.Part{UserID: person, Salt: []byte(secret("salt", j)[:16]), Data: data}
}

var auditTables = []bulk.Table[*fill]{
	{
		Name: "audit_log?", Columns: "id at kind actor_kind actor_id target_kind target_id by_hash about_hash position mac",
		Rows: func(f *fill, add func(...any)) {
			for j := range f.entries() {
				e := f.entry(j)
				kind := ""
				if e.client != "" {
					kind = "client"
				}
				add(e.id, e.at, string(e.kind), string(audit.Person), "", kind, e.client, []byte{}, f.about(j, e).Hash(), int64(j+1), []byte(secret("mac", j))[:32])
			}
		},
		// What is written from now on follows.
		After: `UPDATE audit_chain SET position = (SELECT max(position) FROM audit_log),
			mac = (SELECT mac FROM audit_log ORDER BY position DESC LIMIT 1) WHERE EXISTS (SELECT 1 FROM audit_log)`,
	},
	{Name: "audit_personal?", Columns: "entry_id part user_id salt data", Rows: func(f *fill, add func(...any)) {
		for j := range f.entries() {
			e := f.entry(j)
			part := f.about(j, e)
			add(e.id, "about", part.UserID, part.Salt, part.Data)
		}
	}},
}

// aWordOf is the beginning of the address of an account, as somebody types it who looks for it.
func aWordOf(i int) string {
	word, _, _ := strings.Cut(email(i), "@")
	return word
}
