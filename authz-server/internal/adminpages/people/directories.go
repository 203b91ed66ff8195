package people

import (
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/adminpages/frame"
	"github.com/maru-auth/maru/authz-server/internal/messages"
)

// entrusting is what can be wrong with the directory that is to keep an account or a group.
var entrusting = []frame.Translation{{Of: "directory", Field: "directory", Problem: messages.AdminNoDirectory}}

// keeperLink leads to the page of the directory that keeps something; nil: none does.
func keeperLink(directory string) *link {
	if directory == "" {
		return nil
	}
	return &link{Path: frame.ClientPath(directory), Label: directory}
}

// directoryInput names the directory that is to keep something, which keeps it now if any does.
func directoryInput(v *frame.Visit, now string) frame.Input {
	words := v.T.Admin.People
	return frame.Input{Kind: "text", Name: "directory", Label: words.Labels["directory"], Hint: words.Hints["directory"],
		Value: v.Value("directory", now), Inexact: true}
}

func personsDirectory(v *frame.Visit, a admin.Account) ([]frame.Input, error) {
	return []frame.Input{directoryInput(v, a.Directory)}, nil
}

func entrustPerson(v *frame.Visit, id, reason string) error {
	return v.Admin.EntrustPerson(v.R.Context(), v.Actor, id, strings.TrimSpace(v.Typed.Get("directory")), reason)
}

func entrustGroupForm(v *frame.Visit) (frame.Form, error) {
	words := v.T.Admin.People
	f, g, err := groupForm(v, words.Deeds["entrust"], words.DeedIntros["entrust"])
	f.Inputs = []frame.Input{directoryInput(v, g.Directory), v.ReasonInput(true)}
	return f, err
}

func entrustGroup(v *frame.Visit) (frame.Outcome, error) {
	reason, err := v.Reason(true)
	if err == nil {
		err = v.Admin.EntrustGroup(v.R.Context(), v.Actor, v.In("id"), strings.TrimSpace(v.Typed.Get("directory")), reason)
	}
	if err != nil {
		return frame.Outcome{}, err
	}
	return frame.Done(groupPath(v.In("id")), "entrust")
}
