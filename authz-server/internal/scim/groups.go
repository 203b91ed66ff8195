package scim

import (
	"net/http"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/admin/provisioning"
	"github.com/maru-auth/maru/authz-server/internal/scim/language"
)

func (s *Server) groupDoc(g provisioning.Group) map[string]any {
	doc := map[string]any{
		"schemas": []any{groups.Schema}, "id": g.ID, "displayName": g.Name,
		"meta": s.meta(groups, g.ID, g.CreatedAt, g.UpdatedAt, g.Version),
	}
	if g.ExternalID != "" {
		doc["externalId"] = g.ExternalID
	}
	if g.Members != nil {
		members := make([]any, len(g.Members))
		for i, one := range g.Members {
			members[i] = map[string]any{"value": one.ID, "display": one.Email, "type": "User", "$ref": s.location(users, one.ID)}
		}
		doc["members"] = members
	}
	return doc
}

var membersAttribute = groups.Attribute("members")

// memberIDs reads the ids of members. Groups cannot be members.
func memberIDs(value any) (ids []string, err error) {
	for _, one := range language.ValuesOf(value) {
		parts, ok := one.(map[string]any)
		if !ok {
			return nil, bad(language.InvalidValue, "members must be a list of objects.")
		}
		id, ok := parts["value"].(string)
		if !ok || id == "" {
			return nil, bad(language.InvalidValue, "A member must have a value: the id of an account.")
		}
		if kind, given := parts["type"].(string); given && !language.SameName(kind, "User") {
			return nil, bad(language.InvalidValue, "Only people can be members: groups in groups are not supported.")
		}
		ids = append(ids, id)
	}
	if len(ids) > provisioning.MaxMembers {
		return nil, provisioning.ErrTooMany
	}
	return ids, nil
}

// readGroup reads the whole of a group.
func readGroup(w http.ResponseWriter, r *http.Request) (edit provisioning.GroupEdit, err error) {
	doc, err := readResource(groups, w, r, MaxGroup)
	if err != nil {
		return edit, err
	}
	return wholeGroup(doc)
}

// wholeGroup is the change that makes a group what a resource says.
func wholeGroup(doc map[string]any) (edit provisioning.GroupEdit, err error) {
	r := &reader{doc: doc}
	name, externalID := r.text(doc, "displayName"), r.text(doc, "externalId")
	if r.err == nil && name == "" {
		r.wrong("displayName", "given")
	}
	if r.err != nil {
		return edit, r.err
	}
	ids, err := memberIDs(doc["members"])
	edit = provisioning.GroupEdit{Name: &name, ExternalID: &externalID, Members: map[string]bool{}, Exactly: true}
	for _, id := range ids {
		edit.Members[id] = true
	}
	return edit, err
}

// patchedGroup is the change that a patch makes. It depends on nothing that the group is, so that
// nobody has to read 10,000 members to add one.
func patchedGroup(patch []language.Operation) (edit provisioning.GroupEdit, err error) {
	edit.Members = map[string]bool{}
	for i := range patch {
		o := &patch[i]
		if o.Path.Attr == membersAttribute {
			err = changeMembers(o, &edit)
		} else {
			err = changeGroup(o, &edit)
		}
		if err != nil {
			return edit, err
		}
	}
	return edit, nil
}

func changeGroup(o *language.Operation, edit *provisioning.GroupEdit) error {
	value, ok := o.Value.(string)
	if o.Op == "remove" {
		value = ""
	} else if !ok {
		return bad(language.InvalidValue, o.Path.Attr.Name+" must be a text.")
	}
	switch o.Path.Attr.Name {
	case "displayName":
		edit.Name = &value
	case "externalId":
		edit.ExternalID = &value
	}
	return nil
}

// changeMembers adds what an operation on members does to what those before it do.
func changeMembers(o *language.Operation, edit *provisioning.GroupEdit) error {
	if o.Path.Sub != nil && o.Path.Sub.Name != "value" || o.Path.Filter != nil && o.Op != "remove" {
		return bad(language.Mutability, "The parts of a member cannot change: remove one member, and add another.")
	}
	if o.Path.Sub != nil && o.Path.Filter == nil {
		return bad(language.InvalidPath, "A path to members is members, or members[value eq \"…\"].")
	}
	if o.Path.Filter != nil {
		ids, ok := o.Path.Filter.Named("value")
		if !ok {
			return bad(language.InvalidFilter, `Members are chosen by value eq "…", and by several of these joined with or.`)
		}
		for _, id := range ids {
			edit.Members[id] = false
		}
		return nil
	}
	ids, err := memberIDs(o.Value)
	if err != nil {
		return err
	}
	if o.Op == "replace" || o.Op == "remove" && !o.Given {
		edit.Exactly = true
		clear(edit.Members)
	}
	for _, id := range ids {
		edit.Members[id] = o.Op != "remove"
	}
	return nil
}

func (s *Server) createGroup(w http.ResponseWriter, r *http.Request, actor admin.Actor) error {
	shown, err := shownOf(groups, r)
	if err != nil {
		return err
	}
	edit, err := readGroup(w, r)
	if err != nil {
		return err
	}
	made, err := s.cfg.Operations.CreateGroup(r.Context(), actor, edit, reason)
	if err != nil {
		return err
	}
	return s.writeGroup(w, r, actor, http.StatusCreated, &shown, made)
}

// writeGroup answers with a group, and its members if they are to be shown.
func (s *Server) writeGroup(
	w http.ResponseWriter, r *http.Request, actor admin.Actor, status int, shown *language.Selection,
	g provisioning.Group,
) (err error) {
	if shown.Has(membersAttribute) && g.Members == nil {
		if g, err = s.cfg.Operations.Group(r.Context(), actor, g.ID, true); err != nil {
			return err
		}
	}
	s.writeResource(w, r, status, shown, s.groupDoc(g))
	return nil
}

func (s *Server) group(w http.ResponseWriter, r *http.Request, actor admin.Actor) error {
	shown, err := shownOf(groups, r)
	if err != nil {
		return err
	}
	g, err := s.cfg.Operations.Group(r.Context(), actor, idOf(r), shown.Has(membersAttribute))
	if err != nil {
		return err
	}
	s.writeResource(w, r, http.StatusOK, &shown, s.groupDoc(g))
	return nil
}

// chooseGroups says how to go through the groups of a list.
func (s *Server) chooseGroups(r *http.Request, actor admin.Actor, p *part) error {
	of, err := groupsOf(p.filter)
	p.walk = func(after string, each func(map[string]any, string) bool) error {
		return s.cfg.Operations.WalkGroups(r.Context(), actor, of, after, func(g provisioning.Group, cursor string) bool {
			return each(s.groupDoc(g), cursor)
		})
	}
	p.ids = func(most int) ([]string, error) { return s.cfg.Operations.GroupIDs(r.Context(), actor, most) }
	return err
}

// addMembers looks up the members of the groups of a page, if they are to be shown. A page has only so
// many of them: it is shorter than asked for if need be (RFC 7644 §3.4.2.4 lets it).
func (s *Server) addMembers(r *http.Request, actor admin.Actor, page *found, byCursor bool) error {
	total := 0
	for i, one := range page.items {
		if one.of.kind != groups || !one.of.shown.Has(membersAttribute) {
			continue
		}
		id, _ := one.doc["id"].(string)
		g, err := s.cfg.Operations.Group(r.Context(), actor, id, true)
		if err != nil {
			return err
		}
		if total += len(g.Members); total > provisioning.MaxMembers && i > 0 {
			if page.items = page.items[:i]; byCursor {
				page.next = page.items[i-1].place
			}
			return nil
		}
		page.items[i].doc = s.groupDoc(g)
	}
	return nil
}

func (s *Server) replaceGroup(w http.ResponseWriter, r *http.Request, actor admin.Actor) error {
	edit, err := readGroup(w, r)
	if err != nil {
		return err
	}
	return s.editGroup(w, r, actor, edit)
}

// patchGroup answers without a body, unless the request says which attributes it wants (RFC 7644
// §3.5.2).
func (s *Server) patchGroup(w http.ResponseWriter, r *http.Request, actor admin.Actor) error {
	body, err := readBody(w, r, MaxGroup)
	if err != nil {
		return err
	}
	patch, err := groups.Patch(body)
	if err != nil {
		return err
	}
	edit, err := patchedGroup(patch)
	if err != nil {
		return err
	}
	return s.editGroup(w, r, actor, edit)
}

func (s *Server) editGroup(
	w http.ResponseWriter, r *http.Request, actor admin.Actor, edit provisioning.GroupEdit,
) error {
	shown, err := shownOf(groups, r)
	if err != nil {
		return err
	}
	version, err := ifMatch(r)
	if err != nil {
		return err
	}
	g, err := s.cfg.Operations.EditGroup(r.Context(), actor, idOf(r), version, edit, reason)
	if err != nil {
		return err
	}
	if r.Method == http.MethodPatch && shown.Everything() {
		w.Header().Set("ETag", `W/"`+g.Version+`"`)
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return s.writeGroup(w, r, actor, http.StatusOK, &shown, g)
}

func (s *Server) deleteGroup(w http.ResponseWriter, r *http.Request, actor admin.Actor) error {
	version, err := ifMatch(r)
	if err != nil {
		return err
	}
	if err := s.cfg.Operations.RemoveGroup(r.Context(), actor, idOf(r), version, reason); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
