package action

import "text/template/parse"

// analysis finds the fields of the root that a source refers to: `.x` where dot is the root, `$.x`, and what
// is reached through templates that are invoked with the root.
type analysis struct {
	trees  map[string]*parse.Tree
	done   map[string]bool
	fields []Field
	dollar bool // $ is the root
}

// walk looks through a template whose dot is the root, or is not.
func (a *analysis) walk(tree *parse.Tree, isRoot bool) {
	if tree == nil {
		return
	}
	saved := a.dollar
	a.dollar = isRoot
	a.node(tree.Root, isRoot)
	a.dollar = saved
}

func (a *analysis) add(p parse.Pos, path ...string) {
	a.fields = append(a.fields, Field{Offset: int(p), Path: path})
}

func (a *analysis) list(list *parse.ListNode, isRoot bool) {
	if list == nil {
		return
	}
	for _, node := range list.Nodes {
		a.node(node, isRoot)
	}
}

func (a *analysis) node(node parse.Node, isRoot bool) {
	switch node := node.(type) {
	case *parse.ListNode:
		a.list(node, isRoot)
	case *parse.ActionNode:
		a.pipe(node.Pipe, isRoot)
	case *parse.IfNode:
		a.pipe(node.Pipe, isRoot)
		a.list(node.List, isRoot)
		a.list(node.ElseList, isRoot)
	case *parse.WithNode:
		a.pipe(node.Pipe, isRoot)
		a.list(node.List, false)
		a.list(node.ElseList, isRoot)
	case *parse.RangeNode:
		a.pipe(node.Pipe, isRoot)
		a.list(node.List, false)
		a.list(node.ElseList, isRoot)
	case *parse.TemplateNode:
		a.invoke(node.Name, onlyArgument(node.Pipe), isRoot)
		if node.Pipe != nil && !a.isRootNode(onlyArgument(node.Pipe), isRoot) {
			a.pipe(node.Pipe, isRoot)
		}
	}
}

// onlyArgument returns the one operand of a pipeline that is nothing else.
func onlyArgument(pipe *parse.PipeNode) parse.Node {
	if pipe == nil || len(pipe.Cmds) != 1 || len(pipe.Cmds[0].Args) != 1 {
		return nil
	}
	return pipe.Cmds[0].Args[0]
}

func (a *analysis) isRootNode(node parse.Node, isRoot bool) bool {
	switch node := node.(type) {
	case *parse.DotNode:
		return isRoot
	case *parse.VariableNode:
		return a.dollar && len(node.Ident) == 1 && node.Ident[0] == "$"
	default:
		return false
	}
}

// invoke looks into a template once for each way in which it is invoked.
func (a *analysis) invoke(name string, argument parse.Node, isRoot bool) {
	withRoot := a.isRootNode(argument, isRoot)
	key := name
	if withRoot {
		key = "root\x00" + name
	}
	if a.done[key] {
		return
	}
	a.done[key] = true
	a.walk(a.trees[name], withRoot)
}

func (a *analysis) pipe(pipe *parse.PipeNode, isRoot bool) {
	if pipe == nil {
		return
	}
	for _, command := range pipe.Cmds {
		a.command(command, isRoot)
	}
}

func (a *analysis) command(command *parse.CommandNode, isRoot bool) {
	args := command.Args
	if identifier, ok := args[0].(*parse.IdentifierNode); ok && len(args) >= 3 {
		switch identifier.Ident {
		case "include":
			if name, ok := args[1].(*parse.StringNode); ok && a.isRootNode(args[2], isRoot) {
				a.invoke(name.Text, args[2], isRoot)
				return
			}
		case "index", "get", "hasKey":
			if name, ok := args[2].(*parse.StringNode); ok && a.isRootNode(args[1], isRoot) {
				a.add(name.Pos, name.Text)
				args = args[3:]
			}
		}
	}
	for _, arg := range args {
		a.operand(arg, isRoot)
	}
}

func (a *analysis) operand(node parse.Node, isRoot bool) {
	switch node := node.(type) {
	case *parse.DotNode, *parse.VariableNode:
		if a.isRootNode(node, isRoot) {
			a.add(node.Position())
			return
		}
		if v, ok := node.(*parse.VariableNode); ok && a.dollar && v.Ident[0] == "$" {
			a.add(v.Pos, v.Ident[1:]...)
		}
	case *parse.FieldNode:
		if isRoot {
			a.add(node.Pos, node.Ident...)
		}
	case *parse.ChainNode:
		if a.isRootNode(node.Node, isRoot) {
			a.add(node.Pos, node.Field...)
			return
		}
		a.operand(node.Node, isRoot)
	case *parse.PipeNode:
		a.pipe(node, isRoot)
	}
}
