package messages

// AdminServer is what the pages about the server itself say: its keys, queues, event streams, limits,
// registration tokens, settings, and log-in elsewhere.
type AdminServer struct {
	Keys      AdminKeys
	Queues    AdminQueues
	Streams   AdminStreams
	Throttles AdminThrottles
	Tokens    AdminTokens
	Settings  AdminSettings
	Upstreams AdminUpstreams
}

// AdminKeys is what the page of the signing keys says.
type AdminKeys struct {
	Title, Intro, None                         string
	Key, Alg, State, Age, Until                string
	States                                     map[string]string // by state
	Unset                                      string            // until an operator decides
	Never                                      string
	Rotate, RotateTitle, RotateIntro           string
	WhichAlg, AllAlgs, AtOnce, AtOnceHint      string
	Withdraw, WithdrawTitle                    string
	WithdrawTells, WithdrawPeople, WithdrawAll string
}

// AdminQueues is what the page of what leaves the server says.
type AdminQueues struct {
	Title, Intro, None            string
	Kinds                         map[string]string // by kind
	Letters                       map[string]string // by kind, as package mail calls it
	Sealed                        string            // in place of an address that cannot be read
	To, What, Tries, Waits, Error string
	GivenUp, Trying               string
	Retry, Drop, RetryAll         string
	RetryTitle, RetryIntro        string
	DropTitle, DropIntro          string
	RetryAllTitle, RetryAllIntro  string
	Events                        string // a link to the streams
}

// AdminStreams is what the pages of event streams say.
type AdminStreams struct {
	Title, Intro, None                           string
	Receiver, Where, State, Waiting, Refused     string
	Polls                                        string
	States                                       map[string]string
	Dropped, FailingSince, NextTry, Error        string
	Events, Description, Created, Own            string
	RefusedEvents, NoneRefused                   string
	Event, Tries                                 string
	Status, StatusTitle, StatusIntro             string
	Words, WordsHint, Retry, RetryTitle          string
	New, NewTitle, NewIntro                      string
	Client, ClientHint, Endpoint, EndpointHint   string
	Header, HeaderHint, HeaderKept, NoHeader     string
	Types                                        map[string]string // by type of event
	Edit, EditTitle, EditIntro                   string
	Verify, VerifyTitle, VerifyIntro             string
	RetryIntro, Delete, DeleteTitle, DeleteIntro string
}

// AdminThrottles is what the page of limits says.
type AdminThrottles struct {
	Title, Intro                        string
	Address, AddressHint                string
	Of                                  func(address string) string
	Nothing                             string
	What, Under, Count, Last            string
	Whats                               map[string]string // by what is limited, as package throttle calls it
	Failures, FailuresIntro, NoFailures string
	Lift, LiftTitle, LiftIntro          string
}

// AdminTokens is what the page of initial access tokens says.
type AdminTokens struct {
	Title, Intro, None                     string
	Note, Left, Made, Ends                 string
	New, NewTitle, NewIntro, NoteHint      string
	Uses, UsesHint, Lifetime               string
	Lifetimes                              map[string]string // by duration
	Create, MadeTitle, MadeIntro, Token    string
	Withdraw, WithdrawTitle, WithdrawIntro string
}

// AdminSettings is what the page of the settings says.
type AdminSettings struct {
	Title, Intro           string
	Name, Value            string
	Hidden, Unset, Default string
}

// What can be wrong with what an operator does to the server.
const (
	AdminAddressWrong  Problem = "admin_address_wrong"
	AdminKeyPending    Problem = "admin_key_pending"
	AdminKeyUnknown    Problem = "admin_key_unknown"
	AdminStreamService Problem = "admin_stream_service"
	AdminUsesWrong     Problem = "admin_uses_wrong"
	AdminNoteLong      Problem = "admin_note_long"
	AdminStreamClient  Problem = "admin_stream_client"
	AdminStreamExists  Problem = "admin_stream_exists"
	AdminStreamAddress Problem = "admin_stream_address"
	AdminStreamHeader  Problem = "admin_stream_header"
	AdminStreamEvents  Problem = "admin_stream_events"
	AdminStreamOff     Problem = "admin_stream_off"
	AdminStreamFull    Problem = "admin_stream_full"
	AdminStreamWords   Problem = "admin_stream_words"
)

var serverProblems = []Problem{AdminAddressWrong, AdminKeyPending, AdminKeyUnknown, AdminStreamService, AdminUsesWrong, AdminNoteLong,
	AdminStreamClient, AdminStreamExists, AdminStreamAddress, AdminStreamHeader, AdminStreamEvents, AdminStreamOff, AdminStreamFull, AdminStreamWords}
