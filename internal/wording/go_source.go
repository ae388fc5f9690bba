package wording

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"strconv"
	"strings"
)

var (
	// twoWords tells a text from a name, a key or a path.
	twoWords = regexp.MustCompile(`\p{L}\S* +\S*\p{L}`)
	// code tells a part of a statement, a column or a header from a text.
	code = regexp.MustCompile(`^\w+ (integer|text|uuid|bigint|boolean|time|json)$|\br\.\w+,|\w+ = \w+\.\w+` +
		`|^timestamp with|charset=|default-src|FOR (KEY )?SHARE`)
	// sql tells a statement from a text; statements are written with keywords in upper case.
	sql = regexp.MustCompile(
		`\b(SELECT|INSERT INTO|UPDATE|DELETE|FROM|WHERE|VALUES|JOIN|PRAGMA|CONFLICT|FOR SHARE` +
			`|LIMIT|NOTIFY|LISTEN|UNION|ORDER BY|GROUP BY|CREATE|DROP|ALTER|EXISTS|NULL|SET|RETURNING|WITH|CASE|AND|OR|IN|AS)\b`,
	)
)

// GoFile returns the messages of a Go file that is neither a test nor generated. name is slash-separated,
// from the root of the module.
//
// Every string literal of two words or more counts, wherever it stands, so that no new way to make a message
// escapes the list. Log messages count at warn and error only.
func GoFile(name string, source []byte) ([]Message, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", name, err)
	}
	if ast.IsGenerated(file) {
		return nil, nil
	}

	c := goCollector{files: files, name: name, surface: surfaceOf(path.Dir(name))}
	ast.Inspect(file, c.visit)
	return c.messages, nil
}

type goCollector struct {
	files    *token.FileSet
	name     string
	surface  Surface
	messages []Message
}

func (c *goCollector) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.ImportSpec, *ast.CommentGroup:
		return false
	case *ast.Field: // a type and perhaps a tag
		return false
	case *ast.FuncLit, *ast.FuncDecl:
		return true
	case *ast.CallExpr:
		return c.call(n)
	case *ast.BinaryExpr:
		if text, ok := joined(n); ok {
			c.add(c.surface, n, text)
			return false
		}
	case *ast.BasicLit:
		if text, ok := literal(n); ok {
			c.add(c.surface, n, text)
		}
	}
	return true
}

// call takes the message out of a log call, skips regular expressions, and leaves every other call to visit.
func (c *goCollector) call(call *ast.CallExpr) bool {
	if function, ok := call.Fun.(*ast.SelectorExpr); ok && lastName(function.X) == "regexp" {
		return false
	}
	level, message := logCall(call)
	if message == nil {
		return true
	}
	if text, ok := joined(message); ok && (level == "Warn" || level == "Error") {
		c.add(Log, message, text)
	}
	for _, argument := range call.Args { // a value may be a text too
		if argument != message {
			ast.Inspect(argument, c.visit)
		}
	}
	return false
}

func (c *goCollector) add(surface Surface, n ast.Node, text string) {
	if surface == "" || !twoWords.MatchString(text) || sql.MatchString(text) || code.MatchString(text) {
		return
	}
	c.messages = append(c.messages, Message{
		Surface: surface, File: c.name, Line: c.files.Position(n.Pos()).Line, Text: text,
	})
}

// logCall returns the level and the message of a call of a slog.Logger: log.Warn("…"), h.Logger.Error("…").
func logCall(call *ast.CallExpr) (level string, message ast.Expr) {
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || len(call.Args) == 0 || !strings.Contains(strings.ToLower(lastName(method.X)), "log") {
		return "", nil
	}
	level = strings.TrimSuffix(method.Sel.Name, "Context")
	at := 0
	if level != method.Sel.Name {
		at = 1
	}
	switch level {
	case "Debug", "Info", "Warn", "Error":
	case "Log": // its level is a value: it may be warn
		level, at = "Warn", 2
	default:
		return "", nil
	}
	if at >= len(call.Args) {
		return "", nil
	}
	return level, call.Args[at]
}

func lastName(x ast.Expr) string {
	switch x := x.(type) {
	case *ast.Ident:
		return x.Name
	case *ast.SelectorExpr:
		return x.Sel.Name
	case *ast.CallExpr: // log.With(…).Warn
		if method, ok := x.Fun.(*ast.SelectorExpr); ok {
			return lastName(method.X) + method.Sel.Name
		}
		return lastName(x.Fun)
	}
	return ""
}

// joined returns the text of a literal or of a concatenation that has one, with {…} for its other operands.
func joined(x ast.Expr) (string, bool) {
	switch x := x.(type) {
	case *ast.BasicLit:
		return literal(x)
	case *ast.ParenExpr:
		return joined(x.X)
	case *ast.BinaryExpr:
		if x.Op != token.ADD {
			return "", false
		}
		left, isLeft := joined(x.X)
		right, isRight := joined(x.Y)
		if !isLeft {
			left = "{…}"
		}
		if !isRight {
			right = "{…}"
		}
		return left + right, isLeft || isRight
	}
	return "", false
}

func literal(x *ast.BasicLit) (string, bool) {
	if x.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(x.Value)
	return text, err == nil
}
