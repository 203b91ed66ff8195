package pages

import (
	"html/template"
	"slices"
	"strings"
	"time"

	"github.com/maru-auth/maru/client-demo/internal/backend"
	"github.com/maru-auth/maru/client-demo/internal/lang"
	"github.com/maru-auth/maru/client-demo/internal/markdown"
)

// A page's Notice stands in place of a part that is missing because a service is down; it is empty
// if nothing is missing. Notices, and other texts of pages, are in the page's language.

// Home is the first page. Strangers find an invitation there.
type Home struct {
	Issuer       string
	IssuerNotice string
	Boards       []backend.Board
	BoardNotice  string
	Profile      *backend.Profile
	UserNotice   string
	LoggedOut    string // what came of a log-out; empty: nothing to say
}

// Boards lists the boards.
type Boards struct {
	Boards []backend.Board
	Notice string
}

// Board is a page of posts: of one board, or found by a search.
type Board struct {
	Board backend.Board // the zero Board: all boards
	Query string
	Write bool
	PostList
}

// Everywhere tells whether the posts are of all boards.
func (p Board) Everywhere() bool { return p.Board.Slug == "" }

// PostList is the part of a page that lists posts.
type PostList struct {
	Posts  []ListedPost
	Pager  Pager
	Notice string
}

// ListedPost is a post in a list.
type ListedPost struct {
	backend.Post
	BoardTitle string // empty: the list is of one board
}

// Post is a post with its comments.
type Post struct {
	Post       backend.Post
	BoardTitle string
	Text       markdown.Text
	Mine       bool
	Edit       bool // Mine, and not locked
	Moderate   bool
	Write      bool
	Threads    []Thread
	Notice     string
	Pager      Pager
	Form       *Form          // for a comment
	Preview    *markdown.Text // of that comment; nil: nobody asked for one
}

// Thread is a comment and its replies.
type Thread struct {
	Comment
	Replies []Comment
}

// Comment is a comment as its post's page shows it.
type Comment struct {
	backend.Comment
	Text     markdown.Text
	Mine     bool
	Moderate bool
	Reply    bool   // it may be replied to
	Key      string // for the reply's form
}

// Write is the page to write or change a post.
type Write struct {
	Form    *Form
	Action  string
	Back    string
	New     bool
	Preview *markdown.Text // nil: nobody asked for one
}

// EditComment is the page to change a comment.
type EditComment struct {
	Form    *Form
	Action  string
	Back    string
	Preview *markdown.Text // nil: nobody asked for one
}

// Delete asks before something is deleted for good.
type Delete struct {
	Title    string
	Question string
	Quote    string
	Notice   string // why it asks again; empty: it asks for the first time
	ETag     string
	Action   string
	Back     string
}

// Person is a person's public profile and what they wrote.
type Person struct {
	backend.Profile
	Own bool
	PostList
}

// Own is what the pages of a person's own data share.
type Own struct {
	Form   *Form // nil: Notice stands in its place
	Notice string
}

// tabs has, for each of these pages, the attribute aria-current of its tab on the page that is
// shown.
type tabs struct{ Profile, Settings, Interests, Data template.HTMLAttr }

// Profile is the page of a person's own profile.
type Profile struct {
	Own
	Account string // where people manage their account at the issuer
}

// Tabs marks the page among its neighbours.
func (Profile) Tabs() tabs { return tabs{Profile: thisPage} }

// Settings is the page of language, time zone and theme.
type Settings struct {
	Own
	Languages lang.Languages
}

// Tabs marks the page among its neighbours.
func (Settings) Tabs() tabs { return tabs{Settings: thisPage} }

// Locale is a choice of language. The value of the person's own may name a region.
type Locale struct {
	Value, Name, Lang string
	Chosen            bool
}

// Locales are the languages to choose from: the app's, and the person's own if the app does not
// speak it.
func (p Settings) Locales() []Locale {
	own := p.Form.Get("locale")
	spoken := p.Languages.Find(own)
	var locales []Locale
	for _, l := range p.Languages {
		locale := Locale{l.Code(), l.Name, l.Code(), l == spoken}
		if locale.Chosen {
			locale.Value = own
		}
		locales = append(locales, locale)
	}
	if own != "" && spoken == nil {
		locales = append(locales, Locale{Value: own, Name: own, Chosen: true})
	}
	return locales
}

// Zones are the time zones to choose from: those of many people, and the person's own.
func (p Settings) Zones() []string {
	if own := p.Form.Get("time_zone"); own != "" && !slices.Contains(zones, own) {
		return append([]string{own}, zones...)
	}
	return zones
}

var zones = strings.Fields(`Asia/Seoul Asia/Tokyo Asia/Shanghai Asia/Hong_Kong Asia/Taipei Asia/Singapore
	Asia/Ho_Chi_Minh Asia/Bangkok Asia/Jakarta Asia/Manila Asia/Kolkata Asia/Dubai Asia/Almaty Asia/Tashkent
	Europe/London Europe/Lisbon Europe/Madrid Europe/Paris Europe/Berlin Europe/Rome Europe/Stockholm
	Europe/Warsaw Europe/Athens Europe/Istanbul Europe/Kyiv Europe/Moscow
	Africa/Lagos Africa/Cairo Africa/Nairobi Africa/Johannesburg
	America/Halifax America/New_York America/Toronto America/Chicago America/Mexico_City America/Denver
	America/Phoenix America/Los_Angeles America/Vancouver America/Anchorage Pacific/Honolulu America/Bogota
	America/Lima America/Santiago America/Sao_Paulo America/Argentina/Buenos_Aires
	Australia/Perth Australia/Brisbane Australia/Sydney Pacific/Auckland UTC`)

// Interests is the page of a person's tags.
type Interests struct {
	Own
	Tags []string // as they are saved
}

// Tabs marks the page among its neighbours.
func (Interests) Tabs() tabs { return tabs{Interests: thisPage} }

// Data is the page where people download all that the services keep about them.
type Data struct {
	Status    int // 0: 200
	Notice    string
	Confirmed bool // they have just logged in for it
}

// Tabs marks the page among its neighbours.
func (Data) Tabs() tabs { return tabs{Data: thisPage} }

// Tokens is the page that shows the tokens and has the browser check them.
type Tokens struct {
	Issuer string
	Tokens []Token
	Notice string
	Words  map[string]string // what the script says
	Docs   []string          // the services' API references
}

// Token is a token and what the browser demands of it.
type Token struct {
	ID       string // of its section: "access", "id" or "refresh"
	Name     string
	About    string
	Raw      string // empty: it never reaches the browser
	Problem  string // why it cannot be shown
	Header   []Claim
	Claims   []Claim
	Expires  time.Time
	Audience string // space-separated; one of them must fit
	Types    string // space-separated; one of them must fit
	Checks   []string
	Call     bool // the page offers to call a service with it
}

// Claim is a claim of a token. Meaning explains it, and is empty if the app cannot.
type Claim struct{ Name, Value, Meaning string }

// Revoked is the page of what became of an access token that was revoked.
type Revoked struct {
	Title    string
	Waiting  bool // it changes by itself
	Notice   string
	Limit    string // seconds until the count ends
	Services []RevokedService
}

// RevokedService says what became of the token at one service.
type RevokedService struct {
	ID     string // of the element with Text
	Name   string
	Kind   string // "good", "bad", or empty while it is not known
	Text   string
	Detail string
}

// Message is a page that says one thing.
type Message struct {
	Status int
	Title  string
	Text   string
	Retry  string // where "try again" leads; empty: there is no such button
}

// Login asks to log in, and keeps a form that came after the session had ended.
type Login struct {
	Title string
	Text  string
	Here  string // where log-in leads back to
	Kept  []KeptField
}
