package action

import "text/template/parse"

// fieldFinder finds the fields of the root that a source refers to: `.x` where dot is the root, `$.x`, and
// the same inside templates that are invoked with the root.
type fieldFinder struct {
	trees  map[string]*parse.Tree
	done   map[string]bool
	fields []Field
	dollar bool // $ is the root
}

// walk visits a template. isRoot is true when its dot is the root.
func (f *fieldFinder) walk(tree *parse.Tree, isRoot bool) {
	if tree == nil {
		return
	}
	saved := f.dollar
	f.dollar = isRoot
	f.node(tree.Root, isRoot)
	f.dollar = saved
}

func (f *fieldFinder) add(p parse.Pos, path ...string) {
	f.fields = append(f.fields, Field{Offset: int(p), Path: path})
}

func (f *fieldFinder) list(list *parse.ListNode, isRoot bool) {
	if list == nil {
		return
	}
	for _, node := range list.Nodes {
		f.node(node, isRoot)
	}
}

func (f *fieldFinder) node(node parse.Node, isRoot bool) {
	switch node := node.(type) {
	case *parse.ListNode:
		f.list(node, isRoot)
	case *parse.ActionNode:
		f.pipe(node.Pipe, isRoot)
	case *parse.IfNode:
		f.pipe(node.Pipe, isRoot)
		f.list(node.List, isRoot)
		f.list(node.ElseList, isRoot)
	case *parse.WithNode:
		f.pipe(node.Pipe, isRoot)
		f.list(node.List, false)
		f.list(node.ElseList, isRoot)
	case *parse.RangeNode:
		f.pipe(node.Pipe, isRoot)
		f.list(node.List, false)
		f.list(node.ElseList, isRoot)
	case *parse.TemplateNode:
		f.invoke(node.Name, onlyArgument(node.Pipe), isRoot)
		if node.Pipe != nil && !f.isRootNode(onlyArgument(node.Pipe), isRoot) {
			f.pipe(node.Pipe, isRoot)
		}
	}
}

// onlyArgument returns the operand of a pipeline that consists of one operand, else nil.
func onlyArgument(pipe *parse.PipeNode) parse.Node {
	if pipe == nil || len(pipe.Cmds) != 1 || len(pipe.Cmds[0].Args) != 1 {
		return nil
	}
	return pipe.Cmds[0].Args[0]
}

func (f *fieldFinder) isRootNode(node parse.Node, isRoot bool) bool {
	switch node := node.(type) {
	case *parse.DotNode:
		return isRoot
	case *parse.VariableNode:
		return f.dollar && len(node.Ident) == 1 && node.Ident[0] == "$"
	default:
		return false
	}
}

// invoke visits a template once with the root as its dot, and once without.
func (f *fieldFinder) invoke(name string, argument parse.Node, isRoot bool) {
	withRoot := f.isRootNode(argument, isRoot)
	key := name
	if withRoot {
		key = "root\x00" + name
	}
	if f.done[key] {
		return
	}
	f.done[key] = true
	f.walk(f.trees[name], withRoot)
}

func (f *fieldFinder) pipe(pipe *parse.PipeNode, isRoot bool) {
	if pipe == nil {
		return
	}
	for _, command := range pipe.Cmds {
		f.command(command, isRoot)
	}
}

func (f *fieldFinder) command(command *parse.CommandNode, isRoot bool) {
	args := command.Args
	if identifier, ok := args[0].(*parse.IdentifierNode); ok && len(args) >= 3 {
		switch identifier.Ident {
		case "include":
			if name, ok := args[1].(*parse.StringNode); ok && f.isRootNode(args[2], isRoot) {
				f.invoke(name.Text, args[2], isRoot)
				return
			}
		case "index", "get", "hasKey":
			if name, ok := args[2].(*parse.StringNode); ok && f.isRootNode(args[1], isRoot) {
				f.add(name.Pos, name.Text)
				args = args[3:]
			}
		}
	}
	for _, arg := range args {
		f.operand(arg, isRoot)
	}
}

func (f *fieldFinder) operand(node parse.Node, isRoot bool) {
	switch node := node.(type) {
	case *parse.DotNode, *parse.VariableNode:
		if f.isRootNode(node, isRoot) {
			f.add(node.Position())
			return
		}
		if v, ok := node.(*parse.VariableNode); ok && f.dollar && v.Ident[0] == "$" {
			f.add(v.Pos, v.Ident[1:]...)
		}
	case *parse.FieldNode:
		if isRoot {
			f.add(node.Pos, node.Ident...)
		}
	case *parse.ChainNode:
		if f.isRootNode(node.Node, isRoot) {
			f.add(node.Pos, node.Field...)
			return
		}
		f.operand(node.Node, isRoot)
	case *parse.PipeNode:
		f.pipe(node, isRoot)
	}
}
