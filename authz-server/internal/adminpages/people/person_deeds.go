package people

import (
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/adminpages/frame"
	"github.com/maru-auth/maru/authz-server/internal/guard"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/profile"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/upstreams"
)

// personDeed is a deed about a person: it is called by name in messages.AdminPeople, and asks for a
// reason.
type personDeed struct {
	name, path string // below /admin/users/{id}
	danger     bool
	inputs     func(v *frame.Visit, a admin.Account) ([]frame.Input, error)
	facts      func(v *frame.Visit, a admin.Account) ([]frame.Fact, error)
	crowns     bool // it may make an administrator
	do         func(v *frame.Visit, id, reason string) error
	problems   []frame.Translation
}

// personDeeds adds what can be done to a person.
func personDeeds(r *frame.Routes) {
	for _, d := range []personDeed{
		{name: "disable", path: "disable", danger: true, do: func(v *frame.Visit, id, reason string) error {
			return v.Admin.DisablePerson(v.R.Context(), v.Actor, id, reason)
		}},
		{name: "enable", path: "enable", do: func(v *frame.Visit, id, reason string) error {
			return v.Admin.EnablePerson(v.R.Context(), v.Actor, id, reason)
		}},
		{name: "roles", path: "roles", crowns: true, facts: waysIn, inputs: personRoles, do: setRoles},
		{name: "join", path: "join", crowns: true, facts: waysIn, inputs: groupToJoin, do: func(v *frame.Visit, id, reason string) error {
			if v.Typed.Get("group") == "" {
				return guard.FormError{"group": messages.NothingChosen}
			}
			return v.Admin.Join(v.R.Context(), v.Actor, v.Typed.Get("group"), id, reason)
		}},
		{name: "entrust", path: "directory", inputs: personsDirectory, do: entrustPerson, problems: entrusting},
		{name: "sessions", path: "sessions", danger: true, do: func(v *frame.Visit, id, reason string) error {
			return v.Admin.EndSessions(v.R.Context(), v.Actor, id, reason)
		}},
		{name: "session", path: "sessions/{session}", danger: true, facts: aFact("session", "session"),
			do: func(v *frame.Visit, id, reason string) error {
				return v.Admin.EndSession(v.R.Context(), v.Actor, id, v.In("session"), reason)
			}},
		{name: "factors", path: "factors", danger: true, do: func(v *frame.Visit, id, reason string) error {
			return v.Admin.RemoveFactors(v.R.Context(), v.Actor, id, reason)
		}},
		{name: "passkey", path: "passkeys/{passkey}", danger: true, facts: aFact("passkey", "passkey"),
			do: func(v *frame.Visit, id, reason string) error {
				return v.Admin.RemovePasskey(v.R.Context(), v.Actor, id, v.In("passkey"), reason)
			}},
		{name: "reset_mail", path: "reset-mail", do: func(v *frame.Visit, id, reason string) error {
			return v.Admin.SendReset(v.R.Context(), v.Actor, id, reason)
		}},
		{name: "unlock", path: "unlock", do: func(v *frame.Visit, id, reason string) error {
			_, err := v.Admin.Unlock(v.R.Context(), v.Actor, id, reason)
			return err
		}},
		{name: "email", path: "email", inputs: newAddress, do: setAddress, problems: []frame.Translation{
			{Is: store.ErrExists, Field: "email", Problem: messages.AdminAddressTaken},
		}},
		{name: "grant", path: "grants/{grant}", danger: true, facts: aFact("grant", "grant"), do: endGrant},
		{name: "delete", path: "delete", danger: true, inputs: howToDelete, do: deletePerson},
		{name: "keep", path: "keep", do: func(v *frame.Visit, id, reason string) error {
			return v.Admin.KeepPerson(v.R.Context(), v.Actor, id, reason)
		}},
		{name: "consent", path: "consent", danger: true, inputs: consentOf,
			do: func(v *frame.Visit, id, reason string) error {
				return v.Admin.WithdrawConsent(v.R.Context(), v.Actor, id, v.Typed.Get("client"), reason)
			}},
	} {
		r.Change(d.deed())
	}
	r.Change(frame.Deed{Path: "/admin/users/{id}/identities/{identity}", Form: unlinkForm, Do: unlinkIdentity,
		Problems: []frame.Translation{{Is: upstreams.ErrLastWay, Field: "anyway", Problem: messages.AdminUpstreamLastWay}}})
	r.Change(frame.Deed{Path: "/admin/users/{id}/profile", Most: 64 << 10, Form: profileForm, Do: saveProfile})
	r.View("/admin/users/{id}/reset-link", showResetLink)
}

// deed is d with the page that it has.
func (d personDeed) deed() frame.Deed {
	return frame.Deed{
		Path: "/admin/users/{id}/" + d.path, Problems: d.problems,
		Form: func(v *frame.Visit) (frame.Form, error) { return d.form(v) },
		Do: func(v *frame.Visit) (frame.Outcome, error) {
			reason, err := v.Reason(true)
			if err == nil {
				err = d.do(v, v.In("id"), reason)
			}
			if err != nil {
				return frame.Outcome{}, err
			}
			return frame.Done("/admin/users/"+v.In("id"), d.name)
		},
	}
}

func (d personDeed) form(v *frame.Visit) (frame.Form, error) {
	of, err := v.Admin.Find(v.R.Context(), v.Actor, v.In("id"))
	if err != nil {
		return frame.Form{}, err
	}
	f := personForm(v, of, d.name)
	f.Danger = d.danger
	if d.crowns {
		f.Intro = append(f.Intro, v.T.Admin.People.Crowning)
	}
	if d.facts != nil {
		if f.Facts, err = d.facts(v, of); err != nil {
			return f, err
		}
	}
	if d.inputs != nil {
		if f.Inputs, err = d.inputs(v, of); err != nil {
			return f, err
		}
	}
	f.Inputs = append(f.Inputs, v.ReasonInput(true))
	return f, nil
}

// personForm is what the pages of all deeds about a person have.
func personForm(v *frame.Visit, of admin.Account, name string) frame.Form {
	words := v.T.Admin.People
	f := frame.Form{
		Title: words.Deeds[name], Subject: subjectOf(of.Name, of.Email), Intro: []string{words.DeedIntros[name]},
		Button: words.Deeds[name],
		Back:   "/admin/users/" + of.ID,
	}
	switch {
	case of.ID == v.Session.UserID:
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
func aFact(label, variable string) func(v *frame.Visit, a admin.Account) ([]frame.Fact, error) {
	return func(v *frame.Visit, _ admin.Account) ([]frame.Fact, error) {
		return []frame.Fact{{Name: v.T.Admin.People.Labels[label], Value: v.In(variable)}}, nil
	}
}

// waysIn shows who may be in an account, or could get in, before it gets power over the server: an
// ordinary account is one that services and directories may change.
func waysIn(v *frame.Visit, of admin.Account) ([]frame.Fact, error) {
	k, err := v.Admin.Known(v.R.Context(), v.Actor, of.ID)
	if err != nil {
		return nil, err
	}
	words := v.T.Admin.People
	var passkeys, elsewhere, sessions, apps []string
	for _, one := range k.Passkeys {
		passkeys = append(passkeys, one.Name)
	}
	for _, one := range k.Identities {
		elsewhere = append(elsewhere, one.Upstream+" "+one.Label)
	}
	for _, one := range k.Sessions {
		sessions = append(sessions, one.Address)
	}
	for _, one := range k.Consents {
		apps = append(apps, one.ClientID)
	}
	var facts []frame.Fact
	for _, one := range []struct {
		name string
		all  []string
	}{
		{words.Labels["passkeys"], passkeys}, {words.Labels["identities"], elsewhere},
		{words.Headings["sessions"], sessions}, {words.Headings["consents"], apps},
	} {
		if len(one.all) > 0 {
			facts = append(facts, frame.Fact{Name: one.name, Value: strings.Join(one.all, ", ")})
		}
	}
	return facts, nil
}

func personRoles(v *frame.Visit, a admin.Account) ([]frame.Input, error) {
	boxes, err := roleBoxes(v, "roles", a.Roles)
	boxes.Hint = v.T.Admin.People.Hints["roles"]
	return []frame.Input{boxes}, err
}

func setRoles(v *frame.Visit, id, reason string) error {
	all, err := typedRoles(v, "roles")
	if err == nil {
		_, err = v.Admin.SetRoles(v.R.Context(), v.Actor, id, all, reason)
	}
	return err
}

// groupToJoin is the groups to choose from, the first 500 by their names. The page of a group takes
// in people by their address.
func groupToJoin(v *frame.Visit, _ admin.Account) ([]frame.Input, error) {
	groups, err := v.Admin.Groups(v.R.Context(), v.Actor, "", admin.PageLimit)
	in := frame.Input{Kind: "select", Name: "group", Label: v.T.Admin.People.Labels["group"], Needed: true,
		Options: []frame.Choice{{Label: "—"}}}
	for _, g := range groups.Items {
		in.Options = append(in.Options, frame.Choice{Value: g.ID, Label: g.Name,
			Chosen: g.ID == v.Value("group", v.Asked("group"))})
	}
	return []frame.Input{in}, err
}

func newAddress(v *frame.Visit, a admin.Account) ([]frame.Input, error) {
	words := v.T.Admin.People.Labels
	return []frame.Input{
		{Kind: "email", Name: "email", Label: words["email"], Value: v.Value("email", a.Email), Needed: true},
		{Kind: "check", Name: "verified", Label: words["verified"], Ticked: v.Ticked("verified", a.EmailVerified)},
	}, nil
}

func setAddress(v *frame.Visit, id, reason string) error {
	email, problem := profile.Email(v.Typed.Get("email"))
	if problem != "" {
		return guard.FormError{"email": problem}
	}
	return v.Admin.SetEmail(v.R.Context(), v.Actor, id, email, v.Typed.Has("verified"), reason)
}

// endGrant ends a grant of this person alone: its page is about them.
func endGrant(v *frame.Visit, id, reason string) error {
	return v.Admin.RevokeGrant(v.R.Context(), v.Actor, admin.Parties{UserID: id}, v.In("grant"), reason)
}

// consentOf names the app in a field, for its id can be an address.
func consentOf(v *frame.Visit, _ admin.Account) ([]frame.Input, error) {
	return []frame.Input{{Kind: "text", Name: "client", Label: v.T.Admin.People.Labels["app"],
		Value: v.Value("client", v.Asked("client")), Needed: true, Inexact: true}}, nil
}

func howToDelete(v *frame.Visit, a admin.Account) ([]frame.Input, error) {
	words := v.T.Admin.People
	when := v.Value("when", "later")
	return []frame.Input{
		{Kind: "radios", Name: "when", Label: words.DeleteWhen, Needed: true, Options: []frame.Choice{
			{Value: "later", Label: words.DeleteLater, Chosen: when != "now"},
			{Value: "now", Label: words.DeleteNow, Chosen: when == "now"},
		}},
		{Kind: "check", Name: "posts", Label: words.DeletePosts, Ticked: v.Ticked("posts", a.DeletePosts)},
	}, nil
}

func deletePerson(v *frame.Visit, id, reason string) error {
	posts := v.Typed.Has("posts")
	_, err := v.Admin.DeletePerson(v.R.Context(), v.Actor, id,
		admin.DeletionWish{Now: v.Typed.Get("when") == "now", Posts: &posts}, reason)
	return err
}

// GET /admin/users/{id}/reset-link: by which command an operator at the server makes a link. Nobody
// gets one over the web: whoever has it can take the account.
func showResetLink(v *frame.Visit) error {
	of, err := v.Admin.Find(v.R.Context(), v.Actor, v.In("id"))
	if err != nil {
		return err
	}
	f := personForm(v, of, "reset_link")
	f.Button, f.Code = "", "authz-server user reset-link "+of.ID+" --reason …"
	return v.Show("deed", f)
}

// unlinkForm asks more clearly where the person would have no way in any more.
func unlinkForm(v *frame.Visit) (frame.Form, error) {
	of, err := v.Admin.Find(v.R.Context(), v.Actor, v.In("id"))
	if err != nil {
		return frame.Form{}, err
	}
	one, only, err := v.Admin.Identity(v.R.Context(), v.Actor, of.ID, v.In("identity"))
	f := personForm(v, of, "unlink")
	labels := v.T.Admin.People.Labels
	f.Danger, f.Facts = true, []frame.Fact{
		{Name: labels["identities"], Value: one.Upstream}, {Name: labels["identity"], Value: firstOf(one.Label, one.Subject)},
	}
	if only {
		f.Inputs = append(f.Inputs, frame.Input{Kind: "check", Name: "anyway", Label: labels["anyway"],
			Ticked: v.Ticked("anyway", false)})
	}
	f.Inputs = append(f.Inputs, v.ReasonInput(true))
	return f, err
}

func unlinkIdentity(v *frame.Visit) (frame.Outcome, error) {
	reason, err := v.Reason(true)
	if err == nil {
		err = v.Admin.UnlinkIdentity(v.R.Context(), v.Actor, v.In("id"), v.In("identity"), v.Typed.Has("anyway"), reason)
	}
	if err != nil {
		return frame.Outcome{}, err
	}
	return frame.Done("/admin/users/"+v.In("id"), "unlink")
}
