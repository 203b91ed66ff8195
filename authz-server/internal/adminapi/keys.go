package adminapi

import (
	"context"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/internal/rest"
)

func (s *service) keyRoutes() {
	const tag = "keys"
	route(s, tag, "list-keys", "GET /v1/keys", "List the signing keys", "Without their private halves.", nil, s.listKeys)
	route(s, tag, "rotate-keys", "POST /v1/keys", "Make the next signing keys",
		"They are published first, and take over when all caches know them; or at once.", []int{409}, s.rotateKeys)
	route(s, tag, "withdraw-key", "DELETE /v1/keys/{kid}", "Withdraw a key that somebody else may have",
		"Nothing that it signed is good any more: see 'authz-server keys withdraw --help'.", []int{404}, s.withdrawKey)
}

func (s *service) listKeys(ctx context.Context, actor admin.Actor, _ *struct{}) (*listOf[keys.State], error) {
	return all(s.admin.Keys(ctx, actor))
}

type rotateInput struct {
	rest.CreateInput
	Body struct {
		Reason
		Algs        []string `json:"algs,omitempty" maxItems:"10" enum:"RS256,ES256,PS256,EdDSA,Ed25519" doc:"Of these algorithms. Absent: of all."`
		Immediately bool     `json:"immediately,omitempty" doc:"They take over at once: services that cache the key set refuse tokens until they ask again."`
	}
}

func (s *service) rotateKeys(ctx context.Context, actor admin.Actor, in *rotateInput) (*listOf[keys.State], error) {
	b := in.Body
	if _, err := once(ctx, s, in.CreateInput, "rotate-keys", b, func(ctx context.Context) (nothing, error) {
		return nothing{}, s.admin.RotateKeys(ctx, actor, b.Immediately, b.Algs, b.Reason.Reason)
	}, func(made string) (none nothing, err error) {
		if made == admin.RotatedInPart { // as it was answered then
			err = keys.ErrPending
		}
		return none, err
	}); err != nil {
		return nil, err
	}
	return all(s.admin.Keys(ctx, actor))
}

type withdrawKeyInput struct {
	KID Text `path:"kid"`
	ReasonInput
	Missing bool `query:"missing" doc:"Withdraw also a key that this database does not have: one that is younger than a restored backup."`
}

func (s *service) withdrawKey(ctx context.Context, actor admin.Actor, in *withdrawKeyInput) (*nothing, error) {
	if !keys.IsKID(string(in.KID)) {
		return nil, keys.ErrUnknown
	}
	return done(s.admin.WithdrawKeys(ctx, actor, keys.Withdrawal{KIDs: []string{string(in.KID)}, Reason: in.Reason, Missing: in.Missing}))
}
