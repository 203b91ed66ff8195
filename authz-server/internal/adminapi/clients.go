package adminapi

import (
	"context"
	"encoding/json"
	"net/url"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/internal/rest"
)

func (s *service) clientRoutes() {
	const tag = "clients"
	route(s, tag, "list-clients", "GET /v1/clients", "List clients", "By their ids; disabled ones, too.", []int{422}, s.listClients)
	route(s, tag, "create-client", "POST /v1/clients", "Register a client",
		"With the members of RFC 7591 and of this server. The answer has its secret, if it has one, which is shown once.", []int{409}, s.createClient)
	route(s, tag, "get-client", "GET /v1/clients/{client_id}", "Get a client", "", []int{404}, s.getClient)
	route(s, tag, "update-client", "PATCH /v1/clients/{client_id}", "Change a client",
		mergePatchDoc+" If it now authenticates by a secret and did not, the answer has the secret, which is shown once.",
		[]int{404, 409, 412, 428}, s.updateClient)
	route(s, tag, "delete-client", "DELETE /v1/clients/{client_id}", "Delete a client",
		"With its secrets, and the grants and consents of people.", []int{404}, s.deleteClient)
	route(s, tag, "create-client-secret", "POST /v1/clients/{client_id}/secrets", "Give a client a new secret",
		"The answer has it, which is shown once. Older secrets go on working for a while; with compromised, they end at once, "+
			"and with them all tokens and grants of the client.", []int{404, 409}, s.createSecret)

	const initial = "clients"
	route(s, initial, "list-initial-access-tokens", "GET /v1/initial-access-tokens", "List initial access tokens",
		"With which others register clients themselves (RFC 7591); without their secret part.", []int{422}, s.listInitialTokens)
	route(s, initial, "create-initial-access-token", "POST /v1/initial-access-tokens", "Make an initial access token",
		"The answer has it, which is shown once.", nil, s.createInitialToken)
	route(s, initial, "withdraw-initial-access-token", "DELETE /v1/initial-access-tokens/{id}", "Withdraw an initial access token",
		"The clients that it registered stay.", []int{404}, s.withdrawInitialToken)
}

// ClientInput names a client.
type ClientInput struct {
	ID Text `path:"client_id" doc:"The client_id, percent-encoded."`
}

// metadata is a client's metadata as JSON: the members of [client.Members], and those in other
// languages.
type metadata struct{ text json.RawMessage }

var (
	_ json.Unmarshaler    = (*metadata)(nil)
	_ json.Marshaler      = metadata{}
	_ huma.SchemaProvider = metadata{}
)

// UnmarshalJSON keeps the text.
func (m *metadata) UnmarshalJSON(text []byte) error {
	m.text = append(json.RawMessage(nil), text...)
	return nil
}

// MarshalJSON writes the text.
func (m metadata) MarshalJSON() ([]byte, error) { return m.text, nil }

// Schema describes the metadata, for huma.
func (metadata) Schema(r huma.Registry) *huma.Schema {
	return named(r, "ClientMetadata", func() *huma.Schema { return metadataSchema(nil) })
}

// named puts a schema into the registry by a name, once, and refers to it.
func named(r huma.Registry, name string, make func() *huma.Schema) *huma.Schema {
	if r.Map()[name] == nil {
		r.Map()[name] = make()
	}
	return &huma.Schema{Ref: "#/components/schemas/" + name}
}

// metadataSchema is the schema of metadata that has further members.
func metadataSchema(more map[string]*huma.Schema) *huma.Schema {
	schema := &huma.Schema{
		Type: huma.TypeObject, Properties: map[string]*huma.Schema{}, AdditionalProperties: true,
		Description: "Client metadata (RFC 7591, section 2). Members that people read can be there in other languages, such as client_name#ko.",
	}
	types := map[client.Kind]string{client.Text: huma.TypeString, client.Switch: huma.TypeBoolean, client.Number: huma.TypeInteger, client.Object: huma.TypeObject}
	for _, m := range client.Members {
		one := &huma.Schema{Type: types[m.Kind()], Description: m.Help, Nullable: true}
		switch m.Kind() {
		case client.List:
			one = &huma.Schema{Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeString}, Description: m.Help, Nullable: true}
		case client.Object:
			one.AdditionalProperties = true
		}
		schema.Properties[m.Name] = one
	}
	for name, one := range more {
		schema.Properties[name] = one
	}
	schema.PrecomputeMessages()
	return schema
}

// OAuthClient is a client as it is shown: its metadata, and what the server knows beside it.
type OAuthClient struct {
	client.Client
	secret string // shown now, and never again; empty: none
}

var (
	_ json.Marshaler      = OAuthClient{}
	_ huma.SchemaProvider = OAuthClient{}
)

type clientExtras struct {
	CreatedAt  time.Time `json:"created_at"`
	UpdatedAt  time.Time `json:"updated_at"`
	UsedAt     time.Time `json:"used_at,omitzero" doc:"When it last got tokens, to within ten minutes."`
	DisabledAt time.Time `json:"disabled_at,omitzero" doc:"When it was disabled. Absent: it is not."`
	Disabled   bool      `json:"disabled"`
	Unvouched  bool      `json:"unvouched,omitempty" doc:"It registered itself without an initial access token, or has a document: anybody can make one."`
	Secret     string    `json:"client_secret,omitempty" doc:"A new secret, shown once."`
}

// MarshalJSON writes the client.
func (c OAuthClient) MarshalJSON() ([]byte, error) {
	return c.JSONWith(clientExtras{c.CreatedAt, c.UpdatedAt, c.UsedAt, c.DisabledAt, !c.DisabledAt.IsZero(), c.Unvouched, c.secret})
}

// Schema describes the client, for huma.
func (OAuthClient) Schema(r huma.Registry) *huma.Schema {
	return named(r, "OAuthClient", func() *huma.Schema {
		extras := huma.SchemaFromType(r, reflect.TypeFor[clientExtras]())
		schema := metadataSchema(extras.Properties)
		schema.Required = append([]string{"client_id"}, extras.Required...)
		return schema
	})
}

func (s *service) listClients(ctx context.Context, actor admin.Actor, in *PageInput) (*listOf[OAuthClient], error) {
	page, err := s.admin.ListClients(ctx, actor, in.Cursor, in.Limit)
	return listedAs(page, err, func(c client.Client) OAuthClient { return OAuthClient{Client: c} })
}

// clientAnswer is the answer with a client.
func clientAnswer(c OAuthClient, err error) (*versioned[OAuthClient], error) {
	if err != nil {
		return nil, err
	}
	return &versioned[OAuthClient]{rest.ETag(admin.ClientVersion(c.Client)), c}, nil
}

func (s *service) readClient(ctx context.Context, actor admin.Actor, id string) (OAuthClient, error) {
	c, err := s.admin.Client(ctx, actor, id)
	return OAuthClient{Client: c}, err
}

func (s *service) getClient(ctx context.Context, actor admin.Actor, in *ClientInput) (*versioned[OAuthClient], error) {
	return clientAnswer(s.readClient(ctx, actor, string(in.ID)))
}

type createClientInput struct {
	rest.CreateInput
	ReasonInput
	Body metadata
}

func issued(made directory.Issued, err error) (OAuthClient, error) {
	return OAuthClient{made.Client, made.Secret}, err
}

func (s *service) createClient(ctx context.Context, actor admin.Actor, in *createClientInput) (*createdVersion[OAuthClient], error) {
	members, err := client.ReadPatch(in.Body.text)
	if err != nil {
		return nil, err
	}
	id, _ := members["client_id"].(string)
	delete(members, "client_id")
	made, err := once(ctx, s, in.CreateInput, "create-client", in.Body, func(ctx context.Context) (OAuthClient, error) {
		return issued(s.admin.CreateClient(ctx, actor, id, members, in.Reason))
	}, func(id string) (OAuthClient, error) { return s.readClient(ctx, actor, id) })
	return newAt(s, "/v1/clients/", made.ID, admin.ClientVersion(made.Client), made, err)
}

type updateClientInput struct {
	ClientInput
	rest.ChangeInput
	ReasonInput
	Body clientChange `contentType:"application/merge-patch+json"`
}

// clientChange is a merge patch of a client. Whether it is disabled is a member of it.
type clientChange struct{ metadata }

// Schema describes the patch, for huma.
func (clientChange) Schema(r huma.Registry) *huma.Schema {
	return named(r, "ClientChange", func() *huma.Schema {
		return metadataSchema(map[string]*huma.Schema{
			"disabled": {Type: huma.TypeBoolean, Description: "A disabled client is refused everywhere, and all tokens that it holds are revoked."},
		})
	})
}

// read returns the members that change, and whether the client is to be disabled; nil: as it is.
func (c clientChange) read() (members client.Patch, disabled *bool, err error) {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(c.text, &raw); err != nil {
		return nil, nil, err
	}
	if value, there := raw["disabled"]; there {
		if err := json.Unmarshal(value, &disabled); err != nil {
			return nil, nil, err
		}
		delete(raw, "disabled")
	}
	text, err := json.Marshal(raw)
	if err != nil {
		return nil, nil, err
	}
	members, err = client.ReadPatch(text)
	return members, disabled, err
}

func (s *service) updateClient(ctx context.Context, actor admin.Actor, in *updateClientInput) (*versioned[OAuthClient], error) {
	if _, err := rest.IfMatch(in.IfMatch); err != nil {
		return nil, err
	}
	members, disabled, err := in.Body.read()
	if err != nil {
		return nil, err
	}
	before, err := s.readClient(ctx, actor, string(in.ID))
	version, err := seen(in.IfMatch, admin.ClientVersion(before.Client), err)
	if err != nil {
		return nil, err
	}
	changed, err := s.admin.ChangeClient(ctx, actor, before.ID, version, members, disabled, in.Reason)
	return clientAnswer(issued(changed, err))
}

type deleteClientInput struct {
	ClientInput
	ReasonInput
}

type deletedClient struct {
	Grants   int64 `json:"grants" doc:"How many grants went."`
	Consents int64 `json:"consents" doc:"How many consents went."`
}

func (s *service) deleteClient(ctx context.Context, actor admin.Actor, in *deleteClientInput) (*answer[deletedClient], error) {
	deleted, err := s.admin.DeleteClient(ctx, actor, string(in.ID), in.Reason)
	return &answer[deletedClient]{deletedClient{deleted.Grants, deleted.Consents}}, err
}

type createSecretInput struct {
	ClientInput
	rest.CreateInput
	Body struct {
		Reason
		Overlap     int64 `json:"overlap,omitempty" minimum:"0" maximum:"31536000" doc:"For how many seconds older secrets go on working. Absent: none."`
		Compromised bool  `json:"compromised,omitempty" doc:"Somebody else knows the secret: everything that the client has ends."`
	}
}

func (s *service) createSecret(ctx context.Context, actor admin.Actor, in *createSecretInput) (*versioned[OAuthClient], error) {
	b, id := in.Body, string(in.ID)
	return clientAnswer(once(ctx, s, in.CreateInput, "create-client-secret", []any{id, b}, func(ctx context.Context) (OAuthClient, error) {
		if b.Compromised {
			return issued(s.admin.RotateCompromised(ctx, actor, id, b.Reason.Reason))
		}
		return issued(s.admin.RotateSecret(ctx, actor, id, time.Duration(b.Overlap)*time.Second, b.Reason.Reason))
	}, func(string) (OAuthClient, error) { return s.readClient(ctx, actor, id) }))
}

func (s *service) listInitialTokens(ctx context.Context, actor admin.Actor, in *PageInput) (*listOf[admin.InitialToken], error) {
	return listed(s.admin.InitialTokens(ctx, actor, in.Cursor, in.Limit))
}

type createInitialTokenInput struct {
	rest.CreateInput
	Body struct {
		Reason
		Uses      int64  `json:"uses,omitempty" minimum:"1" maximum:"1000000" doc:"How many clients it registers. Absent: one."`
		ExpiresIn int64  `json:"expires_in,omitempty" minimum:"60" maximum:"31536000" doc:"Seconds. Absent: one day."`
		Note      string `json:"note,omitempty" maxLength:"255" doc:"For your own records."`
	}
}

type newInitialToken struct {
	ID        string    `json:"id,omitempty"`
	Token     string    `json:"token,omitempty" doc:"Shown once. Absent: it was shown before."`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

func (s *service) createInitialToken(ctx context.Context, actor admin.Actor, in *createInitialTokenInput) (*created[newInitialToken], error) {
	b := in.Body
	want := directory.InitialToken{Uses: max(b.Uses, 1), Lifetime: 24 * time.Hour, Note: b.Note}
	if b.ExpiresIn != 0 {
		want.Lifetime = time.Duration(b.ExpiresIn) * time.Second
	}
	made, err := once(ctx, s, in.CreateInput, "create-initial-access-token", b, func(ctx context.Context) (newInitialToken, error) {
		token, expires, err := s.admin.CreateInitialToken(ctx, actor, want, b.Reason.Reason)
		return newInitialToken{admin.IDOfToken(token), token, expires}, err
	}, func(id string) (newInitialToken, error) { return newInitialToken{ID: id}, nil })
	if err != nil {
		return nil, err
	}
	return &created[newInitialToken]{s.api.Location("/v1/initial-access-tokens/" + url.PathEscape(made.ID)), made}, nil
}

type withdrawTokenInput struct {
	ID Text `path:"id"`
	ReasonInput
}

func (s *service) withdrawInitialToken(ctx context.Context, actor admin.Actor, in *withdrawTokenInput) (*nothing, error) {
	return done(s.admin.WithdrawInitialToken(ctx, actor, string(in.ID), in.Reason))
}
