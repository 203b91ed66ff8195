package scim

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/scim/language"
)

// The schemas of what describes this server (RFC 7643 §5 to §7).
const (
	configSchema = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
	typeSchema   = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
	schemaSchema = "urn:ietf:params:scim:schemas:core:2.0:Schema"
)

// discovery is what describes this server, by path.
func (s *Server) discovery() map[string]any {
	all := map[string]any{"/ServiceProviderConfig": s.serviceProvider()}
	var types, schemas []any
	for _, k := range []*language.Kind{users, groups} {
		one := s.resourceType(k)
		types = append(types, one)
		all["/ResourceTypes/"+k.Name] = one
		schema := s.schemaOf(k)
		schemas = append(schemas, schema)
		all["/Schemas/"+k.Schema] = schema
	}
	all["/ResourceTypes"], all["/Schemas"] = listOf(types), listOf(schemas)
	return all
}

func listOf(all []any) any {
	return map[string]any{
		"schemas": []string{listSchema}, "totalResults": len(all), "itemsPerPage": len(all), "startIndex": 1,
		"Resources": all,
	}
}

func (s *Server) about(kind, path string) map[string]any {
	return map[string]any{"resourceType": kind, "location": s.cfg.Issuer.URL(Path + path)}
}

func (s *Server) serviceProvider() any {
	supported := func(is bool) map[string]any { return map[string]any{"supported": is} }
	return map[string]any{
		"schemas": []string{configSchema},
		"patch":   supported(true), "etag": supported(true), "sort": supported(false), "changePassword": supported(false),
		"bulk":   map[string]any{"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
		"filter": map[string]any{"supported": true, "maxResults": maxCount},
		"pagination": map[string]any{ // RFC 9865 §4
			"cursor": true, "index": true, "defaultPaginationMethod": "index",
			"defaultPageSize": defaultCount, "maxPageSize": maxCount,
		},
		"authenticationSchemes": []any{map[string]any{
			"type": "oauthbearertoken", "name": "OAuth 2 access token", "primary": true,
			"description": "By client credentials, with the scope scim and the resource " + s.cfg.Issuer.URL("/admin") + ".",
			"specUri":     "https://www.rfc-editor.org/info/rfc6750",
		}},
		"meta": s.about("ServiceProviderConfig", "/ServiceProviderConfig"),
	}
}

func (s *Server) resourceType(k *language.Kind) any {
	return map[string]any{
		"schemas": []string{typeSchema}, "id": k.Name, "name": k.Name, "endpoint": k.Endpoint,
		"description": k.About, "schema": k.Schema, "schemaExtensions": []any{},
		"meta": s.about("ResourceType", "/ResourceTypes/"+k.Name),
	}
}

func (s *Server) schemaOf(k *language.Kind) any {
	return map[string]any{
		"schemas": []string{schemaSchema}, "id": k.Schema, "name": k.Name, "description": k.About, "attributes": k.Own,
		"meta": s.about("Schema", "/Schemas/"+k.Schema),
	}
}

// public answers with a document that says nothing of anybody, to anybody: RFC 7643 §5 would have
// clients find out how to authenticate before they do.
func (s *Server) public(document any) http.Handler {
	text, err := json.Marshal(document)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case err != nil:
			s.fail(w, r, err)
		case strings.TrimSpace(r.URL.Query().Get("filter")) != "": // RFC 7644 §4
			s.fail(w, r, &problem{Status: http.StatusForbidden, Detail: "What describes this server cannot be filtered."})
		default:
			w.Header().Set("Content-Type", mediaType)
			w.Header().Set("Cache-Control", "max-age=300")
			w.Write(append(text, '\n')) //nolint:errcheck // the client is gone
		}
	})
}
