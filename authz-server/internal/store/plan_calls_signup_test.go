package store

import (
	"context"

	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
)

func (s *planned) ofSignup() {
	s.add("CreateInvitation", func(ctx context.Context) error {
		_, _, err := s.Invitations.CreateInvitation(ctx, accounts.Invitation{ExpiresAt: soon})
		return err
	})
	s.late("InvitationOf", func(ctx context.Context) error { _, err := s.Invitations.InvitationOf(ctx, "x"); return err })
	s.late("Invitation", func(ctx context.Context) error { _, err := s.Invitations.Invitation(ctx, "x"); return err })
	s.late("SpendInvitation", func(ctx context.Context) error {
		in, _, err := s.Invitations.CreateInvitation(ctx, accounts.Invitation{Roles: []roles.Role{roles.Admin}, MadeBy: "u1", ExpiresAt: soon})
		if err == nil {
			_, err = s.Invitations.SpendInvitation(ctx, in.ID, "u1", "e")
		}
		return err // u1 is no administrator
	})
	s.add("ListInvitations", func(ctx context.Context) error { _, err := s.Invitations.ListInvitations(ctx, "i5", 500); return err })
	s.add("RevokeInvitation", func(ctx context.Context) error { _, err := s.Invitations.RevokeInvitation(ctx, "i1"); return err })
	s.add("RevokeNoted", func(ctx context.Context) error { _, err := s.Invitations.RevokeNoted(ctx, "note"); return err })
	s.add("Agree", func(ctx context.Context) error {
		return s.Agreements.Agree(ctx, accounts.Agreement{UserID: "u1", Version: "2"})
	})
	s.add("AgreementsOf", func(ctx context.Context) error { _, err := s.Agreements.AgreementsOf(ctx, "u1"); return err })
	s.add("Agreed", func(ctx context.Context) error { _, err := s.Agreements.Agreed(ctx, "u1", "1"); return err })
}
