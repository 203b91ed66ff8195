package people

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/adminpages/frame"
	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/store"
)

func logRoutes(r *frame.Routes) { r.View("/admin/audit", showLog) }

// logPage lists entries of the audit log.
type logPage struct {
	Kinds                                []frame.Choice
	Person, Client, Target, Since, Until string
	Zone                                 string // of Since and Until
	Entries                              []logRow
	Paging                               paging
	Unknown                              bool // the person that is asked for
}

// logRow is an entry in words.
type logRow struct {
	At         time.Time
	What       string
	Danger     bool
	Who        string
	WhoPath    string // of the actor's page; empty: there is none
	Whom       string
	WhomPath   string
	About      string // the target, if it is no person
	From       string
	Device     string
	Proof      string
	Reason     string
	Detail     []frame.Fact
	Waits      bool // for its place in the chain
	Erased     bool // some of it is gone with an account
	Position   int64
	ID, Person string
}

// GET /admin/audit: the entries that ?kind, ?person, ?client, ?target, ?since and ?until ask for, the latest
// first.
func showLog(v *frame.Visit) error {
	page := logPage{Person: strings.TrimSpace(v.Asked("person")), Target: strings.TrimSpace(v.Asked("target")),
		Client: strings.TrimSpace(v.Asked("client")),
		Since:  v.Asked("since"), Until: v.Asked("until")}
	q := admin.LogQuery{Person: page.Person, Client: page.Client, Target: page.Target, Kind: audit.Kind(v.Asked("kind")),
		After: v.Asked("after"), Limit: frame.PageSize}
	page.Zone = zoneOf(v).String()
	q.Since, page.Since = readTime(v, page.Since)
	q.Until, page.Until = readTime(v, page.Until)
	words := v.T.Admin.Log
	page.Kinds = []frame.Choice{{Label: words.AnyKind}}
	for _, kind := range audit.Names() {
		page.Kinds = append(page.Kinds, frame.Choice{Value: kind, Label: words.Kinds[kind], Chosen: kind == string(q.Kind)})
	}
	slices.SortStableFunc(page.Kinds[1:], func(a, b frame.Choice) int { return strings.Compare(a.Label, b.Label) })
	if strings.Contains(q.Person, "@") {
		person, err := v.Admin.Find(v.R.Context(), v.Actor, q.Person)
		if errors.Is(err, store.ErrNotFound) {
			page.Unknown = true
			return v.Show("log", page)
		}
		if err != nil {
			return err
		}
		q.Person = person.ID
	}
	found, err := v.Admin.Log(v.R.Context(), v.Actor, q)
	if err != nil {
		return err
	}
	page.Paging = pagingOf(v, found.Next)
	var people []string
	for _, e := range found.Items {
		if e.Person != "" {
			people = append(people, e.Person)
		}
	}
	addresses, err := v.Admin.Addresses(v.R.Context(), v.Actor, people)
	for _, e := range found.Items {
		row := logRowOf(v, e)
		if row.Whom == e.Person {
			row.Whom = firstOf(addresses[e.Person], e.Person)
		}
		page.Entries = append(page.Entries, row)
	}
	if err != nil {
		return err
	}
	return v.Show("log", page)
}

// localTime is the form of a time that a browser's input has.
const localTime = "2006-01-02T15:04"

// zoneOf is the zone in which the person types times.
func zoneOf(v *frame.Visit) *time.Location {
	if zone := v.Session.User.Zone(); zone != nil {
		return zone
	}
	return time.UTC
}

// readTime reads a time in the person's zone, and returns it with its text; what is none is left out.
func readTime(v *frame.Visit, text string) (time.Time, string) {
	at, err := time.ParseInLocation(localTime, text, zoneOf(v))
	if err != nil || at.Year() < 1 || at.Year() > 9999 {
		return time.Time{}, ""
	}
	return at, text
}

// dangerous are kinds that an operator looks for first.
var dangerous = []audit.Kind{audit.RefreshReused, audit.CodeReused, audit.UserPasskeyCloned, audit.ClientCompromised,
	audit.UserThrottled, audit.LogInFailed}

func logRowOf(v *frame.Visit, e admin.LogEntry) logRow {
	words := v.T.Admin.Log
	row := logRow{
		At: e.At, What: words.Kinds[string(e.Kind)], Danger: slices.Contains(dangerous, e.Kind), From: e.From,
		Proof: proof(v, e.Proof), Reason: e.Reason,
		Waits: e.Position == 0 && v.Now().Sub(e.At) > time.Minute, Erased: len(e.Erased) > 0, Position: e.Position, ID: e.ID,
		Person: e.Person,
	}
	if row.What == "" { // of a later version
		row.What = string(e.Kind)
	}
	if e.UserAgent != "" {
		row.Device = device(v, e.UserAgent)
	}
	row.Who = firstOf(e.Actor.Label, e.Actor.ID, words.Actors[e.Actor.Kind])
	switch {
	case e.Actor.Kind == string(audit.Person) && e.Actor.ID != "":
		row.WhoPath = "/admin/users/" + e.Actor.ID
	case e.Actor.Kind == string(audit.Machine) && e.Actor.Label != "":
		row.Who = e.Actor.Label + " (" + words.Actors[e.Actor.Kind] + ")"
	}
	if e.Person != "" && (e.Actor.Kind != string(audit.Person) || e.Person != e.Actor.ID) {
		row.Whom, row.WhomPath = e.Person, "/admin/users/"+e.Person
	}
	switch {
	case e.Target.Kind == "user" && row.Whom != "":
		row.Whom = firstOf(e.Target.Label, row.Whom)
	case e.Target.Kind != "" && e.Target.Kind != "user":
		name := words.Targets[e.Target.Kind]
		row.About = strings.TrimSpace(firstOf(name, e.Target.Kind) + " " + firstOf(e.Target.Label, e.Target.ID))
	case e.Target.Label != "":
		row.About = e.Target.Label
	}
	for _, name := range slices.Sorted(maps.Keys(e.Detail)) {
		row.Detail = append(row.Detail, frame.Fact{Name: name, Value: inLine(e.Detail[name])})
	}
	return row
}

// inLine is a value of JSON in a line.
func inLine(value any) string {
	switch value := value.(type) {
	case string:
		return value
	case []any:
		parts := make([]string, len(value))
		for i, one := range value {
			parts[i] = inLine(one)
		}
		return strings.Join(parts, ", ")
	}
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(text)
}

// proof is how somebody proved who they are, in words.
func proof(v *frame.Visit, acr string) string {
	if words, ok := v.T.Admin.Log.Proofs[acr]; ok {
		return words
	}
	return acr
}

// firstOf is the first text that is not empty.
func firstOf(texts ...string) string {
	for _, one := range texts {
		if one != "" {
			return one
		}
	}
	return ""
}
