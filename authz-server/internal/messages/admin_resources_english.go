package messages

var adminResourcesEnglish = AdminResources{
	Title: "APIs", Intro: "Services that accept this server’s access tokens. Each has its own scopes and roles.", None: "There are no APIs yet.",
	Name: "Name", ID: "Audience", Scopes: "Scopes", Roles: "Roles", Description: "Description", State: "From",
	Stored: "Here", Settings: "The settings", OwnScopes: "Scopes of services alone", Made: "Made",
	SettingsIntro: "This API is defined in the server’s settings, and can only be changed there.",

	New: "Add an API", NewTitle: "Add an API", NewIntro: "Apps can ask for its scopes right away. The service has to verify the tokens it receives: their aud must be its audience.",
	NameHint: "A short name, which its roles begin with: up to 32 lower-case letters, digits, _ and -. It cannot be changed later.", IDHint: "The aud of its tokens: an absolute URI, such as https://api.example.com/orders.",
	ScopesHint: "One per line, such as orders:read. No two APIs can share a scope.",
	Edit:       "Change", EditTitle: "Change the API", EditIntro: "Tokens already issued stay as they are until they expire.",
	Delete: "Delete the API", DeleteIntro: "No more tokens are issued for it, and its scopes disappear. Tokens already issued stay valid until they expire.",
}

var adminResourcesEnglishProblems = map[Problem]string{
	AdminResourceName:    "Write 1 to 32 small letters, digits, _ and -, beginning with a letter.",
	AdminResourceTaken:   "Another API has this name or this audience.",
	AdminResourceID:      "Write an absolute URI without a fragment, such as https://api.example.com/orders.",
	AdminResourceScopes:  "Write one scope per line that no other API has, and keep those that roles need.",
	AdminResourceRoles:   "The API has roles. Delete them first.",
	AdminResourceSetting: "This API is defined in the server’s settings, and can only be changed there.",
	AdminRoleName:        "Write 1 to 32 small letters, digits, _ and -, beginning with a letter.",
	AdminRoleTaken:       "The API has a role with this name, or it is being removed this moment.",
	AdminRoleScopes:      "Choose at least one scope of the API.",
}

var adminResourcesEnglishDone = map[string]string{
	"resource_created": "The API was added.", "resource_changed": "The API was changed.", "resource_deleted": "The API was deleted.",
	"role_defined": "The role was defined.",
}
