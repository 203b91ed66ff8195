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
	NewIntro:    "The account has no password yet. Send the person a letter to choose one, or let them log in with another provider.",
	InviteIntro: "Whoever opens the link can create one account with it.",
	Tags: map[string]string{
		"administrator": "Administrator", "disabled": "Disabled", "leaving": "To be deleted", "unverified": "Address not confirmed", "verified": "Confirmed",
		"builtin": "Built in",
	},
	Headings: map[string]string{
		"account": "Account", "profile": "Profile", "roles": "Roles and groups", "login": "Ways to log in", "sessions": "Where they are logged in",
		"browsers": "Browsers they logged in with", "consents": "Apps they allowed", "grants": "Grants", "signup": "Sign-up", "letters": "Links sent by mail",
		"held": "Counted attempts", "history": "History",
	},
	Labels: map[string]string{
		"id": "Id", "email": "Email address", "name": "Name", "account_name": "Account name", "created": "Created", "changed": "Changed", "language": "Language",
		"password": "Password", "second_step": "Authenticator app", "passkeys": "Passkeys", "identities": "Log-in providers", "delete_at": "Deleted on",
		"verified": "I am sure that the address is theirs", "roles": "Roles", "groups": "Groups", "group": "Group", "app": "App", "address": "Network address",
		"browser": "Browser", "note": "Note", "expires": "Works for", "send": "Send the link to the address by mail", "terms": "Agreed to the terms",
		"invitation": "Invitation", "scopes": "What it may do", "session": "Session", "passkey": "Passkey", "phone_verified": "I am sure that the phone number is theirs",
		"command": "Command", "actor": "Logged in by", "grant": "Grant", "external_id": "Id in another directory", "identity": "Account at the provider", "directory": "Directory", "anyway": "Unlink it although the person has no other way to log in: they will have to choose a password by mail",
	},
	Hints: map[string]string{
		"note": "For your own records. The person you invite does not see it.", "email": "If you leave it empty, anybody with the link can use it.",
		"roles":     "Given directly. Roles that come from groups are not listed here.",
		"directory": "The client id of an app with the scope scim. Empty: no directory manages it.",
	},
	ByGroup: func(groups string) string { return "from the group " + groups },
	Left:    func(n int) string { return plural(n, "recovery code left", "recovery codes left") },
	Earlier: func(n int) string { return plural(n, "earlier entry", "earlier entries") },
	Until:   "Until", Since: "Since", Used: "Used", Made: "Made", NeverUsed: "Not used yet",
	Tries:    func(n int) string { return plural(n, "attempt", "attempts") },
	Purposes: map[string]string{"signup": "Sign-up", "address": "New address", "reset": "New password"},
	Trusted:  "Stands for the second step", Revoked: "Ended", Offline: "Outlives the session",
	Viewed: "The audit log notes that you looked at this page.",

	Deeds: map[string]string{
		"disable": "Disable account", "enable": "Enable account", "roles": "Change roles", "join": "Add to a group", "leave": "Remove from the group", "entrust": "Give to a directory",
		"sessions": "End all sessions", "session": "End session", "factors": "Remove the authenticator app", "passkey": "Remove passkey", "unlink": "Unlink account",
		"reset_mail": "Send a password reset letter", "reset_link": "Password reset link", "unlock": "Lift log-in limits",
		"profile": "Edit profile", "email": "Change address", "grant": "End grant", "consent": "Withdraw consent",
		"delete": "Delete account", "keep": "Keep account",
	},
	DeedIntros: map[string]string{
		"disable":    "Nobody can log in to the account any more. All its sessions end, and apps lose their access. Services that check tokens offline notice within a minute. You can enable it again.",
		"enable":     "The person can log in again. Apps do not get their access back.",
		"roles":      "Tokens that carry a role you remove are revoked.",
		"join":       "The person gets the roles of the group.",
		"leave":      "The person loses the roles that the group gave them, and tokens that carry them are revoked.",
		"entrust":    "A directory may change and delete what it manages. It may also give an account another address, and with that address its password can be reset. The directory that managed it until now no longer may.",
		"sessions":   "The person is logged out everywhere, and apps lose the access they got in these sessions. The person is told.",
		"session":    "The person is logged out in this browser, and apps lose the access they got there.",
		"factors":    "After this, the password alone is enough to log in, unless the person has passkeys. Do this only if you are sure who is asking for it. The person is told.",
		"passkey":    "The person can no longer log in with this passkey. They are told.",
		"unlink":     "The person can no longer log in with this account of another provider, and is told. Sessions continue: if somebody else may have used it, end them too.",
		"reset_mail": "The person gets a letter with a link to choose a new password. The link works once.",
		"reset_link": "Anyone with such a link can take over the account, so the server shows it to nobody on the web. Whoever runs the server can make one with this command.",
		"unlock":     "Failed attempts are forgotten, and the person can try again at once. So can anyone who was guessing.",
		"profile":    "The person sees the change at once; apps see it when they next ask.",
		"email":      "The person logs in with the new address from now on. A letter to the old one tells them.",
		"grant":      "The app loses this access, and all tokens it got with it.",
		"consent":    "The app loses everything the person allowed it, and has to ask again.",
		"delete":     "The account and everything that belongs to it are deleted. This cannot be undone.",
		"keep":       "The account is not deleted. The person can log in again.",
	},
	Self:           "This is your own account.",
	Administrators: "This person is an administrator.",
	Crowning: "Whoever becomes an administrator is logged out everywhere and told by mail. Passkeys and linked accounts stay: " +
		"ask the person whether all of these are theirs.",
	DeleteWhen:  "When",
	DeleteLater: "In seven days. The person is told, and can keep the account by logging in before then.",
	DeleteNow:   "Now. This cannot be undone.",
	DeletePosts: "Also delete what the person wrote",

	Invitations: "Invitations", InvitationIntro: "Each invitation is good for one account. Its link is shown once, when you make it.", NoInvitations: "There are no invitations.",
	Lifetime: func(d time.Duration) string {
		if d >= 24*time.Hour {
			return plural(int(d/(24*time.Hour)), "day", "days")
		}
		return plural(int(d/time.Hour), "hour", "hours")
	},
	InvitationLink: "Give this link to the person.", InvitationSent: "The link is on its way to the address.", Anybody: "Anybody with the link",
	Withdraw: "Withdraw invitation", WithdrawIntro: "The link stops working.",
	InvitationStates: map[string]string{"open": "Not used yet", "used": "Used", "expired": "Expired"},
}
