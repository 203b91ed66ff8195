package messages

var adminUpstreamsEnglish = AdminUpstreams{
	Title: "Log-in providers", Intro: "Other services whose accounts people can log in with.", None: "There are no providers yet.",
	Name: "Name", Provider: "Issuer", State: "State", Redirect: "Redirect URI to register there",
	On: "Active", Off: "Disabled",

	New: "Add a provider", NewTitle: "Add a provider", Create: "Add the provider",
	Steps:  map[string]string{"provider": "Which provider?", "rules": "Who may log in?", "connect": "Connect this server"},
	Preset: "Provider",
	Presets: map[string]string{
		"openid": "Any OpenID provider", "google": "Google", "apple": "Apple", "microsoft": "Microsoft", "github": "GitHub", "kakao": "Kakao", "naver": "NAVER",
		"oauth2": "Another OAuth 2 provider",
	},
	PresetHints: map[string]string{
		"openid": "Found by its issuer: Keycloak, Okta, Auth0 and many more", "oauth2": "Without ID tokens: you enter all its addresses",
	},
	Register: map[string][]string{
		"openid": {"At the provider, register this server as a web application (a confidential client that uses the authorization code). It gets a client ID and a secret there."},
		"google": {"In the Google Cloud console, open APIs & Services, then Credentials, and create an OAuth client ID of the type Web application."},
		"apple": {"In your Apple developer account, create a Services ID with Sign in with Apple, and enter the domain of this server and the address below as its return URL. Its identifier is the client ID.",
			"Then create a key with Sign in with Apple, and download it."},
		"microsoft": {"In the Microsoft Entra admin center, open App registrations, and register an application with the platform Web. Make a client secret under Certificates & secrets."},
		"github":    {"On GitHub, open Settings, Developer settings, OAuth Apps, and register an application. The address below is its authorization callback URL."},
		"kakao":     {"At Kakao Developers, add an application, turn Kakao Login on, and enter the address below as its redirect URI. The client ID is the REST API key; turn the client secret on under Security.", "Ask for the account’s email address under Consent Items, or you will not get one."},
		"naver":     {"At NAVER Developers, register an application that uses NAVER Login, with the address below as its callback URL."},
		"oauth2":    {"At the provider, register this server as a web application. It gets a client ID and a secret there."},
	},
	RegisterTitle: "At the provider", HandOver: "Enter this there exactly as it is:",
	Optional: "Leave it empty for the provider’s default.",

	Labels: map[string]string{
		"preset": "Kind", "name": "Name in addresses (URLs)", "title": "Name that people see", "client_id": "Client ID", "client_secret": "Client secret", "scope": "Scopes asked for", "issuer": "Issuer",
		"authorization_endpoint": "Authorization endpoint", "token_endpoint": "Token endpoint", "userinfo_endpoint": "User info endpoint", "emails_endpoint": "Endpoint for email addresses",
		"auth_method": "How this server authenticates", "response_mode": "Response mode", "addresses": "When does an email address count as verified?", "address_domains": "Only addresses of these domains",
		"no_signup": "Creating accounts", "claims": "Where claims are", "strong_acr": "What replaces the second step", "apple": "Apple’s key", "team_id": "Team ID", "key_id": "Key ID", "private_key": "Private key",
		"redirect_uri": "Redirect URI", "post_logout_redirect_uri": "Post-logout redirect URI", "backchannel_logout_uri": "Back-channel logout URI", "tenants": "Only these tenants", "logout": "Logging out",
	},
	Hints: map[string]string{
		"name":             "Part of the redirect URI, so it cannot be changed later. Lower-case letters, digits and hyphens.",
		"title":            "On the button that leads there, such as Google.",
		"issuer_microsoft": "For a single organization, put its tenant ID in place of common; organizations stands for all work and school accounts.",
		"listed":           "You can leave it empty for Google and the others in the list.",
		"issuer":           "Exactly as in its metadata: an address that begins with https. Everything else is read from there.",
		"scope":            "Separated by spaces.",
		"address_domains":  "One per line, such as example.com. Leave it empty for all. Addresses of other domains are confirmed by mail.",
		"strong_acr":       "Values of acr or amr, one per line. Whoever has one of them from there is not asked for a second step here: you trust the provider as much as this server.",
		"claims":           "One per line, such as sub = id. After the equals sign comes the path in the answer of the user info endpoint.",
		"claims_differ":    "Only those that are not in their usual place, one per line: name = profile.full_name.",
		"client_secret":    "It is stored encrypted and shown to nobody.",
		"secret_again":     "Only needed if you change the issuer or the token endpoint: the stored secret is not sent anywhere else.",
		"private_key":      "The whole text of the file AuthKey_….p8. It is stored encrypted and shown to nobody.",
		"tenants":          "Their IDs, one per line. Leave it empty for all that the issuer stands for.",
		"logout":           "Log people out there, too, when they log out here",
	},
	Rules: map[string]string{"claim": "If the provider says so", "never": "Never: people confirm it here by mail", "insecure-always": "Always"},
	RuleHints: map[string]string{
		"insecure-always": "Dangerous, unless you run the provider yourself and its users cannot choose their addresses.",
	},
	Methods: map[string]string{"": "Whatever the provider supports", "client_secret_basic": "client_secret_basic", "client_secret_post": "client_secret_post", "none": "none: without a secret"},
	Signups: "People can create an account with it",

	About: "About", PeopleTitle: "People", Nobody: "Nobody logs in with it yet.", SecretSet: "Set, and not shown", SecretNone: "None",
	People: func(n string) string {
		if n == "1" {
			return "One person logs in with it."
		}
		return n + " people log in with it."
	},
	PeopleMany: func(n string) string { return "More than " + n + " people log in with it." },
	Only: func(n string) string {
		if n == "1" {
			return "One of them has no other way to log in."
		}
		return n + " of them have no other way to log in."
	},
	OnlyFirst: "Without another way to log in", Made: "Made", Changed: "Changed",

	Edit: "Change", EditTitle: "Change the provider", EditIntro: "The change applies from the next log-in on.",
	IssuerWarning: "If you change the issuer, people who are linked to this provider are no longer recognized.",
	Secret:        "Replace secret", SecretTitle: "Replace the secret", SecretIntro: "The new one is used from the next log-in on. Afterwards, end the old one at the provider.", SecretButton: "Replace secret",
	Disable: "Disable", DisableTitle: "Disable the provider", DisableIntro: "Its button disappears, and nobody can log in with it. Links to accounts are kept, and you can enable it again. Sessions continue.",
	Enable: "Enable", EnableTitle: "Enable the provider", EnableIntro: "Its button is back, and people can log in with it.",
	Delete: "Delete", DeleteTitle: "Delete the provider", DeleteIntro: "The provider is deleted with its secret. This cannot be undone.",
	DeleteUsed: "All links to accounts are forgotten. If you add the provider again, everybody has to link it anew.",
	Sure:       "Delete it although people log in with it",
	LoseWay: func(n string) string {
		if n == "1" {
			return "One person loses their only way to log in."
		}
		return n + " people lose their only way to log in."
	},
	Reset: "They will have to choose a password by a link sent to their address.",
}

var adminUpstreamsEnglishProblems = map[Problem]string{
	AdminUpstreamPreset:  "Choose a provider.",
	AdminUpstreamName:    "Write 1 to 32 lower-case letters, digits and hyphens, starting with a letter.",
	AdminUpstreamTaken:   "There is a provider with this name.",
	AdminUpstreamTitle:   "Write the name that people see, in one line of at most 60 bytes.",
	AdminUpstreamClient:  "Write the client ID that the provider gave to this server.",
	AdminUpstreamIssuer:  "Write the provider’s issuer: an https address on the public Internet, without query or fragment.",
	AdminUpstreamAddress: "Write an https address on the public Internet.",
	AdminUpstreamDomains: "Write domains such as example.com, one per line.",
	AdminUpstreamClaims:  "Write one claim per line, such as email = contact.address. The claims are sub, email, email_verified, name, given_name, family_name, nickname, picture and locale; of an OpenID provider, sub stays as it is.",
	AdminUpstreamTenants: "Write the IDs of tenants, one per line, and only with an issuer that stands for several.",
	AdminUpstreamSecret:  "Write the secret that the provider gave to this server.",
	AdminUpstreamKey:     "Paste the whole private key, from BEGIN PRIVATE KEY to END PRIVATE KEY, and write both ids.",
	AdminUpstreamUsed:    "People log in with it. Tick the box to delete it nevertheless.",
	AdminUpstreamLastWay: "The person has no other way to log in. Tick the box to unlink it nevertheless.",
}

var adminUpstreamsEnglishDone = map[string]string{
	"upstream_created": "The provider was added. Try it in a private window before you rely on it.", "upstream_secret": "The secret was replaced.",
	"upstream_off": "The provider is disabled.", "upstream_on": "The provider is active again.", "upstream_deleted": "The provider was deleted.",
}
