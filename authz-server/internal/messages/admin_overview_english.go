package messages

import "time"

var adminOverviewEnglish = AdminOverview{
	Title: "Overview", AttentionTitle: "Needs attention", AllWell: "Nothing needs your attention.",
	Attention: map[string]string{
		"queue_failing":    "Deliveries were given up",
		"queue_late":       "Deliveries are late",
		"stream_failing":   "A receiver of events does not answer",
		"stream_stopped":   "An event stream is stopped",
		"key_old":          "A signing key is overdue",
		"key_missing":      "Nothing signs for an algorithm",
		"clock_wrong":      "The clock is wrong",
		"log_late":         "The audit log falls behind",
		"guessing":         "Somebody is guessing passwords or codes",
		"client_hammered":  "An app’s token requests are refused again and again",
		"no_administrator": "Nobody can log in as an administrator",
	},
	AttentionDo: map[string]string{
		"queue_failing":    "Find out why it failed, mend that, and try again.",
		"queue_late":       "Look whether a server is running, and whether what it delivers to answers.",
		"stream_failing":   "Ask whoever runs the receiver. Events wait meanwhile, and the oldest are dropped in the end.",
		"stream_stopped":   "Start it again, or delete it if nobody needs it.",
		"key_old":          "Rotate the key.",
		"key_missing":      "Start the server anew, or rotate the keys.",
		"clock_wrong":      "Set the machine’s clock by NTP. Tokens are refused, or live too long, if it is wrong.",
		"log_late":         "Look whether a server is running: it gives entries their places.",
		"guessing":         "The limits hold it off. If it goes on, block the network at your gateway.",
		"client_hammered":  "Ask whoever runs the app whether it goes on with old codes or tokens. If it is not the app, give it a new secret.",
		"no_administrator": "Make another administrator, or run authz-server bootstrap-admin.",
	},
	Since: "Since", Times: func(n string) string { return n + " times" }, Look: "Look at it",

	ChartsTitle: "Activity", Day: "Last 24 hours", Month: "Last 31 days",
	Charts: map[string]string{"logins": "Log-ins", "signups": "Sign-ups", "tokens": "Tokens issued"},
	Series: map[string]string{"logins": "Succeeded", "failures": "Refused or put off", "signups": "Sign-ups", "tokens": "Requests answered with tokens"},
	ChartText: func(total, most, when string) string {
		return total + " in all. The most, " + most + ", was at " + when + "."
	},
	Quiet:   "Nothing was counted in this time.",
	AsTable: "As a table", When: "From",
	HourOf: func(at time.Time) string { return at.Format("Jan 2, 3 PM") },
	DayOf:  func(at time.Time) string { return at.Format("Jan 2") },
	Zone:   "Times are in UTC.",
}
