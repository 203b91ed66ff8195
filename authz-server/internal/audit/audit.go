// Package audit keeps the record of who did what to whom, from where, with which proof, and why.
//
// [Log.Record] adds an entry in the transaction of what happened. The [Chainer] gives entries their
// places in a chain of MACs a moment later, so that a change, a removal, an insertion and another
// order show ([Verify]). What names people is apart from the chain, and goes with their accounts.
package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/maru-auth/maru/authz-server/internal/sender"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/auditlog"
)

// ActorKind is what somebody is who acts.
type ActorKind string

// The kinds of actors.
const (
	Person  ActorKind = "person"
	Client  ActorKind = "client"
	Machine ActorKind = "machine" // an operator, by a command
	System  ActorKind = "system"  // the server, by itself
	Unknown ActorKind = "unknown" // somebody who could not prove who they are
)

// Actor is who did something.
type Actor struct {
	Kind  ActorKind
	ID    string // of an account or a client
	Label string // for people who read the log: an e-mail address, a client's name
}

// Target is what something was done to, such as a client, a key, or a role. Who is concerned is
// [Entry.Person].
type Target struct {
	Kind  string // such as "client"; empty: only a person, or nothing, is concerned
	ID    string
	Label string
}

// Entry is something that happened. It must hold no secret.
type Entry struct {
	Kind   Kind
	Actor  Actor // the zero value: that of [With], or else System
	Target Target
	Person string // the id of the account that is concerned; empty: nobody's
	// From and UserAgent say where the request came from, and Proof by what it was made: an acr or
	// amr, or how a client authenticated. If all are empty, and Actor and Reason too, they are
	// those of [With].
	From, UserAgent, Proof string
	Reason                 string         // in the words of who acted
	Detail                 map[string]any // JSON; what is too large is cut

	// What an entry that was read has besides.
	ID       string
	At       time.Time
	Position int64    // in the chain; 0: it waits for its place
	MAC      []byte   // of the chain up to it
	Erased   []string // which parts are gone with an account: "by", "about"
}

// OfRequest returns an entry of what a request did: where it came from.
func OfRequest(kind Kind, r *http.Request) Entry {
	e := Entry{Kind: kind}
	e.From, e.UserAgent = sender.Of(r)
	return e
}

// OfPerson returns an entry of what a person did to their own account by a request.
func OfPerson(kind Kind, r *http.Request, id, label string) Entry {
	e := OfRequest(kind, r)
	e.Actor, e.Person = Actor{Person, id, label}, id
	return e
}

// OfClient returns an entry of what a client did by the request of ctx, to itself or to what it was
// given.
func OfClient(ctx context.Context, kind Kind, id, name string) Entry {
	return Entry{
		Kind: kind, Actor: Actor{Client, id, name}, Target: Target{"client", id, name}, From: sender.AddrOf(ctx),
	}
}

// For is what a person may see of an entry that concerns them: nothing of others, such as an
// operator's name, address and reason.
func (e Entry) For(person string) Entry {
	if own := e.Actor.Kind == Unknown || e.Actor.Kind == Person && e.Actor.ID == person; !own {
		e.Actor.ID, e.Actor.Label, e.From, e.UserAgent, e.Proof, e.Reason = "", "", "", "", "", ""
	}
	return e
}

type contextKey struct{}

// With returns a context in which entries without an Actor have that of by, and where they say
// nothing of it, its From, UserAgent, Proof and Reason too. So what one act brings about, such as
// the end of sessions, has the same actor.
func With(ctx context.Context, by Entry) context.Context {
	return context.WithValue(ctx, contextKey{}, by)
}

// Log is the audit log. A nil Log records nothing. It is safe for concurrent use.
type Log struct{ entries *auditlog.Entries }

// New returns the log in a store.
func New(s *store.Store) *Log { return &Log{s.Audit} }

// Record adds an entry. Call it in the transaction of what happened, so that neither happens
// without the other: an error undoes both. It takes one statement, or two if there is anything
// personal. Of what people do to their own accounts, what clients do to themselves and what strangers
// try, each process records so much an hour ([auditlog.Own]); the last of an account says so, and what
// comes on top is counted, and recorded as a number by [Log.TellCounted].
func (l *Log) Record(ctx context.Context, e Entry) error {
	if l == nil {
		return nil
	}
	if !e.Kind.Known() {
		return fmt.Errorf("audit: the kind %q is not in the list", e.Kind)
	}
	e = e.inherit(ctx)
	if own, is := e.own(); is {
		ok, last := l.entries.Admit(own, sender.NetworksOf(e.From)...)
		if !ok {
			return nil
		}
		if last {
			e.Detail = maps.Clone(e.Detail)
			if e.Detail == nil {
				e.Detail = map[string]any{}
			}
			e.Detail["more"] = "is counted for up to an hour, and not recorded one by one"
		}
	}
	row, err := e.row()
	if err != nil {
		return fmt.Errorf("audit: %s: %w", e.Kind, err)
	}
	return l.entries.Add(ctx, row)
}

func (e Entry) inherit(ctx context.Context) Entry {
	by, _ := ctx.Value(contextKey{}).(Entry)
	if e.Actor.Kind == "" {
		e.Actor = by.Actor
		for _, one := range []struct{ have, of *string }{
			{&e.From, &by.From}, {&e.UserAgent, &by.UserAgent}, {&e.Proof, &by.Proof}, {&e.Reason, &by.Reason},
		} {
			if *one.have == "" {
				*one.have = *one.of
			}
		}
	}
	if e.Actor.Kind == "" {
		e.Actor.Kind = System
	}
	return e
}

// personal is a part of an entry as JSON. The part "by" has what is of the actor, and "about" all
// else; an entry of a person about themselves has it all in "about".
type personal struct {
	ActorID    string `json:"actor_id,omitempty"`
	ActorLabel string `json:"actor_label,omitempty"`
	From       string `json:"from,omitempty"`
	UserAgent  string `json:"user_agent,omitempty"`
	Proof      string `json:"proof,omitempty"`

	Person      string         `json:"person,omitempty"`
	TargetID    string         `json:"target_id,omitempty"`
	TargetLabel string         `json:"target_label,omitempty"`
	Reason      string         `json:"reason,omitempty"`
	Detail      map[string]any `json:"detail,omitempty"`
}

func (p personal) part(userID string) (auditlog.Part, error) {
	data, err := json.Marshal(p)
	if err != nil || string(data) == "{}" {
		return auditlog.Part{}, err
	}
	return auditlog.Part{UserID: userID, Data: string(data)}, nil
}

// Bounds of what an entry holds, in bytes. A longer text is cut.
const (
	maxText   = 300 // ids, labels, addresses and the like
	maxReason = 1000
	maxDetail = 4096 // all of it as JSON
)

// row is the entry as it is stored.
func (e Entry) row() (auditlog.Entry, error) {
	row := auditlog.Entry{Kind: string(e.Kind), ActorKind: string(e.Actor.Kind), TargetKind: e.Target.Kind}
	by := personal{
		ActorLabel: cut(e.Actor.Label, maxText), From: cut(e.From, maxText), UserAgent: cut(e.UserAgent, maxText), Proof: cut(e.Proof, maxText),
	}
	label := e.Target.Label
	if e.Person == "" { // no account's end erases it
		label = masked(label)
	}
	about := personal{Person: e.Person, TargetLabel: cut(label, maxText), Reason: cut(e.Reason, maxReason), Detail: bounded(e.Detail)}
	actor := ""
	if e.Actor.Kind == Person {
		actor, by.ActorID = e.Actor.ID, e.Actor.ID
	} else {
		row.ActorID = cut(e.Actor.ID, maxText)
	}
	row.TargetID = cut(e.Target.ID, maxText)
	if e.Person != "" && (actor == e.Person || e.Actor.Kind == Unknown) { // where a failed log-in came from is the person's to know
		about.ActorID, about.ActorLabel, about.From, about.UserAgent, about.Proof = by.ActorID, by.ActorLabel, by.From, by.UserAgent, by.Proof
		by = personal{}
	}
	var err error
	if row.By, err = by.part(actor); err != nil {
		return row, err
	}
	row.About, err = about.part(e.Person)
	return row, err
}

// ofRow is the inverse of row.
func ofRow(row auditlog.Entry) (Entry, error) {
	e := Entry{
		ID: row.ID, At: row.At, Kind: Kind(row.Kind), Actor: Actor{Kind: ActorKind(row.ActorKind), ID: row.ActorID},
		Target: Target{Kind: row.TargetKind, ID: row.TargetID}, Position: row.Position, MAC: row.MAC,
	}
	for _, one := range []struct {
		name string
		part auditlog.Part
		hash []byte
	}{{"by", row.By, row.ByHash}, {"about", row.About, row.AboutHash}} {
		if one.part.Erased(one.hash) {
			e.Erased = append(e.Erased, one.name)
		}
		if one.part.Data == "" {
			continue
		}
		var p personal
		if err := json.Unmarshal([]byte(one.part.Data), &p); err != nil {
			return e, fmt.Errorf("audit: entry %s: %w", row.ID, err)
		}
		e.fill(p)
	}
	return e, nil
}

func (e *Entry) fill(p personal) {
	for _, one := range []struct {
		have *string
		of   string
	}{
		{&e.Actor.ID, p.ActorID}, {&e.Actor.Label, p.ActorLabel}, {&e.From, p.From}, {&e.UserAgent, p.UserAgent}, {&e.Proof, p.Proof},
		{&e.Person, p.Person}, {&e.Target.Label, p.TargetLabel}, {&e.Reason, p.Reason},
	} {
		if one.of != "" {
			*one.have = one.of
		}
	}
	if p.Detail != nil {
		e.Detail = p.Detail
	}
}

// masked is a label in which an e-mail address, if it is one, cannot be read.
func masked(label string) string {
	at := strings.LastIndexByte(label, '@')
	if at <= 0 {
		return label
	}
	_, first := utf8.DecodeRuneInString(label)
	return label[:min(first, at)] + "…" + label[at:]
}

// cut shortens s to at most n bytes of valid UTF-8.
func cut(s string, n int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// bounded is a detail that is not too large. What is over the bound goes, and "cut" says so.
func bounded(detail map[string]any) map[string]any {
	whole, err := json.Marshal(detail)
	if err != nil || len(whole) <= maxDetail {
		return detail // what is no JSON fails later
	}
	left, kept := maxDetail-len(`{"cut":true}`), map[string]any{"cut": true}
	for _, key := range slices.Sorted(maps.Keys(detail)) {
		value := detail[key]
		if text, ok := value.(string); ok {
			value = cut(text, maxText)
		}
		one, err := json.Marshal(value)
		if err != nil {
			return detail
		}
		if size := len(key) + len(one) + len(`"":,`); size <= left && len(key) <= maxText {
			kept[key], left = value, left-size
		}
	}
	return kept
}
