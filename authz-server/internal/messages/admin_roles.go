package messages

// AdminRoles is what the pages about roles and groups say.
type AdminRoles struct {
	Title, Intro                      string
	Resource                          func(name string) string // a heading
	ByScopes, People                  string
	New, NewTitle, NewIntro           string
	Name, NameHint                    string
	Scopes, ScopesHint                string
	Edit, EditIntro                   string
	NoRolesYet                        string
	Description, DescriptionHint      string
	Builtin                           map[string]string // what those do that are there from the start, by role
	Delete, DeleteIntro               string
	GroupsTitle, GroupsIntro          string
	NoGroups, NewGroup, EditGroup     string
	NewGroupIntro                     string
	DeleteGroup, DeleteGroupIntro     string
	AddMember, Members, NoMembers     string
	GroupRolesIntro, NoRoles, Crowned string
}

// AdminLog is what the page of the audit log says.
type AdminLog struct {
	Title, Intro               string
	Kind, AnyKind              string
	Person, PersonHint         string
	Client, ClientHint         string
	Target, TargetHint         string
	Since, Until               string
	Zone                       func(name string) string // of what is typed there
	Nothing, NoPerson          string
	Kinds                      map[string]string // by package audit
	Actors                     map[string]string // by kind
	Targets                    map[string]string // by kind
	Proofs                     map[string]string // by acr
	By, Concerns, Reason, With string            // names follow
	Waits, Erased              string
	Details                    string
}

// What else can be wrong on the pages about people, roles and groups.
const (
	AdminAddressTaken Problem = "admin_address_taken"
	AdminTextInvalid  Problem = "admin_text_invalid"
	AdminGroupTaken   Problem = "admin_group_taken"
	AdminNoPerson     Problem = "admin_no_person"
	AdminMember       Problem = "admin_member"
	AdminNoDirectory  Problem = "admin_no_directory"
)
