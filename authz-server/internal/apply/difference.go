package apply

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// Action is what becomes of a thing.
type Action string

// The actions.
const (
	Create Action = "create"
	Update Action = "update"
	Delete Action = "delete"
)

var signs = map[Action]string{Create: "+", Update: "~", Delete: "-"}

// Difference is what a configuration changes.
type Difference struct {
	Changes []Change `json:"changes"`
	// Kept are things that the configuration made once and names no more, and that are not removed:
	// why, by their keys such as "clients/ops".
	Kept map[string]string `json:"kept,omitempty"`
}

// Change is what becomes of one thing.
type Change struct {
	Action  Action   `json:"action"`
	Kind    string   `json:"kind"`
	Name    string   `json:"name"`
	Members []Member `json:"members,omitempty"` // none if it is removed
	// Administrators are the addresses of people who become administrators by it, the first 50.
	Administrators []string `json:"administrators,omitempty"`
}

// Member is a member of a thing that is another than before. One that was not there has no Before,
// and one that is there no more no After.
type Member struct {
	Name   string          `json:"name"`
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
}

// hidden stands for a secret.
var hidden = json.RawMessage(`"(secret)"`)

// differ returns what is another in after. Both are JSON objects; an empty member is as good as none.
func differ(before, after json.RawMessage) (all []Member, err error) {
	was, err := filled(before)
	if err != nil {
		return nil, err
	}
	is, err := filled(after)
	if err != nil {
		return nil, err
	}
	names := maps.Clone(was)
	maps.Copy(names, is)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if !bytes.Equal(was[name], is[name]) {
			all = append(all, Member{name, was[name], is[name]})
		}
	}
	return all, nil
}

// filled returns the members of an object that are not empty.
func filled(object json.RawMessage) (map[string]json.RawMessage, error) {
	members := map[string]json.RawMessage{}
	if len(object) == 0 {
		return members, nil
	}
	if err := json.Unmarshal(object, &members); err != nil {
		return nil, err
	}
	for name, value := range members {
		switch string(value) {
		case "null", `""`, "[]", "{}", "false":
			delete(members, name)
		}
	}
	return members, nil
}

// Count returns how many things are to be created, changed and removed.
func (d Difference) Count() (created, updated, deleted int) {
	for _, one := range d.Changes {
		switch one.Action {
		case Create:
			created++
		case Update:
			updated++
		case Delete:
			deleted++
		}
	}
	return created, updated, deleted
}

// Print writes the difference for people: a line for each thing, and one for each member.
func (d Difference) Print(out io.Writer) error {
	var text strings.Builder
	for _, one := range d.Changes {
		fmt.Fprintf(&text, "%s %s/%s\n", signs[one.Action], one.Kind, plain(one.Name))
		for _, person := range one.Administrators {
			fmt.Fprintf(&text, "    ! becomes an administrator: %s\n", plain(person))
		}
		for _, m := range one.Members {
			switch {
			case m.Before == nil:
				fmt.Fprintf(&text, "    + %s: %s\n", plain(m.Name), plain(string(m.After)))
			case m.After == nil:
				fmt.Fprintf(&text, "    - %s: %s\n", plain(m.Name), plain(string(m.Before)))
			default:
				fmt.Fprintf(&text, "    ~ %s: %s -> %s\n", plain(m.Name), plain(string(m.Before)), plain(string(m.After)))
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(d.Kept)) {
		fmt.Fprintf(&text, "! %s stays: %s\n", plain(key), d.Kept[key])
	}
	created, updated, deleted := d.Count()
	if len(d.Changes) == 0 {
		text.WriteString("nothing to change\n")
	} else {
		fmt.Fprintf(&text, "to create: %d, to change: %d, to remove: %d\n", created, updated, deleted)
	}
	_, err := io.WriteString(out, text.String())
	return err
}

// plain makes text fit for a terminal.
func plain(text string) string {
	return strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return '\uFFFD'
		}
		return c
	}, text)
}
