package adminpages

import (
	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/guard"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/profile"
	"github.com/maru-auth/maru/authz-server/internal/store"
)

// personDeed is a deed about a person: it is called by name in messages.AdminPeople, and asks for a
// reason.
type personDeed struct {
	name, path string // below /admin/users/{id}
	danger     bool
	inputs     func(v *visit, a admin.Account) ([]input, error)
	facts      func(v *visit, a admin.Account) []fact
	do         func(v *visit, id, reason string) error
	problems   []translation
}

// personDeeds adds what can be done to a person.
func (a *Administration) personDeeds(r *mux.Router) {
	for _, d := range []personDeed{
		{name: "disable", path: "disable", danger: true, do: func(v *visit, id, reason string) error {
			return v.Admin.DisablePerson(v.r.Context(), v.actor, id, reason)
		}},
		{name: "enable", path: "enable", do: func(v *visit, id, reason string) error {
			return v.Admin.EnablePerson(v.r.Context(), v.actor, id, reason)
		}},
		{name: "roles", path: "roles", inputs: personRoles, do: setRoles},
		{name: "join", path: "join", inputs: groupToJoin, do: func(v *visit, id, reason string) error {
			if v.typed.Get("group") == "" {
				return guard.FormError{"group": messages.NothingChosen}
			}
			return v.Admin.Join(v.r.Context(), v.actor, v.typed.Get("group"), id, reason)
		}},
		{name: "sessions", path: "sessions", danger: true, do: func(v *visit, id, reason string) error {
			return v.Admin.EndSessions(v.r.Context(), v.actor, id, reason)
		}},
		{name: "session", path: "sessions/{session}", danger: true, facts: aFact("session", "session"), do: func(v *visit, id, reason string) error {
			return v.Admin.EndSession(v.r.Context(), v.actor, id, v.in("session"), reason)
		}},
		{name: "factors", path: "factors", danger: true, do: func(v *visit, id, reason string) error {
			return v.Admin.RemoveFactors(v.r.Context(), v.actor, id, reason)
		}},
		{name: "passkey", path: "passkeys/{passkey}", danger: true, facts: aFact("passkey", "passkey"), do: func(v *visit, id, reason string) error {
			return v.Admin.RemovePasskey(v.r.Context(), v.actor, id, v.in("passkey"), reason)
		}},
		{name: "reset_mail", path: "reset-mail", do: func(v *visit, id, reason string) error {
			return v.Admin.SendReset(v.r.Context(), v.actor, id, reason)
		}},
		{name: "unlock", path: "unlock", do: func(v *visit, id, reason string) error {
			_, err := v.Admin.Unlock(v.r.Context(), v.actor, id, reason)
			return err
		}},
		{name: "email", path: "email", inputs: newAddress, do: setAddress, problems: []translation{
			{is: store.ErrExists, field: "email", problem: messages.AdminAddressTaken},
		}},
		{name: "grant", path: "grants/{grant}", danger: true, facts: aFact("grant", "grant"), do: endGrant},
		{name: "delete", path: "delete", danger: true, inputs: howToDelete, do: deletePerson},
		{name: "keep", path: "keep", do: func(v *visit, id, reason string) error {
			return v.Admin.KeepPerson(v.r.Context(), v.actor, id, reason)
		}},
		{name: "consent", path: "consent", danger: true, inputs: consentOf, do: func(v *visit, id, reason string) error {
			return v.Admin.WithdrawConsent(v.r.Context(), v.actor, id, v.typed.Get("client"), reason)
		}},
	} {
		a.change(r, d.deed())
	}
	a.change(r, deed{path: "/admin/users/{id}/profile", most: 64 << 10, form: profileForm, do: saveProfile})
	a.view(r, "/admin/users/{id}/reset-link", (*visit).resetLink)
}

// deed is d with the page that it has.
func (d personDeed) deed() deed {
	return deed{
		path: "/admin/users/{id}/" + d.path, problems: d.problems,
		form: func(v *visit) (form, error) { return d.form(v) },
		do: func(v *visit) (outcome, error) {
			reason, err := v.reason(true)
			if err == nil {
				err = d.do(v, v.in("id"), reason)
			}
			if err != nil {
				return outcome{}, err
			}
			return done("/admin/users/"+v.in("id"), d.name)
		},
	}
}

func (d personDeed) form(v *visit) (form, error) {
	of, err := v.Admin.Find(v.r.Context(), v.actor, v.in("id"))
	if err != nil {
		return form{}, err
	}
	f := personForm(v, of, d.name)
	f.Danger = d.danger
	if d.facts != nil {
		f.Facts = d.facts(v, of)
	}
	if d.inputs != nil {
		if f.Inputs, err = d.inputs(v, of); err != nil {
			return f, err
		}
	}
	f.Inputs = append(f.Inputs, v.reasonInput(true))
	return f, nil
}

// personForm is what the pages of all deeds about a person have.
func personForm(v *visit, of admin.Account, name string) form {
	words := v.t.Admin.People
	f := form{
		Title: words.Deeds[name], Subject: subjectOf(of.Name, of.Email), Intro: []string{words.DeedIntros[name]}, Button: words.Deeds[name],
		Back: "/admin/users/" + of.ID,
	}
	switch {
	case of.ID == v.session.UserID:
		f.Intro = append([]string{words.Self}, f.Intro...)
	case hasAdmin(of.Roles):
		f.Intro = append([]string{words.Administrators}, f.Intro...)
	}
	return f
}

// subjectOf is a person in a line.
func subjectOf(name, email string) string {
	if name == "" {
		return email
	}
	return name + " · " + email
}

// aFact shows a variable of the path.
func aFact(label, variable string) func(v *visit, a admin.Account) []fact {
	return func(v *visit, _ admin.Account) []fact {
		return []fact{{v.t.Admin.People.Labels[label], v.in(variable)}}
	}
}

func personRoles(v *visit, a admin.Account) ([]input, error) {
	boxes, err := v.roleBoxes("roles", a.Roles)
	boxes.Hint = v.t.Admin.People.Hints["roles"]
	return []input{boxes}, err
}

func setRoles(v *visit, id, reason string) error {
	all, err := v.typedRoles("roles")
	if err == nil {
		_, err = v.Admin.SetRoles(v.r.Context(), v.actor, id, all, reason)
	}
	return err
}

// groupToJoin is the groups to choose from, the first 500 by their names. The page of a group takes
// in people by their address.
func groupToJoin(v *visit, _ admin.Account) ([]input, error) {
	groups, err := v.Admin.Groups(v.r.Context(), v.actor, "", admin.PageLimit)
	in := input{Kind: "select", Name: "group", Label: v.t.Admin.People.Labels["group"], Needed: true, Options: []choice{{Label: "—"}}}
	for _, g := range groups.Items {
		in.Options = append(in.Options, choice{Value: g.ID, Label: g.Name, Chosen: g.ID == v.value("group", v.asked("group"))})
	}
	return []input{in}, err
}

func newAddress(v *visit, a admin.Account) ([]input, error) {
	words := v.t.Admin.People.Labels
	return []input{
		{Kind: "email", Name: "email", Label: words["email"], Value: v.value("email", a.Email), Needed: true},
		{Kind: "check", Name: "verified", Label: words["verified"], Ticked: v.ticked("verified", a.EmailVerified)},
	}, nil
}

func setAddress(v *visit, id, reason string) error {
	email, problem := profile.Email(v.typed.Get("email"))
	if problem != "" {
		return guard.FormError{"email": problem}
	}
	return v.Admin.SetEmail(v.r.Context(), v.actor, id, email, v.typed.Has("verified"), reason)
}

// endGrant ends a grant of this person alone: its page is about them.
func endGrant(v *visit, id, reason string) error {
	return v.Admin.RevokeGrantOf(v.r.Context(), v.actor, id, v.in("grant"), reason)
}

// consentOf names the app in a field, for its id can be an address.
func consentOf(v *visit, _ admin.Account) ([]input, error) {
	return []input{{Kind: "text", Name: "client", Label: v.t.Admin.People.Labels["app"], Value: v.value("client", v.asked("client")), Needed: true, Inexact: true}}, nil
}

func howToDelete(v *visit, a admin.Account) ([]input, error) {
	words := v.t.Admin.People
	when := v.value("when", "later")
	return []input{
		{Kind: "radios", Name: "when", Label: words.DeleteWhen, Needed: true, Options: []choice{
			{Value: "later", Label: words.DeleteLater, Chosen: when != "now"}, {Value: "now", Label: words.DeleteNow, Chosen: when == "now"},
		}},
		{Kind: "check", Name: "posts", Label: words.DeletePosts, Ticked: v.ticked("posts", a.DeletePosts)},
	}, nil
}

func deletePerson(v *visit, id, reason string) error {
	posts := v.typed.Has("posts")
	_, err := v.Admin.DeletePerson(v.r.Context(), v.actor, id, admin.DeletionWish{Now: v.typed.Get("when") == "now", Posts: &posts}, reason)
	return err
}

// GET /admin/users/{id}/reset-link: by which command an operator at the server makes a link. Nobody
// gets one over the web: whoever has it can take the account.
func (v *visit) resetLink() error {
	of, err := v.Admin.Find(v.r.Context(), v.actor, v.in("id"))
	if err != nil {
		return err
	}
	f := personForm(v, of, "reset_link")
	f.Button, f.Code = "", "authz-server user reset-link "+of.ID+" --reason …"
	return v.show("deed", f)
}
