package berthfile

import (
	"slices"
	"strings"
)

// maxNamed bounds how many deployments a note names.
const maxNamed = 3

// merged puts problems in order and says what is wrong, or left out, in the same way in several deployments
// once, with their names.
func (p Problems) merged() Problems {
	slices.SortStableFunc(p, Problem.compare)
	var order []string
	groups := map[string]Problems{}
	for _, problem := range p {
		key := problem.File + "\x00" + problem.Suggestion + "\x00" + problem.withoutName()
		if _, there := groups[key]; !there {
			order = append(order, key)
		}
		groups[key] = append(groups[key], problem)
	}
	merged := make(Problems, 0, len(order))
	for _, key := range order {
		merged = append(merged, groups[key].one())
	}
	return merged
}

// withoutName is the message with a mark in place of the name of its deployment.
func (p Problem) withoutName() string {
	if p.of == "" {
		return p.Message
	}
	return strings.ReplaceAll(p.Message, p.of, "\x00")
}

// one is the first problem of a group, with the names of the other deployments.
func (p Problems) one() Problem {
	first := p[0]
	var others []string
	for _, problem := range p[1:] {
		if problem.of != first.of && !slices.Contains(others, problem.of) {
			others = append(others, problem.of)
		}
	}
	if len(others) == 0 {
		return first
	}
	names := make([]string, 0, maxNamed)
	for _, of := range others[:min(len(others), maxNamed)] {
		names = append(names, strings.TrimPrefix(of, "deployments."))
	}
	first.Message += " (also of " + strings.Join(names, ", ")
	if more := len(others) - len(names); more > 0 {
		first.Message += " and " + plural(more, "more deployment")
	}
	first.Message += ")"
	return first
}
