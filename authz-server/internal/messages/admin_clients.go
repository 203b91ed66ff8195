package messages

// AdminClients is what the pages about apps say: the list, the steps by which one is made, and an
// app's own page.
type AdminClients struct {
	Title, Intro, None, New           string
	Find                              string
	Name, ID, Kind, State, Used, Made string // columns, and facts
	Never                             string
	On, Off                           string            // what an app is
	Itself, Document, Administers     string            // what else it is: it registered itself, is known by a document, has power over the server
	Kinds, KindHints                  map[string]string // by kind of app

	// The steps.
	NewTitle                     string
	Steps                        map[string]string // by step, as their headings
	StepOf                       func(n, of int) string
	KindLabel                    string
	NameLabel, NameHint          string
	Redirects, RedirectsHint     string
	RedirectsNative              string // the hint for apps on people's own devices
	LogoutURIs, LogoutHint       string
	Scopes, ScopesHint           string
	ScopesService, ScopesNone    string
	Crown                        string // of scopes that give power over the server
	Identity                     string // of the scopes that are about a person
	APIs, APIsHint               string
	Next, Previous, Create       string
	ReviewIntro                  string
	MadeTitle, MadeIntro, Secret string
	SecretIntro                  string
	Public                       string // it has no secret

	// Programs to copy.
	Snippets, SnippetsIntro           string
	SnippetFile, SnippetRun           string
	SnippetOpen                       func(address string) string
	SnippetSecret, SnippetsNone, Copy string
	Copied                            string

	// An app's page.
	About, Addresses, Rights, Secrets, Metadata string
	Facts                                       map[string]string // by the name of a member, as people call it
	MetadataIntro                               string
	SecretMade, SecretUntil                     string // a moment follows
	NoSecret, OwnKeys                           string
	Actions, Edit, EditAll, Rotate, Compromised string
	Disable, Enable, Delete                     string
	Grants, GrantsIntro, NoGrants               string
	Consents, ConsentsIntro, NoConsents         string
	Person, Scope, Since, LastUse, Ends         string
	GrantOver, Offline, EndGrant, All           string

	// Deeds.
	EditTitle, EditAllTitle, EditAllIntro, JSON        string
	EditScopes, EditAudiences, EditTrusted, TrustHint  string
	EditPKCE, EditContacts, OneALine                   string
	RotateTitle, RotateIntro, Overlap, OverlapHint     string
	Overlaps                                           map[string]string // by duration
	RotateButton, RotatedTitle, RotatedIntro           string
	Registration, RegistrationIntro                    string
	RegistrationButton                                 string
	RegistrationMade, RegistrationToken                string
	CompromisedTitle, CompromisedIntro                 string
	CompromisedButton                                  string
	DisableTitle, DisableIntro                         string
	EnableTitle, EnableIntro                           string
	DeleteTitle, DeleteIntro, DeleteSure, DeleteButton string
	EndGrantTitle, EndGrantIntro                       string
	Save                                               string
}

// What can be wrong with an app, or an address of one.
const (
	AdminKindMissing  Problem = "admin_kind_missing"
	AdminNameInvalid  Problem = "admin_name_invalid"
	AdminURIMissing   Problem = "admin_uri_missing"
	AdminURIAbsolute  Problem = "admin_uri_absolute"
	AdminURICharacter Problem = "admin_uri_character"
	AdminURIFragment  Problem = "admin_uri_fragment"
	AdminURIWildcard  Problem = "admin_uri_wildcard"
	AdminURIHTTPS     Problem = "admin_uri_https"
	AdminURIScheme    Problem = "admin_uri_scheme"
	AdminURIPrivate   Problem = "admin_uri_private"
	AdminURIUser      Problem = "admin_uri_user"
	AdminURIPort      Problem = "admin_uri_port"
	AdminURIHost      Problem = "admin_uri_host"
	AdminURIDots      Problem = "admin_uri_dots"
	AdminURITwice     Problem = "admin_uri_twice"
	AdminURIMany      Problem = "admin_uri_many"
	AdminURILong      Problem = "admin_uri_long"
	AdminScopeMissing Problem = "admin_scope_missing"
	AdminAPIMissing   Problem = "admin_api_missing"
	AdminNotSure      Problem = "admin_not_sure"
	AdminNoSecret     Problem = "admin_no_secret"
	AdminUnregistered Problem = "admin_unregistered"
)

var clientProblems = []Problem{AdminKindMissing, AdminNameInvalid, AdminURIMissing, AdminURIAbsolute, AdminURICharacter, AdminURIFragment, AdminURIWildcard,
	AdminURIHTTPS, AdminURIScheme, AdminURIPrivate, AdminURIUser, AdminURIPort, AdminURIHost, AdminURIDots, AdminURITwice, AdminURIMany, AdminURILong,
	AdminScopeMissing, AdminAPIMissing, AdminNotSure, AdminNoSecret, AdminUnregistered}
