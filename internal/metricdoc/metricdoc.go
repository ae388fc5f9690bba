// Package metricdoc lists the metrics of server and worker for the tests of the documentation, the alerts and
// the dashboard. It reads the source code, because /metrics shows a metric with labels only after its first
// event.
package metricdoc

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Metric is a metric that the source code creates.
type Metric struct {
	Name, Kind, Help string
	Labels           []string
	By               string // the component: server or worker
}

var name = regexp.MustCompile(`^(berth|rest_client)_[a-z_]+$`)

// Read returns the metrics of the module at root, sorted by name: one entry per component that has the
// metric.
func Read(root string) ([]Metric, error) {
	var found []Metric
	for _, by := range []string{"server", "worker"} {
		err := filepath.WalkDir(
			filepath.Join(root, by),
			func(path string, entry fs.DirEntry, err error) error {
				if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") ||
					strings.HasSuffix(path, "_test.go") {
					return err
				}
				file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
				if err != nil {
					return fmt.Errorf("parse %s: %w", path, err)
				}
				ast.Inspect(file, func(n ast.Node) bool {
					if call, ok := n.(*ast.CallExpr); ok && len(call.Args) > 0 {
						if m := createdBy(call); name.MatchString(m.Name) {
							m.By = by
							found = append(found, m)
						}
					}
					return true
				})
				return nil
			},
		)
		if err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(found, func(a, b Metric) int { return strings.Compare(a.Name, b.Name) })
	return found, nil
}

// createdBy returns the metric that a call creates, as in NewCounterVec(CounterOpts{Name: …, Help: …},
// labels), or in the short form counter(name, help, labels…).
func createdBy(call *ast.CallExpr) Metric {
	m := Metric{Kind: kind(called(call.Fun))}
	rest := call.Args[1:]
	if options, ok := call.Args[0].(*ast.CompositeLit); ok {
		for _, element := range options.Elts {
			field, ok := element.(*ast.KeyValueExpr)
			if !ok {
				continue
			}
			switch called(field.Key) {
			case "Name":
				m.Name = text(field.Value)
			case "Help":
				m.Help = text(field.Value)
			case "ConstLabels":
				m.Labels = append(m.Labels, keys(field.Value)...)
			}
		}
	} else if m.Name = text(call.Args[0]); len(rest) > 0 {
		m.Help, rest = text(rest[0]), rest[1:]
	}
	for _, argument := range rest {
		if list, ok := argument.(*ast.CompositeLit); ok {
			for _, element := range list.Elts {
				m.Labels = append(m.Labels, text(element))
			}
		} else if label := text(argument); label != "" {
			m.Labels = append(m.Labels, label)
		}
	}
	return m
}

// kind derives the kind of a metric from the name of the called function.
func kind(function string) string {
	switch function = strings.ToLower(function); {
	case strings.Contains(function, "counter"):
		return "counter"
	case strings.Contains(function, "histogram"), strings.Contains(function, "seconds"):
		return "histogram"
	default:
		return "gauge"
	}
}

func called(function ast.Expr) string {
	switch f := function.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	}
	return ""
}

func keys(labels ast.Expr) []string {
	var out []string
	if literal, ok := labels.(*ast.CompositeLit); ok {
		for _, element := range literal.Elts {
			if pair, ok := element.(*ast.KeyValueExpr); ok {
				out = append(out, text(pair.Key))
			}
		}
	}
	return out
}

// text returns the value of a string literal, or "".
func text(e ast.Expr) string {
	literal, ok := e.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return ""
	}
	value, err := strconv.Unquote(literal.Value)
	if err != nil {
		return ""
	}
	return value
}
