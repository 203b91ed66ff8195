package ssf_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/store/streams"
)

// The plan "openid-ssf-transmitter-caep-test-plan" of the conformance suite, module metadata.
func TestTheMetadataAreThoseOfTheSpecification(t *testing.T) {
	w := one(t)
	status, answer, header := w.send("", "GET", "/.well-known/ssf-configuration", nil)
	if status != http.StatusOK || header.Get("Content-Type") != "application/json" {
		t.Fatalf("%d %v", status, header)
	}
	got := decode(t, answer)
	for name, want := range map[string]any{
		"spec_version": "1_0", "issuer": w.Issuer, "jwks_uri": w.Issuer + "/.well-known/jwks.json", "default_subjects": "ALL",
		"configuration_endpoint": w.Issuer + "/ssf/stream", "status_endpoint": w.Issuer + "/ssf/status",
		"verification_endpoint": w.Issuer + "/ssf/verify",
		"add_subject_endpoint":  w.Issuer + "/ssf/subjects:add", "remove_subject_endpoint": w.Issuer + "/ssf/subjects:remove",
	} {
		if got[name] != want {
			t.Errorf("%s is %v", name, got[name])
		}
	}
	if methods := got["delivery_methods_supported"].([]any); len(methods) != 2 || methods[0] != "urn:ietf:rfc:8935" || methods[1] != "urn:ietf:rfc:8936" {
		t.Errorf("%v", methods)
	}
	if schemes := got["authorization_schemes"].([]any); schemes[0].(object)["spec_urn"] != "urn:ietf:rfc:6749" {
		t.Errorf("%v", schemes)
	}
	status, answer = w.call("", "GET", "/.well-known/oauth-protected-resource/ssf", nil)
	if got := decode(t, answer); status != http.StatusOK || got["resource"] != w.Issuer+"/ssf" ||
		!strings.Contains(string(answer), `"scopes_supported":["ssf.read","ssf.manage"]`) {
		t.Errorf("%d %s", status, answer)
	}
}

func TestAReceiverManagesItsStream(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.addReceiver("security", nil)
		token := w.token("security", "ssf.manage")
		if status, answer := w.call(token, "GET", "/ssf/stream", nil); status != http.StatusOK || strings.TrimSpace(string(answer)) != "[]" {
			t.Errorf("none: %d %s", status, answer)
		}
		wish := w.push(streams.SessionRevoked)
		wish["events_requested"] = append(uris(streams.SessionRevoked), "urn:example:unknown")
		made := w.create(token, wish)
		id := made["stream_id"].(string)
		delivery := made["delivery"].(object)
		if made["iss"] != w.Issuer || made["aud"] != "security" || len(made["events_supported"].([]any)) != 7 || id == "" ||
			len(made["events_requested"].([]any)) != 2 || len(made["events_delivered"].([]any)) != 1 || made["description"] != "a test" ||
			made["min_verification_interval"] != 5.0 || delivery["endpoint_url"] != w.receiver.URL+"/in" || delivery["authorization_header"] != nil {
			t.Errorf("%v", made)
		}
		if status, answer := w.call(token, "POST", "/ssf/stream", w.poll()); status != http.StatusConflict {
			t.Errorf("a second: %d %s", status, answer)
		}
		if status, answer := w.call(token, "GET", "/ssf/stream?stream_id="+id, nil); status != http.StatusOK || decode(t, answer)["stream_id"] != id {
			t.Errorf("read: %d %s", status, answer)
		}

		status, answer := w.call(token, "PATCH", "/ssf/stream", object{"stream_id": id, "description": "another", "iss": w.Issuer,
			"events_delivered": made["events_delivered"]})
		if got := decode(t, answer); status != http.StatusOK || got["description"] != "another" || len(got["events_delivered"].([]any)) != 1 {
			t.Errorf("update: %d %s", status, answer)
		}
		status, answer = w.call(token, "PUT", "/ssf/stream", object{"stream_id": id, "events_requested": uris(streams.AccountPurged)})
		got := decode(t, answer)
		if poll := w.Issuer + "/ssf/poll/" + id; status != http.StatusOK || got["description"] != nil || got["delivery"].(object)["endpoint_url"] != poll ||
			got["events_delivered"].([]any)[0] != streams.AccountPurged.URI() {
			t.Errorf("replace: %d %s", status, answer)
		}

		for _, want := range []string{"paused", "disabled", "enabled"} {
			status, answer = w.call(token, "POST", "/ssf/status", object{"stream_id": id, "status": want, "reason": "why"})
			if got := decode(t, answer); status != http.StatusOK || got["status"] != want || got["reason"] != "why" || got["stream_id"] != id {
				t.Errorf("%s: %d %s", want, status, answer)
			}
			status, answer = w.call(token, "GET", "/ssf/status?stream_id="+id, nil)
			if got := decode(t, answer); status != http.StatusOK || got["status"] != want {
				t.Errorf("%s: %d %s", want, status, answer)
			}
		}
		if status, _ := w.call(token, "DELETE", "/ssf/stream?stream_id="+id, nil); status != http.StatusNoContent {
			t.Errorf("delete: %d", status)
		}
		if status, _ := w.call(token, "DELETE", "/ssf/stream?stream_id="+id, nil); status != http.StatusNotFound {
			t.Errorf("delete again: %d", status)
		}
	})
}

// A stranger learns nothing, and changes nothing; nor does somebody with another's token or stream.
func TestAStreamIsItsClientsAlone(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.addReceiver("security", nil)
		w.addReceiver("other", nil)
		made := w.create(w.token("security", "ssf.manage"), w.push(streams.SessionRevoked))
		mine := made["stream_id"].(string)
		other := w.token("other", "ssf.manage ssf.read")
		readOnly := w.token("security", "ssf.read")
		board := w.AddBoardToken()
		person := w.Tokens(w.Redeem(w.Browser().LogIn(w.User).Code())).Access
		for _, test := range []struct {
			name, method, path string
			body               any
			reads              bool // ssf.read is enough
		}{
			{"read", "GET", "/ssf/stream?stream_id=" + mine, nil, true},
			{"update", "PATCH", "/ssf/stream", object{"stream_id": mine, "description": "x"}, false},
			{"replace", "PUT", "/ssf/stream", object{"stream_id": mine}, false},
			{"delete", "DELETE", "/ssf/stream?stream_id=" + mine, nil, false},
			{"status", "GET", "/ssf/status?stream_id=" + mine, nil, true},
			{"set status", "POST", "/ssf/status", object{"stream_id": mine, "status": "disabled"}, false},
			{"verify", "POST", "/ssf/verify", object{"stream_id": mine}, false},
			{"add", "POST", "/ssf/subjects:add", object{"stream_id": mine, "subject": object{"format": "email", "email": "a@b.example"}}, false},
			{"remove", "POST", "/ssf/subjects:remove", object{"stream_id": mine, "subject": object{"format": "email", "email": "a@b.example"}}, false},
			{"poll", "POST", "/ssf/poll/" + mine, object{"returnImmediately": true}, true},
		} {
			for who, token := range map[string]string{"nobody": "", "garbage": "x.y.z", "board": board, "a person": person} {
				status, answer, header := w.send(token, test.method, test.path, test.body)
				challenge := header.Get("WWW-Authenticate")
				if status != http.StatusUnauthorized || !strings.HasPrefix(challenge, "Bearer ") ||
					strings.Contains(challenge, `error="invalid_token"`) != (token != "") {
					t.Errorf("%s, %s: %d %s %q", test.name, who, status, answer, challenge)
				}
			}
			query := test.path + "?"
			if strings.Contains(test.path, "?") {
				query = test.path + "&"
			}
			if status, _ := w.call("", test.method, query+"access_token="+url.QueryEscape(other), test.body); status != http.StatusUnauthorized {
				t.Errorf("%s, with the token in the query: %d", test.name, status)
			}
			theirs, theirAnswer := w.call(other, test.method, test.path, test.body)
			body := test.body
			if named, isObject := body.(object); isObject && named["stream_id"] != nil {
				body = object{"stream_id": "there-is-none", "status": named["status"], "subject": named["subject"]}
			}
			none, noneAnswer := w.call(other, test.method, strings.ReplaceAll(test.path, mine, "there-is-none"), body)
			if theirs != http.StatusNotFound || none != theirs || string(theirAnswer) != string(noneAnswer) {
				t.Errorf("%s: another's is %d %s, none is %d %s", test.name, theirs, theirAnswer, none, noneAnswer)
			}
			if status, _, header := w.send(readOnly, test.method, test.path, test.body); !test.reads &&
				(status != http.StatusForbidden || !strings.Contains(header.Get("WWW-Authenticate"), `error="insufficient_scope"`)) {
				t.Errorf("%s, with ssf.read: %d", test.name, status)
			}
		}
		if status, _ := w.call(readOnly, "POST", "/ssf/stream", w.poll()); status != http.StatusForbidden {
			t.Errorf("create with ssf.read: %d", status)
		}
		if _, answer := w.call(w.token("security", "ssf.read"), "GET", "/ssf/stream?stream_id="+mine, nil); decode(t, answer)["description"] != "a test" {
			t.Errorf("it is %s", answer)
		}
	})
}

// AddBoardToken is an access token for another service.
func (w *world) AddBoardToken() string {
	w.t.Helper()
	w.AddClient("poster", func(c *client.Client) { c.GrantTypes = []string{"client_credentials"}; c.RedirectURIs = nil })
	token, _ := w.Token("poster", url.Values{"grant_type": {"client_credentials"}, "scope": {"board:read"}}).JSON(w.t)["access_token"].(string)
	return token
}

// Events are about people: no client can give itself what it takes to get them.
func TestOnlyAnOperatorLetsAClientHaveAStream(t *testing.T) {
	w := one(t)
	for name, change := range map[string]func(c *client.Client){
		"for people too": func(c *client.Client) {
			c.GrantTypes = []string{"authorization_code", "client_credentials"}
			c.RedirectURIs = []string{providertest.Callback}
		},
		"that registers itself": func(c *client.Client) { c.KeepScopes([]string{"openid", "board:read"}) },
	} {
		c := client.Client{ID: "x", Name: "x", GrantTypes: []string{"client_credentials"}, Scope: "ssf.manage", TokenEndpointAuthMethod: "client_secret_basic"}
		change(&c)
		err := c.Check(client.Policy{Scopes: []string{"openid"}, OwnScopes: []string{"ssf.manage"}, InsecureLoopback: true})
		if err == nil && strings.Contains(c.Scope, "ssf") {
			t.Errorf("a client %s may have a stream", name)
		}
	}
	w.addReceiver("security", nil)
	token := w.token("security", "ssf.manage")
	w.create(token, w.push(streams.AccountDisabled))
	c, err := w.Store.Clients.Client(t.Context(), "security")
	ok(t, err)
	c.Scope = ""
	ok(t, w.Store.Clients.UpdateClient(t.Context(), c))
	if status, _ := w.call(token, "GET", "/ssf/stream", nil); status != http.StatusForbidden {
		t.Errorf("without the scope: %d", status)
	}
	ok(t, w.Store.Users.SetDisabled(t.Context(), w.User.ID, true))
	w.deliver()
	if got := w.take(); len(got) != 0 {
		t.Errorf("it got %+v", got)
	}
}

func TestABadWishIsRefused(t *testing.T) {
	w := one(t)
	w.addReceiver("security", nil)
	token := w.token("security", "ssf.manage")
	push := func(changes ...string) object {
		d := object{"method": "urn:ietf:rfc:8935", "endpoint_url": w.receiver.URL + "/in"}
		for i := 0; i < len(changes); i += 2 {
			d[changes[i]] = changes[i+1]
		}
		return object{"delivery": d}
	}
	many := make([]string, 65)
	for name, body := range map[string]any{
		"no JSON": "{", "no object": "[]", "null": "null", "nothing": "", "a name twice": `{"description":"a","description":"b"}`,
		"another method":       push("method", "urn:example:carrier-pigeon"),
		"no address":           push("endpoint_url", ""),
		"a private address":    push("endpoint_url", "https://10.0.0.1/in"),
		"plain http":           push("endpoint_url", "http://receiver.example/in"),
		"the metadata address": push("endpoint_url", "http://169.254.169.254/latest"),
		"a file":               push("endpoint_url", "file:///etc/passwd"),
		"a user":               push("endpoint_url", "https://a:b@receiver.example/in"),
		"a fragment":           push("endpoint_url", "https://receiver.example/in#x"),
		"a second header":      push("authorization_header", "Bearer x\r\nX-Injected: yes"),
		"a new line":           push("authorization_header", "Bearer x\nHost: internal"),
		"NUL":                  push("authorization_header", "Bearer \x00"),
		"Hangul":               push("authorization_header", "Bearer 김"),
		"a long header":        push("authorization_header", strings.Repeat("x", 4097)),
		"too many types":       object{"events_requested": many},
		"a type of text":       object{"events_requested": []string{strings.Repeat("x", 300)}},
		"a number":             object{"events_requested": 7},
		"a header to poll":     object{"delivery": object{"method": "urn:ietf:rfc:8936", "authorization_header": "Bearer x"}},
	} {
		if status, answer := w.call(token, "POST", "/ssf/stream", body); status != http.StatusBadRequest || !strings.Contains(string(answer), "error_description") {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
	if status, _ := w.call(token, "POST", "/ssf/stream", `{"description":"`+strings.Repeat("x", 64<<10)+`"}`); status != http.StatusRequestEntityTooLarge {
		t.Errorf("a large body: %d", status)
	}
	id := w.create(token, w.push(streams.AccountDisabled))["stream_id"].(string)
	for name, more := range map[string]object{
		"another audience":            {"aud": "board"},
		"another issuer":              {"iss": "https://attacker.example"},
		"more events":                 {"events_delivered": uris(streams.AccountDisabled, streams.SessionRevoked)},
		"other events":                {"events_supported": []string{}},
		"another interval":            {"min_verification_interval": 0},
		"another's poll":              {"delivery": object{"method": "urn:ietf:rfc:8936", "endpoint_url": "https://attacker.example/"}},
		"no stream_id":                {"stream_id": ""},
		"a stream_id of another type": {"stream_id": 7},
	} {
		for _, method := range []string{"PATCH", "PUT"} {
			body := object{"stream_id": id}
			for k, v := range more {
				body[k] = v
			}
			if status, answer := w.call(token, method, "/ssf/stream", body); status != http.StatusBadRequest {
				t.Errorf("%s, %s: %d %s", method, name, status, answer)
			}
		}
	}
	for _, status := range []string{"", "Enabled", "deleted"} {
		if code, _ := w.call(token, "POST", "/ssf/status", object{"stream_id": id, "status": status}); code != http.StatusBadRequest {
			t.Errorf("status %q: %d", status, code)
		}
	}
}

// Of many requests at once, one makes the stream.
func TestARaceMakesOneStream(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.addReceiver("security", nil)
		token := w.token("security", "ssf.manage")
		statuses := make([]int, 16)
		var calls sync.WaitGroup
		for i := range statuses {
			calls.Go(func() { statuses[i], _ = w.call(token, "POST", "/ssf/stream", w.poll()) })
		}
		calls.Wait()
		slices.Sort(statuses)
		if statuses[0] != http.StatusCreated || statuses[1] != http.StatusConflict || statuses[15] != http.StatusConflict {
			t.Errorf("%v", statuses)
		}
	})
}

// The header is a secret between the receiver's endpoint and this server.
func TestTheHeaderOfAnEndpointStaysWithIt(t *testing.T) {
	w := one(t)
	w.addReceiver("security", nil)
	token := w.token("security", "ssf.manage")
	id := w.create(token, w.push(streams.AccountDisabled))["stream_id"].(string)
	stored, err := w.Store.Streams.Stream(t.Context(), id)
	ok(t, err)
	if len(stored.Header) == 0 || strings.Contains(string(stored.Header), "Bearer in") {
		t.Errorf("it is stored as %q", stored.Header)
	}
	verify := func(want string) {
		t.Helper()
		w.Clock.Advance(6e9)
		if status, answer := w.call(token, "POST", "/ssf/verify", object{"stream_id": id}); status != http.StatusNoContent {
			t.Fatalf("%d %s", status, answer)
		}
		w.deliver()
		w.receiver.mu.Lock()
		defer w.receiver.mu.Unlock()
		if got := w.receiver.auth[len(w.receiver.auth)-1]; got != want {
			t.Errorf("it was sent %q, not %q", got, want)
		}
	}
	patch := func(d object) {
		t.Helper()
		d["method"] = "urn:ietf:rfc:8935"
		if status, answer := w.call(token, "PATCH", "/ssf/stream", object{"stream_id": id, "delivery": d}); status != http.StatusOK {
			t.Fatalf("%d %s", status, answer)
		}
	}
	verify("Bearer in")
	patch(object{"endpoint_url": w.receiver.URL + "/in"})
	verify("Bearer in")
	patch(object{"endpoint_url": w.receiver.URL + "/other"})
	verify("")
	patch(object{"endpoint_url": w.receiver.URL + "/other", "authorization_header": "Basic eDp5"})
	verify("Basic eDp5")
	patch(object{"endpoint_url": w.receiver.URL + "/other", "authorization_header": ""})
	verify("")
}
