package pages

import (
	"net/url"
	"strconv"
	"testing"
)

func TestEveryPageLeadsToTheOneBefore(t *testing.T) {
	t.Parallel()
	keep := url.Values{"q": {"x"}}
	query := url.Values{"q": {"x"}}
	var trail []Pager
	for i := range 15 {
		next := "c" + strconv.Itoa(i+1)
		if i == 14 {
			next = ""
		}
		p := NewPager("/boards/free", query, keep, next)
		if p.Number != i+1 {
			t.Errorf("page %d says it is %d", i+1, p.Number)
		}
		trail = append(trail, p)
		if next != "" {
			u, err := url.Parse(p.Next)
			if err != nil {
				t.Fatal(err)
			}
			query = u.Query()
		}
	}
	if trail[0].Previous != "" || trail[0].First != "" || trail[1].Previous != "/boards/free?q=x" || trail[1].First != "" ||
		trail[14].Next != "" {
		t.Errorf("%+v", trail)
	}
	// From the last page back to the first that is still known.
	p := trail[14]
	for i := 13; p.Previous != ""; i-- {
		u, err := url.Parse(p.Previous)
		if err != nil {
			t.Fatal(err)
		}
		p = NewPager("/boards/free", u.Query(), keep, "c"+strconv.Itoa(i+1))
		want := ""
		if i > 0 {
			want = "c" + strconv.Itoa(i)
		}
		if p.Number != i+1 || u.Query().Get("cursor") != want {
			t.Errorf("back at %d: %s", i+1, u)
		}
	}
	if p.First == "" {
		t.Error("the way back ends nowhere")
	}
	for _, bad := range []url.Values{{"cursor": {"c"}, "page": {"-1"}}, {"cursor": {"c"}, "page": {"x"}},
		{"cursor": {"c"}, "page": {"99999999999"}}} {
		if p := NewPager("/", bad, nil, ""); p.Previous != "/" {
			t.Errorf("%v: %+v", bad, p)
		}
	}
}
