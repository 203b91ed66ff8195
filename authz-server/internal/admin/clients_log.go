package admin

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/client"
)

// What became of a client is in the audit log with the values, so that whoever sends codes elsewhere and
// puts everything back is seen. There is no secret among a client's members; but addresses that this
// server calls can have one in their query, which stays out.

// The bounds of the values in an entry, in bytes.
const (
	maxLogged    = 500  // of one
	maxLoggedAll = 3000 // of all together: an entry has room for 4 KiB
)

// called are the members with addresses that are called without a person's browser or for any.
var called = []string{
	"backchannel_logout_uri", "jwks_uri", "sector_identifier_uri", "initiate_login_uri", "frontchannel_logout_uri",
}

// logged is a value before and after; of one that is too long, the beginning, as a text.
type logged struct {
	Before json.RawMessage `json:"before,omitempty"` // empty: none
	After  json.RawMessage `json:"after,omitempty"`
}

// changeOf is the detail of an entry about a client that has changed.
func changeOf(before, after client.Client) map[string]any {
	was, is := membersOfClient(before), membersOfClient(after)
	names, values, left := client.Changed(before, after), map[string]logged{}, maxLoggedAll
	for _, name := range names {
		if name == "contacts" { // people's addresses, who may want them forgotten
			continue
		}
		one := logged{valueOf(name, was[name]), valueOf(name, is[name])}
		if gone, added, lists := apart(was[name], is[name]); lists { // or what is new would be behind the bound
			one = logged{valueOf(name, gone), valueOf(name, added)}
		}
		if left -= len(one.Before) + len(one.After); left < 0 {
			values["..."] = logged{After: quoted("more than this entry has room for")}
			break
		}
		if !bytes.Equal(one.Before, one.After) { // a query alone can have changed
			values[name] = one
		}
	}
	detail := map[string]any{"members": names}
	if len(values) > 0 {
		detail["values"] = values
	}
	return detail
}

// madeOf is the detail of an entry about a new client.
func madeOf(c client.Client) map[string]any {
	detail := changeOf(client.Client{}, c)
	delete(detail, "members")
	detail["scope"], detail["grant_types"] = c.Scope, c.GrantTypes
	return detail
}

func membersOfClient(c client.Client) (members map[string]json.RawMessage) {
	text, err := json.Marshal(c)
	if err == nil {
		err = json.Unmarshal(text, &members)
	}
	if err != nil {
		return nil // metadata always marshals
	}
	return members
}

// apart returns what is in one list of texts alone, and what in the other. An absent one is empty.
func apart(before, after json.RawMessage) (gone, added json.RawMessage, lists bool) {
	var was, is []string
	if len(before) > 0 && json.Unmarshal(before, &was) != nil || len(after) > 0 && json.Unmarshal(after, &is) != nil {
		return nil, nil, false
	}
	without := func(all, others []string) json.RawMessage {
		rest := slices.DeleteFunc(slices.Clone(all), func(one string) bool { return slices.Contains(others, one) })
		if len(rest) == 0 {
			return nil
		}
		value, err := json.Marshal(rest)
		if err != nil {
			panic(err) // texts always marshal
		}
		return value
	}
	return without(was, is), without(is, was), true
}

// valueOf is a value as the log has it.
func valueOf(name string, value json.RawMessage) json.RawMessage {
	var text string
	if slices.Contains(called, name) && json.Unmarshal(value, &text) == nil {
		value = quoted(withoutQuery(text))
	}
	if len(value) <= maxLogged {
		return value
	}
	return quoted(strings.ToValidUTF8(string(value[:maxLogged]), "") + "…")
}

func quoted(text string) json.RawMessage {
	value, err := json.Marshal(text)
	if err != nil {
		panic(err) // texts always marshal
	}
	return value
}
