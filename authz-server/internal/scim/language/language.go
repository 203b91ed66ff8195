// Package language is the language of SCIM, over plain values: schemas, filters, patches and selections of
// attributes (RFC 7643, RFC 7644 §3.4.2 and §3.5.2). It knows nothing of who has accounts and groups here,
// and nothing of HTTP.
//
// A resource is a map by the names of its attributes, as [Attribute] has them. Values are string, bool,
// float64, [time.Time], lists of them, and maps.
package language

// Error says what is wrong with a message (RFC 7644 §3.12).
type Error struct {
	Type   string // scimType
	Detail string
}

func (e *Error) Error() string { return e.Detail }

// The types of errors in messages.
const (
	InvalidFilter = "invalidFilter"
	InvalidSyntax = "invalidSyntax"
	InvalidPath   = "invalidPath"
	InvalidValue  = "invalidValue"
	Mutability    = "mutability"
	NoTarget      = "noTarget"
)

func bad(scimType, detail string) error { return &Error{scimType, detail} }
