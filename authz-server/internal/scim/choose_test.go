package scim

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/scim/language"
)

func TestAListIsChosenByAnIndexIfOneAnswers(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`userName eq "a@example.com"`:                                  "{ a@example.com    }",
		`active eq true and (userName eq "a" and name pr)`:             "{ a    }",
		`emails[type eq "work" and value eq "a"]`:                      "{ a    }",
		`emails.value eq "a"`:                                          "{ a    }",
		`id eq "1" and userName eq "a"`:                                "{1     }",
		`externalId eq "7" and active eq true`:                         "{  7   }",
		`groups[value eq "g"]`:                                         "{   g  }",
		`groups eq "g"`:                                                "{   g  }",
		`userName sw "a" and displayName co "b"`:                       "{     a}",
		`userName eq "a" or id eq "1"`:                                 "{     }",
		`not (userName eq "a")`:                                        "{     }",
		`emails[value eq "a" or type eq "b"]`:                          "{     }",
		`userName ne "a"`:                                              "{     }",
		`userName eq null`:                                             "{     }",
		`meta.lastModified gt "2026-05-01T09:00:00Z" and userName pr`:  "{    2026-05-01T09:00:00Z }",
		`meta.lastModified lt "2026-05-01T09:00:00Z" and nickName pr`:  "{     }",
		`meta.created gt "2026-05-01T09:00:00Z"`:                       "{     }",
		`displayName eq "userName eq \"a\"" and displayName sw "id"`:   "{     }",
		`phoneNumbers[value eq "1"] and emails[primary eq "true"]`:     "{     }",
		`urn:ietf:params:scim:schemas:core:2.0:User:userName eq "a"`:   "{ a    }",
		`userName eq "a" and meta.lastModified ge "2026-05-01T09:00Z"`: "",
	} {
		f, err := language.ParseFilter(users, text)
		if err != nil {
			if want != "" {
				t.Errorf("%s: %v", text, err)
			}
			continue
		}
		of := peopleOf(f)
		since := ""
		if !of.Since.IsZero() {
			since = of.Since.Format(time.RFC3339)
		}
		got := strings.Join(strings.Fields(fmt.Sprintf("id:%s mail:%s ext:%s group:%s since:%s sw:%s", of.ID, of.Email, of.ExternalID, of.GroupID, since, of.Beginning)), " ")
		parts := strings.Split(strings.Trim(want, "{}"), " ")
		for len(parts) < 6 {
			parts = append(parts, "")
		}
		if w := fmt.Sprintf("id:%s mail:%s ext:%s group:%s since:%s sw:%s", parts[0], parts[1], parts[2], parts[3], parts[4], parts[5]); got != w {
			t.Errorf("%s: %s, want %s", text, got, w)
		}
	}
}

// Whatever a filter or a patch says, it chooses something or is refused.
func FuzzChoice(f *testing.F) {
	for _, seed := range []string{
		`userName eq "a@example.com" and active eq true`, `emails[type eq "work" and value eq "a"]`, `groups eq "g"`, `members.value eq "a"`,
		`members[value eq "a" or value eq "b"]`, `not (members pr)`, `displayName sw "a" and id eq "1"`, `members`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if parsed, err := language.ParseFilter(users, text); err == nil {
			peopleOf(parsed)
		}
		if parsed, err := language.ParseFilter(groups, text); err == nil {
			groupsOf(parsed) // it must only not fail otherwise
		}
		for _, op := range []string{"add", "replace", "remove"} {
			for _, value := range []any{nil, "x", map[string]any{"value": "x", "type": "work"}, []any{map[string]any{"VALUE": "x"}}} {
				patch, err := groups.Patch(map[string]any{
					"schemas":    []any{"urn:ietf:params:scim:api:messages:2.0:PatchOp"},
					"Operations": []any{map[string]any{"op": op, "path": text, "value": value}},
				})
				if err == nil {
					patchedGroup(patch)
				}
			}
		}
	})
}
