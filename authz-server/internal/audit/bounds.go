package audit

import (
	"context"
	"errors"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/auditlog"
)

// own is what bounds an entry of what somebody does about themselves, or of what a stranger tries.
// What operators, commands and the server itself do has no bound.
func (e Entry) own() (o auditlog.Own, is bool) {
	o = auditlog.Own{Kind: string(e.Kind), Person: e.Person, From: e.From}
	switch {
	case e.Actor.Kind == Unknown && !accesses[e.Kind]: // else an upstream says that a log-in there has ended
		o.Class = auditlog.Failures
		return o, true
	case e.Actor.Kind == Unknown:
	case e.Actor.Kind == Person && e.Actor.ID != "" && e.Actor.ID == e.Person:
	case e.Actor.Kind == Client && e.Target.Kind == "client" && e.Target.ID != "" && e.Target.ID == e.Actor.ID:
		o.Client = e.Actor.ID
	default:
		return o, false
	}
	if accesses[e.Kind] {
		o.Class = auditlog.Accesses
	}
	return o, true
}

// TellCounted records, as a number, what happened too often to have an entry each: what has been
// counted for ten minutes, or all of it, such as when the process ends. Of what cannot be recorded,
// the number is lost.
func (l *Log) TellCounted(ctx context.Context, all bool) error {
	if l == nil {
		return nil
	}
	var failed []error
	for _, one := range l.entries.Counted(all) {
		e := Entry{
			Kind: LogCounted, Actor: toldBy(one.Own), Person: one.Person, From: one.From,
			Detail: map[string]any{"kind": one.Kind, "count": one.Count, "since": one.Since.UTC().Format(time.RFC3339), "last": one.Last.UTC().Format(time.RFC3339)},
		}
		if one.Client != "" {
			e.Target, e.From = Target{Kind: "client", ID: one.Client}, ""
		}
		err := l.Record(ctx, e)
		if err != nil && e.Person != "" { // whose account is gone, perhaps
			e.Actor, e.Person, e.From = Actor{Kind: System}, "", ""
			err = l.Record(ctx, e)
		}
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

// toldBy is the actor of an entry about what was counted: what is of a person goes with their account.
func toldBy(o auditlog.Own) Actor {
	switch {
	case o.Person == "" || o.Client != "":
		return Actor{Kind: System}
	case o.Class == auditlog.Failures:
		return Actor{Kind: Unknown}
	}
	return Actor{Kind: Person, ID: o.Person}
}
