// Package api is the HTTP interface of the board service: paths under /v1, described by OpenAPI at /openapi.json, and the
// service's metadata as a protected resource (RFC 9728).
//
// Who may do what is settled in access.go and, where it depends on the thing itself, at the top of each handler; the table
// in the service's README says it all, and a test holds them together.
package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humamux"
	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/jwks"
	"github.com/maru-auth/maru/resources/board/internal/authors"
	"github.com/maru-auth/maru/resources/board/internal/store"
)

// maxBody is the largest request body in bytes: the longest post with every character outside the BMP and escaped (\uD83D\uDE00).
const maxBody = 256 << 10

// Config is what the interface needs. All fields are required to serve.
type Config struct {
	Issuer   string // of the tokens
	Audience string // this service's identifier and public address
	Store    *store.Store
	Names    *authors.Names
	Verifier *jwks.Verifier
	Log      *slog.Logger
}

// service is what the handlers share. It is immutable once made.
type service struct {
	resource resource
	store    *store.Store
	names    *authors.Names
	guard    *jwks.Guard
	log      *slog.Logger
}

// New returns the service's handler, for httpd.Server, or an error that says what is wrong with the configuration.
func New(cfg Config) (http.Handler, error) {
	resource, err := newResource(cfg.Issuer, cfg.Audience)
	if err != nil {
		return nil, err
	}
	dpop, err := jwks.NewDPoP(jwks.DPoPConfig{BaseURL: cfg.Audience})
	if err != nil {
		return nil, err
	}
	s := &service{
		resource: resource,
		store:    cfg.Store,
		names:    cfg.Names,
		guard:    jwks.NewGuard(cfg.Verifier, jwks.GuardConfig{ResourceMetadata: resource.metadataURL, DPoP: dpop}),
		log:      cfg.Log,
	}
	router, document := s.routes()
	openAPI, err := marshal(document)
	if err != nil {
		return nil, err
	}
	metadata, err := json.Marshal(resource.metadata(dpop.Algorithms()))
	if err != nil {
		return nil, err
	}
	serve := func(path, contentType string, body []byte) {
		router.Path(path).Methods(http.MethodGet).HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.Header().Set("Cache-Control", "public, max-age=300")
			w.Write(body) //nolint:errcheck // nobody is left to tell
		})
	}
	serve("/openapi.json", "application/openapi+json", openAPI)
	for _, path := range resource.metadataPaths() {
		serve(path, "application/json", metadata)
	}
	return around(router), nil
}

// Document returns the OpenAPI 3.1 document of the service that has the audience and trusts the issuer, indented.
func Document(issuer, audience string) ([]byte, error) {
	resource, err := newResource(issuer, audience)
	if err != nil {
		return nil, err
	}
	_, document := (&service{resource: resource}).routes()
	return marshal(document)
}

func marshal(document *huma.OpenAPI) ([]byte, error) {
	compact, err := json.Marshal(document)
	if err != nil {
		return nil, fmt.Errorf("write the OpenAPI document: %w", err)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, compact, "", "  "); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// routes is the whole interface: every path, and what a token needs for it.
func (s *service) routes() (*mux.Router, *huma.OpenAPI) {
	router := mux.NewRouter().SkipClean(true)
	router.NotFoundHandler = http.HandlerFunc(notFound)
	router.MethodNotAllowedHandler = methodNotAllowed(router)
	api := humamux.New(router, s.humaConfig())

	boards := describe{tag: "boards"}
	route(s, api, mayRead, boards.op("list-boards", "GET /v1/boards", "List the boards", "The oldest first."), s.listBoards)
	route(s, api, mayModerate, boards.op("create-board", "POST /v1/boards", "Make a board", "", 409), s.createBoard)
	route(s, api, mayRead, boards.op("get-board", "GET /v1/boards/{slug}", "Get a board", "", 404), s.getBoard)
	route(s, api, mayModerate, boards.op("update-board", "PATCH /v1/boards/{slug}", "Change a board", mergePatchDoc, 404), s.updateBoard)

	posts := describe{tag: "posts"}
	route(s, api, mayRead, posts.op("list-posts", "GET /v1/boards/{slug}/posts", "List the posts of a board", "Pinned ones first, then the newest; without their bodies.", 404), s.listPosts)
	route(s, api, mayWrite, posts.op("create-post", "POST /v1/boards/{slug}/posts", "Write a post", "On a board with moderators_only this takes a moderator.", 404), s.createPost)
	route(s, api, mayRead, posts.op("search-posts", "GET /v1/posts", "Search posts", "The newest first; without their bodies. The text is searched for as it is, in title and body; small and capital letters are the same."), s.searchPosts)
	route(s, api, mayRead, posts.op("get-post", "GET /v1/posts/{id}", "Get a post", "", 404), s.getPost)
	route(s, api, mayWrite, posts.op("update-post", "PATCH /v1/posts/{id}", "Change one's own post", "Not while it is locked, moderators excepted. "+mergePatchDoc, 404), s.updatePost)
	route(s, api, mayDelete, posts.op("delete-post", "DELETE /v1/posts/{id}", "Delete a post and its comments", "One's own; a moderator any.", 400, 404, 412), s.deletePost)

	comments := describe{tag: "comments"}
	route(s, api, mayRead, comments.op("list-comments", "GET /v1/posts/{id}/comments", "List the comments of a post",
		"Thread by thread, the oldest first, each comment followed by its replies. What is deleted or hidden is left out, or, if it has replies, a stub without body and author.", 404), s.listComments)
	route(s, api, mayWrite, comments.op("create-comment", "POST /v1/posts/{id}/comments", "Write a comment", "Not while the post is locked, moderators excepted.", 404), s.createComment)
	route(s, api, mayRead, comments.op("get-comment", "GET /v1/comments/{id}", "Get a comment", "For its ETag, before it is changed.", 404), s.getComment)
	route(s, api, mayWrite, comments.op("update-comment", "PATCH /v1/comments/{id}", "Change one's own comment", "Not while its post is locked, moderators excepted. "+mergePatchDoc, 404), s.updateComment)
	route(s, api, mayDelete, comments.op("delete-comment", "DELETE /v1/comments/{id}", "Delete a comment", "One's own; a moderator any. Its replies stay.", 400, 404, 412), s.deleteComment)

	moderation := describe{tag: "moderation"}
	for _, mark := range []struct {
		name, path, on, off string
		set                 setMark
	}{
		{"post-pinned", "/v1/posts/{id}/pinned", "Pin a post to the top of its board", "Put a pinned post back in its place", s.store.SetPinned},
		{"post-locked", "/v1/posts/{id}/locked", "Lock a post: no changes and no new comments", "Unlock a post", s.store.SetLocked},
		{"post-hidden", "/v1/posts/{id}/hidden", "Hide a post from all but its author and moderators", "Show a hidden post again", s.store.SetHidden},
		{"comment-hidden", "/v1/comments/{id}/hidden", "Hide a comment from all but its author and moderators", "Show a hidden comment again", s.store.SetCommentHidden},
	} {
		const doc = "Done twice it is done once. The ETag stays the same."
		route(s, api, mayModerate, moderation.op("set-"+mark.name, "PUT "+mark.path, mark.on, doc, 404), marker(mark.set, true))
		route(s, api, mayModerate, moderation.op("unset-"+mark.name, "DELETE "+mark.path, mark.off, doc, 404), marker(mark.set, false))
	}
	return router, api.OpenAPI()
}

const mergePatchDoc = "A JSON Merge Patch (RFC 7396): members that are left out stay as they are."

// describe makes the operations of one tag.
type describe struct{ tag string }

// op describes an operation; errors are the statuses that are its own.
func (d describe) op(id, methodAndPath, summary, description string, errors ...int) huma.Operation {
	method, path, _ := strings.Cut(methodAndPath, " ")
	op := huma.Operation{OperationID: id, Method: method, Path: path, Summary: summary, Description: description, Tags: []string{d.tag}, Errors: errors}
	switch method {
	case http.MethodPost:
		op.DefaultStatus, op.MaxBodyBytes = http.StatusCreated, maxBody
		op.Errors = append(op.Errors, 400, 413, 415)
	case http.MethodPatch:
		op.MaxBodyBytes = maxBody
		op.Errors = append(op.Errors, 400, 412, 413, 415, 428)
	}
	return op
}

// The scopes that this service knows.
const (
	scopeRead     = "board:read"
	scopeWrite    = "board:write"
	scopeModerate = "board:moderate"
)

var scopeTexts = map[string]string{
	scopeRead:     "Read boards, posts and comments.",
	scopeWrite:    "Write posts and comments; change and delete one's own.",
	scopeModerate: "Pin, lock, hide and delete what others wrote, and make boards: for people with the role moderator.",
}

func (s *service) humaConfig() huma.Config {
	jsonFormat := huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: unmarshal}
	token := s.resource.issuer + "/oauth2/token"
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title:   "Maru board service",
				Version: "1.0.0",
				Description: "Boards, posts and comments. Texts are in Unicode and kept in normalization form C, with \\n between lines; lengths count code points. " +
					"Markdown is kept as it was written: whoever shows it renders it, and must not trust it. " +
					"A change needs the ETag of what was read in If-Match: 428 without, 412 when somebody else was faster. " +
					"A request that creates may carry an Idempotency-Key: sent again within 24 hours it creates nothing new and gets what the first one created. " +
					"Lists come in pages: send the next of one page as the cursor of the following one. " +
					"Errors are problem documents (RFC 9457). Members may be added to answers within this version: ignore those you do not know.",
			},
			Servers: []*huma.Server{{URL: s.resource.audience}},
			Tags: []*huma.Tag{
				{Name: "boards", Description: "Places for posts."},
				{Name: "posts", Description: "What people write."},
				{Name: "comments", Description: "What people say to it, with one level of replies."},
				{Name: "moderation", Description: "For people with the role moderator, with a token of the scope " + scopeModerate + "."},
			},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
				SecuritySchemes: map[string]*huma.SecurityScheme{securityScheme: {
					Type:        "oauth2",
					Description: "An access token (RFC 9068) of the issuer " + s.resource.issuer + " for the audience " + s.resource.audience + ", as Authorization: Bearer; or, if it is bound to a key, as Authorization: DPoP with a proof (RFC 9449).",
					Flows: &huma.OAuthFlows{
						AuthorizationCode: &huma.OAuthFlow{AuthorizationURL: s.resource.issuer + "/oauth2/authorize", TokenURL: token, RefreshURL: token, Scopes: scopeTexts},
						ClientCredentials: &huma.OAuthFlow{TokenURL: token, Scopes: map[string]string{scopeRead: scopeTexts[scopeRead]}},
					},
				}},
			},
		},
		// "json" is for media types that end in +json. No CreateHooks: they would add links made from the Host header.
		Formats:       map[string]huma.Format{"application/json": jsonFormat, "json": jsonFormat},
		DefaultFormat: "application/json",
		Transformers:  []huma.Transformer{addRequestID},
	}
}

// resource is this service as RFC 9728 sees it.
type resource struct {
	issuer, audience string
	metadataURL      string // RFC 9728 §3.1
	path             string // of the audience, without a slash at its end
}

func newResource(issuer, audience string) (resource, error) {
	if _, err := parseBase(issuer); err != nil {
		return resource{}, fmt.Errorf("the issuer (setting --issuer) %w", err)
	}
	u, err := parseBase(audience)
	if err != nil {
		return resource{}, fmt.Errorf("the audience (setting --audience) %w", err)
	}
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	return resource{issuer: issuer, audience: audience, path: path, metadataURL: u.Scheme + "://" + u.Host + wellKnown + path}, nil
}

func parseBase(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return nil, errors.New("must be an http or https URL without user, query or fragment, such as https://api.example/board")
	}
	return u, nil
}

// location is the public address of a path of this service: the gateway may have taken a prefix off.
func (r resource) location(path string) string { return strings.TrimSuffix(r.audience, "/") + path }

const wellKnown = "/.well-known/oauth-protected-resource"

// metadataPaths are where the gateway may ask for the metadata: with and without the audience's path.
func (r resource) metadataPaths() []string {
	if r.path == "" {
		return []string{wellKnown}
	}
	return []string{wellKnown, wellKnown + r.path}
}

// metadata is the document of RFC 9728 §2.
func (r resource) metadata(proofAlgorithms []string) any {
	return struct {
		Resource             string   `json:"resource"`
		AuthorizationServers []string `json:"authorization_servers"`
		ScopesSupported      []string `json:"scopes_supported"`
		BearerMethods        []string `json:"bearer_methods_supported"`
		DPoPAlgorithms       []string `json:"dpop_signing_alg_values_supported"`
		ResourceName         string   `json:"resource_name"`
	}{r.audience, []string{r.issuer}, []string{scopeRead, scopeWrite, scopeModerate}, []string{"header"}, proofAlgorithms, "Maru board service"}
}
