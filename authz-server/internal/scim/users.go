package scim

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/admin/provisioning"
	"github.com/maru-auth/maru/authz-server/internal/scim/language"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
)

// userDoc is a person as a resource.
func (s *Server) userDoc(p provisioning.Person) map[string]any {
	doc := map[string]any{
		"schemas": []any{users.Schema}, "id": p.ID, "userName": p.Email, "displayName": p.Name, "active": !p.Disabled,
		"emails": []any{map[string]any{"value": p.Email, "type": "work", "primary": true}},
		"meta":   s.meta(users, p.ID, p.CreatedAt, p.UpdatedAt, p.Version),
	}
	put := func(into map[string]any, name, value string) {
		if value != "" {
			into[name] = value
		}
	}
	name := map[string]any{"formatted": p.Name}
	put(name, "givenName", p.Claims.GivenName)
	put(name, "familyName", p.Claims.FamilyName)
	put(name, "middleName", p.Claims.MiddleName)
	doc["name"] = name
	put(doc, "externalId", p.ExternalID)
	put(doc, "nickName", p.Claims.Nickname)
	put(doc, "profileUrl", p.Claims.Profile)
	put(doc, "locale", p.Locale)
	put(doc, "preferredLanguage", p.Locale)
	put(doc, "timezone", p.Claims.Zoneinfo)
	one := func(name string, parts map[string]any) {
		if len(parts) > 0 {
			parts["type"], parts["primary"] = "work", true
			doc[name] = []any{parts}
		}
	}
	phone, photo, address := map[string]any{}, map[string]any{}, map[string]any{}
	put(phone, "value", p.Claims.PhoneNumber)
	put(photo, "value", p.Claims.Picture)
	for name, value := range partsOf(&p.Claims.Address) {
		put(address, name, *value)
	}
	one("phoneNumbers", phone)
	one("photos", photo)
	one("addresses", address)
	var in, has []any
	for _, g := range p.Groups {
		in = append(in, map[string]any{"value": g.ID, "display": g.Name, "type": "direct", "$ref": s.location(groups, g.ID)})
	}
	for _, r := range p.Roles {
		has = append(has, map[string]any{"value": r.String()})
	}
	if in != nil {
		doc["groups"] = in
	}
	if has != nil {
		doc["roles"] = has
	}
	return doc
}

func partsOf(a *accounts.Address) map[string]*string {
	return map[string]*string{
		"formatted": &a.Formatted, "streetAddress": &a.StreetAddress, "locality": &a.Locality, "region": &a.Region,
		"postalCode": &a.PostalCode, "country": &a.Country,
	}
}

// reader reads a resource's attributes, and keeps the first error.
type reader struct {
	doc map[string]any
	err error
}

func (r *reader) wrong(name, want string) {
	if r.err == nil {
		r.err = bad(language.InvalidValue, name+" must be "+want+".")
	}
}

func (r *reader) text(from map[string]any, name string) string {
	switch v := from[name].(type) {
	case nil:
		return ""
	case string:
		return v
	}
	r.wrong(name, "a text")
	return ""
}

func (r *reader) object(name string) map[string]any {
	switch v := r.doc[name].(type) {
	case nil:
		return nil
	case map[string]any:
		return v
	}
	r.wrong(name, "an object")
	return nil
}

// one chooses the value of several that this server keeps: that of the type work, or the primary one,
// or the first.
func (r *reader) one(name string) (chosen map[string]any) {
	list, ok := r.doc[name].([]any)
	if r.doc[name] != nil && !ok {
		r.wrong(name, "a list of objects")
	}
	best := 0
	for _, one := range list {
		parts, ok := one.(map[string]any)
		if !ok {
			r.wrong(name, "a list of objects")
			return nil
		}
		rank := 1
		if primary, _ := language.BoolOf(parts["primary"]); primary {
			rank = 2
		}
		switch kind := language.Lower(r.text(parts, "type")); {
		case kind == "work":
			rank = 3
		case kind == "fax" || kind == "pager":
			rank = 0
		}
		if rank > best {
			best, chosen = rank, parts
		}
	}
	return chosen
}

// either is what of two attributes for the same thing counts: the first that is given and not what it
// was before, or else what is given.
func either(before, first, second string) string {
	switch {
	case first != "" && first != before, second == "":
		return first
	case second != before:
		return second
	}
	return before
}

// setUser changes a person to what a resource says.
func setUser(p *provisioning.Person, doc map[string]any) error {
	r := &reader{doc: doc}
	name := r.object("name")
	p.Email = r.text(doc, "userName")
	p.ExternalID = r.text(doc, "externalId")
	c := &p.Claims
	c.GivenName, c.FamilyName = r.text(name, "givenName"), r.text(name, "familyName")
	c.MiddleName = r.text(name, "middleName")
	c.Nickname, c.Profile, c.Zoneinfo = r.text(doc, "nickName"), r.text(doc, "profileUrl"), r.text(doc, "timezone")
	p.Locale = either(p.Locale, r.text(doc, "locale"), r.text(doc, "preferredLanguage"))
	p.Name = either(p.Name, r.text(doc, "displayName"), r.text(name, "formatted"))
	if p.Name == "" {
		p.Name = strings.TrimSpace(c.GivenName + " " + c.FamilyName)
	}
	if p.Name == "" {
		p.Name, _, _ = strings.Cut(p.Email, "@")
	}
	c.PhoneNumber = strings.TrimPrefix(r.text(r.one("phoneNumbers"), "value"), "tel:") // RFC 3966
	c.Picture = r.text(r.one("photos"), "value")
	address := r.one("addresses")
	for name, value := range partsOf(&c.Address) {
		*value = r.text(address, name)
	}
	if sent, ok := doc["active"]; ok {
		active, is := language.BoolOf(sent)
		if !is {
			r.wrong("active", "true or false")
		}
		p.Disabled = !active
	}
	if p.Email == "" && r.err == nil {
		r.err = bad(language.InvalidValue, "userName is required: the person's e-mail address.")
	}
	return r.err
}

func (s *Server) createUser(w http.ResponseWriter, r *http.Request, actor admin.Actor) error {
	shown, err := shownOf(users, r)
	if err != nil {
		return err
	}
	doc, err := readResource(users, w, r, maxUser)
	if err != nil {
		return err
	}
	var p provisioning.Person
	if err := setUser(&p, doc); err != nil {
		return err
	}
	made, err := s.cfg.Operations.CreatePerson(r.Context(), actor, p, reason)
	if err != nil {
		return err
	}
	s.writeResource(w, r, http.StatusCreated, &shown, s.userDoc(made))
	return nil
}

func (s *Server) user(w http.ResponseWriter, r *http.Request, actor admin.Actor) error {
	shown, err := shownOf(users, r)
	if err != nil {
		return err
	}
	p, err := s.cfg.Operations.Person(r.Context(), actor, idOf(r))
	if err != nil {
		return err
	}
	s.writeResource(w, r, http.StatusOK, &shown, s.userDoc(p))
	return nil
}

// chooseUsers says how to go through the people of a list.
func (s *Server) chooseUsers(r *http.Request, actor admin.Actor, p *part) {
	of := peopleOf(p.filter)
	p.walk = func(after string, each func(map[string]any, string) bool) error {
		return s.cfg.Operations.WalkPeople(r.Context(), actor, of, after, func(one provisioning.Person, cursor string) bool {
			return each(s.userDoc(one), cursor)
		})
	}
	p.ids = func(most int) ([]string, error) { return s.cfg.Operations.PeopleIDs(r.Context(), actor, most) }
}

// replaceUser makes a person what the body says. active stays what it is if the body does not say:
// that somebody forgot it must neither open nor close an account.
func (s *Server) replaceUser(w http.ResponseWriter, r *http.Request, actor admin.Actor) error {
	doc, err := readResource(users, w, r, maxUser)
	if err != nil {
		return err
	}
	return s.editUser(w, r, actor, func(p *provisioning.Person) error { return setUser(p, doc) })
}

func (s *Server) patchUser(w http.ResponseWriter, r *http.Request, actor admin.Actor) error {
	body, err := readBody(w, r, maxUser)
	if err != nil {
		return err
	}
	patch, err := users.Patch(body)
	if err != nil {
		return err
	}
	return s.editUser(w, r, actor, func(p *provisioning.Person) error {
		doc := s.userDoc(*p)
		for i := range patch {
			if err := patch[i].Apply(doc); err != nil {
				return err
			}
		}
		return setUser(p, doc)
	})
}

func (s *Server) editUser(
	w http.ResponseWriter, r *http.Request, actor admin.Actor, edit func(*provisioning.Person) error,
) error {
	shown, err := shownOf(users, r)
	if err != nil {
		return err
	}
	version, err := ifMatch(r)
	if err != nil {
		return err
	}
	p, err := s.cfg.Operations.EditPerson(r.Context(), actor, idOf(r), version, reason, edit)
	if err != nil {
		return err
	}
	s.writeResource(w, r, http.StatusOK, &shown, s.userDoc(p))
	return nil
}

func (s *Server) deleteUser(w http.ResponseWriter, r *http.Request, actor admin.Actor) error {
	version, err := ifMatch(r)
	if err != nil {
		return err
	}
	if err := s.cfg.Operations.RemovePerson(r.Context(), actor, idOf(r), version, reason); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// ifMatch is the version that a request wants a resource to have (RFC 7644 §3.14); empty: any.
func ifMatch(r *http.Request) (string, error) {
	switch sent := strings.TrimSpace(r.Header.Get("If-Match")); {
	case sent == "" || sent == "*":
		return "", nil
	default:
		version, ok := versionIn(sent)
		if !ok {
			return "", &problem{
				Status: http.StatusPreconditionFailed,
				Detail: fmt.Sprintf("If-Match must be one version, as meta.version has it, and not %.50q.", sent),
			}
		}
		return version, nil
	}
}

// versionIn reads one entity tag.
func versionIn(tag string) (string, bool) {
	tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
	if len(tag) < 3 || tag[0] != '"' || tag[len(tag)-1] != '"' || strings.ContainsAny(tag[1:len(tag)-1], `",`) {
		return "", false
	}
	return tag[1 : len(tag)-1], true
}
