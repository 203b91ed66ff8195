package client_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/client"
)

// samples are a value of each kind, in JSON and in a patch; nil: patches have none of that kind.
var samples = map[client.Kind]struct {
	text  string
	patch any
}{
	client.Text:   {`"x"`, "x"},
	client.List:   {`["x"]`, []string{"x"}},
	client.Switch: {`true`, true},
	client.Number: {`7`, nil},
	client.Object: {`{"x":1}`, nil},
}

// full is a client that has every member, and the JSON that it was read from.
func full(t *testing.T) (client.Client, string) {
	t.Helper()
	var members []string
	for _, m := range client.Members {
		members = append(members, fmt.Sprintf("%q:%s", m.Name, samples[m.Kind()].text))
	}
	text := "{" + strings.Join(members, ",") + "}"
	c, unknown, err := client.Decode([]byte(text))
	if err != nil || len(unknown) > 0 {
		t.Fatal(unknown, err)
	}
	return c, text
}

// written is the names of the members that c has.
func written(t *testing.T, c client.Client) (names []string) {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range client.Members {
		if strings.Contains(string(text), fmt.Sprintf("%q:", m.Name)) {
			names = append(names, m.Name)
		}
	}
	return names
}

func TestTheTableOfMembersHoldsAllOfAClient(t *testing.T) {
	t.Parallel()
	c, text := full(t)
	if again, err := json.Marshal(c); err != nil || string(again) != text {
		t.Errorf("%v\n%s\n%s", err, text, again)
	}
	beside := []string{"Localized", "CreatedAt", "UpdatedAt", "Unvouched", "DisabledAt", "UsedAt", "Epoch"}
	for field, value := range reflect.ValueOf(c).Fields() {
		if value.IsZero() != slices.Contains(beside, field.Name) {
			t.Errorf("%s is %v, though every member was set", field.Name, value)
		}
	}
	for _, m := range client.Members {
		if (m.Option == "") != (m.Help == "") || m.Option == "" && m.Value != "" {
			t.Errorf("%s has half of an option", m.Name)
		}
		if m.Localizable && m.Kind() != client.Text {
			t.Errorf("%s cannot be there in other languages: it is %s", m.Name, m.Kind())
		}
	}
}

func TestAPatchChangesTheMembersThatItNames(t *testing.T) {
	t.Parallel()
	for _, m := range client.Members {
		sample := samples[m.Kind()].patch
		if sample == nil {
			continue
		}
		var c client.Client
		client.Patch{m.Name: sample}.Apply(&c)
		if got := written(t, c); !slices.Equal(got, []string{m.Name}) {
			t.Errorf("a patch of %s writes %q", m.Name, got)
		}
		client.Patch{m.Name: reflect.Zero(reflect.TypeOf(sample)).Interface()}.Apply(&c)
		if got := written(t, c); got != nil {
			t.Errorf("an empty %s is written: %q", m.Name, got)
		}
	}
	c := client.Client{GrantTypes: []string{client.AuthorizationCode}, ResponseTypes: []string{"code"}}
	client.Patch{"grant_types": []string{client.ClientCredentials}}.Apply(&c)
	if c.ResponseTypes != nil {
		t.Errorf("other grant types keep the response types %q", c.ResponseTypes)
	}
}

func TestAClientCannotGiveItselfWhatAnOperatorGives(t *testing.T) {
	t.Parallel()
	c, _ := full(t)
	c.DropPrivileges()
	var lost []string
	for _, m := range client.Members {
		if !slices.Contains(written(t, c), m.Name) {
			lost = append(lost, m.Name)
		}
	}
	if want := []string{"trusted", "id_token_claims", "audiences", "token_exchange_audiences"}; !slices.Equal(lost, want) {
		t.Errorf("it loses %q, want %q", lost, want)
	}
}

func TestDecodeNamesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	c, unknown, err := client.Decode([]byte(`{"client_id":"a","Client_Name":"x","client_name":"Demo","redirect_uri":"y",
		"client_name#ko":"데모","scope#ko":"z","logo_uri":null}`))
	if err != nil || c.Name != "Demo" || c.LogoURI != "" || !reflect.DeepEqual(c.Localized, map[string]string{"client_name#ko": "데모"}) {
		t.Errorf("%+v, %v", c, err)
	}
	for _, name := range []string{"Client_Name", "redirect_uri", "scope#ko"} {
		if _, ok := unknown[name]; !ok {
			t.Errorf("%s is not named", name)
		}
	}
	if len(unknown) != 3 {
		t.Error(unknown)
	}
	for _, text := range []string{``, `null`, `[]`, `"a"`, `{`, `{} {}`} {
		if _, _, err := client.Decode([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestInAnotherLanguage(t *testing.T) {
	t.Parallel()
	c := client.Client{Name: "Demo", ClientURI: "https://app.example/", Localized: map[string]string{
		"client_name#ko": "데모", "client_name#pt": "Demonstração", "client_name#pt-BR": "Demo BR", "client_uri#ko": "https://app.example/ko",
	}}
	for tag, want := range map[string]string{
		"ko": "데모", "ko-KR": "데모", "en": "Demo", "": "Demo", "pt-BR": "Demo BR", "pt-PT": "Demonstração",
	} {
		if got := c.In(tag).Name; got != want {
			t.Errorf("%q: %s", tag, got)
		}
	}
	if got := c.In("ko").ClientURI; got != "https://app.example/ko" || c.Name != "Demo" {
		t.Error(got, c.Name)
	}
}
