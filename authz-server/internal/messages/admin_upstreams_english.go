package messages

var adminUpstreamsEnglish = AdminUpstreams{
	Title: "Log-in elsewhere", Intro: "Other providers by which people log in here.", None: "There is none yet.",
	Name: "Name", Provider: "Issuer", State: "State", Redirect: "Redirect URI to register there",
	On: "Active", Off: "Disabled",

	New: "Add a provider", NewTitle: "Add a provider", Create: "Add the provider",
	Steps:  map[string]string{"provider": "Which provider?", "rules": "Whom do you let in?", "connect": "Connect this server"},
	Preset: "Provider",
	Presets: map[string]string{
		"openid": "Any OpenID provider", "google": "Google", "apple": "Apple", "microsoft": "Microsoft", "github": "GitHub", "kakao": "Kakao", "naver": "NAVER",
		"oauth2": "Another OAuth 2 provider",
	},
	PresetHints: map[string]string{
		"openid": "By its issuer: Keycloak, Okta, Auth0 and many more", "oauth2": "One without ID tokens: you say where everything is",
	},
	Register: map[string][]string{
		"openid": {"At the provider, register this server as a web application (a confidential client that uses the authorization code). It gets a client id and a secret there."},
		"google": {"In the Google Cloud console, open APIs & Services, then Credentials, and create an OAuth client ID of the type Web application."},
		"apple": {"In your Apple developer account, create a Services ID with Sign in with Apple, and enter the domain of this server and the address below as its return URL. Its identifier is the client id.",
			"Then create a key with Sign in with Apple, and download it."},
		"microsoft": {"In the Microsoft Entra admin center, open App registrations, and register an application with the platform Web. Make a client secret under Certificates & secrets."},
		"github":    {"On GitHub, open Settings, Developer settings, OAuth Apps, and register an application. The address below is its authorization callback URL."},
		"kakao":     {"At Kakao Developers, add an application, turn Kakao Login on, and enter the address below as its redirect URI. The client id is the REST API key; turn the client secret on under Security.", "Ask for the account's e-mail address under Consent Items, or nobody brings one."},
		"naver":     {"At NAVER Developers, register an application that uses NAVER Login, with the address below as its callback URL."},
		"oauth2":    {"At the provider, register this server as a web application. It gets a client id and a secret there."},
	},
	RegisterTitle: "At the provider", HandOver: "Enter this there, to the letter:",
	Optional: "Empty: as the provider has it.",

	Labels: map[string]string{
		"preset": "Kind", "name": "Name in addresses", "title": "What people call it", "client_id": "Client id", "client_secret": "Client secret", "scope": "Scopes asked for", "issuer": "Issuer",
		"authorization_endpoint": "Authorization endpoint", "token_endpoint": "Token endpoint", "userinfo_endpoint": "User info endpoint", "emails_endpoint": "Endpoint of e-mail addresses",
		"auth_method": "How this server proves itself", "response_mode": "Answers come by", "addresses": "When is an e-mail address verified?", "address_domains": "Only addresses of these domains",
		"no_signup": "Making accounts", "claims": "Where claims are", "strong_acr": "What stands for the second step", "apple": "Apple’s key", "team_id": "Team ID", "key_id": "Key ID", "private_key": "Private key",
		"redirect_uri": "Redirect URI", "post_logout_redirect_uri": "Post-logout redirect URI", "backchannel_logout_uri": "Back-channel logout URI", "tenants": "Only these tenants", "logout": "Logging out",
	},
	Hints: map[string]string{
		"name":             "A part of the redirect URI, which cannot be changed later. Small letters, digits and hyphens.",
		"title":            "On the button that leads there, such as Google.",
		"issuer_microsoft": "For one organization, its tenant id stands in the place of common; organizations stands for all work and school accounts.",
		"listed":           "Google and the others of the list bring their own.",
		"issuer":           "To the letter as its metadata has it: an address that begins with https. Everything else is read there.",
		"scope":            "Separated by spaces.",
		"address_domains":  "One a line, such as example.com. Empty: all. Addresses of other domains are confirmed by mail.",
		"strong_acr":       "Values of acr or amr, one a line. Whoever proves one of them there is not asked for the second step here: you then trust the provider as yourself.",
		"claims":           "One a line: sub = id. After the sign is the path in what the user info endpoint answers.",
		"claims_differ":    "Where they are not where they are expected, one a line: name = profile.full_name.",
		"client_secret":    "It is kept encrypted, and shown to nobody.",
		"private_key":      "The whole text of the file AuthKey_….p8. It is kept encrypted, and shown to nobody.",
		"tenants":          "Their ids, one a line. Empty: all that the issuer stands for.",
		"logout":           "Whoever logs out here is led on to log out there, too",
	},
	Rules: map[string]string{"claim": "If the provider says so", "never": "Never: people confirm it here by mail", "insecure-always": "Always"},
	RuleHints: map[string]string{
		"insecure-always": "Dangerous unless the provider belongs to you and its people cannot choose their addresses.",
	},
	Methods: map[string]string{"": "As the provider offers", "client_secret_basic": "client_secret_basic", "client_secret_post": "client_secret_post", "none": "none: without a secret"},
	Signups: "People can make an account by it",

	About: "About", PeopleTitle: "People", Nobody: "Nobody has logged in by it.", SecretSet: "Set, and not shown", SecretNone: "None",
	People: func(n string) string {
		if n == "1" {
			return "One person logs in by it."
		}
		return n + " people log in by it."
	},
	PeopleMany: func(n string) string { return "More than " + n + " people log in by it." },
	Only: func(n string) string {
		if n == "1" {
			return "One of them has no other way to log in."
		}
		return n + " of them have no other way to log in."
	},
	OnlyFirst: "Without another way to log in", Made: "Made", Changed: "Changed",

	Edit: "Change", EditTitle: "Change the provider", EditIntro: "The change counts for the next log-in.",
	IssuerWarning: "With another issuer, nobody is known by this provider any more.",
	Secret:        "Replace secret", SecretTitle: "Replace the secret", SecretIntro: "The new one counts for the next log-in. Let the old one end at the provider afterwards.", SecretButton: "Replace secret",
	Disable: "Disable", DisableTitle: "Disable the provider", DisableIntro: "Its button goes, and nobody logs in by it. Who people are there is kept; you can enable it again. Sessions go on.",
	Enable: "Enable", EnableTitle: "Enable the provider", EnableIntro: "Its button is back, and people log in by it.",
	Delete: "Delete", DeleteTitle: "Delete the provider", DeleteIntro: "The provider is gone with its secret. This cannot be undone.",
	DeleteUsed: "Who people are there is forgotten. If you add the provider again, each of them has to link it anew.",
	Sure:       "Delete it although people log in by it",
	LoseWay: func(n string) string {
		if n == "1" {
			return "One person loses their only way to log in."
		}
		return n + " people lose their only way to log in."
	},
	Reset: "They have to choose a password by a letter to their address.",
}

var adminUpstreamsEnglishProblems = map[Problem]string{
	AdminUpstreamPreset:  "Choose a provider.",
	AdminUpstreamName:    "Write 1 to 32 small letters, digits and hyphens, beginning with a letter.",
	AdminUpstreamTaken:   "There is a provider with this name.",
	AdminUpstreamTitle:   "Write what people call it, in one line of at most 60 bytes.",
	AdminUpstreamClient:  "Write the client id that the provider gave to this server.",
	AdminUpstreamIssuer:  "Write the provider’s issuer: an https address on the public Internet, without query or fragment.",
	AdminUpstreamAddress: "Write an https address on the public Internet.",
	AdminUpstreamDomains: "Write domains such as example.com, one a line.",
	AdminUpstreamClaims:  "Write one claim a line, such as email = contact.address. The claims are sub, email, email_verified, name, given_name, family_name, nickname, picture and locale; of an OpenID provider, sub stays as it is.",
	AdminUpstreamTenants: "Write the ids of tenants, one a line, and only with an issuer that stands for several.",
	AdminUpstreamSecret:  "Write the secret that the provider gave to this server.",
	AdminUpstreamKey:     "Paste the whole private key, from BEGIN PRIVATE KEY to END PRIVATE KEY, and write both ids.",
	AdminUpstreamUsed:    "People log in by it. Tick the box if it is to be deleted nevertheless.",
	AdminUpstreamLastWay: "The person has no other way to log in. Tick the box if it is to be unlinked nevertheless.",
}

var adminUpstreamsEnglishDone = map[string]string{
	"upstream_created": "The provider was added. Try it in a private window before you rely on it.", "upstream_secret": "The secret was replaced.",
	"upstream_off": "The provider is disabled.", "upstream_on": "The provider is active again.", "upstream_deleted": "The provider is gone.",
}
