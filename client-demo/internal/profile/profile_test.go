package profile

import (
	"slices"
	"testing"
)

func TestTagsAreReadAsPeopleTypeThem(t *testing.T) {
	t.Parallel()
	if got, want := splitTags(" 차, #나무\nHiking,hiking , ,, 긴 태그"), []string{"차", "나무", "Hiking", "긴 태그"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
