package rule

import (
	"fmt"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// maxConcats bounds how often an expression joins two lists neither of which it writes out: each may double a
// list.
const maxConcats = 4

// checkShape refuses what may take very long in one step, which no cost limits. Lists may hold the same list
// many times, so that comparing two small values may compare billions of items: one side of a comparison has
// to be flat, which is a value without items, or a list or map of such values.
func checkShape(checked *ast.AST) (problem string, at int64) {
	concats := 0
	calls := ast.MatchDescendants(ast.NavigateAST(checked), ast.KindMatcher(ast.CallKind))
	for _, node := range calls {
		call := node.AsCall()
		args := call.Args()
		switch call.FunctionName() {
		case operators.Equals, operators.NotEquals, operators.In, operators.OldIn:
			if !isFlat(checked.GetType(args[0].ID())) && !isFlat(checked.GetType(args[1].ID())) {
				return "two objects, or lists of objects, cannot be compared: compare their fields, or convert one " +
					"side with string() or int()", node.ID()
			}
		case operators.Add:
			listed := args[0].Kind() == ast.ListKind || args[1].Kind() == ast.ListKind
			if t := checked.GetType(node.ID()); !listed && t.Kind() != types.StringKind && isCollection(t) {
				concats++
			}
		}
		if concats > maxConcats {
			return fmt.Sprintf("lists are joined more than %d times: join fewer, or write their items out", maxConcats),
				node.ID()
		}
	}
	return "", 0
}

func isCollection(t *types.Type) bool {
	return t.Kind() == types.ListKind || t.Kind() == types.DynKind
}

// isFlat is true for values without items, and for lists, maps and optional values of them.
func isFlat(t *types.Type) bool {
	switch t.Kind() {
	case types.ListKind, types.MapKind, types.OpaqueKind:
		parameters := t.Parameters()
		return len(parameters) > 0 && isScalar(parameters[len(parameters)-1])
	}
	return isScalar(t)
}

func isScalar(t *types.Type) bool {
	switch t.Kind() {
	case types.BoolKind, types.BytesKind, types.DoubleKind, types.DurationKind, types.IntKind, types.NullTypeKind,
		types.StringKind, types.TimestampKind, types.TypeKind, types.UintKind:
		return true
	}
	return false
}
