package messages

var adminResourcesEnglish = AdminResources{
	Title: "APIs", Intro: "The services that take this server’s access tokens. Each has scopes that apps ask for, and roles of its own.", None: "There are none.",
	Name: "Name", ID: "Audience", Scopes: "Scopes", Roles: "Roles", Description: "Description", State: "From",
	Stored: "Here", Settings: "The settings", OwnScopes: "Scopes of services alone", Made: "Made",
	SettingsIntro: "This one is in the settings of the server, where alone it is changed.",

	New: "Add an API", NewTitle: "Add an API", NewIntro: "Apps can ask for its scopes from the next second on. The service has to verify the tokens: their aud is its audience.",
	NameHint: "A short one, by which roles name it: 1 to 32 small letters, digits, _ and -. It cannot be changed later.", IDHint: "The aud of its tokens: an absolute URI, such as https://api.example.com/orders.",
	ScopesHint: "One a line, such as orders:read. No other API can have them.",
	Edit:       "Change", EditTitle: "Change the API", EditIntro: "Tokens that are out stay as they are until they expire.",
	Delete: "Delete the API", DeleteIntro: "No token is for it any more, and its scopes are unknown. Tokens that are out stay valid until they expire.",
}

var adminResourcesEnglishProblems = map[Problem]string{
	AdminResourceName:    "Write 1 to 32 small letters, digits, _ and -, beginning with a letter.",
	AdminResourceTaken:   "Another API has this name or this audience.",
	AdminResourceID:      "Write an absolute URI without a fragment, such as https://api.example.com/orders.",
	AdminResourceScopes:  "These scopes cannot be: write one a line, which no other API has, and keep those by which roles come into tokens.",
	AdminResourceRoles:   "The API has roles. Delete them first.",
	AdminResourceSetting: "This API is in the settings of the server, and is changed there alone.",
	AdminRoleName:        "Write 1 to 32 small letters, digits, _ and -, beginning with a letter.",
	AdminRoleTaken:       "The API has a role with this name, or it is being removed this moment.",
	AdminRoleScopes:      "Choose at least one scope of the API.",
}

var adminResourcesEnglishDone = map[string]string{
	"resource_created": "The API is there.", "resource_changed": "The API was changed.", "resource_deleted": "The API is gone.",
	"role_defined": "The role is defined.",
}
