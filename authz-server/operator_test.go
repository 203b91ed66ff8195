package main

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/admin"
)

// Whatever is a text may be a secret, unless its field says otherwise: these are all that do.
func TestSettingsInForceShowNoSecret(t *testing.T) {
	p := &program{}
	parser, err := p.parser(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var flags []string
	for _, flag := range parser.Model.Flags {
		if flag.Name != "help" {
			flags = append(flags, flag.Name)
		}
	}
	const secret = "S3CRET"
	fill(reflect.ValueOf(p.settings).Elem(), secret)
	var names, shown []string
	for _, one := range admin.SettingsOf(p.settings) {
		names = append(names, one.Name)
		if strings.Contains(one.Value, secret) {
			shown = append(shown, one.Name)
		}
	}
	slices.Sort(names)
	slices.Sort(flags)
	if !slices.Equal(names, flags) {
		t.Errorf("the settings are %q, and the flags %q", names, flags)
	}
	slices.Sort(shown)
	want := []string{"api-origin", "audit-file", "brand-color", "brand-color-dark", "brand-logo", "brand-name", "brand-support", "data-services",
		"docs-client-id", "fapi2-token-alg", "insecure-upstream-private-networks", "issuer", "listen", "log-format", "mail-ca-file", "mail-from", "metrics-listen", "outgoing-ca-file", "privacy-url",
		"registration", "registration-scopes", "resource", "signup", "signup-domain", "terms-url", "terms-version", "trusted-proxies"}
	if !slices.Equal(shown, want) {
		t.Errorf("these texts are shown:\n%q, want\n%q", shown, want)
	}
}

// fill puts a text wherever one fits.
func fill(v reflect.Value, text string) {
	for i := range v.NumField() {
		switch field := v.Field(i); {
		case field.Kind() == reflect.Struct:
			fill(field, text)
		case !field.CanSet():
		case field.Kind() == reflect.String:
			field.SetString(text)
		case field.Type() == reflect.TypeFor[[]string]():
			field.Set(reflect.ValueOf([]string{text}))
		}
	}
}
