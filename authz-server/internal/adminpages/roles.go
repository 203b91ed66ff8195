package adminpages

import (
	"errors"
	"strings"

	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
)

func (a *Administration) roleRoutes(r *mux.Router) {
	a.view(r, "/admin/roles", (*visit).roles)
	a.change(r, deed{path: "/admin/roles/{resource}/{name}/describe", form: describeForm, do: describeRole, problems: []translation{
		{of: "description", field: "description", problem: messages.AdminTextInvalid},
	}})
	a.change(r, deed{path: "/admin/roles/{resource}/{name}/delete", form: undefineForm, do: undefineRole})
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
func (v *visit) roles() error {
	all, err := v.allRoles()
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
			RoleDefinition: one, Text: one.String(), Scope: strings.Join(one.Scopes, " "), People: "/admin/users?role=" + one.String(),
			Describe: rolePath(one.Role) + "/describe",
		}
		if !one.Builtin {
			shown.Delete = rolePath(one.Role) + "/delete"
		}
		page.Resources[last].Roles = append(page.Resources[last].Roles, shown)
	}
	return v.show("roles", page)
}

// roleOf is the role that the path names.
func (v *visit) roleOf() roles.Role {
	return roles.Role{Resource: v.in("resource"), Name: v.in("name")}
}

// definition is that of the role that the path names.
func (v *visit) definition() (admin.RoleDefinition, error) {
	all, err := v.allRoles()
	for _, one := range all {
		if one.Role == v.roleOf() {
			return one, nil
		}
	}
	return admin.RoleDefinition{}, errors.Join(err, store.ErrNotFound)
}

func describeForm(v *visit) (form, error) {
	of, err := v.definition()
	words := v.t.Admin.Roles
	return form{
		Title: words.Describe, Subject: of.String(), Button: v.t.SaveButton, Back: "/admin/roles",
		Inputs: []input{
			{Kind: "text", Name: "description", Label: words.Description, Hint: words.DescriptionHint, Value: v.value("description", of.Description)},
			v.reasonInput(false),
		},
	}, err
}

func describeRole(v *visit) (outcome, error) {
	description := v.typed.Get("description")
	err := v.Admin.RedefineRole(v.r.Context(), v.actor, v.roleOf(), "", admin.RoleChange{Description: &description}, v.typed.Get("reason"))
	if err != nil {
		return outcome{}, err
	}
	return done("/admin/roles", "saved")
}

func undefineForm(v *visit) (form, error) {
	of, err := v.definition()
	words := v.t.Admin.Roles
	return form{
		Title: words.Delete, Subject: of.String(), Intro: []string{words.DeleteIntro}, Button: words.Delete, Danger: true, Back: "/admin/roles",
		Inputs: []input{v.reasonInput(false)},
	}, err
}

func undefineRole(v *visit) (outcome, error) {
	if err := v.Admin.UndefineRole(v.r.Context(), v.actor, v.roleOf(), v.typed.Get("reason")); err != nil {
		return outcome{}, err
	}
	return done("/admin/roles", "role_deleted")
}
