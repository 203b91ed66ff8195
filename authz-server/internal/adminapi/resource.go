package adminapi

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/mail"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/registry"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/authz-server/internal/store/streams"
	"github.com/maru-auth/maru/authz-server/internal/store/upstreams"
	"github.com/maru-auth/maru/internal/rest"
)

// resource is what the interface says of itself.
var resource = rest.Resource{
	Name: "Maru administration",
	Description: "What operators of the authorization server do. Services act by client credentials, with the scope admin:read or " +
		"admin:write; people act if they have the role admin/admin and logged in with a second factor, and change something if that " +
		"was within the last ten minutes. Otherwise the answer is 401 with the error insufficient_user_authentication (RFC 9470).\n\n" +
		"Services cannot touch administrators, nor what makes them: groups with the role admin/admin, and clients with scopes of this resource.\n\n" +
		"To change something that has an ETag, send it in If-Match: without one the answer is 428, and 412 if somebody else was faster. " +
		"A request that creates may carry an Idempotency-Key: repeated within 24 hours by the same caller, it creates nothing new and " +
		"returns what the first one created, but for its secret, which is shown once.\n\n" +
		"Lists come in pages: to get the following page, send the next of this one as the cursor.\n\n" +
		"A change is in the audit log, with the reason that is given with it. " +
		"Errors are problem documents (RFC 9457). Answers may get new members within this version: ignore those you do not know.",
	Tags: []*huma.Tag{
		{Name: "people", Description: "People's accounts."},
		{Name: "invitations", Description: "Links by which people make an account."},
		{Name: "clients", Description: "OAuth clients."},
		{Name: "grants", Description: "What people allowed to clients."},
		{Name: "roles", Description: "Roles, and groups of people that have them."},
		{Name: "resources", Description: "Services that take this server's tokens."},
		{Name: "upstreams", Description: "Other providers by which people log in."},
		{Name: "keys", Description: "Signing keys."},
		{Name: "queues", Description: "What leaves the server: mail, log-outs and events."},
		{Name: "throttles", Description: "Who tries too often."},
		{Name: "overview", Description: "How the server is, and what was done."},
	},
	Scopes: []rest.Scope{
		{Name: client.ScopeAdminRead, Text: "See accounts, clients, keys, queues and the audit log.", People: true, Clients: true},
		{Name: client.ScopeAdminWrite, Text: "Change accounts, clients, keys and queues, and see them.", People: true, Clients: true},
	},
	EncodedPaths: true, // a client_id may be a URL
	RefuseNUL:    true,
}

func conflict(detail string) error {
	return &rest.Problem{Status: http.StatusConflict, Detail: detail}
}

// conflicts are errors that are answered with 409, and the words for it.
var conflicts = []struct {
	err    error
	detail string
}{
	{directory.ErrPublic, "The client is public and has no secret."},
	{directory.ErrOwnKeys, "The client signs with its own key and has no secret."},
	{directory.ErrUnregistered, "The client did not register itself: only operators manage it."},
	{directory.ErrCrowned, "The client administers this server: only operators manage it."},
	{roles.ErrBuiltin, "The role is built in, and stays."},
	{registry.ErrHasRoles, "Roles are defined for the resource: remove them first."},
	{upstreams.ErrLastWay, "Nothing else would be left to log in by; with force, they reset their password."},
	{upstreams.ErrInUse, "People log in by it: disable it, or delete it with force."},
	{keys.ErrPending, "A next key is waiting already; it takes over by itself, or at once with immediately."},
	{mail.ErrNotConfigured, "This server sends no mail."},
	{admin.ErrDisabled, "The account is disabled: nobody can log in to it."},
	{accounts.ErrLastWay, "Nothing else would be left to log in by."},
	{admin.ErrServiceStream, "The stream is the server's own, for a service of --data-services: it would be made again."},
	{admin.ErrStreamOff, "The stream is disabled."},
	{streams.ErrFull, "Too many events wait for the receiver."},
}

// answer is what an error of an operation is answered with. Any that it does not know goes to the log.
func (s *service) answer(ctx context.Context, err error) error {
	if refused := s.cfg.Access.Refused(callOf(ctx).request, err); refused != nil {
		headers := http.Header{}
		refused.SetHeaders(headers)
		return huma.ErrorWithHeaders(&rest.Problem{Status: refused.Status, Title: refused.Title, Detail: refused.Detail}, headers)
	}
	for _, one := range conflicts {
		if errors.Is(err, one.err) {
			return conflict(one.detail)
		}
	}
	var input directory.InputError
	var field *admin.FieldError
	var metadata *client.Error
	switch {
	case errors.As(err, &field):
		return rest.Invalid(s.location(ctx, field.Field), errors.New(field.Problem))
	case errors.As(err, &input):
		name, problem := input.Split()
		return rest.Invalid(s.location(ctx, name), errors.New(problem))
	case errors.As(err, &metadata):
		return rest.Invalid(strings.TrimSuffix("body."+metadata.Field, "."), errors.New(metadata.Description))
	case errors.Is(err, admin.ErrKeyReused):
		return rest.Invalid("header.Idempotency-Key", errors.New("was used for another request; use a new key for each new request"))
	case errors.Is(err, store.ErrStale):
		return rest.Changed()
	case errors.Is(err, store.ErrNotFound) || errors.Is(err, roles.ErrUnknown) || errors.Is(err, keys.ErrUnknown):
		return &rest.Problem{Status: http.StatusNotFound, Detail: "There is no such thing."}
	case errors.Is(err, store.ErrExists):
		return conflict("It exists already.")
	case errors.Is(err, admin.ErrBusy):
		return &rest.Problem{Status: http.StatusServiceUnavailable, Detail: "Too many passwords are being hashed. Try again in a few seconds."}
	}
	return err
}

// location is where an input is in the request.
func (*service) location(ctx context.Context, field string) string {
	switch field {
	case "after":
		return "query.cursor"
	case "kids":
		return "path.kid"
	case "client":
		field = "client_id"
	}
	if method := callOf(ctx).request.Method; method == http.MethodGet || method == http.MethodDelete {
		return "query." + field
	}
	return "body." + field
}
