package boards

import (
	"slices"
	"testing"

	"github.com/maru-auth/maru/client-demo/internal/backend"
	"github.com/maru-auth/maru/client-demo/internal/pages"
)

func TestRepliesStandBelowTheirComment(t *testing.T) {
	t.Parallel()
	got := threads([]backend.Comment{{ID: "a"}, {ID: "b"}, {ID: "c", Parent: "a"}, {ID: "d", Parent: "lost"},
		{ID: "e", Parent: "a"}}, func(c backend.Comment) pages.Comment {
		return pages.Comment{Comment: c, Reply: true}
	})
	var shape []string
	for _, th := range got {
		line := th.ID
		for _, r := range th.Replies {
			line += ">" + r.ID
			if r.Reply {
				t.Errorf("%s, a reply, may be replied to", r.ID)
			}
		}
		shape = append(shape, line)
	}
	if want := []string{"a>c>e", "b", "d"}; !slices.Equal(shape, want) {
		t.Errorf("got %v, want %v", shape, want)
	}
}
