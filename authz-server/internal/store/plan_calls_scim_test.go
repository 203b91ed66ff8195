package store

import (
	"context"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
)

func (s *planned) ofDirectories() {
	s.add("Provisioned", func(ctx context.Context) error { _, err := s.Users.Provisioned(ctx, "c1", "u1"); return err })
	s.add("Provisioned", func(ctx context.Context) error { _, err := s.Roles.Provisioned(ctx, "c1", "q1"); return err })
	for _, by := range []accounts.Listing{
		{}, {ExternalID: "same"}, {GroupID: "q1"}, {Since: time.UnixMicro(5000)}, {Beginning: "n"}, {Beginning: "u1"},
	} {
		s.add("List", func(ctx context.Context) error {
			page, err := s.Users.List(ctx, "c1", by, "", 200)
			if err == nil {
				_, err = s.Users.List(ctx, "c1", by, page[len(page)/2].Cursor, 200)
			}
			return err
		})
	}
	for _, by := range []roles.Listing{{}, {ExternalID: "same"}, {UserID: "u1"}} {
		s.add("List", func(ctx context.Context) error { _, err := s.Roles.List(ctx, "c1", by, "q10", 200); return err })
	}
	s.add("IDs", func(ctx context.Context) error { _, err := s.Users.IDs(ctx, "u5", 500); return err })
	s.add("IDs", func(ctx context.Context) error { _, err := s.Roles.IDs(ctx, "q5", 500); return err })
	s.add("OrdinaryMembers", func(ctx context.Context) error { _, err := s.Roles.OrdinaryMembers(ctx, "q1", "", 500); return err })
	s.add("IsMember", func(ctx context.Context) error { _, err := s.Roles.IsMember(ctx, "q1", "u1"); return err })
	for _, id := range []string{"", "x"} {
		s.add("SetExternalID", func(ctx context.Context) error { return s.Users.SetExternalID(ctx, "c1", "u1", id) })
		s.add("SetExternalID", func(ctx context.Context) error { return s.Roles.SetExternalID(ctx, "c1", "q1", id) })
	}
	s.add("Keeper", func(ctx context.Context) error { _, err := s.Users.Keeper(ctx, "u1"); return err })
	s.add("Keeper", func(ctx context.Context) error { _, err := s.Roles.Keeper(ctx, "q1"); return err })
	for _, client := range []string{"c2", ""} {
		s.add("SetKeeper", func(ctx context.Context) error { return s.Users.SetKeeper(ctx, client, "u1") })
		s.add("SetKeeper", func(ctx context.Context) error { return s.Roles.SetKeeper(ctx, client, "q1") })
	}
	s.add("NamesOf", func(ctx context.Context) error { _, err := s.Users.NamesOf(ctx, "u1", 100); return err })
	s.add("Touch", func(ctx context.Context) error { return s.Users.Touch(ctx, "u1", planNow) })
}
