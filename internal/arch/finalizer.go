package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
)

// nameRoom is the only package that spells the name of our finalizer, changeRoom the only one that changes
// the finalizers of existing objects.
const (
	nameRoom   = "templating/manifest"
	changeRoom = "worker/kube/finalizer"
)

// FinalizerViolations lists where a Go file spells the name of our finalizer, or changes finalizers of an
// object, without being the package for it. Tests may change finalizers. path is relative to the root.
func FinalizerViolations(path string, source []byte, name string) ([]string, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", path, err)
	}
	folder := path[:max(0, strings.LastIndex(path, "/"))]
	test := strings.HasSuffix(path, "_test.go") || testSupport(folder)
	var found []string
	complain := func(at token.Pos, what string) {
		found = append(found, fmt.Sprintf("%s: %s", files.Position(at), what))
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BasicLit:
			text, err := strconv.Unquote(n.Value)
			if n.Kind != token.STRING || err != nil {
				return true
			}
			if folder != nameRoom && strings.Contains(text, name) {
				complain(n.Pos(), "the name of our finalizer is spelled here; it stands in "+nameRoom)
			}
			if !test && folder != changeRoom && strings.Trim(text, `"`) == "finalizers" && folder != nameRoom {
				complain(n.Pos(), "a patch of finalizers is made here; only "+changeRoom+" may")
			}
		case *ast.AssignStmt:
			for _, left := range n.Lhs {
				if s, ok := left.(*ast.SelectorExpr); ok && s.Sel.Name == "Finalizers" && !test && folder != changeRoom && folder != nameRoom {
					complain(left.Pos(), "finalizers are assigned here; only "+changeRoom+" may")
				}
			}
		case *ast.CallExpr:
			if s, ok := n.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == "SetFinalizers" && !test && folder != changeRoom {
				complain(n.Pos(), "finalizers are set here; only "+changeRoom+" may")
			}
		}
		return true
	})
	return found, nil
}
