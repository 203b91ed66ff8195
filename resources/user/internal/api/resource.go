package api

import (
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/maru-auth/maru/internal/rest"
	"github.com/maru-auth/maru/resources/user/internal/store"
)

// resource is what the service says of itself.
var resource = rest.Resource{
	Name: "Maru user service",
	Description: "Profiles, settings and interests of people. Texts are in Unicode, and kept in normalization form C; lengths count code points. " +
		"A resource is changed with the ETag that it was read with in If-Match: 428 without, 412 when somebody else was faster. " +
		"Errors are problem documents (RFC 9457). Members may be added to answers within this version: ignore those you do not know.",
	Tags: []*huma.Tag{
		{Name: "me", Description: "What belongs to the person whose token it is."},
		{Name: "users", Description: "Public profiles."},
	},
	Scopes: []rest.Scope{
		{Name: "user:read", Text: "Read one's own profile, settings and interests, and public profiles one at a time.", People: true, Clients: true},
		{Name: "user:write", Text: "Change one's own profile, settings and interests.", People: true},
		{Name: "user:lookup", Text: "Read public profiles, also many at once. For services.", Clients: true},
	},
	EncodedPaths: true, // ids are opaque, and may hold a slash
	Problem:      problem,
}

// problem is the answer to an error that a handler may return; nil: there is none for it.
func problem(err error) error {
	switch {
	case errors.Is(err, store.ErrChanged):
		return rest.Changed()
	case errors.Is(err, store.ErrNotFound):
		return &rest.Problem{Status: http.StatusNotFound}
	}
	return nil
}
