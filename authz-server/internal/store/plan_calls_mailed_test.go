package store

import (
	"context"

	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
)

func (s *planned) ofMailed() {
	mail := accounts.Mailed{Purpose: accounts.ToReset, User: accounts.User{ID: "u1", PasswordHash: "hash"}, Email: "new"}
	s.add("AddMailed", func(ctx context.Context) error { return s.Mailed.AddMailed(ctx, mail, "link", "000000", "b") })
	s.late("MailedByLink", func(ctx context.Context) error {
		_, err := s.Mailed.MailedByLink(ctx, accounts.ToReset, "x")
		return err
	})
	s.add("MailedByLink", func(ctx context.Context) error {
		known := mail
		known.User.Key = "u1"
		if err := s.Mailed.AddMailed(ctx, known, "link", "000000", "b"); err != nil {
			return err
		}
		_, err := s.Mailed.MailedByLink(ctx, accounts.ToReset, "link")
		return err
	})
	s.add("MailedOf", func(ctx context.Context) error { _, err := s.Mailed.MailedOf(ctx, "u1"); return err })
	s.late("MailedToBrowser", func(ctx context.Context) error {
		_, err := s.Mailed.MailedToBrowser(ctx, accounts.ToReset, "x")
		return err
	})
	s.late("SpentMailed", func(ctx context.Context) error {
		_, err := s.Mailed.SpentMailed(ctx, accounts.ToReset, "x")
		return err
	})
	s.late("CountMailedTry", func(ctx context.Context) error { return s.Mailed.CountMailedTry(ctx, mail) })
	s.late("ExchangeCode", func(ctx context.Context) error { _, err := s.Mailed.ExchangeCode(ctx, mail, "b", "1"); return err })
	s.late("SpendMailed", func(ctx context.Context) error { return s.Mailed.SpendMailed(ctx, mail) })
	s.late("SpendMailed", func(ctx context.Context) error {
		return s.Mailed.SpendMailed(ctx, accounts.Mailed{Purpose: accounts.ToSignUp})
	})
	s.add("DropMailed", func(ctx context.Context) error { return s.Mailed.DropMailed(ctx, mail) })
	s.add("DropMailedOf", func(ctx context.Context) error { return s.Mailed.DropMailedOf(ctx, "u1") })
	s.add("DropSignups", func(ctx context.Context) error { return s.Mailed.DropSignups(ctx, "x1") })
	s.add("SetVerified", func(ctx context.Context) error { return s.Users.SetVerified(ctx, "u1") })
	s.add("SetEmail", func(ctx context.Context) error { return s.Users.SetEmail(ctx, "u1", "new") })
}
