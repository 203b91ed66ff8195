// Package people has the pages about people: their accounts, groups, roles and invitations, and the
// log of what was done.
package people

import (
	"embed"

	"github.com/maru-auth/maru/authz-server/internal/adminpages/frame"
)

//go:embed templates/*.html
var templates embed.FS

// Room is the pages about people.
var Room = frame.Room{Templates: templates, Routes: func(r *frame.Routes) {
	peopleRoutes(r)
	groupRoutes(r)
	roleRoutes(r)
	resourceRoutes(r)
	invitationRoutes(r)
	logRoutes(r)
}}
