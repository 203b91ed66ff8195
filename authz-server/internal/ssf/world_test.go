package ssf_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/fetch"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/provider"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/services"
	"github.com/maru-auth/maru/authz-server/internal/ssf"
	"github.com/maru-auth/maru/authz-server/internal/ssf/delivery"
	"github.com/maru-auth/maru/authz-server/internal/store/streams"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// world is an authorization server with a transmitter, and a receiver of its events.
type world struct {
	*providertest.Fixture
	t        testing.TB
	events   *delivery.Transmitter
	receiver *receiver
	handlers *ssf.Endpoints
	stop     context.CancelFunc // as at the end of the server
}

// each runs test on both database engines.
func each(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) { test(t, newWorld(t, databaseURL, nil)) })
}

func one(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	return newWorld(t, sqldbtest.SQLite(t), nil)
}

// newWorld has the services of this server's own below the receiver's address.
func newWorld(t testing.TB, databaseURL string, own []string) *world {
	t.Helper()
	w := &world{t: t, receiver: newReceiver(t)}
	w.Fixture = providertest.NewWith(t, databaseURL, func(c *provider.Config) {
		at, err := issuer.Parse(c.Issuer)
		ok(t, err)
		c.Resources = append(c.Resources, ssf.Resource(at))
	})
	outgoing, err := fetch.New(fetch.Config{InsecureLoopback: true})
	ok(t, err)
	w.events = w.transmitter(own, outgoing)
	closing, stop := context.WithCancel(t.Context())
	w.stop = stop
	w.handlers = ssf.New(ssf.Config{
		Common: w.Provider.Common(), Tokens: w.Provider.Tokens, Store: w.Store, Transmitter: w.events, Now: w.Clock.Now, Closing: closing,
	})
	router, rest := mux.NewRouter(), w.Server.Config.Handler
	w.handlers.Routes(router)
	router.NotFoundHandler = rest
	w.Server.Config.Handler = router
	return w
}

func (w *world) transmitter(own []string, outgoing *fetch.Client) *delivery.Transmitter {
	w.t.Helper()
	log := slog.New(slog.DiscardHandler)
	called, err := services.New(services.Config{Origin: w.receiver.URL, Names: own, Tokens: w.Provider.Tokens, Log: log})
	ok(w.t, err)
	events, err := delivery.New(delivery.Config{
		Issuer: w.Issuer, Tokens: w.Provider.Tokens, Store: w.Store, Fetch: outgoing, Services: called, KEK: w.Ring.KEK(), Log: log,
		Now: w.Clock.Now,
	})
	ok(w.t, err)
	ok(w.t, events.EnsureServices(w.t.Context()))
	return events
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// addReceiver registers a client that an operator lets have a stream, but for what change says.
func (w *world) addReceiver(id string, change func(c *client.Client)) {
	w.t.Helper()
	c := client.Client{
		ID: id, Name: id, GrantTypes: []string{"client_credentials"}, Scope: "ssf.read ssf.manage",
		TokenEndpointAuthMethod: "client_secret_basic", Trusted: true,
	}
	if change != nil {
		change(&c)
	}
	ok(w.t, w.Store.Clients.CreateClient(w.t.Context(), c))
	ok(w.t, w.Store.Clients.AddClientSecret(w.t.Context(), id, opaque.Hash(providertest.Secret), w.Clock.Now().Add(1e18)))
}

// token is an access token of a receiver.
func (w *world) token(id, scope string) string {
	w.t.Helper()
	a := w.Token(id, url.Values{"grant_type": {"client_credentials"}, "scope": {scope}})
	token, _ := a.JSON(w.t)["access_token"].(string)
	if a.Status != http.StatusOK || token == "" {
		w.t.Fatalf("%d %s", a.Status, a.Body)
	}
	return token
}

// call sends a request with a token, if it is not empty, and returns status and body.
func (w *world) call(token, method, path string, body any) (int, []byte) {
	w.t.Helper()
	status, answer, _ := w.send(token, method, path, body)
	return status, answer
}

func (w *world) send(token, method, path string, body any) (int, []byte, http.Header) {
	w.t.Helper()
	text := ""
	switch given := body.(type) {
	case nil:
	case string:
		text = given
	default:
		raw, err := json.Marshal(body)
		ok(w.t, err)
		text = string(raw)
	}
	if !strings.HasPrefix(path, "http") {
		path = w.Issuer + path
	}
	r, err := http.NewRequestWithContext(w.t.Context(), method, path, strings.NewReader(text))
	ok(w.t, err)
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(r)
	ok(w.t, err)
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	ok(w.t, err)
	return res.StatusCode, answer, res.Header
}

type object = map[string]any

func decode(t testing.TB, text []byte) (o object) {
	t.Helper()
	if err := json.Unmarshal(text, &o); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return o
}

// uris are the full names of types.
func uris(types ...streams.Type) []string {
	all := make([]string, len(types))
	for i, one := range types {
		all[i] = one.URI()
	}
	return all
}

// push is a stream of types that are pushed to the receiver.
func (w *world) push(types ...streams.Type) object {
	return object{"delivery": object{"method": "urn:ietf:rfc:8935", "endpoint_url": w.receiver.URL + "/in", "authorization_header": "Bearer in"},
		"events_requested": uris(types...), "description": "a test"}
}

// poll is a stream of types that are polled.
func (w *world) poll(types ...streams.Type) object {
	return object{"delivery": object{"method": "urn:ietf:rfc:8936"}, "events_requested": uris(types...)}
}

// create makes a stream, and returns its configuration.
func (w *world) create(token string, wish object) object {
	w.t.Helper()
	status, answer := w.call(token, "POST", "/ssf/stream", wish)
	if status != http.StatusCreated {
		w.t.Fatalf("create: %d %s", status, answer)
	}
	return decode(w.t, answer)
}

func (w *world) deliver() {
	w.t.Helper()
	ok(w.t, w.events.Deliver(w.t.Context()))
}

// told is an event that somebody got.
type told struct {
	Type, JTI, Audience, Txn string
	Subject                  object // sub_id
	Event                    object
}

// read reads a SET without a look at its signature, after what every one must be.
func (w *world) read(token string) told {
	w.t.Helper()
	header, claims := providertest.Decode(w.t, token)
	if header["typ"] != "secevent+jwt" || header["alg"] != "RS256" || header["kid"] == "" || claims["iss"] != w.Issuer ||
		claims["sub"] != nil || claims["exp"] != nil || claims["iat"] == nil {
		w.t.Errorf("%v %v", header, claims)
	}
	events, _ := claims["events"].(object)
	if len(events) != 1 {
		w.t.Fatalf("%d events: %v", len(events), claims)
	}
	for uri, event := range events {
		t := told{JTI: claims["jti"].(string), Audience: claims["aud"].(string), Subject: claims["sub_id"].(object), Event: event.(object)}
		t.Txn, _ = claims["txn"].(string)
		t.Type = uri[strings.LastIndexByte(uri, '/')+1:]
		return t
	}
	return told{}
}

// receiver takes pushes.
type receiver struct {
	*httptest.Server

	mu     sync.Mutex
	got    []string // the tokens that it accepted
	tries  int      // requests
	auth   []string // the headers Authorization
	paths  []string
	answer func(w http.ResponseWriter, token string) (taken bool) // nil: 202
}

func newReceiver(t testing.TB) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil || req.Method != http.MethodPost || req.Header.Get("Content-Type") != "application/secevent+jwt" {
			t.Errorf("%s %s %v: %v", req.Method, req.URL, req.Header, err)
		}
		r.mu.Lock()
		answer := r.answer
		r.tries++
		r.auth = append(r.auth, req.Header.Get("Authorization"))
		r.paths = append(r.paths, req.URL.Path)
		r.mu.Unlock()
		if answer != nil && !answer(w, string(body)) {
			return
		}
		r.mu.Lock()
		r.got = append(r.got, string(body))
		r.mu.Unlock()
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(r.Close)
	return r
}

// answers sets what the receiver answers with; 0: it accepts.
func (r *receiver) answers(status int, body string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = nil
	if status != 0 {
		r.answer = func(w http.ResponseWriter, _ string) bool {
			w.WriteHeader(status)
			w.Write([]byte(body))
			return false
		}
	}
}

// take returns what was accepted since the last call.
func (w *world) take() (all []told) {
	w.t.Helper()
	w.receiver.mu.Lock()
	defer w.receiver.mu.Unlock()
	for _, token := range w.receiver.got {
		all = append(all, w.read(token))
	}
	w.receiver.got = nil
	return all
}

func types(all []told) string {
	var names []string
	for _, one := range all {
		names = append(names, one.Type)
	}
	return strings.Join(names, " ")
}

func sortedTypes(all []told) string {
	names := strings.Fields(types(all))
	slices.Sort(names)
	return strings.Join(names, " ")
}
