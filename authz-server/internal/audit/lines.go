package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/auditlog"
)

// line is an entry as JSON, in a file, an export, and on the command line.
type line struct {
	Position  int64          `json:"position,omitempty"`
	ID        string         `json:"id"`
	At        time.Time      `json:"at"`
	Kind      Kind           `json:"kind"`
	Actor     who            `json:"actor"`
	Target    *who           `json:"target,omitempty"`
	Person    string         `json:"person,omitempty"`
	From      string         `json:"from,omitempty"`
	UserAgent string         `json:"user_agent,omitempty"`
	Proof     string         `json:"proof,omitempty"`
	Reason    string         `json:"reason,omitempty"`
	Detail    map[string]any `json:"detail,omitempty"`
	Erased    []string       `json:"erased,omitempty"`
	MAC       string         `json:"mac,omitempty"`
}

type who struct {
	Kind  string `json:"kind"`
	ID    string `json:"id,omitempty"`
	Label string `json:"label,omitempty"`
}

// MarshalJSON writes the entry as a line of the log: all line breaks and control characters in it
// are escaped.
func (e Entry) MarshalJSON() ([]byte, error) {
	l := line{
		Position: e.Position, ID: e.ID, At: e.At, Kind: e.Kind, Actor: who{string(e.Actor.Kind), e.Actor.ID, e.Actor.Label},
		Person: e.Person, From: e.From, UserAgent: e.UserAgent, Proof: e.Proof, Reason: e.Reason, Detail: e.Detail, Erased: e.Erased,
		MAC: encodeMAC(e.MAC),
	}
	if e.Target != (Target{}) {
		l.Target = &who{e.Target.Kind, e.Target.ID, e.Target.Label}
	}
	text, err := json.Marshal(l)
	return escapeC1.ReplaceAllFunc(text, func(c []byte) []byte { return fmt.Appendf(nil, `\u00%x`, c[1]) }), err
}

// escapeC1 finds the control characters U+0080 to U+009F, which encoding/json leaves as they are
// and some terminals obey.
var escapeC1 = regexp.MustCompile("[\u0080-\u009f]")

// After returns entries of the chain that follow a position, in their order.
func (l *Log) After(ctx context.Context, position int64, limit int) ([]Entry, error) {
	rows, err := l.entries.After(ctx, position, limit)
	return entriesOf(rows, err)
}

// List returns entries, the latest first, those that wait for their place in the chain included.
func (l *Log) List(ctx context.Context, f auditlog.Filter) ([]Entry, error) {
	rows, err := l.entries.List(ctx, f)
	return entriesOf(rows, err)
}

func entriesOf(rows []auditlog.Entry, err error) ([]Entry, error) {
	all := make([]Entry, 0, len(rows))
	for _, row := range rows {
		e, err := ofRow(row)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, err
}
