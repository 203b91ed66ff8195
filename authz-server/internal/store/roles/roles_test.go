package roles_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/grants"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

var (
	editor = roles.Role{Resource: "user", Name: "editor"}
	reader = roles.Role{Resource: "user", Name: "reader"}
)

// define defines roles that are brought by a scope of the grants of [storetest.World.Code].
func define(t *testing.T, w *storetest.World, all ...roles.Role) {
	t.Helper()
	for _, one := range all {
		storetest.OK(t, w.Roles.Define(t.Context(), roles.Definition{Role: one, Scopes: []string{"user:read"}}))
	}
}

func group(t *testing.T, w *storetest.World, name string, has ...roles.Role) roles.Group {
	t.Helper()
	g, err := w.Roles.CreateGroup(t.Context(), roles.Group{Name: name})
	storetest.OK(t, err)
	for _, one := range has {
		storetest.OK(t, w.Roles.GiveGroup(t.Context(), g.ID, one))
	}
	return g
}

func held(t *testing.T, s *store.Store, userID string) string {
	t.Helper()
	all, err := s.Roles.Of(t.Context(), userID)
	storetest.OK(t, err)
	var names []string
	for _, one := range all {
		name := one.String()
		if one.Direct {
			name += "+"
		}
		if len(one.Groups) > 0 {
			name += "(" + strings.Join(one.Groups, " ") + ")"
		}
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

// grant gives a person's session a grant, and notes a token that is issued from it.
func grant(t *testing.T, w *storetest.World, session accounts.Session, id string) {
	t.Helper()
	c, err := w.Clients.Client(t.Context(), "app")
	storetest.OK(t, err)
	storetest.OK(t, w.Grants.CreateGrant(t.Context(), grants.Grant{ID: id, ClientID: "app", UserID: session.UserID, SessionID: session.ID,
		Scope: []string{"openid", "user:read"}, Audience: []string{"x"}, AuthTime: w.Now, CreatedAt: w.Now, ExpiresAt: w.Now.Add(time.Hour)}, &c))
	note(t, w, id, id)
}

func note(t *testing.T, w *storetest.World, id, status string) {
	t.Helper()
	storetest.OK(t, w.Grants.NoteStatus(t.Context(), id, grants.Note{Status: status, Lifetime: 10 * time.Minute}))
}

// revoked tells whether a noted token is revoked.
func revoked(t *testing.T, w *storetest.World, status string) bool {
	t.Helper()
	all, err := w.Grants.RevokedSince(t.Context(), time.Time{})
	storetest.OK(t, err)
	return slices.ContainsFunc(all, func(one grants.Revocation) bool { return slices.Contains(strings.Fields(one.Statuses), status) })
}

func TestRolesComeFromThePersonAndFromGroups(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		ctx, id := t.Context(), w.Person.ID
		define(t, w, editor, reader)
		keepers, others := group(t, w, "Keepers", editor, reader), group(t, w, "Others", reader)
		storetest.OK(t, w.Roles.Give(ctx, id, editor))
		storetest.OK(t, w.Roles.Give(ctx, id, editor)) // again
		if got := held(t, w.Store, id); got != "user/editor+" {
			t.Error(got)
		}
		storetest.OK(t, w.Roles.AddMember(ctx, keepers.ID, id))
		storetest.OK(t, w.Roles.AddMember(ctx, others.ID, id))
		if got := held(t, w.Store, id); got != "user/editor+(Keepers) user/reader(Keepers Others)" {
			t.Error(got)
		}
		if user, err := w.Users.User(ctx, id); err != nil || !slices.Equal(user.Roles, []roles.Role{editor}) {
			t.Errorf("%v are direct, %v", user.Roles, err)
		}
		storetest.OK(t, w.Roles.Take(ctx, id, editor))
		storetest.OK(t, w.Roles.RemoveMember(ctx, others.ID, id))
		if got := held(t, w.Store, id); got != "user/editor(Keepers) user/reader(Keepers)" {
			t.Error(got)
		}
		for what, err := range map[string]error{
			"taken twice":              w.Roles.Take(ctx, id, editor),
			"left twice":               w.Roles.RemoveMember(ctx, others.ID, id),
			"nobody":                   w.Roles.Give(ctx, "nobody", editor),
			"nobody joins":             w.Roles.AddMember(ctx, others.ID, "nobody"),
			"no group is joined":       w.Roles.AddMember(ctx, "none", id),
			"no group is given a role": w.Roles.GiveGroup(ctx, "none", editor),
			"a group without the role": w.Roles.TakeGroup(ctx, others.ID, editor),
		} {
			if !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s: %v", what, err)
			}
		}
		unknown := roles.Role{Resource: "board", Name: "editor"}
		for what, err := range map[string]error{
			"given": w.Roles.Give(ctx, id, unknown), "set": w.Roles.Set(ctx, id, []roles.Role{editor, unknown}),
			"given to a group": w.Roles.GiveGroup(ctx, others.ID, unknown), "removed": w.Roles.Undefine(ctx, unknown),
		} {
			if !errors.Is(err, roles.ErrUnknown) {
				t.Errorf("an unknown role is %s: %v", what, err)
			}
		}
		for what, err := range map[string]error{
			"joined twice":     w.Roles.AddMember(ctx, keepers.ID, id),
			"given twice":      w.Roles.GiveGroup(ctx, others.ID, reader),
			"defined twice":    w.Roles.Define(ctx, roles.Definition{Role: editor, Scopes: []string{"user:read"}}),
			"a name that is":   errorOf(w.Roles.CreateGroup(ctx, roles.Group{Name: "ｋeePERS"})),
			"a name of others": errorOf(w.Roles.EditGroup(ctx, others.ID, func(g *roles.Group) error { g.Name = "KEEPERS"; return nil })),
		} {
			if !errors.Is(err, store.ErrExists) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if got := held(t, w.Store, id); got != "user/editor(Keepers) user/reader(Keepers)" {
			t.Error("what failed changed something:", got)
		}
	})
}

func errorOf(_ roles.Group, err error) error { return err }

// Whichever way somebody loses a role, tokens that may say so are revoked; whoever keeps it by another
// way, keeps them.
func TestWhoeverLosesARoleLosesTheTokensThatSayIt(t *testing.T) {
	type world struct {
		*storetest.World
		group roles.Group
	}
	ways := map[string]func(ctx context.Context, w world) error{
		"set":    func(ctx context.Context, w world) error { return w.Roles.Set(ctx, w.Person.ID, nil) },
		"taken":  func(ctx context.Context, w world) error { return w.Roles.Take(ctx, w.Person.ID, editor) },
		"leaves": func(ctx context.Context, w world) error { return w.Roles.RemoveMember(ctx, w.group.ID, w.Person.ID) },
		"group":  func(ctx context.Context, w world) error { return w.Roles.RemoveGroup(ctx, w.group.ID) },
		"its role": func(ctx context.Context, w world) error {
			return w.Roles.TakeGroup(ctx, w.group.ID, editor)
		},
		"the role, direct":   func(ctx context.Context, w world) error { return w.Roles.Undefine(ctx, editor) },
		"the role, of group": func(ctx context.Context, w world) error { return w.Roles.Undefine(ctx, editor) },
	}
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		ctx, id := t.Context(), w.Person.ID
		for way, lose := range ways {
			for _, keeps := range []bool{false, true} {
				define(t, w, editor)
				g := group(t, w, way, editor)
				direct := way == "set" || way == "taken" || way == "the role, direct"
				if direct {
					storetest.OK(t, w.Roles.Give(ctx, id, editor))
				} else {
					storetest.OK(t, w.Roles.AddMember(ctx, g.ID, id))
				}
				other := group(t, w, "other "+way, editor)
				undefined := strings.HasPrefix(way, "the role")
				if keeps && !undefined {
					storetest.OK(t, w.Roles.AddMember(ctx, other.ID, id))
				}
				token := strings.ReplaceAll(fmt.Sprint(way, keeps), " ", "_")
				grant(t, w, w.Session, token)
				storetest.OK(t, lose(ctx, world{w, g}))
				if got := held(t, w.Store, id); !(keeps && !undefined) && got != "" {
					t.Errorf("%s: right afterwards, the person has %s", way, got)
				}
				_, err := w.Roles.Purge(ctx)
				storetest.OK(t, err)
				if got := revoked(t, w, token); got == (keeps && !undefined) {
					t.Errorf("%s, kept %v: revoked %v", way, keeps, got)
				}
				if got, err := w.Grants.Grant(ctx, token); err != nil || !got.Live(w.Now) {
					t.Errorf("%s: the grant has ended, %v", way, err)
				}
				for _, left := range []roles.Group{g, other} {
					if err := w.Roles.RemoveGroup(ctx, left.ID); err != nil && !errors.Is(err, store.ErrNotFound) {
						t.Fatal(err)
					}
				}
				if err := w.Roles.Undefine(ctx, editor); err != nil && !errors.Is(err, roles.ErrUnknown) {
					t.Fatal(err)
				}
				_, err = w.Roles.Purge(ctx)
				storetest.OK(t, err)
			}
		}
	})
}

// The release before reads the board's roles in the account's row.
func TestTheReleaseBeforeFindsTheBoardsRoles(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		ctx, id := t.Context(), w.Person.ID
		boardEditor := roles.Role{Resource: "board", Name: "editor"}
		define(t, w, boardEditor, editor)
		finds := func(id, want string) {
			t.Helper()
			if w.Count(t, "users WHERE id = '"+id+"' AND roles = '"+want+"'") != 1 {
				t.Errorf("it does not find %q", want)
			}
		}
		storetest.OK(t, w.Roles.Set(ctx, id, []roles.Role{roles.Moderator, boardEditor, editor}))
		finds(id, "editor moderator")
		storetest.OK(t, w.Roles.Take(ctx, id, roles.Moderator))
		finds(id, "editor")
		storetest.OK(t, w.Roles.Undefine(ctx, boardEditor))
		_, err := w.Roles.Purge(ctx)
		storetest.OK(t, err)
		finds(id, "")
		made, err := w.Users.CreateUser(ctx, accounts.User{Email: "new@example.com", Roles: []roles.Role{roles.Moderator}})
		storetest.OK(t, err)
		finds(made.ID, "moderator")
		if _, err := w.Users.CreateUser(ctx, accounts.User{Email: "n@example.com", Roles: []roles.Role{boardEditor}}); !errors.Is(err, roles.ErrUnknown) {
			t.Error(err)
		}
		if _, err := w.Users.UserByEmail(ctx, "n@example.com"); !errors.Is(err, store.ErrNotFound) {
			t.Error("the account was made without its role:", err)
		}
	})
}

func TestAResourceHasSoManyRoles(t *testing.T) {
	storetest.Empty(t, func(t *testing.T, w *storetest.World) {
		for i := range roles.MaxDefinitions - 10 {
			define(t, w, roles.Role{Resource: "user", Name: fmt.Sprint("first", i)})
		}
		made := storetest.Winners(t, func(ctx context.Context, i int) (bool, error) {
			err := w.Roles.Define(ctx, roles.Definition{Role: roles.Role{Resource: "user", Name: fmt.Sprint("r", i)}, Scopes: []string{"a"}})
			if errors.Is(err, roles.ErrFull) {
				return false, nil
			}
			return err == nil, err
		})
		if made != 10 {
			t.Errorf("%d of 10 places were taken", made)
		}
		define(t, w, roles.Role{Resource: "other", Name: "r"})
		if err := w.Roles.Undefine(t.Context(), roles.Moderator); !errors.Is(err, roles.ErrBuiltin) {
			t.Error(err)
		}
		var all []roles.Definition
		for {
			var last roles.Role
			if n := len(all); n > 0 {
				last = all[n-1].Role
			}
			page, err := w.Roles.Definitions(t.Context(), last, 7)
			storetest.OK(t, err)
			all = append(all, page...)
			if len(page) < 7 {
				break
			}
		}
		if len(all) != roles.MaxDefinitions+3 || !slices.IsSortedFunc(all, func(a, b roles.Definition) int { return roles.Compare(a.Role, b.Role) }) {
			t.Errorf("%d are listed", len(all))
		}
	})
}

func TestADefinitionIsChecked(t *testing.T) {
	for want, d := range map[string]roles.Definition{
		"":                 {Role: editor, Scopes: []string{"a"}, Description: "편집자"},
		"1 to 32":          {Role: roles.Role{Resource: "user", Name: "Editor"}, Scopes: []string{"a"}},
		"at least one":     {Role: editor},
		"not a scope of":   {Role: editor, Scopes: []string{"board:write"}},
		"there twice":      {Role: editor, Scopes: []string{"a", "a"}},
		"on one line":      {Role: editor, Scopes: []string{"a"}, Description: "a\nb"},
		"at most 200 char": {Role: editor, Scopes: []string{"a"}, Description: strings.Repeat("편", 201)},
	} {
		if err := d.Check([]string{"a", "b"}); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
	for text, want := range map[string]roles.Role{
		"moderator": roles.Moderator, "admin/admin": roles.Admin, "https://api.example/a/b/x_1": {Resource: "https://api.example/a/b", Name: "x_1"},
		"": {}, "board/": {}, "/x": {}, "a b": {}, "board/x y": {}, "board/" + strings.Repeat("x", 33): {},
	} {
		if got, err := roles.Parse(text); got != want || (err == nil) != (want.Name != "") {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
	for name, good := range map[string]bool{"관리자": true, "": false, " a": false, "a\u200b": false, "a\x00": false, strings.Repeat("x", 201): false} {
		if err := (roles.Group{Name: name}).Check(); (err == nil) != good {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestMembersAndGroupsAreListedByPages(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		ctx := t.Context()
		define(t, w, editor)
		g := group(t, w, "all", editor)
		for i := range 12 {
			storetest.OK(t, w.Roles.AddMember(ctx, g.ID, w.Another(t, fmt.Sprintf("p%d@example.com", i)).ID))
			one := group(t, w, fmt.Sprint("g", i))
			storetest.OK(t, w.Roles.AddMember(ctx, one.ID, w.Person.ID))
		}
		count := func(key func(after string, limit int) (int, string, error)) (n int) {
			t.Helper()
			for after := ""; ; {
				got, last, err := key(after, 5)
				storetest.OK(t, err)
				n += got
				if got < 5 {
					return n
				}
				after = last
			}
		}
		if n := count(func(after string, limit int) (int, string, error) {
			page, err := w.Roles.Members(ctx, g.ID, after, limit)
			return len(page), slices.Max(append(page, "")), err
		}); n != 12 {
			t.Errorf("%d members", n)
		}
		if n := count(func(after string, limit int) (int, string, error) {
			page, err := w.Roles.Groups(ctx, after, limit)
			return len(page), page[len(page)-1].Key, err
		}); n != 13 {
			t.Errorf("%d groups", n)
		}
		if n := count(func(after string, limit int) (int, string, error) {
			page, err := w.Roles.GroupsOf(ctx, w.Person.ID, after, limit)
			return len(page), page[len(page)-1].ID, err
		}); n != 12 {
			t.Errorf("%d groups of the person", n)
		}
		changed, err := w.Roles.EditGroup(ctx, g.ID, func(g *roles.Group) error { g.Name, g.ExternalID = "모두", "dir-1"; return nil })
		storetest.OK(t, err)
		found, err := w.Roles.GroupsByExternalID(ctx, "dir-1", 2)
		if err != nil || len(found) != 1 || found[0].Name != "모두" || found[0].Version <= g.Version || found[0].Version != changed.Version {
			t.Errorf("%+v %v", found, err)
		}
		if named, err := w.Roles.GroupNamed(ctx, "모두"); err != nil || named.ID != g.ID {
			t.Error(named, err)
		}
	})
}

// Whoever names groups, such as a directory, must not be able to keep one from being removed.
func TestAGroupGoesThoughAnotherHasItsIDForAName(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		g := group(t, w, "g")
		group(t, w, g.ID)
		storetest.OK(t, w.Roles.RemoveGroup(t.Context(), g.ID))
		group(t, w, "g") // the name is free
		if _, err := w.Roles.Purge(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
