package messages

// AdminUpstreams is what the pages of log-in elsewhere say: the list, the steps by which a provider is
// added, and a provider's own page.
type AdminUpstreams struct {
	Title, Intro, None              string
	Name, Provider, State, Redirect string // columns
	On, Off                         string

	// The steps.
	New, NewTitle, Create   string
	Steps                   map[string]string // by step, as their headings
	Preset                  string
	Presets, PresetHints    map[string]string   // by preset; "openid" is any OpenID provider
	Register                map[string][]string // by preset: what to do there
	RegisterTitle, HandOver string
	Optional                string // what the hint of an input says that has a value by itself

	// The settings, by their names, and what is beside them.
	Labels, Hints    map[string]string
	Rules, RuleHints map[string]string // when an address counts as verified
	Methods          map[string]string // how this server proves itself there
	Signups          string

	// Its own page.
	About, PeopleTitle, Nobody, SecretSet, SecretNone string
	People, PeopleMany                                func(n string) string // who log in by it; more than those
	Only                                              func(n string) string // who have no other way in
	OnlyFirst                                         string                // the heading of the first of them
	Made, Changed                                     string                // a moment follows

	// Deeds.
	Edit, EditTitle, EditIntro                         string
	IssuerWarning                                      string
	Secret, SecretTitle, SecretIntro, SecretButton     string
	Disable, DisableTitle, DisableIntro                string
	Enable, EnableTitle, EnableIntro                   string
	Delete, DeleteTitle, DeleteIntro, DeleteUsed, Sure string
	LoseWay                                            func(n string) string // who lose their only way in
	Reset                                              string                // what they can do then
}

// What can be wrong with a provider.
const (
	AdminUpstreamPreset  Problem = "admin_upstream_preset"
	AdminUpstreamName    Problem = "admin_upstream_name"
	AdminUpstreamTaken   Problem = "admin_upstream_taken"
	AdminUpstreamTitle   Problem = "admin_upstream_title"
	AdminUpstreamClient  Problem = "admin_upstream_client"
	AdminUpstreamIssuer  Problem = "admin_upstream_issuer"
	AdminUpstreamAddress Problem = "admin_upstream_address"
	AdminUpstreamDomains Problem = "admin_upstream_domains"
	AdminUpstreamClaims  Problem = "admin_upstream_claims"
	AdminUpstreamTenants Problem = "admin_upstream_tenants"
	AdminUpstreamSecret  Problem = "admin_upstream_secret"
	AdminUpstreamKey     Problem = "admin_upstream_key"
	AdminUpstreamUsed    Problem = "admin_upstream_used"
	AdminUpstreamLastWay Problem = "admin_upstream_last_way"
)

var upstreamProblems = []Problem{AdminUpstreamPreset, AdminUpstreamName, AdminUpstreamTaken, AdminUpstreamTitle, AdminUpstreamClient, AdminUpstreamIssuer,
	AdminUpstreamAddress, AdminUpstreamDomains, AdminUpstreamClaims, AdminUpstreamTenants, AdminUpstreamSecret, AdminUpstreamKey, AdminUpstreamUsed, AdminUpstreamLastWay}
