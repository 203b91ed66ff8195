package adminapi

import (
	"context"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/admin/charts"
	"github.com/maru-auth/maru/authz-server/internal/audit"
)

func (s *service) overviewRoutes() {
	const tag = "overview"
	route(s, tag, "get-attention", "GET /v1/attention", "See what needs attention", "Nothing, if all is well.", nil, s.attention)
	route(s, tag, "get-statistics", "GET /v1/statistics", "Count log-ins, failures, sign-ups and tokens",
		"A point for each hour of a day, or for each day of a month; days begin at midnight UTC.", []int{422}, s.statistics)
	route(s, tag, "list-audit", "GET /v1/audit", "Read the audit log", "The latest entries first.", []int{422}, s.listAudit)
	route(s, tag, "list-settings", "GET /v1/settings", "See the settings in force", "At the replica that answers; without what may be a secret.", nil, s.settings)
}

func (s *service) attention(ctx context.Context, actor admin.Actor, _ *struct{}) (*listOf[admin.Attention], error) {
	return all(s.admin.Attention(ctx, actor))
}

type statisticsInput struct {
	Period string `query:"period" enum:"day,month" default:"day" doc:"day: the last 24 hours, by hours. month: the last 31 days, by days."`
}

type statistics struct {
	Start  time.Time      `json:"start" doc:"When the first point begins."`
	Step   int64          `json:"step" doc:"How long a point is, in seconds."`
	Charts []charts.Chart `json:"charts"`
}

func (s *service) statistics(ctx context.Context, actor admin.Actor, in *statisticsInput) (*answer[statistics], error) {
	look := s.admin.DayInHours
	if in.Period == "month" {
		look = s.admin.MonthInDays
	}
	c, err := look(ctx, actor)
	return &answer[statistics]{statistics{c.Start, int64(c.Width.Seconds()), c.Charts}}, err
}

type auditInput struct {
	PageInput
	Person string    `query:"person" maxLength:"255" doc:"Who did it, or whom it concerns: the id of an account."`
	Client string    `query:"client_id" maxLength:"2048" doc:"Which client did it, for itself."`
	Target string    `query:"target" maxLength:"2048" doc:"What it was done to, such as a client_id."`
	Kind   string    `query:"kind" maxLength:"64" doc:"Such as user.disabled."`
	From   time.Time `query:"from" doc:"From this time."`
	To     time.Time `query:"to" doc:"Before this time."`
}

func (s *service) listAudit(ctx context.Context, actor admin.Actor, in *auditInput) (*listOf[admin.LogEntry], error) {
	return listed(s.admin.Log(ctx, actor, admin.LogQuery{
		Person: in.Person, Client: in.Client, Target: in.Target, Kind: audit.Kind(in.Kind), Since: in.From, Until: in.To, After: in.Cursor, Limit: in.Limit,
	}))
}

func (s *service) settings(ctx context.Context, actor admin.Actor, _ *struct{}) (*listOf[admin.Setting], error) {
	return all(s.admin.SettingsInForce(ctx, actor))
}
