package clients

import (
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/adminpages/frame"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/guard"
	"github.com/maru-auth/maru/authz-server/internal/messages"
)

// clientDeeds are the changes of one app.
var clientDeeds = []frame.Deed{
	{Path: "/admin/clients/{id}/edit", Most: maxMetadata, Form: editClientForm, Do: editClient},
	{Path: "/admin/clients/{id}/metadata", Most: maxMetadata, Form: metadataForm, Do: replaceMetadata},
	{Path: "/admin/clients/{id}/secret", Form: rotateForm, Do: rotate, Problems: noSecret},
	{Path: "/admin/clients/{id}/compromised", Form: compromisedForm, Do: compromised, Problems: noSecret},
	{Path: "/admin/clients/{id}/registration-token", Form: registrationForm, Do: rotateRegistration, Problems: []frame.Translation{
		{Is: directory.ErrUnregistered, Problem: messages.AdminUnregistered}, {Is: directory.ErrCrowned, Problem: messages.AdminUnregistered},
	}},
	{Path: "/admin/clients/{id}/disable", Form: disableClientForm, Do: disableClient},
	{Path: "/admin/clients/{id}/enable", Form: enableClientForm, Do: enableClient},
	{Path: "/admin/clients/{id}/delete", Form: deleteClientForm, Do: deleteClient},
	{Path: "/admin/clients/{id}/grants/{grant}", Form: endGrantForm, Do: endGrant},
}

var noSecret = []frame.Translation{
	{Is: directory.ErrPublic, Problem: messages.AdminNoSecret},
	{Is: directory.ErrOwnKeys, Problem: messages.AdminNoSecret},
}

// theClient is the app that the address names.
func theClient(v *frame.Visit) (client.Client, error) {
	id, err := v.ClientID()
	if err != nil {
		return client.Client{}, err
	}
	return v.Admin.Client(v.R.Context(), v.Actor, id)
}

// clientForm is the page of a change of one app, with an input for the reason.
func clientForm(v *frame.Visit, fill func(c client.Client, f *frame.Form)) (frame.Form, error) {
	c, err := theClient(v)
	if err != nil {
		return frame.Form{}, err
	}
	f := frame.Form{
		Subject: c.Name, Back: frame.ClientPath(c.ID),
		Hidden: []frame.Input{{Name: "version", Value: v.Value("version", admin.ClientVersion(c))}},
	}
	if f.Subject == "" {
		f.Subject = c.ID
	}
	fill(c, &f)
	f.Inputs = append(f.Inputs, v.ReasonInput(false))
	return f, nil
}

// clientDeed does something to the app that the address names.
func clientDeed(v *frame.Visit, word string, do func(id, reason string) error) (frame.Outcome, error) {
	id, err := v.ClientID()
	if err != nil {
		return frame.Outcome{}, err
	}
	if err := do(id, v.Typed.Get("reason")); err != nil {
		return frame.Outcome{}, metadataError(err)
	}
	return frame.Done(frame.ClientPath(id), word)
}

// edited are the members of the form, each with its kind of input.
var edited = []struct {
	name, kind string
	people     bool // only of apps for people
}{
	{"client_name", "text", false}, {"redirect_uris", "area", true}, {"post_logout_redirect_uris", "area", true},
	{"scope", "text", false},
	{"trusted", "check", true}, {"require_pkce", "check", true}, {"audiences", "area", false}, {"logo_uri", "url", true},
	{"client_uri", "url", true},
	{"policy_uri", "url", true}, {"tos_uri", "url", true}, {"contacts", "area", false},
	{"backchannel_logout_uri", "url", true},
}

func editClientForm(v *frame.Visit) (frame.Form, error) {
	return clientForm(v, func(c client.Client, f *frame.Form) {
		words := v.T.Admin.Clients
		f.Title, f.Button = words.EditTitle, words.Save
		stored := map[string]any{}
		if text, err := json.Marshal(c); err == nil {
			_ = json.Unmarshal(text, &stored)
		}
		for _, one := range edited {
			if one.people && !c.ForPeople() || one.name == "redirect_uris" && !c.HasGrantType(client.AuthorizationCode) {
				continue
			}
			isName := one.name == "client_name"
			in := frame.Input{Kind: one.kind, Name: one.name, Label: words.Facts[one.name], Inexact: !isName, Needed: isName}
			switch value := stored[one.name].(type) {
			case string:
				in.Value = value
			case []any:
				var all []string
				for _, text := range value {
					line, _ := text.(string)
					all = append(all, line)
				}
				in.Value = strings.Join(all, "\n")
			case bool:
				in.Ticked = value
			}
			in.Value = v.Value(one.name, in.Value)
			in.Ticked = v.Ticked(one.name, in.Ticked)
			switch one.name {
			case "scope":
				in.Label = words.EditScopes
			case "trusted":
				in.Label, in.Hint = words.EditTrusted, words.TrustHint
			case "require_pkce":
				in.Label = words.EditPKCE
			}
			if one.kind == "area" {
				in.Hint = words.OneALine
			}
			if one.kind == "check" {
				in.Needed = true // which a box says by itself
			}
			f.Inputs = append(f.Inputs, in)
		}
	})
}

func editClient(v *frame.Visit) (frame.Outcome, error) {
	c, err := theClient(v)
	if err != nil {
		return frame.Outcome{}, err
	}
	patch := client.Patch{}
	for _, one := range edited {
		switch {
		case one.people && !c.ForPeople():
		case one.kind == "check":
			patch[one.name] = v.Typed.Has(one.name)
		case !v.Typed.Has(one.name):
		case one.kind == "area":
			patch[one.name] = frame.Lines(v.Typed.Get(one.name))
		default:
			patch[one.name] = strings.TrimSpace(v.Typed.Get(one.name))
		}
	}
	if scope, ok := patch["scope"].(string); ok {
		patch["scope"] = strings.Join(strings.Fields(scope), " ")
	}
	if patch["client_name"] == "" {
		return frame.Outcome{}, guard.FormError{"client_name": messages.AdminNameInvalid}
	}
	return clientDeed(v, "client_changed", func(id, reason string) error {
		_, err := v.Admin.UpdateClient(v.R.Context(), v.Actor, id, v.Typed.Get("version"), patch, reason)
		return err
	})
}

func metadataForm(v *frame.Visit) (frame.Form, error) {
	return clientForm(v, func(c client.Client, f *frame.Form) {
		words := v.T.Admin.Clients
		f.Title, f.Intro, f.Button = words.EditAllTitle, []string{words.EditAllIntro}, words.Save
		text, _ := json.MarshalIndent(c, "", "  ")
		f.Inputs = []frame.Input{{
			Kind: "area", Name: "metadata", Label: words.JSON, Value: v.Value("metadata", string(text)), Rows: 18,
			Needed: true, Inexact: true,
		}}
	})
}

func replaceMetadata(v *frame.Visit) (frame.Outcome, error) {
	id, err := v.ClientID()
	if err != nil {
		return frame.Outcome{}, err
	}
	made, err := v.Admin.ReplaceClient(v.R.Context(), v.Actor, id, v.Typed.Get("version"),
		[]byte(v.Typed.Get("metadata")), v.Typed.Get("reason"))
	switch {
	case err != nil:
		var wrong *client.Error
		if errors.As(err, &wrong) {
			err = &frame.InWords{Field: "metadata", Problem: messages.AdminValue, Detail: wrong.Error()}
		}
		return frame.Outcome{}, err
	case made.Secret != "": // it authenticates by one now
		words := v.T.Admin.Clients
		return issued(v, made, words.RotatedTitle, words.RotatedIntro, words.SecretIntro)
	}
	return frame.Done(frame.ClientPath(id), "client_changed")
}

// overlaps are for how long older secrets can go on working.
var overlaps = []string{"0s", "1h", "24h", "168h"}

func rotateForm(v *frame.Visit) (frame.Form, error) {
	return clientForm(v, func(_ client.Client, f *frame.Form) {
		words := v.T.Admin.Clients
		f.Title, f.Intro, f.Button = words.RotateTitle, []string{words.RotateIntro}, words.RotateButton
		in := frame.Input{Kind: "select", Name: "overlap", Label: words.Overlap, Hint: words.OverlapHint, Needed: true}
		for _, one := range overlaps {
			in.Options = append(in.Options, frame.Choice{Value: one, Label: words.Overlaps[one],
				Chosen: one == v.Value("overlap", "24h")})
		}
		f.Inputs = []frame.Input{in}
	})
}

func rotate(v *frame.Visit) (frame.Outcome, error) {
	id, err := v.ClientID()
	if err != nil {
		return frame.Outcome{}, err
	}
	overlap, err := time.ParseDuration(v.Typed.Get("overlap"))
	if err != nil || overlap < 0 || overlap > 366*24*time.Hour {
		return frame.Outcome{}, guard.FormError{"overlap": messages.AdminValue}
	}
	made, err := v.Admin.RotateSecret(v.R.Context(), v.Actor, id, overlap, v.Typed.Get("reason"))
	if err != nil {
		return frame.Outcome{}, err
	}
	words := v.T.Admin.Clients
	return issued(v, made, words.RotatedTitle, words.RotatedIntro, words.SecretIntro)
}

func compromisedForm(v *frame.Visit) (frame.Form, error) {
	return clientForm(v, func(_ client.Client, f *frame.Form) {
		words := v.T.Admin.Clients
		f.Title, f.Intro, f.Button, f.Danger = words.CompromisedTitle, []string{words.CompromisedIntro},
			words.CompromisedButton, true
	})
}

func compromised(v *frame.Visit) (frame.Outcome, error) {
	id, err := v.ClientID()
	if err != nil {
		return frame.Outcome{}, err
	}
	made, err := v.Admin.RotateCompromised(v.R.Context(), v.Actor, id, v.Typed.Get("reason"))
	if err != nil {
		return frame.Outcome{}, err
	}
	words := v.T.Admin.Clients
	return issued(v, made, words.RotatedTitle, words.RotatedIntro, words.SecretIntro)
}

func registrationForm(v *frame.Visit) (frame.Form, error) {
	return clientForm(v, func(_ client.Client, f *frame.Form) {
		words := v.T.Admin.Clients
		f.Title, f.Intro, f.Button = words.Registration, []string{words.RegistrationIntro}, words.RegistrationButton
	})
}

func rotateRegistration(v *frame.Visit) (frame.Outcome, error) {
	id, err := v.ClientID()
	if err != nil {
		return frame.Outcome{}, err
	}
	made, err := v.Admin.RotateRegistrationToken(v.R.Context(), v.Actor, id, v.Typed.Get("reason"))
	if err != nil {
		return frame.Outcome{}, err
	}
	words := v.T.Admin.Clients
	return frame.ShownOnce("issued", frame.Issued{
		Title: words.Registration, Intro: []string{words.RegistrationMade}, Label: words.RegistrationToken, Secret: made.RegistrationToken,
		Facts: []frame.Member{{Name: words.ID, Values: []string{made.ID}, Code: true}}, Back: frame.ClientPath(made.ID),
	})
}

func disableClientForm(v *frame.Visit) (frame.Form, error) {
	return clientForm(v, func(_ client.Client, f *frame.Form) {
		words := v.T.Admin.Clients
		f.Title, f.Intro, f.Button, f.Danger = words.DisableTitle, []string{words.DisableIntro}, words.Disable, true
	})
}

func disableClient(v *frame.Visit) (frame.Outcome, error) {
	return clientDeed(v, "client_disabled", func(id, reason string) error {
		return v.Admin.DisableClient(v.R.Context(), v.Actor, id, reason)
	})
}

func enableClientForm(v *frame.Visit) (frame.Form, error) {
	return clientForm(v, func(_ client.Client, f *frame.Form) {
		words := v.T.Admin.Clients
		f.Title, f.Intro, f.Button = words.EnableTitle, []string{words.EnableIntro}, words.Enable
	})
}

func enableClient(v *frame.Visit) (frame.Outcome, error) {
	return clientDeed(v, "client_enabled", func(id, reason string) error {
		return v.Admin.EnableClient(v.R.Context(), v.Actor, id, reason)
	})
}

func deleteClientForm(v *frame.Visit) (frame.Form, error) {
	return clientForm(v, func(_ client.Client, f *frame.Form) {
		words := v.T.Admin.Clients
		f.Title, f.Intro, f.Button, f.Danger = words.DeleteTitle, []string{words.DeleteIntro}, words.DeleteButton, true
		f.Inputs = []frame.Input{{Kind: "check", Name: "sure", Label: words.DeleteSure, Needed: true}}
	})
}

func deleteClient(v *frame.Visit) (frame.Outcome, error) {
	if !v.Typed.Has("sure") {
		return frame.Outcome{}, guard.FormError{"sure": messages.AdminNotSure}
	}
	_, err := clientDeed(v, "", func(id, reason string) error {
		_, err := v.Admin.DeleteClient(v.R.Context(), v.Actor, id, reason)
		return err
	})
	if err != nil {
		return frame.Outcome{}, err
	}
	return frame.Done("/admin/clients", "client_deleted")
}

func endGrantForm(v *frame.Visit) (frame.Form, error) {
	return clientForm(v, func(_ client.Client, f *frame.Form) {
		words := v.T.Admin.Clients
		f.Title, f.Intro, f.Button, f.Danger = words.EndGrantTitle, []string{words.EndGrantIntro}, words.EndGrant, true
		f.Facts = []frame.Fact{{Name: words.Grants, Value: v.In("grant")}}
	})
}

// endGrant ends a grant to this client alone: its page is about it.
func endGrant(v *frame.Visit) (frame.Outcome, error) {
	if _, err := v.Reason(true); err != nil {
		return frame.Outcome{}, err
	}
	return clientDeed(v, "grant_ended", func(id, reason string) error {
		return v.Admin.RevokeGrant(v.R.Context(), v.Actor, admin.Parties{ClientID: id}, v.In("grant"), reason)
	})
}
