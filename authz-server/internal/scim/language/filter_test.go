package language

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// The kinds of resources, whose texts are the same in any case.
var users, groups = User(strings.ToLower), Group(strings.ToLower)

func sample() map[string]any {
	return map[string]any{
		"schemas": []any{userSchema}, "id": "2819c223", "externalId": "Case", "userName": "Bjensen@Example.com", "displayName": "Babs Jensen", "active": true,
		"name":   map[string]any{"familyName": "O'Malley", "givenName": "Barbara", "formatted": "Babs Jensen"},
		"emails": []any{map[string]any{"value": "bjensen@example.com", "type": "work", "primary": true}},
		"phoneNumbers": []any{
			map[string]any{"value": "+12015550123", "type": "work"}, map[string]any{"value": "+12015550124", "type": "home"},
		},
		"meta": map[string]any{"lastModified": time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC), "resourceType": "User"},
	}
}

// The examples of RFC 7644 §3.4.2.2, and what the grammar allows beyond them.
func TestFiltersFindWhatTheySay(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`userName eq "bjensen@example.com"`:                             true,
		`USERNAME EQ "bjensen@example.COM"`:                             true,
		`userName eq "bjensen"`:                                         false,
		`name.familyName co "O'Malley"`:                                 true,
		`userName sw "bj"`:                                              true,
		`userName ew ".com"`:                                            true,
		`userName ne "x"`:                                               true,
		`userName gt "a" and userName lt "c"`:                           true,
		`userName ge "c"`:                                               false,
		`urn:ietf:params:scim:schemas:core:2.0:User:userName sw "BJ"`:   true,
		`URN:IETF:params:scim:schemas:core:2.0:user:name.familyName pr`: true,
		`title pr or displayName pr`:                                    false, // title is not known: an error
		`nickName pr`:                                                   false,
		`not (nickName pr)`:                                             true,
		`nickName eq null`:                                              true,
		`nickName ne "x"`:                                               true,
		`displayName ne null`:                                           true,
		`meta.lastModified gt "2011-05-13T04:42:34Z"`:                   true,
		`meta.lastModified gt "2026-05-01T11:00:00+02:00"`:              false,
		`meta.lastModified ge "2026-05-01T11:00:00+02:00"`:              true,
		`meta.lastModified le "2026-05-01T08:59:59.999Z"`:               false,
		`active eq true`:                                                true,
		`active eq "True"`:                                              true,
		`active ne true`:                                                false,
		`emails eq "BJENSEN@example.com"`:                               true,
		`emails.type eq "work" and (emails co "example.com" or emails.value co "org")`: true,
		`emails[type eq "work" and value co "@example.com"]`:                           true,
		`emails[type eq "home"]`:                                               false,
		`phoneNumbers[type eq "home" and value eq "+12015550123"]`:             false, // not of one value
		`phoneNumbers.type eq "home" and phoneNumbers.value eq "+12015550123"`: true,
		`emails[type eq "work"] and phoneNumbers[not (type eq "fax")]`:         true,
		`emails[primary eq true]`:                                              true,
		`externalId eq "case"`:                                                 false, // RFC 7643 §3.1: case counts
		`externalId eq "Case"`:                                                 true,
		`id eq "2819C223"`:                                                     false,
		`schemas eq "urn:ietf:params:scim:schemas:core:2.0:User"`:              true,
		`userName eq "x" or displayName co "jensen" and active eq true`:        true, // and binds more tightly
		`(userName eq "x" or displayName co "jensen") and active eq false`:     false,
		`displayName eq "Babs \u004aensen"`:                                    true,
		`  displayName   eq   "babs jensen"  `:                                 true,
		`NOT(active eq false) AND NOT (nickName pr)`:                           true,
		`meta.resourceType eq "User"`:                                          true,
		`name pr and phoneNumbers pr and not (addresses pr)`:                   true,
	} {
		f, err := ParseFilter(users, text)
		if strings.HasPrefix(text, "title") {
			if err == nil {
				t.Errorf("%s is a filter", text)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := f.Matches(sample()); got != want {
			t.Errorf("%s: %t, want %t", text, got, want)
		}
	}
}

func TestWhatIsNoFilterIsRefusedAndSaidWhere(t *testing.T) {
	t.Parallel()
	for text, says := range map[string]string{
		``: "the name of an attribute", `userName`: "an operator", `userName eq`: "a value", `userName eq "a`: "a value", `userName is "a"`: "operators",
		`userName eq 'a'`: "a value", `userName eq a`: "a value", `userName eq 5`: "a text", `active eq "yes"`: "true or false", `active gt true`: "eq and ne",
		`meta.lastModified gt "yesterday"`: "a time", `meta.lastModified co "2026-05-01T09:00:00Z"`: "a time", `(userName pr`: "parenthesis", `userName pr)`: "an operator",
		`emails[type eq "work"`: "bracket", `emails[type[value eq "x"]]`: "has parts", `userName[value eq "x"]`: "has parts", `emails[nothing eq "x"]`: "no attribute",
		`userName pr and`: "the name of an attribute", `userName pr userName pr`: "an operator", `name eq "x"`: "has parts", `not userName pr`: "no attribute",
		`userName.x eq "y"`: "no attribute", `.userName pr`: "the name", `a b c`: "no attribute", `userName eq "a"and userName pr`: "an operator", `emails.value[type eq "x"]`: "has parts",
		`urn:other:userName pr`: "no attribute", `user\name pr`: "the name", "userName\teq \"a\"": "the name", `userName eq "\x"`: "a value", `userName gt null`: "null",
		`emails[urn:ietf:params:scim:schemas:core:2.0:User:type eq "x"]`: "the name", `pr pr`: "no attribute", `userName eq {}`: "a text", `userName eq "a\u0000"`: "U+0000", `userName eq ["a"]`: "a value",
	} {
		_, err := ParseFilter(users, text)
		p, ok := err.(*Error) //nolint:errorlint // nothing wraps it
		if !ok || p.Type != InvalidFilter || !strings.Contains(p.Detail, says) {
			t.Errorf("%s: %v, which does not say %q", text, err, says)
		}
	}
}

func TestFiltersAreBounded(t *testing.T) {
	t.Parallel()
	deep := func(n int) string { return strings.Repeat("(", n) + "userName pr" + strings.Repeat(")", n) }
	nots := func(n int) string { return strings.Repeat("not (", n) + "userName pr" + strings.Repeat(")", n) }
	long := func(n int) string { return strings.TrimSuffix(strings.Repeat("active pr or ", n), " or ") }
	inBrackets := func(n int) string {
		return "emails[" + strings.TrimSuffix(strings.Repeat("type pr or ", n), " or ") + "]"
	}
	for text, ok := range map[string]bool{
		deep(16): true, deep(17): false, deep(2000): false, nots(16): true, nots(17): false, long(64): true, long(65): false, inBrackets(63): true, inBrackets(64): false,
		`userName eq "` + strings.Repeat("a", 4000) + `"`: true, `userName eq "` + strings.Repeat("a", 4096) + `"`: false,
		strings.Repeat("emails[", 1000): false, strings.Repeat("not ", 1000): false, strings.Repeat(`"`, 4000): false, strings.Repeat("a.", 2000): false,
	} {
		f, err := ParseFilter(users, text)
		if (err == nil) != ok {
			t.Errorf("%.60s… (%d bytes): %v", text, len(text), err)
		}
		if err == nil {
			f.Matches(sample())
		}
	}
}

func FuzzFilter(f *testing.F) {
	for _, seed := range []string{
		`userName eq "bjensen@example.com"`, `emails[type eq "work" and value co "@example.com"] or not (active eq false)`,
		`urn:ietf:params:scim:schemas:core:2.0:User:name.familyName sw "J" and meta.lastModified gt "2011-05-13T04:42:34Z"`,
		`userName eq "a" or not (members.value eq "b" and meta.resourceType eq "User")`, `((((`, `emails[`, `a eq "\ud800"`, `not (`, `userName eq null`, "userName eq \"\x00\"", `groups.$ref ew "x"`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, k := range []*Kind{users, groups} {
			parsed, err := ParseFilter(k, text)
			if err != nil {
				if p, ok := err.(*Error); !ok || p.Type != InvalidFilter || p.Detail == "" { //nolint:errorlint // nothing wraps it
					t.Fatalf("%q: %v", text, err)
				}
				continue
			}
			is := parsed.Matches(sample())
			if not, err := ParseFilter(k, "not ("+text+")"); err == nil && not.Matches(sample()) == is {
				t.Fatalf("%q and its contrary are both %t", text, is)
			}
		}
		if whole, err := ParseFilter(users, text, users, groups); err == nil {
			rest, truth := whole.Settle(users)
			if rest != nil {
				truth = rest.Matches(sample())
			}
			if truth != whole.Matches(sample()) {
				t.Fatalf("%q is %t once it is settled", text, truth)
			}
		}
	})
}

func FuzzPatchPath(f *testing.F) {
	for _, seed := range []string{
		`members`, `members[value eq "2819c223"]`, `name.familyName`, `addresses[type eq "work"]`, `emails[type eq "work"].value`, `addresses[type eq "work"].streetAddress`,
		`urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager`, `urn:ietf:params:scim:schemas:core:2.0:User:phoneNumbers[type eq "work"].value`, `[`, `a]`, `photos[].x`, `photos[value pr]..`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, op := range []string{"add", "Replace", "REMOVE"} {
			for _, value := range []any{nil, "x", true, map[string]any{"value": "x", "type": "work"}, []any{map[string]any{"VALUE": "x"}, map[string]any{}}} {
				patch, err := users.operationsOf(map[string]any{"op": op, "path": text, "value": value})
				doc := sample()
				for i := range patch {
					if err := patch[i].Apply(doc); err != nil {
						if _, ok := err.(*Error); !ok { //nolint:errorlint // nothing wraps it
							t.Fatal(err)
						}
					}
				}
				if _, ok := err.(*Error); err != nil && !ok { //nolint:errorlint // nothing wraps it
					t.Fatal(err)
				}
				before := sample()
				for _, fixed := range []string{"id", "meta", "emails", "schemas"} {
					if fmt.Sprint(doc[fixed]) != fmt.Sprint(before[fixed]) {
						t.Fatalf("%s %q changes %s to %v", op, text, fixed, doc[fixed])
					}
				}
				groups.operationsOf(map[string]any{"op": op, "path": text, "value": value}) // it must only not fail otherwise
			}
		}
	})
}

// Path by path, what a patch makes of the sample (RFC 7644 §3.5.2).
func TestAPatchIsApplied(t *testing.T) {
	t.Parallel()
	for _, one := range []struct {
		op, path string
		value    any
		want     string
	}{ //nolint:gofumpt // one line each
		{"add", "nickName", "Babs", "nickName=Babs"},
		{"Add", "NICKNAME", "Babs", "nickName=Babs"},
		{"replace", "name.familyName", "X", "name=map[familyName:X formatted:Babs Jensen givenName:Barbara]"},
		{"add", "name", map[string]any{"FamilyName": "X", "honorificPrefix": "Ms."}, "name=map[familyName:X formatted:Babs Jensen givenName:Barbara]"},
		{"replace", "name", map[string]any{"familyName": nil, "givenName": "B"}, "name=map[familyName:O'Malley formatted:Babs Jensen givenName:B]"},
		{"remove", "name.givenName", nil, "name=map[familyName:O'Malley formatted:Babs Jensen]"},
		{"replace", "name.givenName", nil, "name=map[familyName:O'Malley formatted:Babs Jensen]"},
		{"remove", "phoneNumbers", nil, "phoneNumbers=<nil>"},
		{"remove", `phoneNumbers[type eq "home"]`, nil, "phoneNumbers=[map[type:work value:+12015550123]]"},
		{"remove", `phoneNumbers[type eq "x"]`, nil, "phoneNumbers=[map[type:work value:+12015550123] map[type:home value:+12015550124]]"},
		{"remove", "phoneNumbers", []any{map[string]any{"value": "+12015550123"}}, "phoneNumbers=[map[type:home value:+12015550124]]"},
		{"replace", `phoneNumbers[type eq "home"].value`, "1", "phoneNumbers=[map[type:work value:+12015550123] map[type:home value:1]]"},
		{"replace", `phoneNumbers[type eq "home"]`, map[string]any{"value": "1"}, "phoneNumbers=[map[type:work value:+12015550123] map[value:1]]"},
		{"replace", `phoneNumbers[type eq "fax"].value`, "1", "phoneNumbers=[map[type:work value:+12015550123] map[type:home value:+12015550124] map[type:fax value:1]]"},
		{"replace", `phoneNumbers`, []any{map[string]any{"Value": "1"}}, "phoneNumbers=[map[value:1]]"},
		{"add", `phoneNumbers`, map[string]any{"value": "+12015550124", "type": "home"}, "phoneNumbers=[map[type:work value:+12015550123] map[type:home value:+12015550124]]"},
		{"add", `photos`, []any{map[string]any{"value": "p"}}, "photos=[map[value:p]]"},
		{"add", `addresses[type eq "work"].locality`, "Seoul", "addresses=[map[locality:Seoul type:work]]"},
		{"replace", `phoneNumbers[type sw "x"].value`, "1", "noTarget"},
		{"replace", `phoneNumbers[display eq "x"].value`, "1", "invalidFilter"},
		{"replace", `userName[type eq "x"]`, "1", "invalidPath"},
		{"remove", "userName", nil, "mutability"},
		{"remove", "", nil, "noTarget"},
		{"replace", "", "x", "invalidValue"},
		{"add", "nickName", nil, "invalidValue"},
		{"move", "nickName", "x", "invalidSyntax"},
		{"replace", "name", "x", "invalidValue"},
		{"replace", "phoneNumbers", []any{"x"}, "invalidValue"},
		{"replace", "emails", []any{}, "emails=[map[primary:true type:work value:bjensen@example.com]]"},
		{"replace", "urn:x:title", "x", "title=<nil>"},
		{"replace", "title", "x", "title=<nil>"},
		{"replace", "", map[string]any{"name.givenName": "B", "nickName": "N", "title": "x", "id": "y"}, "id=2819c223"},
		{"replace", "", map[string]any{"name.givenName": "B"}, "name=map[familyName:O'Malley formatted:Babs Jensen givenName:B]"},
		{"add", "", map[string]any{`phoneNumbers[type eq "work"].value`: "1"}, "phoneNumbers=[map[type:work value:1] map[type:home value:+12015550124]]"},
	} {
		doc := sample()
		object := map[string]any{"op": one.op, "value": one.value}
		if one.path != "" {
			object["path"] = one.path
		}
		patch, err := users.operationsOf(object)
		for i := range patch {
			if err == nil {
				err = patch[i].Apply(doc)
			}
		}
		got := ""
		if p, ok := err.(*Error); ok { //nolint:errorlint // nothing wraps it
			got = p.Type
		} else if name, _, _ := strings.Cut(one.want, "="); err == nil {
			got = name + "=" + fmt.Sprint(doc[name])
		}
		if got != one.want {
			t.Errorf("%s %s %v: %s, want %s", one.op, one.path, one.value, got, one.want)
		}
	}
}

func TestAnAnswerHasWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	for _, one := range []struct{ param, value, want string }{
		{"attributes", "userName", "id schemas userName"},
		{"attributes", "USERNAME, name.givenName,nothing", "id name{givenName} schemas userName"},
		{"attributes", "name.givenName,name.familyName", "id name{familyName,givenName} schemas"},
		{"attributes", "emails.value", "emails{value} id schemas"},
		{"attributes", "name,name.givenName", "id name{familyName,formatted,givenName} schemas"},
		{"attributes", "urn:ietf:params:scim:schemas:core:2.0:User:active", "active id schemas"},
		{"excludedAttributes", "id,schemas,emails,meta,name.formatted,phoneNumbers,externalId,active", "displayName id name{familyName,givenName} schemas userName"},
	} {
		s, err := users.Selection(map[string]any{one.param: one.value})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for name, value := range s.Of(sample()) {
			if parts, ok := ValuesOf(value)[0].(map[string]any); ok {
				var names []string
				for part := range parts {
					names = append(names, part)
				}
				slices.Sort(names)
				name += "{" + strings.Join(names, ",") + "}"
			}
			got = append(got, name)
		}
		slices.Sort(got)
		if text := strings.Join(got, " "); text != one.want {
			t.Errorf("%s=%s: %s, want %s", one.param, one.value, text, one.want)
		}
	}
	if _, err := users.Selection(map[string]any{"attributes": "id", "excludedAttributes": "id"}); err == nil {
		t.Error("both go together")
	}
}

// A key of an address costs as much as a hundred comparisons: a filter that asks for it 64 times has it
// worked out once for each resource.
func TestAFilterWorksOutEachTextOnce(t *testing.T) {
	t.Parallel()
	worked := map[string]int{}
	counted := User(func(text string) string {
		worked[text]++
		return strings.ToLower(text)
	})
	terms := []string{`emails.value co "x@"`, `emails[value eq "y@"]`}
	for i := range maxTerms - 3 {
		terms = append(terms, fmt.Sprintf(`userName eq "m%d@"`, i))
	}
	f, err := ParseFilter(counted, strings.Join(terms, " or "))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if f.Matches(sample()) {
			t.Error("it matches")
		}
	}
	if worked["Bjensen@Example.com"] != 3 || worked["bjensen@example.com"] != 3 {
		t.Errorf("of three resources: %v", worked)
	}
	for i := range maxTerms - 3 {
		if n := worked[fmt.Sprintf("m%d@", i)]; n != 1 {
			t.Fatalf("a text of the filter: %d times", n)
		}
	}
}

// What is the same of all resources of a kind is settled before any is looked at.
func TestAFilterOnSeveralKindsIsSettledForEach(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]string{ // what is left for users and for groups
		`userName eq "a"`:                           {"userName eq", "none"},
		`userName ne "a"`:                           {"userName ne", "all"},
		`userName pr`:                               {"userName pr", "none"},
		`userName eq null`:                          {"userName eq", "all"},
		`not (userName pr)`:                         {"not userName pr", "all"},
		`members.value eq "a"`:                      {"none", "members eq"},
		`members[value eq "a"]`:                     {"none", "members ["},
		`members[not (value eq "a")]`:               {"none", "members ["},
		`id eq "a"`:                                 {"id eq", "id eq"},
		`meta.resourceType eq "User"`:               {"all", "none"},
		`meta.resourceType ne "User"`:               {"none", "all"},
		`meta.resourceType pr`:                      {"all", "all"},
		`not (meta.resourceType eq "Group")`:        {"all", "none"},
		`schemas eq "` + groupSchema + `"`:          {"none", "all"},
		`userName eq "a" or members.value eq "a"`:   {"userName eq", "members eq"},
		`userName eq "a" and members.value eq "a"`:  {"none", "none"},
		`userName eq "a" and id eq "b"`:             {"(userName eq and id eq)", "none"},
		`userName ne "a" or id eq "b"`:              {"(userName ne or id eq)", "all"},
		`id pr and meta.resourceType eq "User"`:     {"id pr", "none"},
		`id pr or meta.resourceType eq "User"`:      {"all", "id pr"},
		userSchema + `:displayName eq "a"`:          {"displayName eq", "none"},
		groupSchema + `:id eq "a" or id eq "b"`:     {"id eq", "(id eq or id eq)"},
		`not (id eq "a" and active eq true)`:        {"not (id eq and active eq)", "all"},
		`emails[type eq "work"] or displayName pr`:  {"(emails [ or displayName pr)", "displayName pr"},
		`meta[resourceType eq "User"] and title pr`: {"error", "error"},
	} {
		for i, kind := range []*Kind{users, groups} {
			got := "error"
			if f, err := ParseFilter(kind, text, users, groups); err == nil {
				rest, truth := f.Settle(kind)
				if got = describe(rest); rest == nil {
					got = map[bool]string{true: "all", false: "none"}[truth]
				}
			}
			if got != want[i] {
				t.Errorf("%s leaves %q of a %s, want %q", text, got, kind.Name, want[i])
			}
		}
	}
}

func describe(f *Filter) string {
	switch {
	case f == nil:
		return ""
	case f.Op == "not":
		return "not " + describe(f.Left)
	case f.Op == "and" || f.Op == "or":
		return "(" + describe(f.Left) + " " + f.Op + " " + describe(f.Right) + ")"
	}
	return f.Of.Attr.Name + " " + f.Op
}
