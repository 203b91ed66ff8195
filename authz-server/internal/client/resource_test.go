package client_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/client"
)

func TestParseResource(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text, id string
		scopes   []string
	}{
		{"https://api.example/orders=orders:read orders:write", "https://api.example/orders", []string{"orders:read", "orders:write"}},
		{"https://api.example/?v=2=orders", "https://api.example/?v=2", []string{"orders"}},
		{"urn:orders=orders  a=b", "urn:orders", []string{"orders", "a=b"}},
		{"https://api.example/orders=", "https://api.example/orders", nil},
	} {
		got, err := client.ParseResource(test.text)
		if err != nil || got.ID != test.id || !slices.Equal(got.Scopes, test.scopes) {
			t.Errorf("%q: %+v, %v", test.text, got, err)
		}
	}
	if _, err := client.ParseResource("https://api.example/orders"); err == nil {
		t.Error("a resource without scopes is taken")
	}
}

func TestCheckResourcesRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		says string
		more client.Resource
	}{
		{"absolute", client.Resource{ID: "orders", Scopes: []string{"a"}}},
		{"fragment", client.Resource{ID: "https://api.example/#a", Scopes: []string{"a"}}},
		{"twice", client.Resource{ID: "https://api.example/user", Scopes: []string{"a"}}},
		{"at least one scope", client.Resource{ID: "https://api.example/orders"}},
		{"OpenID Connect", client.Resource{ID: "https://api.example/orders", Scopes: []string{"openid"}}},
		{"belongs to https://api.example/user", client.Resource{ID: "https://api.example/orders", Scopes: []string{"user:read"}}},
		{"belongs to", client.Resource{ID: "https://api.example/orders", Scopes: []string{"a", "a"}}},
		{"belongs to", client.Resource{ID: "https://api.example/orders", Scopes: []string{"a"}, OwnScopes: []string{"user:read"}}},
		{"character", client.Resource{ID: "https://api.example/orders", Scopes: []string{"a\"b"}}},
	} {
		err := client.CheckResources(append(client.Builtin("https://api.example"), test.more))
		if err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%+v: %v", test.more, err)
		}
	}
	ok := client.Resource{ID: "http://orders.internal:8080/", Scopes: []string{"orders:read"}}
	if err := client.CheckResources(append(client.Builtin("https://api.example"), ok)); err != nil {
		t.Error(err)
	}
}

func TestScopesDecideTheAudience(t *testing.T) {
	t.Parallel()
	resources := client.Builtin("https://api.example")
	for _, test := range []struct {
		scopes string
		want   []string
	}{
		{"openid profile offline_access", nil},
		{"openid user:read user:write", []string{"https://api.example/user"}},
		{"board:write user:lookup", []string{"https://api.example/user", "https://api.example/board"}},
		{"unknown", nil},
	} {
		if got := client.AudienceOf(resources, strings.Fields(test.scopes)); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v", test.scopes, got)
		}
	}
	if all := client.Scopes(resources); !slices.Contains(all, "openid") || !slices.Contains(all, "board:moderate") || len(all) != 12 {
		t.Error(all)
	}
}
