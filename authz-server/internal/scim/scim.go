// Package scim lets directories keep accounts and groups here as they have them: SCIM 2.0 (RFC 7643,
// RFC 7644, and cursors of RFC 9865), below <issuer>/scim/v2.
//
// It only translates: package language reads what a request says, and package provisioning changes
// all that a request says or nothing, as package admin decides. There is no bulk, no sorting and no password here.
package scim

import (
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/admin/provisioning"
	"github.com/maru-auth/maru/authz-server/internal/adminaccess"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/scim/language"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
)

// Path is where SCIM is, below the issuer.
const Path = "/scim/v2"

// Groups is where groups are, below [Path].
const Groups = "/Groups"

// reason is what the audit log has as the reason of what directories do.
const reason = "SCIM"

// Config is what a [Server] needs. All fields but Log and Now are required.
type Config struct {
	Issuer     issuer.URL
	Operations *provisioning.Operations
	Log        *slog.Logger     // gets errors that are the server's; nil: none
	Now        func() time.Time // nil: time.Now

	// Actor tells who makes a request: [adminaccess.Tokens.Actor].
	Actor func(http.ResponseWriter, *http.Request) (admin.Actor, error)
	// Refused is the answer to an operation that was refused: [adminaccess.Tokens.Refused].
	Refused func(*http.Request, error) *adminaccess.Refused
}

// Server answers directories. It is safe for concurrent use.
type Server struct {
	cfg   Config
	rates *rates
}

// The kinds of resources.
var (
	users  = language.User(accounts.EmailKey)
	groups = language.Group(roles.GroupKey)
)

// New makes a [Server].
func New(cfg Config) *Server {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Server{cfg, newRates(cfg.Now)}
}

// Routes adds all that is below [Path].
func (s *Server) Routes(r *mux.Router) {
	at := r.PathPrefix(Path).Subrouter()
	for path, document := range s.discovery() {
		at.Handle(path, s.public(document)).Methods(http.MethodGet)
	}
	for _, one := range []struct {
		method, path string
		do           func(http.ResponseWriter, *http.Request, admin.Actor) error
	}{
		{http.MethodGet, "", s.list(users, groups)}, {http.MethodGet, "/", s.list(users, groups)},
		{http.MethodPost, "/.search", s.list(users, groups)},
		{http.MethodGet, "/Users", s.list(users)}, {http.MethodPost, "/Users/.search", s.list(users)},
		{http.MethodPost, "/Users", s.createUser}, {http.MethodGet, "/Users/{id}", s.user},
		{http.MethodPut, "/Users/{id}", s.replaceUser}, {http.MethodPatch, "/Users/{id}", s.patchUser},
		{http.MethodDelete, "/Users/{id}", s.deleteUser},
		{http.MethodGet, "/Groups", s.list(groups)}, {http.MethodPost, "/Groups/.search", s.list(groups)},
		{http.MethodPost, "/Groups", s.createGroup}, {http.MethodGet, "/Groups/{id}", s.group},
		{http.MethodPut, "/Groups/{id}", s.replaceGroup}, {http.MethodPatch, "/Groups/{id}", s.patchGroup},
		{http.MethodDelete, "/Groups/{id}", s.deleteGroup},
	} {
		at.Handle(one.path, s.authorized(one.do)).Methods(one.method)
	}
	for path, what := range map[string]string{"/Bulk": "Bulk operations are", "/Me": "/Me is"} {
		at.Handle(path, s.refusing(&problem{Status: http.StatusNotImplemented, Detail: what + " not supported."}))
	}
	at.Handle("", s.refusing(nil))
	at.PathPrefix("/").Handler(s.refusing(nil))
}

// authorized lets in whoever has a token for this server's administration.
func (s *Server) authorized(do func(http.ResponseWriter, *http.Request, admin.Actor) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		actor, err := s.cfg.Actor(w, r)
		if err == nil {
			if wait := s.rates.take(actor); wait > 0 {
				err = &tooOften{wait}
			}
		}
		if err == nil {
			err = do(w, r, actor)
		}
		if err != nil {
			s.fail(w, r, err)
		}
	})
}

// refusing answers what there is not; nil: whatever else is asked for.
func (s *Server) refusing(p *problem) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p == nil {
			s.fail(w, r, missing(w, r))
			return
		}
		s.fail(w, r, p)
	})
}

// missing is the answer where no route leads.
func missing(w http.ResponseWriter, r *http.Request) error {
	kind, rest, item := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, Path), "/"), "/")
	describes := kind == "ServiceProviderConfig" || kind == "ResourceTypes" || kind == "Schemas"
	switch {
	case kind == "" && !item:
		w.Header().Set("Allow", "GET")
	case kind == ".search" && !item:
		w.Header().Set("Allow", "POST")
	case describes && r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET")
	case kind != "Users" && kind != "Groups" || strings.Contains(rest, "/"):
		return &problem{Status: http.StatusNotFound, Detail: "There is nothing at this address."}
	case rest == ".search":
		w.Header().Set("Allow", "POST")
	case item:
		w.Header().Set("Allow", "GET, PUT, PATCH, DELETE")
	default:
		w.Header().Set("Allow", "GET, POST")
	}
	return &problem{Status: http.StatusMethodNotAllowed, Detail: "There is no such method at this address."}
}

// idOf is the id in a request's path. One that nothing can have is as good as none.
func idOf(r *http.Request) string {
	id := mux.Vars(r)["id"]
	if !language.Storable(id) {
		return "-"
	}
	return id
}

// location is the address of a resource.
func (s *Server) location(k *language.Kind, id string) string {
	return s.cfg.Issuer.URL(Path + k.Endpoint + "/" + id)
}

func (s *Server) meta(k *language.Kind, id string, created, updated time.Time, version string) map[string]any {
	return map[string]any{
		"resourceType": k.Name, "created": created, "lastModified": updated,
		"location": s.location(k, id), "version": `W/"` + version + `"`,
	}
}

// shownOf is which attributes a request for one resource wants to see.
func shownOf(k *language.Kind, r *http.Request) (language.Selection, error) {
	params := map[string]any{}
	for _, name := range []string{"attributes", "excludedAttributes"} {
		if sent := r.URL.Query().Get(name); sent != "" {
			params[name] = sent
		}
	}
	return k.Selection(params)
}

// writeResource answers with a resource, unless the client has this version already.
func (s *Server) writeResource(
	w http.ResponseWriter, r *http.Request, status int, shown *language.Selection, doc map[string]any,
) {
	meta, _ := doc["meta"].(map[string]any)
	version, _ := meta["version"].(string)
	location, _ := meta["location"].(string)
	w.Header().Set("ETag", version)
	if r.Method == http.MethodGet && seen(r.Header.Get("If-None-Match"), version) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if status == http.StatusCreated {
		w.Header().Set("Location", location)
	} else {
		w.Header().Set("Content-Location", location)
	}
	write(w, status, shown.Of(doc))
}

// seen tells whether If-None-Match names the version.
func seen(header, version string) bool {
	want, _ := versionIn(version)
	for one := range strings.SplitSeq(header, ",") {
		if got, ok := versionIn(one); ok && got == want || strings.TrimSpace(one) == "*" {
			return true
		}
	}
	return false
}
