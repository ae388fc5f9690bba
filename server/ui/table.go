package ui

import "time"

// tableView is a list of things of one kind.
type tableView struct {
	Frame
	Heading string
	About   string
	Links   []chip // filters that are built in
	Filter  []field
	Actions []runAction
	Columns []string
	Rows    []row
	Empty   string // what stands in place of no rows
	Command string // that makes the first one
	Newest  string
	Older   string
}

// row is a line of a table.
type row struct {
	ID    string
	Cells []cell
}

// cell is a place of a row; what is empty is not shown.
type cell struct {
	Text    string
	Address string
	At      *time.Time
	Tags    []string
	Lines   []string // below the text, quieter
	Hidden  string   // shown when it is asked for
	Actions []runAction
}

func plain(text string) cell { return cell{Text: text} }

func at(t time.Time) cell { return cell{At: &t} }

// pagesOf sets the addresses of the other pages of a list.
func (t *tableView) pagesOf(v *visit, next *string) {
	if v.query.Get("cursor") != "" {
		t.Newest = v.without("cursor")
	}
	if next != nil {
		t.Older = v.with("cursor", *next)
	}
}

// cursor of the page that the address asks for.
func (v *visit) cursor() *string { return optional(v.query.Get("cursor")) }

// listed is how many things a page of a list has.
const listed = int32(100)

func limitOf() *int32 {
	limit := listed
	return &limit
}
