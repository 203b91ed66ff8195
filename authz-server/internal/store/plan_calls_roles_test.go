package store

import (
	"context"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/store/registry"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
)

func (s *planned) ofRoles() {
	editor := roles.Role{Resource: "board", Name: "r1"}
	s.add("Set", func(ctx context.Context) error { return s.Roles.Set(ctx, "u1", []roles.Role{editor}) })
	s.add("Give", func(ctx context.Context) error { return s.Roles.Give(ctx, "u2", editor) })
	s.add("Take", func(ctx context.Context) error { return s.Roles.Take(ctx, "u3", roles.Moderator) })
	s.add("Of", func(ctx context.Context) error { _, err := s.Roles.Of(ctx, "u1"); return err })
	s.add("Administers", func(ctx context.Context) error { _, err := s.Roles.Administers(ctx, "u1"); return err })
	s.add("Definition", func(ctx context.Context) error { _, err := s.Roles.Definition(ctx, editor); return err })
	s.add("Define", func(ctx context.Context) error {
		return s.Roles.Define(ctx, roles.Definition{Role: roles.Role{Resource: "user", Name: "x"}, Scopes: []string{"user:read"}})
	})
	s.add("Redefine", func(ctx context.Context) error {
		d, err := s.Roles.Definition(ctx, editor)
		if err != nil {
			return err
		}
		d.Scopes = []string{"board:read"}
		return s.Roles.Redefine(ctx, d)
	})
	s.add("Definitions", func(ctx context.Context) error { _, err := s.Roles.Definitions(ctx, editor, 10); return err })
	s.add("CreateGroup", func(ctx context.Context) error {
		_, err := s.Roles.CreateGroup(ctx, roles.Group{Name: "new"})
		return err
	})
	s.add("Group", func(ctx context.Context) error { _, err := s.Roles.Group(ctx, "q1"); return err })
	s.add("GroupNamed", func(ctx context.Context) error { _, err := s.Roles.GroupNamed(ctx, "q1"); return err })
	s.add("GroupsByExternalID", func(ctx context.Context) error { _, err := s.Roles.GroupsByExternalID(ctx, "q1", 2); return err })
	s.add("Groups", func(ctx context.Context) error { _, err := s.Roles.Groups(ctx, "q5", 100); return err })
	s.add("GroupsOf", func(ctx context.Context) error { _, err := s.Roles.GroupsOf(ctx, "u1", "q5", 100); return err })
	s.add("Administrators", func(ctx context.Context) error { _, err := s.Roles.Administrators(ctx, 50); return err })
	s.add("GroupsWith", func(ctx context.Context) error { _, err := s.Roles.GroupsWith(ctx, editor, 100); return err })
	s.add("EditGroup", func(ctx context.Context) error {
		_, err := s.Roles.EditGroup(ctx, "q1", func(g *roles.Group) error { g.Name = "other"; return nil })
		return err
	})
	s.add("AddMember", func(ctx context.Context) error { return s.Roles.AddMember(ctx, "q600", "u1") })
	s.add("RemoveMember", func(ctx context.Context) error { return s.Roles.RemoveMember(ctx, "q1", "u1") })
	s.add("Members", func(ctx context.Context) error { _, err := s.Roles.Members(ctx, "q1", "u5", 100); return err })
	s.add("GiveGroup", func(ctx context.Context) error { return s.Roles.GiveGroup(ctx, "q1", roles.Admin) })
	s.add("TakeGroup", func(ctx context.Context) error { return s.Roles.TakeGroup(ctx, "q1", editor) })
	s.add("GroupRoles", func(ctx context.Context) error { _, err := s.Roles.GroupRoles(ctx, "q2"); return err })
	s.add("RemoveGroup", func(ctx context.Context) error { return s.Roles.RemoveGroup(ctx, "q2") })
	s.add("Undefine", func(ctx context.Context) error {
		return s.Roles.Undefine(ctx, roles.Role{Resource: "board", Name: "r2"})
	})
	s.add("Ungranted", func(ctx context.Context) error {
		_, err := s.Roles.Ungranted(ctx, "u1", []string{"admin:read"})
		return err
	})
	// Of resources there are at most 200, and All reads all of them.
	s.add("Create", func(ctx context.Context) error {
		err := s.Resources.Create(ctx, registry.Resource{Resource: client.Resource{Name: "x", ID: "https://x.example", Scopes: []string{"x"}}}, nil)
		if err != nil {
			return err
		}
		return s.Resources.Remove(ctx, "x")
	})
	s.add("Update", func(ctx context.Context) error {
		err := s.Resources.Create(ctx, registry.Resource{Resource: client.Resource{Name: "y", ID: "https://y.example", Scopes: []string{"y"}}}, nil)
		if err != nil {
			return err
		}
		return s.Resources.Update(ctx, registry.Resource{Resource: client.Resource{Name: "y", ID: "https://z.example", Scopes: []string{"y"}}, Version: 1}, nil)
	})
	// Of marks there are as many as operators write, and All reads all of them.
	s.add("Mark", func(ctx context.Context) error {
		if err := s.Applied.Begin(ctx); err != nil {
			return err
		}
		return s.Applied.Mark(ctx, registry.Mark{Kind: "clients", Name: "x", Configuration: "default"})
	})
	s.add("Begin", func(ctx context.Context) error { return s.Applied.Begin(ctx) })
	s.add("All", func(ctx context.Context) error { _, err := s.Applied.All(ctx); return err })
	s.late("Forget", func(ctx context.Context) error { return s.Applied.Forget(ctx, "clients", "x") })
	s.add("Strays", func(ctx context.Context) error {
		_, err := s.Resources.Strays(ctx, registry.Resource{Resource: client.Resource{Name: "board"}})
		return err
	})
	s.add("All", func(ctx context.Context) error { _, err := s.Resources.All(ctx); return err })
	s.add("Purge", func(ctx context.Context) error {
		for _, begin := range []func() error{
			func() error { return s.Roles.Give(ctx, "u2", editor) }, func() error { return s.Roles.TakeGroup(ctx, "q1", editor) },
			func() error { return s.Roles.RemoveGroup(ctx, "q2") }, func() error { return s.Roles.Undefine(ctx, editor) },
		} {
			if err := begin(); err != nil {
				return err
			}
		}
		_, err := s.Roles.Purge(ctx)
		return err
	})
	s.add("Purge", func(ctx context.Context) error { // of a scope that brings a role no more
		d, err := s.Roles.Definition(ctx, editor)
		if err != nil {
			return err
		}
		d.Scopes = []string{"board:read"}
		if err := s.Roles.Redefine(ctx, d); err != nil {
			return err
		}
		_, err = s.Roles.Purge(ctx)
		return err
	})
}
