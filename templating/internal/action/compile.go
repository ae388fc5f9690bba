package action

import (
	"fmt"
	"slices"
	"strings"
	"text/template/parse"
)

// Bounds on what is compiled at all. Parsers and tree walks recurse, so depth is bounded before anything else
// happens.
const (
	maxSource  = 512 << 10
	maxActions = 20_000
	maxDepth   = 200
	maxIssues  = 100
)

// placeholderCall is the function that a leaf's placeholders are rewritten to. No source may call it by name.
const placeholderCall = "berthPlaceholder"

// Options say what is being compiled.
type Options struct {
	// Text is true for a whole text, which may define and include templates.
	Text bool
	// Variables are the declared variables, for errors that know what was meant.
	Variables []string
}

// Template is a compiled source: immutable.
type Template struct {
	main    *body
	defined map[string]*body
	single  expression // set when the source is a single action that prints
	mutates bool       // some function in it changes an object in place
	fields  []Field
}

// body is a template, or the main text, with the number of variables it needs.
type body struct {
	body  *blockStmt
	slots int
}

// Issue is something that is wrong with a source.
type Issue struct {
	Offset     int
	Line       int // set where the parser only knows the line; Offset then does not count
	Code       IssueCode
	Message    string
	Suggestion string
}

// IssueCode groups issues.
type IssueCode int

// The kinds of issues.
const (
	IssueSyntax IssueCode = iota
	IssueFunction
	IssueLimit
)

// Field is a field of the root that a source refers to. An empty path is the whole root.
type Field struct {
	Offset int
	Path   []string
}

// IsValue says that the source is a single action, so that it keeps the type of what it evaluates to.
func (t *Template) IsValue() bool { return t.single != nil }

// Fields lists the fields of the root that the source refers to.
func (t *Template) Fields() []Field { return t.fields }

// Compile parses and checks a source. Where there are issues, the template must not be run: it is nil, or
// only lists what it refers to.
func Compile(source string, o Options) (*Template, []Issue) {
	if len(source) > maxSource {
		return nil, []Issue{
			{
				Code: IssueLimit,
				Message: fmt.Sprintf("the template has %d bytes; the limit is %d",
					len(source), maxSource),
			},
		}
	}
	if n := strings.Count(source, "{{"); n > maxActions {
		return nil, []Issue{
			{
				Code:    IssueLimit,
				Message: fmt.Sprintf("the template has %d actions; the limit is %d", n, maxActions),
			},
		}
	}
	if depth := parenDepth(source); depth > maxDepth {
		return nil, []Issue{
			{
				Code: IssueLimit,
				Message: fmt.Sprintf("parentheses are nested %d levels deep; the limit is %d", depth,
					maxDepth),
			},
		}
	}
	trees := map[string]*parse.Tree{}
	root := parse.New(mainName)
	root.Mode = parse.SkipFuncCheck
	if _, err := root.Parse(source, "", "", trees); err != nil {
		return nil, []Issue{parseIssue(err)}
	}
	c := &compiler{
		options:  o,
		template: &Template{defined: map[string]*body{}},
		trees:    trees,
	}
	c.compileAll(trees)
	if slices.ContainsFunc(c.issues, func(i Issue) bool { return i.Code == IssueLimit }) {
		return nil, c.issues // too deep to be walked once more
	}
	f := &fieldFinder{trees: trees, done: map[string]bool{}}
	f.walk(trees[mainName], true)
	c.template.fields = f.fields
	return c.template, c.issues
}

const mainName = "template"

// parenDepth is the deepest that parentheses may be nested in a source, strings not told apart: a bound, not
// a count.
func parenDepth(source string) int {
	depth, deepest := 0, 0
	for i := range len(source) {
		switch source[i] {
		case '(':
			depth++
			deepest = max(deepest, depth)
		case ')':
			depth = max(0, depth-1)
		case '}':
			depth = 0
		}
	}
	return deepest
}

// compiler translates parse trees; scope holds the variables that are visible.
type compiler struct {
	options  Options
	template *Template
	trees    map[string]*parse.Tree
	issues   []Issue
	scope    []scopeEntry
	slots    int
	depth    int
}

type scopeEntry struct {
	name string
	slot int
}

func (c *compiler) fail(p parse.Pos, code IssueCode, format string, args ...any) *Issue {
	if len(c.issues) == maxIssues {
		return &Issue{}
	}
	c.issues = append(c.issues, Issue{Offset: int(p), Code: code, Message: fmt.Sprintf(format, args...)})
	return &c.issues[len(c.issues)-1]
}

func (c *compiler) compileAll(trees map[string]*parse.Tree) {
	names := make([]string, 0, len(trees))
	for name := range trees {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		tree := trees[name]
		if name != mainName && !c.options.Text {
			c.fail(tree.Root.Pos, IssueSyntax,
				"define and block are only allowed in a job_manifest written as one string")
			continue
		}
		c.scope, c.slots = nil, 0
		compiled := &body{body: c.list(tree.Root)}
		compiled.slots = c.slots
		if name == mainName {
			c.template.main = compiled
			c.template.single = singleAction(tree.Root, compiled)
			continue
		}
		c.template.defined[name] = compiled
	}
	if c.template.main == nil {
		c.template.main = &body{body: &blockStmt{}}
	}
}

// singleAction returns the expression of a source that is one printing action with nothing around it.
func singleAction(root *parse.ListNode, compiled *body) expression {
	if root == nil || len(root.Nodes) != 1 || len(compiled.body.list) != 1 {
		return nil
	}
	if print, ok := compiled.body.list[0].(*printStmt); ok {
		return print.expr
	}
	return nil
}

// enter guards recursion; the caller leaves when it returned true.
func (c *compiler) enter(p parse.Pos) bool {
	if c.depth >= maxDepth {
		c.fail(p, IssueLimit, "nested deeper than %d levels", maxDepth)
		return false
	}
	c.depth++
	return true
}

func (c *compiler) leave() { c.depth-- }

// list compiles a list of nodes; the variables it declares end with it.
func (c *compiler) list(list *parse.ListNode) *blockStmt {
	if list == nil || !c.enter(list.Pos) {
		return nil
	}
	defer c.leave()
	visible := len(c.scope)
	block := &blockStmt{}
	for _, node := range list.Nodes {
		if s := c.statement(node); s != nil {
			block.list = append(block.list, s)
		}
	}
	c.scope = c.scope[:visible]
	return block
}

func (c *compiler) statement(node parse.Node) statement {
	switch node := node.(type) {
	case *parse.TextNode:
		return textStmt{string(node.Text)}
	case *parse.ActionNode:
		return c.action(node)
	case *parse.IfNode:
		return c.branch(&node.BranchNode, false)
	case *parse.WithNode:
		return c.branch(&node.BranchNode, true)
	case *parse.RangeNode:
		return c.loop(node)
	case *parse.TemplateNode:
		return c.invocation(node)
	case *parse.BreakNode:
		return flowStmt{flowBreak}
	case *parse.ContinueNode:
		return flowStmt{flowContinue}
	case *parse.CommentNode:
		return nil
	default:
		c.fail(node.Position(), IssueSyntax, "%s is not allowed here", node)
		return nil
	}
}

func (c *compiler) action(node *parse.ActionNode) statement {
	expr := c.pipe(node.Pipe)
	switch {
	case len(node.Pipe.Decl) == 0:
		return &printStmt{at: node.Pos, expr: expr}
	case node.Pipe.IsAssign:
		return &setStmt{slot: c.lookup(node.Pipe.Decl[0]), expr: expr}
	default:
		return &setStmt{slot: c.declare(node.Pipe.Decl[0]), expr: expr}
	}
}

func (c *compiler) declare(v *parse.VariableNode) int {
	slot := c.slots
	c.slots++
	c.scope = append(c.scope, scopeEntry{name: v.Ident[0], slot: slot})
	return slot
}

// lookup finds a variable; the parser has made sure that it is there.
func (c *compiler) lookup(v *parse.VariableNode) int {
	for i := len(c.scope) - 1; i >= 0; i-- {
		if c.scope[i].name == v.Ident[0] {
			return c.scope[i].slot
		}
	}
	c.fail(v.Pos, IssueSyntax, "undefined variable %s", v.Ident[0])
	return 0
}

func (c *compiler) branch(node *parse.BranchNode, setDot bool) statement {
	visible := len(c.scope)
	s := &ifStmt{at: node.Pos, expr: c.pipe(node.Pipe), slot: -1, setDot: setDot}
	if len(node.Pipe.Decl) > 0 {
		if node.Pipe.IsAssign {
			s.slot = c.lookup(node.Pipe.Decl[0])
		} else {
			s.slot = c.declare(node.Pipe.Decl[0])
		}
	}
	s.then, s.other = c.list(node.List), c.list(node.ElseList)
	c.scope = c.scope[:visible]
	return s
}

func (c *compiler) loop(node *parse.RangeNode) statement {
	visible := len(c.scope)
	s := &rangeStmt{at: node.Pos, expr: c.pipe(node.Pipe), key: -1, val: -1}
	slot := c.declare
	if node.Pipe.IsAssign {
		slot = c.lookup
	}
	switch decl := node.Pipe.Decl; len(decl) {
	case 1:
		s.val = slot(decl[0])
	case 2:
		s.key, s.val = slot(decl[0]), slot(decl[1])
	}
	s.body, s.other = c.list(node.List), c.list(node.ElseList)
	c.scope = c.scope[:visible]
	return s
}

func (c *compiler) invocation(node *parse.TemplateNode) statement {
	if !c.options.Text {
		c.fail(node.Pos, IssueSyntax,
			"template is only allowed in a job_manifest written as one string")
		return nil
	}
	c.defined(node.Pos, node.Name)
	s := &templateStmt{at: node.Pos, name: node.Name}
	if node.Pipe != nil {
		s.expr = c.pipe(node.Pipe)
	}
	return s
}

// defined refuses the name of a template that nothing defines: a branch that is rarely taken would say so
// only when it is.
func (c *compiler) defined(p parse.Pos, name string) {
	if name == mainName || c.trees[name] == nil {
		c.fail(p, IssueSyntax, "template %q is not defined", name)
	}
}
