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
	Description: "Profiles, settings and interests of people. Texts are Unicode, kept in normalization form " +
		"C; lengths count code points. " +
		"To change a resource, send the ETag that you read with it in If-Match: without one the answer is " +
		"428, and 412 if somebody else was faster. " +
		"Errors are problem documents (RFC 9457). Answers may get new members within this version: ignore those you do not know.",
	Tags: []*huma.Tag{
		{Name: "me", Description: "What belongs to the person whose token you send."},
		{Name: "users", Description: "Public profiles."},
		{Name: "events", Description: "What the issuer tells the service."},
	},
	Scopes: []rest.Scope{
		{Name: "user:read", Text: "Read one's own profile, settings and interests, and public profiles one at a time.",
			People: true, Clients: true},
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
	case errors.Is(err, store.ErrDeleted):
		return &rest.Problem{Status: http.StatusGone, Detail: "The account of this person was deleted."}
	case errors.Is(err, store.ErrNotFound):
		return &rest.Problem{Status: http.StatusNotFound}
	}
	return nil
}
