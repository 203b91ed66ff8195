package adminpages

import (
	"encoding/json"

	"github.com/maru-auth/maru/authz-server/internal/admin"
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
func profileForm(v *visit) (form, error) {
	of, claims, err := v.Admin.Profile(v.r.Context(), v.actor, v.in("id"))
	if err != nil {
		return form{}, err
	}
	f := personForm(v, of, "profile")
	f.Button = v.t.SaveButton
	f.Hidden = []input{{Name: "version", Value: of.Version}}
	if v.typed != nil { // what is stored now was seen only if the page showed it
		f.Hidden[0].Value = v.typed.Get("version")
	}
	f.Inputs = []input{{Kind: "text", Name: "name", Label: v.t.Admin.People.Labels["name"], Value: v.value("name", of.Name), Needed: true}}
	values := profile.Of(accounts.User{Locale: of.Locale, Claims: claims})
	for _, name := range profile.Fields() {
		f.Inputs = append(f.Inputs, v.profileInput(name, v.value(name, values[name])))
		if name == "phone_number" {
			f.Inputs = append(f.Inputs, input{
				Kind: "check", Name: "phone_verified", Label: v.t.Admin.People.Labels["phone_verified"],
				Ticked: v.ticked("phone_verified", claims.PhoneVerified),
			})
		}
	}
	f.Inputs = append(f.Inputs, v.reasonInput(true))
	return f, nil
}

// profileInput is the input of a field of a profile.
func (v *visit) profileInput(name, value string) input {
	in := input{Kind: "text", Name: name, Label: v.t.Profile.Labels[name], Value: value}
	switch name {
	case "formatted", "street_address":
		in.Kind = "area"
	case "profile", "picture", "website":
		in.Kind, in.Inexact = "url", true
	case "gender":
		for _, one := range messages.Genders {
			in.add(one, v.t.Profile.Genders[one])
		}
	case "zoneinfo":
		in.addAll(v.t, places.In(v.t).Zones)
	case "locale":
		in.addAll(v.t, places.In(v.t).Locales)
	case "country":
		in.addAll(v.t, places.In(v.t).Countries)
	}
	return in
}

// addAll makes a select of an input, with none as the first choice.
func (in *input) addAll(t *messages.Language, list []places.Place) {
	in.add("", t.Profile.NotGiven)
	for _, one := range list {
		in.add(one.Value, one.Label)
	}
	for _, one := range in.Options {
		if one.Chosen {
			return
		}
	}
	in.Options = append(in.Options, choice{in.Value, in.Value, "", true}) // what is in no list stays as it is
}

func (in *input) add(value, label string) {
	in.Kind = "select"
	in.Options = append(in.Options, choice{value, label, "", value == in.Value})
}

// POST /admin/users/{id}/profile
func saveProfile(v *visit) (outcome, error) {
	ctx, id := v.r.Context(), v.in("id")
	reason, err := v.reason(true)
	if err != nil {
		return outcome{}, err
	}
	of, claims, err := v.Admin.Profile(ctx, v.actor, id)
	if err != nil {
		return outcome{}, err
	}
	patch, err := v.patch(of, claims)
	if err == nil {
		err = v.Admin.EditPerson(ctx, v.actor, id, v.typed.Get("version"), patch, reason)
	}
	if err != nil {
		return outcome{}, err
	}
	return done("/admin/users/"+id, "profile")
}

// patch is what was typed, cleaned as people's own pages do it, as far as it differs from what is
// stored.
func (v *visit) patch(of admin.Account, claims accounts.Claims) ([]byte, error) {
	name, problem := profile.Name(v.typed.Get("name"))
	user := accounts.User{Locale: of.Locale, Claims: claims}
	before, typed := profile.Of(user), map[string]string{}
	for _, field := range profile.Fields() {
		if v.typed.Has(field) {
			typed[field] = v.typed.Get(field)
		}
	}
	wrong := guard.FormError(profile.Set(&user, typed, v.Now(), profile.RegionOfLanguage(v.t.Tag)))
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
	if verified := v.typed.Has("phone_verified") && user.Claims.PhoneNumber != ""; verified != claims.PhoneVerified || changed["phone_number"] != nil {
		changed["phone_number_verified"] = verified
	}
	return json.Marshal(changed)
}
