package adminapi

import (
	"context"
	"errors"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/internal/rest"
)

func (s *service) roleRoutes() {
	const tag = "roles"
	route(s, tag, "list-roles", "GET /v1/roles", "List the roles that there are", "By their resources and names.", []int{422}, s.listRoles)
	route(s, tag, "define-role", "POST /v1/roles", "Define a role for a resource",
		"Tokens of the resource say that a person has it, with one of its scopes.", []int{409}, s.defineRole)
	route(s, tag, "describe-role", "PATCH /v1/roles/{resource}/{role}", "Change what a role's definition says for people", mergePatchDoc, []int{404}, s.describeRole)
	route(s, tag, "delete-role", "DELETE /v1/roles/{resource}/{role}", "Remove a role",
		"Nobody has it from then on, and tokens that say it are revoked.", []int{404, 409}, s.deleteRole)

	route(s, tag, "list-groups", "GET /v1/groups", "List groups", "By their names; without their roles.", []int{422}, s.listGroups)
	route(s, tag, "create-group", "POST /v1/groups", "Make a group", "It has no members and no roles.", []int{409}, s.createGroup)
	route(s, tag, "get-group", "GET /v1/groups/{id}", "Get a group with its roles", "", []int{404}, s.getGroup)
	route(s, tag, "update-group", "PATCH /v1/groups/{id}", "Change a group", mergePatchDoc, []int{404, 409, 412, 428}, s.updateGroup)
	route(s, tag, "delete-group", "DELETE /v1/groups/{id}", "Remove a group", "Its members lose what they had by it.", []int{404, 409}, s.deleteGroup)
	route(s, tag, "list-members", "GET /v1/groups/{id}/members", "List the members of a group", "Their ids.", []int{404, 422}, s.listMembers)
	route(s, tag, "add-member", "PUT /v1/groups/{id}/members/{user_id}", "Put a person into a group", "It changes nothing if they are in it.",
		[]int{404, 409}, s.addMember)
	route(s, tag, "remove-member", "DELETE /v1/groups/{id}/members/{user_id}", "Take a person out of a group", "", []int{404, 409}, s.removeMember)
	route(s, tag, "replace-group-roles", "PUT /v1/groups/{id}/roles", "Replace the roles of a group",
		"Its members lose what is gone, and tokens that say it are revoked.", []int{404, 409}, s.setGroupRoles)
	route(s, tag, "give-group-role", "PUT /v1/groups/{id}/roles/{resource}/{role}", "Give a role to a group", "It changes nothing if the group has it.",
		[]int{404, 409}, s.giveGroup)
	route(s, tag, "take-group-role", "DELETE /v1/groups/{id}/roles/{resource}/{role}", "Take a role from a group",
		"Its members lose it, and tokens that say it are revoked.", []int{404, 409}, s.takeGroup)
}

func (s *service) listRoles(ctx context.Context, actor admin.Actor, in *PageInput) (*listOf[admin.RoleDefinition], error) {
	after := roles.Role{}
	if in.Cursor != "" {
		var err error
		if after, err = roles.Parse(in.Cursor); err != nil {
			return nil, rest.Invalid("query.cursor", errors.New("must be the cursor of a page before, as it was given"))
		}
	}
	return listed(s.admin.RoleDefinitions(ctx, actor, after, in.Limit))
}

type defineRoleInput struct {
	rest.CreateInput
	Body struct {
		Reason
		Resource    string   `json:"resource" maxLength:"32" doc:"The short name of the resource."`
		Name        string   `json:"name" pattern:"^[a-z][a-z0-9_-]{0,31}$" patternDescription:"1 to 32 characters from a-z, 0-9, _ and -, the first of them a letter"`
		Scopes      []string `json:"scopes" minItems:"1" maxItems:"64" doc:"Scopes of the resource: with one of them, a token says that its person has the role."`
		Description string   `json:"description,omitempty" maxLength:"200"`
	}
}

func (s *service) defineRole(ctx context.Context, actor admin.Actor, in *defineRoleInput) (*created[admin.RoleDefinition], error) {
	b := in.Body
	d := roles.Definition{Role: roles.Role{Resource: b.Resource, Name: b.Name}, Scopes: b.Scopes, Description: b.Description}
	made, err := once(ctx, s, in.CreateInput, "define-role", b, func(ctx context.Context) (admin.RoleDefinition, error) {
		if err := s.admin.DefineRole(ctx, actor, d, b.Reason.Reason); err != nil {
			return admin.RoleDefinition{}, err
		}
		return s.admin.RoleDefinition(ctx, actor, d.Role)
	}, func(string) (admin.RoleDefinition, error) { return s.admin.RoleDefinition(ctx, actor, d.Role) })
	if err != nil {
		return nil, err
	}
	return &created[admin.RoleDefinition]{s.api.Location("/v1/roles/" + d.Resource + "/" + d.Name), made}, nil
}

type describeRoleInput struct {
	RoleInput
	Body struct {
		Reason      string                      `json:"reason,omitempty" maxLength:"200" doc:"Why, for the audit log: one line."`
		Description rest.RemovablePatch[string] `json:"description"`
	} `contentType:"application/merge-patch+json"`
}

func (s *service) describeRole(ctx context.Context, actor admin.Actor, in *describeRoleInput) (*answer[admin.RoleDefinition], error) {
	description, err := in.Body.Description.Value("body.description", same)
	if err == nil && description != nil {
		err = s.admin.RedefineRole(ctx, actor, in.role(), "", admin.RoleChange{Description: description}, in.Body.Reason)
	}
	if err != nil {
		return nil, err
	}
	d, err := s.admin.RoleDefinition(ctx, actor, in.role())
	return &answer[admin.RoleDefinition]{d}, err
}

type deleteRoleInput struct {
	RoleInput
	ReasonInput
}

func (s *service) deleteRole(ctx context.Context, actor admin.Actor, in *deleteRoleInput) (*nothing, error) {
	return done(s.admin.UndefineRole(ctx, actor, in.role(), in.Reason))
}

// GroupInput names a group.
type GroupInput struct {
	ID Text `path:"id" doc:"The group's id."`
}

func (s *service) listGroups(ctx context.Context, actor admin.Actor, in *PageInput) (*listOf[admin.Group], error) {
	return listed(s.admin.Groups(ctx, actor, in.Cursor, in.Limit))
}

type createGroupInput struct {
	rest.CreateInput
	Body struct {
		Reason
		Name       string `json:"name" minLength:"1" maxLength:"200"`
		ExternalID string `json:"external_id,omitempty" maxLength:"200" doc:"What another directory calls it."`
	}
}

func (s *service) createGroup(ctx context.Context, actor admin.Actor, in *createGroupInput) (*createdVersion[admin.Group], error) {
	b := in.Body
	made, err := once(ctx, s, in.CreateInput, "create-group", b, func(ctx context.Context) (admin.Group, error) {
		return s.admin.CreateGroup(ctx, actor, b.Name, b.ExternalID, b.Reason.Reason)
	}, func(id string) (admin.Group, error) { return s.admin.Group(ctx, actor, id) })
	return newAt(s, "/v1/groups/", made.ID, made.Version, made, err)
}

func group(g admin.Group, err error) (*versioned[admin.Group], error) {
	if err != nil {
		return nil, err
	}
	return &versioned[admin.Group]{rest.ETag(g.Version), g}, nil
}

func (s *service) getGroup(ctx context.Context, actor admin.Actor, in *GroupInput) (*versioned[admin.Group], error) {
	return group(s.admin.Group(ctx, actor, string(in.ID)))
}

type updateGroupInput struct {
	GroupInput
	rest.ChangeInput
	Body struct {
		Reason     string                      `json:"reason,omitempty" maxLength:"200" doc:"Why, for the audit log: one line."`
		Name       rest.Patch[string]          `json:"name,omitempty"`
		ExternalID rest.RemovablePatch[string] `json:"external_id,omitempty"`
	} `contentType:"application/merge-patch+json"`
}

func (s *service) updateGroup(ctx context.Context, actor admin.Actor, in *updateGroupInput) (*versioned[admin.Group], error) {
	if _, err := rest.IfMatch(in.IfMatch); err != nil {
		return nil, err
	}
	before, err := s.admin.Group(ctx, actor, string(in.ID))
	if err == nil {
		err = rest.RequireMatch(in.IfMatch, before.Version)
	}
	if err != nil {
		return nil, err
	}
	name, externalID := before.Name, before.ExternalID
	if err := errors.Join(
		in.Body.Name.Apply("body.name", &name, same),
		in.Body.ExternalID.Apply("body.external_id", &externalID, same),
	); err != nil {
		return nil, err
	}
	// What the patch leaves out is of this version: the change is of no other, whatever If-Match says.
	if _, err := s.admin.EditGroup(ctx, actor, before.ID, before.Version, name, externalID, in.Body.Reason); err != nil {
		return nil, err
	}
	return group(s.admin.Group(ctx, actor, before.ID))
}

type aboutGroup struct {
	GroupInput
	ReasonInput
}

func (s *service) deleteGroup(ctx context.Context, actor admin.Actor, in *aboutGroup) (*nothing, error) {
	return done(s.admin.RemoveGroup(ctx, actor, string(in.ID), in.Reason))
}

type membersInput struct {
	GroupInput
	PageInput
}

func (s *service) listMembers(ctx context.Context, actor admin.Actor, in *membersInput) (*listOf[string], error) {
	return listed(s.admin.Members(ctx, actor, string(in.ID), in.Cursor, in.Limit))
}

type memberInput struct {
	GroupInput
	User Text `path:"user_id" doc:"The person's id."`
	ReasonInput
}

// already makes nothing of an error that says that something is as it should be.
func already(err error) error {
	if errors.Is(err, store.ErrExists) {
		return nil
	}
	return err
}

func (s *service) addMember(ctx context.Context, actor admin.Actor, in *memberInput) (*nothing, error) {
	return done(already(s.admin.Join(ctx, actor, string(in.ID), string(in.User), in.Reason)))
}

func (s *service) removeMember(ctx context.Context, actor admin.Actor, in *memberInput) (*nothing, error) {
	return done(s.admin.Leave(ctx, actor, string(in.ID), string(in.User), in.Reason))
}

type groupRolesInput struct {
	GroupInput
	Body struct {
		Reason
		Roles []roles.Role `json:"roles" maxItems:"100"`
	}
}

func (s *service) setGroupRoles(ctx context.Context, actor admin.Actor, in *groupRolesInput) (*versioned[admin.Group], error) {
	if _, err := s.admin.SetGroupRoles(ctx, actor, string(in.ID), in.Body.Roles, in.Body.Reason.Reason); err != nil {
		return nil, err
	}
	return group(s.admin.Group(ctx, actor, string(in.ID)))
}

type groupRoleInput struct {
	GroupInput
	RoleInput
	ReasonInput
}

func (s *service) giveGroup(ctx context.Context, actor admin.Actor, in *groupRoleInput) (*nothing, error) {
	return done(already(s.admin.GiveGroup(ctx, actor, string(in.ID), in.role(), in.Reason)))
}

func (s *service) takeGroup(ctx context.Context, actor admin.Actor, in *groupRoleInput) (*nothing, error) {
	return done(s.admin.TakeGroup(ctx, actor, string(in.ID), in.role(), in.Reason))
}
