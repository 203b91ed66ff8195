package adminapi

import (
	"context"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/internal/rest"
)

func (s *service) directoryRoutes() {
	const text = "The directory, a client with the scope scim, may change and remove it from then on; the one that kept it may not any more."
	route(s, "people", "entrust-user", "PUT /v1/users/{id}/directory", "Give an account to a directory", text, []int{404, 409}, s.entrustUser)
	route(s, "people", "release-user", "DELETE /v1/users/{id}/directory", "Take an account from the directory that keeps it",
		"It changes nothing if none does.", []int{404, 409}, s.releaseUser)
	route(s, "roles", "entrust-group", "PUT /v1/groups/{id}/directory", "Give a group to a directory", text, []int{404, 409}, s.entrustGroup)
	route(s, "roles", "release-group", "DELETE /v1/groups/{id}/directory", "Take a group from the directory that keeps it",
		"It changes nothing if none does.", []int{404, 409}, s.releaseGroup)
	route(s, "clients", "create-registration-token", "POST /v1/clients/{client_id}/registration-tokens",
		"Give a client that registered itself a new registration access token",
		"The answer has it, which is shown once (RFC 7592). The one of before ends at once.", []int{404, 409}, s.createRegistrationToken)
}

// toDirectory is the body that names a directory.
type toDirectory struct {
	Reason
	Directory string `json:"directory" minLength:"1" maxLength:"2048" doc:"Its client_id."`
}

type entrustUserInput struct {
	UserInput
	Body toDirectory
}

func (s *service) entrustUser(ctx context.Context, actor admin.Actor, in *entrustUserInput) (*nothing, error) {
	return done(s.admin.EntrustPerson(ctx, actor, string(in.ID), in.Body.Directory, in.Body.Reason.Reason))
}

func (s *service) releaseUser(ctx context.Context, actor admin.Actor, in *AboutUser) (*nothing, error) {
	return done(s.admin.EntrustPerson(ctx, actor, string(in.ID), "", in.Reason))
}

type entrustGroupInput struct {
	GroupInput
	Body toDirectory
}

func (s *service) entrustGroup(ctx context.Context, actor admin.Actor, in *entrustGroupInput) (*nothing, error) {
	return done(s.admin.EntrustGroup(ctx, actor, string(in.ID), in.Body.Directory, in.Body.Reason.Reason))
}

func (s *service) releaseGroup(ctx context.Context, actor admin.Actor, in *aboutGroup) (*nothing, error) {
	return done(s.admin.EntrustGroup(ctx, actor, string(in.ID), "", in.Reason))
}

type registrationTokenInput struct {
	ClientInput
	rest.CreateInput
	Body struct{ Reason }
}

type registrationToken struct {
	ClientID string `json:"client_id"`
	Token    string `json:"registration_access_token,omitempty" doc:"Shown once. Absent: it was shown before."`
}

func (s *service) createRegistrationToken(ctx context.Context, actor admin.Actor, in *registrationTokenInput) (*answer[registrationToken], error) {
	id := string(in.ID)
	made, err := once(ctx, s, in.CreateInput, "create-registration-token", []any{id, in.Body}, func(ctx context.Context) (registrationToken, error) {
		rotated, err := s.admin.RotateRegistrationToken(ctx, actor, id, in.Body.Reason.Reason)
		return registrationToken{id, rotated.RegistrationToken}, err
	}, func(string) (registrationToken, error) {
		_, err := s.admin.Client(ctx, actor, id)
		return registrationToken{ClientID: id}, err
	})
	return &answer[registrationToken]{made}, err
}
