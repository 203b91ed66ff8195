package rest

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// maxTags is how many entity tags a precondition may name: clients send one.
const maxTags = 10

// A Version of what can be changed: new at every change.
type Version interface{ ~string | ~int64 }

// ETag is the strong entity tag of a version.
func ETag[V Version](version V) string { return `"` + fmt.Sprint(version) + `"` }

// ChangeInput is what every change takes; embed it. Like all that is embedded in an input it is
// exported: huma overlooks it otherwise.
type ChangeInput struct {
	IfMatch string `header:"If-Match" doc:"ETag that you read with what is to be changed, or * for whatever version is there."`
}

// Match says which versions a precondition allows.
type Match struct {
	Any      bool     // *: whatever is there
	Versions []string // otherwise one of these
}

// IfMatch reads the If-Match of a change (RFC 9110 §13.1.1). Errors: a [Problem] with status 428 if
// there is none (RFC 6585 §3), or with 400 if it is malformed.
func IfMatch(header string) (Match, error) {
	if header == "" {
		const detail = "Send the ETag of what you read in If-Match, so that nobody else's change is lost."
		return Match{}, &Problem{Status: http.StatusPreconditionRequired, Detail: detail}
	}
	tags, anything, err := parseTags(header)
	if err != nil {
		return Match{}, &Problem{Status: http.StatusBadRequest, Detail: "If-Match " + err.Error()}
	}
	match := Match{Any: anything}
	for _, tag := range tags {
		if !tag.weak { // a weak tag never matches strongly (RFC 9110 §8.8.3.2)
			match.Versions = append(match.Versions, tag.opaque)
		}
	}
	return match, nil
}

// RequireMatch checks the If-Match of a change against the version that was just read; the change
// itself must then check that it is still that one. Errors: those of [IfMatch], and [Changed].
func RequireMatch[V Version](header string, version V) error {
	match, err := IfMatch(header)
	if err == nil && !match.Any && !slices.Contains(match.Versions, fmt.Sprint(version)) {
		return Changed()
	}
	return err
}

// OptionalMatch is RequireMatch for a change that may do without If-Match. It returns the version
// that must still be there; the zero one: any will do.
func OptionalMatch[V Version](header string, version V) (V, error) {
	if header == "" {
		var anyVersion V
		return anyVersion, nil
	}
	return version, RequireMatch(header, version)
}

// Unchanged tells whether an If-None-Match names the version, so that the answer to a read is 304
// (RFC 9110 §13.1.2). A malformed one names nothing.
func Unchanged(ifNoneMatch, version string) bool {
	tags, anything, err := parseTags(ifNoneMatch)
	if err != nil {
		return false
	}
	return anything || slices.ContainsFunc(tags, func(tag entityTag) bool { return tag.opaque == version })
}

type entityTag struct {
	opaque string // what stands between the quotes
	weak   bool
}

var errTags = errors.New(`must be * or a list of at most 10 entity tags as ETag gives them, with their quotes, such as "abc"`)

// parseTags reads "*" or a list of entity tags (RFC 9110 §8.8.3, and §5.6.1 for empty elements).
func parseTags(header string) (tags []entityTag, anything bool, err error) {
	const space = " \t"
	rest := strings.Trim(header, space)
	if rest == "*" {
		return nil, true, nil
	}
	for rest != "" {
		if rest[0] == ',' {
			rest = strings.TrimLeft(rest[1:], space)
			continue
		}
		var tag entityTag
		var ok bool
		rest, tag.weak = strings.CutPrefix(rest, "W/")
		rest, ok = strings.CutPrefix(rest, `"`)
		if !ok {
			return nil, false, errTags
		}
		end := strings.IndexByte(rest, '"')
		if end < 0 ||
			strings.ContainsFunc(rest[:end], func(c rune) bool { return c <= ' ' || c == 0x7f }) || len(tags) == maxTags {
			return nil, false, errTags
		}
		tag.opaque = rest[:end]
		tags = append(tags, tag)
		rest = strings.TrimLeft(rest[end+1:], space)
		if rest != "" && rest[0] != ',' {
			return nil, false, errTags
		}
	}
	if len(tags) == 0 {
		return nil, false, errTags
	}
	return tags, false, nil
}
