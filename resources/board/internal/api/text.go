package api

import (
	"errors"
	"regexp"

	"github.com/maru-auth/maru/internal/rest"
)

// The limits of what people write, in code points. The tags of the request types repeat them for
// the OpenAPI document.
const (
	maxTitle            = 200
	maxPostBody         = 20000
	maxCommentBody      = 2000
	maxBoardTitle       = 100
	maxBoardDescription = 500
	maxQuery            = 100
)

var wellFormedRole = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`)

// Each returns the cleaned text, or an error that says what is wrong with it.
func boardTitle(text string) (string, error) {
	return rest.Length{Least: 1, Most: maxBoardTitle}.Line(text)
}
func boardDescription(text string) (string, error) {
	return rest.Length{Most: maxBoardDescription}.Lines(text)
}
func boardRole(name string) (string, error) {
	if name != "" && !wellFormedRole.MatchString(name) {
		return "", errors.New("must be empty, or 1 to 32 characters from a-z, 0-9, _ and -, the first of them a letter")
	}
	return name, nil
}
func postTitle(text string) (string, error) { return rest.Length{Least: 1, Most: maxTitle}.Line(text) }
func postBody(text string) (string, error) {
	return rest.Length{Least: 1, Most: maxPostBody}.Lines(text)
}
func commentBody(text string) (string, error) {
	return rest.Length{Least: 1, Most: maxCommentBody}.Lines(text)
}
func searchText(text string) (string, error) { return rest.Length{Least: 1, Most: maxQuery}.Line(text) }

// asItIs is for members that huma has checked completely.
func asItIs[T any](value T) (T, error) { return value, nil }

// validSlug tells whether a board could have the slug.
func validSlug(slug string) bool {
	for i := range len(slug) {
		if c := slug[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return slug != "" && len(slug) <= 40
}
