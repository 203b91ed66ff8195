package frame

import (
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/pages"
)

// sections is the navigation, in its order. The words are in messages.AdminFrame.Sections, by the
// name; that of the overview is "".
var sections = []struct {
	name  string // the path is /admin/NAME
	apart bool   // it begins a group
}{
	{"", false},
	{"users", true},
	{"groups", false},
	{"roles", false},
	{"invitations", false},
	{"audit", true},
	{"clients", true}, {"resources", false}, {"tokens", false}, {"upstreams", false},
	{"keys", true}, {"queues", false}, {"streams", false}, {"throttles", false}, {"settings", false},
}

// sections is the navigation for the page of this visit.
func (v *Visit) sections() (all []pages.Section) {
	at := -1
	for i, one := range sections {
		path := strings.TrimSuffix("/admin/"+one.name, "/")
		all = append(all, pages.Section{Path: path, Label: v.T.Admin.Frame.Sections[one.name], Apart: one.apart})
		if v.R.URL.Path == path || one.name != "" && strings.HasPrefix(v.R.URL.Path, path+"/") {
			at = i
		}
	}
	if at >= 0 {
		all[at].Current = true
	}
	return all
}
