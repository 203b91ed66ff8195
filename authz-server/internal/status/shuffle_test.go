package status

import (
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/store/statuses"
)

func TestAShuffleGivesEachPositionAnIndexOfItsOwn(t *testing.T) {
	t.Parallel()
	s, other := newShuffle([]byte("secret"), "list"), newShuffle([]byte("secret"), "another")
	seen := make([]bool, statuses.ListSize)
	same, near := 0, 0
	last := int64(0)
	for position := range int64(statuses.ListSize) {
		index := s.index(position)
		if index < 0 || index >= statuses.ListSize || seen[index] {
			t.Fatalf("position %d has the index %d, which is taken or does not exist", position, index)
		}
		seen[index] = true
		if index == other.index(position) {
			same++
		}
		if d := index - last; -16 < d && d < 16 {
			near++
		}
		last = index
	}
	if same > 100 {
		t.Errorf("%d indices are the same in two lists", same)
	}
	if near > 200 { // by chance: 31
		t.Errorf("%d positions have their neighbours' neighbours as indices", near)
	}
}
