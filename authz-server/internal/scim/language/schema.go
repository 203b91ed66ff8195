package language

import "strings"

// Attribute says what an attribute is (RFC 7643 §7).
type Attribute struct {
	Name        string       `json:"name"`
	Type        string       `json:"type"`
	Sub         []*Attribute `json:"subAttributes,omitempty"`
	Multi       bool         `json:"multiValued"`
	Description string       `json:"description"`
	Required    bool         `json:"required"`
	Canonical   []string     `json:"canonicalValues,omitempty"`
	CaseExact   bool         `json:"caseExact"`
	Mutability  string       `json:"mutability"`
	Returned    string       `json:"returned"`
	Uniqueness  string       `json:"uniqueness"`
	References  []string     `json:"referenceTypes,omitempty"`

	key       func(string) string // texts with the same key are equal; nil: by CaseExact
	ignored   bool                // a change is ignored rather than refused, although it is read-only
	unbounded bool                // it may have many values: whoever changes it bounds them
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
func text(name, description string, options ...func(*Attribute)) *Attribute {
	a := &Attribute{
		Name: name, Type: typeString, Description: description, Mutability: "readWrite", Returned: "default",
		Uniqueness: "none",
	}
	for _, option := range options {
		option(a)
	}
	return a
}

func complexOf(name, description string, sub []*Attribute, options ...func(*Attribute)) *Attribute {
	a := text(name, description, options...)
	a.Type, a.Sub = typeComplex, sub
	return a
}

func fixed(a *Attribute)     { a.Mutability = readOnly }
func exact(a *Attribute)     { a.CaseExact = true }
func many(a *Attribute)      { a.Multi = true }
func needed(a *Attribute)    { a.Required = true }
func boolean(a *Attribute)   { a.Type = typeBoolean }
func when(a *Attribute)      { a.Type, a.Mutability = typeDateTime, readOnly }
func lenient(a *Attribute)   { a.Mutability, a.ignored = readOnly, true }
func unbounded(a *Attribute) { a.unbounded = true }
func unique(a *Attribute)    { a.Uniqueness = "server" }

func reference(types ...string) func(*Attribute) {
	return func(a *Attribute) { a.Type, a.References, a.CaseExact = typeReference, types, true }
}

func keyed(key func(string) string) func(*Attribute) { return func(a *Attribute) { a.key = key } }

// Kind is a type of resources.
type Kind struct {
	Name     string
	Endpoint string
	Schema   string
	About    string
	Own      []*Attribute

	all []*Attribute // with those that every resource has
}

// common are the attributes that every resource has (RFC 7643 §3.1), which no schema lists.
func common() []*Attribute {
	return []*Attribute{
		text("id", "", fixed, exact, func(a *Attribute) { a.Returned = "always" }),
		text("externalId", "", exact),
		complexOf("meta", "", []*Attribute{
			text("resourceType", "", fixed, exact), text("created", "", when), text("lastModified", "", when),
			text("location", "", fixed, reference("uri")), text("version", "", fixed, exact),
		}, fixed),
		text("schemas", "", many, fixed, exact, func(a *Attribute) { a.Returned, a.ignored = "always", true }),
	}
}

// The schemas of resources.
const (
	userSchema  = "urn:ietf:params:scim:schemas:core:2.0:User"
	groupSchema = "urn:ietf:params:scim:schemas:core:2.0:Group"
)

func plural(name, description string, value []*Attribute, options ...func(*Attribute)) *Attribute {
	return complexOf(name, description, append(value,
		text("type", "What the value is for: work.", func(a *Attribute) { a.Canonical = []string{"work"} }),
		text("primary", "It is the only one.", boolean)), append(options, many)...)
}

// User is the kind of accounts of people. Texts with the same emailKey are one address.
func User(emailKey func(string) string) *Kind {
	return finish(&Kind{
		Name: "User", Endpoint: "/Users", Schema: userSchema, About: "An account of a person",
		Own: []*Attribute{
			text("userName", "The e-mail address that the person logs in with.", needed, unique, keyed(emailKey)),
			complexOf("name", "The parts of the name.", []*Attribute{
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
				[]*Attribute{text("value", "The address.", keyed(emailKey))}, lenient),
			plural("phoneNumbers",
				"One telephone number: of several, the one of the type work, or the primary one, or the first.",
				[]*Attribute{text("value", "The number, with the code of its country.")}),
			plural("photos", "One picture.", []*Attribute{text("value", "Its address on the web.", reference("external"))}),
			plural("addresses", "One postal address, chosen as among phoneNumbers.", []*Attribute{
				text("formatted", "The whole address."), text("streetAddress", "Street and number."), text("locality", "City."),
				text("region", "State or region."), text("postalCode", "Postal code."), text("country", "Country, by its code."),
			}),
			complexOf("groups", "The groups that the person is in; a change is one of the group.", []*Attribute{
				text("value", "The group's id.", fixed, exact), text("$ref", "Its address.", fixed, reference("Group")),
				text("display", "Its name.", fixed), text("type", "direct", fixed),
			}, fixed, many),
			complexOf("roles", "The roles that the person was given directly, by operators.", []*Attribute{
				text("value", "Such as board/moderator.", fixed, exact), text("display", "", fixed), text("type", "", fixed),
				text("primary", "", boolean, fixed),
			}, fixed, many),
		},
	})
}

// Group is the kind of groups of people. Texts with the same nameKey are one name.
func Group(nameKey func(string) string) *Kind {
	return finish(&Kind{
		Name: "Group", Endpoint: "/Groups", Schema: groupSchema, About: "People who have roles together",
		Own: []*Attribute{
			text("displayName", "The name.", needed, unique, keyed(nameKey)),
			complexOf("members", "The people in the group. Groups in groups are not supported.", []*Attribute{
				text("value", "The id of the account.", exact), text("$ref", "Its address.", reference("User")),
				text("type", "User", func(a *Attribute) { a.Canonical = []string{"User"} }),
				text("display", "The account's userName.", fixed),
			}, many, unbounded),
		},
	})
}

func finish(k *Kind) *Kind {
	k.all = append(common(), k.Own...)
	return k
}

// Attribute finds an attribute by its name, in any case; nil: there is none.
func (k *Kind) Attribute(name string) *Attribute { return find(k.all, name) }

// find finds an attribute by its name, in any case.
func find(all []*Attribute, name string) *Attribute {
	for _, a := range all {
		if SameName(a.Name, name) {
			return a
		}
	}
	return nil
}

// SameName compares names without regard to case (RFC 7643 §2.1). They are ASCII, and stay so: K, the
// sign of Kelvin, is no k.
func SameName(a, b string) bool { return Lower(a) == Lower(b) }

// Lower is s with the letters of ASCII in lower case.
func Lower(s string) string {
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

// Target is an attribute, or one of its parts.
type Target struct {
	Attr, Sub *Attribute // Sub nil: the attribute itself
}

// Leaf is the attribute whose values count.
func (t Target) Leaf() *Attribute {
	if t.Sub != nil {
		return t.Sub
	}
	return t.Attr
}

// resolve finds what a path names: "userName", "name.givenName", either with the schema's URN before
// it. known is false if no attribute of this server has the name. ok is false if it is no name at all.
func resolve(all []*Attribute, schema, path string) (t Target, known, ok bool) {
	known = true
	if i := strings.LastIndexByte(path, ':'); i >= 0 {
		// RFC 7644 §3.10: the URN of another schema, such as an extension's, is of attributes that
		// are not known here.
		if schema == "" {
			return t, false, false
		}
		known = SameName(path[:i], schema)
		path = path[i+1:]
	}
	name, sub, dotted := strings.Cut(path, ".")
	if !isName(name) || dotted && !isName(sub) {
		return t, false, false
	}
	if !known {
		return t, false, true
	}
	if t.Attr = find(all, name); t.Attr == nil {
		return t, false, true
	}
	if dotted {
		if t.Sub = find(t.Attr.Sub, sub); t.Sub == nil {
			return Target{}, false, true
		}
	}
	return t, true, true
}
