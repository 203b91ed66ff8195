package apps_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/people/peopletest"
	"github.com/maru-auth/maru/authz-server/internal/store/registry"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// Whoever can make this server ask people something is shown with what is known of them: a host
// name, never a name of their choice alone.
func TestAnAppThatNobodyVouchedForIsShownWithWhereItIs(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	if err := s.Store.Clients.CreateClient(t.Context(), client.Client{ID: "https://tool.example/client.json",
		Name: "Your Bank"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Store.Clients.RegisterClient(t.Context(), client.Client{ID: "registered", Name: "Your Bank"},
		registry.Registration{Token: opaque.Hash("token")}); err != nil {
		t.Fatal(err)
	}
	s.Person("mina@example.org")
	b := s.Browser()
	b.LogIn("mina@example.org")
	const unchecked, onDevice = `id="unchecked"`, "program on this device"
	for _, test := range []struct {
		client, redirect string
		has, lacks       []string
	}{
		{"app", "http://127.0.0.1/cb", nil, []string{unchecked}},
		{"https://tool.example/client.json", "https://tool.example/cb", []string{unchecked, "<strong>tool.example</strong>"},
			[]string{onDevice, "takes you back"}},
		{"https://tool.example/client.json", "https://other.example:8443/cb",
			[]string{"<strong>tool.example</strong>", "<strong>other.example:8443</strong>"}, []string{onDevice}},
		{"https://tool.example/client.json", "http://127.0.0.1:3000/cb", []string{"<strong>tool.example</strong>", onDevice},
			[]string{"<strong>127"}},
		{"https://tool.example/client.json", "http://[::1]:3000/cb", []string{onDevice}, nil},
		{"https://tool.example/client.json", "http://localhost/cb", []string{onDevice}, nil},
		{"https://tool.example/client.json", "com.example.tool:/cb", []string{onDevice}, nil},
		{"registered", "https://app.example/cb", []string{unchecked, "<strong>app.example</strong>"}, []string{onDevice, "It comes from"}},
		{"registered", "https://localhost.evil.example/cb", []string{"<strong>localhost.evil.example</strong>"}, []string{onDevice}},
	} {
		handle := b.Begin("client_id", test.client, "redirect_uri", test.redirect, "scope", "openid")
		for _, page := range []string{"/login", "/signup", "/consent"} {
			a := b.Get(page + "?interaction=" + handle)
			a.Want(t, http.StatusOK, test.has...)
			for _, text := range test.lacks {
				if strings.Contains(a.Body, text) {
					t.Errorf("%s for %s to %s has %q", page, test.client, test.redirect, text)
				}
			}
		}
	}
}
