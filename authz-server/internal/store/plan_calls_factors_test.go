package store

import "context"

func (s *planned) ofFactors() {
	codes := [][]byte{key(0), key(1)}
	s.add("TOTP", func(ctx context.Context) error { _, err := s.Factors.TOTP(ctx, "u1"); return err })
	s.add("BeginTOTP", func(ctx context.Context) error { return s.Factors.BeginTOTP(ctx, "u2", key(0)) })
	s.add("ConfirmTOTP", func(ctx context.Context) error {
		if err := s.Factors.BeginTOTP(ctx, "u2", key(0)); err != nil {
			return err
		}
		return s.Factors.ConfirmTOTP(ctx, "u2", key(0), key(0), 1, codes)
	})
	s.add("UseTOTP", func(ctx context.Context) error { return s.Factors.UseTOTP(ctx, "u1", key(1), 1) })
	s.add("UseRecoveryCode", func(ctx context.Context) error {
		_, err := s.Factors.UseRecoveryCode(ctx, "u1", key(1))
		return err
	})
	s.add("RecoveryCodes", func(ctx context.Context) error { _, err := s.Factors.RecoveryCodes(ctx, "u1"); return err })
	s.add("ReplaceRecoveryCodes", func(ctx context.Context) error {
		if err := s.Factors.BeginTOTP(ctx, "u2", key(0)); err != nil {
			return err
		}
		if err := s.Factors.ConfirmTOTP(ctx, "u2", key(0), key(0), 1, codes); err != nil {
			return err
		}
		return s.Factors.ReplaceRecoveryCodes(ctx, "u2", codes)
	})
	s.add("RemoveTOTP", func(ctx context.Context) error {
		if err := s.Factors.BeginTOTP(ctx, "u2", key(0)); err != nil {
			return err
		}
		if err := s.Factors.ConfirmTOTP(ctx, "u2", key(0), key(0), 1, codes); err != nil {
			return err
		}
		return s.Factors.RemoveTOTP(ctx, "u2")
	})
}
