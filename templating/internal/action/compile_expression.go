package action

import (
	"slices"
	"strings"
	"text/template/parse"

	"github.com/berth-dev/berth/templating/internal/function"
)

// pipe compiles a pipeline: each command gets the value of the one before as its last argument.
func (c *compiler) pipe(pipe *parse.PipeNode) expression {
	if pipe == nil || !c.enter(pipe.Pos) {
		return constant{}
	}
	defer c.leave()
	var piped expression
	for _, command := range pipe.Cmds {
		piped = c.command(command, piped)
	}
	if piped == nil {
		return constant{}
	}
	return piped
}

func (c *compiler) command(command *parse.CommandNode, piped expression) expression {
	first := command.Args[0]
	if identifier, ok := first.(*parse.IdentifierNode); ok {
		return c.call(identifier, command.Args[1:], piped)
	}
	if len(command.Args) > 1 || piped != nil {
		c.fail(first.Position(), IssueSyntax, "%s is not a function and takes no arguments", first)
		return constant{}
	}
	return c.operand(first)
}

func (c *compiler) operand(node parse.Node) expression {
	switch node := node.(type) {
	case *parse.DotNode:
		return dotExpr{}
	case *parse.NilNode:
		return constant{}
	case *parse.BoolNode:
		return constant{node.True}
	case *parse.StringNode:
		return constant{node.Text}
	case *parse.NumberNode:
		return c.number(node)
	case *parse.FieldNode:
		return &fieldsExpr{at: node.Pos, base: dotExpr{}, path: node.Ident}
	case *parse.VariableNode:
		return c.variable(node)
	case *parse.ChainNode:
		return c.chain(node)
	case *parse.PipeNode:
		if len(node.Decl) > 0 {
			c.fail(node.Pos, IssueSyntax, "a variable cannot be declared inside parentheses")
		}
		return c.pipe(node)
	case *parse.IdentifierNode:
		return c.call(node, nil, nil)
	default:
		c.fail(node.Position(), IssueSyntax, "%s is not allowed here", node)
		return constant{}
	}
}

func (c *compiler) number(node *parse.NumberNode) expression {
	switch {
	case node.IsInt:
		return constant{node.Int64}
	case node.IsFloat:
		return constant{node.Float64}
	default:
		c.fail(node.Pos, IssueSyntax, "number %s is out of range", node.Text)
		return constant{}
	}
}

func (c *compiler) variable(node *parse.VariableNode) expression {
	var base expression = dollarExpr{}
	if node.Ident[0] != "$" {
		base = variableExpr{c.lookup(node)}
	}
	if len(node.Ident) == 1 {
		return base
	}
	return &fieldsExpr{at: node.Pos, base: base, path: node.Ident[1:]}
}

func (c *compiler) chain(node *parse.ChainNode) expression {
	if identifier, ok := node.Node.(*parse.IdentifierNode); ok && c.isVariable(identifier.Ident) {
		c.bareName(identifier, "."+strings.Join(node.Field, "."))
		return constant{}
	}
	return &fieldsExpr{at: node.Pos, base: c.operand(node.Node), path: node.Field}
}

func (c *compiler) isVariable(name string) bool {
	return function.Lookup(name) == nil && slices.Contains(c.options.Variables, name)
}

func (c *compiler) bareName(node *parse.IdentifierNode, rest string) {
	p := c.fail(node.Pos, IssueFunction, "%q is a variable, not a function", node.Ident+rest)
	p.Suggestion = "write ." + node.Ident + rest
	if strings.ContainsAny(node.Ident, "-") {
		p.Suggestion = `write index . "` + node.Ident + `"`
	}
}

// call compiles a function with its arguments.
func (c *compiler) call(identifier *parse.IdentifierNode, args []parse.Node, piped expression) expression {
	name := identifier.Ident
	expressions := make([]expression, 0, len(args)+1)
	for _, arg := range args {
		expressions = append(expressions, c.operand(arg))
	}
	if piped != nil {
		expressions = append(expressions, piped)
	}
	switch name {
	case placeholderCall:
		return c.placeholder(identifier, expressions)
	case "and", "or":
		if len(expressions) == 0 {
			c.fail(identifier.Pos, IssueSyntax, "%s takes at least 1 argument, got 0", name)
		}
		return &junctionExpr{stopAt: name == "or", args: expressions}
	}
	fn := function.Lookup(name)
	if fn == nil {
		c.unknownFunction(identifier)
		return constant{}
	}
	if !fn.Accepts(len(expressions)) {
		c.fail(identifier.Pos, IssueSyntax, "%s takes %s, got %d", name, fn.Arity(), len(expressions))
	}
	if name == "include" && !c.options.Text {
		c.fail(identifier.Pos, IssueSyntax,
			"include is only allowed in a job_manifest written as one string")
	}
	if name == "include" && c.options.Text && len(args) > 0 {
		if literal, ok := args[0].(*parse.StringNode); ok {
			c.defined(literal.Pos, literal.Text)
		}
	}
	c.template.mutates = c.template.mutates || fn.Mutates()
	return &callExpr{at: identifier.Pos, fn: fn, args: expressions}
}

func (c *compiler) unknownFunction(identifier *parse.IdentifierNode) {
	name := identifier.Ident
	if c.isVariable(name) {
		c.bareName(identifier, "")
		return
	}
	if reason, ok := function.Excluded()[name]; ok {
		c.fail(identifier.Pos, IssueFunction, "function %q is not allowed: %s", name, reason)
		return
	}
	c.fail(identifier.Pos, IssueFunction, "unknown function %q", name)
}

func (c *compiler) placeholder(identifier *parse.IdentifierNode, args []expression) expression {
	if len(args) == 1 {
		if index, ok := args[0].(constant); ok {
			if i, ok := index.v.(int64); ok {
				return &placeholderExpr{at: identifier.Pos, index: int(i)}
			}
		}
	}
	c.fail(identifier.Pos, IssueFunction, "unknown function %q", placeholderCall)
	return constant{}
}
