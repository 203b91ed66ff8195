package messages

var adminServerEnglish = AdminServer{
	Keys: AdminKeys{
		Title: "Signing keys", Intro: "What signs tokens, and what verifies those that are out.", None: "There are no keys yet.",
		Key: "Key", Alg: "Algorithm", State: "State", Age: "Since", Until: "Until",
		States: map[string]string{
			"next": "Waits to sign", "current": "Signs", "retired": "Still published", "kept": "For refresh tokens", "withdrawn": "Withdrawn",
		},
		Unset: "You rotate it", Never: "–",
		Rotate: "Rotate", RotateTitle: "Rotate the keys",
		RotateIntro: "A new key is published now, and signs as soon as no service can have an older key set any more. What the old one signed stays good until it expires.",
		WhichAlg:    "Algorithm", AllAlgs: "All",
		AtOnce: "Sign with the new key at once", AtOnceHint: "Services that do not fetch a key they do not know refuse new tokens until their copy of the key set has aged. If a key leaked, withdraw it instead.",
		Withdraw: "Withdraw", WithdrawTitle: "Withdraw the key",
		WithdrawTells:  "For a key that somebody else may have. Its private half is deleted, it leaves the key set, and another one signs if this one did.",
		WithdrawPeople: "What it signed is refused everywhere within seconds, refresh tokens too. Apps send people to log in again; those whose session in the browser lives need no password for that.",
		WithdrawAll:    "This cannot be undone. To change keys without a leak, rotate them.",
	},
	Queues: AdminQueues{
		Title: "Queues", Intro: "What waits to leave this server, or was given up.", None: "Nothing waits.",
		Kinds: map[string]string{"mail": "Mail", "logout": "Log-outs"},
		To:    "To", What: "What", Tries: "Tries", Waits: "Next try", Error: "Latest error",
		GivenUp: "Given up", Trying: "Waits",
		Retry: "Try now", Drop: "Drop", RetryAll: "Try all again that were given up",
		RetryTitle: "Try it now", RetryIntro: "It is tried at once, and again later if that fails.",
		DropTitle: "Drop it", DropIntro: "It is not delivered: whoever it is for is not told.",
		RetryAllTitle: "Try all again", RetryAllIntro: "Everything in this queue that was given up is tried again.",
		Events: "Events",
	},
	Streams: AdminStreams{
		Title: "Event streams", Intro: "Who is told of what happens to accounts, by Shared Signals.", None: "There is no event stream.",
		Receiver: "Receiver", Where: "Delivery", State: "State", Waiting: "Waiting", Refused: "Refused",
		Polls:   "It fetches them",
		States:  map[string]string{"enabled": "Active", "paused": "Paused", "disabled": "Disabled"},
		Dropped: "Dropped", FailingSince: "Fails since", NextTry: "Next try", Error: "Latest error",
		Events: "Events", Description: "Description", Created: "Made", Own: "Service of this server",
		RefusedEvents: "Refused events", NoneRefused: "None.",
		Event: "Event", Tries: "Tries",
		Status: "Change the state", StatusTitle: "State of the stream",
		StatusIntro: "A paused stream keeps its events. A disabled one drops them. The receiver is told.",
		Words:       "Words for the receiver", WordsHint: "It reads them.",
		Retry: "Try again now", RetryTitle: "Try again now", RetryIntro: "Events that were refused and given up are sent again, and a receiver that does not answer is tried at once.",
		Delete: "Delete", DeleteTitle: "Delete the stream", DeleteIntro: "The receiver gets no more events, and those that wait are dropped. This cannot be undone.",
	},
	Throttles: AdminThrottles{
		Title: "Limits", Intro: "Who is slowed down, because too much failed.",
		Address: "Network address", AddressHint: "Such as 203.0.113.7 or 2001:db8::1.",
		Of:      func(address string) string { return "What counts against " + address },
		Nothing: "Nothing.",
		What:    "What", Under: "Counted under", Count: "Count", Last: "Latest",
		Whats: map[string]string{
			"log-ins": "Log-ins", "second steps": "Second steps", "second steps in known browsers": "Second steps in known browsers",
			"codes of letters": "Codes of letters", "codes and links of letters": "Codes and links of letters", "codes of devices": "Codes of devices",
			"invitations": "Invitations", "passkeys": "Passkeys", "present passwords": "Present passwords", "sign-ups": "Sign-ups", "letters": "Letters",
			"ceremonies of passkeys": "Passkeys begun", "tries": "Tries",
		},
		Failures: "Latest failures", FailuresIntro: "Of the last quarter of an hour. Names of accounts are hashes.", NoFailures: "None.",
		Lift: "Lift", LiftTitle: "Lift the limits of an address", LiftIntro: "What counts against the address, and against the networks that it is in, is forgotten. Whoever guesses from there can go on guessing.",
	},
	Tokens: AdminTokens{
		Title: "Registration tokens", Intro: "With an initial access token, others register apps themselves (RFC 7591). You vouch for those apps.", None: "There is none that can be used.",
		Note: "Note", Left: "Uses left", Made: "Made", Ends: "Ends",
		New: "New token", NewTitle: "New registration token", NewIntro: "Whoever has it can register apps that count as yours.", NoteHint: "For your own records.",
		Uses: "Uses", UsesHint: "How many apps it can register.", Lifetime: "Works for",
		Lifetimes: map[string]string{"1h": "an hour", "24h": "a day", "168h": "a week", "720h": "30 days", "8760h": "a year"},
		Create:    "Make a token", MadeTitle: "Registration token", MadeIntro: "Give it to whoever registers the app. Copy it now: it is not shown again.", Token: "Initial access token",
		Withdraw: "Withdraw", WithdrawTitle: "Withdraw the token", WithdrawIntro: "It can register nothing any more. The apps that it registered stay.",
	},
	Settings: AdminSettings{
		Title: "Settings", Intro: "What is in force in the process that answered you. Secrets, and whatever may hold one, are left out. They are changed where the server is started.",
		Name: "Setting", Value: "Value",
		Hidden: "Set, and not shown", Unset: "Not set", Default: "–",
	},
	Upstreams: AdminUpstreams{
		Title: "Log-in elsewhere", Intro: "Other providers by which people log in here.", None: "There is none. The command authz-server upstream create adds one.",
		Name: "Name", Provider: "Issuer", State: "State", Redirect: "Redirect URI to register there",
		On: "Active", Off: "Disabled",
	},
}

var adminServerEnglishProblems = map[Problem]string{
	AdminAddressWrong:  "Write a network address, such as 203.0.113.7 or 2001:db8::1.",
	AdminKeyPending:    "A next key waits already. Tick the box to let it sign at once.",
	AdminKeyUnknown:    "There is no such key.",
	AdminStreamService: "This stream is for a service of --data-services, and would be made again.",
	AdminUsesWrong:     "Write a number from 1 to 100,000.",
	AdminNoteLong:      "A note can have 255 bytes at most.",
}

var adminServerEnglishDone = map[string]string{
	"keys_rotated": "The keys were rotated.", "key_withdrawn": "The key was withdrawn.",
	"retried": "It is tried again.", "dropped": "It was dropped.",
	"stream_changed": "The stream was changed.", "stream_deleted": "The stream is gone.",
	"lifted": "The limits of the address were lifted.", "token_withdrawn": "The token was withdrawn.",
}
