package adminapi

import (
	"context"
	"errors"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/internal/rest"
)

func (s *service) resourceRoutes() {
	const tag = "resources"
	route(s, tag, "list-resources", "GET /v1/resources", "List the services that take this server's tokens",
		"Those of the settings, and then those that are stored, the oldest first. There is one page.", nil, s.listResources)
	route(s, tag, "create-resource", "POST /v1/resources", "Store a service that takes this server's tokens",
		"Within seconds, clients can have its scopes, and roles can be defined for it.", []int{409}, s.createResource)
	route(s, tag, "get-resource", "GET /v1/resources/{resource}", "Get a service that takes this server's tokens",
		"One of the settings has no ETag: nothing else changes it.", []int{404}, s.getResource)
	route(s, tag, "update-resource", "PATCH /v1/resources/{resource}", "Change a stored service",
		mergePatchDoc+" Tokens with a scope that is gone stay valid until they expire.", []int{404, 409, 412, 428}, s.updateResource)
	route(s, tag, "delete-resource", "DELETE /v1/resources/{resource}", "Remove a stored service",
		"Later tokens are not for it. Those that are out stay valid until they expire. Remove its roles first.", []int{404, 409}, s.deleteResource)
}

// ResourceInput names a resource.
type ResourceInput struct {
	Name Text `path:"resource" doc:"The resource's short name, such as board."`
}

func (s *service) listResources(ctx context.Context, actor admin.Actor, _ *struct{}) (*listOf[admin.Resource], error) {
	return listed(s.admin.ListResources(ctx, actor))
}

// resourceAnswer is the answer with a resource. Only stored ones change, and have an entity tag.
func resourceAnswer(r admin.Resource, err error) (*versioned[admin.Resource], error) {
	if err != nil {
		return nil, err
	}
	out := &versioned[admin.Resource]{Body: r}
	if r.Stored {
		out.ETag = rest.ETag(r.Version)
	}
	return out, nil
}

func (s *service) getResource(ctx context.Context, actor admin.Actor, in *ResourceInput) (*versioned[admin.Resource], error) {
	return resourceAnswer(s.admin.Resource(ctx, actor, string(in.Name)))
}

type createResourceInput struct {
	rest.CreateInput
	Body struct {
		Reason
		Name        string   `json:"name" pattern:"^[a-z][a-z0-9_-]{0,31}$" patternDescription:"1 to 32 characters from a-z, 0-9, _ and -, the first of them a letter" doc:"A short one, by which roles name it. It cannot be changed."`
		ID          string   `json:"id" maxLength:"2048" doc:"An absolute URI: the aud of its tokens."`
		Scopes      []string `json:"scopes" minItems:"1" maxItems:"64" doc:"No other resource has them."`
		Description string   `json:"description,omitempty" maxLength:"200" doc:"For people who administer the server."`
	}
}

func (s *service) createResource(ctx context.Context, actor admin.Actor, in *createResourceInput) (*createdVersion[admin.Resource], error) {
	b := in.Body
	read := func(string) (admin.Resource, error) { return s.admin.Resource(ctx, actor, b.Name) }
	made, err := once(ctx, s, in.CreateInput, "create-resource", b, func(ctx context.Context) (admin.Resource, error) {
		if err := s.admin.CreateResource(ctx, actor, admin.NewResource{
			Name: b.Name, ID: b.ID, Scopes: b.Scopes, Description: b.Description,
		}, b.Reason.Reason); err != nil {
			return admin.Resource{}, err
		}
		return read("")
	}, read)
	return newAt(s, "/v1/resources/", made.Name, made.Version, made, err)
}

var errOfSettings = conflict("The resource is one of the server's settings, which nothing else changes.")

// storedResource is a resource that can be changed.
func (s *service) storedResource(ctx context.Context, actor admin.Actor, in ResourceInput) (admin.Resource, error) {
	found, err := s.admin.Resource(ctx, actor, string(in.Name))
	if err == nil && !found.Stored {
		err = errOfSettings
	}
	return found, err
}

type updateResourceInput struct {
	ResourceInput
	rest.ChangeInput
	Body struct {
		Reason      string                      `json:"reason,omitempty" maxLength:"200" doc:"Why, for the audit log: one line."`
		ID          rest.Patch[string]          `json:"id,omitempty"`
		Scopes      rest.Patch[[]string]        `json:"scopes,omitempty" doc:"All of them. Those by which roles come into tokens stay until the roles are changed."`
		Description rest.RemovablePatch[string] `json:"description,omitempty"`
	} `contentType:"application/merge-patch+json"`
}

func (s *service) updateResource(ctx context.Context, actor admin.Actor, in *updateResourceInput) (*versioned[admin.Resource], error) {
	if _, err := rest.IfMatch(in.IfMatch); err != nil {
		return nil, err
	}
	before, err := s.storedResource(ctx, actor, in.ResourceInput)
	if err == nil {
		err = rest.RequireMatch(in.IfMatch, before.Version)
	}
	if err != nil {
		return nil, err
	}
	after := admin.NewResource{Name: before.Name, ID: before.ID, Scopes: before.Scopes, Description: before.Description}
	if err := errors.Join(
		in.Body.ID.Apply("body.id", &after.ID, same),
		in.Body.Scopes.Apply("body.scopes", &after.Scopes, same),
		in.Body.Description.Apply("body.description", &after.Description, same),
	); err != nil {
		return nil, err
	}
	// What the patch leaves out is of this version: the change is of no other, whatever If-Match says.
	if err := s.admin.UpdateResource(ctx, actor, before.Version, after, in.Body.Reason); err != nil {
		return nil, err
	}
	return resourceAnswer(s.admin.Resource(ctx, actor, before.Name))
}

type deleteResourceInput struct {
	ResourceInput
	ReasonInput
}

func (s *service) deleteResource(ctx context.Context, actor admin.Actor, in *deleteResourceInput) (*nothing, error) {
	found, err := s.storedResource(ctx, actor, in.ResourceInput)
	if err != nil {
		return nil, err
	}
	return done(s.admin.DeleteResource(ctx, actor, found.Name, in.Reason))
}
