package messages

import (
	"time"
)

var adminPeopleEnglish = AdminPeople{
	Title: "People", Search: "Name or address", SearchHint: "The beginning is enough.",
	Role: "Role", AnyRole: "Any", State: "State",
	States: map[string]string{"": "Any", "disabled": "Disabled", "leaving": "To be deleted"},
	Nobody: "Nobody was found.", Fewer: "Nobody on this page. There may be more on the next one.",
	ByGroups: "The members of these groups have the role too:",
	New:      "Create an account", Invite: "Invite somebody",
	NewIntro:    "The person gets an account without a password. Send them a letter to choose one, or let them log in elsewhere.",
	InviteIntro: "Whoever opens the link makes an account with it, once.",
	Tags: map[string]string{
		"administrator": "Administrator", "disabled": "Disabled", "leaving": "To be deleted", "unverified": "Address not confirmed", "verified": "Confirmed",
		"builtin": "Built in",
	},
	Headings: map[string]string{
		"account": "Account", "profile": "Profile", "roles": "Roles and groups", "login": "Ways to log in", "sessions": "Where they are logged in",
		"browsers": "Browsers they have logged in with", "consents": "Apps they allowed", "grants": "Grants", "signup": "Sign-up", "letters": "Links in the mail",
		"held": "Tries that count", "history": "History",
	},
	Labels: map[string]string{
		"id": "Id", "email": "Email address", "name": "Name", "created": "Created", "changed": "Changed", "language": "Language",
		"password": "Password", "second_step": "Authenticator app", "passkeys": "Passkeys", "identities": "Log-in elsewhere", "delete_at": "Goes",
		"verified": "The address is the person’s, as you know for sure", "roles": "Roles", "groups": "Groups", "group": "Group", "app": "App", "address": "Network address",
		"browser": "Browser", "note": "Note", "expires": "Works for", "send": "Send the link to the address by mail", "terms": "Agreed to the terms",
		"invitation": "Invitation", "scopes": "What it may do", "session": "Session", "passkey": "Passkey", "phone_verified": "The phone number is the person’s, as you know for sure",
		"command": "Command", "actor": "Logged in by", "grant": "Grant", "external_id": "Id in another directory", "identity": "Account there", "directory": "Directory", "anyway": "Unlink it although the person has no other way to log in: they have to choose a password by a letter",
	},
	Hints: map[string]string{
		"note": "For your own records. Whoever is invited does not see it.", "email": "Empty: anybody with the link.",
		"roles":     "Given directly. What groups give is not among them.",
		"directory": "The client id of an app with the scope scim. Empty: no directory keeps it.",
	},
	ByGroup: func(groups string) string { return "by the group " + groups },
	Left:    func(n int) string { return plural(n, "recovery code left", "recovery codes left") },
	Earlier: func(n int) string { return plural(n, "earlier entry", "earlier entries") },
	Until:   "Until", Since: "Since", Used: "Used", Made: "Made", NeverUsed: "Not used yet",
	Tries:    func(n int) string { return plural(n, "try", "tries") },
	Purposes: map[string]string{"signup": "Sign-up", "address": "New address", "reset": "New password"},
	Trusted:  "Stands for the second step", Revoked: "Ended", Offline: "Outlives the session",
	Viewed: "That you looked at this page is in the audit log.",

	Deeds: map[string]string{
		"disable": "Disable account", "enable": "Enable account", "roles": "Change roles", "join": "Add to a group", "leave": "Take out of the group", "entrust": "Give to a directory",
		"sessions": "End all sessions", "session": "End session", "factors": "Remove the authenticator app", "passkey": "Remove passkey", "unlink": "Unlink account",
		"reset_mail": "Send a letter to choose a password", "reset_link": "Link to choose a password", "unlock": "Allow log-in again",
		"profile": "Edit profile", "email": "Change address", "grant": "End grant", "consent": "Withdraw consent",
		"delete": "Delete account", "keep": "Keep account",
	},
	DeedIntros: map[string]string{
		"disable":    "Nobody can log in to the account any more. All its sessions end, and apps lose what they were given. Services that check tokens offline learn it within a minute. You can enable it again.",
		"enable":     "The person can log in again. What apps had is not given back.",
		"roles":      "Tokens that say a role which is taken are revoked.",
		"join":       "The person gets the roles of the group.",
		"leave":      "The person loses what they have by the group, and tokens that say so are revoked.",
		"entrust":    "A directory may change and delete what it keeps, and give an account another address, by which its password can be chosen anew. The directory that kept it before may do so no more.",
		"sessions":   "The person is logged out everywhere, and apps lose what they were given in these sessions. They are told.",
		"session":    "The person is logged out in this browser, and apps lose what they were given there.",
		"factors":    "The password alone lets the person in then, unless they have passkeys. Do this only when you know for sure who asks for it. The person is told.",
		"passkey":    "The person cannot log in by this passkey any more. They are told.",
		"unlink":     "The person cannot log in by this account elsewhere any more, and is told. Sessions go on: if somebody else may have come in by it, end them too.",
		"reset_mail": "The person gets a letter with a link by which they choose another password. It works once.",
		"reset_link": "Whoever has such a link can take the account, so that the server shows it to nobody over the web. Whoever runs the server makes one by this command.",
		"unlock":     "Tries that failed are forgotten, and the person can try again at once. So can whoever guessed.",
		"profile":    "The person sees the change at once; apps see it when they ask.",
		"email":      "The person logs in by the new address from now on. They are told at the one of before.",
		"grant":      "The app loses what it was given here, with all its tokens.",
		"consent":    "All that the app was given ends, and the person is asked again.",
		"delete":     "The account goes with everything that belongs to it, and cannot be brought back.",
		"keep":       "The account is not deleted. The person can log in again.",
	},
	Self:           "This is your own account.",
	Administrators: "This person is an administrator.",
	Crowning: "Whoever becomes an administrator is logged out everywhere and told by mail. Passkeys and accounts elsewhere stay: " +
		"ask the person whether all of these are theirs.",
	DeleteWhen:  "When",
	DeleteLater: "In seven days. The person is told, and can keep the account until then by logging in.",
	DeleteNow:   "Now. Nobody can undo it.",
	DeletePosts: "Delete what the person wrote, too",

	Invitations: "Invitations", InvitationIntro: "Each is good for one account. A link is shown once, when it is made.", NoInvitations: "There are no invitations.",
	Lifetime: func(d time.Duration) string {
		if d >= 24*time.Hour {
			return plural(int(d/(24*time.Hour)), "day", "days")
		}
		return plural(int(d/time.Hour), "hour", "hours")
	},
	InvitationLink: "Give this link to the person.", InvitationSent: "The link is on its way to the address.", Anybody: "Anybody with the link",
	Withdraw: "Withdraw invitation", WithdrawIntro: "The link does not work any more.",
	InvitationStates: map[string]string{"open": "Not used yet", "used": "Used", "expired": "Expired"},
}
