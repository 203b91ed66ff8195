package site

import (
	"net/http"
	"testing"

	"github.com/maru-auth/maru/client-demo/internal/backend"
	"github.com/maru-auth/maru/client-demo/internal/lang"
)

func TestAFormSaysWhyAServiceRefusedIt(t *testing.T) {
	t.Parallel()
	l := lang.All.Find("en")
	for _, test := range []struct {
		refusal backend.Error
		want    string
	}{
		{backend.Error{Status: http.StatusUnprocessableEntity, Fields: map[string]string{"title": "x"}}, l.T("form_wrong")},
		{backend.Error{Status: http.StatusUnprocessableEntity, Detail: "no"}, l.T("form_wrong_detail", "no")},
		{backend.Error{Status: http.StatusBadRequest}, l.T("form_wrong")},
		{backend.Error{Status: http.StatusForbidden}, l.T("forbidden")},
		{backend.Error{Status: http.StatusNotFound}, l.T("gone")},
		{backend.Error{Status: http.StatusConflict, Detail: "full"}, l.T("form_conflict", "full")},
		{backend.Error{Status: http.StatusLocked, Detail: "busy"}, l.T("form_conflict", "busy")},
		{backend.Error{Status: http.StatusTooManyRequests}, l.T("too_many")},
		{backend.Error{Status: http.StatusUnauthorized}, ""}, // concerns the whole page
	} {
		if got := notice(l, &test.refusal); got != test.want {
			t.Errorf("%+v: %q, want %q", test.refusal, got, test.want)
		}
	}
	refused := map[string]string{"title": "x", "colour": "x"}
	got := wrong(l, &backend.Error{Status: http.StatusUnprocessableEntity, Fields: refused})
	if got["title"] != l.T("wrong_title") || got["colour"] != l.T("wrong_other") {
		t.Errorf("beside the fields: %q", got)
	}
	if got := wrong(l, &backend.Error{Status: http.StatusForbidden, Fields: refused}); got != nil {
		t.Errorf("a form that was not read has wrong fields: %q", got)
	}
}
