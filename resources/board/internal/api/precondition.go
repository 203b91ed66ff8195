package api

import (
	"slices"
	"strconv"

	"github.com/maru-auth/maru/internal/rest"
	"github.com/maru-auth/maru/resources/board/internal/store"
)

// etag is the entity tag of a version. It stands for what a PATCH can change, and not for names, counts and marks around it.
func etag(version int64) string { return rest.ETag(strconv.FormatInt(version, 10)) }

// mustMatch checks the If-Match of a change against the version that was just read: the change itself checks that it is
// still that one. Errors: those of [rest.IfMatch], store.ErrChanged.
func mustMatch(header string, version int64) error {
	match, err := rest.IfMatch(header)
	if err == nil && !match.Any && !slices.Contains(match.Versions, strconv.FormatInt(version, 10)) {
		err = store.ErrChanged
	}
	return err
}

// mayMatch is mustMatch for a deletion, which does without: the version that must still be there, or 0 for any.
func mayMatch(header string, version int64) (int64, error) {
	if header == "" {
		return 0, nil
	}
	return version, mustMatch(header, version)
}
