package people

import (
	"encoding/json"
	"slices"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/adminpages/frame"
	"github.com/maru-auth/maru/authz-server/internal/guard"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/places"
	"github.com/maru-auth/maru/authz-server/internal/profile"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
)

// addressMembers are the fields of a profile that are members of the claim address (OIDC Core §5.1.1).
var addressMembers = map[string]bool{
	"formatted": true, "street_address": true, "locality": true, "region": true, "postal_code": true, "country": true,
}

// GET /admin/users/{id}/profile: what an account says of its person, to be changed.
func profileForm(v *frame.Visit) (frame.Form, error) {
	of, claims, err := v.Admin.Profile(v.R.Context(), v.Actor, v.In("id"))
	if err != nil {
		return frame.Form{}, err
	}
	f := personForm(v, of, "profile")
	f.Button = v.T.SaveButton
	f.Hidden = []frame.Input{{Name: "version", Value: of.Version}}
	if v.Typed != nil { // what is stored now was seen only if the page showed it
		f.Hidden[0].Value = v.Typed.Get("version")
	}
	f.Inputs = []frame.Input{{Kind: "text", Name: "name", Label: v.T.Admin.People.Labels["account_name"],
		Value: v.Value("name", of.Name), Needed: true}}
	values := profile.Of(accounts.User{Locale: of.Locale, Claims: claims})
	for _, name := range profileFields(v.T) {
		f.Inputs = append(f.Inputs, profileInput(v, name, v.Value(name, values[name])))
		if name == "phone_number" {
			f.Inputs = append(f.Inputs, frame.Input{
				Kind: "check", Name: "phone_verified", Label: v.T.Admin.People.Labels["phone_verified"],
				Ticked: v.Ticked("phone_verified", claims.PhoneVerified),
			})
		}
	}
	f.Inputs = append(f.Inputs, v.ReasonInput(true))
	return f, nil
}

// profileFields are the fields of a profile, with the parts of a name in the order that people are used to.
func profileFields(t *messages.Language) []string {
	parts := func(name string) bool { return slices.Contains(t.Profile.NameOrder, name) }
	return slices.Concat(t.Profile.NameOrder, slices.DeleteFunc(profile.Fields(), parts))
}

// profileInput is the input of a field of a profile.
func profileInput(v *frame.Visit, name, value string) frame.Input {
	in := frame.Input{Kind: "text", Name: name, Label: v.T.Profile.Labels[name], Value: value}
	switch name {
	case "formatted", "street_address":
		in.Kind = "area"
	case "profile", "picture", "website":
		in.Kind, in.Inexact = "url", true
	case "gender":
		for _, one := range messages.Genders {
			addOption(&in, one, v.T.Profile.Genders[one])
		}
	case "zoneinfo":
		addPlaces(&in, v.T, places.In(v.T).Zones)
	case "locale":
		addPlaces(&in, v.T, places.In(v.T).Locales)
	case "country":
		addPlaces(&in, v.T, places.In(v.T).Countries)
	}
	return in
}

// addPlaces makes a select of an input, with none as the first choice.
func addPlaces(in *frame.Input, t *messages.Language, list []places.Place) {
	addOption(in, "", t.Profile.NotGiven)
	for _, one := range list {
		addOption(in, one.Value, one.Label)
	}
	for _, one := range in.Options {
		if one.Chosen {
			return
		}
	}
	// What is in no list stays as it is.
	in.Options = append(in.Options, frame.Choice{Value: in.Value, Label: in.Value, Chosen: true})
}

func addOption(in *frame.Input, value, label string) {
	in.Kind = "select"
	in.Options = append(in.Options, frame.Choice{Value: value, Label: label, Chosen: value == in.Value})
}

// POST /admin/users/{id}/profile
func saveProfile(v *frame.Visit) (frame.Outcome, error) {
	ctx, id := v.R.Context(), v.In("id")
	reason, err := v.Reason(true)
	if err != nil {
		return frame.Outcome{}, err
	}
	of, claims, err := v.Admin.Profile(ctx, v.Actor, id)
	if err != nil {
		return frame.Outcome{}, err
	}
	patch, err := profilePatch(v, of, claims)
	if err == nil {
		err = v.Admin.EditPerson(ctx, v.Actor, id, v.Typed.Get("version"), patch, reason)
	}
	if err != nil {
		return frame.Outcome{}, err
	}
	return frame.Done("/admin/users/"+id, "profile")
}

// patch is what was typed, cleaned as people's own pages do it, as far as it differs from what is
// stored.
func profilePatch(v *frame.Visit, of admin.Account, claims accounts.Claims) ([]byte, error) {
	name, problem := profile.Name(v.Typed.Get("name"))
	user := accounts.User{Locale: of.Locale, Claims: claims}
	before, typed := profile.Of(user), map[string]string{}
	for _, field := range profile.Fields() {
		if v.Typed.Has(field) {
			typed[field] = v.Typed.Get(field)
		}
	}
	wrong := guard.FormError(profile.Set(&user, typed, v.Now(), profile.RegionOfLanguage(v.T.Tag)))
	if problem != "" {
		wrong["name"] = problem
	}
	if len(wrong) > 0 {
		return nil, wrong
	}
	changed, address := map[string]any{}, map[string]string{}
	for field, value := range profile.Of(user) {
		switch {
		case value == before[field]:
		case addressMembers[field]:
			address[field] = value
		default:
			changed[field] = value
		}
	}
	if len(address) > 0 {
		changed["address"] = address
	}
	if name != of.Name {
		changed["name"] = name
	}
	if verified := v.Typed.Has("phone_verified") && user.Claims.PhoneNumber != ""; verified != claims.PhoneVerified ||
		changed["phone_number"] != nil {
		changed["phone_number_verified"] = verified
	}
	return json.Marshal(changed)
}
