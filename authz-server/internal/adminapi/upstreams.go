package adminapi

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/upstream"
	"github.com/maru-auth/maru/internal/rest"
)

func (s *service) upstreamRoutes() {
	const tag = "upstreams"
	route(s, tag, "list-upstreams", "GET /v1/upstreams", "List the providers by which people log in",
		"Disabled ones, too, in the order in which they were made, without their secrets. There is one page.", nil, s.listUpstreams)
	route(s, tag, "create-upstream", "POST /v1/upstreams", "Let people log in by another provider",
		"What a preset has may be left out. The answer has the redirect_uri to register there. Only an administrator does it, in person: "+
			"a provider says who somebody is.", []int{409}, s.createUpstream)
	route(s, tag, "get-upstream", "GET /v1/upstreams/{name}", "Get a provider by which people log in", "Without its secret.", []int{404}, s.getUpstream)
	route(s, tag, "update-upstream", "PATCH /v1/upstreams/{name}", "Change a provider by which people log in",
		mergePatchDoc+" What a preset has comes back then. With another issuer, nobody is known by it any more. Only an administrator does it, in person.",
		[]int{404, 409, 412, 428}, s.updateUpstream)
	route(s, tag, "delete-upstream", "DELETE /v1/upstreams/{name}", "Remove a provider by which people log in",
		"One by which nobody logs in; or any, with force. Only an administrator does it, in person.", []int{404, 409}, s.deleteUpstream)
}

// UpstreamInput names an upstream.
type UpstreamInput struct {
	Name Text `path:"name" doc:"The provider's name in addresses."`
}

func (s *service) listUpstreams(ctx context.Context, actor admin.Actor, _ *struct{}) (*listOf[admin.Upstream], error) {
	return listed(s.admin.ListUpstreams(ctx, actor))
}

func upstreamAnswer(u admin.Upstream, err error) (*versioned[admin.Upstream], error) {
	if err != nil {
		return nil, err
	}
	return &versioned[admin.Upstream]{rest.ETag(u.Version), u}, nil
}

func (s *service) getUpstream(ctx context.Context, actor admin.Actor, in *UpstreamInput) (*versioned[admin.Upstream], error) {
	return upstreamAnswer(s.admin.Upstream(ctx, actor, string(in.Name)))
}

// upstreamPatch is a merge patch of the settings of an upstream, with members beside them.
type upstreamPatch struct{ text json.RawMessage }

// upstreamExtras are the members beside the settings.
type upstreamExtras struct {
	Reason   string `json:"reason,omitempty" maxLength:"200" doc:"Why, for the audit log: one line."`
	Secret   string `json:"client_secret,omitempty" minLength:"1" maxLength:"16384" doc:"What the provider gave to this server: a secret or, with the preset apple, a key. It is kept encrypted, and never shown."`
	Disabled *bool  `json:"disabled,omitempty" doc:"Nobody logs in by it."`
}

var (
	_ json.Unmarshaler    = (*upstreamPatch)(nil)
	_ json.Marshaler      = upstreamPatch{}
	_ huma.SchemaProvider = upstreamPatch{}
)

// UnmarshalJSON keeps the text.
func (p *upstreamPatch) UnmarshalJSON(text []byte) error {
	p.text = bytes.Clone(text)
	return nil
}

// MarshalJSON writes the text.
func (p upstreamPatch) MarshalJSON() ([]byte, error) { return p.text, nil }

// Schema describes the patch, for huma.
func (upstreamPatch) Schema(r huma.Registry) *huma.Schema {
	return named(r, "UpstreamChange", func() *huma.Schema { return upstreamSchema(r, nil) })
}

// upstreamHelp says what the settings mean.
var upstreamHelp = map[string]string{
	"preset":                 "Whose answers it gives. Absent: those of OpenID Connect.",
	"title":                  "As people call it, on buttons.",
	"client_id":              "What it calls this server.",
	"scope":                  "What it is asked for, separated by spaces.",
	"issuer":                 "Its issuer identifier, to the letter. Where it has ID tokens, all else is read from its metadata.",
	"authorization_endpoint": "Of a provider without metadata.",
	"token_endpoint":         "Of a provider without metadata.",
	"userinfo_endpoint":      "Of a provider without metadata.",
	"emails_endpoint":        "With the preset github: its list of addresses.",
	"auth_method":            "How this server authenticates there. Absent: as its metadata offers.",
	"response_mode":          "How it answers. Absent: in the query.",
	"addresses":              "When an e-mail address from there counts as verified: if it says so, never, or always.",
	"address_domains":        "Only addresses of these domains can count as verified. Absent: all.",
	"no_signup":              "Nobody makes an account by it: people link it to theirs.",
	"claims":                 "Where its answer has a claim of a person: a path with dots. null removes one.",
	"strong_acr":             "Values of its acr or amr that stand for the second step.",
	"tenants":                "With the preset microsoft, where the issuer stands for several tenants: the ids of those whose people can log in. Absent: all.",
	"logout":                 "Lead people who log out here on to log out there, too.",
	"apple":                  "With the preset apple: which key signs.",
}

// upstreamSchema is the schema of a patch, with further members, which are required.
func upstreamSchema(r huma.Registry, more map[string]*huma.Schema) *huma.Schema {
	schema := huma.SchemaFromType(r, reflect.TypeFor[upstreamExtras]())
	schema.Required = nil
	for name, of := range huma.SchemaFromType(r, reflect.TypeFor[upstream.Settings]()).Properties {
		if of.Ref != "" { // a reference cannot be null
			of = r.SchemaFromRef(of.Ref)
		}
		one := *of
		one.Nullable = true
		if member, ok := of.AdditionalProperties.(*huma.Schema); ok { // of a map, null removes one
			removable := *member
			removable.Nullable = true
			one.AdditionalProperties = &removable
		}
		if help, there := upstreamHelp[name]; there {
			one.Description = help
		}
		schema.Properties[name] = &one
	}
	for name, one := range more {
		schema.Properties[name] = one
		schema.Required = append(schema.Required, name)
	}
	schema.PrecomputeMessages()
	return schema
}

// read returns the members beside the settings, and what the patch does to settings.
func (p upstreamPatch) read() (more upstreamExtras, apply func(*upstream.Settings) error, err error) {
	var members map[string]any
	if err := json.Unmarshal(p.text, &members); err != nil {
		return more, nil, err
	}
	if err := json.Unmarshal(p.text, &more); err != nil {
		return more, nil, err
	}
	for _, name := range []string{"name", "reason", "client_secret", "disabled"} {
		delete(members, name)
	}
	return more, func(s *upstream.Settings) error {
		var settings map[string]any
		if err := json.Unmarshal([]byte(s.Text()), &settings); err != nil {
			return err
		}
		text, err := json.Marshal(merged(settings, members))
		if err != nil {
			return err
		}
		*s = upstream.Settings{}
		return json.Unmarshal(text, s) // huma has checked what the patch has
	}, nil
}

// merged applies a merge patch of an object (RFC 7396 §2).
func merged(target, patch map[string]any) map[string]any {
	out := maps.Clone(target)
	if out == nil {
		out = map[string]any{}
	}
	for name, value := range patch {
		switch value := value.(type) {
		case nil:
			delete(out, name)
		case map[string]any:
			inner, _ := out[name].(map[string]any)
			out[name] = merged(inner, value)
		default:
			out[name] = value
		}
	}
	return out
}

type createUpstreamInput struct {
	rest.CreateInput
	Body newUpstream
}

// newUpstream is the patch of nothing, with a name.
type newUpstream struct{ upstreamPatch }

// Schema describes it, for huma.
func (newUpstream) Schema(r huma.Registry) *huma.Schema {
	return named(r, "NewUpstream", func() *huma.Schema {
		return upstreamSchema(r, map[string]*huma.Schema{"name": {
			Type: huma.TypeString, Pattern: "^[a-z][a-z0-9-]{0,31}$",
			PatternDescription: "at most 32 letters a to z, digits and hyphens, the first of them a letter",
			Description:        "Its name in addresses. It cannot be changed.",
		}})
	})
}

func (s *service) createUpstream(ctx context.Context, actor admin.Actor, in *createUpstreamInput) (*createdVersion[admin.Upstream], error) {
	more, apply, err := in.Body.read()
	if err != nil {
		return nil, err
	}
	var b struct{ Name string }
	if err := json.Unmarshal(in.Body.text, &b); err != nil {
		return nil, err
	}
	wish := admin.NewUpstream{Name: b.Name, Secret: more.Secret, Disabled: more.Disabled != nil && *more.Disabled}
	if err := apply(&wish.Settings); err != nil {
		return nil, err
	}
	made, err := once(ctx, s, in.CreateInput, "create-upstream", in.Body, func(ctx context.Context) (admin.Upstream, error) {
		return s.admin.CreateUpstream(ctx, actor, wish, more.Reason)
	}, func(string) (admin.Upstream, error) { return s.admin.Upstream(ctx, actor, b.Name) })
	return newAt(s, "/v1/upstreams/", made.Name, made.Version, made, err)
}

type updateUpstreamInput struct {
	UpstreamInput
	rest.ChangeInput
	Body upstreamPatch `contentType:"application/merge-patch+json"`
}

func (s *service) updateUpstream(ctx context.Context, actor admin.Actor, in *updateUpstreamInput) (*versioned[admin.Upstream], error) {
	if _, err := rest.IfMatch(in.IfMatch); err != nil {
		return nil, err
	}
	more, apply, err := in.Body.read()
	if err != nil {
		return nil, err
	}
	before, err := s.admin.Upstream(ctx, actor, string(in.Name))
	version, err := seen(in.IfMatch, before.Version, err)
	if err != nil {
		return nil, err
	}
	change := admin.UpstreamChange{Settings: apply, Secret: more.Secret, Disabled: more.Disabled}
	return upstreamAnswer(s.admin.UpdateUpstream(ctx, actor, before.Name, version, change, more.Reason))
}

type deleteUpstreamInput struct {
	UpstreamInput
	ReasonInput
	Force bool `query:"force" doc:"Also if people log in by it: those with no other way in have to reset their password."`
}

func (s *service) deleteUpstream(ctx context.Context, actor admin.Actor, in *deleteUpstreamInput) (*nothing, error) {
	return done(s.admin.DeleteUpstream(ctx, actor, string(in.Name), in.Force, in.Reason))
}
