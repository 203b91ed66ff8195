package audit

import (
	"maps"
	"slices"
)

// Kind is what happened. The list is closed: who reads the log knows all that can come.
type Kind string

// What people do with their accounts, or others with them. What package notices tells people of is
// "user." and its kind.
const (
	LoggedIn     Kind = "login.succeeded" // detail: new_device
	LogInRaised  Kind = "login.raised"    // a session has a second step or a passkey now, too
	LogInFailed  Kind = "login.failed"    // on an account that exists; others are counted by the metrics alone
	SessionEnded Kind = "session.ended"   // detail: how

	UserCreated          Kind = "user.created" // by an operator, SCIM or an import; who signs up is user.signed_up
	UserChanged          Kind = "user.changed"
	UserDisabled         Kind = "user.disabled"
	UserEnabled          Kind = "user.enabled"
	UserDeleted          Kind = "user.deleted"
	UserEntrusted        Kind = "user.entrusted" // to a directory, which may change and remove it
	UserViewed           Kind = "user.viewed"    // an operator looked at what is known about them
	ResetLinkMade        Kind = "user.reset_link_made"
	ResetAsked           Kind = "user.reset_asked" // somebody had a letter sent to the address
	SessionsEndedByOther Kind = "user.logged_out"  // by an operator
	FactorsRemoved       Kind = "user.factors_removed"
	ThrottleLifted       Kind = "user.unlocked"

	UserSignedUp          Kind = "user.signed_up"
	UserPasswordChanged   Kind = "user.password_changed"
	UserPasswordReset     Kind = "user.password_reset"
	UserEmailChanged      Kind = "user.email_changed"
	UserEmailVerified     Kind = "user.email_verified"
	UserPasskeyAdded      Kind = "user.passkey_added"
	UserPasskeyRemoved    Kind = "user.passkey_removed"
	UserPasskeyCloned     Kind = "user.passkey_cloned"
	UserSecondStepOn      Kind = "user.second_step_on"
	UserSecondStepOff     Kind = "user.second_step_off"
	UserRecoveryCodesMade Kind = "user.recovery_codes_made"
	UserRecoveryCodeUsed  Kind = "user.recovery_code_used"
	UserBrowserTrusted    Kind = "user.browser_trusted"
	UserTrustEnded        Kind = "user.trust_ended"
	UserSessionsEnded     Kind = "user.sessions_ended"
	UserDataExported      Kind = "user.data_exported"
	UserDeletionPlanned   Kind = "user.deletion_planned"
	UserDeletionCancelled Kind = "user.deletion_cancelled"
	UserCrowned           Kind = "user.became_administrator"
	UserThrottled         Kind = "user.throttled"    // too many tries: the account waits
	UserTermsAgreed       Kind = "user.terms_agreed" // detail: version; with a sign-up, it is in user.signed_up

	InvitationMade      Kind = "invitation.created"
	InvitationWithdrawn Kind = "invitation.withdrawn"
)

// What apps get.
const (
	ConsentGiven     Kind = "consent.given"
	ConsentWithdrawn Kind = "consent.withdrawn"
	GrantMade        Kind = "grant.made"
	GrantRevoked     Kind = "grant.revoked"
	RefreshReused    Kind = "grant.refresh_reused" // a refresh token came twice: one of the two has stolen it
	CodeReused       Kind = "grant.code_reused"
)

// What operators, and clients themselves, do with clients and what they need.
const (
	ClientCreated      Kind = "client.created"
	ClientRegistered   Kind = "client.registered" // by dynamic registration, or by a metadata document
	ClientChanged      Kind = "client.changed"
	ClientDeleted      Kind = "client.deleted"
	ClientDisabled     Kind = "client.disabled"
	ClientEnabled      Kind = "client.enabled"
	ClientSecretMade   Kind = "client.secret_made"
	ClientCompromised  Kind = "client.compromised" // its secret leaked: all that it had ends
	InitialTokenMade   Kind = "initial_token.created"
	InitialTokenEnded  Kind = "initial_token.withdrawn"
	ResourceCreated    Kind = "resource.created"
	ResourceChanged    Kind = "resource.changed"
	ResourceDeleted    Kind = "resource.deleted"
	StreamCreated      Kind = "stream.created"
	StreamChanged      Kind = "stream.changed"
	StreamDeleted      Kind = "stream.deleted"
	UpstreamCreated    Kind = "upstream.created"
	UpstreamChanged    Kind = "upstream.changed"
	UpstreamDeleted    Kind = "upstream.deleted"
	UpstreamLinked     Kind = "user.upstream_linked"
	UpstreamUnlinked   Kind = "user.upstream_unlinked"
	ConfigurationGiven Kind = "configuration.applied"
)

// Roles and groups.
const (
	RoleDefined     Kind = "role.defined"
	RoleChanged     Kind = "role.changed"
	RoleDeleted     Kind = "role.deleted"
	RoleGranted     Kind = "role.granted"
	RoleRevoked     Kind = "role.revoked"
	GroupCreated    Kind = "group.created"
	GroupChanged    Kind = "group.changed"
	GroupDeleted    Kind = "group.deleted"
	GroupJoined     Kind = "group.joined"
	GroupLeft       Kind = "group.left"
	GroupEntrusted  Kind = "group.entrusted"
	BootstrapLinked Kind = "role.bootstrap_link_made"
)

// The server itself.
const (
	SettingsStarted Kind = "settings.started"   // detail: the settings in force, without secrets
	TermsChanged    Kind = "terms.changed"      // a server started with others than the last; detail: version, url, privacy
	BackedUp        Kind = "database.backed_up" // detail: what the backup has
	KeyCreated      Kind = "key.created"
	KeyRotated      Kind = "key.rotated"
	KeyWithdrawn    Kind = "key.withdrawn"
	KeysRewrapped   Kind = "key.rewrapped"
	QueueRetried    Kind = "queue.retried"
	Restored        Kind = "database.restored" // after-restore ended what must not live on
	LogTrimmed      Kind = "audit.trimmed"     // detail: up to which position
	LogExported     Kind = "audit.exported"
	LogCounted      Kind = "audit.counted" // what happened too often for an entry each; detail: kind, count, since
)

// Names lists the kinds, in the order of the alphabet.
func Names() (all []string) {
	for _, kind := range slices.Sorted(maps.Keys(known)) {
		all = append(all, string(kind))
	}
	return all
}

// Known tells whether the list has the kind.
func (k Kind) Known() bool { return known[k] }

var known = setOf(
	LoggedIn, LogInRaised, LogInFailed, SessionEnded,
	UserCreated, UserChanged, UserDisabled, UserEnabled, UserDeleted, UserEntrusted, UserViewed, ResetLinkMade, ResetAsked, SessionsEndedByOther, FactorsRemoved,
	ThrottleLifted, UserThrottled, UserTermsAgreed,
	UserSignedUp, UserPasswordChanged, UserPasswordReset, UserEmailChanged, UserEmailVerified, UserPasskeyAdded,
	UserPasskeyRemoved, UserPasskeyCloned, UserSecondStepOn, UserSecondStepOff, UserRecoveryCodesMade, UserRecoveryCodeUsed,
	UserBrowserTrusted, UserTrustEnded, UserSessionsEnded, UserDataExported, UserDeletionPlanned, UserDeletionCancelled, UserCrowned,
	InvitationMade, InvitationWithdrawn,
	ConsentGiven, ConsentWithdrawn, GrantMade, GrantRevoked, RefreshReused, CodeReused,
	ClientCreated, ClientRegistered, ClientChanged, ClientDeleted, ClientDisabled, ClientEnabled, ClientSecretMade, ClientCompromised,
	InitialTokenMade, InitialTokenEnded, ResourceCreated, ResourceChanged, ResourceDeleted, StreamCreated, StreamChanged, StreamDeleted,
	UpstreamCreated, UpstreamChanged, UpstreamDeleted, UpstreamLinked, UpstreamUnlinked, ConfigurationGiven,
	RoleDefined, RoleChanged, RoleDeleted, RoleGranted, RoleRevoked, GroupCreated, GroupChanged, GroupDeleted, GroupJoined, GroupLeft, GroupEntrusted,
	BootstrapLinked,
	SettingsStarted, TermsChanged, BackedUp, KeyCreated, KeyRotated, KeyWithdrawn, KeysRewrapped, QueueRetried, Restored, LogTrimmed, LogExported, LogCounted,
)

// accesses are the kinds by which somebody gets in, or gets something for an app.
var accesses = setOf(LoggedIn, LogInRaised, SessionEnded, GrantMade)

func setOf(kinds ...Kind) map[Kind]bool {
	set := make(map[Kind]bool, len(kinds))
	for _, kind := range kinds {
		set[kind] = true
	}
	return set
}
