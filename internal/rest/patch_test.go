package rest

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestAMemberOfAPatchIsAbsentNullOrAValue(t *testing.T) {
	lower := func(text string) (string, error) {
		if text == "BAD" {
			return "", errors.New("is bad")
		}
		return strings.ToLower(text), nil
	}
	const absent, refused = "absent", "refused"
	for body, want := range map[string]struct{ title, note string }{
		`{}`:                              {absent, absent},
		`{"title": "A", "note": "B"}`:     {"a", "b"},
		`{"title": null, "note": null}`:   {refused, ""},
		`{"title": "BAD", "note": "BAD"}`: {refused, refused},
	} {
		var sent struct {
			Title Patch[string]
			Note  RemovablePatch[string]
		}
		if err := json.Unmarshal([]byte(body), &sent); err != nil {
			t.Fatal(err)
		}
		result := func(value *string, err error) string {
			var p *Problem
			switch {
			case errors.As(err, &p) && p.Status == 422 && strings.HasPrefix(p.Errors[0].Location, "body."):
				return refused
			case err == nil && value == nil:
				return absent
			case err == nil:
				return *value
			}
			return err.Error()
		}
		if got := result(sent.Title.Value("body.title", lower)); got != want.title {
			t.Errorf("%s: the title is %q, want %q", body, got, want.title)
		}
		if got := result(sent.Note.Value("body.note", lower)); got != want.note {
			t.Errorf("%s: the note is %q, want %q", body, got, want.note)
		}
		title := "old"
		if err := sent.Title.Apply("body.title", &title, lower); (err == nil) != (want.title != refused) {
			t.Error(err)
		}
		if kept := want.title == absent || want.title == refused; kept != (title == "old") {
			t.Errorf("%s: the title has become %q", body, title)
		}
		note := "old"
		if err := sent.Note.Apply("body.note", &note, lower); (err == nil) != (want.note != refused) {
			t.Error(err)
		}
		if kept := want.note == absent || want.note == refused; kept && note != "old" || !kept && note != want.note {
			t.Errorf("%s: the note has become %q", body, note)
		}
	}
}
