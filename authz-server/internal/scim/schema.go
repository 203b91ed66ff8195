package scim

import (
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
)

// attribute says what an attribute is (RFC 7643 §7).
type attribute struct {
	Name        string       `json:"name"`
	Type        string       `json:"type"`
	Sub         []*attribute `json:"subAttributes,omitempty"`
	Multi       bool         `json:"multiValued"`
	Description string       `json:"description"`
	Required    bool         `json:"required"`
	Canonical   []string     `json:"canonicalValues,omitempty"`
	CaseExact   bool         `json:"caseExact"`
	Mutability  string       `json:"mutability"`
	Returned    string       `json:"returned"`
	Uniqueness  string       `json:"uniqueness"`
	References  []string     `json:"referenceTypes,omitempty"`

	key     func(string) string // texts with the same key are equal; nil: by CaseExact
	ignored bool                // a change is ignored rather than refused, although it is read-only
}

// The types of attributes. Others do not occur.
const (
	typeString    = "string"
	typeBoolean   = "boolean"
	typeDateTime  = "dateTime"
	typeReference = "reference"
	typeComplex   = "complex"
)

const readOnly = "readOnly"

// The options of an attribute.
func text(name, description string, options ...func(*attribute)) *attribute {
	a := &attribute{Name: name, Type: typeString, Description: description, Mutability: "readWrite", Returned: "default", Uniqueness: "none"}
	for _, option := range options {
		option(a)
	}
	return a
}

func complexOf(name, description string, sub []*attribute, options ...func(*attribute)) *attribute {
	a := text(name, description, options...)
	a.Type, a.Sub = typeComplex, sub
	return a
}

func fixed(a *attribute)   { a.Mutability = readOnly }
func exact(a *attribute)   { a.CaseExact = true }
func many(a *attribute)    { a.Multi = true }
func needed(a *attribute)  { a.Required = true }
func boolean(a *attribute) { a.Type = typeBoolean }
func when(a *attribute)    { a.Type, a.Mutability = typeDateTime, readOnly }
func lenient(a *attribute) { a.Mutability, a.ignored = readOnly, true }
func unique(a *attribute)  { a.Uniqueness = "server" }

func reference(types ...string) func(*attribute) {
	return func(a *attribute) { a.Type, a.References, a.CaseExact = typeReference, types, true }
}

func keyed(key func(string) string) func(*attribute) { return func(a *attribute) { a.key = key } }

// kind is a type of resources.
type kind struct {
	Name     string
	Endpoint string
	Schema   string
	About    string
	Own      []*attribute

	all []*attribute // with those that every resource has
}

// common are the attributes that every resource has (RFC 7643 §3.1), which no schema lists.
func common() []*attribute {
	return []*attribute{
		text("id", "", fixed, exact, func(a *attribute) { a.Returned = "always" }),
		text("externalId", "", exact),
		complexOf("meta", "", []*attribute{
			text("resourceType", "", fixed, exact), text("created", "", when), text("lastModified", "", when),
			text("location", "", fixed, reference("uri")), text("version", "", fixed, exact),
		}, fixed),
		text("schemas", "", many, fixed, exact, func(a *attribute) { a.Returned, a.ignored = "always", true }),
	}
}

// The schemas of resources.
const (
	userSchema  = "urn:ietf:params:scim:schemas:core:2.0:User"
	groupSchema = "urn:ietf:params:scim:schemas:core:2.0:Group"
)

func plural(name, description string, value []*attribute, options ...func(*attribute)) *attribute {
	return complexOf(name, description, append(value,
		text("type", "What the value is for: work.", func(a *attribute) { a.Canonical = []string{"work"} }), text("primary", "It is the only one.", boolean)), append(options, many)...)
}

var users = finish(&kind{
	Name: "User", Endpoint: "/Users", Schema: userSchema, About: "An account of a person",
	Own: []*attribute{
		text("userName", "The e-mail address that the person logs in with.", needed, unique, keyed(accounts.EmailKey)),
		complexOf("name", "The parts of the name.", []*attribute{
			text("formatted", "The whole name: displayName."), text("familyName", "Family name."),
			text("givenName", "Given name."), text("middleName", "Middle names."),
		}),
		text("displayName", "The name that is shown. Without one, it is made of name, or of userName."),
		text("nickName", "What the person is called."),
		text("profileUrl", "A page about the person.", reference("external")),
		text("preferredLanguage", "The language of pages and letters: locale, which counts if both are given."),
		text("locale", "The language of pages and letters, a BCP 47 tag."),
		text("timezone", "The time zone, by its IANA name."),
		text("active", "Whether the person can log in. False ends all sessions and tokens at once.", boolean),
		plural("emails", "The address that userName is. What is sent is ignored.",
			[]*attribute{text("value", "The address.", keyed(accounts.EmailKey))}, lenient),
		plural("phoneNumbers", "One telephone number: of several, the one of the type work, or the primary one, or the first.",
			[]*attribute{text("value", "The number, with the code of its country.")}),
		plural("photos", "One picture.", []*attribute{text("value", "Its address on the web.", reference("external"))}),
		plural("addresses", "One postal address, chosen as among phoneNumbers.", []*attribute{
			text("formatted", "The whole address."), text("streetAddress", "Street and number."), text("locality", "City."),
			text("region", "State or region."), text("postalCode", "Postal code."), text("country", "Country, by its code."),
		}),
		complexOf("groups", "The groups that the person is in; a change is one of the group.", []*attribute{
			text("value", "The group's id.", fixed, exact), text("$ref", "Its address.", fixed, reference("Group")),
			text("display", "Its name.", fixed), text("type", "direct", fixed),
		}, fixed, many),
		complexOf("roles", "The roles that the person was given directly, by operators.", []*attribute{
			text("value", "Such as board/moderator.", fixed, exact), text("display", "", fixed), text("type", "", fixed),
			text("primary", "", boolean, fixed),
		}, fixed, many),
	},
})

var groups = finish(&kind{
	Name: "Group", Endpoint: "/Groups", Schema: groupSchema, About: "People who have roles together",
	Own: []*attribute{
		text("displayName", "The name.", needed, unique, keyed(roles.GroupKey)),
		complexOf("members", "The people in the group. Groups in groups are not supported.", []*attribute{
			text("value", "The id of the account.", exact), text("$ref", "Its address.", reference("User")),
			text("type", "User", func(a *attribute) { a.Canonical = []string{"User"} }),
			text("display", "The account's userName.", fixed),
		}, many),
	},
})

func finish(k *kind) *kind {
	k.all = append(common(), k.Own...)
	return k
}

// find finds an attribute by its name, in any case.
func find(all []*attribute, name string) *attribute {
	for _, a := range all {
		if sameName(a.Name, name) {
			return a
		}
	}
	return nil
}

// sameName compares names without regard to case (RFC 7643 §2.1). They are ASCII, and stay so: K, the
// sign of Kelvin, is no k.
func sameName(a, b string) bool { return lower(a) == lower(b) }

func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// isName tells whether s is the name of an attribute (RFC 7643 §2.1, with the $ of $ref).
func isName(s string) bool {
	for i, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i > 0 || c != '$') && (i == 0 || c != '-' && c != '_' && (c < '0' || c > '9')) {
			return false
		}
	}
	return s != "" && s != "$"
}

// target is an attribute, or one of its parts.
type target struct {
	attr, sub *attribute // sub nil: the attribute itself
}

// leaf is the attribute whose values count.
func (t target) leaf() *attribute {
	if t.sub != nil {
		return t.sub
	}
	return t.attr
}

// resolve finds what a path names: "userName", "name.givenName", either with the schema's URN before
// it. known is false if no attribute of this server has the name. ok is false if it is no name at all.
func resolve(all []*attribute, schema, path string) (t target, known, ok bool) {
	known = true
	if i := strings.LastIndexByte(path, ':'); i >= 0 {
		// RFC 7644 §3.10: the URN of another schema, such as an extension's, is of attributes that
		// are not known here.
		if schema == "" {
			return t, false, false
		}
		known = sameName(path[:i], schema)
		path = path[i+1:]
	}
	name, sub, dotted := strings.Cut(path, ".")
	if !isName(name) || dotted && !isName(sub) {
		return t, false, false
	}
	if !known {
		return t, false, true
	}
	if t.attr = find(all, name); t.attr == nil {
		return t, false, true
	}
	if dotted {
		if t.sub = find(t.attr.Sub, sub); t.sub == nil {
			return target{}, false, true
		}
	}
	return t, true, true
}
