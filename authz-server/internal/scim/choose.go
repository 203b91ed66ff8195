package scim

import (
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin/provisioning"
	"github.com/maru-auth/maru/authz-server/internal/scim/language"
)

// A list is chosen by an index where the filter has a condition that must be true and that one
// answers; then each of the list is asked whether it meets the filter. All others are lists of all,
// of which only so many are looked at.

// peopleOf chooses the accounts among which are those that a filter finds.
func peopleOf(f *language.Filter) (of provisioning.PeopleOf) {
	if f == nil {
		return of
	}
	f.All(func(one *language.Filter) {
		if text, ok := one.Equals("id", ""); ok {
			of.ID = text
		}
		for _, name := range [][2]string{{"userName", ""}, {"emails", "value"}} {
			if text, ok := one.Equals(name[0], name[1]); ok {
				of.Email = text
			}
		}
		if text, ok := one.Equals("externalId", ""); ok {
			of.ExternalID = text
		}
		if text, ok := one.Equals("groups", "value"); ok {
			of.GroupID = text
		}
		if at, ok := one.Value.(time.Time); ok && one.Of.Leaf().Name == "lastModified" && (one.Op == "gt" || one.Op == "ge") {
			of.Since = at
		}
		if text, ok := one.Value.(string); ok && one.Op == "sw" && one.Of.Attr.Name == "userName" {
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
func groupsOf(f *language.Filter) (of provisioning.GroupsOf, err error) {
	if f == nil {
		return of, nil
	}
	f.All(func(one *language.Filter) {
		if text, ok := one.Equals("members", "value"); ok && of.UserID == "" && (one.Op != "[" || one.Left.Op == "eq") {
			of.UserID, one.Answered = text, true
		}
	})
	if f.Mentions(membersAttribute) {
		return of, bad(language.InvalidFilter,
			`Of members, a filter can have one condition that must be true: members.value eq "…".`)
	}
	if of.UserID != "" {
		return of, nil
	}
	f.All(func(one *language.Filter) {
		if text, ok := one.Equals("id", ""); ok {
			of.ID = text
		}
		if text, ok := one.Equals("displayName", ""); ok {
			of.Name = text
		}
		if text, ok := one.Equals("externalId", ""); ok {
			of.ExternalID = text
		}
	})
	if of.ID != "" {
		of.Name = ""
	}
	return of, nil
}
