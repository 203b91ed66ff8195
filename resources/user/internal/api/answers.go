package api

import (
	"net/http"

	"github.com/maru-auth/maru/internal/rest"
)

// The inputs of reads and of changes.
type (
	readInput struct {
		IfNoneMatch string `header:"If-None-Match" doc:"ETag of your copy. The answer is 304 if the copy is still good."`
	}
	changeInput[T any] struct {
		rest.ChangeInput
		Body T
	}
	patchInput struct {
		rest.ChangeInput
		Body profilePatch `contentType:"application/merge-patch+json"`
	}
)

// answer is a resource with its entity tag.
type answer[T any] struct {
	Status       int
	ETag         string `header:"ETag" doc:"Strong entity tag of this version, for If-Match and If-None-Match."`
	CacheControl string `header:"Cache-Control"`
	Body         T
}

// private is the Cache-Control of what belongs to the caller alone.
const private = "private, no-store"

func newAnswer[T any](body T, version, cacheControl string) *answer[T] {
	return &answer[T]{Status: http.StatusOK, ETag: rest.ETag(version), CacheControl: cacheControl, Body: body}
}

// orUnchanged turns a into a 304 if the caller has that version already.
func (a *answer[T]) orUnchanged(ifNoneMatch, version string) *answer[T] {
	if rest.Unchanged(ifNoneMatch, version) {
		a.Status = http.StatusNotModified
	}
	return a
}
