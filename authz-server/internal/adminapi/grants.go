package adminapi

import (
	"context"
	"errors"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/internal/rest"
)

func (s *service) grantRoutes() {
	const tag = "grants"
	route(s, tag, "list-grants", "GET /v1/grants", "List the grants of a person, or to a client",
		"Those that are over, too, as long as they are kept. One of user and client_id is needed.", []int{422}, s.listGrants)
	route(s, tag, "revoke-grant", "DELETE /v1/grants/{id}", "End a grant with all its tokens", "", []int{404, 409}, s.revokeGrant)
	route(s, tag, "list-consents", "GET /v1/consents", "List what a person allowed, or what people allowed to a client",
		"One of user and client_id is needed.", []int{404, 422}, s.listConsents)
	route(s, tag, "withdraw-consent", "DELETE /v1/users/{id}/consents/{client_id}", "Forget what a person allowed to a client",
		"Grants that came of it are revoked, and the person is asked again.", []int{404, 409}, s.withdrawConsent)
}

type ofWhomInput struct {
	PageInput
	User   string `query:"user" maxLength:"255" doc:"A person's id."`
	Client string `query:"client_id" maxLength:"2048" doc:"A client's id."`
}

func (in ofWhomInput) check() error {
	if (in.User == "") == (in.Client == "") {
		return rest.Invalid("query", errors.New("must have user or client_id, and not both"))
	}
	return nil
}

func (s *service) listGrants(ctx context.Context, actor admin.Actor, in *ofWhomInput) (*listOf[admin.Grant], error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	if in.User != "" {
		return listed(s.admin.GrantsOf(ctx, actor, in.User, in.Cursor, in.Limit))
	}
	return listed(s.admin.GrantsTo(ctx, actor, in.Client, in.Cursor, in.Limit))
}

type grantInput struct {
	ID Text `path:"id"`
	ReasonInput
}

func (s *service) revokeGrant(ctx context.Context, actor admin.Actor, in *grantInput) (*nothing, error) {
	return done(s.admin.RevokeGrant(ctx, actor, admin.Parties{}, string(in.ID), in.Reason))
}

func (s *service) listConsents(ctx context.Context, actor admin.Actor, in *ofWhomInput) (*listOf[admin.Consent], error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	if in.User != "" {
		return all(s.admin.ConsentsOf(ctx, actor, in.User))
	}
	return listed(s.admin.ConsentsTo(ctx, actor, in.Client, in.Cursor, in.Limit))
}

type consentInput struct {
	AboutUser
	ClientInput
}

func (s *service) withdrawConsent(ctx context.Context, actor admin.Actor, in *consentInput) (*nothing, error) {
	return done(s.admin.WithdrawConsent(ctx, actor, string(in.AboutUser.ID), string(in.ClientInput.ID), in.Reason))
}
