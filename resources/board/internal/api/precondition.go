package api

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/maru-auth/maru/resources/board/internal/store"
)

// maxTags is how many entity tags an If-Match may name: clients send one.
const maxTags = 10

// etag is the entity tag of a version. It stands for what a PATCH can change, and not for names, counts and marks around it.
func etag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// mustMatch checks the If-Match of a change (RFC 9110 §13.1.1) against the version that was just read: the change itself
// checks that it is still that one. Errors: a problem with status 428 (RFC 6585 §3) or 400, store.ErrChanged.
func mustMatch(header string, version int64) error {
	if header == "" {
		return &Problem{Status: http.StatusPreconditionRequired, Detail: "Send the ETag of what you read in If-Match, so that nobody's change is lost."}
	}
	tags, anything, err := parseTags(header)
	switch {
	case err != nil:
		return &Problem{Status: http.StatusBadRequest, Detail: "If-Match " + err.Error()}
	case anything || slices.Contains(tags, etag(version)):
		return nil
	}
	return store.ErrChanged
}

// mayMatch is mustMatch for a deletion, which does without: the version that must still be there, or 0 for any.
func mayMatch(header string, version int64) (int64, error) {
	if header == "" {
		return 0, nil
	}
	return version, mustMatch(header, version)
}

var errTags = errors.New(`must be * or a list of at most 10 entity tags as ETag gives them, with their quotes, such as "1"`)

// parseTags reads "*" or a list of entity tags (RFC 9110 §8.8.3, and §5.6.1 for empty elements). It returns those that can
// match strongly, with their quotes: weak ones never do (§8.8.3.2).
func parseTags(header string) (tags []string, anything bool, err error) {
	const space = " \t"
	rest := strings.Trim(header, space)
	if rest == "*" {
		return nil, true, nil
	}
	seen := 0
	for rest != "" {
		if rest[0] == ',' {
			rest = strings.TrimLeft(rest[1:], space)
			continue
		}
		tag, weak := strings.CutPrefix(rest, "W/")
		if !strings.HasPrefix(tag, `"`) {
			return nil, false, errTags
		}
		end := strings.IndexByte(tag[1:], '"') + 2
		if end < 2 || strings.ContainsFunc(tag[:end], func(c rune) bool { return c <= ' ' || c == 0x7f }) || seen == maxTags {
			return nil, false, errTags
		}
		seen++
		if !weak {
			tags = append(tags, tag[:end])
		}
		rest = strings.TrimLeft(tag[end:], space)
		if rest != "" && rest[0] != ',' {
			return nil, false, errTags
		}
	}
	if seen == 0 {
		return nil, false, errTags
	}
	return tags, false, nil
}
