package pages

import (
	"net/url"
	"strconv"
)

// maxPagesBack is how many pages before it a page's address remembers: cursors lead forward only.
const maxPagesBack = 10

// Pager leads from page to page of a list.
type Pager struct {
	First    string // empty on the first page, and if Previous leads there
	Previous string // empty on the first page, and if it is forgotten
	Next     string // empty on the last page
	Number   int
}

// NewPager reads the pages before from a page's query. address is the list's, without a query; keep
// has the parameters that define the list; next is the cursor of the next page, or empty.
func NewPager(address string, query, keep url.Values, next string) Pager {
	cursor, back := query.Get("cursor"), query["back"]
	if len(back) > maxPagesBack {
		back = back[len(back)-maxPagesBack:]
	}
	number, err := strconv.Atoi(query.Get("page"))
	if err != nil || number < 2 || number > 1_000_000 {
		number = 2 + len(back)
	}
	p := Pager{Number: 1}
	if cursor != "" {
		p.Number = number
	}
	link := func(cursor string, back []string, number int) string {
		values := url.Values{}
		for name, all := range keep {
			values[name] = all
		}
		if cursor != "" {
			values.Set("cursor", cursor)
			values.Set("page", strconv.Itoa(number))
			values["back"] = back
		}
		if len(values) == 0 {
			return address
		}
		return address + "?" + values.Encode()
	}
	switch {
	case cursor == "":
	case p.Number == 2:
		p.Previous = link("", nil, 1)
	case len(back) > 0:
		last := len(back) - 1
		p.First, p.Previous = link("", nil, 1), link(back[last], back[:last], p.Number-1)
	default:
		p.First = link("", nil, 1)
	}
	if next != "" {
		var further []string
		if cursor != "" {
			further = append(append(further, back...), cursor)
			if len(further) > maxPagesBack {
				further = further[len(further)-maxPagesBack:]
			}
		}
		p.Next = link(next, further, p.Number+1)
	}
	return p
}
