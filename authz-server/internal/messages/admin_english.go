package messages

var adminEnglish = Admin{
	Frame:    adminFrameEnglish,
	Overview: adminOverviewEnglish,
	Done:     map[string]string{"saved": "Saved."},
	Problems: map[Problem]string{
		AdminReasonMissing: "Write a reason. The audit log keeps it.",
		AdminReasonInvalid: "Write the reason in one line of at most 200 characters.",
		AdminValue:         "This cannot be accepted.",
		AdminNoRight:       "You may not do this.",
		AdminNeedsMachine:  "Only a command at the server does this.",
		AdminLast:          "Nobody would be left who can log in as an administrator. Make somebody else an administrator first.",
		AdminStale:         "Somebody else changed this meanwhile. Look at what it is now, and send the form again.",
		AdminExists:        "There is one already, or it was done already.",
		AdminGone:          "This is not there any more, or was done already.",
		AdminLastWay:       "Nothing would be left for this person to log in by.",
		AdminDisabled:      "The account is disabled. Enable it first.",
		AdminNoMail:        "This server sends no mail.",
		AdminRoleUnknown:   "There is no such role.",
		AdminRoleBuiltin:   "This role is built in and has to stay.",
	},
}

var adminFrameEnglish = AdminFrame{
	Name: "Administration", Link: "You are an administrator of {brand}.", Open: "Open the administration",
	Nav: "Administration",
	Sections: map[string]string{
		"": "Overview", "users": "People", "groups": "Groups", "roles": "Roles", "invitations": "Invitations",
		"clients": "Apps", "resources": "APIs", "tokens": "Registration tokens", "upstreams": "Log-in elsewhere",
		"keys": "Keys", "queues": "Queues", "streams": "Event streams", "throttles": "Limits", "audit": "Audit log", "settings": "Settings",
	},
	Reason: "Reason", ReasonHint: "The audit log keeps it, with your name.",
	Optional: "(optional)",
	Cancel:   "Cancel", Back: "Back", More: "Next page", ToStart: "First page",
	Yes: "Yes", No: "No", None: "None", Unknown: "Unknown",
	Search: "Search", All: "All",
	Deed:       "Actions",
	SetUpTitle: "Set up a second factor", SetUpIntro: "Whoever administers {brand} logs in with a second factor: a passkey, or an authenticator app beside the password. Set one up, and you can go on.",
	SetUpApp: "Set up an authenticator app", SetUpPasskey: "Set up a passkey",
	Once: "Copy it now: it is not shown again.",
}
