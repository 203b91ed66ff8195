package admin

import (
	"errors"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/proofs"
)

// Actor is who wants something done, as whoever let them in found them. Before it acts for a person
// or a client, [Admin] looks again whether they still are what they were.
type Actor struct {
	Kind   ActorKind
	ID     string // of a person, or a client_id; empty for the machine
	Name   string // how the audit log calls them: an e-mail address, a client's name, a login at the machine
	Rights Rights // of the session or token; the machine needs none

	ACR       string    // what a person has proved, by session or token
	AuthTime  time.Time // when; zero: not in a way that counts here (session.Proved)
	From      string    // the network address; empty: the machine's
	UserAgent string
	SessionID string // of a person's session; empty: they act by a token
	Force     bool   // of the machine alone: also what leaves no administrator
}

// ActorKind is what somebody is who acts. The audit log has the values.
type ActorKind string

// The kinds of actors.
const (
	Machine ActorKind = "machine" // whoever can run commands, and so has the database
	Person  ActorKind = "person"  // somebody with the role admin/admin
	Client  ActorKind = "client"  // a service, by client credentials
)

// Rights are what a session or token allows. A session of an administrator has [Reading] and
// [Writing]; a token has what its scopes say.
type Rights uint8

// The rights, with the scopes that give them.
const (
	Reading      Rights = 1 << iota // admin:read
	Writing                         // admin:write, which includes reading
	Provisioning                    // scim
)

// Has tells whether r includes one of the rights in any.
func (r Rights) Has(any Rights) bool { return r&any != 0 }

// Action is a class of operations. Each operation belongs to one.
type Action int

// The classes.
const (
	Read          Action = iota // lists and states, of people no more than a list shows
	ReadPersonal                // everything about a person
	Change                      // what an operator does all day
	ChangeSecrets               // makes or ends what authenticates: clients' secrets, signing keys, initial access tokens
	Provision                   // what a directory does by SCIM: reads, makes, changes and removes people and groups
	Crown                       // makes or changes what is administrative
)

// Actions lists every class.
var Actions = []Action{Read, ReadPersonal, Change, ChangeSecrets, Provision, Crown}

// Target is what an operation is about, as far as the decision depends on it.
type Target struct {
	// Administrative is what has power over the server: an administrator, a group that makes
	// administrators, a client with a scope of the resource admin. Whatever changes one is a
	// [Crown], also if its own class is less. So is a change that makes something administrative.
	Administrative bool
	// Foreign is an account or a group that the directory which acts has not made, and was not given.
	// For whoever acts as an operator does, it makes no difference.
	Foreign bool
}

// Refused says why somebody may not do something. It is an [ErrForbidden].
type Refused struct{ Why Why }

// ErrForbidden is what every [Refused] is.
var ErrForbidden = errors.New("not allowed")

// Why is the reason of a refusal, for an interface to find its words by, or its next step.
type Why string

// The reasons.
const (
	NoRight            Why = "no_right"              // neither role nor scope allows it
	OnlyReads          Why = "only_reads"            // the session or token may read, and this changes something
	NeedsSecondFactor  Why = "needs_second_factor"   // the person has proved one factor
	NeedsFreshProof    Why = "needs_fresh_proof"     // the proof is older than proofs.Recent
	NeedsPerson        Why = "needs_person"          // it is administrative, and services never touch that
	NeedsDirectory     Why = "needs_directory"       // it is what the scope scim is for
	NeedsMachine       Why = "needs_machine"         // only commands do it
	NotKept            Why = "not_kept"              // a directory changes what it keeps alone
	LastAdministrator  Why = "last_administrator"    // nobody who can log in would be an administrator any more
	ActorGone          Why = "actor_gone"            // whoever acts is not any more what let them in
	unknownActorOrDeed Why = "unknown_actor_or_deed" // a mistake of this server
)

var whys = map[Why]string{
	NoRight:            "this needs a right that the actor does not have",
	OnlyReads:          "the actor may read, and not change anything",
	NeedsSecondFactor:  "administrators act with a second factor: a passkey, or a code beside the password",
	NeedsFreshProof:    "this needs a proof of who acts that is not older than ten minutes",
	NeedsPerson:        "services cannot touch administrators, or what makes them; an administrator does it in person",
	NeedsDirectory:     "only a client with the scope scim does this",
	NeedsMachine:       "only a command at the machine does this",
	NotKept:            "a directory changes the accounts and groups that it made, or that an operator gave it, alone",
	LastAdministrator:  "no administrator who can log in would be left; a command with --force does it nevertheless",
	ActorGone:          "whoever acts has no longer the session, the role or the scope that let them in",
	unknownActorOrDeed: "this server does not know who acts, or what is to be done",
}

func (e *Refused) Error() string { return whys[e.Why] }

// Is tells that e is [ErrForbidden].
func (e *Refused) Is(target error) bool { return target == ErrForbidden }

func refuse(why Why) error { return &Refused{why} }

// Decide tells whether a may do something now: nil, or a [*Refused]. It is the one decision table of
// all that operators do, by whatever interface; TestWhoMayDoWhat shows it.
//
// What it cannot know is looked at in the transaction of the change: whether the actor still is what
// let them in, and whether an administrator would be left.
func Decide(a Actor, do Action, on Target, now time.Time) error {
	if do < Read || do > Crown {
		return refuse(unknownActorOrDeed)
	}
	if on.Administrative && do != Read && do != ReadPersonal {
		if do == Provision && a.Kind == Person {
			return refuse(NeedsDirectory)
		}
		do = Crown
	}
	switch a.Kind {
	case Machine:
		return nil
	case Person:
		return decidePerson(a, do, now)
	case Client:
		if err := decideClient(a, do); err != nil {
			return err
		}
		if do == Provision && on.Foreign {
			return refuse(NotKept)
		}
		return nil
	}
	return refuse(unknownActorOrDeed)
}

func decidePerson(a Actor, do Action, now time.Time) error {
	reads := do == Read || do == ReadPersonal
	switch {
	case !a.Rights.Has(Reading | Writing):
		return refuse(NoRight)
	case do == Provision:
		return refuse(NeedsDirectory)
	case !reads && !a.Rights.Has(Writing):
		return refuse(OnlyReads)
	case a.ACR != proofs.SeveralFactors && a.ACR != proofs.PhishingResistant:
		return refuse(NeedsSecondFactor)
	case !reads && !fresh(a.AuthTime, now):
		return refuse(NeedsFreshProof)
	}
	return nil
}

// fresh tells whether a proof is recent. Replicas' clocks differ by less than a minute.
func fresh(proved, now time.Time) bool {
	age := now.Sub(proved)
	return age <= proofs.Recent && age > -time.Minute
}

func decideClient(a Actor, do Action) error {
	switch do {
	case Read, ReadPersonal:
		if !a.Rights.Has(Reading | Writing) {
			return refuse(NoRight)
		}
	case Change, ChangeSecrets:
		if !a.Rights.Has(Writing) {
			if a.Rights.Has(Reading) {
				return refuse(OnlyReads)
			}
			return refuse(NoRight)
		}
	case Provision:
		if !a.Rights.Has(Provisioning) {
			return refuse(NeedsDirectory)
		}
	default:
		return refuse(NeedsPerson)
	}
	return nil
}
