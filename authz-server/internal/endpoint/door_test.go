package endpoint

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
)

func TestNothingThatAnybodyCanWriteSparesASenderItsTurn(t *testing.T) {
	t.Parallel()
	for _, kind := range []struct {
		authenticates, header, long bool
		form                        url.Values
	}{
		{form: url.Values{"client_id": {"app"}}},
		{form: url.Values{"client_id": {"app"}, "client_secret": {"x"}, "client_assertion": {"x"}}},
		{form: url.Values{"client_id": {"app"}}, header: true},
		{form: url.Values{"request_uri": {"urn:ietf:params:oauth:request_uri:x"}}},
		{form: url.Values{"client_id": {"app"}}, authenticates: true},
		{form: url.Values{"client_id": {"app"}}, authenticates: true, header: true, long: true},
		{form: url.Values{"client_secret": {"x"}}, authenticates: true, long: true},
		{form: url.Values{"client_assertion": {"x"}}, authenticates: true, long: true},
		{form: url.Values{"request": {"x"}}, long: true},
		{form: url.Values{"request_uri": {"https://app.example/request"}}, long: true},
		{form: url.Values{"client_id": {"https://app.example/client.json"}}, long: true},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Form = kind.form
		if kind.header {
			r.Header.Set("Authorization", "Basic x")
		}
		if got := needsLongTurn(r, kind.authenticates); got != kind.long {
			t.Errorf("%v, header %v, where clients authenticate %v: the longer queue %v", kind.form, kind.header, kind.authenticates, got)
		}
	}
}
