package pages

import (
	"html/template"
	"net/http"
	"net/url"
)

// Form is what stands in a form's fields, and what is wrong with it. A page shown again keeps everything that was typed.
type Form struct {
	Values url.Values
	Notice string // in words, above the form; empty: nothing to say
	Status int    // of the page

	wrong   map[string]string // in words, below a field
	theirs  map[string]string // what somebody else saved meanwhile, in the fields that differ
	focus   string            // the field to begin with, or empty
	refused bool
}

// NewForm returns a form with these values.
func NewForm(values url.Values) *Form { return &Form{Values: values, Status: http.StatusOK} }

// field is a field that people fill in. Where a form came too late, the page of log-in shows this many of its lines; 0: none.
type field struct {
	name string
	rows int
}

// fields are all of them, in the order in which they stand in their forms. Their labels are the words of the same key.
var fields = []field{
	{"title", 1}, {"body", 6}, {"display_name", 0}, {"bio", 6}, {"website", 0}, {"avatar_url", 0},
	{"locale", 0}, {"time_zone", 0}, {"theme", 0}, {"tags", 0}, {"format", 0},
}

// FieldNames are the names of all fields that people fill in, and the keys of their labels.
func FieldNames() (names []string) {
	for _, field := range fields {
		names = append(names, field.name)
	}
	return names
}

// Get returns a field's value.
func (f *Form) Get(field string) string { return f.Values.Get(field) }

// Is tells whether a field has a value, for choices.
func (f *Form) Is(field, value string) bool { return f.Values.Get(field) == value }

// Refuse says why the form was not saved: in a notice above it, and for single fields below them.
func (f *Form) Refuse(status int, notice string, wrong map[string]string) {
	f.refused, f.Status, f.Notice, f.wrong = true, status, notice, wrong
	if faults := f.Faults(); len(faults) > 0 {
		f.focus = faults[0].Field
	}
}

// Lose says that somebody else saved other values meanwhile: those of saved, which has etag. The form has the etag now, so that
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

// FocusOn has the cursor in a field that stands far down the page.
func (f *Form) FocusOn(field string) { f.focus = field }

// Focus is the attribute autofocus, for the field that the cursor is to be in.
func (f *Form) Focus(field string) template.HTMLAttr {
	if field == f.focus {
		return " autofocus"
	}
	return ""
}

// note is what stands below a field.
type note struct {
	Field  string
	Wrong  string
	Lost   bool
	Theirs string
}

// Note returns what stands below a field.
func (f *Form) Note(field string) note {
	theirs, lost := f.theirs[field]
	return note{field, f.wrong[field], lost, theirs}
}

// Bad tells whether something is wrong with a field.
func (f *Form) Bad(field string) bool { return f.wrong[field] != "" }

// Faults are the fields with something wrong, in the order in which they stand.
func (f *Form) Faults() []note {
	var faults []note
	for _, field := range fields {
		if f.Bad(field.name) {
			faults = append(faults, f.Note(field.name))
		}
	}
	return faults
}

// KeptPrefix keeps the fields of a form that came too late apart from the own ones of the page that keeps it.
const KeptPrefix = "kept."

// KeptField is a field of a form that came too late.
type KeptField struct {
	Name, Value string
	Rows        int // how many lines of it the page shows; 0: none
}

// Keep returns the fields of a form that came too late. get reads one of them.
func Keep(get func(field string) string) []KeptField {
	var kept []KeptField
	for _, field := range append(fields, field{name: "parent"}, field{name: "key"}, field{name: "etag"}) {
		if value := get(field.name); value != "" {
			kept = append(kept, KeptField{field.name, value, field.rows})
		}
	}
	return kept
}
