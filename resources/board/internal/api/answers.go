package api

// What requests and answers have in common.

// PageInput is what every list takes. It is exported because huma overlooks what is not, when it is
// embedded in an input.
type PageInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"20" doc:"How many items a page has at most."`
	Cursor string `query:"cursor" maxLength:"500" doc:"The next of the previous page. Absent: the first page."`
}

// answer is a resource with its entity tag.
type answer[T any] struct {
	ETag string `header:"ETag" doc:"Entity tag of this version, for If-Match."`
	Body T
}

// created is a new resource with its address.
type created[T any] struct {
	Location string `header:"Location" doc:"Where it is."`
	ETag     string `header:"ETag" doc:"Entity tag of this version, for If-Match."`
	Body     T
}

type listOf[T any] struct{ Body T }
