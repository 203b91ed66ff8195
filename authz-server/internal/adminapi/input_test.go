package adminapi_test

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Texts that nothing is called, as they are sent in a path or a query. Postgres takes neither U+0000
// nor what is no UTF-8.
var hostile = []string{
	"%00", "a%00b", "%2500", "%FF", "%C3%28", "%ED%A0%80", "%C0%80", // no text
	"%2F", "a%2Fb", "%2F..%2F", "%2e%2e", "%2e%2e%2fv1%2fusers", "..%2f", "%5C", "%25", "%252F", // other paths
	"%0A", "%0D%0AX:%20y", "%7F", "%1B%5B2J", "%E2%80%AE", "%E2%80%A8", "%F0%9F%98%80", "%20", "%20x", // what deceives
	"'", "%22", "';--", "$1", "%25s", "%7B%7B", "*", "-1", "0", "null", "~", ";", "a;b=c", "@", "%3Cscript%3E",
	strings.Repeat("a", 300), strings.Repeat("a", 5000), strings.Repeat("%F0%9F%98%80", 600),
}

var parameter = regexp.MustCompile(`\{[a-z_]+\}`)

// A parameter of any path that is nothing's name is answered so, whatever it is: nothing is changed,
// and nothing fails.
func TestNoIdCanBreakAnOperation(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		for template, methods := range w.document.Paths {
			places := parameter.FindAllStringIndex(template, -1)
			for method, op := range methods {
				if len(places) == 0 {
					continue
				}
				good := operations[op.OperationID].try(w)
				token := w.root()
				path, query, _ := strings.Cut(good.path, "?")
				segments := strings.Split(path, "/")
				for i, part := range strings.Split(template, "/") {
					if !parameter.MatchString(part) {
						continue
					}
					for _, bad := range hostile {
						a := good
						changed := slices.Clone(segments)
						changed[i] = bad
						a.method, a.token = strings.ToUpper(method), token
						if a.path = strings.Join(changed, "/"); query != "" {
							a.path += "?" + query
						}
						got := w.send(a)
						if got.status != 400 && got.status != 404 && got.status != 422 {
							w.t.Errorf("%s %s with %s = %.60q: %d %s", method, template, part, bad, got.status, got.body)
						} else if got.header.Get("Content-Type") != "application/problem+json" {
							w.t.Errorf("%s %s with %.60q: %v %s", method, template, bad, got.header, got.body)
						}
					}
				}
			}
		}
	})
}

// So it is with every parameter of a query: a filter finds nothing or is refused, and so is a cursor
// that no page gave.
func TestNoFilterOrCursorCanBreakAnOperation(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		token := w.root()
		cursors := append(slices.Clone(hostile), "AAAA", "MDAw", "eyJ9", "LTEA", "enp6enp6enp6enp6enp6egA", "%3D%3D%3D", "A%3D%3D")
		for template, methods := range w.document.Paths {
			for method, op := range methods {
				for _, p := range op.Parameters {
					if p.In != "query" {
						continue
					}
					tries := hostile
					if p.Name == "cursor" {
						tries = cursors
					}
					good := operations[op.OperationID].try(w)
					for _, bad := range tries {
						a := good
						path, query, _ := strings.Cut(a.path, "?")
						values, err := url.ParseQuery(query)
						w.ok(err)
						values.Del(p.Name)
						a.token, a.path = token, path+"?"+values.Encode()+"&"+p.Name+"="+bad
						if method == "delete" { // which would succeed once, and find nothing then
							a.path = strings.Replace(a.path, path, parameter.ReplaceAllString(template, "nobody"), 1)
						}
						if got := w.send(a); got.status >= 500 {
							w.t.Errorf("%s %s with %s = %.60q: %d %s", method, template, p.Name, bad, got.status, got.body)
						}
					}
				}
			}
		}
	})
}

// texts calls f for each text that a body of a schema may have, with a body in which it is another.
func (d document) texts(s schema, body any, text string, f func(place string, body any)) {
	if ref, ok := s["$ref"].(string); ok {
		s = d.Components.Schemas[ref[strings.LastIndexByte(ref, '/')+1:]]
	}
	switch {
	case isType(s, "string"):
		f("", text)
	case isType(s, "array"):
		items, _ := s["items"].(map[string]any)
		d.texts(items, nil, text, func(place string, one any) { f("[]"+place, []any{one}) })
	case isType(s, "object"):
		whole, _ := body.(object)
		properties, _ := s["properties"].(map[string]any)
		for name, one := range properties {
			d.texts(one.(map[string]any), whole[name], text, func(place string, value any) {
				changed := maps.Clone(whole)
				if changed == nil {
					changed = object{}
				}
				changed[name] = value
				f("."+name+place, changed)
			})
		}
		if more, ok := s["additionalProperties"].(map[string]any); ok {
			d.texts(more, nil, text, func(place string, value any) {
				f(".x"+place, object{"x": value})
				f("{}", object{text: "x"})
			})
		}
		if s["additionalProperties"] == true {
			f(".*", merge(whole, object{text: text}))
			f(".x", merge(whole, object{"x": text}))
		}
	}
}

func merge(a, b object) object {
	out := maps.Clone(a)
	if out == nil {
		out = object{}
	}
	maps.Copy(out, b)
	return out
}

func isType(s schema, name string) bool {
	if list, ok := s["type"].([]any); ok {
		return slices.Contains(list, any(name))
	}
	return s["type"] == name
}

// secret tells whether a member is one that nobody reads.
func secret(place string) bool {
	return place == ".password" || place == ".client_secret" || place == ".header"
}

// cleaned are members that lose what they must not have. Receivers choose them, too.
var cleaned = map[string]bool{"create-stream.description": true, "update-stream.description": true}

// No member of a body can hold what breaks the database, and none lets through what deceives whoever
// reads it in a terminal.
func TestNoTextOfABodyCanBreakAnOperation(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		token := w.root()
		for _, methods := range w.document.Paths {
			for _, op := range methods {
				if op.RequestBody == nil {
					continue
				}
				seen := map[string]bool{}
				for _, content := range op.RequestBody.Content {
					for _, text := range []string{"\x1b[2J", "\x00", "a\x00b", "\ufffd", "\U0001f600", strings.Repeat("한", 5000)} {
						a := operations[op.OperationID].try(w)
						a.token = token
						w.document.texts(content.Schema, a.body, text, func(place string, body any) {
							if seen[place+text] {
								return
							}
							seen[place+text] = true
							a := a
							a.body = body
							got := w.send(a)
							if got.status >= 500 || got.status < 300 && (text[0] == 0x1b || strings.Contains(text, "\x00")) && !secret(place) && !cleaned[op.OperationID+place] {
								w.t.Errorf("%s with %.20q at %s: %d %s", op.OperationID, text, place, got.status, got.body)
							}
						})
					}
				}
			}
		}
	})
}

// Nor can a header.
func TestNoHeaderCanBreakAnOperation(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		token := w.service("writer")
		for _, name := range []string{"User-Agent", "Idempotency-Key", "If-Match", "Accept", "Accept-Language", "X-Request-Id", "Traceparent", "Origin", "Authorization"} {
			for i, bad := range []string{"\xff", "\xc3\x28", "a\xed\xa0\x80", strings.Repeat("a", 3000), `"`, `"\xff"`, "\t", "😀"} {
				for _, a := range []ask{
					{method: "POST", path: "/v1/users", body: object{"email": fmt.Sprintf("%s%d@example.com", strings.ToLower(name), i), "name": "n"}},
					{method: "PATCH", path: "/v1/users/" + w.Root.ID, body: object{"name": "n"}},
					{method: "GET", path: "/v1/keys"},
				} {
					a.token, a.header = token, header(name, bad)
					if got := w.send(a); got.status >= 500 {
						w.t.Errorf("%s %s with %s: %.40q: %d %s", a.method, a.path, name, bad, got.status, got.body)
					}
				}
			}
		}
	})
}
