package tokeninfo

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/authz-server/internal/endpoint"
	"github.com/maru-auth/maru/authz-server/internal/oauth"
	"github.com/maru-auth/maru/internal/httpd"
)

const (
	// statusListAge is how long a cache on the way may keep a list. What follows the lists asks for
	// them again by their ttl.
	statusListAge = time.Second
	// statusListsAge is how long the list of lists may be kept.
	statusListsAge = time.Minute
)

// StatusList answers with a Token Status List (draft-ietf-oauth-status-list-21 §8.1). It says
// nothing about earlier times (§8.4).
func (e *Endpoints) StatusList(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Has("time") {
		endpoint.WriteRefusal(w, http.StatusNotImplemented, oauth.InvalidRequest.Code,
			"this server keeps no earlier states of a status list; leave the parameter time out")
		return
	}
	list, ok, err := e.Status.List(r.Context(), mux.Vars(r)["list"])
	if err != nil {
		e.Error(w, r, err)
		return
	}
	if !ok {
		endpoint.WriteRefusal(w, http.StatusNotFound, "not_found", "there is no such status list; its tokens have expired")
		return
	}
	httpd.ServeDocument(w, r, "application/statuslist+jwt", list, statusListAge)
}

// StatusLists answers with the addresses of all lists (§9.3).
func (e *Endpoints) StatusLists(w http.ResponseWriter, r *http.Request) {
	uris, err := e.Status.URIs(r.Context())
	if err != nil {
		e.Error(w, r, err)
		return
	}
	text, err := json.Marshal(struct {
		Lists []string `json:"status_lists"`
	}{uris})
	if err != nil {
		e.Error(w, r, err)
		return
	}
	httpd.ServeJSON(w, r, text, statusListsAge)
}
