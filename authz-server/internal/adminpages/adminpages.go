// Package adminpages has the pages of the administration, at /admin: whoever has the role
// admin/admin looks after people, roles, apps and the server there. It shows and asks; what happens,
// and who may do it, is decided by package admin.
//
// It puts its rooms together: people (accounts, groups, roles, invitations, and the log of what was
// done), clients (the apps, and the steps by which one is made) and server (keys, queues, streams,
// limits, tokens, settings, and the overview). What every page stands in is in frame, which says how
// to add one. The rooms know the frame, and nothing of each other.
package adminpages

import (
	"github.com/maru-auth/maru/authz-server/internal/adminpages/clients"
	"github.com/maru-auth/maru/authz-server/internal/adminpages/frame"
	"github.com/maru-auth/maru/authz-server/internal/adminpages/people"
	"github.com/maru-auth/maru/authz-server/internal/adminpages/server"
)

// Config is what [New] needs.
type Config = frame.Config

// Administration serves the pages.
type Administration = frame.Administration

// New reads the templates of all pages.
func New(cfg Config) (*Administration, error) {
	return frame.New(cfg, people.Room, clients.Room, server.Room)
}
