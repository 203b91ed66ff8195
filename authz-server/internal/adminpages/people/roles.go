package people

import (
	"errors"
	"slices"
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/adminpages/frame"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
)

func roleRoutes(r *frame.Routes) {
	words := []frame.Translation{
		{Is: store.ErrExists, Field: "name", Problem: messages.AdminRoleTaken},
		{Of: "role", Field: "name", Problem: messages.AdminRoleName},
		{Of: "scopes", Field: "scopes", Problem: messages.AdminRoleScopes},
		{Of: "description", Field: "description", Problem: messages.AdminTextInvalid},
	}
	r.View("/admin/roles", showRoles)
	r.Change(frame.Deed{Path: "/admin/roles/{resource}/new", Form: defineForm, Do: defineRole, Problems: words})
	r.Change(frame.Deed{Path: "/admin/roles/{resource}/{name}/edit", Form: redefineForm, Do: redefineRole,
		Problems: words})
	r.Change(frame.Deed{Path: "/admin/roles/{resource}/{name}/delete", Form: undefineForm, Do: undefineRole})
}

// rolesPage lists the roles that there are, by the resource that they are for.
type rolesPage struct {
	Resources []resourceRoles
}

type resourceRoles struct {
	Name, Path string
	Definable  bool // it has scopes that bring a role into tokens
	Roles      []definedRole
}

type definedRole struct {
	admin.RoleDefinition
	Text, Scope, People, Edit, Delete string // Delete is empty where it has to stay
}

// rolePath is the path of a role's pages.
func rolePath(r roles.Role) string { return "/admin/roles/" + r.Resource + "/" + r.Name }

// described is what a role is for. What is said of a role that is there from the start is in the
// language of the page, unless an operator wrote something else.
func described(t *messages.Language, d admin.RoleDefinition) string {
	words, stored := t.Admin.Roles.Builtin[d.String()], messages.All.Tagged("en").Admin.Roles.Builtin[d.String()]
	if d.Builtin && words != "" && d.Description == stored {
		return words
	}
	return d.Description
}

func shownRole(v *frame.Visit, d admin.RoleDefinition) definedRole {
	d.Description = described(v.T, d)
	shown := definedRole{RoleDefinition: d, Text: d.String(), Scope: strings.Join(d.Scopes, " "),
		People: "/admin/users?role=" + d.String(),
		Edit:   rolePath(d.Role) + "/edit"}
	if !d.Builtin {
		shown.Delete = rolePath(d.Role) + "/delete"
	}
	return shown
}

// GET /admin/roles: by the resources in their order, and then by those that are no more.
func showRoles(v *frame.Visit) error {
	resources, err := v.Admin.ListResources(v.R.Context(), v.Actor)
	if err != nil {
		return err
	}
	all, err := allRoles(v)
	if err != nil {
		return err
	}
	var page rolesPage
	for _, one := range resources.Items {
		page.Resources = append(page.Resources, resourceRoles{
			Name: one.Name, Path: resourcePath(one.Name), Definable: len(one.Scopes) > 0,
		})
	}
	for _, one := range all {
		at := slices.IndexFunc(page.Resources, func(r resourceRoles) bool { return r.Name == one.Resource })
		if at < 0 {
			at = len(page.Resources)
			page.Resources = append(page.Resources, resourceRoles{Name: one.Resource, Path: resourcePath(one.Resource)})
		}
		page.Resources[at].Roles = append(page.Resources[at].Roles, shownRole(v, one))
	}
	return v.Show("roles", page)
}

// roleOf is the role that the path names.
func roleOf(v *frame.Visit) roles.Role {
	return roles.Role{Resource: v.In("resource"), Name: v.In("name")}
}

// definition is that of the role that the path names.
func definition(v *frame.Visit) (admin.RoleDefinition, error) {
	all, err := allRoles(v)
	for _, one := range all {
		if one.Role == roleOf(v) {
			return one, nil
		}
	}
	return admin.RoleDefinition{}, errors.Join(err, store.ErrNotFound)
}

// scopesInput has the scopes of a resource, of which those are ticked that were typed, or else those in
// has; what a role has that the resource has no more is there, too.
func scopesInput(v *frame.Visit, resource string, has []string) (frame.Input, error) {
	words := v.T.Admin.Roles
	in := frame.Input{Kind: "checks", Name: "scopes", Label: words.Scopes, Hint: words.ScopesHint, Needed: true}
	one, err := v.Admin.Resource(v.R.Context(), v.Actor, resource)
	if errors.Is(err, store.ErrNotFound) && len(has) > 0 { // of the settings of before
		err = nil
	}
	all := slices.Clone(one.Scopes)
	for _, scope := range has {
		if !slices.Contains(all, scope) {
			all = append(all, scope)
		}
	}
	if v.Typed != nil {
		has = v.Typed["scopes"]
	}
	for _, scope := range all {
		in.Options = append(in.Options, frame.Choice{Value: scope, Label: scope, Chosen: slices.Contains(has, scope)})
	}
	return in, err
}

func descriptionInput(v *frame.Visit, stored string) frame.Input {
	words := v.T.Admin.Roles
	return frame.Input{Kind: "text", Name: "description", Label: words.Description, Hint: words.DescriptionHint,
		Value: v.Value("description", stored)}
}

func defineForm(v *frame.Visit) (frame.Form, error) {
	words := v.T.Admin.Roles
	scopes, err := scopesInput(v, v.In("resource"), nil)
	return frame.Form{
		Title: words.NewTitle, Subject: words.Resource(v.In("resource")), Intro: []string{words.NewIntro}, Button: words.New,
		Back: resourcePath(v.In("resource")),
		Inputs: []frame.Input{
			{Kind: "text", Name: "name", Label: words.Name, Hint: words.NameHint, Value: v.Value("name", ""),
				Needed: true, Inexact: true},
			scopes, descriptionInput(v, ""), v.ReasonInput(false),
		},
	}, err
}

func defineRole(v *frame.Visit) (frame.Outcome, error) {
	d := roles.Definition{Role: roles.Role{Resource: v.In("resource"),
		Name: strings.TrimSpace(v.Typed.Get("name"))}, Scopes: v.Typed["scopes"],
		Description: strings.TrimSpace(v.Typed.Get("description"))}
	if err := v.Admin.DefineRole(v.R.Context(), v.Actor, d, v.Typed.Get("reason")); err != nil {
		return frame.Outcome{}, err
	}
	return frame.Done(resourcePath(d.Resource), "role_defined")
}

func redefineForm(v *frame.Visit) (frame.Form, error) {
	of, err := definition(v)
	if err != nil {
		return frame.Form{}, err
	}
	words := v.T.Admin.Roles
	f := frame.Form{
		Title: words.Edit, Subject: of.String(), Button: v.T.SaveButton, Back: "/admin/roles",
		Hidden: []frame.Input{{Name: "version", Value: v.Value("version", of.Version)}},
	}
	if !of.Builtin { // whose scopes stay
		scopes, err := scopesInput(v, of.Resource, of.Scopes)
		if err != nil {
			return f, err
		}
		f.Intro, f.Inputs = []string{words.EditIntro}, append(f.Inputs, scopes)
	}
	f.Inputs = append(f.Inputs, descriptionInput(v, of.Description), v.ReasonInput(false))
	return f, nil
}

func redefineRole(v *frame.Visit) (frame.Outcome, error) {
	of, err := definition(v)
	if err != nil {
		return frame.Outcome{}, err
	}
	description := v.Typed.Get("description")
	change := admin.RoleChange{Description: &description}
	if !of.Builtin {
		change.Scopes = append([]string{}, v.Typed["scopes"]...)
	}
	err = v.Admin.RedefineRole(v.R.Context(), v.Actor, of.Role, v.Typed.Get("version"), change, v.Typed.Get("reason"))
	if err != nil {
		return frame.Outcome{}, err
	}
	return frame.Done("/admin/roles", "saved")
}

func undefineForm(v *frame.Visit) (frame.Form, error) {
	of, err := definition(v)
	words := v.T.Admin.Roles
	return frame.Form{
		Title: words.Delete, Subject: of.String(), Intro: []string{words.DeleteIntro}, Button: words.Delete, Danger: true,
		Back:   "/admin/roles",
		Inputs: []frame.Input{v.ReasonInput(false)},
	}, err
}

func undefineRole(v *frame.Visit) (frame.Outcome, error) {
	if err := v.Admin.UndefineRole(v.R.Context(), v.Actor, roleOf(v), v.Typed.Get("reason")); err != nil {
		return frame.Outcome{}, err
	}
	return frame.Done("/admin/roles", "role_deleted")
}
