package people

import (
	"errors"
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/adminpages/frame"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
)

func roleRoutes(r *frame.Routes) {
	r.View("/admin/roles", showRoles)
	r.Change(frame.Deed{Path: "/admin/roles/{resource}/{name}/describe", Form: describeForm, Do: describeRole,
		Problems: []frame.Translation{
			{Of: "description", Field: "description", Problem: messages.AdminTextInvalid},
		}})
	r.Change(frame.Deed{Path: "/admin/roles/{resource}/{name}/delete", Form: undefineForm, Do: undefineRole})
}

// rolesPage lists the roles that there are, by the resource that they are for.
type rolesPage struct {
	Resources []resourceRoles
}

type resourceRoles struct {
	Name  string
	Roles []definedRole
}

type definedRole struct {
	admin.RoleDefinition
	Text, Scope, People, Describe, Delete string // Delete is empty where it has to stay
}

// rolePath is the path of a role's pages.
func rolePath(r roles.Role) string { return "/admin/roles/" + r.Resource + "/" + r.Name }

// GET /admin/roles
func showRoles(v *frame.Visit) error {
	all, err := allRoles(v)
	if err != nil {
		return err
	}
	var page rolesPage
	for _, one := range all {
		last := len(page.Resources) - 1
		if last < 0 || page.Resources[last].Name != one.Resource {
			page.Resources = append(page.Resources, resourceRoles{Name: one.Resource})
			last++
		}
		shown := definedRole{
			RoleDefinition: one, Text: one.String(), Scope: strings.Join(one.Scopes, " "),
			People:   "/admin/users?role=" + one.String(),
			Describe: rolePath(one.Role) + "/describe",
		}
		if !one.Builtin {
			shown.Delete = rolePath(one.Role) + "/delete"
		}
		page.Resources[last].Roles = append(page.Resources[last].Roles, shown)
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

func describeForm(v *frame.Visit) (frame.Form, error) {
	of, err := definition(v)
	words := v.T.Admin.Roles
	return frame.Form{
		Title: words.Describe, Subject: of.String(), Button: v.T.SaveButton, Back: "/admin/roles",
		Inputs: []frame.Input{
			{Kind: "text", Name: "description", Label: words.Description, Hint: words.DescriptionHint,
				Value: v.Value("description", of.Description)},
			v.ReasonInput(false),
		},
	}, err
}

func describeRole(v *frame.Visit) (frame.Outcome, error) {
	description := v.Typed.Get("description")
	err := v.Admin.RedefineRole(v.R.Context(), v.Actor, roleOf(v), "", admin.RoleChange{Description: &description},
		v.Typed.Get("reason"))
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
