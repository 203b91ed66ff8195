package pages

import (
	"html/template"
	"net/http"
	"net/url"
)

// Form holds what is in a form's fields and what is wrong with it. A form shown again keeps
// everything that was typed.
type Form struct {
	Values url.Values
	Notice string // above the form; empty: nothing to say
	Status int    // of the page

	wrong   map[string]string // by field
	theirs  map[string]string // by field: what somebody else has saved, where it differs
	focus   string            // the field that gets the cursor, or empty
	refused bool
}

// NewForm returns a form with these values.
func NewForm(values url.Values) *Form { return &Form{Values: values, Status: http.StatusOK} }

// field is a field that people fill in. If its form came after the session had ended, the log-in
// page shows it with this many rows, or hides it if there are none.
type field struct {
	name string
	rows int
}

// fields are all of them, in the order of their forms. Their names are the keys of their labels.
var fields = []field{
	{"title", 1}, {"body", 6}, {"display_name", 0}, {"bio", 6}, {"website", 0}, {"avatar_url", 0},
	{"locale", 0}, {"time_zone", 0}, {"theme", 0}, {"tags", 0}, {"format", 0},
}

// FieldNames are the names of the fields that people fill in, which are also the keys of their
// labels.
func FieldNames() (names []string) {
	for _, field := range fields {
		names = append(names, field.name)
	}
	return names
}

// Get returns a field's value.
func (f *Form) Get(field string) string { return f.Values.Get(field) }

// Is tells whether a field has a value, to mark a choice.
func (f *Form) Is(field, value string) bool { return f.Values.Get(field) == value }

// Refuse says why the form was not saved: in a notice above it, and below each wrong field.
func (f *Form) Refuse(status int, notice string, wrong map[string]string) {
	f.refused, f.Status, f.Notice, f.wrong = true, status, notice, wrong
	if faults := f.Faults(); len(faults) > 0 {
		f.focus = faults[0].Field
	}
}

// Lose says that somebody else has saved other values. The form takes over their etag, so that
// sending it again replaces them.
func (f *Form) Lose(notice string, saved map[string]string, etag string) {
	f.refused, f.Status, f.Notice, f.theirs = true, http.StatusConflict, notice, map[string]string{}
	for field, value := range saved {
		if value != f.Get(field) {
			f.theirs[field] = value
		}
	}
	f.Values.Set("etag", etag)
}

// FocusOn puts the cursor into a field that is far down the page.
func (f *Form) FocusOn(field string) { f.focus = field }

// Focus is the attribute autofocus for the field that gets the cursor.
func (f *Form) Focus(field string) template.HTMLAttr {
	if field == f.focus {
		return " autofocus"
	}
	return ""
}

// note is what is shown below a field.
type note struct {
	Field  string
	Wrong  string
	Lost   bool
	Theirs string
}

// Note returns what to show below a field.
func (f *Form) Note(field string) note {
	theirs, lost := f.theirs[field]
	return note{field, f.wrong[field], lost, theirs}
}

// Bad tells whether something is wrong with a field.
func (f *Form) Bad(field string) bool { return f.wrong[field] != "" }

// Faults are the notes of the wrong fields, in the order of the form.
func (f *Form) Faults() []note {
	var faults []note
	for _, field := range fields {
		if f.Bad(field.name) {
			faults = append(faults, f.Note(field.name))
		}
	}
	return faults
}

// KeptPrefix begins the names of kept fields, and so keeps them apart from the log-in page's own.
const KeptPrefix = "kept."

// KeptField is a field of a form that came after the session had ended.
type KeptField struct {
	Name, Value string
	Rows        int // as of [field]
}

// Keep returns the fields to keep of a form that came after the session had ended. get reads one of
// them.
func Keep(get func(field string) string) []KeptField {
	var kept []KeptField
	for _, field := range append(fields, field{name: "parent"}, field{name: "key"}, field{name: "etag"}) {
		if value := get(field.name); value != "" {
			kept = append(kept, KeptField{field.name, value, field.rows})
		}
	}
	return kept
}
