package scim

import (
	"net/http"

	"github.com/maru-auth/maru/authz-server/internal/admin"
)

func (s *Server) groupDoc(g admin.ProvisionedGroup) map[string]any {
	doc := map[string]any{
		"schemas": []any{groupSchema}, "id": g.ID, "displayName": g.Name,
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

var membersAttribute = find(groups.all, "members")

// memberIDs reads the ids of members. Groups cannot be members.
func memberIDs(value any) (ids []string, err error) {
	for _, one := range valuesOf(value) {
		parts, ok := one.(map[string]any)
		if !ok {
			return nil, bad(invalidValue, "members must be a list of objects.")
		}
		id, ok := parts["value"].(string)
		if !ok || id == "" {
			return nil, bad(invalidValue, "A member must have a value: the id of an account.")
		}
		if kind, given := parts["type"].(string); given && !sameName(kind, "User") {
			return nil, bad(invalidValue, "Only people can be members: groups in groups are not supported.")
		}
		ids = append(ids, id)
	}
	if len(ids) > admin.MaxMembers {
		return nil, admin.ErrTooMany
	}
	return ids, nil
}

// wholeGroup is the change that makes a group what a resource says.
func wholeGroup(doc map[string]any) (edit admin.GroupEdit, err error) {
	r := &reader{doc: doc}
	name, externalID := r.text(doc, "displayName"), r.text(doc, "externalId")
	if r.err == nil && name == "" {
		r.wrong("displayName", "given")
	}
	if r.err != nil {
		return edit, r.err
	}
	ids, err := memberIDs(doc["members"])
	edit = admin.GroupEdit{Name: &name, ExternalID: &externalID, Members: map[string]bool{}, Exactly: true}
	for _, id := range ids {
		edit.Members[id] = true
	}
	return edit, err
}

// patchedGroup is the change that a patch makes. It depends on nothing that the group is, so that
// nobody has to read 10,000 members to add one.
func patchedGroup(patch []operation) (edit admin.GroupEdit, err error) {
	edit.Members = map[string]bool{}
	for i := range patch {
		o := &patch[i]
		if o.path.attr == membersAttribute {
			err = o.changeMembers(&edit)
		} else {
			err = o.changeGroup(&edit)
		}
		if err != nil {
			return edit, err
		}
	}
	return edit, nil
}

func (o *operation) changeGroup(edit *admin.GroupEdit) error {
	value, ok := o.value.(string)
	if o.op == "remove" {
		value = ""
	} else if !ok {
		return bad(invalidValue, o.path.attr.Name+" must be a text.")
	}
	switch o.path.attr.Name {
	case "displayName":
		edit.Name = &value
	case "externalId":
		edit.ExternalID = &value
	}
	return nil
}

// changeMembers adds what an operation on members does to what those before it do.
func (o *operation) changeMembers(edit *admin.GroupEdit) error {
	if o.path.sub != nil && o.path.sub.Name != "value" || o.path.filter != nil && o.op != "remove" {
		return bad(mutability, "The parts of a member cannot change: remove one member, and add another.")
	}
	if o.path.sub != nil && o.path.filter == nil {
		return bad(invalidPath, "A path to members is members, or members[value eq \"…\"].")
	}
	if o.path.filter != nil {
		ids, ok := o.path.filter.ids()
		if !ok {
			return bad(invalidFilter, `Members are chosen by value eq "…", and by several of these joined with or.`)
		}
		for _, id := range ids {
			edit.Members[id] = false
		}
		return nil
	}
	ids, err := memberIDs(o.value)
	if err != nil {
		return err
	}
	if o.op == "replace" || o.op == "remove" && !o.given {
		edit.Exactly = true
		clear(edit.Members)
	}
	for _, id := range ids {
		edit.Members[id] = o.op != "remove"
	}
	return nil
}

// ids are the values that a filter on members finds, if it says nothing else.
func (f *filter) ids() ([]string, bool) {
	if f.op == "or" {
		left, ok := f.left.ids()
		right, also := f.right.ids()
		return append(left, right...), ok && also
	}
	id, ok := f.value.(string)
	return []string{id}, ok && f.op == "eq" && f.of.attr.Name == "value"
}

func (s *Server) createGroup(w http.ResponseWriter, r *http.Request, actor admin.Actor) error {
	shown, err := groups.shown(r)
	if err != nil {
		return err
	}
	body, err := readBody(w, r, MaxGroup)
	if err != nil {
		return err
	}
	doc, err := groups.replaced(body)
	if err != nil {
		return err
	}
	edit, err := wholeGroup(doc)
	if err != nil {
		return err
	}
	made, err := s.cfg.Admin.ProvisionGroup(r.Context(), actor, edit, reason)
	if err != nil {
		return err
	}
	return s.writeGroup(w, r, actor, http.StatusCreated, &shown, made)
}

// writeGroup answers with a group, and its members if they are to be shown.
func (s *Server) writeGroup(w http.ResponseWriter, r *http.Request, actor admin.Actor, status int, shown *selection, g admin.ProvisionedGroup) (err error) {
	if shown.has(membersAttribute) && g.Members == nil {
		if g, err = s.cfg.Admin.ProvisionedGroup(r.Context(), actor, g.ID, true); err != nil {
			return err
		}
	}
	s.writeResource(w, r, status, shown, s.groupDoc(g))
	return nil
}

func (s *Server) group(w http.ResponseWriter, r *http.Request, actor admin.Actor) error {
	shown, err := groups.shown(r)
	if err != nil {
		return err
	}
	g, err := s.cfg.Admin.ProvisionedGroup(r.Context(), actor, idOf(r), shown.has(membersAttribute))
	if err != nil {
		return err
	}
	s.writeResource(w, r, http.StatusOK, &shown, s.groupDoc(g))
	return nil
}

func (s *Server) listGroups(w http.ResponseWriter, r *http.Request, actor admin.Actor) error {
	q, err := groups.queryOf(w, r, r.Method == http.MethodPost)
	if err != nil {
		return err
	}
	of, err := groupsOf(q.filter)
	if err != nil {
		return err
	}
	page, err := q.page(func(after string, each func(map[string]any, string) bool) error {
		return s.cfg.Admin.WalkGroups(r.Context(), actor, of, after, func(g admin.ProvisionedGroup, cursor string) bool {
			return each(s.groupDoc(g), cursor)
		})
	}, func(most int) ([]string, error) { return s.cfg.Admin.GroupIDs(r.Context(), actor, most) })
	if err != nil {
		return err
	}
	if q.shown.has(membersAttribute) {
		if err := s.addMembers(r, actor, &q, &page); err != nil {
			return err
		}
	}
	groups.writeList(w, &q, page)
	return nil
}

// addMembers looks up the members of the groups of a page. A page has only so many of them: it is
// shorter than asked for if need be (RFC 7644 §3.4.2.4 lets it).
func (s *Server) addMembers(r *http.Request, actor admin.Actor, q *query, page *found) error {
	total := 0
	for i, doc := range page.items {
		id, _ := doc["id"].(string)
		g, err := s.cfg.Admin.ProvisionedGroup(r.Context(), actor, id, true)
		if err != nil {
			return err
		}
		if total += len(g.Members); total > admin.MaxMembers && i > 0 {
			if page.items = page.items[:i]; q.byCursor {
				page.next, _ = page.items[i-1]["id"].(string)
			}
			return nil
		}
		page.items[i] = s.groupDoc(g)
	}
	return nil
}

func (s *Server) replaceGroup(w http.ResponseWriter, r *http.Request, actor admin.Actor) error {
	body, err := readBody(w, r, MaxGroup)
	if err != nil {
		return err
	}
	doc, err := groups.replaced(body)
	if err != nil {
		return err
	}
	edit, err := wholeGroup(doc)
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
	patch, err := groups.patchOf(body)
	if err != nil {
		return err
	}
	edit, err := patchedGroup(patch)
	if err != nil {
		return err
	}
	return s.editGroup(w, r, actor, edit)
}

func (s *Server) editGroup(w http.ResponseWriter, r *http.Request, actor admin.Actor, edit admin.GroupEdit) error {
	shown, err := groups.shown(r)
	if err != nil {
		return err
	}
	version, err := ifMatch(r)
	if err != nil {
		return err
	}
	g, err := s.cfg.Admin.EditProvisionedGroup(r.Context(), actor, idOf(r), version, edit, reason)
	if err != nil {
		return err
	}
	if r.Method == http.MethodPatch && shown.all && len(shown.without) == 0 {
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
	if err := s.cfg.Admin.DeprovisionGroup(r.Context(), actor, idOf(r), version, reason); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
