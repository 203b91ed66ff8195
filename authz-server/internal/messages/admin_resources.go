package messages

// AdminResources is what the pages of the services say that take this server's tokens.
type AdminResources struct {
	Title, Intro, None                          string
	Name, ID, Scopes, Roles, Description, State string // columns, facts and labels
	Stored, Settings                            string // where it comes from
	OwnScopes, Made                             string
	SettingsIntro                               string

	New, NewTitle, NewIntro      string
	NameHint, IDHint, ScopesHint string
	Edit, EditTitle, EditIntro   string
	Delete, DeleteIntro          string
}

// What can be wrong with a service that takes tokens, or a role there.
const (
	AdminResourceName    Problem = "admin_resource_name"
	AdminResourceTaken   Problem = "admin_resource_taken"
	AdminResourceID      Problem = "admin_resource_id"
	AdminResourceScopes  Problem = "admin_resource_scopes"
	AdminResourceRoles   Problem = "admin_resource_roles"
	AdminResourceSetting Problem = "admin_resource_setting"
	AdminRoleName        Problem = "admin_role_name"
	AdminRoleTaken       Problem = "admin_role_taken"
	AdminRoleScopes      Problem = "admin_role_scopes"
)

var resourceProblems = []Problem{AdminResourceName, AdminResourceTaken, AdminResourceID, AdminResourceScopes, AdminResourceRoles, AdminResourceSetting,
	AdminRoleName, AdminRoleTaken, AdminRoleScopes}
