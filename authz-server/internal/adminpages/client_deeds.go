package adminpages

import (
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/guard"
	"github.com/maru-auth/maru/authz-server/internal/messages"
)

// clientDeeds are the changes of one app.
var clientDeeds = []deed{
	{path: "/admin/clients/{id}/edit", most: maxMetadata, form: (*visit).editClientForm, do: (*visit).editClient},
	{path: "/admin/clients/{id}/metadata", most: maxMetadata, form: (*visit).metadataForm, do: (*visit).replaceMetadata},
	{path: "/admin/clients/{id}/secret", form: (*visit).rotateForm, do: (*visit).rotate, problems: noSecret},
	{path: "/admin/clients/{id}/compromised", form: (*visit).compromisedForm, do: (*visit).compromised, problems: noSecret},
	{path: "/admin/clients/{id}/disable", form: (*visit).disableClientForm, do: (*visit).disableClient},
	{path: "/admin/clients/{id}/enable", form: (*visit).enableClientForm, do: (*visit).enableClient},
	{path: "/admin/clients/{id}/delete", form: (*visit).deleteClientForm, do: (*visit).deleteClient},
	{path: "/admin/clients/{id}/grants/{grant}", form: (*visit).endGrantForm, do: (*visit).endGrant},
}

var noSecret = []translation{
	{is: directory.ErrPublic, problem: messages.AdminNoSecret},
	{is: directory.ErrOwnKeys, problem: messages.AdminNoSecret},
}

// theClient is the app that the address names.
func (v *visit) theClient() (client.Client, error) {
	id, err := v.clientID()
	if err != nil {
		return client.Client{}, err
	}
	return v.Admin.Client(v.r.Context(), v.actor, id)
}

// clientForm is the page of a change of one app, with an input for the reason.
func (v *visit) clientForm(fill func(c client.Client, f *form)) (form, error) {
	c, err := v.theClient()
	if err != nil {
		return form{}, err
	}
	f := form{Subject: c.Name, Back: clientPath(c.ID), Hidden: []input{{Name: "version", Value: v.value("version", admin.ClientVersion(c))}}}
	if f.Subject == "" {
		f.Subject = c.ID
	}
	fill(c, &f)
	f.Inputs = append(f.Inputs, v.reasonInput(false))
	return f, nil
}

// clientDeed does something to the app that the address names.
func (v *visit) clientDeed(done string, do func(id, reason string) error) (outcome, error) {
	id, err := v.clientID()
	if err != nil {
		return outcome{}, err
	}
	if err := do(id, v.typed.Get("reason")); err != nil {
		return outcome{}, v.metadataError(err)
	}
	return outcome{to: clientPath(id), done: done}, nil
}

// edited are the members of the form, each with its kind of input.
var edited = []struct {
	name, kind string
	people     bool // only of apps for people
}{
	{"client_name", "text", false}, {"redirect_uris", "area", true}, {"post_logout_redirect_uris", "area", true}, {"scope", "text", false},
	{"trusted", "check", true}, {"require_pkce", "check", true}, {"audiences", "area", false}, {"logo_uri", "url", true}, {"client_uri", "url", true},
	{"policy_uri", "url", true}, {"tos_uri", "url", true}, {"contacts", "area", false}, {"backchannel_logout_uri", "url", true},
}

func (v *visit) editClientForm() (form, error) {
	return v.clientForm(func(c client.Client, f *form) {
		words := v.t.Admin.Clients
		f.Title, f.Button = words.EditTitle, words.Save
		stored := map[string]any{}
		if text, err := json.Marshal(c); err == nil {
			_ = json.Unmarshal(text, &stored)
		}
		for _, one := range edited {
			if one.people && !c.ForPeople() || one.name == "redirect_uris" && !c.HasGrantType(client.AuthorizationCode) {
				continue
			}
			in := input{Kind: one.kind, Name: one.name, Label: words.Facts[one.name], Inexact: one.name != "client_name", Needed: one.name == "client_name"}
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
			in.Value = v.value(one.name, in.Value)
			in.Ticked = v.ticked(one.name, in.Ticked)
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

func (v *visit) editClient() (outcome, error) {
	c, err := v.theClient()
	if err != nil {
		return outcome{}, err
	}
	patch := client.Patch{}
	for _, one := range edited {
		switch {
		case one.people && !c.ForPeople():
		case one.kind == "check":
			patch[one.name] = v.typed.Has(one.name)
		case !v.typed.Has(one.name):
		case one.kind == "area":
			patch[one.name] = lines(v.typed.Get(one.name))
		default:
			patch[one.name] = strings.TrimSpace(v.typed.Get(one.name))
		}
	}
	if scope, ok := patch["scope"].(string); ok {
		patch["scope"] = strings.Join(strings.Fields(scope), " ")
	}
	if patch["client_name"] == "" {
		return outcome{}, guard.FormError{"client_name": messages.AdminNameInvalid}
	}
	return v.clientDeed("client_changed", func(id, reason string) error {
		_, err := v.Admin.UpdateClient(v.r.Context(), v.actor, id, v.typed.Get("version"), patch, reason)
		return err
	})
}

func (v *visit) metadataForm() (form, error) {
	return v.clientForm(func(c client.Client, f *form) {
		words := v.t.Admin.Clients
		f.Title, f.Intro, f.Button = words.EditAllTitle, []string{words.EditAllIntro}, words.Save
		text, _ := json.MarshalIndent(c, "", "  ")
		f.Inputs = []input{{Kind: "area", Name: "metadata", Label: words.JSON, Value: v.value("metadata", string(text)), Rows: 18, Needed: true, Inexact: true}}
	})
}

func (v *visit) replaceMetadata() (outcome, error) {
	id, err := v.clientID()
	if err != nil {
		return outcome{}, err
	}
	made, err := v.Admin.ReplaceClient(v.r.Context(), v.actor, id, v.typed.Get("version"), []byte(v.typed.Get("metadata")), v.typed.Get("reason"))
	switch {
	case err != nil:
		var wrong *client.Error
		if errors.As(err, &wrong) {
			err = &inWords{"metadata", messages.AdminValue, wrong.Error()}
		}
		return outcome{}, err
	case made.Secret != "": // it authenticates by one now
		words := v.t.Admin.Clients
		return v.issued(made, words.RotatedTitle, words.RotatedIntro, words.SecretIntro)
	}
	return outcome{to: clientPath(id), done: "client_changed"}, nil
}

// overlaps are for how long older secrets can go on working.
var overlaps = []string{"0s", "1h", "24h", "168h"}

func (v *visit) rotateForm() (form, error) {
	return v.clientForm(func(_ client.Client, f *form) {
		words := v.t.Admin.Clients
		f.Title, f.Intro, f.Button = words.RotateTitle, []string{words.RotateIntro}, words.RotateButton
		in := input{Kind: "select", Name: "overlap", Label: words.Overlap, Hint: words.OverlapHint, Needed: true}
		for _, one := range overlaps {
			in.Options = append(in.Options, choice{Value: one, Label: words.Overlaps[one], Chosen: one == v.value("overlap", "24h")})
		}
		f.Inputs = []input{in}
	})
}

func (v *visit) rotate() (outcome, error) {
	id, err := v.clientID()
	if err != nil {
		return outcome{}, err
	}
	overlap, err := time.ParseDuration(v.typed.Get("overlap"))
	if err != nil || overlap < 0 || overlap > 366*24*time.Hour {
		return outcome{}, guard.FormError{"overlap": messages.AdminValue}
	}
	made, err := v.Admin.RotateSecret(v.r.Context(), v.actor, id, overlap, v.typed.Get("reason"))
	if err != nil {
		return outcome{}, err
	}
	words := v.t.Admin.Clients
	return v.issued(made, words.RotatedTitle, words.RotatedIntro, words.SecretIntro)
}

func (v *visit) compromisedForm() (form, error) {
	return v.clientForm(func(_ client.Client, f *form) {
		words := v.t.Admin.Clients
		f.Title, f.Intro, f.Button, f.Danger = words.CompromisedTitle, []string{words.CompromisedIntro}, words.CompromisedButton, true
	})
}

func (v *visit) compromised() (outcome, error) {
	id, err := v.clientID()
	if err != nil {
		return outcome{}, err
	}
	made, err := v.Admin.RotateCompromised(v.r.Context(), v.actor, id, v.typed.Get("reason"))
	if err != nil {
		return outcome{}, err
	}
	words := v.t.Admin.Clients
	return v.issued(made, words.RotatedTitle, words.RotatedIntro, words.SecretIntro)
}

func (v *visit) disableClientForm() (form, error) {
	return v.clientForm(func(_ client.Client, f *form) {
		words := v.t.Admin.Clients
		f.Title, f.Intro, f.Button, f.Danger = words.DisableTitle, []string{words.DisableIntro}, words.Disable, true
	})
}

func (v *visit) disableClient() (outcome, error) {
	return v.clientDeed("client_disabled", func(id, reason string) error { return v.Admin.DisableClient(v.r.Context(), v.actor, id, reason) })
}

func (v *visit) enableClientForm() (form, error) {
	return v.clientForm(func(_ client.Client, f *form) {
		words := v.t.Admin.Clients
		f.Title, f.Intro, f.Button = words.EnableTitle, []string{words.EnableIntro}, words.Enable
	})
}

func (v *visit) enableClient() (outcome, error) {
	return v.clientDeed("client_enabled", func(id, reason string) error { return v.Admin.EnableClient(v.r.Context(), v.actor, id, reason) })
}

func (v *visit) deleteClientForm() (form, error) {
	return v.clientForm(func(_ client.Client, f *form) {
		words := v.t.Admin.Clients
		f.Title, f.Intro, f.Button, f.Danger = words.DeleteTitle, []string{words.DeleteIntro}, words.DeleteButton, true
		f.Inputs = []input{{Kind: "check", Name: "sure", Label: words.DeleteSure, Needed: true}}
	})
}

func (v *visit) deleteClient() (outcome, error) {
	if !v.typed.Has("sure") {
		return outcome{}, guard.FormError{"sure": messages.AdminNotSure}
	}
	out, err := v.clientDeed("client_deleted", func(id, reason string) error {
		_, err := v.Admin.DeleteClient(v.r.Context(), v.actor, id, reason)
		return err
	})
	out.to = "/admin/clients"
	return out, err
}

func (v *visit) endGrantForm() (form, error) {
	return v.clientForm(func(_ client.Client, f *form) {
		words := v.t.Admin.Clients
		f.Title, f.Intro, f.Button, f.Danger = words.EndGrantTitle, []string{words.EndGrantIntro}, words.EndGrant, true
		f.Facts = []fact{{words.Grants, v.in("grant")}}
	})
}

func (v *visit) endGrant() (outcome, error) {
	if _, err := v.reason(true); err != nil {
		return outcome{}, err
	}
	return v.clientDeed("grant_ended", func(_, reason string) error {
		return v.Admin.RevokeGrant(v.r.Context(), v.actor, v.in("grant"), reason)
	})
}
