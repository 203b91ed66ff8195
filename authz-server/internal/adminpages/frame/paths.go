package frame

import (
	"encoding/base64"
	"net/url"
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/store"
)

// PageSize is how many rows a list has.
const PageSize = 50

// NextPage is the address of the page of a list after a cursor; empty: there is none.
func NextPage(path, cursor string) string {
	if cursor == "" {
		return ""
	}
	return withParameter(path, "after", cursor)
}

// withParameter adds a parameter to the query of a path.
func withParameter(path, name, value string) string {
	separator := "?"
	if strings.Contains(path, "?") {
		separator = "&"
	}
	return path + separator + url.Values{name: {value}}.Encode()
}

// ClientPath is the address of an app's page. An id that is the URL of a document would be a path of
// its own; in base64url after a ~, with which no other id begins, it is one segment.
func ClientPath(id string) string {
	if client.IsDocumentID(id) {
		id = "~" + base64.RawURLEncoding.EncodeToString([]byte(id))
	}
	return "/admin/clients/" + url.PathEscape(id)
}

// ClientID is the id of the app that the address names, below [ClientPath].
func (v *Visit) ClientID() (string, error) {
	id := v.In("id")
	coded, ok := strings.CutPrefix(id, "~")
	if !ok {
		return id, nil
	}
	plain, err := base64.RawURLEncoding.DecodeString(coded)
	if err != nil || !client.IsDocumentID(string(plain)) {
		return "", store.ErrNotFound
	}
	return string(plain), nil
}
