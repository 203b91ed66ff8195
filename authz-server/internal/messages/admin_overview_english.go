package messages

import "time"

var adminOverviewEnglish = AdminOverview{
	Title: "Overview", AttentionTitle: "Needs attention", AllWell: "Nothing needs your attention.",
	Attention: map[string]string{
		"queue_failing":    "Deliveries were given up",
		"queue_late":       "Deliveries are late",
		"stream_failing":   "A receiver of events does not answer",
		"stream_stopped":   "An event stream is stopped",
		"key_old":          "A signing key is overdue for rotation",
		"key_missing":      "An algorithm has no key to sign with",
		"clock_wrong":      "The clock is wrong",
		"log_late":         "The audit log is falling behind",
		"guessing":         "Somebody is guessing passwords or codes",
		"client_hammered":  "An app’s token requests are refused again and again",
		"no_administrator": "Nobody can log in as an administrator",
	},
	AttentionDo: map[string]string{
		"queue_failing":    "Find out why it failed, fix that, and try again.",
		"queue_late":       "Check that a server is running, and that the other side answers.",
		"stream_failing":   "Tell whoever runs the receiver. Events wait meanwhile, but in the end the oldest are dropped.",
		"stream_stopped":   "Start it again, or delete it if nobody needs it.",
		"key_old":          "Rotate the key.",
		"key_missing":      "Restart the server, or rotate the keys.",
		"clock_wrong":      "Set the machine’s clock by NTP. While it is wrong, tokens are refused or live too long.",
		"log_late":         "Check that a server is running: it puts the entries in order.",
		"guessing":         "The limits hold them off. If it goes on, block the network at your gateway.",
		"client_hammered":  "Ask whoever runs the app whether it keeps using old codes or tokens. If the requests are not its own, give it a new secret.",
		"no_administrator": "Make another administrator, or run authz-server bootstrap-admin.",
	},
	Since: "Since", Times: func(n string) string { return n + " times" }, Look: "View",

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
	Zone:   "The charts are in UTC.",
}
