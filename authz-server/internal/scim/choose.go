package scim

import (
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
)

// A list is chosen by an index where the filter has a condition that must be true and that one
// answers; then each of the list is asked whether it meets the filter. All others are lists of all,
// of which only so many are looked at.

// peopleOf chooses the accounts among which are those that a filter finds.
func peopleOf(f *filter) (of admin.PeopleOf) {
	if f == nil {
		return of
	}
	f.all(func(one *filter) {
		if text, ok := one.equals("id", ""); ok {
			of.ID = text
		}
		for _, name := range [][2]string{{"userName", ""}, {"emails", "value"}} {
			if text, ok := one.equals(name[0], name[1]); ok {
				of.Email = text
			}
		}
		if text, ok := one.equals("externalId", ""); ok {
			of.ExternalID = text
		}
		if text, ok := one.equals("groups", "value"); ok {
			of.GroupID = text
		}
		if at, ok := one.value.(time.Time); ok && one.of.leaf().Name == "lastModified" && (one.op == "gt" || one.op == "ge") {
			of.Since = at
		}
		if text, ok := one.value.(string); ok && one.op == "sw" && one.of.attr.Name == "userName" {
			of.Beginning = text
		}
	})
	if of.ID != "" {
		of.Email = "" // the filter decides about it
	}
	return of
}

// groupsOf chooses the groups among which are those that a filter finds. Which members a group has is
// known of one person alone.
func groupsOf(f *filter) (of admin.GroupsOf, err error) {
	if f == nil {
		return of, nil
	}
	f.all(func(one *filter) {
		if text, ok := one.equals("members", "value"); ok && of.UserID == "" && (one.op != "[" || one.left.op == "eq") {
			of.UserID, one.answered = text, true
		}
	})
	if f.mentions(find(groups.all, "members")) {
		return of, bad(invalidFilter, `Of members, a filter can have one condition that must be true: members.value eq "…".`)
	}
	if of.UserID != "" {
		return of, nil
	}
	f.all(func(one *filter) {
		if text, ok := one.equals("id", ""); ok {
			of.ID = text
		}
		if text, ok := one.equals("displayName", ""); ok {
			of.Name = text
		}
		if text, ok := one.equals("externalId", ""); ok {
			of.ExternalID = text
		}
	})
	if of.ID != "" {
		of.Name = ""
	}
	return of, nil
}
