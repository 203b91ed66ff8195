package ssf

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/ssf/delivery"
	"github.com/maru-auth/maru/internal/httpd"
)

// Paths below the issuer.
const (
	Path = "/ssf"

	streamPath = Path + "/stream"
	statusPath = Path + "/status"
	addPath    = Path + "/subjects:add"
	removePath = Path + "/subjects:remove"
	verifyPath = Path + "/verify"
	pollPath   = Path + "/poll/"
)

// Delivery methods (SSF §6.1).
const (
	MethodPush = "urn:ietf:rfc:8935"
	MethodPoll = "urn:ietf:rfc:8936"
)

// Resource is the management interface as a resource server: the audience of its access tokens, and
// their scopes, which only a client can have that acts for nobody but itself.
func Resource(at issuer.URL) client.Resource {
	return client.Resource{Name: "ssf", ID: at.URL(Path), OwnScopes: []string{delivery.ScopeRead, delivery.ScopeManage}}
}

// configuration is the transmitter's metadata (SSF §7.1).
func (e *Endpoints) configuration(w http.ResponseWriter, r *http.Request) {
	type scheme struct {
		URN string `json:"spec_urn"`
	}
	e.document(w, r, struct {
		SpecVersion string   `json:"spec_version"`
		Issuer      string   `json:"issuer"`
		JWKSURI     string   `json:"jwks_uri"`
		Methods     []string `json:"delivery_methods_supported"`
		Stream      string   `json:"configuration_endpoint"`
		Status      string   `json:"status_endpoint"`
		Add         string   `json:"add_subject_endpoint"`
		Remove      string   `json:"remove_subject_endpoint"`
		Verify      string   `json:"verification_endpoint"`
		Schemes     []scheme `json:"authorization_schemes"`
		Subjects    string   `json:"default_subjects"`
	}{
		"1_0", e.Issuer.String(), e.Issuer.URL("/.well-known/jwks.json"), []string{MethodPush, MethodPoll},
		e.Issuer.URL(streamPath), e.Issuer.URL(statusPath), e.Issuer.URL(addPath), e.Issuer.URL(removePath),
		e.Issuer.URL(verifyPath), []scheme{{"urn:ietf:rfc:6749"}}, "ALL",
	})
}

// resource is the metadata of the interface as a resource server (RFC 9728 §2), from which
// receivers learn the scopes (CAEP Interoperability Profile §2.7.2).
func (e *Endpoints) resource(w http.ResponseWriter, r *http.Request) {
	own := Resource(e.Issuer)
	e.document(w, r, struct {
		Resource string   `json:"resource"`
		Servers  []string `json:"authorization_servers"`
		Scopes   []string `json:"scopes_supported"`
		Methods  []string `json:"bearer_methods_supported"`
		DPoP     []string `json:"dpop_signing_alg_values_supported"`
		Name     string   `json:"resource_name"`
	}{own.ID, []string{e.Issuer.String()}, own.OwnScopes, []string{"header"}, client.Algorithms, "Event streams"})
}

// documentAge is how long others may keep a document.
const documentAge = 5 * time.Minute

func (e *Endpoints) document(w http.ResponseWriter, r *http.Request, document any) {
	text, err := json.Marshal(document)
	if err != nil {
		e.Error(w, r, err)
		return
	}
	httpd.ServeJSON(w, r, text, documentAge)
}
